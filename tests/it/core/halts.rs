//! A halt at every boundary of a run: once it is in force no intent follows, what is under way ends, and after it is lifted
//! the run comes to the end to which it would have come without.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use playbook::engine::{Beginning, Clock, EndingKind, Engine, EngineError, Observer, Parts};
use playbook::journal::{Failure, Journal, JournalError, MemoryJournal};
use playbook::playbook::Playbook;
use playbook::run::{Answer, Decision, Event, Record, RequestKind, RunState, Time, Verdict, decide};
use playbook::sim::Fault;
use serde_json::json;

use super::groups::{Node, playbook_of};
use super::harness::{Life, SimulatedClock, Simulation, live, records, three};

/// Halts everything once a record is durable, as another process would.
struct Halter {
    after: u64,
    journal: Mutex<MemoryJournal>,
}

impl Observer for Halter {
    fn record(&self, record: &Record, _: &RunState) {
        if record.seq == self.after {
            self.journal.lock().unwrap().halt("bob", "wrong cluster", record.time).unwrap();
        }
    }
}

fn parts(simulation: &Simulation, after: u64, failure: Option<Failure>) -> Parts {
    let journal = Mutex::new(simulation.journal.reopen());
    Parts { observer: Arc::new(Halter { after, journal }), ..simulation.parts(failure) }
}

fn start_halted(simulation: &Simulation, book: &Playbook, after: u64, failure: Option<Failure>) -> Life {
    let book = book.clone();
    live(async {
        let mut engine = Engine::new(parts(simulation, after, failure));
        let plan = engine.plan(book, json!({})).await?;
        engine.start(plan, Beginning::default()).await
    })
}

fn lift(simulation: &Simulation) {
    simulation.journal.reopen().lift("eve", "it was the right one", Time(0)).unwrap();
}

fn intents(simulation: &Simulation) -> usize {
    records(simulation).iter().filter(|record| matches!(record.event, Event::Intent { .. })).count()
}

/// Which tasks go wrong at their first attempt, and how.
type Faults = Vec<(&'static str, Fault)>;

/// The books and faults that are gone through: forward, back, several at once, in batches.
fn stories() -> Vec<(&'static str, Playbook, Faults)> {
    let batches = Node::Each { items: 3, size: 2, max_failures: 0, block: vec!["sim.idempotent", "sim.probed"] };
    let parallel = Node::Parallel(vec!["sim.idempotent", "sim.probed", "sim.keyed"]);
    vec![
        ("forward", three(["sim.idempotent", "sim.probed", "sim.once"]), vec![]),
        ("back", three(["sim.idempotent", "sim.probed", "sim.once"]), vec![("c", Fault::FailedBefore)]),
        ("groups", playbook_of(&[parallel, batches, Node::One("sim.keyed")]), vec![]),
    ]
}

fn scene(faults: &[(&'static str, Fault)]) -> Simulation {
    let simulation = Simulation::new();
    faults.iter().for_each(|(task, fault)| simulation.world.fail(task, 1, *fault));
    simulation
}

#[test]
fn after_a_halt_at_every_boundary_the_run_ends_as_without() {
    let mut halts = 0;
    for (name, book, faults) in stories() {
        let plain = scene(&faults);
        let EndingKind::Finished(verdict) = plain.start(&book, None).kind() else { panic!("{name}") };
        let whole = records(&plain).len() as u64;
        for after in 1..whole {
            let simulation = scene(&faults);
            let first = start_halted(&simulation, &book, after, None).kind();
            let begun = records(&simulation);
            // Intents of steps that begin side by side are one write: who is told of the first comes behind all of them.
            let same_write = |pair: &[Record]| {
                pair.iter().all(|record| matches!(record.event, Event::Intent { .. })) && pair[0].time == pair[1].time
            };
            let behind =
                begun.windows(2).filter(|pair| pair[0].seq >= after).take_while(|pair| same_write(pair)).count();
            let later = begun.iter().filter(|record| record.seq > after + behind as u64);
            let intents_before = intents(&simulation);
            for record in later {
                assert!(!matches!(record.event, Event::Intent { .. }), "{name} {after}: {record:?}");
            }
            if first == EndingKind::Finished(verdict) {
                // Nothing was left to begin.
                lift(&simulation);
                continue;
            }
            assert_eq!(first, EndingKind::Halted, "{name} {after}");
            assert_eq!(simulation.state().in_flight().count(), 0, "{name} {after}: what was under way has ended");
            // Whoever takes it meanwhile begins nothing either.
            assert_eq!(simulation.resume(None).kind(), EndingKind::Halted, "{name} {after}");
            assert_eq!(intents(&simulation), intents_before, "{name} {after}");
            lift(&simulation);
            assert_eq!(simulation.resume(None).kind(), EndingKind::Finished(verdict), "{name} {after}");
            assert_eq!(simulation.world.values(), plain.world.values(), "{name} {after}");
            let told = records(&simulation);
            let of = |wanted: fn(&Event) -> bool| told.iter().filter(|record| wanted(&record.event)).count();
            assert_eq!(of(|event| matches!(event, Event::Halted { by, .. } if by == "bob")), 1, "{name} {after}");
            assert_eq!(of(|event| matches!(event, Event::HaltLifted { by, .. } if by == "eve")), 1, "{name} {after}");
            assert_eq!(simulation.journal.reopen().verify(&simulation.run()).unwrap().broken, None);
            halts += 1;
        }
    }
    assert!(halts > 35, "only {halts} boundaries were halted at");
}

#[test]
fn killed_at_every_write_while_it_is_halted_it_ends_as_without() {
    for (name, book, faults) in stories() {
        let plain = scene(&faults);
        let EndingKind::Finished(verdict) = plain.start(&book, None).kind() else { panic!("{name}") };
        let whole = records(&plain).len() as u64;
        for after in (1..whole).step_by(2) {
            for writes in 0..4 {
                let simulation = scene(&faults);
                let first = start_halted(&simulation, &book, after, Some(Failure::Unacknowledged(after + writes)));
                let before = if simulation.has_run() { intents(&simulation) } else { continue };
                if matches!(first, Life::Failed(EngineError::Journal(_)))
                    && simulation.journal.reopen().halted().unwrap().is_none()
                {
                    continue;
                }
                if simulation.state().ended.is_some() {
                    continue;
                }
                drop(simulation.resume(Some(Failure::Before(writes))));
                drop(simulation.resume(None));
                if simulation.journal.reopen().halted().unwrap().is_some() {
                    assert_eq!(intents(&simulation), before, "{name} {after} {writes}");
                }
                lift(&simulation);
                let mut kind = simulation.resume(None).kind();
                // `once` whose end nobody saw is asked about, with or without a halt.
                while let EndingKind::Waiting(question) = kind {
                    let took = simulation.world.values().get(question.task.step.as_str()).is_some_and(|is| is == "1");
                    let answer = if took != question.task.is_undo() { Answer::TookEffect } else { Answer::DidNot };
                    kind = simulation.answer(&question.task.to_string(), answer).kind();
                }
                let EndingKind::Finished(end) = kind else { panic!("{name} {after} {writes}: {kind:?}") };
                if end == verdict {
                    assert_eq!(simulation.world.values(), plain.world.values(), "{name} {after} {writes}");
                }
                assert_eq!(simulation.journal.reopen().verify(&simulation.run()).unwrap().broken, None);
            }
        }
    }
}

#[test]
fn a_run_that_stays_goes_on_by_itself_when_it_is_lifted() {
    let simulation = Simulation::new();
    let mut lifter = simulation.journal.reopen();
    let parts = Parts { wait: true, ..parts(&simulation, 4, None) };
    let life = live(async {
        let mut engine = Engine::new(parts);
        let plan = engine.plan(three(["sim.idempotent"; 3]), json!({})).await?;
        let run = engine.start(plan, Beginning::default());
        let lifting = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            lifter.lift("eve", "it was the right one", SimulatedClock.now()).unwrap();
            std::future::pending::<()>().await;
        };
        tokio::select! { ending = run => ending, () = lifting => unreachable!() }
    });
    assert_eq!(life.kind(), EndingKind::Finished(Verdict::Succeeded));
    let told = records(&simulation);
    let halted = told.iter().find(|record| matches!(record.event, Event::Halted { .. })).unwrap();
    let lifted = told.iter().find(|record| matches!(record.event, Event::HaltLifted { .. })).unwrap();
    assert_eq!(lifted.seq, halted.seq + 1, "something was written while everything stood still");
    assert!(lifted.time.seconds_since(halted.time) > 4.0);
    assert_eq!((halted.actor.as_str(), lifted.actor.as_str()), ("bob", "eve"));
}

#[test]
fn no_run_begins_while_everything_is_halted() {
    let simulation = Simulation::new();
    simulation.journal.reopen().halt("bob", "wrong cluster", Time(0)).unwrap();
    let life = simulation.start(&three(["sim.idempotent"; 3]), None);
    assert!(matches!(life, Life::Failed(EngineError::Journal(JournalError::Halted(_)))), "{life:?}");
    assert!(!simulation.has_run());
    lift(&simulation);
    assert_eq!(simulation.start(&three(["sim.idempotent"; 3]), None).kind(), EndingKind::Finished(Verdict::Succeeded));
}

#[test]
fn what_a_person_asks_waits_and_only_a_named_exemption_undoes() {
    let simulation = Simulation::new();
    // Behind the first step's outcome.
    assert_eq!(start_halted(&simulation, &three(["sim.idempotent"; 3]), 4, None).kind(), EndingKind::Halted);
    assert_eq!(simulation.world.values()["a"], "1");
    let undo = |despite_halt| RequestKind::Rollback { to: None, despite_halt };
    assert_eq!(simulation.request(undo(false)).kind(), EndingKind::Halted);
    assert!(simulation.state().rollback.is_some(), "it is written down, and nothing has begun by it");
    assert_eq!(simulation.world.values()["a"], "1");
    // Killed with the exemption written: it is durable.
    simulation.ask(undo(true));
    drop(simulation.resume(Some(Failure::Before(3))));
    assert_eq!(simulation.resume(None).kind(), EndingKind::Finished(Verdict::RolledBack));
    assert_eq!(simulation.world.values()["a"], "0");
    assert!(simulation.journal.reopen().halted().unwrap().is_some());
    assert_eq!(simulation.journal.reopen().verify(&simulation.run()).unwrap().broken, None);
}

#[test]
fn an_exemption_is_from_the_halt_that_it_was_given_for() {
    let simulation = Simulation::new();
    assert_eq!(start_halted(&simulation, &three(["sim.idempotent"; 3]), 4, None).kind(), EndingKind::Halted);
    simulation.ask(RequestKind::Rollback { to: None, despite_halt: true });
    // It is taken up and the runner is killed before the undo begins; then another halt comes.
    drop(simulation.resume(Some(Failure::Before(3))));
    assert!(simulation.state().despite_halt);
    lift(&simulation);
    simulation.journal.reopen().halt("eve", "once more", Time(0)).unwrap();
    assert_eq!(simulation.resume(None).kind(), EndingKind::Halted);
    assert_eq!(simulation.world.values()["a"], "1");
}

#[test]
fn a_deadline_that_passes_decides_nothing_while_everything_is_halted() {
    let simulation = Simulation::new();
    simulation.world.blind(true);
    simulation.world.fail("b", 1, Fault::UnknownAfter);
    let ending = simulation.start(&three(["sim.idempotent", "sim.probed", "sim.idempotent"]), None).ending();
    let EndingKind::Waiting(question) = ending.kind else { panic!("{:?}", ending.kind) };
    let deadline = question.deadline.expect("a question with a deadline");
    let late = deadline.plus_seconds(60.0);
    let mut state = ending.state;
    assert!(matches!(decide(&state, late), Decision::Record(event) if matches!(*event, Event::Answered { .. })));
    state.halted =
        Some(playbook::run::Halted { number: 1, by: "bob".to_owned(), reason: String::new(), since: Time(0) });
    assert_eq!(decide(&state, late), Decision::Halted);
    assert!(matches!(decide(&state, deadline.plus_seconds(-1.0)), Decision::Wait(_)));
}
