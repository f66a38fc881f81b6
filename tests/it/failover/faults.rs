//! A fault at every step before the promotion: the old primary is writable through the proxy afterwards, and everything is
//! as it was.

use super::{changed_playbook, expect, lab_with_a_row, run, said, status, step_ids, world};

#[test]
fn a_failure_between_any_two_steps_before_the_promotion_leaves_everything_as_it_was() {
    let lab = lab_with_a_row();
    let before = world(&lab);
    let steps = step_ids();
    let promote = steps.iter().position(|id| id == "promote").expect("there is a promotion");
    for (row, id) in steps[..=promote].iter().enumerate().skip(1) {
        let path = changed_playbook(&lab, |text| {
            let fault = format!(
                "  - id: fault\n    run: exit 1\n    effect: idempotent\n    rollback: none\n    because: it does nothing\n  - id: {id}\n"
            );
            text.replace(&format!("  - id: {id}\n"), &fault)
        });
        let output = run(&lab, &["run", path.to_str().unwrap(), "-y"]);
        let code = output.status.code();
        assert!(code == Some(10) || code == Some(1), "fault before {id}: {}", said(&output));
        lab.wait_for("pg2", "select count(*) from pg_stat_wal_receiver where status = 'streaming'", "1");
        assert_eq!(world(&lab), before, "fault before {id}\n{}", said(&output));
        let row = row + 1;
        assert_eq!(lab.psql("proxy", &format!("insert into orders values ({row}) returning id")), row.to_string());
    }
}

#[test]
fn a_step_that_itself_fails_half_way_is_undone() {
    let lab = lab_with_a_row();
    let servers = super::proxy_servers(&lab);
    let inventory = std::fs::read_to_string(lab.inventory()).unwrap();
    // The server is stopped, and then the command says that it failed; the standby stops replaying before; the standby dies
    // after. So the fence, the catching up and the promotion fail, each after something has happened.
    let kill = format!("kill -9 $(head -1 {}/pg2/data/postmaster.pid)", lab.dir.display());
    let pause =
        format!("psql -h 127.0.0.1 -p {} -U postgres -d orders -c 'select pg_wal_replay_pause()'", lab.port("pg2"));
    let nothing = || "true".to_owned();
    for (first, then) in [(nothing(), "exit 3".to_owned()), (pause, nothing()), (nothing(), kill.clone())] {
        let stop = format!(
            "{first} >/dev/null && /usr/lib/postgresql/15/bin/pg_ctl stop -w -m fast -D {}/pg1/data >/dev/null && {then}",
            lab.dir.display()
        );
        let changed = with_stop(&inventory, &stop);
        std::fs::write(lab.inventory(), changed).unwrap();
        let output = run(&lab, &["run", "db-failover", "-y"]);
        std::fs::write(lab.inventory(), &inventory).unwrap();
        // A fence whose command complains is confirmed by the host itself; all others must be undone.
        if then == "exit 3" && output.status.code() == Some(0) {
            expect(&lab, 0, &["run", "db-failover", "-y"]);
            continue;
        }
        assert_eq!(output.status.code(), Some(10), "after `{first}`, `{then}`: {}", said(&output));
        assert_eq!(status(&lab)["verdict"], "rolled_back");
        assert_eq!(lab.psql("proxy", "select pg_is_in_recovery()"), "f", "after `{first}`, `{then}`");
        assert_eq!(lab.psql("pg1", "select pg_is_in_recovery()"), "f", "after `{first}`, `{then}`");
        if then == kill {
            // The standby that was killed is not the run's to bring back.
            break;
        }
        lab.psql("pg2", "select pg_wal_replay_resume()");
        lab.wait_for("pg2", "select count(*) from pg_stat_wal_receiver where status = 'streaming'", "1");
    }
    assert_eq!(super::proxy_servers(&lab), servers);
}

/// The inventory with a `stop:` command for pg1.
fn with_stop(inventory: &str, stop: &str) -> String {
    let mut seen = false;
    let mut changed = String::new();
    for line in inventory.lines() {
        changed.push_str(line);
        changed.push('\n');
        if !seen && line.trim_start().starts_with("data_directory:") && line.contains("/pg1/") {
            let indent = &line[..line.len() - line.trim_start().len()];
            changed
                .push_str(&format!("{indent}stop: [\"/bin/sh\", \"-c\", {}]\n", serde_json::to_string(stop).unwrap()));
            seen = true;
        }
    }
    assert!(seen, "{inventory}");
    changed
}
