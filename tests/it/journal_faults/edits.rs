//! Hands that edit a journal, and runs that are damaged, through the binary: `verify` finds it, `resume` refuses, and nothing
//! of it stops another run.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::Value as Sql;

use super::cases;
use crate::processes::Place;

const STEPS: &str = "  - id: gate\n    run: GATE(one); echo gate >> WORLD/log\n    effect: idempotent\n    rollback: none\n    because: a test\n";

/// A run that was left in the middle; its name.
fn interrupted(place: &Place, name: &str) -> String {
    let book = place.book(name, &STEPS.replace("(one)", &format!("({name})")));
    let mut runner = place.start(&["run", &book, "-y"]);
    place.wait_at(name);
    runner.kill();
    place.open(name);
    let runs = place.json(&["list", "--runs", "--output", "json"]);
    let row = runs.as_array().unwrap().iter().find(|row| row["playbook"] == name).unwrap();
    row["run"].as_str().unwrap().to_owned()
}

fn open(file: &Path) -> Connection {
    let connection = Connection::open(file).unwrap();
    connection.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    connection
}

/// Changes a bit of a column of a record.
fn flip(connection: &Connection, seq: i64, column: &str, place: usize, bit: usize) {
    let old = connection
        .query_row(&format!("SELECT {column} FROM records WHERE seq = ?1"), [seq], |row| row.get::<_, Sql>(0))
        .unwrap();
    let (new, cast) = match old {
        Sql::Integer(number) => (Sql::Integer(number ^ (1 << ((place * 8 + bit) % 60))), "?2"),
        Sql::Text(text) => {
            let mut bytes = text.into_bytes();
            let at = place % bytes.len();
            bytes[at] ^= 1 << bit;
            (Sql::Blob(bytes), "CAST(?2 AS TEXT)")
        }
        other => panic!("{other:?}"),
    };
    let query = format!("UPDATE OR REPLACE records SET {column} = {cast} WHERE seq = ?1");
    assert_eq!(connection.execute(&query, rusqlite::params![seq, new]).unwrap(), 1);
}

#[test]
fn an_edit_is_found_and_nobody_goes_on_from_it() {
    let place = Place::new();
    interrupted(&place, "edited");
    let file = place.path("state/playbook.sqlite3");
    let whole = std::fs::read(&file).unwrap();
    let records: i64 = open(&file).query_row("SELECT count(*) FROM records", [], |row| row.get(0)).unwrap();
    place.expect(0, &["verify", "latest"]);
    let columns = ["seq", "time", "epoch", "actor", "previous", "hash", "event"];
    for case in 0..cases("PLAYBOOK_TEST_EDITS", 30) {
        for ending in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(place.path(&format!("state/playbook.sqlite3{ending}")));
        }
        std::fs::write(&file, &whole).unwrap();
        let connection = open(&file);
        let seq = 1 + (case as i64 * 7) % records;
        let about = match case % 10 {
            8 => {
                connection.execute("DELETE FROM records WHERE seq = ?1", [seq]).unwrap();
                format!("record {seq} is deleted")
            }
            9 => {
                connection.execute("DELETE FROM records WHERE seq > ?1", [seq - 1]).unwrap();
                format!("all is cut off behind record {}", seq - 1)
            }
            _ => {
                let column = columns[case % columns.len()];
                flip(&connection, seq, column, case * 31, case % 8);
                format!("a bit of {column} of record {seq} is flipped")
            }
        };
        drop(connection);
        for words in [&["verify", "edited"][..], &["resume", "edited"], &["cancel", "edited"]] {
            let run = place.json(&["list", "--runs", "--output", "json"])[0]["run"].as_str().unwrap().to_owned();
            let output = place.run(&[words[0], &run]);
            assert_eq!(output.status.code(), Some(65), "{about}: {words:?}\n{}", crate::processes::said(&output));
        }
        assert!(place.log().is_empty() || place.log() == ["gate"], "{about}");
    }
}

#[test]
fn a_damaged_run_stops_no_other_and_is_shown_as_what_it_is() {
    let damages = [
        "DELETE FROM leases WHERE run = ?1",
        "UPDATE runs SET verdict = 'perfect' WHERE run = ?1",
        "UPDATE runs SET playbook = CAST(x'ff' AS TEXT) WHERE run = ?1",
        "UPDATE records SET event = '{\"event\":\"moon\"}' WHERE run = ?1 AND seq = 1",
        "UPDATE records SET event = 'no json at all' WHERE run = ?1 AND seq = 1",
        "UPDATE records SET event = replace(event, '\"task\":\"gate\"', '\"task\":\"other\"') WHERE run = ?1 AND seq = 3",
        "DELETE FROM records WHERE run = ?1 AND seq = 2",
        "DELETE FROM records WHERE run = ?1",
    ];
    for damage in damages {
        let place = Place::new();
        let sound = interrupted(&place, "sound");
        let bad = interrupted(&place, "bad");
        let changed = open(&place.path("state/playbook.sqlite3")).execute(damage, [&bad]).unwrap();
        assert!(changed > 0, "{damage}");

        let runs = place.json(&["list", "--runs", "--output", "json"]);
        let state = |run: &str| runs.as_array().unwrap().iter().find(|row| row["run"] == run).unwrap()["state"].clone();
        assert_eq!((state(&bad), state(&sound)), ("damaged".into(), "interrupted".into()), "{damage}\n{runs:#}");
        assert!(place.expect(0, &["list", "--runs"]).contains("damaged: "), "{damage}");
        assert!(place.expect(0, &["status", "latest"]).contains(&sound), "{damage}");
        for verb in ["status", "resume", "cancel"] {
            place.expect(65, &[verb, &bad]);
        }
        place.expect(65, &["verify", &bad]);
        let book = place.book("new", &STEPS.replace("GATE(one)", "true"));
        place.expect(0, &["run", &book, "-y"]);
        place.expect(0, &["resume", &sound]);
        place.expect(0, &["verify", &sound]);
    }
}
