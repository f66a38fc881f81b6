//! The power is cut under the journal of a real run: every record that was printed before is there afterwards.

use std::io::BufRead as _;
use std::process::Stdio;

use serde_json::Value;

use super::cases;
use super::disk::Disk;
use crate::processes::Place;

const STEPS: &str = r#"
  - id: one
    run: sleep 0.02; echo one >> WORLD/log
    rollback: none
    because: a test
  - id: two
    run: sleep 0.02; echo two >> WORLD/log
    rollback: none
    because: a test
  - id: three
    run: sleep 0.02; echo three >> WORLD/log
    rollback: none
    because: a test
"#;

#[test]
fn no_acknowledged_record_is_lost_when_the_power_goes() {
    let Some(disk) = Disk::on_loop(24) else { return };
    let (mut acknowledged, mut cut) = (0, 0);
    for round in 0..cases("PLAYBOOK_TEST_POWER_CUTS", 6) {
        let place = Place::new();
        let book = place.book("cut", STEPS);
        let journal = disk.path(format!("round-{round}.sqlite3"));
        let journal = journal.to_str().unwrap();
        let mut child = place
            .command(&["run", &book, "-y", "--output", "jsonl", "--journal", journal])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let seq = |line: String| {
            let line: Value = serde_json::from_str(&line).unwrap();
            (line["type"] == "record").then(|| line["seq"].as_u64().unwrap())
        };
        let first: Vec<u64> = lines.by_ref().take(1 + round % 9).filter_map(seq).collect();
        disk.cut();
        // What it printed until it noticed counts too: a record is printed once it is durable.
        let last = first.into_iter().chain(lines.filter_map(seq)).max().unwrap();
        let code = child.wait().unwrap().code();
        disk.restart();
        cut += u64::from(code == Some(74));
        acknowledged += last;
        let timeline = place.json(&["timeline", "latest", "--output", "json", "--journal", journal]);
        let records = timeline["records"].as_array().unwrap().len() as u64;
        assert!(records >= last, "round {round}: {last} records were acknowledged, and {records} are there");
        place.expect(0, &["verify", "latest", "--journal", journal]);
        place.expect(0, &["resume", "latest", "--journal", journal]);
        assert_eq!(place.log(), ["one", "two", "three"], "round {round}");
        // Many rounds would fill it.
        std::fs::remove_file(journal).unwrap();
    }
    println!("{cut} cuts in the middle of a run, {acknowledged} records acknowledged before them, none lost");
    assert!(cut > 0);
}
