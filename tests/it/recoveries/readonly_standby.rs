//! `readonly-standby` and `readonly-back` on a real pair behind HAProxy and PgBouncer.

use std::process::{Command, Stdio};

use super::failing_at;
use crate::failover::{expect, lab_with_a_row, playbook, run, said, status, world};
use crate::lab::Lab;

fn kill(lab: &Lab, member: &str) {
    let pid = nix::unistd::Pid::from_raw(lab.postmaster(member) as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
}

/// The primary is repaired: its server is started again, as the user that owns its data.
fn repair(lab: &Lab, member: &str) {
    let folder = lab.dir.join(member);
    let script = "\"$0\" start -w -s -D \"$1/data\" -l \"$1/start.log\" -o '-c listen_addresses=127.0.0.1'";
    let program = format!("{}/pg_ctl", lab.env("LAB_PG_BIN"));
    let mut command = if nix::unistd::geteuid().is_root() {
        let mut command = Command::new("setpriv");
        let user = lab.env("LAB_USER");
        command.args([&format!("--reuid={user}"), &format!("--regid={user}"), "--init-groups", "--", "sh"]);
        command
    } else {
        Command::new("sh")
    };
    let started =
        command.args(["-c", script, &program]).arg(&folder).stdin(Stdio::null()).stdout(Stdio::null()).status();
    assert!(started.unwrap().success());
}

fn refused(lab: &Lab, part: &str) -> String {
    let output = lab.try_psql(part, "insert into orders values (77)");
    assert!(!output.status.success(), "a write was taken");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn reads_go_on_at_the_standby_while_the_primary_is_repaired_and_writes_come_back() {
    let lab = lab_with_a_row();
    kill(&lab, "pg1");
    let dry = expect(&lab, 0, &["run", "readonly-standby", "--dry-run"]);
    assert!(dry.contains("server orders/pg2: maint → ready"), "{dry}");
    let output = expect(&lab, 0, &["run", "readonly-standby", "-y"]);
    for part in ["pooler", "proxy"] {
        assert_eq!(lab.psql(part, "select count(*), current_setting('cluster_name') from orders"), "1|pg2");
        assert!(refused(&lab, part).contains("read-only transaction"), "{output}");
    }
    assert_eq!(lab.psql("pg2", "select pg_is_in_recovery()"), "t", "nothing is promoted");
    let state = status(&lab);
    assert_eq!(state["service"]["is"], "degraded", "{state}");
    assert!(output.contains("as of its last change at"), "{output}");

    // The primary is up again, and still nobody is sent to it. Once more is no harm.
    repair(&lab, "pg1");
    lab.wait_for("pg2", "select count(*) from pg_stat_wal_receiver where status = 'streaming'", "1");
    assert!(refused(&lab, "pooler").contains("read-only transaction"));
    expect(&lab, 0, &["run", "readonly-standby", "-y"]);
    expect(&lab, 0, &["run", "readonly-back", "-y"]);
    for (part, row) in [("pooler", "2"), ("proxy", "3")] {
        assert_eq!(lab.psql(part, &format!("insert into orders values ({row}) returning id")), row);
    }
    assert_eq!(lab.psql("pooler", "select current_setting('cluster_name')"), "pg1");
    assert_eq!(status(&lab)["service"]["is"], "up");
}

#[test]
fn each_step_of_both_is_undone() {
    let lab = lab_with_a_row();
    for (name, steps) in [
        ("readonly-standby", ["pause_pool", "close_primary", "open_standby", "resume_pool", "read"]),
        ("readonly-back", ["pause_pool", "close_standby", "open_primary", "resume_pool", "canary"]),
    ] {
        let before = world(&lab);
        let dry = expect(&lab, 0, &["run", name, "--dry-run"]);
        assert!(dry.contains("nothing was changed") && world(&lab) == before, "{dry}");
        for step in steps {
            let path = failing_at(&lab.dir, name, step);
            let output = run(&lab, &["run", path.to_str().unwrap(), "-y"]);
            assert_eq!(output.status.code(), Some(10), "{name}, {step}: {}", said(&output));
            lab.wait_for("pooler", "select 1", "1");
            assert_eq!(world(&lab), before, "{name}, {step}: {}", said(&output));
        }
        // From here the second begins.
        expect(&lab, 0, &["run", name, "-y"]);
        assert_ne!(world(&lab), before);
    }
}

#[test]
fn a_runner_killed_half_way_is_resumed() {
    let lab = lab_with_a_row();
    for (name, member, step) in [("readonly-standby", "pg2", "close_primary"), ("readonly-back", "pg1", "open_primary")]
    {
        let mut runner = playbook(&lab)
            .args(["run", name, "-y", "--output", "jsonl"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = std::io::BufRead::lines(std::io::BufReader::new(runner.stdout.take().unwrap()));
        let began = lines.map_while(Result::ok).any(|line| {
            let record: serde_json::Value = serde_json::from_str(&line).unwrap();
            record["kind"] == "intent" && record["step"] == step
        });
        assert!(began, "{name}: {step} never began");
        runner.kill().unwrap();
        runner.wait().unwrap();
        let output = expect(&lab, 0, &["resume", "latest"]);
        assert_eq!(lab.psql("pooler", "select current_setting('cluster_name')"), member, "{output}");
        assert!(!lab.is_paused());
    }
}

#[test]
fn a_standby_that_is_behind_is_not_read() {
    let lab = lab_with_a_row();
    let before = world(&lab);
    let refused = |told: &str, arguments: &[&str]| {
        let output = run(&lab, &[&["run", "readonly-standby", "-y"], arguments].concat());
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains(told), "{told}: {}", said(&output));
        assert_eq!(world(&lab), before);
    };
    lab.psql("pg2", "select pg_wal_replay_pause()");
    refused("replay_paused", &[]);
    lab.psql("pg2", "select pg_wal_replay_resume()");
    // It streams and does not replay: how far it is behind it knows alone, also when the primary is gone.
    lab.psql("pg2", "alter system set recovery_min_apply_delay = '1h'");
    lab.psql("pg2", "select pg_reload_conf()");
    // The first commit is held back, and everything behind it.
    lab.psql("proxy", "insert into orders values (2)");
    lab.psql("proxy", "create table much as select repeat('x', 500) as text from generate_series(1, 10000)");
    let behind = "select pg_last_wal_receive_lsn() - pg_last_wal_replay_lsn() > 1048576";
    lab.wait_for("pg2", behind, "t");
    refused("lag_bytes <= inputs.max_lag", &[]);
    kill(&lab, "pg1");
    let output = run(&lab, &["run", "readonly-standby", "-y"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("replay_lag_bytes"), "{}", said(&output));
    let output = run(&lab, &["run", "readonly-back", "-y"]);
    assert!(output.status.code() == Some(1) && said(&output).contains("outputs.primaries == 1"), "{}", said(&output));
    expect(&lab, 0, &["run", "readonly-standby", "-y", "-i", "max_lag=1GiB"]);
    assert_eq!(lab.psql("pooler", "select count(*) from orders"), "1");
}
