//! Every outcome of every step, for every effect and every policy: the run ends in a verdict or waits for a person, and what
//! it says of the world is true.

use playbook::engine::EndingKind;
use playbook::run::{QuestionKind, Verdict};
use playbook::sim::{Fault, World};
use playbook::spec::Effect;

use super::harness::{Simulation, effect_of, policies, three};

const ACTIONS: [&str; 5] = ["sim.read", "sim.idempotent", "sim.keyed", "sim.probed", "sim.once"];
const FAULTS: [Fault; 5] =
    [Fault::NoEffect, Fault::FailedBefore, Fault::FailedAfter, Fault::UnknownBefore, Fault::UnknownAfter];

fn initial() -> std::collections::BTreeMap<String, String> {
    World::of([("a", "0"), ("b", "0"), ("c", "0")]).values()
}

#[test]
fn every_outcome_of_every_step_under_every_policy_ends_or_waits() {
    let mut cases = 0;
    for action in ACTIONS {
        for failing in ["a", "b", "c"] {
            for fault in FAULTS {
                for policy in policies() {
                    for attempts in [1, 2] {
                        for blind in [false, true] {
                            let mut book = three([action; 3]);
                            book.steps[0].checkpoint = Some("after_a".to_owned());
                            for step in &mut book.steps {
                                step.retry.attempts = attempts;
                                if step.id.as_str() == failing && !(failing != "b" && is_jump(&policy)) {
                                    step.on_failure = policy.clone();
                                }
                            }
                            let simulation = Simulation::new();
                            simulation.world.blind(blind);
                            simulation.world.fail(failing, 1, fault);
                            let case =
                                format!("{action} {failing} {fault:?} {policy:?} attempts {attempts} blind {blind}");
                            let ending = simulation.start(&book, None).ending();
                            check(&case, &simulation, &ending.kind, effect_of(action));
                            cases += 1;
                        }
                    }
                }
            }
        }
    }
    assert_eq!(cases, 5 * 3 * 5 * 6 * 2 * 2);
}

fn is_jump(policy: &Option<playbook::playbook::OnFailure>) -> bool {
    matches!(policy, Some(playbook::playbook::OnFailure::Step(_)))
}

/// What must be true of every ending.
fn check(case: &str, simulation: &Simulation, kind: &EndingKind, effect: Effect) {
    let world = simulation.world.values();
    let applied = simulation.world.applied();
    match kind {
        EndingKind::Finished(Verdict::Succeeded) => {
            if effect.changes() {
                assert!(world.values().all(|value| value == "1"), "{case}: succeeded, and the world is {world:?}");
            }
        }
        EndingKind::Finished(Verdict::SucceededWithExceptions | Verdict::RolledBackToCheckpoint) => {}
        EndingKind::Finished(Verdict::RolledBack | Verdict::Failed) => {
            assert_eq!(world, initial(), "{case}: {kind:?}, and the world is not what it was");
        }
        EndingKind::Waiting(question) => {
            assert!(
                matches!(question.kind, QuestionKind::UnknownOutcome | QuestionKind::StepFailed),
                "{case}: it waits for {question:?}"
            );
        }
        other => panic!("{case}: a run that nobody stopped ended as {other:?}"),
    }
    if matches!(effect, Effect::Once | Effect::Keyed | Effect::Probed) {
        for step in ["a", "b", "c"] {
            let times = applied.iter().filter(|task| task.as_str() == step).count();
            assert!(times <= 1, "{case}: {step} took effect {times} times");
        }
    }
}

#[test]
fn a_step_that_is_done_once_is_never_tried_again() {
    let mut book = three(["sim.once"; 3]);
    book.steps[1].retry.attempts = 5;
    let simulation = Simulation::new();
    simulation.world.fail("b", 1, Fault::FailedAfter);
    let ending = simulation.start(&book, None).ending();
    assert_eq!(ending.kind, EndingKind::Finished(Verdict::RolledBack));
    assert_eq!(simulation.world.applied(), ["a", "b", "b/undo", "a/undo"], "in reverse order, the half-done step too");
}

#[test]
fn an_undo_that_fails_leaves_the_run_stuck_with_its_world_told() {
    let simulation = Simulation::new();
    simulation.world.fail("c", 1, Fault::FailedBefore);
    for attempt in 1..=3 {
        simulation.world.fail("b/undo", attempt, Fault::FailedBefore);
    }
    let ending = simulation.start(&three(["sim.idempotent"; 3]), None).ending();
    let EndingKind::Waiting(question) = ending.kind else { panic!("{:?}", ending.kind) };
    assert_eq!(question.kind, QuestionKind::UndoFailed);
    assert_eq!(question.task.to_string(), "b/undo");
    assert_eq!(question.deadline, None, "nothing happens to a stuck run by itself");
    assert_eq!(simulation.world.values()["b"], "1");
}

#[test]
fn behind_the_point_of_no_return_nothing_goes_back_by_itself() {
    for fault in FAULTS {
        let simulation = Simulation::new();
        simulation.world.fail("c", 1, fault);
        simulation.world.blind(true);
        let ending = simulation.start(&three(["sim.idempotent", "sim.final", "sim.once"]), None).ending();
        assert!(matches!(ending.kind, EndingKind::Waiting(_)), "{fault:?}: {:?}", ending.kind);
        assert_eq!(simulation.world.values()["b"], "1", "{fault:?}");
        assert_eq!(simulation.world.values()["a"], "1", "{fault:?}");
    }
}

#[test]
fn the_point_of_no_return_is_uncrossed_by_no_effect() {
    let simulation = Simulation::new();
    simulation.world.fail("b", 1, Fault::NoEffect);
    let ending = simulation.start(&three(["sim.idempotent", "sim.final", "sim.once"]), None).ending();
    assert_eq!(ending.kind, EndingKind::Finished(Verdict::RolledBack));
    assert_eq!(simulation.world.values(), initial());
}
