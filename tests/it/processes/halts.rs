//! The kill switch, with the real binary: no intent follows once `halt` has returned, everything stands still soon after,
//! nothing is lost, and it needs no server, no run and no room on the disk.

use std::time::Instant;

use serde_json::Value;

use super::{Place, Runner, until};
use crate::journal_faults::disk::Disk;

/// Many steps that take no time.
fn short_steps(place: &Place) -> String {
    let steps: String = (0..400)
        .map(|number| {
            format!(
                "  - id: s{number}\n    run: echo s{number} >> WORLD/log\n    effect: idempotent\n    \
                 rollback: [{{ run: \"sed -i '/^s{number}$/d' WORLD/log\", effect: idempotent }}]\n"
            )
        })
        .collect();
    place.book("short", &steps)
}

fn gated(place: &Place) -> String {
    place.book(
        "gated",
        r#"
  - id: first
    run: echo first >> WORLD/log
    rollback: [{ run: "sed -i /first/d WORLD/log", effect: idempotent }]
  - id: second
    run: GATE(second); echo second >> WORLD/log
    rollback: [{ run: "sed -i /second/d WORLD/log", effect: idempotent }]
  - id: third
    run: echo third >> WORLD/log
    rollback: [{ run: "sed -i /third/d WORLD/log", effect: idempotent }]
"#,
    )
}

fn records(place: &Place) -> Vec<Value> {
    place.json(&["timeline", "latest", "--output", "json"])["records"].as_array().unwrap().clone()
}

fn kinds(records: &[Value], kind: &str) -> usize {
    records.iter().filter(|record| record["kind"] == kind).count()
}

/// A run that was halted in its second step, and stands still behind it.
fn halted() -> (Place, Runner, String) {
    let place = Place::new();
    let book = gated(&place);
    let runner = place.start(&["run", &book, "-y"]);
    place.wait_at("second");
    let mut halt = place.start(&["halt", "--reason", "wrong cluster"]);
    halt.wait_for("has second in hand");
    place.open("second");
    halt.expect(0);
    assert!(halt.said().contains("everything stands still"), "{}", halt.said());
    (place, runner, book)
}

#[test]
pub fn no_intent_follows_on_a_halt_and_a_run_of_short_steps_stands_still_within_a_second() {
    let place = Place::new();
    let book = short_steps(&place);
    let mut runner = place.start(&["run", &book, "-y"]);
    until("some steps", || (place.log().len() > 5).then_some(()));
    let called = Instant::now();
    let mut halt = place.start(&["halt", "--reason", "wrong cluster", "--output", "json"]);
    halt.expect(0);
    let seconds = called.elapsed().as_secs_f64();
    let told: Value = serde_json::from_str(&halt.said()).unwrap();
    let intents = kinds(&records(&place), "intent");
    assert_eq!(told["standing_still"], true, "{told}");
    assert!(seconds < 1.0, "from the call to the standstill: {seconds} s; {told}");
    runner.wait_for("stands still and goes on by itself");
    // The halt's own time is from before it was in force; whatever was begun has an earlier one.
    let found = records(&place);
    let last = found.iter().rfind(|record| record["kind"] == "intent").unwrap();
    let noted = found.iter().find(|record| record["kind"] == "halted").unwrap();
    let halted_at = told["halted"]["since"].as_str().unwrap();
    let (last_at, noted_at) = (last["time"].as_str().unwrap(), noted["time"].as_str().unwrap());
    eprintln!("call to standstill: {seconds:.3} s; halted {halted_at}, last intent {last_at}, noted {noted_at}");
    assert_eq!(kinds(&found, "intent"), intents, "an intent followed on the halt");
    assert!(intents < 400, "it was over before the halt");
    assert_eq!(noted["actor"], last["actor"], "whoever halted is named");
    assert_eq!(noted["detail"]["reason"], "wrong cluster");

    place.expect(0, &["halt", "--lift", "--reason", "it was the right one"]);
    runner.expect(0);
    assert_eq!(place.log().len(), 400, "something was lost or done twice");
    assert_eq!(kinds(&records(&place), "halt_lifted"), 1);
    place.expect(0, &["verify", "latest"]);
}

#[test]
fn while_everything_is_halted_looks_work_and_no_run_begins() {
    let place = Place::new();
    let book = gated(&place);
    // By hand, when nothing runs, and there is not even a state.
    let told = place.expect(0, &["halt", "--reason", "change of power"]);
    assert!(told.contains("no run is open"), "{told}");
    let again = place.expect(0, &["halt", "--reason", "me too"]).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(again.contains("it was halted already") && again.contains("change of power"), "{again}");
    let refused = place.expect(77, &["run", &book, "-y"]);
    for text in ["everything on this state is halted by", "change of power", "playbook halt --lift --reason"] {
        assert!(refused.contains(text), "{text} is missing:\n{refused}");
    }
    assert!(place.log().is_empty());
    place.expect(0, &["run", &book, "--dry-run"]);
    place.expect(0, &["lint", &book]);
    place.expect(0, &["plan", &book]);
    assert!(place.expect(0, &["list", "--runs"]).contains("■ HALTED"));
    assert!(place.expect(1, &["doctor"]).contains("change of power"));
    place.expect(64, &["halt", "--lift"]);
    place.expect(64, &["halt", "--lift", "--reason", " "]);
    place.expect(0, &["halt", "--lift", "--reason", "power is back"]);
    assert!(place.expect(0, &["halt", "--lift", "--reason", "again"]).contains("nothing is halted"));
    place.open("second");
    place.expect(0, &["run", &book, "-y"]);
}

#[test]
fn the_runner_is_killed_while_halted_and_the_run_goes_on_after() {
    let (place, mut runner, _) = halted();
    runner.kill();
    let status = place.status();
    assert_eq!((&status["state"], &status["halted"]["reason"]), (&"interrupted".into(), &"wrong cluster".into()));
    assert!(place.expect(0, &["status"]).starts_with("■ HALTED"));
    // Whoever takes it begins nothing either, and says why.
    let told = place.expect(77, &["resume", "latest", "--no-wait"]);
    assert!(told.contains("stands still, as everything is halted"), "{told}");
    assert_eq!(place.log(), ["first", "second"]);
    let mut stays = place.start(&["resume", "latest"]);
    stays.wait_for("stands still and goes on by itself");
    place.expect(0, &["halt", "--lift", "--reason", "it was the right one"]);
    stays.expect(0);
    assert_eq!(place.log(), ["first", "second", "third"]);
    assert_eq!(place.status()["halted"], Value::Null);
    place.expect(0, &["verify", "latest"]);
}

#[test]
pub fn a_run_is_undone_despite_a_halt_where_somebody_says_so_and_why() {
    let (place, mut runner, _) = halted();
    place.expect(64, &["rollback", "latest", "--despite-halt"]);
    place.expect(64, &["rollback", "latest", "--despite-halt", "--reason", ""]);
    assert_eq!(place.log(), ["first", "second"]);
    place.expect(0, &["rollback", "latest", "--despite-halt", "--reason", "the database is down"]);
    runner.expect(10);
    assert!(place.log().is_empty());
    assert!(place.expect(0, &["list", "--runs"]).contains("■ HALTED"), "it is in force still");
    let found = records(&place);
    let asked = found.iter().find(|record| record["kind"] == "requested").unwrap();
    assert!(asked["text"].as_str().unwrap().contains("although everything is halted: the database is down"), "{asked}");
    place.expect(0, &["verify", "latest"]);
}

#[test]
pub fn an_undo_stands_still_as_well() {
    let (place, mut runner, _) = halted();
    let mut cancel = place.start(&["cancel", "latest", "--reason", "back"]);
    cancel.wait_for("following it");
    until("the record of it", || place.status()["rolling_back"].as_bool().filter(|back| *back));
    runner.wait_for("rollback to the start begins");
    assert_eq!(place.log(), ["first", "second"], "nothing is undone while everything is halted");
    place.expect(0, &["halt", "--lift", "--reason", "over"]);
    cancel.expect(0);
    runner.expect(10);
    assert!(place.log().is_empty());
}

#[test]
pub fn it_halts_on_a_disk_that_is_full() {
    let Some(disk) = Disk::in_memory(8 * 1024) else { return };
    let place = Place::new();
    let book = gated(&place);
    let state = disk.path("state");
    let state = state.to_str().unwrap();
    let mut runner = place.start(&["run", &book, "-y", "--state", state]);
    place.wait_at("second");
    disk.fill();
    let mut halt = place.start(&["halt", "--reason", "the disk is full", "--state", state]);
    halt.wait_for("has second in hand");
    place.open("second");
    halt.expect(0);
    assert!(halt.said().contains("everything stands still"), "{}", halt.said());
    assert_eq!(place.log(), ["first", "second"]);
    place.expect(0, &["halt", "--lift", "--reason", "it goes on all the same", "--state", state]);
    runner.expect(0);
    place.expect(0, &["verify", "latest", "--state", state]);
}
