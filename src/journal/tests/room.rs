//! A disk that is really full: what was set aside suffices for a run, and without it the run stops.

use std::fs;
use std::path::Path;

use super::disk::Disk;
use super::*;
use crate::outcome::{CommandOutput, Report, Stream};

/// The event that starts a run of so many steps, each with an undo of its own.
fn of_steps(number: usize) -> Event {
    let mut steps = String::new();
    for step in 0..number {
        steps.push_str(&format!(
            "  - id: step{step}\n    run: \"true\"\n    rollback: [{{ run: \"true\", effect: idempotent }}]\n"
        ));
    }
    let source =
        crate::diagnostic::Source::new("test", format!("name: full\nversion: 1.0.0\ntitle: t\nsteps:\n{steps}"));
    let loaded = crate::playbook::load(&source, &crate::spec::Specs::of(crate::actions::Table::builtin().specs()));
    let playbook = loaded.playbook.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
    let Event::RunStarted { mut plan, locks, incident, format, tool, overrides, approved } = started(&["db/a"]) else {
        unreachable!()
    };
    std::sync::Arc::make_mut(&mut plan).playbook = playbook;
    Event::RunStarted { plan, locks, incident, format, tool, overrides, approved }
}

/// What a run of so many steps writes at most: each step is tried, fails at the end, and all are undone.
fn write_all(journal: &mut SqliteJournal, lease: &Lease, steps: usize) -> Result<(), JournalError> {
    let undo = |step: usize| Task::undo(&format!("step{step}").parse().unwrap(), 0);
    for (count, task) in (0..steps)
        .map(|step| Task::of(&format!("step{step}").parse().unwrap()))
        .chain((0..steps).rev().map(undo))
        .enumerate()
    {
        append(journal, lease, intent(&task))?;
        // A lease is renewed all the while, which takes room in the log too.
        for _ in 0..20 {
            journal.renew(lease)?;
        }
        append(journal, lease, outcome(&task, if count == 3 { 40_000 } else { 1500 }))?;
    }
    append(journal, lease, ended()).map(|_| ())
}

fn intent(task: &Task) -> Event {
    Event::Intent {
        task: task.clone(),
        attempt: 1,
        arguments: json!({ "script": "x".repeat(800) }),
        before: json!({ "was": "y".repeat(400) }),
        key: "key".to_owned(),
        effect: crate::spec::Effect::Once,
        timeout: 60.0,
        reverts_after: None,
    }
}

fn outcome(task: &Task, printed: usize) -> Event {
    let text = "z".repeat(printed);
    let stream = Stream { text, bytes: printed as u64, sha256: "0".repeat(64), truncated: false };
    let output = CommandOutput { stdout: stream, stderr: Stream::default() };
    let report = Report::done("exit code 0", json!({ "exit_code": 0 })).with_output(output);
    Event::Outcome { task: task.clone(), attempt: 1, report }
}

fn begin_steps(journal: &mut SqliteJournal, name: &str, steps: usize) -> Result<Lease, JournalError> {
    journal.begin(&run(name), of_steps(steps), &holder(1), "ann", Time(1000)).map(|(lease, _)| lease)
}

#[test]
fn a_run_on_a_disk_that_was_filled_writes_all_that_it_needs() {
    for steps in [1, 10, 120] {
        let Some(disk) = Disk::in_memory(64 * 1024) else { return };
        let mut journal = SqliteJournal::open(&disk.path("state")).unwrap();
        let lease = begin_steps(&mut journal, "r1", steps).unwrap();
        disk.fill();
        write_all(&mut journal, &lease, steps).unwrap_or_else(|error| panic!("{steps} steps: {error}"));
        let records = journal.records(&run("r1"), 0).unwrap();
        assert_eq!(records.len(), 3 + 4 * steps);
        assert_whole(&mut journal, "r1", records.len() as u64);
        if steps > 3 {
            let Event::Outcome { report, .. } = &records[9].event else { panic!("{:?}", records[9]) };
            let output = report.output.as_ref().unwrap();
            assert!(output.stdout.text.contains("not kept") && output.stdout.truncated, "{output:?}");
            assert_eq!(output.stdout.bytes, 40_000);
        }
    }
}

#[test]
fn what_monitoring_sends_takes_nothing_of_what_a_run_needs() {
    let Some(disk) = Disk::in_memory(32 * 1024) else { return };
    let mut journal = SqliteJournal::open(&disk.path("state")).unwrap();
    let lease = begin_steps(&mut journal, "r1", 60).unwrap();
    disk.fill();
    let body = vec![b'x'; 20_000];
    let mut send = |number: i64| journal.accept("m", &format!("d{number}"), &body, Time(1000 + number));
    let refused = (0..400).find_map(|number| send(number).err()).expect("it is refused once the disk is full");
    assert!(refused.to_string().contains("full"), "{refused}");
    write_all(&mut journal, &lease, 60).unwrap();
}

#[test]
fn a_process_that_takes_over_on_a_full_disk_finds_the_room() {
    let Some(disk) = Disk::in_memory(32 * 1024) else { return };
    let mut journal = SqliteJournal::open(&disk.path("state")).unwrap();
    begin_steps(&mut journal, "r1", 10).unwrap();
    disk.fill();
    drop(journal);
    // Looking at it and closing it again takes nothing away.
    SqliteJournal::open(&disk.path("state")).unwrap().runs().unwrap();
    let mut journal = SqliteJournal::open(&disk.path("state")).unwrap();
    let (lease, _) = journal.take(&run("r1"), 1, &holder(2), LeaseReason::Resume, "bob", Time(3)).unwrap();
    write_all(&mut journal, &lease, 10).unwrap();
    drop(journal);
    // Nobody needs it any more.
    assert!(!disk.path("state").join("playbook.sqlite3-wal").exists());
}

#[test]
fn who_takes_a_long_run_sets_nothing_aside_for_what_it_has_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = SqliteJournal::open(folder.path()).unwrap();
    let lease = begin_steps(&mut journal, "r1", 60).unwrap();
    for step in 0..60 {
        let task = Task::of(&format!("step{step}").parse().unwrap());
        append(&mut journal, &lease, intent(&task)).unwrap();
        append(&mut journal, &lease, outcome(&task, 100)).unwrap();
    }
    let mut journal = SqliteJournal::open(folder.path()).unwrap();
    let free = |journal: &SqliteJournal| -> i64 {
        journal.connection.query_row("PRAGMA freelist_count", [], |row| row.get(0)).unwrap()
    };
    let before = free(&journal);
    journal.take(&run("r1"), 1, &holder(2), LeaseReason::Resume, "bob", Time(3)).unwrap();
    assert!(free(&journal) <= before, "{} pages were free, and now {}", before, free(&journal));
    // What its undo needs is there: two records a step, of two pages each.
    assert!(free(&journal) >= 60 * 4, "{}", free(&journal));
}

/// A page that was repeated all night has not written the steps that are still to come.
#[test]
fn who_takes_a_run_that_has_waited_long_finds_room_for_the_steps_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = SqliteJournal::open(folder.path()).unwrap();
    let lease = begin_steps(&mut journal, "r1", 60).unwrap();
    for step in 0..30 {
        let task = Task::of(&format!("step{step}").parse().unwrap());
        append(&mut journal, &lease, intent(&task)).unwrap();
        append(&mut journal, &lease, outcome(&task, 1500)).unwrap();
    }
    for _ in 0..200 {
        append(&mut journal, &lease, Event::Paged { message: "x".repeat(1500) }).unwrap();
    }
    let mut journal = SqliteJournal::open(folder.path()).unwrap();
    journal.take(&run("r1"), 1, &holder(2), LeaseReason::Resume, "bob", Time(3)).unwrap();
    let free: i64 = journal.connection.query_row("PRAGMA freelist_count", [], |row| row.get(0)).unwrap();
    // Two records for each of the thirty steps that are left and for each of the sixty undos, of two pages each.
    assert!(free >= (30 * 2 + 60 * 2) * 2, "{free} pages are free");
}

#[test]
fn without_it_a_full_disk_stops_the_run() {
    let Some(disk) = Disk::in_memory(32 * 1024) else { return };
    let mut journal = SqliteJournal::open(&disk.path("state")).unwrap();
    let lease = begin_steps(&mut journal, "r1", 10).unwrap();
    // What `set_aside` did is taken back: the free pages are given to something else, and so is the log.
    journal.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let free: i64 = journal.connection.query_row("PRAGMA freelist_count", [], |row| row.get(0)).unwrap();
    journal.connection.execute("INSERT INTO room VALUES (zeroblob(?1))", [free * 4000]).unwrap();
    journal.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    disk.fill();
    let error = write_all(&mut journal, &lease, 10).unwrap_err();
    assert!(error.to_string().contains("the disk is full"), "{error}");
    disk.empty();
    drop(journal);
    let mut journal = SqliteJournal::open(&disk.path("state")).unwrap();
    let (lease, _) = journal.take(&run("r1"), 1, &holder(2), LeaseReason::Resume, "bob", Time(3)).unwrap();
    write_all(&mut journal, &lease, 10).unwrap();
}

#[test]
fn a_run_that_finds_no_room_is_not_begun_and_takes_nothing() {
    let Some(disk) = Disk::in_memory(4096) else { return };
    let mut journal = SqliteJournal::open(&disk.path("state")).unwrap();
    let error = begin_steps(&mut journal, "r1", 200).unwrap_err();
    assert!(error.to_string().contains("KiB are wanted"), "{error}");
    assert!(journal.runs().unwrap().is_empty());
    let size = |path: &Path| fs::metadata(path).unwrap().len();
    // Its tables alone: no room was set aside.
    assert!(size(&disk.path("state").join("playbook.sqlite3")) < 200_000);
    // It is no failed write: a smaller one begins.
    begin_steps(&mut journal, "r2", 1).unwrap();
}

#[test]
fn several_runs_have_room_for_each() {
    let Some(disk) = Disk::in_memory(32 * 1024) else { return };
    let mut journal = SqliteJournal::open(&disk.path("state")).unwrap();
    let mut leases = Vec::new();
    for name in ["r1", "r2", "r3"] {
        let Event::RunStarted { plan, incident, format, tool, overrides, approved, .. } = of_steps(20) else {
            unreachable!()
        };
        let started = Event::RunStarted { plan, locks: Vec::new(), incident, format, tool, overrides, approved };
        leases.push(journal.begin(&run(name), started, &holder(1), "ann", Time(1000)).unwrap().0);
    }
    let free: i64 = journal.connection.query_row("PRAGMA freelist_count", [], |row| row.get(0)).unwrap();
    // Four records for each step, of two pages each: none is promised to two runs.
    assert!(free >= 3 * 20 * 4 * 2, "{free} pages are free");
    disk.fill();
    for lease in &leases {
        write_all(&mut journal, lease, 20).unwrap();
    }
}

#[test]
fn looks_and_approvals_have_room_as_well() {
    let Event::RunStarted { plan, .. } = of_steps(10) else { unreachable!() };
    let plain = super::super::sqlite::pages_for(&plan);
    let mut braked = std::sync::Arc::unwrap_or_clone(plan);
    let step = braked.playbook.steps[0].clone();
    let expression = crate::playbook::Expression { source: "true".to_owned(), span: step.span };
    let kind = crate::playbook::CheckKind::Always;
    braked.playbook.checks =
        vec![crate::playbook::Check { name: "c".to_owned(), kind, group: None, step, expression, within: 0.0 }];
    // One look after each change and one before the first, of two pages each.
    assert_eq!(super::super::sqlite::pages_for(&braked), plain + 2 * 11);
}
