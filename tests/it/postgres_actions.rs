//! The actions on a real PostgreSQL pair behind a real HAProxy, called directly. Each test has a pair of its own, in a folder
//! and on ports of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use playbook::actions::{Call, Context, Table};
use playbook::inventory::Inventory;
use playbook::outcome::{Finding, Outcome, Report};
use playbook::spec::Fidelity;
use playbook::value::Value;
use serde_json::json;

const BIN: &str = "/usr/lib/postgresql/15/bin";

pub struct Pair {
    pub folder: tempfile::TempDir,
    pub ports: [u16; 2],
    pub endpoint: u16,
    proxy: Child,
    pub context: Context,
    pub table: Table,
    calls: std::cell::Cell<u32>,
}

/// A port that is free, below those that the kernel gives to outgoing connections: one of them may take a port between
/// our look at it and the server's start.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 150).unwrap() * 100;
    loop {
        let port = 12_000 + start + NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Whom PostgreSQL runs as: it refuses root.
fn as_owner(program: &str) -> Command {
    if nix::unistd::Uid::effective().is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", program]).current_dir("/");
        command
    } else {
        Command::new(program)
    }
}

fn succeed(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
}

fn append(path: &Path, text: &str) {
    use std::io::Write;
    std::fs::OpenOptions::new().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

impl Pair {
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("playbook-pair-").tempdir_in("/tmp").unwrap();
        let path = folder.path();
        if nix::unistd::Uid::effective().is_root() {
            let user = nix::unistd::User::from_name("postgres").unwrap().expect("a user postgres");
            nix::unistd::chown(path, Some(user.uid), Some(user.gid)).unwrap();
        }
        let ports = [free_port(), free_port()];
        let (pg1, pg2) = (path.join("pg1"), path.join("pg2"));
        succeed(
            as_owner(&format!("{BIN}/initdb")).args(["-A", "trust", "-U", "postgres", "--no-sync", "-D"]).arg(&pg1),
        );
        append(
            &pg1.join("postgresql.conf"),
            &format!(
                "port = {}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\nwal_log_hints = on\nfsync = off\n\
                 max_connections = 30\nshared_buffers = 16MB\nwal_keep_size = 64MB\nwal_retrieve_retry_interval = 200ms\n",
                ports[0]
            ),
        );
        let pair = Self::with(folder, ports);
        pair.start("pg1");
        let source = format!("host=127.0.0.1 port={} user=postgres application_name=pg2", ports[0]);
        succeed(
            as_owner(&format!("{BIN}/pg_basebackup"))
                .args(["-R", "-X", "stream", "-c", "fast", "-d", &source, "-D"])
                .arg(&pg2),
        );
        append(&pg2.join("postgresql.conf"), &format!("port = {}\n", ports[1]));
        pair.start("pg2");
        pair
    }

    fn with(folder: tempfile::TempDir, ports: [u16; 2]) -> Self {
        let path = folder.path().to_owned();
        let (endpoint, socket) = (free_port(), path.join("haproxy.sock"));
        let file = path.join("haproxy.cfg");
        let text = format!(
            "global\n  stats socket {} mode 600 level admin\ndefaults\n  mode tcp\n  timeout connect 2s\n  timeout client 1m\n  \
             timeout server 1m\nlisten orders\n  bind 127.0.0.1:{endpoint}\n  server pg1 127.0.0.1:{} check inter 200ms\n  \
             server pg2 127.0.0.1:{} check inter 200ms disabled\n",
            socket.display(),
            ports[0],
            ports[1]
        );
        std::fs::write(&file, text).unwrap();
        let proxy =
            Command::new("/usr/sbin/haproxy").args(["-db", "-f"]).arg(&file).stderr(Stdio::null()).spawn().unwrap();
        let member = |name: &str, port: u16| json!({ "address": "127.0.0.1", "port": port, "data_directory": path.join(name), "bin_directory": BIN });
        let inventory: Inventory = serde_json::from_value(json!({
            "databases": { "orders": {
                "user": "postgres", "dbname": "postgres", "proxy": "orders", "endpoint": format!("127.0.0.1:{endpoint}"),
                "members": { "pg1": member("pg1", ports[0]), "pg2": member("pg2", ports[1]) },
            } },
            "proxies": { "orders": { "socket": socket, "backend": "orders" } },
        }))
        .unwrap();
        let spool = path.join("spool");
        std::fs::create_dir(&spool).unwrap();
        playbook::actions::recorder::use_program(env!("CARGO_BIN_EXE_playbook").into());
        let context = Context { inventory: Arc::new(inventory), spool, output: Arc::new(|_, _| {}) };
        Self { folder, ports, endpoint, proxy, context, table: Table::builtin(), calls: std::cell::Cell::new(0) }
    }

    pub fn data(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn start(&self, name: &str) {
        let log = self.data(name).join("log.txt");
        succeed(as_owner(&format!("{BIN}/pg_ctl")).args(["start", "-w", "-D"]).arg(self.data(name)).arg("-l").arg(log));
    }

    /// Kills a server's processes, the hard way.
    pub fn kill(&self, name: &str) {
        let pid_file = std::fs::read_to_string(self.data(name).join("postmaster.pid")).unwrap();
        let postmaster: i32 = pid_file.lines().next().unwrap().parse().unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(postmaster), nix::sys::signal::Signal::SIGKILL).unwrap();
    }

    pub fn call(&self, action: &str, mut arguments: Value, before: Value) -> Call {
        let spec = self.table.get(action).unwrap().spec();
        arguments["cluster"] = json!("orders");
        for field in &spec.inputs {
            if let (Some(default), None) = (&field.default, arguments.get(field.name)) {
                arguments[field.name] = default.clone();
            }
        }
        self.calls.set(self.calls.get() + 1);
        Call {
            attempt: format!("call-{}", self.calls.get()),
            key: format!("call-{}", self.calls.get()),
            arguments,
            before,
            outputs: Value::Null,
            timeout: Duration::from_secs(30),
            kill_on_timeout: false,
            effect: spec.effect,
            age: None,
        }
    }

    /// Sets the inventory's ways to fence.
    pub fn fence(&mut self, methods: Value) {
        let mut inventory = (*self.context.inventory).clone();
        inventory.databases.get_mut("orders").unwrap().fence = serde_json::from_value(methods).unwrap();
        self.context.inventory = Arc::new(inventory);
    }

    /// Sets the inventory's system identifier.
    pub fn identity(&mut self, identifier: Option<&str>) {
        let mut inventory = (*self.context.inventory).clone();
        inventory.databases.get_mut("orders").unwrap().system_identifier = identifier.map(str::to_owned);
        self.context.inventory = Arc::new(inventory);
    }

    /// Plans, then runs, as the engine does. The call has what the plan read.
    pub async fn act(&self, action: &str, arguments: Value) -> (Report, Call) {
        let found = self.table.get(action).unwrap();
        let mut call = self.call(action, arguments, Value::Null);
        let prediction = found.plan(&self.context, &call.arguments).await.unwrap();
        let looked = prediction.fidelity != Fidelity::Unknown;
        for field in found.spec().facts.iter().filter(|field| field.required && looked) {
            assert!(
                prediction.facts.get(field.name).is_some(),
                "{action} reads no {}: {}",
                field.name,
                prediction.facts
            );
        }
        call.before = prediction.facts;
        let report = found.run(&self.context, &call).await;
        if report.outcome == Outcome::Done {
            for field in found.spec().outputs.iter().filter(|field| field.required) {
                assert!(
                    report.outputs.get(field.name).is_some(),
                    "{action} gives no {}: {}",
                    field.name,
                    report.outputs
                );
            }
        }
        (report, call)
    }

    pub async fn done(&self, action: &str, arguments: Value) -> Value {
        let (report, _) = self.act(action, arguments).await;
        assert_eq!(report.outcome, Outcome::Done, "{action}: {}", report.message);
        println!("{action}: {}", report.message);
        report.outputs
    }

    pub async fn undo(&self, action: &str, call: &Call) -> Report {
        let call = Call { key: format!("{}-undo", call.key), ..call.clone() };
        self.table.get(action).unwrap().undo(&self.context, &call).await
    }

    pub async fn probe(&self, action: &str, call: &Call) -> Finding {
        self.table.get(action).unwrap().probe(&self.context, call).await
    }

    pub async fn sql(&self, port: u16, sql: &str) -> Result<Vec<String>, tokio_postgres::Error> {
        let text = format!("host=127.0.0.1 port={port} user=postgres dbname=postgres connect_timeout=2");
        let (client, connection) = tokio_postgres::connect(&text, tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        let answers = client.simple_query(sql).await?;
        let row = |answer: &tokio_postgres::SimpleQueryMessage| match answer {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        };
        Ok(answers.iter().filter_map(row).collect())
    }

    /// A session under an application's name, for as long as the task lives that is given back.
    pub async fn session(&self, port: u16, application: &str) -> tokio::task::JoinHandle<()> {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(port).user("postgres").dbname("postgres").application_name(application);
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(async move {
            drop(connection.await);
            drop(client);
        })
    }

    /// Changes the inventory.
    pub fn change(&mut self, change: impl FnOnce(&mut Inventory)) {
        let mut inventory = (*self.context.inventory).clone();
        change(&mut inventory);
        self.context.inventory = Arc::new(inventory);
    }

    /// Waits until the standby streams and has all there is.
    pub async fn settled(&self) {
        for _ in 0..100 {
            let action = self.table.get("postgres.status").unwrap();
            let call = self.call("postgres.status", json!({}), Value::Null);
            let facts = action.plan(&self.context, &call.arguments).await.unwrap().facts;
            if facts["streaming"] == true && facts["lag_bytes"] == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the standby never streamed");
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        for name in ["pg1", "pg2"] {
            let stop = as_owner(&format!("{BIN}/pg_ctl"))
                .args(["stop", "-m", "immediate", "-D"])
                .arg(self.data(name))
                .output();
            drop(stop);
        }
        drop(self.proxy.kill());
        drop(self.proxy.wait());
    }
}

pub fn member(name: &str) -> Value {
    json!({ "member": name })
}

pub fn server(name: &str, state: &str) -> Value {
    json!({ "proxy": "orders", "server": name, "state": state })
}

#[tokio::test]
async fn a_planned_switch_and_its_undo() {
    let mut pair = Pair::new();
    pair.settled().await;
    let roles = pair.done("postgres.status", json!({ "mode": "planned" })).await;
    assert_eq!((&roles["primary"], &roles["standby"], &roles["primaries"]), (&json!("pg1"), &json!("pg2"), &json!(1)));
    assert_eq!(
        (&roles["settings_ok"], &roles["slots_ok"], &roles["streaming"]),
        (&json!(true), &json!(true), &json!(true))
    );
    assert_eq!(
        (&roles["timeline"], &roles["sync_problem"], &roles["second_controller"]),
        (&json!(1), &json!(null), &json!(null))
    );

    // What stands in the way is seen.
    let another = pair.session(pair.ports[0], "pg_autoctl keeper").await;
    pair.sql(pair.ports[1], "select pg_wal_replay_pause()").await.unwrap();
    let seen = pair.done("postgres.status", json!({})).await;
    assert!(seen["second_controller"].as_str().is_some_and(|text| text.contains("pg_autoctl keeper")), "{seen}");
    assert_eq!(seen["replay_paused"], true);
    another.abort();
    pair.sql(pair.ports[1], "select pg_wal_replay_resume()").await.unwrap();
    pair.settled().await;

    // Servers of another cluster are not touched.
    pair.identity(Some("1"));
    for (action, arguments) in [("postgres.promote", member("pg2")), ("postgres.fence", member("pg1"))] {
        let (refused, _) = pair.act(action, arguments).await;
        assert_eq!(refused.outcome, Outcome::NoEffect, "{action}: {}", refused.message);
        assert!(refused.message.contains("not touched"), "{}", refused.message);
    }
    pair.identity(None);

    // While the old primary is up, nothing is promoted, and nothing is changed by trying.
    let (refused, call) = pair.act("postgres.promote", member("pg2")).await;
    assert_eq!(refused.outcome, Outcome::NoEffect, "{}", refused.message);
    assert!(matches!(pair.probe("postgres.promote", &call).await, Finding::DidNot { .. }));

    // A fence, and its undo: the old primary takes writes through the proxy again.
    let (held, hold) = pair.act("haproxy.server_state", server("pg1", "drain")).await;
    assert_eq!(held.outcome, Outcome::Done, "{}", held.message);
    assert!(pair.sql(pair.endpoint, "select 1").await.is_err(), "new connections are not taken");
    let (fenced, fence) = pair.act("postgres.fence", member("pg1")).await;
    assert_eq!(fenced.outcome, Outcome::Done, "{}", fenced.message);
    assert!(pair.sql(pair.ports[0], "select 1").await.is_err());
    assert!(matches!(pair.probe("postgres.fence", &fence).await, Finding::TookEffect { .. }));
    for _ in 0..2 {
        let undone = pair.undo("postgres.fence", &fence).await;
        assert_eq!(undone.outcome, Outcome::Done, "{}", undone.message);
        let undone = pair.undo("haproxy.server_state", &hold).await;
        assert_eq!(undone.outcome, Outcome::Done, "{}", undone.message);
    }
    pair.sql(pair.endpoint, "create table kept (id int); insert into kept values (7)").await.unwrap();
    pair.settled().await;

    // The switch.
    pair.done("haproxy.server_state", server("pg1", "drain")).await;
    let (fenced, fence) = pair.act("postgres.fence", member("pg1")).await;
    assert_eq!(fenced.outcome, Outcome::Done, "{}", fenced.message);
    pair.done("postgres.catch_up", json!({ "member": "pg2", "position": fenced.outputs["position"] })).await;
    let (promoted, promote) = pair.act("postgres.promote", member("pg2")).await;
    assert_eq!((promoted.outcome, &promoted.outputs["timeline"]), (Outcome::Done, &json!(2)), "{}", promoted.message);
    assert!(matches!(pair.probe("postgres.promote", &promote).await, Finding::TookEffect { .. }));
    assert_eq!(pair.done("postgres.promote", member("pg2")).await["timeline"], 2, "a second one finds it done");
    let undone = pair.undo("postgres.fence", &fence).await;
    assert_eq!(undone.outcome, Outcome::Failed, "two writers: {}", undone.message);
    assert!(undone.message.contains("promoted"), "{}", undone.message);

    pair.done("haproxy.server_state", server("pg2", "ready")).await;
    assert_eq!(pair.done("postgres.canary", json!({})).await["member"], "pg2");
    assert_eq!(pair.sql(pair.endpoint, "select id from kept").await.unwrap(), ["7"]);

    let rejoined = pair.done("postgres.rejoin", member("pg1")).await;
    assert_eq!((&rejoined["rewound"], &rejoined["primary"]), (&json!(false), &json!("pg2")));
    pair.settled().await;
    let after = pair.done("postgres.status", json!({ "mode": "planned" })).await;
    assert_eq!((&after["primary"], &after["standby"], &after["timeline"]), (&json!("pg2"), &json!("pg1"), &json!(2)));
    assert_eq!(pair.done("postgres.follow", member("pg1")).await["primary"], "pg2");
}

#[tokio::test]
async fn an_unplanned_switch_after_a_crash() {
    let mut pair = Pair::new();
    pair.settled().await;
    // A primary that answers is no case for an unplanned switch.
    let (alive, _) = pair.act("postgres.status", json!({ "mode": "unplanned" })).await;
    assert_eq!(alive.outcome, Outcome::Failed, "{}", alive.message);
    // What the standby never gets is lost, and is counted.
    let astray = "alter system set primary_conninfo = 'host=127.0.0.1 port=1 user=postgres'";
    pair.sql(pair.ports[1], astray).await.unwrap();
    pair.sql(pair.ports[1], "select pg_reload_conf()").await.unwrap();
    while !pair.sql(pair.ports[1], "select pid::text from pg_stat_wal_receiver").await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    pair.sql(pair.ports[0], "create table lost as select generate_series(1, 1000)").await.unwrap();
    pair.kill("pg1");
    let planned = json!({ "mode": "planned", "instead": "If it is gone: playbook run db-failover -i mode=unplanned" });
    let (refused, _) = pair.act("postgres.status", planned).await;
    assert_eq!(refused.outcome, Outcome::Failed);
    assert!(refused.message.contains("pg1") && refused.message.contains("mode=unplanned"), "{}", refused.message);
    let seen = pair.done("postgres.status", json!({ "mode": "unplanned" })).await;
    assert_eq!(
        (&seen["primary_gone"], &seen["old_primary"], &seen["standby"]),
        (&json!(true), &json!("pg1"), &json!("pg2"))
    );

    pair.done("haproxy.server_state", server("pg1", "drain")).await;
    // A method whose probe says no is no fence.
    pair.fence(json!([{ "method": "command", "argv": ["false", "{member}"], "probe": ["false"] }]));
    let (unconfirmed, call) = pair.act("postgres.fence", json!({ "member": "pg1", "mode": "unplanned" })).await;
    assert_eq!(unconfirmed.outcome, Outcome::Failed, "{}", unconfirmed.message);
    assert!(unconfirmed.message.contains("does not confirm"), "{}", unconfirmed.message);
    assert_eq!(pair.undo("postgres.fence", &call).await.outcome, Outcome::Done, "it did not run before");
    pair.fence(json!([{ "method": "command", "argv": ["false"], "probe": ["false"] }, { "method": "ssh" }]));
    let fenced = pair.done("postgres.fence", json!({ "member": "pg1", "mode": "unplanned" })).await;
    assert_eq!(fenced["method"], "ssh");
    assert!(fenced["lost_bytes"].as_i64().is_some_and(|bytes| bytes > 1000), "{fenced}");
    pair.done("postgres.promote", member("pg2")).await;
    pair.done("haproxy.server_state", server("pg2", "ready")).await;
    pair.done("postgres.canary", json!({})).await;
    let rejoined = pair.done("postgres.rejoin", member("pg1")).await;
    assert_eq!(rejoined["rewound"], true);
    assert!(rejoined["discarded_bytes"].as_i64().is_some_and(|bytes| bytes > 1000), "{rejoined}");
    pair.settled().await;
    assert_eq!(pair.sql(pair.ports[0], "select pg_is_in_recovery()").await.unwrap(), ["t"]);
}

#[tokio::test]
async fn a_statement_is_settled_by_its_transaction() {
    let pair = Pair::new();
    pair.sql(pair.ports[0], "create table ledger (id int primary key, note text)").await.unwrap();
    let insert =
        json!({ "sql": "insert into ledger values ($1, $2)", "parameters": [1, "o'clock; drop table ledger"] });
    let (report, call) = pair.act("postgres.execute", insert.clone()).await;
    assert_eq!((report.outcome, &report.outputs["row_count"]), (Outcome::Done, &json!(1)), "{}", report.message);
    assert!(matches!(pair.probe("postgres.execute", &call).await, Finding::TookEffect { .. }));

    let mut twice = insert.clone();
    twice["dry_run_in_transaction"] = json!(true);
    let call = pair.call("postgres.execute", twice, Value::Null);
    let action = pair.table.get("postgres.execute").unwrap();
    let prediction = action.plan(&pair.context, &call.arguments).await.unwrap();
    assert_eq!(prediction.refusals.len(), 1, "the key is taken: {prediction:?}");

    let wrong = json!({ "sql": "delete from ledger", "expect_rows": 5 });
    let (refused, call) = pair.act("postgres.execute", wrong).await;
    assert_eq!(refused.outcome, Outcome::NoEffect, "{}", refused.message);
    assert!(matches!(pair.probe("postgres.execute", &call).await, Finding::DidNot { .. }), "no commit was sent");

    // A backend that dies between the note and the commit: a deferred trigger holds the commit open.
    pair.sql(
        pair.ports[0],
        "create function slow() returns trigger language plpgsql as 'begin perform pg_sleep(60); return null; end';
         create constraint trigger slow after insert on ledger deferrable initially deferred for each row execute function slow()",
    )
    .await
    .unwrap();
    let second = json!({ "sql": "insert into ledger values (2, null)" });
    let call = pair.call("postgres.execute", second, Value::Null);
    let kill = async {
        let find = "select pg_terminate_backend(pid) from pg_stat_activity where query = 'commit' and state = 'active'";
        while pair.sql(pair.ports[0], find).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let (report, ()) = tokio::join!(action.run(&pair.context, &call), kill);
    assert_eq!(report.outcome, Outcome::Unknown, "{}", report.message);
    assert!(matches!(pair.probe("postgres.execute", &call).await, Finding::DidNot { .. }));

    let rows =
        pair.done("postgres.query", json!({ "sql": "select id, note from ledger -- all;", "parameters": [] })).await;
    assert_eq!(rows["rows"], json!([{ "id": 1, "note": "o'clock; drop table ledger" }]));
    let (refused, _) =
        pair.act("postgres.query", json!({ "sql": "select 1 as one where $1 > 0", "parameters": [1] })).await;
    assert_eq!(refused.outcome, Outcome::Done, "{}", refused.message);
}
