//! What another process asks of a run: of one that lives, and of one whose process is gone.

use super::{Place, Runner};

const STEPS: &str = r#"
  - id: first
    run: echo first >> WORLD/log
    rollback: [{ run: "sed -i /first/d WORLD/log", effect: idempotent }]
    checkpoint: half
  - id: second
    run: GATE(second); echo second >> WORLD/log
    rollback: [{ run: "sed -i /second/d WORLD/log", effect: idempotent }]
  - id: third
    run: echo third >> WORLD/log
    rollback: [{ run: "sed -i /third/d WORLD/log", effect: idempotent }]
"#;

/// A run that stands in its second step; `interrupted` means that its process was killed and the step has ended since.
fn standing(interrupted: bool) -> (Place, Runner) {
    let place = Place::new();
    let book = place.book("asked", STEPS);
    let mut runner = place.start(&["run", &book, "-y"]);
    place.wait_at("second");
    if interrupted {
        runner.kill();
        place.open("second");
    }
    (place, runner)
}

/// Asks in one process and lets the step end once the run's process has taken it up.
fn ask(place: &Place, runner: &Runner, code: i32, arguments: &[&str]) -> String {
    if place.path("second.go").exists() {
        return place.expect(code, arguments);
    }
    let mut asking = place.start(arguments);
    runner.wait_for("as the reason that was given");
    place.open("second");
    asking.expect(code);
    asking.said()
}

#[test]
fn cancel_undoes_all() {
    for interrupted in [false, true] {
        let (place, mut runner) = standing(interrupted);
        ask(&place, &runner, 0, &["cancel", "latest", "--reason", "as the reason that was given"]);
        if !interrupted {
            runner.expect(10);
        }
        assert!(place.log().is_empty(), "interrupted: {interrupted}");
        assert_eq!(place.status()["verdict"], "rolled_back");
        place.expect(77, &["cancel", "latest"]);
    }
}

#[test]
fn abort_undoes_nothing() {
    for interrupted in [false, true] {
        let (place, mut runner) = standing(interrupted);
        ask(&place, &runner, 0, &["abort", "latest", "--reason", "as the reason that was given"]);
        if !interrupted {
            runner.expect(15);
        }
        assert_eq!(place.log(), ["first", "second"], "the step in hand is finished; interrupted: {interrupted}");
        assert_eq!(place.status()["verdict"], "abandoned");
    }
}

#[test]
fn pause_waits_and_resume_goes_on() {
    for interrupted in [false, true] {
        let (place, mut runner) = standing(interrupted);
        let said = ask(&place, &runner, 0, &["pause", "latest", "--reason", "as the reason that was given"]);
        if !interrupted {
            runner.expect(12);
        }
        // Whoever asks is told what follows on it, and not all that was before.
        assert!(!said.contains("asked@1.0.0 begins") && said.contains("as the reason that was given"), "{said}");
        assert_eq!(place.log(), ["first", "second"], "interrupted: {interrupted}");
        assert_eq!(place.status()["state"], "stopped");
        place.expect(0, &["resume", "latest"]);
        assert_eq!(place.log(), ["first", "second", "third"]);
    }
}

#[test]
fn a_rollback_stops_at_its_checkpoint() {
    for interrupted in [false, true] {
        let (place, mut runner) = standing(interrupted);
        let said = place.expect(66, &["rollback", "latest", "--to", "hafl"]);
        assert!(said.contains("half"), "{said}");
        let back = ["rollback", "latest", "--to", "half", "--reason", "as the reason that was given"];
        ask(&place, &runner, 0, &back);
        if !interrupted {
            runner.expect(15);
        }
        assert_eq!(place.log(), ["first"], "interrupted: {interrupted}");
        assert_eq!(place.status()["verdict"], "rolled_back_to_checkpoint");
    }
}

#[test]
fn a_live_run_is_not_resumed_by_another_process() {
    let (place, mut runner) = standing(false);
    let said = place.expect(13, &["resume", "latest"]);
    assert!(said.contains(&runner.child.id().to_string()), "it says which process: {said}");
    place.open("second");
    runner.expect(0);
    // What has ended is told, not run again.
    place.expect(0, &["resume", "latest"]);
    assert_eq!(place.log(), ["first", "second", "third"]);
}

#[test]
pub fn a_lock_has_one_holder_and_is_free_after_its_run() {
    let place = Place::new();
    let held = place.book_with("held", "locks: [\"database/orders\"]", STEPS);
    let other = place.book_with(
        "other",
        "locks: [\"database/orders\"]",
        "  - { id: only, run: echo other >> WORLD/log, rollback: none, because: a test }\n",
    );
    let mut runner = place.start(&["run", &held, "-y"]);
    place.wait_at("second");
    let run = place.status()["run"].as_str().unwrap().to_owned();
    let said = place.expect(13, &["run", &other, "-y"]);
    assert!(said.contains("database/orders") && said.contains(&run), "who holds it: {said}");
    // The process is gone, the step may still be under way: the lock is held.
    runner.kill();
    place.expect(13, &["run", &other, "-y"]);
    place.open("second");
    place.expect(0, &["resume", &run]);
    place.expect(0, &["run", &other, "-y"]);
    assert_eq!(place.log(), ["first", "second", "third", "other"]);
}

#[test]
pub fn a_stuck_run_keeps_its_lock() {
    let place = Place::new();
    let stuck = place.book_with(
        "stuck",
        "locks: [\"database/orders\"]",
        r#"
  - id: first
    run: echo first >> WORLD/log
    rollback: [{ run: "test -e WORLD/mended && sed -i /first/d WORLD/log", effect: idempotent }]
  - { id: second, run: exit 3, rollback: none, because: a test }
"#,
    );
    let other = place.book_with(
        "other",
        "locks: [\"database/orders\"]",
        "  - { id: only, run: echo other >> WORLD/log, rollback: none, because: a test }\n",
    );
    let said = place.expect(11, &["run", &stuck, "-y"]);
    assert!(said.contains("resolve"), "{said}");
    let run = place.status()["run"].as_str().unwrap().to_owned();
    assert_eq!(place.status()["state"], "stuck");
    place.expect(13, &["run", &other, "-y"]);
    place.expect(11, &["resume", &run]);
    std::fs::write(place.path("mended"), "").unwrap();
    place.expect(10, &["resolve", &run, "first", "--retry", "--reason", "mended"]);
    assert!(place.log().is_empty());
    place.expect(0, &["run", &other, "-y"]);
}

#[test]
pub fn of_many_that_resume_at_once_one_does() {
    let (place, _gone) = standing(true);
    let mut all: Vec<Runner> = (0..6).map(|_| place.start(&["resume", "latest"])).collect();
    let codes: Vec<i32> = all.iter_mut().map(|runner| runner.code().unwrap()).collect();
    // Who came too late was told so, or found the run ended.
    assert!(codes.contains(&0) && codes.iter().all(|code| [0, 12, 13].contains(code)), "{codes:?}");
    assert_eq!(place.log(), ["first", "second", "third"]);
    place.expect(0, &["verify", "latest"]);
}

#[test]
pub fn of_many_that_start_at_once_one_gets_the_lock() {
    let place = Place::new();
    let book = place.book_with(
        "held",
        "locks: [\"database/orders\"]",
        r#"
  - id: only
    run: echo only >> WORLD/log; GATE(only)
    rollback: none
    because: a test
"#,
    );
    let mut all: Vec<Runner> = (0..6).map(|_| place.start(&["run", &book, "-y"])).collect();
    let ended = |all: &mut Vec<Runner>| all.iter_mut().filter_map(|runner| runner.child.try_wait().unwrap()).count();
    super::until("the end of all but one", || (ended(&mut all) == 5).then_some(()));
    place.wait_at("only");
    place.open("only");
    let mut codes: Vec<i32> = all.iter_mut().map(|runner| runner.code().unwrap()).collect();
    codes.sort_unstable();
    assert_eq!(codes, [0, 13, 13, 13, 13, 13]);
    assert_eq!(place.log(), ["only"]);
}

#[test]
fn a_holder_that_does_not_move_is_left_only_by_a_person() {
    let (place, mut runner) = standing(false);
    runner.signal(nix::sys::signal::Signal::SIGSTOP);
    place.expect(13, &["resume", "latest"]);
    place.expect(64, &["resume", "latest", "--take-over"]);
    place.open("second");
    place.expect(0, &["resume", "latest", "--take-over", "--reason", "it hangs"]);
    assert_eq!(place.log(), ["first", "second", "third"]);
    // Woken up, it finds that the run is no longer its own, and does nothing.
    runner.signal(nix::sys::signal::Signal::SIGCONT);
    let code = runner.code().unwrap();
    assert!([0, 12, 13].contains(&code), "{code}\n{}", runner.said());
    assert_eq!(place.log(), ["first", "second", "third"]);
    assert!(place.expect(0, &["timeline", "latest"]).contains("it hangs"), "the take-over is told with its reason");
    place.expect(0, &["verify", "latest"]);
}
