//! The kill switch, on each store: once `halt` has returned no intent is written, whoever holds a run.

use super::contract::{OnDisk, Store};
use super::*;
use crate::run::Phase;

fn exempt() -> Event {
    let request = RequestKind::Rollback { to: None, despite_halt: true };
    Event::Requested { request, reason: "the database is down".to_owned() }
}

fn halted_event(halt: &Halt) -> Event {
    Event::Halted { number: halt.number, by: halt.by.clone(), reason: halt.reason.clone(), since: halt.since }
}

#[track_caller]
fn refused(result: Result<Vec<Record>, JournalError>) {
    assert!(matches!(result, Err(JournalError::Halted(_))), "{result:?}");
}

fn no_intent_follows_on_a_halt(store: &dyn Store) {
    let mut runner = store.view();
    let mut person = store.view();
    let lease = begin(&mut *runner, "r1", &["db/a"]);
    append(&mut *runner, &lease, intent("before", Phase::Do)).unwrap();
    assert_eq!(runner.halted().unwrap(), None);
    let halt = person.halt("bob", "wrong cluster", Time(9)).unwrap();
    assert_eq!((halt.by.as_str(), halt.reason.as_str(), halt.since), ("bob", "wrong cluster", Time(9)));
    assert_eq!(runner.halted().unwrap(), Some(halt.clone()));
    refused(append(&mut *runner, &lease, intent("after", Phase::Do)));
    refused(append(&mut *runner, &lease, intent("after", Phase::Undo(0))));
    refused(runner.append(&lease, "runner", Time(10), vec![note("a"), intent("after", Phase::Do)], &[]));
    // Nothing of it is written, what is no intent is, and the journal works on.
    append(&mut *runner, &lease, note("its outcome")).unwrap();
    assert_whole(&mut *runner, "r1", 4);
    let begun = runner.begin(&run("r2"), started(&[]), &holder(1), "ann", Time(11));
    assert!(matches!(begun, Err(JournalError::Halted(_))), "{begun:?}");
    assert!(matches!(runner.lease(&run("r2")), Err(JournalError::NoSuchRun(_))));

    let lifted = person.lift("eve", "it was the right one", Time(20)).unwrap().unwrap();
    let end = lifted.lifted.clone().unwrap();
    assert_eq!((end.by.as_str(), end.reason.as_str(), end.at), ("eve", "it was the right one", Time(20)));
    assert_eq!(runner.halted().unwrap(), None);
    assert_eq!(runner.newest_halt().unwrap(), Some(lifted));
    append(&mut *runner, &lease, intent("after", Phase::Do)).unwrap();
    assert_eq!(person.lift("eve", "again", Time(21)).unwrap(), None);
}

fn a_second_halt_says_who_was_first(store: &dyn Store) {
    let mut journal = store.view();
    let first = journal.halt("bob", "", Time(9)).unwrap();
    assert_eq!(store.view().halt("eve", "me too", Time(10)).unwrap(), first);
    journal.lift("bob", "over", Time(11)).unwrap();
    let second = journal.halt("eve", "once more", Time(12)).unwrap();
    assert!(second.number > first.number, "{second:?}");
    assert_eq!(store.view().halted().unwrap(), Some(second));
}

fn an_undo_goes_on_where_somebody_let_it(store: &dyn Store) {
    let mut runner = store.view();
    let lease = begin(&mut *runner, "r1", &[]);
    let other = runner.begin(&run("r2"), started(&[]), &holder(2), "bob", Time(1)).unwrap().0;
    let halt = store.view().halt("bob", "", Time(9)).unwrap();
    append(&mut *runner, &lease, halted_event(&halt)).unwrap();
    refused(append(&mut *runner, &lease, intent("a", Phase::Undo(0))));
    append(&mut *runner, &lease, exempt()).unwrap();
    append(&mut *runner, &lease, intent("a", Phase::Undo(0))).unwrap();
    // It is the undo alone, and this run's.
    refused(append(&mut *runner, &lease, intent("b", Phase::Do)));
    refused(append(&mut *runner, &other, intent("a", Phase::Undo(0))));
    assert_eq!(runner.verify(&run("r1")).unwrap().broken, None);
    // Another halt binds anew.
    append(&mut *runner, &lease, Event::HaltLifted { by: "bob".to_owned(), reason: String::new() }).unwrap();
    refused(append(&mut *runner, &lease, intent("c", Phase::Undo(0))));
    assert_eq!(runner.verify(&run("r1")).unwrap().broken, None);
}

macro_rules! on_every_store {
    ($($name:ident),* $(,)?) => {
        mod on_disk {
            $(#[test] fn $name() { super::$name(&super::OnDisk(tempfile::tempdir().unwrap())); })*
        }
        mod in_memory {
            $(#[test] fn $name() { super::$name(&super::MemoryJournal::new()); })*
        }
    };
}

on_every_store![no_intent_follows_on_a_halt, a_second_halt_says_who_was_first, an_undo_goes_on_where_somebody_let_it,];

/// A file of form 1, as the version before this one left it.
fn old_journal(folder: &std::path::Path) {
    let old = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/journals/format-1.sqlite3");
    std::fs::copy(old, SqliteJournal::file_in(folder)).unwrap();
}

#[test]
fn a_file_of_the_first_form_is_read_as_it_is_and_brought_up_when_it_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    old_journal(folder.path());
    let mut reader = SqliteJournal::open_read_only(folder.path()).unwrap().unwrap();
    let rows = reader.runs().unwrap();
    assert_eq!((rows.len(), &rows[0].damaged), (1, &None));
    assert_eq!(reader.halted().unwrap(), None);
    drop(reader);
    let mut journal = SqliteJournal::open(folder.path()).unwrap();
    assert_eq!(journal.verify(&rows[0].run).unwrap().broken, None);
    let halt = journal.halt("bob", "", Time(9)).unwrap();
    // Opened again, nothing is brought up a second time.
    assert_eq!(SqliteJournal::open(folder.path()).unwrap().halted().unwrap(), Some(halt));
}

#[test]
fn of_many_that_bring_a_file_up_at_once_all_succeed() {
    let folder = tempfile::tempdir().unwrap();
    old_journal(folder.path());
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| SqliteJournal::open(folder.path()).unwrap().halted().unwrap());
        }
    });
}

#[test]
fn a_halt_that_cannot_be_read_holds_everything() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = SqliteJournal::open(folder.path()).unwrap();
    let lease = begin(&mut journal, "r1", &[]);
    journal.connection.execute("INSERT INTO halts (by, reason, since) VALUES (x'ff', '', 1)", []).unwrap_err();
    journal
        .connection
        .execute("INSERT INTO halts (by, reason, since) VALUES (CAST(x'ff' AS TEXT), '', 1)", [])
        .unwrap();
    let refused = append(&mut journal, &lease, intent("a", Phase::Do)).unwrap_err();
    assert!(refused.to_string().contains("the halt cannot be read"), "{refused}");
}
