//! The journal's disk fills up in the middle of a run, really; and a journal that goes on from another disk.

use super::disk::Disk;
use crate::processes::{Place, said};

const STEPS: &str = r#"
  - id: fills
    run: |
      cat /dev/zero > DISK/filler || true
      sync -f DISK || true
      echo fills >> WORLD/log
    rollback: [{ run: "sed -i /fills/d WORLD/log", effect: idempotent }]
  - id: prints
    run: head -c 30000 /dev/zero | tr '\0' x; echo prints >> WORLD/log
    rollback: [{ run: "sed -i /prints/d WORLD/log", effect: idempotent }]
  - id: after
    run: |
      sleep 2.5
      if head -c 400000 /dev/zero > DISK/more; then exit 1; fi
      echo after >> WORLD/log
    rollback: [{ run: "sed -i /after/d WORLD/log", effect: idempotent }]
"#;

const FAILS: &str = r#"
  - id: fails
    run: exit 4
    rollback: none
    because: it does nothing
"#;

fn on(disk: Option<Disk>, fails: bool) {
    let Some(disk) = disk else { return };
    let place = Place::new();
    let steps = if fails { format!("{STEPS}{FAILS}") } else { STEPS.to_owned() };
    let book = place.book("full", &steps.replace("DISK", disk.root().to_str().unwrap()));
    let journal = disk.path("playbook.sqlite3");
    let journal = journal.to_str().unwrap();
    // The last step looks whether the disk is full by then, and fails otherwise.
    let output = place.run(&["run", &book, "-y", "--quiet", "--journal", journal]);
    assert_eq!(output.status.code(), Some(if fails { 10 } else { 0 }), "{}", said(&output));
    let timeline = place.json(&["timeline", "latest", "--output", "json", "--journal", journal]);
    let printed = timeline["records"]
        .as_array()
        .unwrap()
        .iter()
        .find(|record| record["step"] == "prints" && record["kind"] == "outcome")
        .unwrap();
    assert_eq!(printed["detail"]["output"]["stdout"]["bytes"], 30_000);
    assert_eq!(printed["detail"]["output"]["stdout"]["text"], "(not kept: the disk was full)");
    let left: &[&str] = if fails { &[] } else { &["fills", "prints", "after"] };
    assert_eq!(place.log(), left);
    place.expect(0, &["verify", "latest", "--journal", journal]);
    assert!(!place.path("state/playbook.sqlite3").exists());
}

/// The whole state on the disk that is full: the recorders of the commands need room as well.
fn all_on(disk: Option<Disk>, fails: bool) {
    let Some(disk) = disk else { return };
    let place = Place::new();
    let steps = if fails { format!("{STEPS}{FAILS}") } else { STEPS.to_owned() };
    let book = place.book("full", &steps.replace("DISK", disk.root().to_str().unwrap()));
    let state = disk.path("state");
    let output = place.run(&["run", &book, "-y", "--quiet", "--state", state.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(if fails { 10 } else { 0 }), "{}", said(&output));
    let left: &[&str] = if fails { &[] } else { &["fills", "prints", "after"] };
    assert_eq!(place.log(), left);
    place.expect(0, &["verify", "latest", "--state", state.to_str().unwrap()]);
}

#[test]
fn commands_are_recorded_on_a_disk_in_memory_that_is_full() {
    all_on(Disk::in_memory(8 * 1024), true);
}

#[test]
fn commands_are_recorded_on_an_ext4_that_is_full() {
    all_on(Disk::on_loop(32), false);
}

#[test]
fn a_run_goes_on_to_its_end_on_a_disk_in_memory_that_it_has_filled() {
    on(Disk::in_memory(8 * 1024), false);
}

#[test]
fn a_run_is_undone_on_an_ext4_that_it_has_filled() {
    on(Disk::on_loop(32), true);
}

#[test]
fn without_room_for_its_records_a_run_is_not_begun() {
    let Some(disk) = Disk::in_memory(1024) else { return };
    let place = Place::new();
    let book = place.book("full", &STEPS.replace("DISK", "WORLD"));
    let journal = disk.path("playbook.sqlite3");
    let told = place.expect(74, &["run", &book, "-y", "--journal", journal.to_str().unwrap()]);
    assert!(told.contains("is full") && told.contains("nothing was started or changed"), "{told}");
    assert!(place.log().is_empty());
}

#[test]
fn what_people_write_down_takes_no_room_from_a_run() {
    let Some(disk) = Disk::in_memory(8 * 1024) else { return };
    let place = Place::new();
    let steps = r#"
  - id: fills
    run: cat /dev/zero > DISK/filler || true; GATE(full); echo fills >> WORLD/log
    rollback: [{ run: "sed -i /fills/d WORLD/log", effect: idempotent }]
  - id: after
    run: echo after >> WORLD/log
    rollback: [{ run: "sed -i /after/d WORLD/log", effect: idempotent }]
"#;
    let book = place.book("full", &steps.replace("DISK", disk.root().to_str().unwrap()));
    let journal = disk.path("playbook.sqlite3");
    let journal = journal.to_str().unwrap();
    place.expect(0, &["incident", "open", "the disk fills up", "--journal", journal]);
    let mut runner = place.start(&["run", &book, "-y", "--incident", "latest", "--journal", journal]);
    place.wait_at("full");
    let note = "x".repeat(100_000);
    for _ in 0..5 {
        let output = place.run(&["incident", "note", "latest", &note, "--journal", journal]);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(74), "{said}");
        assert!(said.contains("is full"), "{said}");
    }
    place.open("full");
    runner.expect(0);
    assert_eq!(place.log(), ["fills", "after"]);
    place.expect(0, &["verify", "latest", "--journal", journal]);
    place.expect(0, &["incident", "verify", "latest", "--journal", journal]);
}

#[test]
fn a_run_goes_on_from_a_copy_on_another_disk_and_never_from_a_stale_one() {
    let place = Place::new();
    let book = place.book("moved", "  - id: gate\n    run: GATE(one); echo gate >> WORLD/log\n    effect: idempotent\n    rollback: none\n    because: a test\n  - id: last\n    run: echo last >> WORLD/log\n    rollback: none\n    because: a test\n");
    let mut runner = place.start(&["run", &book, "-y"]);
    place.wait_at("one");
    runner.kill();
    std::fs::create_dir(place.path("elsewhere")).unwrap();
    let copy = || {
        for file in std::fs::read_dir(place.path("state")).unwrap().map(|entry| entry.unwrap().path()) {
            if file.is_file() {
                std::fs::copy(&file, place.path("elsewhere").join(file.file_name().unwrap())).unwrap();
            }
        }
    };
    copy();
    let moved = place.path("elsewhere/playbook.sqlite3");
    let moved = moved.to_str().unwrap();
    place.expect(0, &["verify", "latest", "--journal", moved]);
    place.open("one");
    // Somebody has gone on from the first: the copy is stale.
    place.expect(0, &["pause", "latest", "--reason", "lunch"]);
    let told = place.expect(77, &["resume", "latest", "--journal", moved]);
    assert!(told.contains("newer records of the run"), "{told}");
    copy();
    let told = place.expect(0, &["resume", "latest", "--journal", moved]);
    assert!(told.contains("journal: "), "{told}");
    assert_eq!(place.log(), ["gate", "last"]);
    let output = place.run(&["status", "latest", "--journal", "nowhere.sqlite3"]);
    assert_eq!(output.status.code(), Some(66), "{}", said(&output));
    assert!(!place.path("nowhere.sqlite3").exists());
}
