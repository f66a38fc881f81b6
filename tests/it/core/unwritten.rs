//! An outcome that waits for the write behind it, and what becomes of it when that write is refused or fails: whoever watches
//! is told once of each thing that happened, as written or as not, and never of the one in the place of the other.

use std::sync::{Arc, Mutex};

use playbook::engine::{Beginning, EndingKind, Engine, EngineError, Observer, Parts};
use playbook::journal::{Failure, Journal, JournalError, MemoryJournal};
use playbook::run::{Decision, Event, Record, RunState, Time, Verdict};
use serde_json::json;

use super::harness::{Life, Simulation, live, records, three};

/// Remembers what it is told.
#[derive(Default)]
struct Told {
    written: Mutex<Vec<Record>>,
    unwritten: Mutex<Vec<Vec<Event>>>,
}

impl Observer for Told {
    fn record(&self, record: &Record, _: &RunState) {
        self.written.lock().unwrap().push(record.clone());
    }

    fn unwritten(&self, events: &[Event]) {
        self.unwritten.lock().unwrap().push(events.to_vec());
    }
}

fn postponing() -> Simulation {
    let mut simulation = Simulation::new();
    simulation.journal.postpone_outcomes(true);
    simulation
}

fn start(parts: Parts) -> Life {
    live(async {
        let mut engine = Engine::new(parts);
        let plan = engine.plan(three(["sim.once"; 3]), json!({})).await?;
        engine.start(plan, Beginning::default()).await
    })
}

/// The tasks whose outcome is among these.
fn ended<'e>(events: impl Iterator<Item = &'e Event>) -> Vec<String> {
    let outcome = |event: &Event| match event {
        Event::Outcome { task, .. } => Some(task.to_string()),
        _ => None,
    };
    events.filter_map(outcome).collect()
}

/// What is told where the journal fails like this; `None` where it did not come to that.
fn told(failure: Failure) -> Option<(Simulation, Arc<Told>)> {
    let (simulation, told) = (postponing(), Arc::new(Told::default()));
    let observer = Arc::clone(&told) as Arc<dyn Observer>;
    match start(Parts { observer, ..simulation.parts(Some(failure)) }) {
        Life::Ended(_) => None,
        Life::Failed(EngineError::Journal(JournalError::Store { .. })) => Some((simulation, told)),
        other => panic!("{failure:?}: {other:?}"),
    }
}

/// What the journal has of it; nothing where it did not even begin.
fn written_down(simulation: &Simulation) -> Vec<Record> {
    if simulation.has_run() { records(simulation) } else { Vec::new() }
}

fn check(failure: Failure, simulation: &Simulation, told: &Told) -> usize {
    let (written, unwritten) = (told.written.lock().unwrap(), told.unwritten.lock().unwrap());
    assert!(unwritten.iter().all(|events| !events.is_empty()), "{failure:?}: nothing is told as if it were something");
    let there = written_down(simulation);
    for record in written.iter() {
        assert!(there.contains(record), "{failure:?}: told as written, and it is not: {record:?}");
    }
    let lost: Vec<&Event> = unwritten.iter().flatten().collect();
    if !matches!(failure, Failure::Unacknowledged(_)) {
        for event in &lost {
            let found = there.iter().find(|record| &record.event == *event);
            assert!(found.is_none(), "{failure:?}: told as not written, and it is: {found:?}");
        }
        assert_eq!(written.len(), there.len(), "{failure:?}: not all that is written is told");
    }
    let all = ended(written.iter().map(|record| &record.event).chain(lost.iter().copied()));
    assert_eq!(all, simulation.world.applied(), "{failure:?}: each thing that was done is told once, in its order");
    ended(lost.into_iter()).len()
}

#[test]
fn what_was_done_is_told_once_wherever_the_journal_dies() {
    let (mut lost, mut died) = (0, 0);
    for write in 0..50 {
        for failure in [Failure::Before(write), Failure::Unacknowledged(write)] {
            let Some((simulation, told)) = told(failure) else {
                assert!(died >= 8 && lost >= 4, "it died {died} times, and {lost} outcomes were lost by that");
                return;
            };
            lost += check(failure, &simulation, &told);
            died += 1;
        }
    }
    panic!("it never comes to an end");
}

/// A write that is refused and then not: what waited is on the disk in the end, and what was behind it is not.
#[test]
fn what_was_done_is_told_once_wherever_somebody_else_writes_for_long() {
    let (mut lost, mut saved) = (0, 0);
    for write in 0..50 {
        for times in 1..6 {
            let failure = Failure::Busy(write, times);
            let Some((simulation, told)) = told(failure) else {
                assert!(lost > 0 && saved > 0, "{lost} outcomes were lost, and {saved} were not");
                return;
            };
            match check(failure, &simulation, &told) {
                0 => saved += ended(written_down(&simulation).iter().map(|record| &record.event)).len(),
                more => lost += more,
            }
        }
    }
    panic!("it never comes to an end");
}

/// Halts everything once a step is sent: its outcome is what the halt comes before the intent behind it.
struct Halter {
    step: &'static str,
    journal: Mutex<MemoryJournal>,
    told: Told,
}

impl Observer for Halter {
    fn record(&self, record: &Record, state: &RunState) {
        self.told.record(record, state);
    }

    fn unwritten(&self, events: &[Event]) {
        self.told.unwritten(events);
    }

    fn decision(&self, decision: &Decision, _: &RunState) {
        if matches!(decision, Decision::Dispatch { task } if task.to_string() == self.step) {
            self.journal.lock().unwrap().halt("bob", "wrong cluster", Time(0)).unwrap();
        }
    }
}

#[test]
fn an_outcome_is_written_and_told_where_a_halt_refuses_the_intent_behind_it() {
    for (step, done) in [("a", vec!["a"]), ("b", vec!["a", "b"])] {
        let simulation = postponing();
        let journal = Mutex::new(simulation.journal.reopen());
        let halter = Arc::new(Halter { step, journal, told: Told::default() });
        let observer = Arc::clone(&halter) as Arc<dyn Observer>;
        let life = start(Parts { observer, ..simulation.parts(None) });
        assert_eq!(life.kind(), EndingKind::Halted);
        let there = records(&simulation);
        assert_eq!(ended(there.iter().map(|record| &record.event)), done, "{step}");
        assert_eq!(simulation.world.applied(), done, "{step}: nothing begins behind a halt");
        assert_eq!(*halter.told.written.lock().unwrap(), there, "{step}");
        assert!(halter.told.unwritten.lock().unwrap().is_empty(), "{step}: it is written");
        simulation.journal.reopen().lift("eve", "it was the right one", Time(0)).unwrap();
        assert_eq!(simulation.resume(None).kind(), EndingKind::Finished(Verdict::Succeeded));
        assert_eq!(simulation.world.applied(), ["a", "b", "c"], "{step}: nothing runs twice");
    }
}
