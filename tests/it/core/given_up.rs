//! An item of a `for_each` that a person gives up: nothing more is begun for it, forward or back, whatever fails and wherever
//! the runner is killed; the others go on as if it were not there.

use playbook::engine::EndingKind;
use playbook::journal::{Failure, Journal};
use playbook::playbook::{Amount, OnItemFailure};
use playbook::run::{Answer, Event, QuestionKind, RequestKind, SkipHow, Task, Verdict};
use playbook::sim::Fault;
use proptest::prelude::*;
use serde_json::json;

use super::fleets::{fail, fleet};
use super::harness::{Life, Simulation, records};

fn given_up(item: usize, how: SkipHow) -> RequestKind {
    RequestKind::Skip { task: format!("n1@i{item}").parse().unwrap(), how, outputs: json!({}) }
}

#[test]
fn what_is_stuck_is_given_up_whole_and_nothing_of_it_is_tried_again() {
    let simulation = Simulation::new();
    fail(&simulation, "n2");
    fail(&simulation, "n1_1@i2/undo");
    let ending = simulation.start(&fleet(3, &["3"], |_| {}), None).ending();
    let EndingKind::Waiting(question) = ending.kind else { panic!("{:?}", ending.kind) };
    assert_eq!((question.kind, question.task.to_string().as_str()), (QuestionKind::UndoFailed, "n1_1@i2/undo"));
    assert_eq!(ending.state.undo_left_of(&"n1@i2".parse().unwrap()).len(), 2);
    let before = records(&simulation).len();
    let ending = simulation.request(given_up(2, SkipHow::NotNeeded)).ending();
    assert_eq!(ending.kind, EndingKind::Finished(Verdict::RolledBack));
    let undone = |record: &playbook::run::Record| match &record.event {
        Event::Intent { task, .. } => task.item.as_ref().is_some_and(|item| item.as_str() == "i2"),
        _ => false,
    };
    assert!(!records(&simulation)[before..].iter().any(undone), "its undo is tried no more");
    let (_, _, summary) = ending.state.ended.clone().unwrap();
    assert!(summary.contains("n1_0@i2: left as it is") && summary.contains("n1_1@i2: left as it is"), "{summary}");
    let stands = |name: &&String| name.starts_with("n1_0") && name.ends_with("i2");
    let values = simulation.world.values();
    assert_eq!(values.iter().find(|(name, _)| stands(name)).map(|(_, value)| value.as_str()), Some("1"), "{values:?}");
}

#[test]
fn an_item_that_is_put_back_by_itself_can_be_given_up_and_the_run_goes_on() {
    let simulation = Simulation::new();
    fail(&simulation, "n1_1@i2");
    fail(&simulation, "n1_0@i2/undo");
    let book = fleet(3, &["1"], |each| {
        each.on_item_failure = OnItemFailure::Rollback;
        each.max_failures = Amount::parse("1").unwrap();
    });
    let ending = simulation.start(&book, None).ending();
    let EndingKind::Waiting(question) = ending.kind else { panic!("{:?}", ending.kind) };
    assert!(question.message.contains("so i2 is not put back and the run is stuck"), "{}", question.message);
    let ending = simulation.request(given_up(2, SkipHow::DoneByHand)).ending();
    assert_eq!(ending.kind, EndingKind::Finished(Verdict::SucceededWithExceptions));
}

#[test]
fn an_item_ahead_is_passed_by_and_is_left_for_a_retry() {
    let simulation = Simulation::new();
    fail(&simulation, "n1_1@i1");
    let book = fleet(3, &["1"], |each| each.max_failures = Amount::parse("2").unwrap());
    // It is killed in the middle of the first item.
    assert!(!matches!(simulation.start(&book, Some(Failure::Before(5))), Life::Ended(_)));
    simulation.ask(given_up(3, SkipHow::NotNeeded));
    let ending = simulation.resume(None).ending();
    assert_eq!(ending.kind, EndingKind::Finished(Verdict::SucceededWithExceptions));
    let begun = |task: &str| ending.state.tasks.contains_key(&task.parse::<Task>().unwrap());
    assert!(begun("n1_1@i2") && !begun("n1_0@i3") && begun("n2"));
    let left = ending.state.left_undone(playbook::plan::Which::Remaining);
    let names: Vec<String> = left.items.values().flatten().map(ToString::to_string).collect();
    assert_eq!(names, ["i1", "i3"]);
    assert_eq!(ending.state.left_undone(playbook::plan::Which::Failed).items.values().flatten().count(), 1);
}

#[test]
fn what_is_under_way_or_over_or_unheard_of_is_not_given_up() {
    let simulation = Simulation::new();
    fail(&simulation, "n1_1@i1");
    let book = fleet(3, &["1"], |each| each.max_failures = Amount::parse("2").unwrap());
    assert!(!matches!(simulation.start(&book, Some(Failure::Before(12))), Life::Ended(_)));
    let state = simulation.state();
    let why = |task: &str, how| state.may_skip(&task.parse().unwrap(), how, &json!({})).unwrap_err();
    assert!(why("n1@i1", SkipHow::NotNeeded).contains("failed already"), "{}", why("n1@i1", SkipHow::NotNeeded));
    assert!(why("n1@i9", SkipHow::NotNeeded).contains("has no item i9"));
    assert!(why("n1@i3", SkipHow::DoneByHand).contains("said of each of them (n1_0@i3, n1_1@i3)"));
}

fn failure() -> impl Strategy<Value = Option<Failure>> {
    proptest::option::of(
        (0..25_u64, any::<bool>())
            .prop_map(|(n, lost)| if lost { Failure::Unacknowledged(n) } else { Failure::Before(n) }),
    )
}

fn faults() -> impl Strategy<Value = Vec<(usize, usize, u32, Fault, bool)>> {
    let fault = prop::sample::select(vec![
        Fault::NoEffect,
        Fault::FailedAfter,
        Fault::UnknownBefore,
        Fault::UnknownAfter,
        Fault::KilledBefore,
        Fault::KilledAfter,
    ]);
    proptest::collection::vec((1..5_usize, 0..2_usize, 1..3_u32, fault, any::<bool>()), 0..6)
}

/// After a word that was taken, nothing of its item begins.
fn nothing_begins_for_what_was_given_up(simulation: &Simulation) {
    let mut out: Vec<(playbook::ids::ItemId, bool)> = Vec::new();
    let mut going_back = false;
    for record in records(simulation) {
        match record.event {
            Event::RollbackStarted { .. } => going_back = true,
            Event::SkippedByPerson { task, .. } => out.extend(task.item.map(|item| (item, going_back))),
            Event::Intent { task, .. } => {
                let Some(item) = &task.item else { continue };
                let forward = out.iter().any(|(other, _)| other == item) && !task.is_undo();
                assert!(!forward, "{task} begins although its item was given up");
                let back = out.iter().any(|(other, back)| other == item && *back);
                assert!(!back, "{task} is undone although its item was given up");
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn nothing_is_begun_for_what_is_given_up_and_every_run_ends(
        size in 1..4_u32, most in 0..4_u32, rollback in any::<bool>(), last in any::<bool>(), faults in faults(),
        first in failure(), moves in proptest::collection::vec((1..5_usize, any::<bool>(), 0..4_u32, failure()), 1..8),
    ) {
        let size = size.to_string();
        let book = fleet(4, &[&size], |each| {
            each.max_failures = Amount::parse(&most.to_string()).unwrap();
            each.on_item_failure = if rollback { OnItemFailure::Rollback } else { OnItemFailure::Leave };
        });
        let simulation = Simulation::new();
        for (item, place, attempt, fault, undo) in &faults {
            let undo = if *undo { "/undo" } else { "" };
            simulation.world.fail(&format!("n1_{place}@i{item}{undo}"), *attempt, *fault);
        }
        if last {
            fail(&simulation, "n2");
        }
        simulation.start(&book, first);
        if !simulation.has_run() {
            return Ok(());
        }
        for (item, by_hand, what, failure) in moves {
            if simulation.state().ended.is_some() {
                break;
            }
            match what {
                0 => simulation.ask(RequestKind::FinishItems),
                1 => simulation.ask(RequestKind::Cancel),
                _ => simulation.ask(given_up(item, if by_hand { SkipHow::DoneByHand } else { SkipHow::NotNeeded })),
            }
            simulation.resume(failure);
        }
        for round in 0..40 {
            let state = simulation.state();
            if state.ended.is_some() {
                break;
            }
            prop_assert!(round < 39, "it comes to no end: {:?}", state.question);
            if let Some(question) = state.question {
                let answer = if round > 15 { Answer::Abandon } else { Answer::Retry };
                simulation.ask(RequestKind::Resolve { task: question.task, answer });
            }
            simulation.resume(None);
        }
        nothing_begins_for_what_was_given_up(&simulation);
        prop_assert_eq!(simulation.journal.reopen().verify(&simulation.run()).unwrap().broken, None);
    }
}
