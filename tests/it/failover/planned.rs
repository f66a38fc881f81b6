//! A planned switch, its dry-run, and what a planned switch says of a dead primary.

use super::{expect, lab_with_a_row, run, said, status, world};

#[test]
fn a_planned_switch_moves_the_writes_and_loses_nothing() {
    let lab = lab_with_a_row();
    let before = world(&lab);
    let dry = expect(&lab, 0, &["run", "db-failover", "--dry-run"]);
    assert!(dry.contains("nothing was changed"), "{dry}");
    assert_eq!(world(&lab), before, "a dry-run changed something");

    let output = expect(&lab, 0, &["run", "db-failover", "-y"]);
    assert_eq!(lab.psql("proxy", "select count(*) from orders"), "1", "{output}");
    assert_eq!(lab.psql("proxy", "insert into orders values (2) returning id"), "2");
    assert_eq!(lab.psql("pg2", "select pg_is_in_recovery()"), "f");
    assert_eq!(lab.psql("pg1", "select pg_is_in_recovery()"), "t", "the old primary is a standby again");
    lab.wait_for("pg1", "select count(*) from orders", "2");

    let status = status(&lab);
    assert_eq!(status["verdict"], "succeeded", "{status}");
    assert_eq!(status["service"]["is"], "up");
    let run_id = status["run"].as_str().unwrap();
    expect(&lab, 0, &["verify", run_id]);
    let timeline = expect(&lab, 0, &["timeline", run_id]);
    for word in ["promote", "traffic_on_new_primary", "point of no return"] {
        assert!(timeline.contains(word), "{word} is missing:\n{timeline}");
    }
    let list = run(&lab, &["list", "--runs", "--output", "json"]);
    let list: serde_json::Value = serde_json::from_slice(&list.stdout).unwrap();
    assert_eq!(list[0]["run"], run_id);
    for key in ["run", "playbook", "version", "state", "verdict", "started"] {
        assert!(list[0].get(key).is_some(), "{key} is missing: {list}");
    }

    // And back again: the cluster is healthy on the other side.
    expect(&lab, 0, &["run", "db-failover", "-y"]);
    assert_eq!(lab.psql("pg1", "select pg_is_in_recovery()"), "f");
    assert_eq!(lab.psql("proxy", "select count(*) from orders"), "2");
}

#[test]
fn a_planned_switch_of_a_dead_primary_changes_nothing_and_names_the_command() {
    let lab = lab_with_a_row();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(lab.postmaster("pg1") as i32), nix::sys::signal::Signal::SIGKILL)
        .unwrap();
    let servers = super::proxy_servers(&lab);
    let output = run(&lab, &["run", "db-failover", "-y"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("playbook run db-failover -i mode=unplanned"), "{}", said(&output));
    assert_eq!(super::proxy_servers(&lab), servers);
    assert_eq!(lab.psql("pg2", "select pg_is_in_recovery()"), "t");
    assert_eq!(status(&lab)["verdict"], "failed");
}
