//! An outcome that goes to the disk with the intent behind it: one write for both, none of them lost by a refusal, and as if
//! the process had been killed before it where it is killed in between.

use std::path::Path;

use super::contract::{OnDisk, Store};
use super::*;
use crate::outcome::{Outcome, Report};
use crate::run::Phase;

fn outcome(step: &str, text: &str) -> Event {
    let report = Report::done(text, json!({ "text": text }));
    assert_eq!(report.outcome, Outcome::Done);
    Event::Outcome { task: Task::of(&step.parse().unwrap()), attempt: 1, report }
}

/// A journal in memory that lets outcomes wait, as the one on disk does.
fn in_memory() -> MemoryJournal {
    let mut journal = MemoryJournal::new();
    journal.postpone_outcomes(true);
    journal
}

macro_rules! on_every_store {
    ($($name:ident),* $(,)?) => {
        mod on_disk {
            $(#[test] fn $name() { super::$name(&super::OnDisk(tempfile::tempdir().unwrap())); })*
        }
        mod in_memory {
            $(#[test] fn $name() { super::$name(&super::in_memory()); })*
        }
    };
}

on_every_store![
    an_outcome_waits_for_the_write_behind_it,
    a_refused_write_brings_it_to_the_disk,
    it_is_gone_with_whoever_held_it,
    it_is_given_up_where_the_run_is_lost,
];

/// Begins a run with an attempt whose outcome waits, and says what others see of it.
fn waiting(store: &dyn Store) -> (Box<dyn Journal>, Lease, usize) {
    let mut journal = store.view();
    let lease = begin(&mut *journal, "r1", &[]);
    append(&mut *journal, &lease, intent("a", Phase::Do)).unwrap();
    let told = journal.append_with_next(&lease, "runner", Time(9), outcome("a", "done")).unwrap();
    assert!(matches!(told, Appended::WithNext(ref records) if records.len() == 1), "{told:?}");
    let known = store.view().records(&run("r1"), 0).unwrap().len();
    assert_eq!(known, 3, "it waits");
    (journal, lease, known)
}

fn an_outcome_waits_for_the_write_behind_it(store: &dyn Store) {
    let (mut journal, lease, known) = waiting(store);
    append(&mut *journal, &lease, intent("b", Phase::Do)).unwrap();
    assert_whole(&mut *store.view(), "r1", known as u64 + 2);
    journal.append_with_next(&lease, "runner", Time(9), outcome("b", "done")).unwrap();
    journal.flush().unwrap();
    journal.flush().unwrap();
    assert_whole(&mut *store.view(), "r1", known as u64 + 3);
    // Whatever else is written comes behind it.
    journal.append_with_next(&lease, "runner", Time(9), note("it waits")).unwrap();
    journal.ask(&run("r1"), &RequestKind::Cancel, "ann", "", Time(9)).unwrap();
    assert_whole(&mut *store.view(), "r1", known as u64 + 4);
}

fn a_refused_write_brings_it_to_the_disk(store: &dyn Store) {
    let (mut journal, lease, known) = waiting(store);
    store.view().halt("bob", "wrong cluster", Time(9)).unwrap();
    let refused = append(&mut *journal, &lease, intent("b", Phase::Do));
    assert!(matches!(refused, Err(JournalError::Halted(_))), "{refused:?}");
    assert_whole(&mut *store.view(), "r1", known as u64 + 1);
    append(&mut *journal, &lease, note("it goes on")).unwrap();
    assert_whole(&mut *store.view(), "r1", known as u64 + 2);
}

fn it_is_gone_with_whoever_held_it(store: &dyn Store) {
    let (journal, _, known) = waiting(store);
    drop(journal);
    assert_whole(&mut *store.view(), "r1", known as u64);
}

fn it_is_given_up_where_the_run_is_lost(store: &dyn Store) {
    let (mut journal, lease, known) = waiting(store);
    store.view().take(&run("r1"), lease.epoch, &holder(2), LeaseReason::Resume, "bob", Time(10)).unwrap();
    let lost = append(&mut *journal, &lease, intent("b", Phase::Do));
    assert!(matches!(lost, Err(JournalError::LeaseLost { .. })), "{lost:?}");
    assert!(matches!(journal.flush(), Err(JournalError::LeaseLost { .. })));
    journal.release(&lease).unwrap();
    journal.flush().unwrap();
    assert_whole(&mut *store.view(), "r1", known as u64 + 1);
}

#[test]
fn where_somebody_else_writes_for_long_it_stays_until_a_write_succeeds() {
    for times in 0..5 {
        let store = in_memory();
        let (_, lease, known) = waiting(&store);
        let mut journal = store.reopen();
        journal.append_with_next(&lease, "runner", Time(9), outcome("a", "done")).unwrap();
        journal.fail(Some(Failure::Busy(0, times)));
        let written = append(&mut journal, &lease, intent("b", Phase::Do));
        assert_eq!(written.is_ok(), times == 0, "{times}");
        let flushed = std::iter::repeat_with(|| journal.flush()).take_while(Result::is_err).count() as u64;
        // The write itself and the one that brings to the disk what waited.
        assert_eq!(flushed, times.saturating_sub(2), "{times}");
        assert_whole(&mut store.reopen(), "r1", known as u64 + 1 + u64::from(times == 0));
    }
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
    append(&mut journal, &lease, intent("a", Phase::Do)).unwrap();
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
    let second = append(&mut place.journal, &place.lease, intent("b", Phase::Do)).unwrap();
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
    let refused = append(&mut place.journal, &place.lease, intent("b", Phase::Do));
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
    let lost = append(&mut place.journal, &place.lease, intent("b", Phase::Do));
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
    let more = vec![note(&"x".repeat(4_000_000))];
    let failed = place.journal.append(&place.lease, "runner", Time(10), more, &[]).map(|_| ());
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
    let Event::Intent { task, attempt, before, key, effect, timeout, reverts_after, .. } = intent("b", Phase::Do)
    else {
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
