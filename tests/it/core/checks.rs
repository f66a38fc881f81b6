//! Identities, invariants and budgets in the simulated world: when they are looked at, and what becomes of the run.

use playbook::diagnostic::Span;
use playbook::engine::EndingKind;
use playbook::journal::{Failure, Journal};
use playbook::playbook::{Argument, Budget, Check, CheckKind, Expression, Playbook};
use playbook::run::{Answer, Event, Moment, QuestionKind, RequestKind, Verdict};
use playbook::sim::Fault;
use serde_json::json;

use super::harness::{Life, Simulation, step, three};

/// That a value is one of some.
fn check(kind: CheckKind, what: &str, values: &str) -> Check {
    let mut look = step("invariant_1", "sim.read");
    look.arguments = vec![("what".to_owned(), Argument::Literal(json!(what)))];
    let expression = Expression { source: format!("outputs.value in {values}"), span: Span::default() };
    Check { name: format!("{what} is well"), kind, group: None, step: look, expression, within: 0.0 }
}

/// `a`, `b`, `c`; the second is the point of no return where `last` says so.
fn book(check: Check, last: bool) -> Playbook {
    let middle = if last { "sim.final" } else { "sim.probed" };
    let mut book = three(["sim.idempotent", middle, "sim.idempotent"]);
    book.steps[2].on_failure = Some(playbook::playbook::OnFailure::Pause);
    book.checks = vec![check];
    book
}

fn looks(simulation: &Simulation) -> Vec<(String, Moment, bool)> {
    let records = simulation.journal.reopen().records(&simulation.run(), 0).unwrap();
    let of = |event: Event| match event {
        Event::Checked { task, moment, found, .. } => {
            Some((task.to_string(), moment, found.iter().all(|found| found.condition.held)))
        }
        _ => None,
    };
    records.into_iter().filter_map(|record| of(record.event)).collect()
}

fn at(task: &str, moment: Moment, held: bool) -> (String, Moment, bool) {
    (task.to_owned(), moment, held)
}

#[test]
fn what_holds_always_is_looked_at_before_the_first_change_and_after_each() {
    let simulation = Simulation::new();
    let book = book(check(CheckKind::Always, "a", "['0', '1']"), false);
    assert_eq!(simulation.start(&book, None).kind(), EndingKind::Finished(Verdict::Succeeded));
    let expected = [
        at("a", Moment::Before, true),
        at("a", Moment::After, true),
        at("b", Moment::After, true),
        at("c", Moment::After, true),
    ];
    assert_eq!(looks(&simulation), expected);
}

#[test]
fn before_the_point_of_no_return_a_broken_invariant_takes_the_run_back() {
    let simulation = Simulation::new();
    let book = book(check(CheckKind::Always, "b", "['0']"), false);
    assert_eq!(simulation.start(&book, None).kind(), EndingKind::Finished(Verdict::RolledBack));
    assert_eq!(simulation.world.value("a").as_deref(), Some("0"));
    assert_eq!(simulation.world.value("b").as_deref(), Some("0"));
    assert!(!simulation.state().tasks.contains_key(&"c".parse().unwrap()), "nothing began after it was found");
    let because = simulation.state().ended.unwrap().2;
    assert!(because.contains("`b is well` does not hold after b"), "{because}");
}

#[test]
fn what_is_broken_before_anything_is_changed_changes_nothing() {
    let simulation = Simulation::new();
    let book = book(check(CheckKind::Always, "a", "['7']"), false);
    assert_eq!(simulation.start(&book, None).kind(), EndingKind::Finished(Verdict::Failed));
    assert_eq!(simulation.world.value("a").as_deref(), Some("0"));
    assert!(simulation.state().order.is_empty());
}

#[test]
fn behind_the_point_of_no_return_a_person_is_asked() {
    for (answer, expected) in [
        (Answer::GoOn, EndingKind::Finished(Verdict::SucceededWithExceptions)),
        (Answer::Abandon, EndingKind::Finished(Verdict::Incomplete)),
    ] {
        let simulation = Simulation::new();
        let book = book(check(CheckKind::Always, "b", "['0']"), true);
        let kind = simulation.start(&book, None).kind();
        assert!(matches!(&kind, EndingKind::Waiting(q) if q.kind == QuestionKind::InvariantBroken), "{kind:?}");
        assert_eq!(simulation.world.value("c").as_deref(), Some("0"), "it waits");
        // After `c` it is looked at once more, and asked about once more.
        let mut kind = simulation.answer("b", answer).kind();
        if matches!(kind, EndingKind::Waiting(_)) {
            kind = simulation.answer("c", answer).kind();
        }
        assert_eq!(kind, expected);
    }
}

#[test]
fn what_was_mended_is_looked_at_again() {
    let simulation = Simulation::new();
    let book = book(check(CheckKind::Always, "x", "['fine']"), true);
    simulation.world.set("x", "fine");
    let mut held = book.clone();
    held.checks[0].kind = CheckKind::Checkpoints;
    held.steps[1].checkpoint = Some("safe".to_owned());
    simulation.world.set("x", "bad");
    let kind = simulation.start(&held, None).kind();
    assert!(matches!(&kind, EndingKind::Waiting(q) if q.kind == QuestionKind::InvariantBroken), "{kind:?}");
    assert!(simulation.state().checkpoints.is_empty(), "the checkpoint is not reached");
    assert!(matches!(simulation.answer("b", Answer::Retry).kind(), EndingKind::Waiting(_)), "it is still bad");
    simulation.world.set("x", "fine");
    assert_eq!(simulation.answer("b", Answer::Retry).kind(), EndingKind::Finished(Verdict::SucceededWithExceptions));
    assert_eq!(simulation.state().checkpoints.len(), 1);
}

#[test]
fn at_checkpoints_alone_means_there_alone() {
    let simulation = Simulation::new();
    let mut book = book(check(CheckKind::Checkpoints, "a", "['1']"), false);
    book.steps[1].checkpoint = Some("safe".to_owned());
    assert_eq!(simulation.start(&book, None).kind(), EndingKind::Finished(Verdict::Succeeded));
    assert_eq!(looks(&simulation), [at("b", Moment::Checkpoint, true)]);
}

#[test]
fn nobody_is_touched_who_is_not_who_they_should_be() {
    let simulation = Simulation::new();
    let book = book(check(CheckKind::Identity, "name", "['orders']"), false);
    simulation.world.set("name", "payments");
    assert_eq!(simulation.start(&book, None).kind(), EndingKind::Finished(Verdict::Failed));
    assert_eq!(simulation.world.value("a").as_deref(), Some("0"));
}

/// The target is another one when the run is taken up again: nothing is changed there, not even by an undo.
#[test]
fn whoever_takes_a_run_up_looks_whom_it_talks_to() {
    let simulation = Simulation::new();
    let book = book(check(CheckKind::Identity, "name", "['orders']"), false);
    simulation.world.set("name", "orders");
    // Killed right after `a` is done.
    let killed = (0..20).find(|write| {
        let trial = Simulation::new();
        trial.world.set("name", "orders");
        let _ = trial.start(&book, Some(Failure::Unacknowledged(*write)));
        trial.has_run()
            && trial.world.value("a").as_deref() == Some("1")
            && trial.world.value("b").as_deref() == Some("0")
    });
    let _ = simulation.start(&book, Some(Failure::Unacknowledged(killed.unwrap() + 1)));
    assert_eq!(simulation.world.value("b").as_deref(), Some("0"));
    simulation.world.set("name", "payments");
    let kind = simulation.resume(None).kind();
    assert!(matches!(&kind, EndingKind::Waiting(q) if q.kind == QuestionKind::WrongIdentity), "{kind:?}");
    let kind = simulation.request(RequestKind::Cancel).kind();
    assert!(matches!(&kind, EndingKind::Waiting(q) if q.kind == QuestionKind::WrongIdentity), "{kind:?}");
    assert_eq!(simulation.world.value("a").as_deref(), Some("1"), "the undo touches it as little");
    simulation.world.set("name", "orders");
    let task = simulation.state().question.unwrap().task.to_string();
    assert_eq!(simulation.answer(&task, Answer::Retry).kind(), EndingKind::Finished(Verdict::RolledBack));
    assert_eq!(simulation.world.value("a").as_deref(), Some("0"));
}

#[test]
fn what_nobody_can_tell_does_not_hold() {
    let simulation = Simulation::new();
    let mut book = book(check(CheckKind::Always, "a", "['0', '1']"), false);
    book.checks[0].expression.source = "outputs.valu == '0'".to_owned();
    assert_eq!(simulation.start(&book, None).kind(), EndingKind::Finished(Verdict::Failed));
    assert_eq!(simulation.world.value("a").as_deref(), Some("0"));
}

/// Killed at every record, the looks that are owed are made by whoever goes on.
#[test]
fn a_killed_runner_owes_the_look() {
    let book = book(check(CheckKind::Always, "b", "['0']"), false);
    let mut tried = 0;
    for write in 0..40 {
        for failure in [Failure::Before(write), Failure::Unacknowledged(write)] {
            let simulation = Simulation::new();
            if !matches!(simulation.start(&book, Some(failure)), Life::Failed(_)) || !simulation.has_run() {
                continue;
            }
            tried += 1;
            let kind = simulation.resume(None).kind();
            assert_eq!(kind, EndingKind::Finished(Verdict::RolledBack), "{write}");
            assert_eq!(simulation.world.value("b").as_deref(), Some("0"));
            assert_eq!(simulation.world.value("c").as_deref(), Some("0"));
        }
    }
    assert!(tried > 20, "{tried}");
}

fn with_budget(mut book: Playbook, max: f64) -> Playbook {
    book.checks.clear();
    book.budgets = vec![Budget { from: "a".parse().unwrap(), to: "c".parse().unwrap(), max }];
    book
}

/// A retry that waits long is how time passes in this world.
fn slow(mut book: Playbook, place: usize, seconds: f64) -> Playbook {
    book.steps[place].retry = playbook::playbook::Retry { attempts: 2, delay: seconds, backoff: 1.0, max_delay: 100.0 };
    book
}

#[test]
fn a_budget_that_is_exceeded_takes_the_run_back() {
    let simulation = Simulation::new();
    simulation.world.fail("b", 1, Fault::NoEffect);
    let book = slow(with_budget(book(check(CheckKind::Always, "a", "['1']"), false), 2.0), 1, 8.0);
    assert_eq!(simulation.start(&book, None).kind(), EndingKind::Finished(Verdict::RolledBack));
    let state = simulation.state();
    assert!(state.ended.as_ref().unwrap().2.contains("from a to c it may take 2"), "{:?}", state.ended);
    let took = state.updated.seconds_since(state.started);
    assert!((2.0..3.0).contains(&took), "it was found out in time: {took}");
    assert_eq!(simulation.world.value("a").as_deref(), Some("0"));
}

#[test]
fn within_its_budget_a_run_is_left_alone() {
    let simulation = Simulation::new();
    simulation.world.fail("b", 1, Fault::NoEffect);
    let book = slow(with_budget(book(check(CheckKind::Always, "a", "['1']"), false), 20.0), 1, 8.0);
    assert_eq!(simulation.start(&book, None).kind(), EndingKind::Finished(Verdict::Succeeded));
}

#[test]
fn behind_the_point_of_no_return_a_budget_is_told_and_the_run_goes_on() {
    let simulation = Simulation::new();
    simulation.world.fail("c", 1, Fault::NoEffect);
    let book = slow(with_budget(book(check(CheckKind::Always, "a", "['1']"), true), 2.0), 2, 8.0);
    assert_eq!(simulation.start(&book, None).kind(), EndingKind::Finished(Verdict::SucceededWithExceptions));
    let exceeded = |event: &Event| matches!(event, Event::BudgetExceeded { .. });
    let records = simulation.journal.reopen().records(&simulation.run(), 0).unwrap();
    assert_eq!(records.iter().filter(|record| exceeded(&record.event)).count(), 1, "it is told once");
}
