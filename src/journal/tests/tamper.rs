//! Damage to the rows of a journal, and that `verify` finds it.

use proptest::prelude::*;
use proptest::sample::Index;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params};

use super::*;

const COLUMNS: [&str; 8] = ["run", "seq", "time", "epoch", "actor", "previous", "hash", "event"];
const LISTED: [&str; 10] =
    ["playbook", "version", "incident", "started", "updated", "verdict", "waiting", "stopped", "head_seq", "head_hash"];

/// A run with two leases, some records and an end, and its journal's file.
fn sample(folder: &std::path::Path) -> SqliteJournal {
    let mut journal = SqliteJournal::open(folder).unwrap();
    begin(&mut journal, "other", &["db/b"]);
    let lease = begin(&mut journal, "r1", &["db/a"]);
    for message in ["one", "数据 \u{fffd}", "three"] {
        append(&mut journal, &lease, note(message)).unwrap();
    }
    let (lease, _) = journal.take(&run("r1"), 1, &holder(2), LeaseReason::Resume, "bob", Time(3)).unwrap();
    append(&mut journal, &lease, waits()).unwrap();
    append(&mut journal, &lease, note("eight")).unwrap();
    journal
}

const RECORDS: i64 = 8;

/// One edit, as somebody with a SQLite shell would make it.
#[derive(Debug, Clone)]
enum Edit {
    Flip { seq: i64, column: Index, byte: Index, bit: u32 },
    Delete { seq: i64 },
    Truncate { after: i64 },
    Swap { seq: i64, with: i64 },
    Copy { seq: i64, over: i64 },
    Insert { seq: i64 },
    List { column: Index, byte: Index, bit: u32 },
    Lease { epoch: bool },
    Lock,
}

fn edit() -> impl Strategy<Value = Edit> {
    let seq = || 1..=RECORDS;
    prop_oneof![
        8 => (seq(), any::<Index>(), any::<Index>(), 0..8_u32)
            .prop_map(|(seq, column, byte, bit)| Edit::Flip { seq, column, byte, bit }),
        1 => seq().prop_map(|seq| Edit::Delete { seq }),
        1 => (0..RECORDS).prop_map(|after| Edit::Truncate { after }),
        1 => (seq(), seq()).prop_filter("two records", |(a, b)| a != b).prop_map(|(seq, with)| Edit::Swap { seq, with }),
        1 => (seq(), seq()).prop_filter("two records", |(a, b)| a != b).prop_map(|(seq, over)| Edit::Copy { seq, over }),
        1 => seq().prop_map(|seq| Edit::Insert { seq }),
        2 => (any::<Index>(), any::<Index>(), 0..8_u32).prop_map(|(column, byte, bit)| Edit::List { column, byte, bit }),
        1 => any::<bool>().prop_map(|epoch| Edit::Lease { epoch }),
        1 => Just(Edit::Lock),
    ]
}

/// The value with one bit of it changed; null becomes text.
fn flipped(value: Sql, byte: &Index, bit: u32) -> (Sql, bool) {
    match value {
        Sql::Integer(number) => (Sql::Integer(number ^ (1 << (byte.index(8) as u32 * 8 + bit))), false),
        Sql::Null => (Sql::Text("succeeded".to_owned()), false),
        Sql::Text(text) => {
            let mut bytes = text.into_bytes();
            let place = byte.index(bytes.len());
            bytes[place] ^= 1 << bit;
            // Bytes that are no text can stand in a text column all the same.
            (Sql::Blob(bytes), true)
        }
        other => panic!("{other:?}"),
    }
}

fn apply(connection: &Connection, edit: &Edit) {
    let run = "r1";
    let one = |query: &str, parameters: &[&dyn rusqlite::ToSql]| {
        assert_eq!(connection.execute(query, parameters).unwrap(), 1, "{query}");
    };
    let change = |table: &str, column: &str, at: &str, seq: i64, byte: &Index, bit: u32| {
        let old = connection
            .query_row(
                &format!("SELECT {column} FROM {table} WHERE run = ?1 AND {at} = ?2"),
                params![run, seq],
                |row| row.get::<_, Sql>(0),
            )
            .unwrap();
        let (new, text) = flipped(old, byte, bit);
        let new_value = if text { "CAST(?3 AS TEXT)" } else { "?3" };
        let query = format!("UPDATE OR REPLACE {table} SET {column} = {new_value} WHERE run = ?1 AND {at} = ?2");
        one(&query, &[&run, &seq, &new]);
    };
    let copied = "time, epoch, actor, previous, hash, event";
    match edit {
        Edit::Flip { seq, column, byte, bit } => {
            change("records", COLUMNS[column.index(COLUMNS.len())], "seq", *seq, byte, *bit);
        }
        Edit::Delete { seq } => one("DELETE FROM records WHERE run = ?1 AND seq = ?2", &[&run, seq]),
        Edit::Truncate { after } => {
            connection.execute("DELETE FROM records WHERE run = ?1 AND seq > ?2", params![run, after]).unwrap();
        }
        Edit::Swap { seq, with } => {
            let renumber = "UPDATE records SET seq = ?3 WHERE run = ?1 AND seq = ?2";
            one(renumber, &[&run, seq, &-1]);
            one(renumber, &[&run, with, seq]);
            one(renumber, &[&run, &-1, with]);
        }
        Edit::Copy { seq, over } => {
            let query = format!(
                "INSERT OR REPLACE INTO records SELECT run, ?3, {copied} FROM records WHERE run = ?1 AND seq = ?2"
            );
            one(&query, &[&run, seq, over]);
        }
        Edit::Insert { seq } => {
            for number in (*seq..=RECORDS).rev() {
                one("UPDATE records SET seq = seq + 1 WHERE run = ?1 AND seq = ?2", &[&run, &number]);
            }
            let from = if *seq == 1 { 2 } else { *seq - 1 };
            let query =
                format!("INSERT INTO records SELECT run, ?3, {copied} FROM records WHERE run = ?1 AND seq = ?2");
            one(&query, &[&run, &from, seq]);
        }
        Edit::List { column, byte, bit } => {
            change("runs", LISTED[column.index(LISTED.len())], "?2 - ?2 + 1", 1, byte, *bit);
        }
        Edit::Lease { epoch: true } => one("UPDATE leases SET epoch = epoch + 1 WHERE run = ?1", &[&run]),
        Edit::Lease { epoch: false } => {
            one("UPDATE leases SET holder = replace(holder, 'ann', 'eve') WHERE run = ?1", &[&run]);
        }
        Edit::Lock => one("DELETE FROM locks WHERE run = ?1", &[&run]),
    }
}

#[test]
fn a_thousand_edits_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = sample(folder.path());
    assert_whole(&mut journal, "r1", 8);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 1000,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let journal = std::cell::RefCell::new(journal);
    runner
        .run(&edit(), |edit| {
            let mut journal = journal.borrow_mut();
            // The edits are rolled back, so that each meets a whole journal; `verify` looks from within.
            journal.connection.execute_batch("PRAGMA foreign_keys = OFF; SAVEPOINT edit").unwrap();
            apply(&journal.connection, &edit);
            let found = journal.verify(&run("r1"));
            let taken = journal.take(&run("r1"), 2, &holder(3), LeaseReason::Resume, "eve", Time(4));
            journal.connection.execute_batch("ROLLBACK TO edit; RELEASE edit").unwrap();
            prop_assert!(matches!(&found, Ok(found) if found.broken.is_some()), "{edit:?} was not found: {found:?}");
            prop_assert!(matches!(taken, Err(JournalError::Corrupt(_))), "{edit:?} was gone on from: {taken:?}");
            Ok(())
        })
        .unwrap();
    assert_whole(&mut *journal.borrow_mut(), "r1", 8);
}

/// Makes one edit to a journal of its own and says what `verify` finds.
fn found(query: &str) -> (u64, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = sample(folder.path());
    journal.connection.execute_batch(&format!("PRAGMA foreign_keys = OFF; {query}")).unwrap();
    journal.verify(&run("r1")).unwrap().broken.expect(query)
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let cases = [
        ("DELETE FROM records WHERE run = 'r1' AND seq = 4", 5, "record 4 is missing"),
        ("UPDATE records SET event = replace(event, 'three', 'thr3e') WHERE run = 'r1' AND seq = 5", 5, "was changed"),
        ("UPDATE records SET actor = 'eve' WHERE run = 'r1' AND seq = 2", 2, "was changed"),
        ("UPDATE records SET previous = hash WHERE run = 'r1' AND seq = 3", 3, "follows on"),
        ("UPDATE records SET hash = 'x' WHERE run = 'r1' AND seq = 3", 3, "`hash` cannot be understood"),
        ("UPDATE records SET actor = CAST(x'ff' AS TEXT) WHERE run = 'r1' AND seq = 3", 3, "no text"),
        ("UPDATE records SET epoch = -1 WHERE run = 'r1' AND seq = 3", 3, "negative"),
        ("DELETE FROM records WHERE run = 'r1' AND seq = 8", 7, "the run's last record"),
        ("DELETE FROM records WHERE run = 'r1'", 0, "all of its records are missing"),
        ("DELETE FROM runs WHERE run = 'r1'", 8, "the list of runs does not have it"),
        ("DELETE FROM leases WHERE run = 'r1'", 8, "its lease is missing"),
        ("UPDATE runs SET verdict = 'perfect' WHERE run = 'r1'", 8, "`verdict` cannot be understood"),
        ("UPDATE runs SET verdict = 'succeeded' WHERE run = 'r1'", 8, "the run's verdict"),
        ("UPDATE leases SET epoch = 9 WHERE run = 'r1'", 8, "the newest lease is 9"),
        ("DELETE FROM locks WHERE run = 'r1'", 8, "should hold the locks [db/a]"),
    ];
    for (query, seq, words) in cases {
        let (place, wrong) = found(query);
        assert_eq!(place, seq, "{query}: {wrong}");
        assert!(wrong.contains(words), "{query}: {wrong}");
    }
}

#[test]
fn a_chain_of_right_hashes_is_held_to_the_order_of_a_run() {
    use super::super::audit::{Audit, Kept, Looked};
    use super::super::chain::Stored;

    let chain = |events: Vec<(u64, Event)>| {
        let mut previous = Record::genesis(&run("r1"));
        let mut audit = Audit::new(&run("r1"));
        for (place, (epoch, event)) in events.into_iter().enumerate() {
            let seq = place as u64 + 1;
            let event = serde_json::to_string(&event).unwrap();
            let hash = Record::hash_of(&previous, seq, Time(1), epoch, "x", &event);
            let (time, actor) = (Time(1), "x".to_owned());
            let stored = Stored { seq, time, epoch, actor, previous, hash: hash.clone(), event };
            audit.record(i64::try_from(seq).unwrap(), Ok(Looked::at(&run("r1"), stored)));
            previous = hash;
        }
        let nothing = || Err("nothing is kept".to_owned());
        audit.finish(Kept { projection: nothing(), lease: Err(String::new()), locks: Vec::new() }).broken.unwrap()
    };
    let (place, wrong) = chain(vec![(1, note("x"))]);
    assert!(place == 1 && wrong.contains("does not start"), "{wrong}");
    let (place, wrong) = chain(vec![(2, started(&[])), (1, note("x"))]);
    assert!(place == 2 && wrong.contains("lease 1 after lease 2"), "{wrong}");
    let (place, wrong) = chain(vec![(1, started(&[])), (1, ended()), (1, note("x"))]);
    assert!(place == 3 && wrong.contains("after the run had ended"), "{wrong}");
    let (place, wrong) = chain(vec![(1, started(&[])), (1, started(&[]))]);
    assert!(place == 2 && wrong.contains("second time"), "{wrong}");
    let (place, wrong) = chain(vec![(1, started(&[])), (1, note("x"))]);
    assert!(place == 2 && wrong == "nothing is kept", "{wrong}");
}

#[test]
fn an_unreadable_record_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = sample(folder.path());
    journal
        .connection
        .execute("UPDATE records SET event = '{\"event\":\"moon\"}' WHERE run = 'r1' AND seq = 4", [])
        .unwrap();
    let error = journal.records(&run("r1"), 0).unwrap_err();
    assert!(matches!(error, JournalError::Corrupt(_)));
    assert!(error.to_string().contains("record 4 of run r1"), "{error}");
    assert_eq!(journal.records(&run("r1"), 4).unwrap().len(), 4);
}
