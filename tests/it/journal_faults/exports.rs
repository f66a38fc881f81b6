//! Signed checkpoints and exported timelines: what they make visible that a chain cannot show of itself.

use rusqlite::Connection;
use serde_json::Value;

use crate::processes::Place;

const STEPS: &str = "  - id: first\n    run: printf 'a\\tb \\342\\202\\254 0.1'; exit 0\n    rollback: none\n    because: a test\n  - id: second\n    run: sleep 0.123\n    rollback: none\n    because: a test\n";

fn ran() -> (Place, String) {
    let place = Place::new();
    let book = place.book("signed", STEPS);
    place.expect(0, &["run", &book, "-y"]);
    let run = place.status()["run"].as_str().unwrap().to_owned();
    (place, run)
}

/// The edit that no chain shows: the end is cut off, and the list of runs agrees with what is left.
fn cut_with_care(place: &Place, run: &str) {
    let connection = Connection::open(place.path("state/playbook.sqlite3")).unwrap();
    connection
        .execute_batch("PRAGMA foreign_keys = OFF; DELETE FROM records WHERE seq = (SELECT max(seq) FROM records)")
        .unwrap();
    let (seq, hash, time): (i64, String, i64) = connection
        .query_row("SELECT seq, hash, time FROM records ORDER BY seq DESC LIMIT 1", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap();
    let list = "UPDATE runs SET head_seq = ?1, head_hash = ?2, updated = ?3, verdict = NULL WHERE run = ?4";
    assert_eq!(connection.execute(list, rusqlite::params![seq, hash, time, run]).unwrap(), 1);
}

#[test]
fn a_checkpoint_makes_even_a_cut_end_visible() {
    let (place, run) = ran();
    let told = place.expect(0, &["timeline", &run, "--checkpoint", "head.json"]);
    assert!(told.contains("signed with the key"), "{told}");
    let told = place.expect(0, &["verify", "--checkpoint", "head.json"]);
    assert!(told.contains("signed with the key of this state") && told.contains("none came after it"), "{told}");
    let told = place.expect(0, &["verify", &run]);
    assert!(told.contains("not seen by this: an end that was cut off"), "{told}");

    cut_with_care(&place, &run);
    place.expect(0, &["verify", &run]);
    let told = place.expect(65, &["verify", "--checkpoint", "head.json"]);
    assert!(told.contains("the end was cut off"), "{told}");
    // The run goes on from there, and is another one: that shows too.
    place.expect(0, &["resume", &run]);
    let told = place.expect(65, &["verify", &run, "--checkpoint", "head.json"]);
    assert!(told.contains("written anew"), "{told}");
}

#[test]
fn a_checkpoint_that_was_changed_or_signed_by_somebody_else_is_refused() {
    let (place, run) = ran();
    place.expect(0, &["timeline", &run, "--checkpoint", "head.json"]);
    let text = place.read("head.json");
    let whole: Value = serde_json::from_str(&text).unwrap();
    let key = whole["key"].as_str().unwrap();
    for (name, value) in [
        ("records", Value::from(3)),
        ("signed", Value::from("2020-01-01T00:00:00.000Z")),
        ("run", Value::from("20200101-000000-aaaa")),
        ("head", Value::from("0".repeat(64))),
        ("key", Value::from("0".repeat(64))),
        ("v", Value::from(2)),
    ] {
        let mut changed = whole.clone();
        changed[name] = value;
        std::fs::write(place.path("changed.json"), changed.to_string()).unwrap();
        place.expect(65, &["verify", &run, "--checkpoint", "changed.json"]);
    }
    place.expect(0, &["verify", "--checkpoint", "head.json", "--key", key]);
    place.expect(65, &["verify", "--checkpoint", "head.json", "--key", &"0".repeat(64)]);
    place.expect(64, &["verify", "--checkpoint", "head.json", "--key", "0"]);
    // Another state's key, and none.
    std::fs::write(place.path("state/signing.key"), "11".repeat(32)).unwrap();
    assert!(place.expect(65, &["verify", "--checkpoint", "head.json"]).contains("this state's is"));
    std::fs::remove_file(place.path("state/signing.key")).unwrap();
    assert!(place.expect(0, &["verify", "--checkpoint", "head.json"]).contains("nothing here vouches"));
}

#[test]
fn an_exported_timeline_is_verified_without_the_journal() {
    let (place, run) = ran();
    let output = place.run(&["timeline", &run, "--output", "json", "--checkpoint", "head.json"]);
    std::fs::write(place.path("timeline.json"), &output.stdout).unwrap();
    std::fs::remove_dir_all(place.path("state")).unwrap();
    let exported: Value = serde_json::from_slice(&output.stdout).unwrap();
    let whole = ["verify", "--timeline", "timeline.json", "--checkpoint", "head.json"];
    let told = place.expect(0, &whole);
    assert!(told.contains(&run) && told.contains("those of the checkpoint"), "{told}");
    place.expect(0, &whole[..3]);

    let count = exported["records"].as_array().unwrap().len();
    let changed = |edit: &dyn Fn(&mut Value)| {
        let mut changed = exported.clone();
        edit(&mut changed);
        assert_ne!(changed, exported);
        std::fs::write(place.path("timeline.json"), changed.to_string()).unwrap();
    };
    for index in 0..count {
        // What people read, what is chained, and what is only beside it.
        for name in ["actor", "text", "time", "kind"] {
            changed(&|timeline| timeline["records"][index][name] = Value::from("something else"));
            place.expect(65, &whole[..3]);
        }
        for name in ["event", "hash", "previous"] {
            changed(&|timeline| {
                let text = timeline["records"][index]["chain"][name].as_str().unwrap().replace(['e', '1'], "2");
                timeline["records"][index]["chain"][name] = Value::from(text);
            });
            place.expect(65, &whole[..3]);
        }
        changed(&|timeline| timeline["records"][index]["chain"]["time_ms"] = Value::from(1));
        place.expect(65, &whole[..3]);
        if index + 1 < count {
            changed(&|timeline| drop(timeline["records"].as_array_mut().unwrap().remove(index)));
            place.expect(65, &whole[..3]);
        }
    }
    changed(&|timeline| timeline["digest"] = Value::from("0"));
    place.expect(65, &whole[..3]);
    // The end cut off: only the checkpoint sees it.
    changed(&|timeline| drop(timeline["records"].as_array_mut().unwrap().pop()));
    place.expect(0, &whole[..3]);
    assert!(place.expect(65, &whole).contains("the end was cut off"));
    assert!(!place.path("state").exists());
}
