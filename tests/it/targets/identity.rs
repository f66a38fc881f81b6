//! A step that would talk to another server than the plan, or than the inventory says, changes nothing there.

use playbook::actions::Call;
use playbook::outcome::Outcome;
use playbook::value::Value;
use serde_json::json;

use crate::postgres_actions::{Pair, member, server};

/// What the inventory of `one` says, but with the servers of `other`: the addresses lead to another cluster by now.
fn mislead(one: &mut Pair, other: &Pair) {
    let ports = other.ports;
    let folders = ["pg1", "pg2"].map(|name| other.data(name));
    let endpoint = format!("127.0.0.1:{}", other.endpoint);
    one.change(|inventory| {
        let orders = inventory.databases.get_mut("orders").unwrap();
        orders.endpoint = Some(endpoint);
        for ((member, port), folder) in orders.members.values_mut().zip(ports).zip(folders) {
            (member.port, member.data_directory) = (port, folder);
        }
    });
}

/// Changing steps: each with arguments that would do something to the pair.
fn changing() -> [(&'static str, Value); 6] {
    [
        ("postgres.fence", member("pg1")),
        ("postgres.promote", member("pg2")),
        ("postgres.follow", member("pg2")),
        ("postgres.rejoin", member("pg2")),
        ("postgres.execute", json!({ "sql": "create table touched ()" })),
        ("postgres.canary", json!({})),
    ]
}

async fn is_untouched(pair: &Pair) {
    let ask = "select count(*) from pg_class where relname in ('touched', 'canary')";
    assert_eq!(pair.sql(pair.ports[0], ask).await.unwrap(), ["0"]);
    assert_eq!(pair.sql(pair.ports[0], "select pg_is_in_recovery()").await.unwrap(), ["f"]);
    assert_eq!(pair.sql(pair.ports[1], "select pg_is_in_recovery()").await.unwrap(), ["t"]);
    let changed =
        "select count(*) from pg_file_settings where sourcefile like '%auto.conf' and name <> 'primary_conninfo'";
    assert_eq!(pair.sql(pair.ports[1], changed).await.unwrap(), ["0"]);
}

#[tokio::test]
async fn nothing_is_changed_at_a_cluster_that_the_inventory_does_not_name() {
    let mut pair = Pair::new();
    pair.settled().await;
    let identifier = pair.sql(pair.ports[0], "select system_identifier::text from pg_control_system()").await.unwrap();
    pair.identity(Some("7450000000000000001"));
    for (action, arguments) in changing() {
        let call = pair.call(action, arguments, Value::Null);
        let report = pair.table.get(action).unwrap().run(&pair.context, &call).await;
        assert_eq!(report.outcome, Outcome::NoEffect, "{action}: {}", report.message);
        is_untouched(&pair).await;
    }
    // The same with the right identifier acts: what was refused was the identity.
    pair.identity(Some(&identifier[0]));
    pair.done("postgres.execute", json!({ "sql": "create table touched ()" })).await;
    assert_eq!(pair.sql(pair.ports[0], "select count(*) from touched").await.unwrap(), ["0"]);
}

#[tokio::test]
async fn nothing_is_changed_where_the_addresses_lead_elsewhere_by_now() {
    let (mut pair, other) = (Pair::new(), Pair::new());
    pair.settled().await;
    other.settled().await;
    let mut calls: Vec<(&str, Call)> = Vec::new();
    for (action, arguments) in changing() {
        let mut call = pair.call(action, arguments, Value::Null);
        let found = pair.table.get(action).unwrap();
        call.before = found.plan(&pair.context, &call.arguments).await.unwrap().facts;
        assert!(call.before["system_identifier"].is_string(), "{action} reads whom it talks to: {}", call.before);
        calls.push((action, call));
    }
    // The inventory names no identifier here: what was seen when it was planned is what it is held to.
    mislead(&mut pair, &other);
    for (action, call) in &calls {
        let report = pair.table.get(action).unwrap().run(&pair.context, call).await;
        assert_eq!(report.outcome, Outcome::NoEffect, "{action}: {}", report.message);
        assert!(report.message.contains("another cluster"), "{action}: {}", report.message);
        is_untouched(&other).await;
    }
    // Without what was seen before, the same call acts there: the defence is that fact and nothing else.
    let blind = Call { before: Value::Null, ..calls[4].1.clone() };
    let report = pair.table.get("postgres.execute").unwrap().run(&pair.context, &blind).await;
    assert_eq!(report.outcome, Outcome::Done, "{}", report.message);
}

#[tokio::test]
async fn a_proxys_server_has_to_be_the_inventorys_member() {
    let mut pair = Pair::new();
    let ports = pair.ports;
    let member_at = |pair: &mut Pair, port: u16| {
        pair.change(|inventory| {
            inventory.databases.get_mut("orders").unwrap().members.get_mut("pg1").unwrap().port = port
        });
    };
    member_at(&mut pair, ports[1]);
    let (refused, _) = pair.act("haproxy.server_state", server("pg1", "maint")).await;
    assert_eq!(refused.outcome, Outcome::NoEffect, "{}", refused.message);
    assert!(refused.message.contains("is not touched") && refused.message.contains("pg1"), "{}", refused.message);
    let states = pair.act("haproxy.server_state", server("pg2", "maint")).await.1.before["servers"].clone();
    assert_eq!(states["pg1"], "ready", "{states}");
    member_at(&mut pair, ports[0]);
    let (done, call) = pair.act("haproxy.server_state", server("pg1", "maint")).await;
    assert_eq!(done.outcome, Outcome::Done, "{}", done.message);

    // A proxy that was set up anew under the same name between the plan and the step, and its undo.
    let mut elsewhere = call.clone();
    elsewhere.before["address"] = json!("127.0.0.1:1");
    let again = pair.table.get("haproxy.server_state").unwrap();
    assert_eq!(again.run(&pair.context, &elsewhere).await.outcome, Outcome::NoEffect);
    assert_eq!(again.undo(&pair.context, &elsewhere).await.outcome, Outcome::Failed);
    assert_eq!(again.undo(&pair.context, &call).await.outcome, Outcome::Done);
}

/// Where nobody answers and the inventory is silent, a data folder alone does not say whose it is.
#[tokio::test]
async fn a_folder_that_nobody_vouches_for_is_not_fenced() {
    let mut pair = Pair::new();
    pair.settled().await;
    let identifier = pair.sql(pair.ports[0], "select system_identifier::text from pg_control_system()").await.unwrap();
    pair.change(|inventory| {
        let members = &mut inventory.databases.get_mut("orders").unwrap().members;
        members.values_mut().for_each(|member| member.port = 1);
    });
    let forced = json!({ "member": "pg1", "mode": "unplanned" });
    let (refused, _) = pair.act("postgres.fence", forced.clone()).await;
    assert_eq!(refused.outcome, Outcome::NoEffect, "{}", refused.message);
    assert!(refused.message.contains(&identifier[0]), "it says what to write: {}", refused.message);
    assert_eq!(pair.sql(pair.ports[0], "select 1").await.unwrap(), ["1"], "it still runs");
    pair.identity(Some(&identifier[0]));
    let (fenced, _) = pair.act("postgres.fence", forced).await;
    assert_eq!(fenced.outcome, Outcome::Done, "{}", fenced.message);
}

/// Whom a step talks to is compared with the plan when the step begins, whatever the action itself still remembers.
#[tokio::test]
async fn a_target_that_changed_since_the_plan_is_not_touched() {
    let pair = Pair::new();
    let place = crate::processes::Place::new();
    let socket = pair.context.inventory.proxies["orders"].socket.clone();
    let file = place.path("inventory.yaml");
    // The inventory does not know whose servers these are: what the plan saw is all that there is.
    let proxy = format!("environment: lab\nproxies: {{ front: {{ socket: \"{socket}\", backend: orders }} }}\n");
    std::fs::write(&file, proxy).unwrap();
    let steps = "  - { id: first, run: 'GATE(first)', rollback: none, because: a test }\n\
                 \x20 - { id: out, uses: haproxy.server_state, with: { proxy: front, server: pg1, state: maint } }\n";
    let book = place.book_with("moved", "locks: [\"proxy/front\"]", steps);
    let tell = async |line: &str| {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = tokio::net::UnixStream::connect(&socket).await.unwrap();
        stream.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    for (move_it, code) in [(true, 10), (false, 0)] {
        let _ = std::fs::remove_file(place.path("first.here"));
        let _ = std::fs::remove_file(place.path("first.go"));
        let mut run = place.start(&["run", &book, "-y", "--inventory", file.to_str().unwrap()]);
        place.wait_at("first");
        if move_it {
            tell("set server orders/pg1 addr 127.0.0.2").await;
        }
        place.open("first");
        run.expect(code);
        let state = tell("show servers state orders").await;
        let line = state.lines().find(|line| line.contains(" pg1 ")).unwrap();
        assert_eq!(line.split(' ').nth(6), Some(if move_it { "0" } else { "1" }), "{line}");
        if move_it {
            assert!(run.said().contains("another target than the plan"), "{}", run.said());
        }
    }
}

#[test]
fn every_shipped_playbook_asserts_whom_it_talks_to() {
    let table = playbook::actions::Table::builtin();
    let specs = playbook::spec::Specs::of(table.specs());
    let mut seen = 0;
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/playbooks")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let loaded = playbook::playbook::load(&playbook::diagnostic::Source::new("x.yaml", text), &specs);
        for step in loaded.playbook.unwrap().steps.iter().filter(|step| step.effect.changes()) {
            let spec = table.get(&step.action).unwrap().spec();
            // A host's key is pinned by every connection over ssh.
            let asserts =
                ["cli", "ssh"].contains(&step.action.as_str()) || spec.facts.iter().any(|field| field.identity);
            assert!(asserts, "{}: {} ({}) asserts nothing", path.display(), step.id, step.action);
            seen += 1;
        }
    }
    assert!(seen > 0);
}
