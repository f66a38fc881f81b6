//! Undo by a list of steps: nothing of it is passed over in silence.

use playbook::diagnostic::Span;
use playbook::engine::EndingKind;
use playbook::playbook::{Argument, Expression, OnFailure, Rollback, Step, Verify};
use playbook::run::{QuestionKind, Verdict};
use playbook::sim::Fault;
use serde_json::json;

use super::harness::{Simulation, step, three};

pub fn expression(source: &str) -> Expression {
    Expression { source: source.to_owned(), span: Span::default() }
}

/// A part of an undo that sets a value.
fn part(id: &str, what: &str, value: &str, action: &str) -> Step {
    let mut part = step(what, action);
    part.id = id.parse().unwrap();
    part.arguments[1].1 = Argument::Literal(json!(value));
    part.rollback = Rollback::None { because: "it is an undo".to_owned() };
    part
}

/// `b`, undone by way of two other values, which its undo's parts set one after the other.
pub fn undone_in_three_parts() -> Step {
    let mut b = step("b", "sim.idempotent");
    b.rollback = Rollback::Steps(vec![
        part("one", "b", "2", "sim.idempotent"),
        part("two", "b", "3", "sim.probed"),
        part("three", "b", "0", "sim.keyed"),
    ]);
    b
}

#[test]
fn the_parts_of_an_undo_run_in_their_order_and_each_that_fails_is_told() {
    for failing in ["b/undo", "b/undo/1", "b/undo/2"] {
        for fault in
            [Fault::NoEffect, Fault::FailedBefore, Fault::FailedAfter, Fault::UnknownBefore, Fault::UnknownAfter]
        {
            for blind in [false, true] {
                let mut book = three(["sim.idempotent"; 3]);
                book.steps[1] = undone_in_three_parts();
                let simulation = Simulation::new();
                simulation.world.blind(blind);
                simulation.world.fail("c", 1, Fault::FailedBefore);
                simulation.world.fail(failing, 1, fault);
                let case = format!("{failing} {fault:?} blind {blind}");
                let kind = simulation.start(&book, None).kind();
                match kind {
                    EndingKind::Finished(Verdict::RolledBack) => {
                        assert!(simulation.world.values().values().all(|value| value == "0"), "{case}");
                    }
                    EndingKind::Waiting(question) => {
                        assert!(
                            matches!(question.kind, QuestionKind::UndoFailed | QuestionKind::UnknownOutcome),
                            "{case}"
                        );
                        assert_eq!(question.task.to_string(), failing, "{case}");
                        assert_eq!(simulation.world.values()["a"], "1", "{case}: what comes before waits");
                    }
                    other => panic!("{case}: {other:?}"),
                }
                let parts: Vec<String> =
                    simulation.world.applied().into_iter().filter(|task| task.starts_with("b/undo")).collect();
                let mut sorted = parts.clone();
                sorted.sort();
                sorted.dedup();
                assert_eq!(parts, sorted, "{case}: in order, and once each");
            }
        }
    }
}

#[test]
fn a_part_of_an_undo_that_cannot_be_prepared_is_not_taken_for_done() {
    let mut book = three(["sim.idempotent"; 3]);
    let mut b = undone_in_three_parts();
    if let Rollback::Steps(parts) = &mut b.rollback {
        parts[1].arguments[1].1 = Argument::Computed(expression("outputs.never_there"));
        // What probes see of an argument that is not there is nothing, as if the part had done its work.
        parts[1].retry.attempts = 3;
    }
    book.steps[1] = b;
    let simulation = Simulation::new();
    simulation.world.fail("c", 1, Fault::FailedBefore);
    let kind = simulation.start(&book, None).kind();
    let EndingKind::Waiting(question) = kind else { panic!("{kind:?}") };
    assert_eq!((question.kind, question.task.to_string()), (QuestionKind::UndoFailed, "b/undo/1".to_owned()));
}

#[test]
fn a_part_of_an_undo_whose_condition_does_not_hold_leaves_the_run_stuck() {
    for fault in [None, Some(Fault::UnknownAfter), Some(Fault::KilledAfter)] {
        let mut book = three(["sim.idempotent"; 3]);
        let mut b = undone_in_three_parts();
        if let Rollback::Steps(parts) = &mut b.rollback {
            parts[1].verify = vec![Verify { expression: expression("facts.value == 'never'"), within: 1.0 }];
        }
        book.steps[1] = b;
        let simulation = Simulation::new();
        simulation.world.fail("c", 1, Fault::FailedBefore);
        if let Some(fault) = fault {
            simulation.world.fail("b/undo/1", 1, fault);
        }
        let kind = match simulation.start(&book, None) {
            super::harness::Life::Killed => simulation.resume(None).kind(),
            life => life.kind(),
        };
        let EndingKind::Waiting(question) = kind else { panic!("{fault:?}: {kind:?}") };
        assert_eq!((question.kind, question.task.to_string()), (QuestionKind::UndoFailed, "b/undo/1".to_owned()));
    }
}

#[test]
fn a_step_whose_condition_never_comes_true_is_undone_and_never_called_done() {
    for action in ["sim.read", "sim.idempotent", "sim.keyed", "sim.probed", "sim.once"] {
        for failing in 0..3 {
            for attempts in [1, 3] {
                for policy in [None, Some(OnFailure::Pause), Some(OnFailure::Continue)] {
                    let mut book = three([action; 3]);
                    book.steps[failing].verify =
                        vec![Verify { expression: expression("facts.value == 'never'"), within: 1.0 }];
                    book.steps[failing].retry.attempts = attempts;
                    book.steps[failing].on_failure = policy.clone();
                    let simulation = Simulation::new();
                    let case = format!("{action} {failing} {attempts} {policy:?}");
                    let kind = simulation.start(&book, None).kind();
                    match (kind, &policy) {
                        (EndingKind::Finished(Verdict::RolledBack | Verdict::Failed), None) => {
                            assert!(simulation.world.values().values().all(|value| value == "0"), "{case}");
                        }
                        (EndingKind::Waiting(question), Some(OnFailure::Pause)) => {
                            assert_eq!(question.kind, QuestionKind::StepFailed, "{case}");
                        }
                        (EndingKind::Finished(Verdict::SucceededWithExceptions), Some(OnFailure::Continue)) => {}
                        other => panic!("{case}: {other:?}"),
                    }
                    if !matches!(action, "sim.read" | "sim.idempotent") {
                        let name = ["a", "b", "c"][failing];
                        let times = simulation.world.applied().iter().filter(|task| *task == name).count();
                        assert_eq!(times, 1, "{case}");
                    }
                }
            }
        }
    }
}
