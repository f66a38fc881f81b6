//! What people ask of a run: answers, cancel, abort, pause, and what each leads to.

use playbook::engine::EndingKind;
use playbook::playbook::OnFailure;
use playbook::run::{Answer, QuestionKind, RequestKind, StopKind, Verdict};
use playbook::sim::Fault;

use super::harness::{Life, Simulation, three};

/// A run that waits, as nobody knows whether `b` took effect.
fn in_doubt(fault: Fault) -> Simulation {
    let simulation = Simulation::new();
    simulation.world.fail("b", 1, fault);
    let ending = simulation.start(&three(["sim.idempotent", "sim.once", "sim.idempotent"]), None).ending();
    let EndingKind::Waiting(question) = ending.kind else { panic!("{:?}", ending.kind) };
    assert_eq!(question.kind, QuestionKind::UnknownOutcome);
    simulation
}

#[test]
fn each_answer_about_an_unknown_outcome_leads_where_it_says() {
    let cases = [
        (Fault::UnknownAfter, Answer::TookEffect, Verdict::SucceededWithExceptions, ["1", "1", "1"]),
        (Fault::UnknownBefore, Answer::DidNot, Verdict::RolledBack, ["0", "0", "0"]),
        (Fault::UnknownBefore, Answer::Retry, Verdict::SucceededWithExceptions, ["1", "1", "1"]),
        (Fault::UnknownAfter, Answer::Undo, Verdict::RolledBack, ["0", "0", "0"]),
        (Fault::UnknownAfter, Answer::Abandon, Verdict::Abandoned, ["1", "1", "0"]),
    ];
    for (fault, answer, verdict, world) in cases {
        let simulation = in_doubt(fault);
        assert_eq!(simulation.answer("b", answer).kind(), EndingKind::Finished(verdict), "{answer:?}");
        let values: Vec<String> = simulation.world.values().into_values().collect();
        assert_eq!(values, world, "{answer:?}");
    }
}

#[test]
fn an_answer_that_nobody_asked_for_is_refused_and_changes_nothing() {
    let simulation = in_doubt(Fault::UnknownAfter);
    let before = simulation.state();
    assert!(matches!(simulation.answer("a", Answer::Retry), Life::Failed(_)));
    assert_eq!(simulation.state(), before);
}

#[test]
fn cancel_while_it_waits_rolls_back() {
    let simulation = in_doubt(Fault::UnknownAfter);
    let kind = simulation.request(RequestKind::Cancel).kind();
    // `once` cannot be looked into, and its undo does not work from observation: a person is asked before it is undone.
    assert!(matches!(kind, EndingKind::Waiting(_)), "{kind:?}");
    assert_eq!(simulation.answer("b", Answer::TookEffect).kind(), EndingKind::Finished(Verdict::RolledBack));
    assert!(simulation.world.values().values().all(|value| value == "0"));
}

#[test]
fn abort_ends_without_undoing_and_says_what_stands() {
    let simulation = in_doubt(Fault::UnknownAfter);
    let ending = simulation.request(RequestKind::Abort).ending();
    assert_eq!(ending.kind, EndingKind::Finished(Verdict::Abandoned));
    let (_, _, summary) = ending.state.ended.unwrap();
    assert!(summary.contains("b (not known whether it took effect)"), "{summary}");
    assert!(summary.contains("because the test says so"), "{summary}");
}

#[test]
fn a_paused_run_goes_on_only_when_it_is_resumed() {
    let simulation = in_doubt(Fault::UnknownAfter);
    assert_eq!(simulation.request(RequestKind::Pause).kind(), EndingKind::Stopped(StopKind::Paused));
    assert!(simulation.state().stopped.is_some());
    assert!(matches!(simulation.resume(None).kind(), EndingKind::Waiting(_)));
    assert!(simulation.state().stopped.is_none());
}

#[test]
fn a_stuck_undo_is_tried_again_when_a_person_says_so() {
    let simulation = Simulation::new();
    simulation.world.fail("c", 1, Fault::FailedBefore);
    for attempt in 1..=4 {
        simulation.world.fail("b/undo", attempt, Fault::FailedBefore);
    }
    simulation.start(&three(["sim.idempotent"; 3]), None).ending();
    let again = simulation.answer("b/undo", Answer::Retry).kind();
    assert!(matches!(again, EndingKind::Waiting(_)), "the fourth try fails too: {again:?}");
    assert_eq!(simulation.answer("b/undo", Answer::Retry).kind(), EndingKind::Finished(Verdict::RolledBack));
    assert!(simulation.world.values().values().all(|value| value == "0"));
}

#[test]
fn behind_the_point_of_no_return_cancel_goes_back_to_it_and_waits() {
    let mut book = three(["sim.idempotent", "sim.final", "sim.once"]);
    book.steps[2].on_failure = Some(OnFailure::Rollback);
    let simulation = Simulation::new();
    simulation.world.fail("c", 1, Fault::FailedAfter);
    let kind = simulation.start(&book, None).kind();
    let EndingKind::Waiting(question) = kind else { panic!("{kind:?}") };
    assert_eq!(question.kind, QuestionKind::BehindPointOfNoReturn);
    assert_eq!(simulation.world.values().into_values().collect::<Vec<_>>(), ["1", "1", "0"]);
    let forward = simulation.answer("b", Answer::Retry).kind();
    assert_eq!(forward, EndingKind::Finished(Verdict::SucceededWithExceptions));
    assert_eq!(simulation.world.values()["c"], "1");
}
