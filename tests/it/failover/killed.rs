//! The runner killed with SIGKILL in the middle of the promotion: there is one promotion, and the run comes to its end.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Duration;

use super::{expect, lab_with_a_row, playbook, status};

/// How often it is done: more often in `make full`.
fn kills() -> usize {
    (crate::faults::kills(0) / 100).max(2)
}

#[test]
fn a_runner_killed_while_it_promotes_is_resumed_with_one_promotion() {
    let lab = lab_with_a_row();
    for round in 0..kills() {
        let timeline = |member: &str| -> i64 {
            lab.psql(member, "select timeline_id from pg_control_checkpoint()").parse().unwrap()
        };
        let (from, to) = if round % 2 == 0 { ("pg1", "pg2") } else { ("pg2", "pg1") };
        lab.psql(from, "checkpoint");
        let before = timeline(from);
        let mut runner = playbook(&lab)
            .args(["run", "db-failover", "-y", "--output", "jsonl"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(runner.stdout.take().unwrap()).lines();
        let intent = lines.by_ref().map_while(Result::ok).find(|line| {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            record["kind"] == "intent" && record["step"] == "promote"
        });
        assert!(intent.is_some(), "round {round}: the promotion never began");
        // Each round a little later: before the call, during it, after it.
        std::thread::sleep(Duration::from_millis(15 * (round as u64 % 8)));
        runner.kill().unwrap();
        runner.wait().unwrap();

        let run = status(&lab)["run"].as_str().unwrap().to_owned();
        let output = expect(&lab, 0, &["resume", &run]);
        lab.wait_for(to, "select pg_is_in_recovery()", "f");
        lab.psql(to, "checkpoint");
        assert_eq!(timeline(to), before + 1, "round {round}: promoted once, not twice\n{output}");
        assert_eq!(lab.psql("proxy", "select count(*) from orders"), "1");
        assert_eq!(lab.psql(from, "select pg_is_in_recovery()"), "t");
        expect(&lab, 0, &["verify", &run]);
    }
}
