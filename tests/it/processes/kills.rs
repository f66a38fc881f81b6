//! The runner is killed with SIGKILL all over a run: each effect is there once, and the run ends well.

use std::io::BufRead as _;
use std::process::Stdio;

use super::Place;

const STEPS: &str = r#"
  - id: once
    run: sleep 0.03; echo once >> WORLD/log
    rollback: [{ run: "sed -i /once/d WORLD/log", effect: idempotent }]
  - id: keyed
    effect: keyed
    run: sleep 0.03; echo keyed >> WORLD/log
    rollback: [{ run: "sed -i /keyed/d WORLD/log", effect: idempotent }]
    checkpoint: half
  - id: idempotent
    effect: idempotent
    run: sleep 0.03; grep -qx idempotent WORLD/log || echo idempotent >> WORLD/log
    rollback: [{ run: "sed -i /idempotent/d WORLD/log", effect: idempotent }]
  - id: probed
    run: sleep 0.03; echo probed >> WORLD/log
    probe: { run: grep -cx probed WORLD/log, ok_if: "true", took_effect: "outputs.exit_code == 0", did_not: "outputs.exit_code == 1" }
    rollback: [{ run: "sed -i /probed/d WORLD/log", effect: idempotent }]
"#;

/// Runs until so many lines were said, a little longer, and kills. True where it had ended by itself.
fn killed_after(place: &Place, arguments: &[&str], lines: usize, more_micros: u64) -> bool {
    let mut child = place.command(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let said = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    let seen = said.take(lines).count();
    // Not to wait for anything: to hit another moment between two records.
    std::thread::sleep(std::time::Duration::from_micros(more_micros));
    let _ = child.kill();
    let status = child.wait().unwrap();
    seen < lines || status.success()
}

#[test]
fn killed_at_any_moment_and_resumed_every_effect_is_there_once() {
    // Moments, not system calls: those are in `faults`, which gets most of the kills.
    let kills = (crate::faults::kills(0) / 10).max(15);
    let mut interrupted = 0;
    for kill in 0..kills {
        let place = Place::new();
        let book = place.book("killed", STEPS);
        // Thirteen lines are said; the offset walks through the time that a step takes.
        let offset = (kill as u64 * 7919) % 40_000;
        killed_after(&place, &["run", &book, "-y", "--output", "jsonl"], kill % 13, offset);
        if place.json(&["list", "--runs", "--output", "json"]).as_array().unwrap().is_empty() {
            assert!(place.log().is_empty(), "kill {kill}: something was done before anything was written down");
            continue;
        }
        if place.status()["state"] != "ended" {
            interrupted += 1;
            if kill % 3 == 0 {
                killed_after(&place, &["resume", "latest", "--output", "jsonl"], 1 + kill % 3, offset / 2);
            }
        }
        place.expect(0, &["resume", "latest", "--output", "jsonl"]);
        assert_eq!(place.log(), ["once", "keyed", "idempotent", "probed"], "kill {kill}\n{}", {
            place.expect(0, &["timeline", "latest"])
        });
        assert_eq!(place.status()["verdict"], "succeeded", "kill {kill}");
        place.expect(0, &["verify", "latest"]);
    }
    assert!(interrupted * 2 >= kills, "only {interrupted} of {kills} kills hit a run");
}

#[test]
fn killed_in_the_middle_of_an_undo_the_undo_is_finished() {
    let place = Place::new();
    let book = place.book(
        "undone",
        r#"
  - id: first
    run: echo first >> WORLD/log
    rollback: [{ run: "GATE(undo); sed -i /first/d WORLD/log", effect: idempotent }]
  - id: second
    run: exit 4
    rollback: none
    because: it does nothing
"#,
    );
    let mut runner = place.start(&["run", &book, "-y"]);
    place.wait_at("undo");
    runner.kill();
    assert_eq!(place.status()["state"], "interrupted");
    place.open("undo");
    place.expect(10, &["resume", "latest"]);
    assert!(place.log().is_empty());
    assert_eq!(place.status()["verdict"], "rolled_back");
    place.expect(0, &["verify", "latest"]);
}
