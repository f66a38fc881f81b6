//! The actions `shell` and `ssh`, as the engine calls them.

use std::time::Duration;

use playbook::actions::{Call, Table};
use playbook::inventory::Inventory;
use playbook::outcome::{Finding, Outcome};
use playbook::spec::Effect;
use playbook::value::Value;
use serde_json::json;

use super::context;

fn call(effect: Effect, arguments: Value) -> Call {
    Call {
        key: "run-1.step-1".to_owned(),
        attempt: "run-1.step-1".to_owned(),
        arguments,
        before: Value::Null,
        outputs: Value::Null,
        timeout: Duration::from_secs(20),
        kill_on_timeout: false,
        effect,
        age: None,
    }
}

#[tokio::test]
async fn a_command_ends_in_each_of_the_outcomes() {
    let folder = tempfile::tempdir().unwrap();
    let (context, _) = context(folder.path(), Inventory::default());
    let table = Table::builtin();
    let shell = table.get("shell").unwrap();
    // A script ends at its first command that fails.
    let arguments =
        json!({"script": "echo $A; false; echo no", "environment": {"A": 5}, "shell": null, "become": null});
    let once = call(Effect::Once, arguments);
    assert!(matches!(
        shell.probe(&context, &Call { attempt: "other".into(), ..once.clone() }).await,
        Finding::DidNot { .. }
    ));
    let report = shell.run(&context, &once).await;
    assert_eq!(report.outcome, Outcome::Failed);
    assert_eq!(report.outputs, json!({"stdout": "5", "stderr": "", "exit_code": 1}));
    assert_eq!(shell.probe(&context, &once).await, Finding::Ended(report.clone()));
    assert_eq!(shell.run(&context, &once).await, report);
    let voided = Call { attempt: "other".into(), ..once.clone() };
    assert_eq!(shell.run(&context, &voided).await.outcome, Outcome::NoEffect);
    let slow = Call {
        timeout: Duration::from_millis(100),
        attempt: "slow".into(),
        ..call(Effect::Once, json!({"argv": ["sleep", "60"]}))
    };
    let report = shell.run(&context, &slow).await;
    assert!(report.outcome == Outcome::Failed && report.message.contains("timeout"), "{report:?}");
}

#[tokio::test]
async fn keyed_and_reading_commands_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let (context, _) = context(folder.path(), Inventory::default());
    let table = Table::builtin();
    let shell = table.get("shell").unwrap();
    let count = folder.path().join("count");
    let arguments = json!({"script": format!("echo ran >>{}", count.display())});
    for (number, effect) in [Effect::Keyed, Effect::Keyed, Effect::Read, Effect::Read].into_iter().enumerate() {
        let again = Call { attempt: format!("run-1.step-1.{number}"), ..call(effect, arguments.clone()) };
        assert_eq!(shell.run(&context, &again).await.outcome, Outcome::Done);
    }
    assert_eq!(super::lines(&count), 4);
}

#[cfg(feature = "ssh")]
#[tokio::test]
async fn the_plan_of_an_ssh_step_looks_whether_the_host_answers() {
    let sshd = super::sshd::Sshd::start();
    let (context, seen) = context(sshd.folder.path(), sshd.inventory());
    let table = Table::builtin();
    let ssh = table.get("ssh").unwrap();
    let there = ssh.plan(&context, &json!({"host": "db1", "argv": ["cat", "x"]})).await.unwrap();
    assert_eq!(there.notes.last().unwrap(), "db1 answers");
    let missing = ssh.plan(&context, &json!({"host": "db1", "argv": ["no-such-program; id"]})).await.unwrap();
    assert!(missing.notes.last().unwrap().contains("not found"), "{missing:?}");
    assert!(ssh.plan(&context, &json!({"host": "db9", "argv": ["cat"]})).await.is_err());
    assert!(ssh.plan(&context, &json!({"host": "db1"})).await.is_err());
    assert!(seen.lock().unwrap().is_empty());
    let once = call(Effect::Once, json!({"host": "db1", "argv": ["sh", "-c", "exit 3"]}));
    let report = ssh.run(&context, &once).await;
    assert_eq!((report.outcome, &report.outputs["exit_code"]), (Outcome::Failed, &json!(3)));
    assert_eq!(ssh.probe(&context, &once).await, Finding::Ended(report));
}
