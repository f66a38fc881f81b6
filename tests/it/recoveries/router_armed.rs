//! Changes that a router takes back by itself unless they are confirmed: confirmed in time, not good, and with the runner
//! killed in between.

use std::process::Stdio;

use super::router::{PEER_A, PEER_B, book, lab, shut, until, vty, way, world};
use crate::failover::{expect, playbook, status};
use crate::lab::{Lab, processes_naming};

/// A step that shuts the first peer down for a moment, and confirms that once its traffic takes the other.
fn step(after: u32, within: u32) -> String {
    format!(
        "    uses: cli
    with:
      host: guarded
      lines: [configure, router bgp 65001, neighbor 10.255.1.2 shutdown, commit confirmed {after}, end]
      auto_revert:
        after: {after}s
        confirm: [commit]
        check: {{ lines: [show ip route 203.0.113.0/24], expect: ['\\* 10\\.255\\.2\\.2,'], within: {within}s }}
    probe:
      uses: cli
      with: {{ host: r1, lines: [show bgp neighbors 10.255.1.2] }}
      took_effect: \"outputs.stdout.contains('Administratively shut down')\"
      did_not: \"outputs.stdout.contains('BGP state =') && !outputs.stdout.contains('Administratively shut down')\"
    rollback: none
    because: the router takes it back by itself"
    )
}

/// Nobody counts any more.
fn timer_is_gone(lab: &Lab) -> bool {
    !processes_naming(&lab.dir).iter().any(|process| process.contains(" revert "))
}

fn guard(lab: &Lab, mark: &str) -> bool {
    lab.dir.join("guard").join(mark).exists()
}

#[test]
fn what_is_good_is_confirmed_and_stays() {
    let Some(lab) = lab() else { return };
    let told = expect(&lab, 0, &["run", &book(&lab, &step(3, 3)), "-y"]);
    assert!(told.contains("confirmed"), "{told}");
    assert!(guard(&lab, "confirmed") && !guard(&lab, "armed"));
    until("the timer has run out", || timer_is_gone(&lab));
    assert_eq!(way(&lab), PEER_B);
    assert!(world(&lab).contains("neighbor 10.255.1.2 shutdown"));
}

#[test]
fn what_is_not_good_is_taken_back_before_anybody_is_asked() {
    let Some(lab) = lab() else { return };
    shut(&lab, PEER_B);
    let before = world(&lab);
    let told = expect(&lab, 1, &["run", &book(&lab, &step(3, 1)), "-y"]);
    assert!(guard(&lab, "reverted") && !guard(&lab, "confirmed"), "{told}");
    assert_eq!(world(&lab), before, "{told}");
    assert!(told.contains("takes back by itself"), "{told}");
    until("traffic takes the first peer again", || way(&lab) == PEER_A);
}

#[test]
fn a_runner_killed_before_the_confirmation_leaves_it_to_the_router() {
    let Some(lab) = lab() else { return };
    shut(&lab, PEER_B);
    let before = world(&lab);
    let mut runner = playbook(&lab)
        .args(["run", &book(&lab, &step(6, 6)), "-y"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("it is armed", || guard(&lab, "armed") && world(&lab).contains("neighbor 10.255.1.2 shutdown"));
    runner.kill().unwrap();
    runner.wait().unwrap();
    assert!(!guard(&lab, "reverted"), "the router was too quick for this test");
    // The other peer is there again: tried once more, it would be good.
    vty(&lab, "r1", &["configure terminal", "router bgp 65001", &format!("no neighbor {PEER_B} shutdown")]);
    let id = status(&lab)["run"].as_str().unwrap().to_owned();
    // Nobody has to wait: whoever resumes it waits for the router, and then looks.
    let resumed = playbook(&lab).args(["resume", &id]).output().unwrap();
    let told = crate::failover::said(&resumed);
    assert!(guard(&lab, "reverted") || guard(&lab, "confirmed"), "{told}");
    assert!(told.contains("the probe saw no effect"), "{told}");
    let timeline = expect(&lab, 0, &["timeline", &id, "--output", "json"]);
    assert!(timeline.contains("armed_until_ms"), "{timeline}");
    assert!(!before.contains("neighbor 10.255.1.2 shutdown"));
    assert!(!guard(&lab, "armed"), "{told}");
}
