//! Stops, and what people ask for beside them: nothing that was asked is lost, and a resumed run goes on.

use playbook::engine::EndingKind;
use playbook::journal::Failure;
use playbook::run::{Answer, RequestKind, StopKind, Verdict};
use playbook::sim::Fault;

use super::harness::{Life, Simulation, three};

/// A run whose runner was killed while `b` was under way.
fn killed() -> Simulation {
    let simulation = Simulation::new();
    simulation.world.fail("b", 1, Fault::KilledAfter);
    assert!(matches!(simulation.start(&three(["sim.probed"; 3]), None), Life::Killed));
    simulation
}

#[test]
fn a_pause_does_not_swallow_the_cancel_before_it() {
    let simulation = killed();
    simulation.ask(RequestKind::Cancel);
    simulation.ask(RequestKind::Pause);
    assert_eq!(simulation.resume(None).kind(), EndingKind::Stopped(StopKind::Paused));
    assert_eq!(simulation.resume(None).kind(), EndingKind::Finished(Verdict::RolledBack));
}

#[test]
fn a_pause_does_not_swallow_the_abort_before_it() {
    let simulation = killed();
    simulation.ask(RequestKind::Abort);
    simulation.ask(RequestKind::Pause);
    assert_eq!(simulation.resume(None).kind(), EndingKind::Stopped(StopKind::Paused));
    assert_eq!(simulation.resume(None).kind(), EndingKind::Finished(Verdict::Abandoned));
}

#[test]
fn a_run_that_was_paused_twice_is_resumed_once() {
    let simulation = killed();
    simulation.ask(RequestKind::Pause);
    assert_eq!(simulation.resume(None).kind(), EndingKind::Stopped(StopKind::Paused));
    assert_eq!(simulation.request(RequestKind::Pause).kind(), EndingKind::Stopped(StopKind::Paused));
    assert_eq!(simulation.resume(None).kind(), EndingKind::Finished(Verdict::Succeeded));
}

#[test]
fn a_rollback_that_was_aborted_twice_is_resumed_once() {
    let simulation = Simulation::new();
    simulation.world.fail("c", 1, Fault::FailedBefore);
    simulation.world.fail("b/undo", 1, Fault::KilledBefore);
    assert!(matches!(simulation.start(&three(["sim.idempotent"; 3]), None), Life::Killed));
    simulation.ask(RequestKind::Abort);
    assert_eq!(simulation.resume(None).kind(), EndingKind::Stopped(StopKind::Paused));
    assert_eq!(simulation.request(RequestKind::Abort).kind(), EndingKind::Stopped(StopKind::Paused));
    assert_eq!(simulation.resume(None).kind(), EndingKind::Finished(Verdict::RolledBack));
}

#[test]
fn what_a_person_did_by_hand_is_not_said_to_be_undone() {
    let mut book = three(["sim.idempotent"; 3]);
    book.steps[1].on_failure = Some(playbook::playbook::OnFailure::Pause);
    book.steps[1].require = vec![super::review_undo::expression("facts.value == '7'")];
    let simulation = Simulation::new();
    simulation.world.fail("c", 1, Fault::FailedBefore);
    simulation.start(&book, None).ending();
    let ending = simulation.answer("b", Answer::TookEffect).ending();
    assert_eq!(ending.kind, EndingKind::Finished(Verdict::RolledBack));
    let summary = ending.state.ended.unwrap().2;
    assert!(summary.contains("b") && summary.contains("by hand"), "{summary}");
}

#[test]
fn an_undo_that_is_left_half_way_is_told() {
    let mut book = three(["sim.idempotent"; 3]);
    book.steps[1] = super::review_undo::undone_in_three_parts();
    let simulation = Simulation::new();
    simulation.world.fail("c", 1, Fault::FailedBefore);
    simulation.world.fail("b/undo/1", 1, Fault::FailedBefore);
    simulation.start(&book, None).ending();
    let ending = simulation.answer("b/undo/1", Answer::Abandon).ending();
    let summary = ending.state.ended.unwrap().2;
    assert!(summary.contains("b (its undo did not come to its end)"), "{summary}");
}

#[test]
fn a_lost_acknowledgement_of_an_answer_does_not_apply_it_twice() {
    let simulation = Simulation::new();
    simulation.world.fail("b", 1, Fault::UnknownBefore);
    simulation.world.fail("b", 2, Fault::UnknownBefore);
    simulation.start(&three(["sim.once"; 3]), None).ending();
    simulation.ask(RequestKind::Resolve { task: "b".parse().unwrap(), answer: Answer::Retry });
    for write in 0..6 {
        simulation.resume(Some(Failure::Unacknowledged(write)));
    }
    let kind = simulation.resume(None).kind();
    assert!(matches!(kind, EndingKind::Waiting(_)), "{kind:?}");
    assert_eq!(simulation.state().doing(&"b".parse().unwrap()).unwrap().attempt, 2);
}
