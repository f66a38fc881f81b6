//! `playbook serve`, the real binary: killed, stopped, started again. The server that is killed is a process of this test binary
//! where a run has to be begun, as nothing else is needed for that than what every server begins runs with.

use std::process::{Child, Command, Stdio};

use nix::sys::signal::Signal;
use playbook::ids::RunId;
use playbook::journal::{Journal, SqliteJournal};
use playbook::run::{Event, RunState, Verdict};
use playbook::server::Runner as _;

use super::hands::{hands_at, wanted};
use crate::processes::{Place, Runner, until};

const THREE: &str = r#"
  - id: first
    run: echo first >> WORLD/log; GATE(first)
    rollback: none
    because: a line in a file
  - id: second
    run: echo second >> WORLD/log; GATE(second)
    rollback: none
    because: a line in a file
  - id: third
    run: echo third >> WORLD/log
    rollback: none
    because: a line in a file
"#;

/// The variable that makes a process of the test binary a server.
const IS_SERVER: &str = "PLAYBOOK_TEST_IS_SERVER";

/// Not a test but the process that is killed in one: begins a run and stays.
#[test]
fn is_a_server_that_begins_a_run() {
    let Ok(folder) = std::env::var(IS_SERVER) else { return };
    let hands = hands_at(folder.into());
    hands.start(wanted("three", "ann")).unwrap();
    loop {
        std::thread::park();
    }
}

/// Ended with the test, whatever becomes of it.
struct Killed(Child);

impl Killed {
    fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        self.kill();
    }
}

fn journal(place: &Place) -> SqliteJournal {
    SqliteJournal::open(&place.path("state")).unwrap()
}

fn run_of(place: &Place) -> RunId {
    until("the run", || journal(place).runs().unwrap().first().map(|row| row.run.clone()))
}

fn state(place: &Place, run: &RunId) -> RunState {
    RunState::replay(run, &journal(place).records(run, 0).unwrap()).unwrap()
}

fn verdict(place: &Place, run: &RunId) -> Verdict {
    until("the end of the run", || state(place, run).ended.map(|(verdict, ..)| verdict))
}

/// A server that has begun a run and was killed in its first step.
fn killed(place: &Place) -> RunId {
    place.book("three", THREE);
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "server::serve::is_a_server_that_begins_a_run", "--nocapture"])
        .env(IS_SERVER, place.path(""))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut child = Killed(child);
    place.wait_at("first");
    child.kill();
    run_of(place)
}

fn serve(place: &Place, more: &[&str]) -> Runner {
    let runner = place.start(&[&["serve", "--no-listen"], more].concat());
    runner.wait_for("owns the state");
    runner
}

#[test]
fn a_server_that_was_killed_in_a_step_is_followed_by_one_that_ends_the_run() {
    let place = Place::new();
    let run = killed(&place);
    assert!(!journal(&place).lease(&run).unwrap().released);
    let mut server = serve(&place, &[]);
    server.wait_for("is gone on with");
    // The recorder has gone on with the step: it is waited for, and not begun again.
    until("it asks the recorder", || (state(&place, &run).epoch == 2).then_some(()));
    place.open("first");
    place.wait_at("second");
    place.open("second");
    assert_eq!(verdict(&place, &run), Verdict::Succeeded);
    assert_eq!(place.log(), ["first", "second", "third"]);
    let taken = journal(&place).records(&run, 0).unwrap().into_iter().filter_map(|record| match record.event {
        Event::LeaseTaken { holder, .. } => Some(holder.serves),
        _ => None,
    });
    assert_eq!(taken.collect::<Vec<_>>(), [true, true]);
    server.wait_for("has ended: ");
    server.signal(Signal::SIGTERM);
    server.expect(0);
}

#[test]
fn a_server_that_is_stopped_ends_the_step_in_hand_and_the_next_one_goes_on() {
    let place = Place::new();
    let run = killed(&place);
    let mut server = serve(&place, &[]);
    place.open("first");
    place.wait_at("second");
    // A closed terminal is none of it.
    server.signal(Signal::SIGHUP);
    server.signal(Signal::SIGTERM);
    server.wait_for("1 run in hand may end its step");
    place.open("second");
    server.expect(0);
    assert!(server.said().contains("is given back"), "{}", server.said());
    let records = journal(&place).records(&run, 0).unwrap();
    assert!(!records.iter().any(|record| matches!(record.event, Event::Stopped { .. })));
    assert_eq!(place.log(), ["first", "second"]);
    let mut next = serve(&place, &[]);
    assert_eq!(verdict(&place, &run), Verdict::Succeeded);
    assert_eq!(place.log(), ["first", "second", "third"]);
    next.wait_for("has ended: ");
    next.signal(Signal::SIGINT);
    next.expect(0);
}

#[test]
fn a_second_signal_and_the_end_of_patience_leave_at_once() {
    for twice in [true, false] {
        let place = Place::new();
        let run = killed(&place);
        let mut server = serve(&place, &["--patience", if twice { "10m" } else { "0s" }]);
        server.wait_for("is gone on with");
        place.open("first");
        place.wait_at("second");
        server.signal(Signal::SIGTERM);
        if twice {
            server.wait_for("may end its step");
            server.signal(Signal::SIGTERM);
        }
        server.expect(130);
        assert!(server.said().contains(&format!("1 run in the middle of a step: {run}")), "{}", server.said());
        let mut next = serve(&place, &[]);
        next.wait_for("is gone on with");
        place.open("second");
        assert_eq!(verdict(&place, &run), Verdict::Succeeded);
        assert_eq!(place.log(), ["first", "second", "third"]);
        next.signal(Signal::SIGTERM);
        next.expect(0);
    }
}

#[test]
fn a_run_that_a_person_paused_is_not_taken_up_by_the_next_server() {
    let place = Place::new();
    let run = killed(&place);
    let mut server = serve(&place, &[]);
    server.wait_for("is gone on with");
    let pause = place.start(&["pause", run.as_str(), "--reason", "a look first"]);
    until("it is asked", || {
        let asked = |event: &Event| matches!(event, Event::Requested { .. });
        journal(&place).records(&run, 0).unwrap().iter().any(|record| asked(&record.event)).then_some(())
    });
    place.open("first");
    until("it has stopped", || state(&place, &run).stopped.map(|_| ()));
    drop(pause);
    server.wait_for("is stopped");
    server.signal(Signal::SIGTERM);
    server.expect(0);
    let mut next = serve(&place, &[]);
    next.signal(Signal::SIGTERM);
    next.expect(0);
    assert!(!next.said().contains("gone on with"), "{}", next.said());
    assert!(state(&place, &run).stopped.is_some());
    assert_eq!(place.log(), ["first"]);
    // It is the command line's from here on, which a server does not take up either.
    place.open("second");
    place.expect(0, &["resume", run.as_str()]);
}

#[test]
fn a_state_has_one_server() {
    let place = Place::new();
    let mut first = serve(&place, &[]);
    let refused = place.expect(13, &["serve", "--no-listen"]);
    assert!(refused.contains(&format!("by process {} of ", first.child.id())), "{refused}");
    // Whoever is killed owns nothing any more.
    first.kill();
    let mut next = serve(&place, &[]);
    next.signal(Signal::SIGTERM);
    next.expect(0);
}

#[test]
fn a_time_that_is_none_is_refused_before_anything_is_owned() {
    let place = Place::new();
    let said = place.expect(64, &["serve", "--no-listen", "--patience", "soon"]);
    assert!(said.contains("--patience soon") && !place.path("state").exists(), "{said}");
}

/// What the unit says is held by what the server promises.
#[test]
fn the_unit_does_not_kill_the_steps() {
    let unit = include_str!("../../../fixtures/systemd/playbook.service");
    let has = |line: &str| unit.lines().any(|one| one == line);
    for line in ["Type=notify", "KillMode=process", "Restart=always", "NoNewPrivileges=yes", "ProtectSystem=strict"] {
        assert!(has(line), "{line}");
    }
    assert!(!unit.contains("ProcSubset=pid\n"), "who is gone is read in /proc");
    let seconds = |key: &str| -> u32 {
        let text = unit.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        text.trim_end_matches('s').parse().unwrap()
    };
    let patience = unit.split_once("--patience ").unwrap().1.split_once('s').unwrap().0.parse::<u32>().unwrap();
    assert!(seconds("TimeoutStopSec=") > patience);
    for line in unit.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', '['])) {
        assert!(line.split_once('=').is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_alphanumeric())), "{line}");
    }
}
