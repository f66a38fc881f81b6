//! A runner that is stopped (SIGSTOP: a paused virtual machine, a swapping host) at any call, while another one takes its
//! run over; then it goes on. It writes no record and starts no step any more.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use super::strace::{Point, Watched, points, stopped_at};
use crate::processes::{Place, said, until};

const STEPS: &str = r#"
  - { id: first, timeout: 3s, run: echo first >> WORLD/log, rollback: none, because: a test }
  - { id: second, timeout: 3s, effect: keyed, run: echo second >> WORLD/log, rollback: none, because: a test }
  - id: third
    timeout: 3s
    run: echo third >> WORLD/log
    probe: { run: grep -cx third WORLD/log, ok_if: "true", took_effect: "outputs.exit_code == 0", did_not: "outputs.exit_code == 1" }
    rollback: none
    because: a test
  - { id: last, timeout: 30s, run: "GATE(last); echo last >> WORLD/log", rollback: none, because: a test }
"#;

const LOG: [&str; 4] = ["first", "second", "third", "last"];

/// What a stopped runner did after it went on.
#[derive(Debug, PartialEq)]
enum Came {
    /// Its run had been taken over.
    TakenOver,
    /// It was stopped with the journal in hand: nobody could take it over, and it went on.
    HeldTheJournal,
    /// It had not begun a run, or had ended it.
    NothingToTake,
}

fn trial(point: &Point) -> Came {
    let place = Place::new();
    let book = place.book("stopped", STEPS);
    let Some(stopped) = stopped_at(place.command(&["run", &book, "-y", "--output", "jsonl"]), point, &place.path(""))
    else {
        return Came::NothingToTake;
    };
    let mut taker = place.start(&["resume", "latest", "--take-over", "--reason", "it hangs"]);
    // The run is still under way when the old runner goes on: what a run keeps of its commands goes with its end.
    until("the gate or an end", || {
        (place.path("last.here").exists() || taker.child.try_wait().unwrap().is_some()).then_some(())
    });
    let at_the_take_over = place.log();
    let ended = taker.child.try_wait().unwrap().and_then(|status| status.code());
    if let Some(code) = ended {
        place.open("last");
        let said_by_it = taker.said();
        assert!([0, 66, 74].contains(&code), "{point:?}\n{said_by_it}");
        let (old, told) = stopped.go_on();
        let told = String::from_utf8_lossy(&told).into_owned();
        assert_eq!(old, Some(0), "{point:?}: nobody took it, so it comes to its end\n{told}\n{said_by_it}");
        assert_eq!(place.log(), LOG, "{point:?}");
        if code != 74 {
            return Came::NothingToTake;
        }
        assert!(said_by_it.contains("fuser") && said_by_it.contains("kill -9"), "{said_by_it}");
        return Came::HeldTheJournal;
    }
    let (code, told) = stopped.go_on();
    assert_eq!(place.log(), at_the_take_over, "{point:?}: it did something afterwards");
    place.open("last");
    taker.expect(0);
    let text = String::from_utf8_lossy(&told).into_owned();
    let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let context = format!("{point:?}, then {code:?}\n{text}\n{}", place.expect(0, &["timeline", "latest"]));
    assert_eq!(place.log(), LOG, "{context}");
    assert_eq!(place.status()["verdict"], "succeeded", "{context}");
    let timeline = place.json(&["timeline", "latest", "--output", "json"]);
    let kept = timeline["records"].as_array().unwrap();
    let take = kept.iter().filter(|record| record["kind"] == "lease_taken").nth(1).unwrap()["seq"].as_u64().unwrap();
    for record in records.iter().filter(|record| record["type"] == "record") {
        assert!(record["seq"].as_u64().unwrap() < take, "it wrote {record} after it had lost its run: {context}");
        assert!(super::is_kept(record, kept), "{record} was told and is not kept: {context}");
    }
    // Where everything had been written before, it may still tell how the run came out.
    assert!([Some(0), Some(12), Some(13)].contains(&code), "{context}");
    place.expect(0, &["verify", "latest"]);
    Came::TakenOver
}

#[test]
fn a_stopped_runner_does_nothing_after_its_run_was_taken_over() {
    let trials = (super::kills(0) / 20).max(18);
    let place = Place::new();
    let book = place.book("stopped", STEPS);
    place.open("last");
    let (all, output) = points(Watched::MainThread, place.command(&["run", &book, "-y"]), &place.path(""));
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    // Those behind the gate are never come to, and a run removes its spools only at its end.
    let most = |name: &String| all.iter().filter(|(call, _)| call == name).count();
    // Nearly all pages are written before the run begins, as room that is set aside; a commit is met at its fsync.
    let useful = |call: &str| !["unlinkat", "pwrite64"].contains(&call);
    let before_the_gate = |(call, number): &Point| useful(call) && *number as usize * 3 <= most(call) * 2;
    let all: Vec<Point> = all.iter().filter(|point| before_the_gate(point)).cloned().collect();
    // Most calls are made with the journal in hand; most trials are for the others.
    let journal = ["fdatasync", "fsync", "ftruncate", "unlink"];
    let last = |all: &[Point], name: &str| all.iter().filter(|(call, _)| call == name).count();
    let (mut inside, outside): (Vec<Point>, Vec<Point>) =
        all.clone().into_iter().partition(|(call, _)| journal.contains(&&**call));
    // The first ones belong to the making of the journal.
    inside.retain(|(call, number)| *number as usize * 3 >= last(&all, call));
    let spread = |list: &[Point], trials: usize| -> Vec<Point> {
        (0..trials).map(|trial| list[(2 * trial + 1) * list.len() / (2 * trials)].clone()).collect()
    };
    let points = [spread(&inside, trials / 3), spread(&outside, trials - trials / 3)].concat();
    let (next, came) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        // They mostly wait.
        for _ in 0..9 {
            scope.spawn(|| {
                while let Some(point) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let what = trial(point);
                    came.lock().unwrap().push(what);
                }
            });
        }
    });
    let came = came.into_inner().unwrap();
    let count = |what: Came| came.iter().filter(|came| **came == what).count();
    let (taken, held) = (count(Came::TakenOver), count(Came::HeldTheJournal));
    eprintln!("stopped at {trials} calls: {taken} runs taken over, {held} not, as the journal was held");
    assert!(taken > 0 && held > 0, "{came:?}");
}
