//! `bgp-away` and `bgp-back` on a real FRR with two peers: where the traffic goes before, in between and after; what they
//! refuse; what is left when a step fails or the runner is killed.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use super::failing_at;
use super::router::{PEER_A, PEER_B, lab, shut, until, vty, way, world};
use crate::failover::{expect, playbook, run, said, status};
use crate::lab::Lab;

const AWAY: [&str; 8] =
    ["-i", "router=r1", "-i", "peer=10.255.1.2", "-i", "other=10.255.2.2", "-i", "prefix=203.0.113.0/24"];
const BACK: [&str; 6] = ["-i", "router=r1", "-i", "peer=10.255.1.2", "-i", "prefix=203.0.113.0/24"];

fn away(more: &[&'static str]) -> Vec<&'static str> {
    [&["run", "bgp-away"], &AWAY[..], more].concat()
}

fn back(more: &[&'static str]) -> Vec<&'static str> {
    [&["run", "bgp-back"], &BACK[..], more].concat()
}

#[test]
fn traffic_leaves_a_peer_and_comes_back() {
    let Some(lab) = lab() else { return };
    let before = world(&lab);
    assert_eq!(way(&lab), PEER_A);
    let told = expect(&lab, 0, &away(&["--dry-run"]));
    assert!(told.contains("neighbor 10.255.1.2 shutdown"), "{told}");
    assert_eq!(world(&lab), before, "the dry-run changed something");
    expect(&lab, 0, &away(&["-y"]));
    assert_eq!(way(&lab), PEER_B);
    assert!(world(&lab).contains("neighbor 10.255.1.2 shutdown"));
    // Once more: nothing is left to do, and nothing is done.
    let changed = world(&lab);
    expect(&lab, 0, &away(&["-y"]));
    assert_eq!(world(&lab), changed);
    expect(&lab, 0, &back(&["-y"]));
    assert_eq!((way(&lab).as_str(), world(&lab)), (PEER_A, before));
}

#[test]
fn what_fails_is_undone() {
    let Some(lab) = lab() else { return };
    let folder = tempfile::tempdir().unwrap();
    let before = world(&lab);
    let path = failing_at(folder.path(), "bgp-away", "drain");
    let told = expect(&lab, 10, &[&["run", path.to_str().unwrap(), "-y"], &AWAY[..]].concat());
    assert_eq!(world(&lab), before, "{told}");
    until("the peer is back", || way(&lab) == PEER_A);
    shut(&lab, PEER_A);
    let before = world(&lab);
    let path = failing_at(folder.path(), "bgp-back", "let_in");
    let told = expect(&lab, 10, &[&["run", path.to_str().unwrap(), "-y"], &BACK[..]].concat());
    assert_eq!(world(&lab), before, "{told}");
}

#[test]
fn the_last_peer_is_never_left() {
    let Some(lab) = lab() else { return };
    let refused = |lab: &Lab, arguments: &[&str]| {
        let before = world(lab);
        let output = run(lab, arguments);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert_eq!(world(lab), before);
        said(&output)
    };
    let same = AWAY.map(|word| if word.starts_with("other=") { "other=10.255.1.2" } else { word });
    refused(&lab, &[&["run", "bgp-away", "-y"], &same[..]].concat());
    // Established, and not leading there.
    vty(&lab, "b", &["configure terminal", "router bgp 65003", "no network 203.0.113.0/24"]);
    until("b no longer leads there", || {
        !vty(&lab, "r1", &["show bgp ipv4 unicast 203.0.113.0/24"]).contains("10.255.2.2 from")
    });
    let told = refused(&lab, &away(&["-y"]));
    assert!(told.contains("inputs.other + ' from '"), "{told}");
    vty(&lab, "b", &["configure terminal", "router bgp 65003", "network 203.0.113.0/24"]);
    vty(&lab, "b", &["configure terminal", "router bgp 65003", "neighbor 10.255.2.1 shutdown"]);
    until("b is gone", || !vty(&lab, "r1", &["show bgp neighbors 10.255.2.2"]).contains("state = Established"));
    let told = refused(&lab, &away(&["-y"]));
    assert!(told.contains("BGP state = Established"), "{told}");
    // A hostile value is no address.
    let output = run(
        &lab,
        &["run", "bgp-away", "-y", "-i", "router=r1", "-i", "peer=10.255.1.2; reload", "-i", "other=10.255.2.2"],
    );
    assert_eq!(output.status.code(), Some(65), "{}", said(&output));
}

#[test]
fn a_runner_killed_half_way_is_resumed() {
    let Some(lab) = lab() else { return };
    for pause in [0, 150, 400] {
        let mut runner = playbook(&lab)
            .args(away(&["-y", "--output", "jsonl"]))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(runner.stdout.take().unwrap()).lines();
        let intent = lines.by_ref().map_while(Result::ok).find(|line| {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            record["kind"] == "intent" && record["step"] == "drain"
        });
        assert!(intent.is_some(), "the peer was never drained");
        // Before the lines are typed, in the middle of them, after them.
        std::thread::sleep(std::time::Duration::from_millis(pause));
        runner.kill().unwrap();
        runner.wait().unwrap();
        let id = status(&lab)["run"].as_str().unwrap().to_owned();
        expect(&lab, 0, &["resume", &id]);
        assert_eq!(way(&lab), PEER_B);
        expect(&lab, 0, &["verify", &id]);
        expect(&lab, 0, &back(&["-y"]));
        assert_eq!(way(&lab), PEER_A);
    }
}
