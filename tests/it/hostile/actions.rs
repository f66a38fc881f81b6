//! Over a real sshd and a real HAProxy, and in the actions that only look.

use playbook::actions::Table;
use playbook::inventory::Inventory;
use playbook::outcome::Outcome;
use playbook::spec::Effect;
use serde_json::json;

use super::{Canary, call, context};

#[cfg(feature = "ssh")]
#[tokio::test]
async fn over_ssh_values_arrive_byte_for_byte() {
    let canary = Canary::new();
    let sshd = crate::command::sshd::Sshd::start();
    let (context, table) = (context(sshd.folder.path(), sshd.inventory()), Table::builtin());
    let ssh = table.get("ssh").unwrap();
    let values = canary.values();
    let env: serde_json::Map<String, serde_json::Value> =
        values.iter().enumerate().map(|(n, value)| (format!("V{n}"), value.as_str().into())).collect();
    let hex = "printf '%s' \"$v\" | od -An -v -tx1 | tr -d ' \\n'; echo";
    let script: String = (0..values.len()).map(|n| format!("v=$V{n}; {hex}\n")).collect();
    let mut argv = vec!["sh".to_owned(), "-c".to_owned(), format!("for v in \"$@\"; do {hex}; done"), "sh".to_owned()];
    argv.extend(values.iter().cloned());
    for (name, effect, arguments) in [
        ("by-env", Effect::Once, json!({ "host": "db1", "script": script, "environment": env })),
        ("by-argv", Effect::Once, json!({ "host": "db1", "argv": argv })),
        ("read-env", Effect::Read, json!({ "host": "db1", "script": script, "environment": env })),
        ("read-argv", Effect::Read, json!({ "host": "db1", "argv": argv })),
    ] {
        let report = ssh.run(&context, &call(name, effect, arguments)).await;
        assert_eq!(report.outcome, Outcome::Done, "{name}: {}", report.message);
        let printed = report.outputs["stdout"].as_str().unwrap();
        let wanted: Vec<String> =
            values.iter().map(|value| value.bytes().map(|byte| format!("{byte:02x}")).collect()).collect();
        assert_eq!(printed.split('\n').collect::<Vec<_>>(), wanted, "{name}");
    }
    // Names of hosts and users are looked up and held to their alphabet.
    for value in values.iter().filter(|value| !value.is_empty()) {
        let host = json!({ "host": value, "argv": ["true"] });
        assert_eq!(ssh.run(&context, &call("host", Effect::Once, host)).await.outcome, Outcome::NoEffect, "{value:?}");
        let user = json!({ "host": "db1", "argv": ["true"], "become": value });
        let report = ssh.run(&context, &call("user", Effect::Read, user)).await;
        let plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._".contains(&byte));
        assert!(plain || report.outcome == Outcome::NoEffect, "become {value:?}: {}", report.message);
    }
    canary.is_silent();
}

#[tokio::test]
async fn actions_that_look_take_values_for_what_they_are() {
    let canary = Canary::new();
    let folder = tempfile::tempdir().unwrap();
    let (context, table) = (context(folder.path(), Inventory::default()), Table::builtin());
    let (wait, assert) = (table.get("wait").unwrap(), table.get("assert").unwrap());
    for value in canary.values() {
        let short = |arguments| {
            let mut call = call("wait", Effect::Read, arguments);
            call.timeout = std::time::Duration::from_millis(120);
            call
        };
        // A file's name is a name, and a command's argument an argument.
        let file = folder.path().join("there");
        let named = json!({ "file": format!("{}/{value}", file.display()), "interval": 0.05 });
        let report = wait.run(&context, &short(named)).await;
        assert!(matches!(report.outcome, Outcome::Failed | Outcome::Done), "{value:?}");
        let same = json!({ "command": ["test", format!("x{value}"), "=", format!("x{value}")], "interval": 0.05 });
        let mut patient = short(same);
        patient.timeout = std::time::Duration::from_secs(20);
        let report = wait.run(&context, &patient).await;
        assert_eq!(report.outcome, Outcome::Done, "{value:?}: {}", report.message);
        let report =
            assert.run(&context, &call("assert", Effect::Read, json!({ "that": value, "message": value }))).await;
        assert_ne!(report.outcome, Outcome::Done, "a text is not `true`: {value:?}");
    }
    canary.is_silent();
}

#[tokio::test]
async fn a_proxys_socket_gets_one_plain_line_or_nothing() {
    let canary = Canary::new();
    let pair = crate::postgres_actions::Pair::new();
    let action = pair.table.get("haproxy.server_state").unwrap();
    let states = async || {
        let looked = crate::postgres_actions::server("pg1", "ready");
        action.plan(&pair.context, &looked).await.unwrap().facts["servers"].clone()
    };
    let before = states().await;
    let mut values = canary.values();
    values.extend(
        [
            "pg1;disable server orders/pg1",
            "pg1\ndisable server orders/pg1",
            "pg1 state maint",
            "orders/pg1",
            "pg1\0",
            "*",
        ]
        .map(str::to_owned),
    );
    for value in &values {
        for arguments in [
            json!({ "proxy": "orders", "server": value, "state": "maint" }),
            json!({ "proxy": value, "server": "pg1", "state": "maint" }),
            json!({ "proxy": "orders", "server": "pg1", "state": value }),
        ] {
            assert!(
                action.plan(&pair.context, &arguments).await.is_err() || arguments["server"] == "pg1",
                "{arguments}"
            );
            let report = action.run(&pair.context, &call("state", Effect::Idempotent, arguments)).await;
            assert!(matches!(report.outcome, Outcome::NoEffect | Outcome::Failed), "{value:?}: {}", report.message);
        }
    }
    assert_eq!(states().await, before);
    canary.is_silent();
}
