//! Values as paths, contents, owners, units and names of servers: in the actions that write files and tell services.

use playbook::actions::Table;
use playbook::inventory::Inventory;
use playbook::outcome::Outcome;
use playbook::spec::Effect;
use serde_json::{Value, json};

use super::{Canary, call, context};

#[tokio::test]
async fn what_is_written_is_what_was_given_and_where_it_was_said() {
    let canary = Canary::new();
    let folder = tempfile::tempdir().unwrap();
    let (context, table) = (context(folder.path(), Inventory::default()), Table::builtin());
    let write = table.get("file.write").unwrap();
    let arguments = |path: &str, more: Value| {
        let mut all = json!({ "path": path, "newline": false, "follow_link": false });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let inside = folder.path().join("etc");
    std::fs::create_dir(&inside).unwrap();
    for (number, value) in canary.values().into_iter().enumerate() {
        // As what stands in it.
        let path = inside.join(format!("content-{number}")).display().to_string();
        let given = arguments(&path, json!({ "content": value }));
        let before = write.plan(&context, &given).await.unwrap().facts;
        let mut one = call(&format!("content-{number}"), Effect::Idempotent, given);
        one.before = before;
        let report = write.run(&context, &one).await;
        assert_eq!(report.outcome, Outcome::Done, "{value:?}: {}", report.message);
        assert_eq!(std::fs::read(&path).unwrap(), value.as_bytes(), "{value:?}");
        // As its name: there, or refused.
        let path = format!("{}/name-{value}", inside.display());
        let given = arguments(&path, json!({ "content": "x" }));
        if let Ok(looked) = write.plan(&context, &given).await
            && looked.refusals.is_empty()
        {
            let mut one = call(&format!("path-{number}"), Effect::Idempotent, given);
            one.before = looked.facts;
            let report = write.run(&context, &one).await;
            let there = std::fs::read(&path).unwrap_or_default() == b"x";
            assert_eq!(there, report.outcome == Outcome::Done, "{value:?}: {}", report.message);
        }
        // As a mode, an owner, a source: only what is one.
        for more in [
            json!({ "content": "x", "mode": value }),
            json!({ "content": "x", "owner": value }),
            json!({ "source": value }),
            json!({ "from": value }),
        ] {
            let path = inside.join("other").display().to_string();
            if let Ok(looked) = write.plan(&context, &arguments(&path, more.clone())).await {
                let one = |name: &str| more[name].as_str().is_some_and(|text| text == value);
                // A word may be somebody's name, and two of them an owner and a group.
                let letters: &[u8] = if one("owner") { b"._-:" } else { b"._-" };
                let word = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || letters.contains(&byte));
                let plain = (word && !value.starts_with(['-', '.']))
                    || ((one("source") || one("from")) && std::path::Path::new(&value).is_file());
                assert!(plain || !looked.refusals.is_empty(), "{more} was taken: {looked:?}");
            }
        }
    }
    let outside: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(outside.iter().all(|name| !name.to_string_lossy().starts_with("name-")), "{outside:?}");
    canary.is_silent();
}

#[tokio::test]
async fn services_and_servers_are_looked_up_and_never_read() {
    let canary = Canary::new();
    let folder = tempfile::tempdir().unwrap();
    let (context, table) = (context(folder.path(), Inventory::default()), Table::builtin());
    for value in canary.values() {
        for (action, arguments) in [
            ("service.status", json!({ "service": value, "within": 0 })),
            ("service.reload", json!({ "service": value, "when": "now" })),
            ("service.restart", json!({ "service": value })),
            ("service.start", json!({ "service": value })),
            ("service.stop", json!({ "service": value })),
            ("tls.check", json!({ "address": value })),
            ("tls.check", json!({ "address": "127.0.0.1:1", "server_name": value })),
            ("tls.check", json!({ "address": "127.0.0.1:1", "ca_file": value })),
            ("tls.certificate", json!({ "certificate": value })),
            ("tls.certificate", json!({ "certificate": "/dev/null", "key": value })),
        ] {
            let action = table.get(action).unwrap();
            let report = action.run(&context, &call("look", Effect::Read, arguments.clone())).await;
            assert_ne!(report.outcome, Outcome::Done, "{arguments}: {}", report.message);
        }
    }
    canary.is_silent();
}
