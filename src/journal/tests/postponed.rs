//! An outcome that goes to the disk with the intent behind it: one write for both, none of them lost by a refusal, and as if
//! the process had been killed before it where it is killed in between.

use std::path::Path;

use super::*;
use crate::outcome::{Outcome, Report};
use crate::run::Phase;
use crate::spec::Effect;

fn task(step: &str) -> Task {
    Task { phase: Phase::Do, ..Task::of(&step.parse().unwrap()) }
}

fn intent(step: &str) -> Event {
    Event::Intent {
        task: task(step),
        attempt: 1,
        arguments: json!({}),
        before: json!(null),
        key: "k".to_owned(),
        effect: Effect::Idempotent,
        timeout: 1.0,
        reverts_after: None,
    }
}

fn outcome(step: &str, text: &str) -> Event {
    let report = Report::done(text, json!({ "text": text }));
    assert_eq!(report.outcome, Outcome::Done);
    Event::Outcome { task: task(step), attempt: 1, report }
}

/// How many transactions are in the log: SQLite's frames, of which the last of each says how large the file is then.
fn commits(folder: &Path) -> usize {
    let log = std::fs::read(folder.join("playbook.sqlite3-wal")).unwrap();
    let page = u32::from_be_bytes(log[8..12].try_into().unwrap()) as usize;
    log[32..].chunks(page + 24).filter(|frame| frame[4..8] != [0; 4]).count()
}

struct Place {
    folder: tempfile::TempDir,
    journal: SqliteJournal,
    lease: Lease,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = SqliteJournal::open(folder.path()).unwrap();
    let lease = begin(&mut journal, "r1", &[]);
    append(&mut journal, &lease, intent("a")).unwrap();
    Place { folder, journal, lease }
}

fn postponed(place: &mut Place, event: Event) -> Vec<Record> {
    match place.journal.append_with_next(&place.lease, "runner", Time(9), event).unwrap() {
        Appended::Durable(records) | Appended::WithNext(records) => records,
    }
}

fn seen_by_others(place: &Place) -> Vec<Record> {
    SqliteJournal::open(place.folder.path()).unwrap().records(&run("r1"), 0).unwrap()
}

#[test]
fn both_reach_the_disk_in_one_write() {
    let mut place = place();
    let (before, known) = (commits(place.folder.path()), seen_by_others(&place).len());
    let first = postponed(&mut place, outcome("a", "done"));
    assert_eq!((commits(place.folder.path()), seen_by_others(&place).len()), (before, known));
    let second = append(&mut place.journal, &place.lease, intent("b")).unwrap();
    assert_eq!(commits(place.folder.path()), before + 1);
    let both: Vec<Record> = first.into_iter().chain(second).collect();
    assert_eq!(seen_by_others(&place)[known..], both);
    assert_whole(&mut place.journal, "r1", known as u64 + 2);
}

#[test]
fn what_waits_is_written_where_the_next_is_refused_and_before_anything_else() {
    let mut place = place();
    let known = seen_by_others(&place).len();
    postponed(&mut place, outcome("a", "done"));
    SqliteJournal::open(place.folder.path()).unwrap().halt("bob", "wrong cluster", Time(9)).unwrap();
    let refused = append(&mut place.journal, &place.lease, intent("b"));
    assert!(matches!(refused, Err(JournalError::Halted(_))), "{refused:?}");
    assert_eq!(seen_by_others(&place).len(), known + 1);
    for write in [
        |place: &mut Place| place.journal.flush().unwrap(),
        |place: &mut Place| assert!(place.journal.ask(&run("r1"), &RequestKind::Cancel, "ann", "", Time(9)).is_ok()),
        |place: &mut Place| drop(postponed(place, note("another one"))),
    ] {
        let known = seen_by_others(&place).len();
        postponed(&mut place, note("one"));
        write(&mut place);
        assert_eq!(seen_by_others(&place).len(), known + 1);
        place.journal.flush().unwrap();
    }
    let records = seen_by_others(&place).len() as u64;
    assert_whole(&mut place.journal, "r1", records);
}

#[test]
fn a_process_that_ends_in_between_leaves_it_as_it_was() {
    let mut place = place();
    let known = seen_by_others(&place);
    postponed(&mut place, outcome("a", "done"));
    drop(place.journal);
    assert_eq!(SqliteJournal::open(place.folder.path()).unwrap().records(&run("r1"), 0).unwrap(), known);
}

#[test]
fn who_has_lost_the_run_writes_nothing_of_it() {
    let mut place = place();
    postponed(&mut place, outcome("a", "done"));
    let mut other = SqliteJournal::open(place.folder.path()).unwrap();
    other.take(&run("r1"), place.lease.epoch, &holder(2), LeaseReason::Resume, "bob", Time(10)).unwrap();
    let known = seen_by_others(&place);
    let lost = append(&mut place.journal, &place.lease, intent("b"));
    assert!(matches!(lost, Err(JournalError::LeaseLost { .. })), "{lost:?}");
    assert!(place.journal.release(&place.lease).is_ok(), "what is lost is given up");
    assert_eq!(seen_by_others(&place), known);
}

#[test]
fn what_could_not_be_written_is_never_taken_for_written() {
    let mut place = place();
    let known = seen_by_others(&place).len();
    postponed(&mut place, outcome("a", "done"));
    // As on a full disk.
    place.journal.connection.pragma_update(None, "max_page_count", 1).unwrap();
    let more = vec![note(&"x".repeat(400_000))];
    let failed = place.journal.append(&place.lease, "runner", Time(10), more, &[]);
    assert!(matches!(failed, Err(JournalError::Store { .. })), "{failed:?}");
    assert!(place.journal.flush().is_err(), "an outcome that is on no disk was said to be written");
    assert_eq!(seen_by_others(&place).len(), known);
}

#[test]
fn what_is_large_behind_it_does_not_take_it_down() {
    let mut place = place();
    let known = seen_by_others(&place).len();
    postponed(&mut place, outcome("a", "done"));
    place.journal.connection.pragma_update(None, "max_page_count", 200).unwrap();
    let Event::Intent { task, attempt, before, key, effect, timeout, reverts_after, .. } = intent("b") else {
        panic!()
    };
    let arguments = json!({ "text": "x".repeat(4_000_000) });
    let large = Event::Intent { task, attempt, arguments, before, key, effect, timeout, reverts_after };
    let failed = append(&mut place.journal, &place.lease, large);
    assert!(matches!(failed, Err(JournalError::Store { .. })), "{failed:?}");
    assert_eq!(seen_by_others(&place).len(), known + 1);
}

#[test]
fn what_is_large_is_written_at_once() {
    let mut place = place();
    let known = seen_by_others(&place).len();
    postponed(&mut place, outcome("a", &"x".repeat(60_000)));
    assert_eq!(seen_by_others(&place).len(), known + 1);
}
