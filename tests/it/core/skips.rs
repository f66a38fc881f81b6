//! What people take out of a run's hands: it is never begun, the run ends, and what is refused changes nothing.

use playbook::diagnostic::Span;
use playbook::engine::EndingKind;
use playbook::journal::{Failure, Journal};
use playbook::playbook::{Argument, Expression, OnFailure, Playbook, Template, Verify};
use playbook::run::{Answer, Event, Question, QuestionKind, RequestKind, RunState, SkipHow, Verdict};
use playbook::sim::Fault;
use proptest::prelude::*;
use serde_json::json;

use super::harness::{Life, Simulation, policies, three};

fn skip(task: &str, how: SkipHow) -> RequestKind {
    RequestKind::Skip { task: task.parse().unwrap(), how, outputs: json!({}) }
}

/// A run that waits, as `b` failed.
fn failed(mut book: Playbook) -> Simulation {
    let simulation = Simulation::new();
    simulation.world.fail("b", 1, Fault::FailedBefore);
    book.steps[1].on_failure = Some(OnFailure::Pause);
    let kind = simulation.start(&book, None).kind();
    assert!(matches!(kind, EndingKind::Waiting(_)), "{kind:?}");
    simulation
}

fn world(simulation: &Simulation) -> Vec<String> {
    simulation.world.values().into_values().collect()
}

fn summary(simulation: &Simulation) -> String {
    simulation.state().ended.unwrap().2
}

/// That a request is refused, with these words, and nothing is changed by it.
#[track_caller]
fn refused(simulation: &Simulation, request: RequestKind, words: &str) {
    let before = simulation.state();
    let Life::Failed(error) = simulation.request(request) else { panic!("it was not refused") };
    assert!(error.to_string().contains(words), "{error}");
    assert_eq!(simulation.state(), before);
}

#[test]
fn a_step_ahead_is_skipped_and_the_run_says_so() {
    let simulation = failed(three(["sim.idempotent"; 3]));
    let kind = simulation.request(skip("c", SkipHow::NotNeeded)).kind();
    assert!(matches!(kind, EndingKind::Waiting(_)), "the question stays open: {kind:?}");
    let kind = simulation.answer("b", Answer::Retry).kind();
    assert_eq!(kind, EndingKind::Finished(Verdict::SucceededWithExceptions));
    assert_eq!(world(&simulation), ["1", "1", "0"]);
    assert!(summary(&simulation).contains("c: not needed, said "), "{}", summary(&simulation));
}

#[test]
fn a_step_that_is_asked_about_is_passed_over() {
    let simulation = failed(three(["sim.idempotent"; 3]));
    let kind = simulation.request(skip("b", SkipHow::NotNeeded)).kind();
    assert_eq!(kind, EndingKind::Finished(Verdict::SucceededWithExceptions));
    assert_eq!(world(&simulation), ["1", "0", "1"]);
}

#[test]
fn what_needs_a_skipped_step_is_skipped_too() {
    let mut book = three(["sim.idempotent"; 3]);
    book.steps[2].needs = vec!["b".parse().unwrap()];
    let simulation = failed(book);
    assert_eq!(simulation.state().skipped_with(&"b".parse().unwrap()), ["c".parse().unwrap()]);
    simulation.request(skip("b", SkipHow::NotNeeded)).kind();
    assert_eq!(world(&simulation), ["1", "0", "0"]);
}

#[test]
fn what_was_done_by_hand_is_not_undone_and_the_end_says_so() {
    let simulation = failed(three(["sim.idempotent"; 3]));
    simulation.request(skip("c", SkipHow::DoneByHand)).kind();
    simulation.world.set("c", "mine");
    assert_eq!(simulation.request(RequestKind::Cancel).kind(), EndingKind::Finished(Verdict::RolledBack));
    assert_eq!(world(&simulation), ["0", "0", "mine"]);
    assert!(summary(&simulation).contains("c: done by hand"), "{}", summary(&simulation));
}

#[test]
fn a_point_of_no_return_that_is_done_by_hand_is_crossed() {
    for by_skip in [true, false] {
        let simulation = Simulation::new();
        // It is refused before any effect: the run itself has never crossed it.
        simulation.world.fail("b", 1, Fault::NoEffect);
        let mut book = three(["sim.idempotent", "sim.final", "sim.idempotent"]);
        book.steps[1].on_failure = Some(OnFailure::Pause);
        book.steps[2].on_failure = Some(OnFailure::Pause);
        simulation.world.fail("c", 1, Fault::FailedBefore);
        simulation.start(&book, None).kind();
        assert_eq!(simulation.state().point_of_no_return(), None);
        simulation.world.set("b", "1");
        let kind = match by_skip {
            true => simulation.request(skip("b", SkipHow::DoneByHand)).kind(),
            false => simulation.answer("b", Answer::TookEffect).kind(),
        };
        assert!(matches!(kind, EndingKind::Waiting(_)), "c failed: {kind:?}");
        assert_eq!(simulation.state().point_of_no_return(), Some(&"b".parse().unwrap()));
        let kind = simulation.request(RequestKind::Cancel).kind();
        let EndingKind::Waiting(question) = kind else { panic!("it went back over it: {kind:?}") };
        assert_eq!(question.kind, QuestionKind::BehindPointOfNoReturn);
        assert_eq!(world(&simulation), ["1", "1", "0"]);
    }
}

#[test]
fn a_hand_that_slipped_is_found_out_and_its_step_is_not_run_unasked() {
    let mut book = three(["sim.idempotent"; 3]);
    let source = "facts.value == '1'".to_owned();
    book.steps[2].verify = vec![Verify { expression: Expression { source, span: Span::default() }, within: 0.0 }];
    book.steps[2].retry.attempts = 3;
    let simulation = failed(book);
    simulation.request(skip("c", SkipHow::DoneByHand)).kind();
    let kind = simulation.request(skip("b", SkipHow::NotNeeded)).kind();
    let EndingKind::Waiting(question) = kind else { panic!("nobody looked: {kind:?}") };
    assert!(question.task.to_string() == "c" && question.message.contains("does not hold"), "{question:?}");
    assert_eq!(world(&simulation), ["1", "0", "0"]);
    simulation.world.set("c", "1");
    let kind = simulation.request(skip("c", SkipHow::DoneByHand)).kind();
    assert_eq!(kind, EndingKind::Finished(Verdict::SucceededWithExceptions));
    assert_eq!(simulation.world.applied().iter().filter(|task| *task == "c").count(), 0);
}

#[test]
fn what_later_steps_use_must_be_given() {
    let mut book = three(["sim.idempotent"; 3]);
    let source = "{{steps.b.outputs.value}}".to_owned();
    book.steps[2].arguments[1].1 = Argument::Template(Template { source, span: Span::default() });
    let simulation = failed(book);
    for how in [SkipHow::NotNeeded, SkipHow::DoneByHand] {
        refused(&simulation, skip("b", how), "c (value)");
    }
    let task = "b".parse().unwrap();
    let given = RequestKind::Skip { task, how: SkipHow::DoneByHand, outputs: json!({ "value": "7" }) };
    assert_eq!(simulation.request(given).kind(), EndingKind::Finished(Verdict::SucceededWithExceptions));
    assert_eq!(world(&simulation), ["1", "0", "7"]);
}

#[test]
fn what_cannot_be_skipped_is_refused() {
    let simulation = failed(three(["sim.idempotent"; 3]));
    refused(&simulation, skip("a", SkipHow::NotNeeded), "a is done already");
    refused(&simulation, skip("d", SkipHow::NotNeeded), "no step d");
    refused(&simulation, skip("a@x", SkipHow::NotNeeded), "not run for items");
    refused(&simulation, skip("a/undo", SkipHow::DoneByHand), "does not undo");
    simulation.request(skip("c", SkipHow::NotNeeded)).kind();
    refused(&simulation, skip("c", SkipHow::DoneByHand), "has said already");
    simulation.request(RequestKind::Abort).kind();
    refused(&simulation, skip("b", SkipHow::NotNeeded), "has ended");
}

/// A run that is stuck, as the undo of `b` fails.
fn stuck() -> Simulation {
    let simulation = Simulation::new();
    simulation.world.fail("c", 1, Fault::FailedBefore);
    for attempt in 1..=4 {
        simulation.world.fail("b/undo", attempt, Fault::FailedBefore);
    }
    let kind = simulation.start(&three(["sim.idempotent"; 3]), None).kind();
    assert!(matches!(kind, EndingKind::Waiting(_)), "{kind:?}");
    simulation
}

#[test]
fn a_part_of_an_undo_is_undone_by_hand_or_needs_none() {
    for (how, words) in [(SkipHow::DoneByHand, "undone by hand"), (SkipHow::NotNeeded, "needs no undo")] {
        let simulation = stuck();
        refused(&simulation, skip("b", how), "begins no step any more");
        refused(&simulation, skip("b/undo/1", how), "there is no b/undo/1");
        let kind = simulation.request(skip("b/undo", how)).kind();
        assert_eq!(kind, EndingKind::Finished(Verdict::RolledBack));
        assert_eq!(world(&simulation), ["0", "1", "0"]);
        let state = simulation.state();
        assert!(state.exceptions.iter().any(|said| said.contains(words)), "{:?}", state.exceptions);
        let left = summary(&simulation).contains("b: left as it is");
        assert_eq!(left, how == SkipHow::NotNeeded, "{}", summary(&simulation));
    }
}

#[derive(Debug, Clone)]
enum Move {
    Resume,
    Kill(Failure),
    Skip(&'static str, SkipHow),
    SkipAndKill(&'static str, SkipHow, Failure),
    Ask(RequestKind),
    Answer(usize),
}

fn failure() -> impl Strategy<Value = Failure> {
    (0..14_u64, any::<bool>()).prop_map(|(n, lost)| if lost { Failure::Unacknowledged(n) } else { Failure::Before(n) })
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let task = || prop::sample::select(vec!["a", "b", "c", "b", "c", "a/undo", "b/undo", "c/undo"]);
    let how = || prop::sample::select(vec![SkipHow::DoneByHand, SkipHow::NotNeeded]);
    let ask = prop::sample::select(vec![
        RequestKind::Cancel,
        RequestKind::Pause,
        RequestKind::Rollback { to: None, despite_halt: false },
    ]);
    let one = prop_oneof![
        2 => Just(Move::Resume),
        2 => failure().prop_map(Move::Kill),
        5 => (task(), how()).prop_map(|(task, how)| Move::Skip(task, how)),
        3 => (task(), how(), failure()).prop_map(|(task, how, failure)| Move::SkipAndKill(task, how, failure)),
        1 => ask.prop_map(Move::Ask),
        4 => (0..4_usize).prop_map(Move::Answer),
    ];
    proptest::collection::vec(one, 1..8)
}

fn faults() -> impl Strategy<Value = Vec<(&'static str, u32, Fault)>> {
    let task = prop::sample::select(vec!["a", "b", "c", "b", "c", "a/undo", "b/undo"]);
    let all = vec![
        Fault::NoEffect,
        Fault::FailedBefore,
        Fault::FailedAfter,
        Fault::UnknownBefore,
        Fault::UnknownAfter,
        Fault::KilledBefore,
        Fault::KilledAfter,
    ];
    proptest::collection::vec((task, 1..4_u32, prop::sample::select(all)), 0..6)
}

fn books() -> impl Strategy<Value = Playbook> {
    let action = || prop::sample::select(vec!["sim.idempotent", "sim.keyed", "sim.probed", "sim.once", "sim.final"]);
    let policy = || prop::sample::select(policies());
    ([action(), action(), action()], policy(), policy(), 1..4_u32).prop_map(|(actions, second, third, attempts)| {
        let mut book = three(actions);
        book.steps[0].checkpoint = Some("after_a".to_owned());
        for step in &mut book.steps {
            step.retry.attempts = attempts;
        }
        book.steps[1].on_failure = second;
        book.steps[2].on_failure = third.filter(|policy| !matches!(policy, OnFailure::Step(_)));
        book
    })
}

fn answer(question: &Question, choice: usize) -> Answer {
    let choices = question.kind.answers();
    choices[choice % choices.len()]
}

fn play(simulation: &Simulation, step: &Move) {
    match step {
        Move::Resume => drop(simulation.resume(None)),
        Move::Kill(failure) => drop(simulation.resume(Some(*failure))),
        Move::Skip(task, how) => {
            simulation.ask(skip(task, *how));
            simulation.resume(None);
        }
        Move::SkipAndKill(task, how, failure) => {
            simulation.ask(skip(task, *how));
            simulation.resume(Some(*failure));
        }
        Move::Ask(request) => {
            simulation.ask(request.clone());
            simulation.resume(None);
        }
        Move::Answer(choice) => {
            if let Some(question) = simulation.state().question {
                let answer = answer(&question, *choice);
                simulation.ask(RequestKind::Resolve { task: question.task, answer });
                simulation.resume(None);
            }
        }
    }
}

/// What was taken out of the run's hands is not begun any more, unless somebody gives it back: by having it tried again, or
/// by undoing it and going forward once more.
fn check_records(simulation: &Simulation) -> usize {
    let run = simulation.run();
    let mut out: Vec<playbook::run::Task> = Vec::new();
    let mut accepted = 0;
    for record in simulation.journal.reopen().records(&run, 0).unwrap() {
        match record.event {
            Event::SkippedByPerson { task, .. } => {
                accepted += 1;
                out.push(task);
            }
            Event::Answered { task, answer: Answer::Retry, .. } => out.retain(|other| *other != task),
            Event::Intent { task, .. } => {
                assert!(!out.contains(&task), "{task} was begun after it was taken out of the run's hands");
                // What is undone no longer stands as a person left it.
                out.retain(|other| other.is_undo() || !task.is_undo() || other.step != task.step);
            }
            _ => {}
        }
    }
    accepted
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn what_is_skipped_never_begins_and_every_run_ends(
        book in books(), faults in faults(), blind in any::<bool>(), first in proptest::option::of(failure()), moves in moves(),
    ) {
        let simulation = Simulation::new();
        simulation.world.blind(blind);
        for (task, attempt, fault) in &faults {
            simulation.world.fail(task, *attempt, *fault);
        }
        simulation.start(&book, first);
        if simulation.has_run() {
            for step in &moves {
                if simulation.state().ended.is_none() {
                    play(&simulation, step);
                }
            }
            for round in 0..40 {
                if simulation.state().ended.is_some() {
                    break;
                }
                prop_assert!(round < 39, "it comes to no end: {:?}", simulation.state().question);
                play(&simulation, &Move::Resume);
                // The safest answer first, then whatever ends it.
                play(&simulation, &Move::Answer(if round > 10 { usize::MAX } else { round }));
                if round > 20 && simulation.state().ended.is_none() {
                    play(&simulation, &Move::Ask(RequestKind::Abort));
                }
            }
            check_records(&simulation);
            prop_assert_eq!(simulation.journal.reopen().verify(&simulation.run()).unwrap().broken, None);
        }
    }
}

#[test]
fn records_in_which_a_skipped_step_begins_are_refused() {
    let simulation = failed(three(["sim.idempotent"; 3]));
    simulation.request(skip("c", SkipHow::NotNeeded)).kind();
    let (run, mut journal) = (simulation.run(), simulation.journal.reopen());
    let lease = journal.lease(&run).unwrap();
    let reason = playbook::run::LeaseReason::Resume;
    let (lease, _) = journal.take(&run, lease.epoch, &lease.holder, reason, "x", playbook::run::Time(0)).unwrap();
    let intent = Event::Intent {
        task: "c".parse().unwrap(),
        attempt: 1,
        arguments: json!({}),
        before: json!(null),
        key: "k".to_owned(),
        effect: playbook::spec::Effect::Idempotent,
        timeout: 1.0,
        reverts_after: None,
    };
    journal.append(&lease, "x", playbook::run::Time(1), vec![intent], &[]).unwrap();
    let illegal = RunState::replay(&run, &journal.records(&run, 0).unwrap()).unwrap_err();
    assert!(illegal.why.contains("c is not needed"), "{illegal}");
}
