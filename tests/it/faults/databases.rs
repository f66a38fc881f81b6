//! The same kills over what changes a database, in the lab: the shipped switch, and a statement. One promotion, one row.

use std::process::Command;

use serde_json::Value;

use super::strace::{Point, Watched, killed_at, points};
use crate::failover::{expect, lab_with_a_row, playbook, run, said, status};
use crate::lab::Lab;

const MAIN: Watched = Watched::MainThread;

fn command(lab: &Lab, arguments: &[&str]) -> Command {
    let mut command = playbook(lab);
    command.args(arguments);
    command
}

/// Brings the newest run to its end; built-in actions look for themselves, so nobody is asked.
fn finish(lab: &Lab, context: &str) -> Value {
    for _ in 0..4 {
        let status = status(lab);
        match status["state"].as_str().unwrap() {
            "ended" => return status,
            "interrupted" => run(lab, &["resume", status["run"].as_str().unwrap()]),
            other => panic!("{context}: it is {other}: {status:#}\n{}", expect(lab, 0, &["timeline", "latest"])),
        };
    }
    panic!("{context}: it never ends: {:#}", status(lab));
}

/// Whether a run of this playbook is there that an earlier round had not.
fn began(lab: &Lab, before: usize) -> bool {
    runs(lab) > before
}

fn runs(lab: &Lab) -> usize {
    let output = run(lab, &["list", "--runs", "--output", "json"]);
    serde_json::from_slice::<Value>(&output.stdout).unwrap().as_array().unwrap().len()
}

#[test]
fn a_switch_that_is_killed_anywhere_promotes_once() {
    let rounds = (super::kills(0) / 100).max(3);
    let lab = lab_with_a_row();
    let timeline = |member: &str| -> i64 {
        lab.psql(member, "checkpoint");
        lab.psql(member, "select timeline_id from pg_control_checkpoint()").parse().unwrap()
    };
    let (all, output) = points(MAIN, command(&lab, &["run", "db-failover", "-y"]), &lab.dir);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let mut killed = 0;
    for round in 0..rounds {
        let primary = if lab.psql("pg1", "select pg_is_in_recovery()") == "f" { "pg1" } else { "pg2" };
        let standby = if primary == "pg1" { "pg2" } else { "pg1" };
        let (before, had) = (timeline(primary), runs(&lab));
        // The middle of each part: the very first calls only open the journal.
        let point = &all[(2 * round + 1) * all.len() / (2 * rounds)];
        let (hit, output) = killed_at(MAIN, command(&lab, &["run", "db-failover", "-y"]), point);
        killed += usize::from(hit);
        let context = format!("round {round}, killed ({hit}) at {point:?}\n{}", said(&output));
        if !began(&lab, had) {
            assert_eq!(timeline(primary), before, "{context}: promoted before the first record");
            continue;
        }
        let status = finish(&lab, &context);
        assert_eq!(status["verdict"], "succeeded", "{context}\n{}", expect(&lab, 0, &["timeline", "latest"]));
        lab.wait_for(standby, "select pg_is_in_recovery()", "f");
        assert_eq!(timeline(standby), before + 1, "{context}: promoted once, not twice");
        assert_eq!(lab.psql("proxy", "select count(*) from orders"), "1", "{context}");
        expect(&lab, 0, &["verify", "latest"]);
    }
    assert!(killed * 3 >= rounds * 2, "only {killed} of {rounds} were killed");
    eprintln!("db-failover: {} points, {killed} kills, one promotion each", all.len());
}

#[test]
fn a_statement_that_is_killed_anywhere_changes_its_row_once() {
    let kills = (super::kills(0) / 20).max(20);
    let lab = lab_with_a_row();
    lab.psql("proxy", "create table effects (round int)");
    let book = |round: usize| {
        let path = lab.dir.join("insert.yaml");
        let sql = format!("insert into effects values ({round})");
        let step = format!(
            "  - {{ id: insert, uses: postgres.execute, with: {{ cluster: orders, sql: \"{sql}\" }}, rollback: none, because: a test }}"
        );
        let head = "name: insert\nversion: 1.0.0\ntitle: A test\nlocks: [database/orders]\nsteps:\n";
        std::fs::write(&path, format!("{head}{step}\n")).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let first = book(9999);
    expect(&lab, 0, &["run", &first, "-y"]);
    let (all, output) = points(MAIN, command(&lab, &["run", &first, "-y"]), &lab.dir);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let (mut killed, mut unsettled) = (0, 0);
    for round in 0..kills {
        let point: &Point = &all[(2 * round + 1) * all.len() / (2 * kills)];
        let (file, had) = (book(round), runs(&lab));
        let (hit, output) = killed_at(MAIN, command(&lab, &["run", &file, "-y"]), point);
        killed += usize::from(hit);
        let context = format!("round {round}, killed ({hit}) at {point:?}\n{}", said(&output));
        let count = || lab.psql("proxy", &format!("select count(*) from effects where round = {round}"));
        if !began(&lab, had) {
            assert_eq!(count(), "0", "{context}");
            continue;
        }
        unsettled += usize::from(status(&lab)["steps"][0]["state"] == "running");
        let status = finish(&lab, &context);
        assert_eq!(status["verdict"], "succeeded", "{context}\n{}", expect(&lab, 0, &["timeline", "latest"]));
        assert_eq!(count(), "1", "{context}\n{}", expect(&lab, 0, &["timeline", "latest"]));
    }
    assert!(killed * 3 >= kills * 2, "only {killed} of {kills} were killed");
    assert!(unsettled > 0, "none was killed between its intent and its outcome");
    eprintln!("postgres.execute: {} points, {killed} kills, {unsettled} without an outcome, one row each", all.len());
}
