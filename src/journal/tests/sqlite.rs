//! What only the journal on disk has: its files, its marks, and disks that fail.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn open(folder: &Path) -> SqliteJournal {
    SqliteJournal::open(folder).unwrap()
}

#[test]
fn its_files_are_private() {
    let top = tempfile::tempdir().unwrap();
    let folder = top.path().join("state/playbook");
    let mut journal = open(&folder);
    let lease = begin(&mut journal, "r1", &[]);
    journal.renew(&lease).unwrap();
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&top.path().join("state")), 0o700);
    for file in ["playbook.sqlite3", "playbook.sqlite3-wal", "playbook.sqlite3-shm"] {
        assert_eq!(mode(&folder.join(file)), 0o600, "{file}");
    }
    assert_eq!(journal.path(), folder.join("playbook.sqlite3"));
}

#[test]
fn its_commits_are_synchronous_and_its_renewals_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = open(folder.path());
    let lease = begin(&mut journal, "r1", &[]);
    journal.renew(&lease).unwrap();
    let of = |connection: &rusqlite::Connection, name: &str| {
        connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(of(&journal.connection, "synchronous"), 2);
    assert_eq!(of(&journal.connection, "foreign_keys"), 1);
    assert_eq!(of(&journal.connection, "busy_timeout"), 10_000);
    assert_eq!(of(journal.renewals.as_ref().unwrap(), "synchronous"), 1);
    let mode: String = journal.connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

#[test]
fn a_log_that_was_switched_off_is_switched_on_again() {
    let folder = tempfile::tempdir().unwrap();
    let off = open(folder.path()).connection.pragma_update_and_check(None, "journal_mode", "DELETE", |row| row.get(0));
    assert_eq!(off, Ok("delete".to_owned()));
    let mode: String =
        open(folder.path()).connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

#[test]
fn a_newer_form_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).connection.pragma_update(None, "user_version", 99).unwrap();
    let error = SqliteJournal::open(folder.path()).unwrap_err();
    assert!(matches!(error, JournalError::Unsuitable(_)), "{error}");
    assert!(error.to_string().contains("newer") && error.to_string().contains("another state folder"), "{error}");
    assert!(matches!(SqliteJournal::open_read_only(folder.path()), Err(JournalError::Unsuitable(_))));
}

#[test]
fn a_file_that_is_not_ours_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("playbook.sqlite3");
    fs::write(&path, "these are my notes, and they are long enough to look like something else\n".repeat(20)).unwrap();
    let before = fs::read(&path).unwrap();
    assert!(matches!(SqliteJournal::open(folder.path()), Err(JournalError::Unsuitable(_))));
    assert_eq!(fs::read(&path).unwrap(), before);
    fs::remove_file(&path).unwrap();
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE music (title)").unwrap();
    let before = fs::read(&path).unwrap();
    assert!(matches!(SqliteJournal::open(folder.path()), Err(JournalError::Unsuitable(_))));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_full_disk_stops_all_writing_until_it_is_opened_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = open(folder.path());
    let lease = begin(&mut journal, "r1", &[]);
    // SQLite's own limit gives the very error of a full disk.
    journal.connection.pragma_update_and_check(None, "max_page_count", 1, |_| Ok(())).unwrap();
    let full = loop {
        if let Err(error) = append(&mut journal, &lease, note(&"x".repeat(5000))) {
            break error;
        }
    };
    assert!(full.to_string().contains("the disk is full"), "{full}");
    let written = journal.records(&run("r1"), 0).unwrap().len() as u64;
    journal.connection.pragma_update_and_check(None, "max_page_count", 1_000_000, |_| Ok(())).unwrap();
    for refused in [
        append(&mut journal, &lease, note("x")).map(|_| ()),
        journal.check(&lease),
        journal.renew(&lease),
        journal.release(&lease),
    ] {
        assert!(matches!(refused, Err(JournalError::Store { doing: "written", .. })), "{refused:?}");
    }
    let mut anew = open(folder.path());
    append(&mut anew, &lease, note("x")).unwrap();
    assert_whole(&mut anew, "r1", written + 1);
}

#[test]
fn a_refusal_does_not_stop_the_writing() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = open(folder.path());
    let lease = begin(&mut journal, "r1", &["db/a"]);
    assert!(journal.begin(&run("r2"), started(&["db/a"]), &holder(1), "x", Time(1)).is_err());
    append(&mut journal, &lease, note("x")).unwrap();
}

#[test]
fn a_busy_journal_is_waited_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = open(folder.path());
    let lease = begin(&mut journal, "r1", &[]);
    let other = open(folder.path());
    other.connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    let writer = std::thread::spawn(move || append(&mut journal, &lease, note("patient")).map(|_| ()));
    // Nothing tells from outside that it waits; a moment is long enough for a writer that does not.
    std::thread::sleep(Duration::from_millis(200));
    assert!(!writer.is_finished());
    other.connection.execute_batch("ROLLBACK").unwrap();
    writer.join().unwrap().unwrap();
}

#[test]
fn looking_works_while_a_runner_writes_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    assert!(SqliteJournal::open_read_only(&folder.path().join("nowhere")).unwrap().is_none());
    assert!(SqliteJournal::open_read_only(folder.path()).unwrap().is_none());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    let mut runner = open(folder.path());
    let lease = begin(&mut runner, "r1", &[]);
    let mut looker = SqliteJournal::open_read_only(folder.path()).unwrap().unwrap();
    runner.connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(looker.runs().unwrap().len(), 1);
    runner.connection.execute_batch("ROLLBACK").unwrap();
    append(&mut runner, &lease, note("x")).unwrap();
    assert_whole(&mut looker, "r1", 3);
    let refused = looker.ask(&run("r1"), &RequestKind::Pause, "x", "", Time(1)).unwrap_err();
    assert!(refused.to_string().contains("for reading only"), "{refused}");
    drop(runner);
    assert_whole(&mut looker, "r1", 3);
    drop(looker);
    // Also when nobody writes any more.
    assert_whole(&mut SqliteJournal::open_read_only(folder.path()).unwrap().unwrap(), "r1", 3);
}

#[test]
fn many_may_make_it_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let threads: Vec<_> = (0..8)
        .map(|number| {
            let path = path.clone();
            std::thread::spawn(move || begin(&mut open(&path), &format!("r{number}"), &[]))
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(open(&path).runs().unwrap().len(), 8);
}

#[test]
fn an_unwritable_folder_is_said_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = SqliteJournal::open(&file.join("state")).unwrap_err();
    assert!(error.to_string().contains("state folder"), "{error}");
}
