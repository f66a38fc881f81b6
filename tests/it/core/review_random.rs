//! Random faults, kills, requests and answers: a run always ends in a verdict or a question, nothing takes effect twice that
//! must not, and what is rolled back is as it was.

use playbook::engine::EndingKind;
use playbook::journal::{Failure, Journal};
use playbook::playbook::{OnFailure, Playbook, Rollback};
use playbook::run::{Answer, Question, QuestionKind, RequestKind, Time, Verdict};
use playbook::sim::Fault;
use proptest::prelude::*;

use super::harness::{Life, Simulation, policies, three};

#[derive(Debug, Clone)]
enum Move {
    Resume,
    Kill(Failure),
    Ask(RequestKind),
    AskAndKill(RequestKind, Failure),
    Halt,
    Lift,
    /// An answer that is there to be given, by its number; true to what the world shows.
    Answer(usize),
}

fn failure() -> impl Strategy<Value = Failure> {
    (0..14_u64, any::<bool>()).prop_map(|(n, lost)| if lost { Failure::Unacknowledged(n) } else { Failure::Before(n) })
}

fn request() -> impl Strategy<Value = RequestKind> {
    prop_oneof![
        Just(RequestKind::Cancel),
        Just(RequestKind::Pause),
        Just(RequestKind::FinishItems),
        Just(RequestKind::Abort),
        Just(RequestKind::Rollback { to: None, despite_halt: false }),
        Just(RequestKind::Rollback { to: None, despite_halt: true }),
        Just(RequestKind::Rollback { to: Some("after_a".to_owned()), despite_halt: false }),
    ]
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        3 => Just(Move::Resume),
        3 => failure().prop_map(Move::Kill),
        2 => request().prop_map(Move::Ask),
        2 => (request(), failure()).prop_map(|(request, failure)| Move::AskAndKill(request, failure)),
        1 => Just(Move::Halt),
        1 => Just(Move::Lift),
        4 => (0..5_usize).prop_map(Move::Answer),
    ];
    proptest::collection::vec(one, 0..8)
}

fn faults() -> impl Strategy<Value = Vec<(&'static str, u32, Fault)>> {
    let task = prop::sample::select(vec!["a", "b", "c", "b", "c", "a/undo", "b/undo", "c/undo"]);
    let fault = prop::sample::select(vec![
        Fault::NoEffect,
        Fault::FailedBefore,
        Fault::FailedAfter,
        Fault::UnknownBefore,
        Fault::UnknownAfter,
        Fault::KilledBefore,
        Fault::KilledAfter,
    ]);
    proptest::collection::vec((task, 1..4_u32, fault), 0..6)
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

/// How often the world shows that a task took effect, undone or not.
fn standing(simulation: &Simulation, step: &str) -> bool {
    simulation.world.values()[step] == "1"
}

/// An answer that is true: what took effect is not said not to have, and what is uncertain is not run again.
fn true_answer(simulation: &Simulation, question: &Question, choice: usize) -> Answer {
    let task = &question.task;
    let took = standing(simulation, task.step.as_str()) != task.is_undo();
    let truth = if took { Answer::TookEffect } else { Answer::DidNot };
    let choices = match question.kind {
        QuestionKind::UnknownOutcome => vec![truth, truth, Answer::Undo],
        QuestionKind::StepFailed => vec![if took { Answer::TookEffect } else { Answer::Retry }, Answer::Undo],
        QuestionKind::UndoFailed => vec![Answer::Retry],
        // What failed and took effect all the same is run again only by a person who wants just that.
        QuestionKind::BehindPointOfNoReturn if question.message.contains("failed") && took => vec![Answer::Abandon],
        QuestionKind::BehindPointOfNoReturn => vec![Answer::Retry, Answer::Abandon],
        other => panic!("nothing asks {other:?} here"),
    };
    choices[choice % choices.len()]
}

fn open_question(simulation: &Simulation) -> Option<Question> {
    simulation.state().question
}

fn play(simulation: &Simulation, step: &Move) -> Option<Life> {
    Some(match step {
        Move::Resume => simulation.resume(None),
        Move::Kill(failure) => simulation.resume(Some(*failure)),
        Move::Ask(request) => {
            simulation.ask(request.clone());
            simulation.resume(None)
        }
        Move::AskAndKill(request, failure) => {
            simulation.ask(request.clone());
            simulation.resume(Some(*failure))
        }
        Move::Halt => {
            simulation.journal.reopen().halt("tester", "", Time(0)).unwrap();
            simulation.resume(None)
        }
        Move::Lift => {
            simulation.journal.reopen().lift("tester", "it is over", Time(0)).unwrap();
            simulation.resume(None)
        }
        Move::Answer(choice) => {
            let question = open_question(simulation)?;
            let answer = true_answer(simulation, &question, *choice);
            simulation.ask(RequestKind::Resolve { task: question.task, answer });
            simulation.resume(None)
        }
    })
}

/// No step takes effect again unless it was undone in between.
fn check_effects(simulation: &Simulation, book: &Playbook) {
    for step in &book.steps {
        if step.action == "sim.idempotent" {
            continue;
        }
        let mut stands = false;
        for task in simulation.world.applied() {
            if task == step.id.as_str() {
                assert!(!stands, "{task} took effect twice: {:?}", simulation.world.applied());
                stands = true;
            } else if task == format!("{}/undo", step.id) {
                stands = false;
            }
        }
    }
}

fn check_verdict(simulation: &Simulation, book: &Playbook, verdict: Verdict) {
    let world = simulation.world.values();
    let summary = simulation.state().ended.unwrap().2;
    match verdict {
        Verdict::Succeeded => assert!(world.values().all(|value| value == "1"), "{world:?}"),
        Verdict::RolledBack | Verdict::Failed => {
            for step in &book.steps {
                let kept = matches!(step.rollback, Rollback::None { .. }) || summary.contains("by hand");
                assert!(kept || world[step.id.as_str()] == "0", "{verdict:?} {world:?} {summary}");
            }
        }
        Verdict::RolledBackToCheckpoint => assert_eq!(world["a"], "1"),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_a_run_ends_or_asks(
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
                check_effects(&simulation, &book);
            }
            simulation.journal.reopen().lift("tester", "it is over", Time(0)).unwrap();
            let mut verdict = simulation.state().ended.map(|(verdict, ..)| verdict);
            for round in 0..40 {
                if verdict.is_some() {
                    break;
                }
                prop_assert!(round < 39, "it comes to no end: {:?}", simulation.state().question);
                match simulation.resume(None) {
                    Life::Ended(ending) => match ending.kind {
                        EndingKind::Finished(end) => verdict = Some(end),
                        EndingKind::Waiting(_) => drop(play(&simulation, &Move::Answer(usize::from(round > 10)))),
                        EndingKind::Stopped(_) => {}
                        EndingKind::Left | EndingKind::GivenBack | EndingKind::Halted => prop_assert!(false, "nobody pressed anything"),
                    },
                    Life::Killed => {}
                    Life::Failed(error) => prop_assert!(simulation.state().ended.is_some(), "{error}"),
                }
                verdict = verdict.or(simulation.state().ended.map(|(verdict, ..)| verdict));
            }
            check_effects(&simulation, &book);
            if let Some(verdict) = verdict {
                check_verdict(&simulation, &book, verdict);
            }
            prop_assert_eq!(simulation.journal.reopen().verify(&simulation.run()).unwrap().broken, None);
        }
    }
}
