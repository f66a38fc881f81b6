//! A second controller that is not paused stops every step that changes roles or servers, in the plan and right before it
//! acts; and what its own pause command does lets the step through. PostgreSQL is real; the controllers are stand-ins.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use playbook::outcome::Outcome;
use playbook::value::Value;

use crate::postgres_actions::{Pair, member};

/// Steps that change roles or servers.
fn changing() -> [(&'static str, Value); 4] {
    [
        ("postgres.fence", member("pg1")),
        ("postgres.promote", member("pg2")),
        ("postgres.follow", member("pg2")),
        ("postgres.rejoin", member("pg2")),
    ]
}

/// Holds the plan and the step itself to a refusal that names the controller and its pause command.
async fn all_refused(pair: &Pair, what: &str, pause: &str) {
    for (action, arguments) in changing() {
        let found = pair.table.get(action).unwrap();
        let call = pair.call(action, arguments, Value::Null);
        let prediction = found.plan(&pair.context, &call.arguments).await.unwrap();
        let refusal = prediction.refusals.iter().find(|text| text.contains(what));
        assert!(refusal.is_some_and(|text| text.contains(pause)), "{action}: {:?}", prediction.refusals);
    }
    // Right before acting: where the step would change something. A promotion is refused sooner while the other one is up.
    for (action, arguments) in [("postgres.fence", member("pg1")), ("postgres.follow", member("pg2"))] {
        let call = pair.call(action, arguments, Value::Null);
        let report = pair.table.get(action).unwrap().run(&pair.context, &call).await;
        assert_eq!(report.outcome, Outcome::NoEffect, "{action}: {}", report.message);
        assert!(report.message.contains(what) && report.message.contains(pause), "{action}: {}", report.message);
        assert!(report.message.contains("no override"), "{}", report.message);
    }
    assert_eq!(pair.sql(pair.ports[0], "select pg_is_in_recovery()").await.unwrap(), ["f"], "pg1 still serves");
}

async fn none_refused(pair: &Pair) {
    for (action, arguments) in changing() {
        let call = pair.call(action, arguments, Value::Null);
        let prediction = pair.table.get(action).unwrap().plan(&pair.context, &call.arguments).await.unwrap();
        assert_eq!(prediction.refusals, Vec::<String>::new(), "{action}");
    }
}

/// Answers as Patroni's REST interface does, on a port of its own.
struct Patroni {
    place: String,
    paused: Arc<AtomicBool>,
}

impl Patroni {
    fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let place = listener.local_addr().unwrap().to_string();
        let paused = Arc::new(AtomicBool::new(false));
        let says = Arc::clone(&paused);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut request = [0; 512];
                let _ = stream.read(&mut request);
                let pause = if says.load(Ordering::SeqCst) { r#""pause": true, "# } else { "" };
                let body = format!(r#"{{"state": "running", {pause}"patroni": {{"scope": "orders"}}}}"#);
                let _ = write!(stream, "HTTP/1.0 503 Service Unavailable\r\n\r\n{body}");
            }
        });
        Self { place, paused }
    }
}

#[tokio::test]
async fn patroni_has_to_be_paused() {
    let mut pair = Pair::new();
    pair.settled().await;
    none_refused(&pair).await;
    let patroni = Patroni::start();
    let place = patroni.place.clone();
    pair.change(|inventory| {
        inventory.databases.get_mut("orders").unwrap().members.get_mut("pg2").unwrap().patroni = Some(place);
    });
    all_refused(&pair, &patroni.place, "patronictl pause --wait").await;
    patroni.paused.store(true, Ordering::SeqCst);
    // Its own session stays when it is paused.
    let session = pair.session(pair.ports[0], "Patroni heartbeat").await;
    none_refused(&pair).await;
    // Where its interface is not found, the session alone tells that it is there.
    pair.change(|inventory| {
        inventory.databases.get_mut("orders").unwrap().members.get_mut("pg2").unwrap().patroni = None;
    });
    all_refused(&pair, "Patroni heartbeat", "patronictl pause --wait").await;
    session.abort();
}

#[tokio::test]
async fn patroni_is_looked_for_once_more_right_before_a_promotion() {
    let mut pair = Pair::new();
    pair.settled().await;
    pair.done("postgres.fence", member("pg1")).await;
    let patroni = Patroni::start();
    let place = patroni.place.clone();
    pair.change(|inventory| {
        inventory.databases.get_mut("orders").unwrap().members.get_mut("pg2").unwrap().patroni = Some(place);
    });
    for (action, name) in [("postgres.promote", "pg2"), ("postgres.fence", "pg1")] {
        let (report, _) = pair.act(action, member(name)).await;
        assert_eq!(report.outcome, Outcome::NoEffect, "{action}: {}", report.message);
        assert!(report.message.contains("patronictl pause"), "{action}: {}", report.message);
    }
    assert_eq!(pair.sql(pair.ports[1], "select pg_is_in_recovery()").await.unwrap(), ["t"]);
    patroni.paused.store(true, Ordering::SeqCst);
    pair.done("postgres.promote", member("pg2")).await;
    patroni.paused.store(false, Ordering::SeqCst);
    let (report, _) = pair.act("postgres.rejoin", member("pg1")).await;
    assert_eq!(report.outcome, Outcome::NoEffect, "{}", report.message);
    patroni.paused.store(true, Ordering::SeqCst);
    pair.done("postgres.rejoin", member("pg1")).await;
}

#[tokio::test]
async fn repmgrd_has_to_be_paused_on_every_node() {
    let pair = Pair::new();
    pair.settled().await;
    pair.sql(pair.ports[0], "create database repmgr").await.unwrap();
    let says = |paused: &str| {
        format!(
            "create schema if not exists repmgr;
             create or replace function repmgr.repmgrd_is_running() returns bool language sql as 'select true';
             create or replace function repmgr.repmgrd_is_paused() returns bool language sql as 'select {paused}'"
        )
    };
    let tell = async |paused: &str| {
        let text = format!("host=127.0.0.1 port={} user=postgres dbname=repmgr", pair.ports[0]);
        let (client, connection) = tokio_postgres::connect(&text, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(&says(paused)).await.unwrap();
        drop(client);
        pair.settled().await;
    };
    tell("false").await;
    all_refused(&pair, "repmgrd runs on pg", "repmgr service pause").await;
    tell("true").await;
    none_refused(&pair).await;
    // One node that the pause has not reached is enough.
    tell("pg_catalog.pg_is_in_recovery()").await;
    all_refused(&pair, "repmgrd runs on pg1 and is not paused", "repmgr service pause").await;
}

/// A member whose host is reached over ssh, with a `ps` there that says what we want.
#[cfg(feature = "ssh")]
#[tokio::test]
async fn a_process_on_the_members_host_is_noticed() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut pair = Pair::new();
    pair.settled().await;
    let sshd = crate::command::sshd::Sshd::start_with("PATH={folder}/bin:/usr/bin:/bin");
    std::fs::create_dir(sshd.at("bin")).unwrap();
    let runs = |lines: &str| {
        let ps = sshd.at("bin").join("ps");
        std::fs::write(&ps, format!("#!/bin/sh\ncat <<'END'\n{lines}END\n")).unwrap();
        std::fs::set_permissions(&ps, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    let host = sshd.host();
    pair.change(|inventory| {
        inventory.hosts.insert("db2".to_owned(), host);
        inventory.databases.get_mut("orders").unwrap().members.get_mut("pg2").unwrap().host = Some("db2".to_owned());
    });
    runs("/sbin/init\ngrep repmgrd\nvi /etc/patroni\n");
    none_refused(&pair).await;
    for (line, pause) in [
        ("/usr/bin/python3 /usr/bin/patroni /etc/patroni.yml", "patronictl pause --wait"),
        ("/usr/lib/postgresql/15/bin/repmgrd -f /etc/repmgr.conf", "repmgr service pause"),
        ("pg_autoctl run --pgdata /var/lib/pg", "pg_autoctl stop"),
    ] {
        runs(&format!("/sbin/init\n{line}\n"));
        all_refused(&pair, "runs on pg2's host", pause).await;
    }

    // pg_auto_failover was set up: where its process is certainly gone it is stopped, and where nobody can tell it is not.
    pair.sql(pair.ports[0], "create role pgautofailover_replicator").await.unwrap();
    pair.settled().await;
    runs("/sbin/init\n");
    none_refused(&pair).await;
    runs("");
    all_refused(&pair, "pgautofailover_replicator", "pg_autoctl stop").await;
}
