//! PostgreSQL: values are bound apart from the statement, and names are looked up. A table of ours is there to be dropped.

use playbook::outcome::Outcome;
use playbook::value::Value;
use serde_json::json;

use super::Canary;
use crate::postgres_actions::Pair;

#[tokio::test]
async fn values_are_bound_and_come_back_as_they_were() {
    let (pair, canary) = (Pair::new(), Canary::new());
    pair.sql(pair.ports[0], "create table precious (n int, v text)").await.unwrap();
    let values = canary.values();
    for (number, value) in values.iter().enumerate() {
        let insert = json!({
            "sql": "insert into precious values ($1, $2)", "parameters": [number, value], "expect_rows": 1,
            "dry_run_in_transaction": true,
        });
        pair.done("postgres.execute", insert).await;
        let ask = json!({ "sql": "select v from precious where n = $1 and v = $2", "parameters": [number, value] });
        let found = pair.done("postgres.query", ask).await;
        assert_eq!(found["rows"], json!([{ "v": value }]), "{value:?}");
    }
    // Whoever splices is not of this house; what a hostile statement does is held back where it only reads.
    for statement in ["select 1) q; drop table precious; --", "select 1; drop table precious", "delete from precious"] {
        let call = pair.call("postgres.query", json!({ "sql": statement }), Value::Null);
        let report = pair.table.get("postgres.query").unwrap().run(&pair.context, &call).await;
        assert_ne!(report.outcome, Outcome::Done, "{statement}");
    }
    let nul = json!({ "sql": "insert into precious values (0, $1)", "parameters": ["a\0b"] });
    let call = pair.call("postgres.execute", nul, Value::Null);
    let report = pair.table.get("postgres.execute").unwrap().run(&pair.context, &call).await;
    assert_eq!(report.outcome, Outcome::NoEffect, "{}", report.message);
    let count = pair.sql(pair.ports[0], "select count(*) from precious").await.unwrap();
    assert_eq!(count, [values.len().to_string()]);
    canary.is_silent();
}

#[tokio::test]
async fn names_are_looked_up() {
    let (pair, canary) = (Pair::new(), Canary::new());
    pair.settled().await;
    for value in canary.values().iter().filter(|value| !value.is_empty()).step_by(3) {
        for action in ["postgres.fence", "postgres.promote", "postgres.follow", "postgres.rejoin", "postgres.catch_up"]
        {
            let mut call = pair.call(action, json!({ "member": value, "position": value }), Value::Null);
            call.timeout = std::time::Duration::from_secs(1);
            let report = pair.table.get(action).unwrap().run(&pair.context, &call).await;
            assert!(
                matches!(report.outcome, Outcome::NoEffect | Outcome::Failed),
                "{action} {value:?}: {}",
                report.message
            );
            call.arguments = json!({ "cluster": value, "member": "pg1", "position": "0/1" });
            let report = pair.table.get(action).unwrap().run(&pair.context, &call).await;
            assert!(
                matches!(report.outcome, Outcome::NoEffect | Outcome::Failed),
                "{action} {value:?}: {}",
                report.message
            );
        }
    }
    assert_eq!(pair.sql(pair.ports[0], "select pg_is_in_recovery()").await.unwrap(), ["f"]);
    assert_eq!(pair.sql(pair.ports[1], "select pg_is_in_recovery()").await.unwrap(), ["t"]);
    canary.is_silent();
}

/// What the inventory says is quoted too where it becomes a standby's connection string.
#[tokio::test]
async fn a_standbys_connection_string_holds_odd_names() {
    let mut pair = Pair::new();
    pair.settled().await;
    let user = "o'brien \\ \"x\" application_name=evil $$";
    let make = format!("create role \"{}\" login replication", user.replace('"', "\"\""));
    pair.sql(pair.ports[0], &make).await.unwrap();
    pair.settled().await;
    pair.change(|inventory| {
        inventory.databases.get_mut("orders").unwrap().replication_user = Some(user.to_owned());
    });
    // It streams already: pointed elsewhere first, it has to be pointed back.
    let away = "alter system set primary_conninfo = 'host=127.0.0.1 port=1 user=postgres'";
    pair.sql(pair.ports[1], away).await.unwrap();
    pair.sql(pair.ports[1], "select pg_reload_conf()").await.unwrap();
    pair.done("postgres.follow", json!({ "member": "pg2" })).await;
    let ask = "select usename || '|' || application_name from pg_stat_replication where state = 'streaming'";
    assert_eq!(pair.sql(pair.ports[0], ask).await.unwrap(), [format!("{user}|pg2")]);
}
