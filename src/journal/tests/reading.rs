//! How often what is stored is read: a run may have a hundred thousand records, and whoever takes it up waits for that.

use super::super::sqlite::READ;
use super::*;

fn read(work: impl FnOnce()) -> usize {
    READ.set(0);
    work();
    READ.get()
}

/// A run of so many records that its process has left.
fn long(folder: &std::path::Path, records: usize) -> SqliteJournal {
    let mut journal = SqliteJournal::open(folder).unwrap();
    let lease = begin(&mut journal, "r1", &["db/a"]);
    let notes =
        |count: usize| (0..count).map(|number| note(&format!("{number} {}", "x".repeat(number % 997)))).collect();
    journal.append(&lease, "ann", Time(2), notes(records - 2), &[]).unwrap();
    SqliteJournal::open(folder).unwrap()
}

#[test]
fn each_record_is_read_once_until_the_run_is_taken() {
    const MANY: usize = 3000;
    let folder = tempfile::tempdir().unwrap();
    let mut journal = long(folder.path(), MANY);
    let mut seen = Vec::new();
    let count = read(|| {
        let found = journal.go_over(&run("r1"), &mut |record| seen.push(record.seq)).unwrap();
        assert_eq!((found.records, found.broken), (MANY as u64, None));
        let (_, taken) = journal.take(&run("r1"), 1, &holder(2), LeaseReason::Resume, "bob", Time(3)).unwrap();
        assert_eq!(journal.records(&run("r1"), MANY as u64).unwrap(), taken);
    });
    assert_eq!(count, MANY + 1, "all of them once, and the lease that was taken");
    assert!(seen.iter().copied().eq(1..=MANY as u64), "in their order, each once");
}

#[test]
fn what_was_written_meanwhile_is_verified_with_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = long(folder.path(), 600);
    assert_eq!(journal.verify(&run("r1")).unwrap().broken, None);
    let other = SqliteJournal::open(folder.path()).unwrap();
    let count =
        other.connection.execute("UPDATE records SET actor = 'eve' WHERE run = 'r1' AND seq = 555", []).unwrap();
    assert_eq!(count, 1);
    let mut last = 0;
    let found = journal.go_over(&run("r1"), &mut |record| last = record.seq).unwrap();
    assert!(matches!(found.broken, Some((555, _))), "{found:?}");
    assert_eq!((found.records, last), (600, 554), "nothing is handed on from there");
    let taken = journal.take(&run("r1"), 1, &holder(2), LeaseReason::Resume, "bob", Time(3));
    assert!(matches!(taken, Err(JournalError::Corrupt(_))), "{taken:?}");
}
