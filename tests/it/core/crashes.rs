//! The runner killed at every write of its journal and around every effect, and once more during the recovery: nothing runs
//! twice that must not, and the run always finishes, is rolled back, or waits for a person.

use playbook::engine::EndingKind;
use playbook::journal::{Failure, Journal};
use playbook::playbook::Playbook;
use playbook::run::{Answer, QuestionKind, Verdict};
use playbook::sim::Fault;

use super::harness::{Life, Simulation, three};

/// Resumes until the run ends or waits; answers what is asked about an unknown outcome by looking at the world.
fn recover(case: &str, simulation: &Simulation) -> Option<Verdict> {
    if let Some((verdict, ..)) = simulation.state().ended {
        return Some(verdict);
    }
    let mut life = simulation.resume(None);
    for _ in 0..10 {
        let EndingKind::Waiting(question) = life.kind() else {
            return simulation.state().ended.map(|(verdict, ..)| verdict);
        };
        assert_eq!(question.kind, QuestionKind::UnknownOutcome, "{case}");
        let took = simulation.world.applied().contains(&question.task.to_string());
        life = simulation.answer(&question.task.to_string(), if took { Answer::TookEffect } else { Answer::DidNot });
    }
    panic!("{case}: it never comes to an end");
}

fn check(case: &str, simulation: &Simulation, verdict: Option<Verdict>) {
    let applied = simulation.world.applied();
    for step in ["a", "b", "c"] {
        let times = applied.iter().filter(|task| task.as_str() == step).count();
        assert!(times <= 1, "{case}: {step} took effect {times} times: {applied:?}");
    }
    let world = simulation.world.values();
    match verdict {
        Some(Verdict::Succeeded | Verdict::SucceededWithExceptions) => {
            assert!(world.values().all(|value| value == "1"), "{case}: {world:?}");
        }
        Some(Verdict::RolledBack | Verdict::Failed) => {
            assert!(world.values().all(|value| value == "0"), "{case}: {world:?}");
        }
        other => panic!("{case}: ended as {other:?}"),
    }
    assert_eq!(simulation.journal.reopen().verify(&simulation.run()).unwrap().broken, None, "{case}");
}

/// Starts a run whose journal dies at its n-th write, for every n until one comes to its end; recovers each.
fn kill_at_every_write(name: &str, book: &Playbook, prepare: impl Fn(&Simulation)) -> u32 {
    let (each, merged) = (kill_at_each(name, book, false, &prepare), kill_at_each(name, book, true, &prepare));
    assert!(merged < each, "{name}: no outcome reached the disk together with what was behind it");
    each
}

/// The same where an outcome reaches the disk with the write behind it (`merged`), or alone.
fn kill_at_each(name: &str, book: &Playbook, merged: bool, prepare: &impl Fn(&Simulation)) -> u32 {
    let mut killed = 0;
    for write in 0..200 {
        for failure in [Failure::Before(write), Failure::Unacknowledged(write)] {
            let mut simulation = Simulation::new();
            simulation.journal.postpone_outcomes(merged);
            prepare(&simulation);
            let case = format!("{name}, merged: {merged}, {failure:?}");
            match simulation.start(book, Some(failure)) {
                Life::Ended(_) => return killed,
                Life::Killed => panic!("{case}: it hangs"),
                Life::Failed(_) => killed += 1,
            }
            if simulation.journal.reopen().runs().unwrap().is_empty() {
                assert!(simulation.world.applied().is_empty(), "{case}: something ran without a run");
                continue;
            }
            let verdict = recover(&case, &simulation);
            check(&case, &simulation, verdict);
        }
    }
    panic!("{name}: it never comes to an end");
}

#[test]
fn killed_at_every_write_of_a_run_that_succeeds() {
    for action in ["sim.keyed", "sim.probed", "sim.once"] {
        let killed = kill_at_every_write(action, &three([action; 3]), |_| {});
        assert!(killed > 10, "{action}: only {killed} writes were there to be killed at");
    }
}

#[test]
fn killed_at_every_write_of_a_run_that_rolls_back() {
    for action in ["sim.keyed", "sim.probed", "sim.once"] {
        let killed = kill_at_every_write(action, &three([action; 3]), |simulation| {
            for attempt in 1..=3 {
                simulation.world.fail("c", attempt, Fault::FailedBefore);
            }
        });
        assert!(killed > 16, "{action}: only {killed} writes were there to be killed at");
    }
}

#[test]
fn killed_around_every_effect_and_again_while_recovering() {
    for action in ["sim.keyed", "sim.probed", "sim.once"] {
        for step in ["a", "b", "c", "b/undo", "a/undo"] {
            for fault in [Fault::KilledBefore, Fault::KilledAfter] {
                let simulation = Simulation::new();
                simulation.world.fail(step, 1, fault);
                if step.ends_with("undo") {
                    for attempt in 1..=3 {
                        simulation.world.fail("c", attempt, Fault::FailedBefore);
                    }
                }
                let case = format!("{action} {step} {fault:?}");
                assert!(
                    matches!(simulation.start(&three([action; 3]), None), Life::Killed),
                    "{case}: it was not killed"
                );
                for write in 0..4 {
                    // Killed again and again while it recovers.
                    simulation.resume(Some(Failure::Before(write)));
                }
                let verdict = recover(&case, &simulation);
                check(&case, &simulation, verdict);
            }
        }
    }
}

#[test]
fn an_idempotent_step_may_run_again_and_leads_to_the_same_world() {
    let killed = {
        let mut killed = 0;
        for write in 0..40 {
            let simulation = Simulation::new();
            match simulation.start(&three(["sim.idempotent"; 3]), Some(Failure::Before(write))) {
                Life::Ended(_) => break,
                _ => killed += 1,
            }
            if simulation.journal.reopen().runs().unwrap().is_empty() {
                continue;
            }
            assert_eq!(recover("idempotent", &simulation), Some(Verdict::Succeeded), "write {write}");
            assert!(simulation.world.values().values().all(|value| value == "1"));
        }
        killed
    };
    assert!(killed > 5);
}
