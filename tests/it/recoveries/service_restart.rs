//! The shipped `service-restart` on a real nginx behind HAProxy: the mildest means that heals, and no more than that.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use super::failing_at;
use super::web::{pid, sick, tell, through_the_proxy, told, until, world};
use crate::failover::{expect, playbook, said, status};
use crate::lab::Lab;

const RUN: [&str; 4] = ["-i", "service=shop-a", "-i", "patience=2s"];

fn ends(lab: &Lab, code: i32, book: &str, more: &[&str]) -> String {
    expect(lab, code, &[&["run", book][..], &RUN, more].concat())
}

fn state(lab: &Lab, step: &str) -> String {
    let status = status(lab);
    let steps = status["steps"].as_array().unwrap();
    steps.iter().find(|one| one["id"] == step).unwrap()["state"].as_str().unwrap().to_owned()
}

#[test]
fn a_healthy_service_is_left_alone_unless_it_is_told() {
    let lab = Lab::scene("web");
    let (before, main) = (world(&lab), pid(&lab, "a"));
    ends(&lab, 0, "service-restart", &["-C"]);
    ends(&lab, 0, "service-restart", &["-y"]);
    assert_eq!((world(&lab), pid(&lab, "a")), (before.clone(), main));
    ends(&lab, 0, "service-restart", &["-y", "-i", "force=true"]);
    assert_ne!(pid(&lab, "a"), main);
    assert_eq!(world(&lab), before);
}

#[test]
fn a_worker_that_hangs_is_healed_by_a_reload_and_a_master_by_a_restart() {
    let lab = Lab::scene("web");
    let main = pid(&lab, "a");
    sick(&lab, "a", "worker");
    ends(&lab, 0, "service-restart", &["-y"]);
    assert_eq!(pid(&lab, "a"), main, "a reload was enough");
    assert_eq!((state(&lab, "reload").as_str(), state(&lab, "restart").as_str()), ("done", "skipped"));
    sick(&lab, "a", "master");
    ends(&lab, 0, "service-restart", &["-y"]);
    assert_ne!(pid(&lab, "a"), main);
    assert_eq!((state(&lab, "restart").as_str(), state(&lab, "take_out").as_str()), ("done", "skipped"));
    sick(&lab, "a", "dead");
    ends(&lab, 0, "service-restart", &["-y"]);
    assert_eq!((state(&lab, "reload").as_str(), state(&lab, "restart").as_str()), ("skipped", "done"));
    until("the proxy sees it", || through_the_proxy(&lab).starts_with("shop "));
}

#[test]
fn what_nothing_heals_is_taken_out_where_others_serve_and_stays_where_nobody_does() {
    let lab = Lab::scene("web");
    sick(&lab, "a", "health");
    let said = ends(&lab, 3, "service-restart", &["-y"]);
    assert!(said.contains("the others serve"), "{said}");
    assert_eq!((told(&lab, "a"), told(&lab, "b")), ("maint".to_owned(), "ready".to_owned()));
    assert_eq!(through_the_proxy(&lab), "shop b");
    // The last one that is ready stays, however ill it is.
    tell(&lab, "set server shop/a state ready");
    tell(&lab, "set server shop/b state maint");
    let said = ends(&lab, 10, "service-restart", &["-y"]);
    assert!(said.contains("NOBODY SERVES"), "{said}");
    assert_eq!(told(&lab, "a"), "ready");
    // Nor is it taken out for one that is told to be ready and is not.
    tell(&lab, "set server shop/b state ready");
    sick(&lab, "b", "health");
    until("the proxy sees that b is down", || through_the_proxy(&lab).is_empty());
    let said = ends(&lab, 10, "service-restart", &["-y"]);
    assert!(said.contains("NOBODY SERVES"), "{said}");
    assert_eq!(told(&lab, "a"), "ready");
}

#[test]
fn a_broken_configuration_is_not_restarted_into() {
    let lab = Lab::scene("web");
    let main = pid(&lab, "a");
    sick(&lab, "a", "config");
    let said = expect(&lab, 1, &[&["run", "service-restart", "-C", "-i", "force=true"][..], &RUN].concat());
    assert!(said.contains("configuration of shop-a on web1 is not good") && said.contains("nonsense"), "{said}");
    sick(&lab, "a", "worker");
    let said = ends(&lab, 3, "service-restart", &["-y"]);
    assert!(said.contains("goes on with the one that it read before"), "{said}");
    assert_eq!(pid(&lab, "a"), main, "what still ran was ended");
    assert_eq!((told(&lab, "a"), through_the_proxy(&lab)), ("maint".to_owned(), "shop b".to_owned()));
}

#[test]
fn a_restart_that_hangs_does_not_keep_the_others_from_serving() {
    let lab = Lab::scene("web");
    let ctl = std::fs::read_to_string(lab.dir.join("a/ctl")).unwrap();
    std::fs::write(lab.dir.join("a/ctl"), ctl.replace("restart) ", "restart) exec sleep 600; ")).unwrap();
    sick(&lab, "a", "health");
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/playbooks/service-restart.yaml");
    let hasty = std::fs::read_to_string(shipped).unwrap().replace("timeout: 60s", "timeout: 2s");
    let book = lab.dir.join("service-restart.yaml");
    std::fs::write(&book, hasty).unwrap();
    ends(&lab, 3, book.to_str().unwrap(), &["-y"]);
    assert_eq!((told(&lab, "a"), through_the_proxy(&lab)), ("maint".to_owned(), "shop b".to_owned()));
}

#[test]
fn each_changing_step_that_fails_is_undone_as_far_as_it_can_be() {
    let lab = Lab::scene("web");
    let before = world(&lab);
    for (step, ill) in [("reload", "worker"), ("restart", "master"), ("take_out", "health")] {
        sick(&lab, "a", ill);
        let book = failing_at(&lab.dir, "service-restart", step);
        ends(&lab, 10, book.to_str().unwrap(), &["-y"]);
        sick(&lab, "a", "well");
        until(&format!("after {step} all is as before"), || world(&lab) == before);
    }
}

#[test]
fn a_runner_killed_while_it_restarts_restarts_it_once() {
    let lab = Lab::scene("web");
    let starts = || {
        let log = std::fs::read_to_string(lab.dir.join("a/error.log")).unwrap();
        log.matches("start worker processes").count()
    };
    for round in 0..3_u64 {
        let before = starts();
        let words = [&["run", "service-restart", "-y", "-i", "force=true", "--output", "jsonl"][..], &RUN].concat();
        let mut runner = playbook(&lab).args(words).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(runner.stdout.take().unwrap()).lines();
        assert!(lines.by_ref().map_while(Result::ok).any(|line| {
            let record: serde_json::Value = serde_json::from_str(&line).unwrap();
            record["kind"] == "intent" && record["step"] == "restart"
        }));
        // Each round a little later: before the command, during it.
        std::thread::sleep(std::time::Duration::from_millis(120 * round));
        runner.kill().unwrap();
        runner.wait().unwrap();
        let id = status(&lab)["run"].as_str().unwrap().to_owned();
        let said = expect(&lab, 0, &["resume", &id]);
        assert_eq!(starts(), before + 1, "round {round}: {said}");
    }
}

/// A `systemctl` that says what systemd's own does, as its manual has it; systemd itself cannot run here.
const SYSTEMCTL: &str = r#"#!/bin/sh
cd "$(dirname "$0")" || exit 1
printf '%s\n' "$*" >>asked
case "$*" in
show*) cat shown ;;
*restart*) sed -i -e 's/^MainPID=.*/MainPID=4712/' -e 's/^ExecMainStartTimestampMonotonic=.*/ExecMainStartTimestampMonotonic=900/' \
    -e 's/^ActiveState=.*/ActiveState=active/' -e 's/^SubState=.*/SubState=running/' -e 's/^Result=.*/Result=success/' shown
    touch well ;;
*reload*) exit 0 ;;
esac
"#;

const SHOWN: &str = "LoadState=loaded\nActiveState=failed\nSubState=failed\nResult=exit-code\nMainPID=0\nNRestarts=5\n\
    CanReload=yes\nUnitFileState=enabled\nDropInPaths=\nExecMainStartTimestampMonotonic=0\n";

#[test]
fn a_unit_is_restarted_by_systemctl_and_one_that_somebody_else_manages_is_not() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("systemctl"), SYSTEMCTL).unwrap();
    std::fs::set_permissions(at("systemctl"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let health = at("well").display().to_string();
    let inventory = format!(
        "environment: lab\nservices:\n  queue: {{ unit: queue@1.service, health: {{ command: [test, -e, \"{health}\"] }} }}\n"
    );
    std::fs::write(at("inventory.yaml"), inventory).unwrap();
    std::fs::write(at("config.yaml"), "").unwrap();
    let run = |code: i32| {
        let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_playbook"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(["run", "service-restart", "-y", "-i", "service=queue", "-i", "patience=1s"])
            .env("PATH", path)
            .env("PLAYBOOK_CONFIG", at("config.yaml"))
            .env("PLAYBOOK_STATE", at("state"))
            .env("PLAYBOOK_INVENTORY", at("inventory.yaml"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        let asked = std::fs::read_to_string(at("asked")).unwrap_or_default();
        std::fs::write(at("asked"), "").unwrap();
        (said(&output), asked)
    };
    for (change, word) in [
        ("LoadState=masked", "systemctl unmask"),
        ("Result=start-limit-hit", "systemctl reset-failed"),
        ("DropInPaths=/run/systemd/system/queue@1.service.d/50-pacemaker.conf", "Pacemaker"),
    ] {
        let key = format!("{}=", change.split('=').next().unwrap());
        let lines = SHOWN.lines().map(|line| if line.starts_with(&key) { change } else { line });
        std::fs::write(at("shown"), lines.collect::<Vec<_>>().join("\n")).unwrap();
        let (said, asked) = run(1);
        assert!(said.contains(word), "{word}: {said}");
        assert!(asked.lines().all(|line| line.starts_with("show ")), "{asked}");
    }
    std::fs::write(at("shown"), SHOWN).unwrap();
    let (said, asked) = run(0);
    assert!(asked.contains("--no-ask-password restart -- queue@1.service"), "{asked}");
    assert!(!asked.contains("reload"), "what does not run is not reloaded: {asked}");
    assert!(said.contains("active (running)"), "{said}");
}
