//! Back to the point of no return, and forward again: nothing runs twice, nothing that stands is forgotten, and no verdict
//! says more than is known.

use playbook::engine::EndingKind;
use playbook::playbook::{OnFailure, Playbook};
use playbook::run::{Answer, QuestionKind, RequestKind, Verdict};
use playbook::sim::Fault;

use super::harness::{Life, Simulation, book, step, three};

fn question(kind: EndingKind) -> (QuestionKind, String) {
    let EndingKind::Waiting(question) = kind else { panic!("{kind:?}") };
    (question.kind, question.task.to_string())
}

fn times(simulation: &Simulation, task: &str) -> usize {
    simulation.world.applied().iter().filter(|applied| *applied == task).count()
}

/// Five steps, of which the second cannot go back; what fails behind it undoes back to it.
fn five() -> Playbook {
    let actions = ["sim.idempotent", "sim.final", "sim.idempotent", "sim.idempotent", "sim.idempotent"];
    let mut steps: Vec<_> = ["a", "b", "c", "d", "e"].iter().zip(actions).map(|(what, a)| step(what, a)).collect();
    for step in &mut steps[2..] {
        step.on_failure = Some(OnFailure::Rollback);
    }
    book(steps)
}

#[test]
fn a_point_of_no_return_in_doubt_is_asked_about_before_anybody_says_that_it_stands() {
    let simulation = Simulation::new();
    simulation.world.fail("b", 1, Fault::UnknownAfter);
    simulation.world.blind(true);
    simulation.start(&three(["sim.idempotent", "sim.final", "sim.once"]), None).ending();
    let kind = simulation.request(RequestKind::Cancel).kind();
    assert_eq!(question(kind), (QuestionKind::UnknownOutcome, "b".to_owned()));
    let kind = simulation.answer("b", Answer::TookEffect).kind();
    assert_eq!(question(kind), (QuestionKind::BehindPointOfNoReturn, "b".to_owned()));
    let kind = simulation.answer("b", Answer::Retry).kind();
    assert_eq!(kind, EndingKind::Finished(Verdict::SucceededWithExceptions));
    assert_eq!(times(&simulation, "b"), 1, "what took effect does not run again");
}

#[test]
fn a_point_of_no_return_that_did_not_take_effect_does_not_keep_what_came_before_it() {
    let simulation = Simulation::new();
    simulation.world.fail("b", 1, Fault::UnknownBefore);
    simulation.world.blind(true);
    simulation.start(&three(["sim.idempotent", "sim.final", "sim.once"]), None).ending();
    simulation.world.blind(false);
    simulation.request(RequestKind::Cancel).ending();
    let kind = simulation.answer("b", Answer::DidNot).kind();
    assert_eq!(kind, EndingKind::Finished(Verdict::RolledBack));
    assert!(simulation.world.values().values().all(|value| value == "0"));
}

#[test]
fn an_unknown_point_of_no_return_is_probed_before_a_rollback_stops_at_it() {
    for (fault, expected) in
        [(Fault::UnknownBefore, None), (Fault::UnknownAfter, Some(QuestionKind::BehindPointOfNoReturn))]
    {
        for write in 0..20 {
            let simulation = Simulation::new();
            simulation.world.fail("b", 1, fault);
            let failure = Some(playbook::journal::Failure::Before(write));
            simulation.start(&three(["sim.idempotent", "sim.final", "sim.once"]), failure);
            let unknown = simulation.has_run()
                && simulation
                    .state()
                    .doing(&"b".parse().unwrap())
                    .is_some_and(|b| b.status == playbook::run::Status::Unknown);
            if !unknown {
                continue;
            }
            simulation.ask(RequestKind::Cancel);
            match (simulation.resume(None).kind(), expected) {
                (EndingKind::Finished(verdict), None) => assert_eq!(verdict, Verdict::RolledBack),
                (EndingKind::Waiting(question), Some(kind)) => assert_eq!(question.kind, kind),
                other => panic!("{fault:?}: {other:?}"),
            }
            assert!(simulation.state().doing(&"b".parse().unwrap()).unwrap().looked, "{fault:?}");
        }
    }
}

#[test]
fn a_point_of_no_return_that_failed_half_way_stays_crossed_when_it_is_tried_again() {
    let mut book = three(["sim.idempotent", "sim.final", "sim.once"]);
    book.steps[1].on_failure = Some(OnFailure::Rollback);
    let simulation = Simulation::new();
    simulation.world.fail("b", 1, Fault::FailedAfter);
    simulation.world.fail("b", 2, Fault::NoEffect);
    simulation.start(&book, None).ending();
    let kind = simulation.answer("b", Answer::Retry).kind();
    assert_eq!(question(kind).0, QuestionKind::BehindPointOfNoReturn);
    assert_eq!(simulation.world.values()["a"], "1", "nothing before it goes back by itself");
}

#[test]
fn a_keyed_step_that_was_undone_takes_effect_again() {
    let mut book = three(["sim.idempotent", "sim.final", "sim.keyed"]);
    book.steps[2].on_failure = Some(OnFailure::Rollback);
    let simulation = Simulation::new();
    simulation.world.fail("c", 1, Fault::FailedAfter);
    simulation.start(&book, None).ending();
    assert_eq!(simulation.world.values()["c"], "0");
    let kind = simulation.answer("b", Answer::Retry).kind();
    assert_eq!(kind, EndingKind::Finished(Verdict::SucceededWithExceptions));
    assert_eq!(simulation.world.values()["c"], "1", "the target took it for a double of what is undone");
}

#[test]
fn what_runs_again_is_undone_in_the_order_in_which_it_ran_again() {
    let simulation = Simulation::new();
    simulation.world.fail("d", 1, Fault::NoEffect);
    simulation.world.fail("e", 1, Fault::FailedBefore);
    simulation.start(&five(), None).ending();
    simulation.answer("b", Answer::Retry).ending();
    let applied = simulation.world.applied();
    assert_eq!(applied[applied.len() - 2..], ["d/undo", "c/undo"], "{applied:?}");
}

#[test]
fn a_checkpoint_whose_step_is_undone_is_not_there_any_more() {
    let mut book = five();
    book.steps[2].checkpoint = Some("after_c".to_owned());
    book.steps[2].on_failure = Some(OnFailure::Pause);
    let simulation = Simulation::new();
    simulation.world.fail("d", 1, Fault::FailedBefore);
    simulation.world.fail("c", 2, Fault::FailedAfter);
    simulation.start(&book, None).ending();
    assert_eq!(question(simulation.answer("b", Answer::Retry).kind()), (QuestionKind::StepFailed, "c".to_owned()));
    let life = simulation.request(RequestKind::Rollback { to: Some("after_c".to_owned()), despite_halt: false });
    assert!(matches!(life, Life::Failed(_)), "{life:?}");
}

#[test]
fn what_a_failure_jumped_over_runs_when_it_does_not_fail_any_more() {
    let mut book = five();
    book.steps[2].on_failure = Some(OnFailure::Step("e".parse().unwrap()));
    let simulation = Simulation::new();
    simulation.world.fail("c", 1, Fault::FailedBefore);
    simulation.world.fail("e", 1, Fault::FailedBefore);
    simulation.start(&book, None).ending();
    simulation.answer("b", Answer::Retry).ending();
    assert_eq!(simulation.world.values().into_values().collect::<Vec<_>>(), ["1"; 5]);
}
