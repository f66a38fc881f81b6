//! The primary dies under a writer: after the switch everything that was acknowledged after it is there, and what was lost
//! before it is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::{expect, lab_with_a_row, run, said, status};

#[test]
fn an_unplanned_switch_under_a_writer_loses_no_later_commit_and_tells_what_was_lost() {
    let lab = Arc::new(lab_with_a_row());
    let stop = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let (lab, stop) = (Arc::clone(&lab), Arc::clone(&stop));
        move || {
            let mut acknowledged = Vec::new();
            let mut id = 100;
            while !stop.load(Ordering::Relaxed) {
                id += 1;
                if lab.try_psql("proxy", &format!("insert into orders values ({id})")).status.success() {
                    acknowledged.push((id, Instant::now()));
                }
            }
            acknowledged
        }
    });
    lab.wait_for("pg1", "select count(*) > 5 from orders", "t");
    // The standby stops receiving, so that it is certain that something is lost.
    lab.psql("pg2", "alter system set primary_conninfo = ''");
    lab.psql("pg2", "select pg_reload_conf()");
    lab.wait_for("pg2", "select count(*) from pg_stat_wal_receiver", "0");
    let received: i32 = lab.psql("pg1", "select count(*) from orders").parse().unwrap();
    lab.wait_for("pg1", &format!("select count(*) > {received} + 3 from orders"), "t");
    let pid = nix::unistd::Pid::from_raw(lab.postmaster("pg1") as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();

    let refused = run(&lab, &["run", "db-failover", "-y", "--no-wait", "-i", "mode=unplanned"]);
    assert_eq!(refused.status.code(), Some(12), "data loss needs to be accepted: {}", said(&refused));
    assert!(said(&refused).contains("lost_bytes"), "it is not told what would be lost: {}", said(&refused));
    assert_eq!(lab.psql("pg2", "select pg_is_in_recovery()"), "t", "nothing is promoted before that");
    expect(&lab, 0, &["cancel", "latest", "--reason", "the loss is to be accepted"]);

    let output = expect(&lab, 0, &["run", "db-failover", "-y", "-i", "mode=unplanned", "-i", "accept_data_loss=true"]);
    let switched = Instant::now();
    let writes_pass =
        |count: i32| lab.wait_for("proxy", &format!("select count(*) >= {count} from orders where id > 100"), "t");
    let now: i32 = lab.psql("proxy", "select count(*) from orders where id > 100").parse().unwrap();
    writes_pass(now + 5);
    stop.store(true, Ordering::Relaxed);
    let acknowledged = writer.join().unwrap();

    let there = lab.psql("proxy", "select id from orders where id > 100");
    let there: Vec<i32> = there.lines().map(|line| line.parse().unwrap()).collect();
    let later: Vec<i32> = acknowledged.iter().filter(|(_, at)| *at > switched).map(|(id, _)| *id).collect();
    assert!(later.len() >= 3, "the writer wrote nothing after the switch\n{output}");
    for id in &later {
        assert!(there.contains(id), "{id} was acknowledged after the switch and is gone");
    }
    assert_eq!(lab.psql("pg2", "select pg_is_in_recovery()"), "f");
    let status = status(&lab);
    assert_eq!(status["verdict"], "succeeded", "{status}");
    // What was lost is told as a number of bytes, or that it cannot be known.
    let fence = status["steps"].as_array().unwrap().iter().find(|step| step["id"] == "force_fence").unwrap();
    assert!(
        fence["outputs"]["lost_bytes"].as_i64().is_some_and(|bytes| bytes > 0),
        "what was lost is not told: {status}"
    );
}

#[test]
fn a_fence_counts_only_when_its_own_probe_confirms_it() {
    let lab = lab_with_a_row();
    let pid = nix::unistd::Pid::from_raw(lab.postmaster("pg1") as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    let inventory = std::fs::read_to_string(lab.inventory()).unwrap();
    let with = |methods: &str| {
        let changed = inventory.replace("    fence:\n      - method: ssh\n", &format!("    fence: [{methods}]\n"));
        assert_ne!(changed, inventory, "the lab's inventory names its fence otherwise: {inventory}");
        std::fs::write(lab.inventory(), changed).unwrap();
    };
    let told = lab.dir.join("fenced");
    let unconfirmed = format!("{{ method: command, argv: [touch, \"{}\"], probe: [\"false\"] }}", told.display());
    // A method gets its share of the step's time to be confirmed: less of it, as this one never is.
    let hasty = super::changed_playbook(&lab, |text| text.replace("timeout: 120s", "timeout: 6s"));
    let arguments =
        ["run", hasty.to_str().unwrap(), "-y", "--no-wait", "-i", "mode=unplanned", "-i", "accept_data_loss=true"];

    with(&unconfirmed);
    let stopped = run(&lab, &arguments);
    assert_eq!(stopped.status.code(), Some(12), "it must stop and ask: {}", said(&stopped));
    assert!(told.exists(), "the fence was never told");
    assert_eq!(lab.psql("pg2", "select pg_is_in_recovery()"), "t", "promoted without a fence");
    expect(&lab, 0, &["cancel", "latest", "--reason", "the fence does not confirm"]);

    with(&format!("{unconfirmed}, {{ method: command, argv: [\"true\"], probe: [\"true\"] }}"));
    expect(&lab, 0, &arguments);
    assert_eq!(lab.psql("pg2", "select pg_is_in_recovery()"), "f");
    let status = status(&lab);
    let fence = status["steps"].as_array().unwrap().iter().find(|step| step["id"] == "force_fence").unwrap();
    assert_eq!(fence["outputs"]["method"], "command", "{status}");
}
