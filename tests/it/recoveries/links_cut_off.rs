//! The runner is gone, or cut itself off, between the change of routes and its confirmation: the host puts them back by itself.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};

use super::links::{active, at, fault, outputs, wait_until, world};
use crate::failover::{expect, playbook, run, said, status};
use crate::lab::{Lab, processes_naming};

const QUICK: [&str; 4] = ["-i", "within=2s", "-i", "revert_after=5s"];

/// The runner at a place of the lab, as somebody would start it who sits there.
fn playbook_at(lab: &Lab, place: &str, words: &[&str]) -> std::process::Output {
    let config = lab.dir.join("config.yaml");
    std::fs::write(&config, "").unwrap();
    let path = |name: &str| lab.dir.join(name).display().to_string();
    at(lab, place)
        .args(["env", "-C", env!("CARGO_MANIFEST_DIR")])
        .arg(format!("PLAYBOOK_CONFIG={}", path("config.yaml")))
        .arg(format!("PLAYBOOK_STATE={}", path("state")))
        .arg(format!("PLAYBOOK_INVENTORY={}", path("inventory.yaml")))
        .arg(format!("HOME={}", path("home")))
        .args(["NO_COLOR=1", env!("CARGO_BIN_EXE_playbook")])
        .args(words)
        .output()
        .unwrap()
}

/// A runner that has just begun to switch to the backup, quickly.
fn started(lab: &Lab) -> Child {
    let mut command = playbook(lab);
    command.args(["run", "link-failover", "-y"]).args(QUICK).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// The timed reverts that wait on the lab's hosts.
fn reverts(lab: &Lab) -> Vec<String> {
    processes_naming(&lab.dir).into_iter().filter(|line| line.contains("needs nobody")).collect()
}

#[test]
fn a_runner_killed_before_it_confirmed_finds_the_routes_put_back_by_the_host() {
    let Some(lab) = Lab::in_namespaces("link") else { return };
    let before = world(&lab);
    let mut runner = started(&lab);
    // The host waits for an answer for at least half a second after the change, and is not confirmed meanwhile.
    wait_until("the routes are switched", 30, || active(&lab) == "wan2");
    runner.kill().unwrap();
    assert_eq!(runner.wait().unwrap().signal(), Some(9), "the run had come to its end before it was killed");
    assert_eq!(reverts(&lab).len(), 1, "the revert is not armed: {:?}", processes_naming(&lab.dir));
    // Nobody is there, and nobody is asked.
    wait_until("the host has put its routes back", 15, || world(&lab) == before);
    wait_until("the revert is over", 5, || reverts(&lab).is_empty());
    let id = status(&lab)["run"].as_str().unwrap().to_owned();
    let resumed = expect(&lab, 0, &["resume", &id]);
    assert!(resumed.contains("put its routes back by itself"), "{resumed}");
    assert_eq!(active(&lab), "wan2", "the second attempt switched: {resumed}");
    expect(&lab, 0, &["verify", &id]);
    expect(&lab, 0, &["run", "link-failback", "-y", "-i", "packets=5"]);
    assert_eq!(world(&lab), before);
}

#[test]
fn a_runner_killed_after_it_confirmed_has_switched_once() {
    let Some(lab) = Lab::in_namespaces("link") else { return };
    let remembered = lab.dir.join("home/.local/state/playbook/routes/uplink/last");
    let mut runner = started(&lab);
    wait_until("it is confirmed", 30, || remembered.exists());
    runner.kill().unwrap();
    runner.wait().unwrap();
    let id = status(&lab)["run"].as_str().unwrap().to_owned();
    let resumed = expect(&lab, 0, &["resume", &id]);
    assert_eq!(active(&lab), "wan2", "{resumed}");
    let folder = remembered.parent().unwrap();
    let attempts = std::fs::read_dir(folder).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir()).count();
    assert_eq!(attempts, 1, "it was switched again: {resumed}");
    wait_until("no revert is armed any more", 10, || reverts(&lab).is_empty());
    assert_eq!(outputs(&lab)["after"]["active"], "backup");
}

#[test]
fn a_runner_that_cuts_itself_off_is_let_in_again() {
    let Some(lab) = Lab::in_namespaces("link") else { return };
    let before = world(&lab);
    // From the remote the site is reached over the very link that is left; without a revert that is refused.
    let words = ["run", "link-failover", "-y", "-i", "link=uplink_inband"];
    let output = playbook_at(&lab, "remote", &[&words[..], &["-i", "revert_after=0s"]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("it could cut itself off for good"), "{}", said(&output));
    assert_eq!(world(&lab), before);
    // Pings pass over the backup, and the runner's own connection does not.
    fault(&lab, &["block", "backup", "2222"]);
    let output = playbook_at(&lab, "remote", &[&words[..], &QUICK].concat());
    assert_eq!(output.status.code(), Some(10), "{}", said(&output));
    assert!(said(&output).contains("put its routes back by itself"), "{}", said(&output));
    assert_eq!(world(&lab), before, "{}", said(&output));
    fault(&lab, &["mend", "backup"]);
    let output = playbook_at(&lab, "remote", &[&words[..], &QUICK].concat());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(active(&lab), "wan2");
}

#[test]
fn routes_of_this_very_host_are_switched_without_ssh() {
    let Some(lab) = Lab::in_namespaces("link") else { return };
    let before = world(&lab);
    let there =
        playbook_at(&lab, "site", &[&["run", "link-failover", "-y", "-i", "link=uplink_local"][..], &QUICK].concat());
    assert_eq!(there.status.code(), Some(0), "{}", said(&there));
    assert_eq!(active(&lab), "wan2");
    let back = ["run", "link-failback", "-y", "-i", "link=uplink_local", "-i", "packets=5"];
    let back = playbook_at(&lab, "site", &[&back[..], &QUICK].concat());
    assert_eq!(back.status.code(), Some(0), "{}", said(&back));
    assert_eq!(world(&lab), before);
    wait_until("no revert is armed any more", 10, || reverts(&lab).is_empty());
}

#[test]
fn a_revert_whose_process_was_killed_is_not_called_reverted() {
    let Some(lab) = Lab::in_namespaces("link") else { return };
    let mut runner = started(&lab);
    wait_until("the routes are switched", 30, || active(&lab) == "wan2");
    runner.kill().unwrap();
    runner.wait().unwrap();
    for line in reverts(&lab) {
        let pid = line.split(' ').next().unwrap();
        assert!(Command::new("kill").args(["-9", pid]).status().unwrap().success());
    }
    let id = status(&lab)["run"].as_str().unwrap().to_owned();
    // A person is asked, with what was seen; the answer leads on.
    let output = run(&lab, &["resume", &id, "--no-wait"]);
    assert_eq!(output.status.code(), Some(12), "{}", said(&output));
    assert!(said(&output).contains("nothing on the host will decide it any more"), "{}", said(&output));
    let undone = run(&lab, &["cancel", &id]);
    assert_eq!(undone.status.code(), Some(0), "{}", said(&undone));
    assert_eq!(active(&lab), "wan1");
}

#[test]
fn a_revert_that_can_write_nothing_puts_the_routes_back_all_the_same() {
    let Some(lab) = Lab::in_namespaces("link") else { return };
    let before = world(&lab);
    let mut runner = started(&lab);
    wait_until("the routes are switched", 30, || active(&lab) == "wan2");
    runner.kill().unwrap();
    runner.wait().unwrap();
    std::fs::remove_dir_all(lab.dir.join("home/.local/state/playbook/routes/uplink")).unwrap();
    wait_until("the host has put its routes back", 15, || world(&lab) == before);
}

#[test]
fn a_route_that_somebody_else_put_is_left_by_the_undo() {
    let Some(lab) = Lab::in_namespaces("link") else { return };
    let before = world(&lab);
    let route = "10.30.0.0/24 via 10.10.2.1 dev wan2 metric 5000";
    let path = lab.dir.join("foreign.yaml");
    let text = format!(
        "name: foreign\nversion: 1.0.0\ntitle: Somebody adds a route meanwhile\nowner: team-test\nsteps:\n  \
         - id: switch\n    uses: route.switch\n    with: {{ link: uplink }}\n  \
         - id: add\n    host: site\n    run: PATH=$PATH:/usr/sbin:/sbin ip -4 route add {route}; exit 1\n    \
         effect: idempotent\n    rollback: none\n    because: it is somebody else's\n"
    );
    std::fs::write(&path, text).unwrap();
    let said = expect(&lab, 10, &["run", path.to_str().unwrap(), "-y"]);
    assert!(said.contains("somebody else"), "{said}");
    let after = world(&lab);
    let left: Vec<&str> = after.lines().filter(|line| !before.contains(*line)).collect();
    assert_eq!(left.len(), 1, "{said}\n{after}");
    assert!(left[0].trim().starts_with(route), "{after}");
    assert!(before.lines().all(|line| after.contains(line)), "{after}");
}
