//! The power is cut under the journal: what was acknowledged is there. And that this is so because every commit is
//! synchronous: without that it is lost.

use super::disk::Disk;
use super::*;

/// Writes, cuts the power, and says how many records were acknowledged and how many are left.
fn cut(level: &str) -> Option<(u64, u64)> {
    let disk = Disk::on_loop(24)?;
    let mut journal = SqliteJournal::open(&disk.path("state")).unwrap();
    let lease = begin(&mut journal, "r1", &["db/a"]);
    journal.connection.pragma_update(None, "synchronous", level).unwrap();
    let mut acknowledged = 0;
    for number in 0..50 {
        acknowledged = append(&mut journal, &lease, note(&number.to_string())).unwrap()[0].seq;
    }
    disk.cut();
    append(&mut journal, &lease, note("after the cut")).unwrap_err();
    drop(journal);
    disk.restart();
    let mut journal = SqliteJournal::open(&disk.path("state")).unwrap();
    let left = journal.records(&run("r1"), 0).unwrap().len() as u64;
    assert_whole(&mut journal, "r1", left);
    Some((acknowledged, left))
}

#[test]
fn what_was_acknowledged_outlives_a_power_cut() {
    let Some((acknowledged, left)) = cut("FULL") else { return };
    assert_eq!(acknowledged, 52);
    assert!(left >= acknowledged, "{left} of {acknowledged} records are left");
}

#[test]
fn without_synchronous_commits_it_does_not() {
    let Some((acknowledged, left)) = cut("OFF") else { return };
    assert!(left < acknowledged, "the cut loses nothing, so the test above shows nothing");
}
