//! Groups under random faults, kills, policies, requests and answers: a run always ends in a verdict or a question, nothing
//! takes effect twice that must not, and what is rolled back is as it was.

use playbook::engine::EndingKind;
use playbook::journal::{Failure, Journal};
use playbook::playbook::{OnFailure, Playbook};
use playbook::run::{Answer, Question, QuestionKind, RequestKind, RunState, Status, Task, Verdict};
use playbook::sim::Fault;
use proptest::prelude::*;

use super::groups::{Node, doings, leaving, playbook_of};
use super::harness::{Life, Simulation};

#[derive(Debug, Clone)]
enum Move {
    Resume,
    Kill(Failure),
    Ask(RequestKind),
    AskAndKill(RequestKind, Failure),
    /// An answer that is there to be given, by its number; true to what the world shows.
    Answer(usize),
}

fn failure() -> impl Strategy<Value = Failure> {
    (0..30_u64, any::<bool>()).prop_map(|(n, lost)| if lost { Failure::Unacknowledged(n) } else { Failure::Before(n) })
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let request = || {
        prop::sample::select(vec![
            RequestKind::Cancel,
            RequestKind::Pause,
            RequestKind::FinishItems,
            RequestKind::Abort,
            RequestKind::Rollback { to: Some("safe".to_owned()), despite_halt: false },
        ])
    };
    let one = prop_oneof![
        3 => Just(Move::Resume),
        3 => failure().prop_map(Move::Kill),
        2 => request().prop_map(Move::Ask),
        2 => (request(), failure()).prop_map(|(request, failure)| Move::AskAndKill(request, failure)),
        5 => (0..6_usize).prop_map(Move::Answer),
    ];
    proptest::collection::vec(one, 0..10)
}

fn nodes() -> impl Strategy<Value = Vec<Node>> {
    let list = |final_too: bool| {
        let mut all = vec!["sim.idempotent", "sim.keyed", "sim.probed", "sim.once", "sim.read"];
        all.extend(final_too.then_some("sim.final"));
        prop::sample::select(all)
    };
    let actions = move |range, final_too| proptest::collection::vec(list(final_too), range);
    let node = prop_oneof![
        list(true).prop_map(Node::One),
        actions(2..4_usize, false).prop_map(Node::Parallel),
        actions(1..3_usize, false).prop_map(Node::Chains),
        (1..4_usize, 1..4_u32, 0..2_u32, actions(1..4_usize, true))
            .prop_map(|(items, size, max_failures, block)| Node::Each { items, size, max_failures, block }),
        (1..4_usize, 1..4_u32, 0..2_u32, actions(1..3_usize, false))
            .prop_map(|(items, size, max_failures, actions)| Node::Inner { items, size, max_failures, actions }),
    ];
    proptest::collection::vec(node, 1..5)
}

/// Gives every step and group a policy, the first node a checkpoint.
fn book_of(nodes: &[Node], choices: &[u8], attempts: u32) -> Playbook {
    let mut book = playbook_of(nodes);
    let last = format!("n{}", nodes.len() - 1);
    let mut choices = choices.iter().copied().cycle();
    let mut policy = |top: Option<&str>| match choices.next().unwrap_or(0) {
        0 => Some(OnFailure::Pause),
        1 => Some(OnFailure::Continue),
        2 => Some(OnFailure::Rollback),
        3 if top != Some("n0") => Some(OnFailure::RollbackTo("safe".to_owned())),
        4 if top.is_some_and(|top| top != last) => Some(OnFailure::Step(last.parse().unwrap())),
        _ => None,
    };
    for step in &mut book.steps {
        let id = step.id.to_string();
        let within_first = step.group.as_ref().is_some_and(|group| group.to_string().starts_with("n0"));
        let top = if within_first { Some("n0") } else { step.group.is_none().then_some(id.as_str()) };
        step.on_failure = policy(top).filter(|policy| !(within_first && matches!(policy, OnFailure::Step(_))));
        step.retry.attempts = attempts;
        if id == "n0" {
            step.checkpoint = Some("safe".to_owned());
        }
    }
    for group in &mut book.groups {
        let id = group.id.to_string();
        let top = if id.starts_with("n0") { Some("n0") } else { group.parent.is_none().then_some(id.as_str()) };
        group.on_failure = policy(top).filter(|policy| group.parent.is_none() || !matches!(policy, OnFailure::Step(_)));
        if id == "n0" {
            group.checkpoint = Some("safe".to_owned());
        }
    }
    book
}

fn fault() -> impl Strategy<Value = (prop::sample::Index, u32, Fault, bool)> {
    let fault = prop::sample::select(vec![
        Fault::NoEffect,
        Fault::FailedBefore,
        Fault::FailedAfter,
        Fault::UnknownBefore,
        Fault::UnknownAfter,
        Fault::KilledBefore,
        Fault::KilledAfter,
    ]);
    (any::<prop::sample::Index>(), 1..4_u32, fault, prop::bool::weighted(0.2))
}

struct Case {
    simulation: Simulation,
    tasks: Vec<(String, String)>,
}

impl Case {
    fn stands(&self, task: &str) -> bool {
        let value = self.tasks.iter().find(|(name, _)| name == task).map(|(_, value)| value.clone());
        value.is_some_and(|value| self.simulation.world.values().get(&value).is_some_and(|now| now == "1"))
    }

    /// Whether a step that is not passed stands all the same: who lets it run again wants just that.
    fn would_double(&self, state: &RunState) -> bool {
        let failed = |state: &&playbook::run::TaskState| {
            !state.passed && (matches!(state.status, Status::Failed { .. }) || state.verified == Some(false))
        };
        state.tasks.iter().any(|(task, state)| {
            !task.is_undo() && Some(state).as_ref().is_some_and(failed) && self.stands(&task.to_string())
        })
    }

    fn answer(&self, question: &Question, choice: usize) -> Answer {
        let task = &question.task;
        let took = self.stands(&task.doing().to_string()) != task.is_undo();
        let double = self.would_double(&self.simulation.state());
        let truth = if took { Answer::TookEffect } else { Answer::DidNot };
        let choices = match question.kind {
            QuestionKind::UnknownOutcome => vec![truth, truth, Answer::Undo],
            QuestionKind::StepFailed if took => vec![Answer::TookEffect, Answer::Undo],
            QuestionKind::StepFailed if double => vec![Answer::Undo],
            QuestionKind::StepFailed => vec![Answer::Retry, Answer::Undo],
            QuestionKind::UndoFailed => vec![Answer::Retry],
            QuestionKind::BehindPointOfNoReturn if double => vec![Answer::Abandon],
            QuestionKind::BehindPointOfNoReturn => vec![Answer::Retry, Answer::Abandon],
            other => panic!("nothing asks {other:?} here"),
        };
        choices[choice % choices.len()]
    }

    fn play(&self, step: &Move) -> Option<Life> {
        let simulation = &self.simulation;
        let life = match step {
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
            Move::Answer(choice) => {
                let question = simulation.state().question?;
                let answer = self.answer(&question, *choice);
                simulation.ask(RequestKind::Resolve { task: question.task, answer });
                simulation.resume(None)
            }
        };
        if let Life::Failed(error) = &life {
            assert!(!error.to_string().contains("cannot stand"), "{error}");
        }
        Some(life)
    }

    /// No step takes effect again unless it was undone in between.
    fn check_effects(&self, book: &Playbook) {
        let applied = self.simulation.world.applied();
        for (name, _) in &self.tasks {
            let step = book.step(&name.split('@').next().unwrap().parse().unwrap()).unwrap();
            if step.action == "sim.idempotent" || step.action == "sim.read" {
                continue;
            }
            let mut stands = false;
            for task in &applied {
                if task == name {
                    assert!(!stands, "{task} took effect twice: {applied:?}");
                    stands = true;
                } else if task == &format!("{name}/undo") {
                    stands = false;
                }
            }
        }
    }

    fn check_verdict(&self, book: &Playbook, verdict: Verdict) {
        let state = self.simulation.state();
        assert!(state.in_flight().next().is_none(), "something is still under way");
        let summary = state.ended.clone().unwrap().2;
        let doubtful = state.tasks.iter().find(|(_, s)| matches!(s.status, Status::Unknown | Status::Doubtful));
        for (name, _) in &self.tasks {
            let step = book.step(&name.split('@').next().unwrap().parse().unwrap()).unwrap();
            let stands = self.stands(name);
            match verdict {
                Verdict::Succeeded => assert!(stands || step.action == "sim.read", "{name} is not done: {summary}"),
                Verdict::RolledBack | Verdict::Failed => {
                    let kept = step.action == "sim.final" || summary.contains("by hand");
                    assert!(kept || !stands, "{verdict:?}: {name} stands: {summary}");
                }
                _ => {}
            }
        }
        if matches!(verdict, Verdict::Succeeded | Verdict::SucceededWithExceptions) {
            assert!(doubtful.is_none(), "{doubtful:?} is in doubt: {summary}");
            for (task, entered) in &state.entered {
                let around = book.group(&task.step).and_then(|group| group.parent.clone()).map(|id| Task::of(&id));
                let passed = |task: &Task| state.tasks.get(task).is_some_and(|state| state.passed);
                let passed_over = passed(task) || around.as_ref().is_some_and(passed);
                assert!(passed_over || !entered.too_many_failed(), "{task} failed, and it ended as {verdict:?}");
            }
        }
    }
}

fn cases() -> u32 {
    std::env::var("REVIEW_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(300)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_to_groups_a_run_ends_or_asks(
        nodes in nodes(), choices in proptest::collection::vec(0..9_u8, 1..8), attempts in 1..3_u32,
        faults in proptest::collection::vec(fault(), 0..6), blind in any::<bool>(),
        first in proptest::option::of(failure()), moves in moves(),
    ) {
        let book = book_of(&nodes, &choices, attempts);
        let case = Case { simulation: Simulation::new(), tasks: doings(&nodes) };
        let simulation = &case.simulation;
        simulation.world.blind(blind);
        for (index, attempt, fault, undo) in &faults {
            let task = &index.get(&case.tasks).0;
            simulation.world.fail(&if *undo { format!("{task}/undo") } else { task.clone() }, *attempt, *fault);
        }
        if let Life::Failed(error) = simulation.start(&book, first) {
            prop_assert!(!error.to_string().contains("cannot stand"), "{error}");
        }
        if simulation.has_run() {
            for step in &moves {
                if simulation.state().ended.is_none() {
                    case.play(step);
                }
                case.check_effects(&book);
            }
            let mut verdict = simulation.state().ended.map(|(verdict, ..)| verdict);
            for round in 0..80 {
                if verdict.is_some() {
                    break;
                }
                prop_assert!(round < 79, "it comes to no end: {:?}", simulation.state().question);
                if let Some(Life::Ended(ending)) = case.play(&Move::Resume)
                    && let EndingKind::Waiting(_) = ending.kind
                {
                    drop(case.play(&Move::Answer(usize::from(round > 10))));
                }
                verdict = simulation.state().ended.map(|(verdict, ..)| verdict);
            }
            case.check_effects(&book);
            if let Some(verdict) = verdict {
                case.check_verdict(&book, verdict);
            }
            prop_assert_eq!(simulation.journal.reopen().verify(&simulation.run()).unwrap().broken, None);
        }
    }
}

#[test]
fn what_was_passed_over_before_a_point_of_no_return_is_not_run_again_behind_it() {
    let nodes = [
        Node::Each { items: 2, size: 1, max_failures: 1, block: vec!["sim.once"] },
        Node::One("sim.final"),
        Node::One("sim.probed"),
    ];
    let simulation = Simulation::new();
    simulation.world.fail("n0_0@i2", 1, Fault::FailedAfter);
    simulation.world.fail("n2", 1, Fault::NoEffect);
    simulation.start(&leaving(playbook_of(&nodes)), None).ending();
    let ending = simulation.request(RequestKind::Cancel).ending();
    let task = ending.state.question.unwrap().task.to_string();
    let ending = simulation.answer(&task, Answer::Retry).ending();
    assert_eq!(ending.kind, EndingKind::Finished(Verdict::SucceededWithExceptions));
    assert_eq!(simulation.world.applied(), ["n0_0@i1", "n0_0@i2", "n1", "n2"]);
}

/// One item is being undone while the other one of its batch crosses the point of no return: what is begun comes to its end
/// before anything else begins.
#[test]
fn an_undo_in_hand_comes_to_its_end_when_another_item_crosses_the_point_of_no_return() {
    let block = vec!["sim.idempotent", "sim.idempotent", "sim.final"];
    let nodes = [Node::Each { items: 2, size: 2, max_failures: 0, block }, Node::One("sim.idempotent")];
    for failed in ["i1", "i2"] {
        let case = Case { simulation: Simulation::new(), tasks: doings(&nodes) };
        case.simulation.world.fail(&format!("n0_1@{failed}"), 1, Fault::NoEffect);
        let book = book_of(&nodes, &[0, 3, 0, 0, 1], 1);
        let ending = case.simulation.start(&book, None).ending();
        assert_eq!(ending.kind, EndingKind::Finished(Verdict::SucceededWithExceptions), "{failed}");
        let world = case.simulation.world.values();
        assert_eq!(world.get(&format!("n0_0_{failed}")), None, "{failed}: {world:?}");
    }
}

/// A list stands in one branch of a `parallel`: what failed of it is put back while the other branch is still at work.
#[test]
fn an_item_is_put_back_beside_the_other_branch_of_a_parallel() {
    let nodes = [Node::Chains(vec!["sim.idempotent"])];
    let case = Case { simulation: Simulation::new(), tasks: doings(&nodes) };
    case.simulation.world.fail("n0_beside", 1, Fault::KilledBefore);
    case.simulation.world.fail("n0_e_0@i1", 1, Fault::FailedBefore);
    let life = case.simulation.start(&book_of(&nodes, &[3], 1), None);
    assert!(!matches!(life, Life::Failed(_)), "{life:?}");
    let ending = case.simulation.resume(None).ending();
    assert!(matches!(ending.kind, EndingKind::Finished(Verdict::RolledBack)), "{:?}", ending.kind);
}

/// What the fold would refuse is refused before it is durable, also where one write begins several.
#[test]
fn what_may_not_run_side_by_side_is_refused_before_it_is_written() {
    let nodes = [Node::One("sim.once"), Node::One("sim.once"), Node::Chains(vec!["sim.idempotent"])];
    let case = Case { simulation: Simulation::new(), tasks: doings(&nodes) };
    case.simulation.world.fail("n0", 1, Fault::KilledBefore);
    let book = book_of(&nodes, &[8], 1);
    assert!(!matches!(case.simulation.start(&book, None), Life::Ended(_)));
    let state = case.simulation.state();
    let may = |names: &[&str]| {
        let tasks: Vec<Task> = names.iter().map(|name| name.parse().unwrap()).collect();
        state.may_begin_together(tasks.iter()).is_ok()
    };
    assert!(state.in_flight().any(|(task, _)| task.to_string() == "n0"));
    assert!(!may(&["n1"]), "the step before is still under way");
    let other = Case { simulation: Simulation::new(), tasks: doings(&nodes) };
    other.simulation.world.fail("n0", 1, Fault::FailedBefore);
    drop(other.simulation.start(&book, None));
    let state = other.simulation.state();
    assert_eq!(state.in_flight().count(), 0);
    let may = |names: &[&str]| {
        let tasks: Vec<Task> = names.iter().map(|name| name.parse().unwrap()).collect();
        state.may_begin_together(tasks.iter()).is_ok()
    };
    assert!(may(&["n1"]) && may(&["n2_beside", "n2_e_0@i1"]), "alone, and in the branches of a parallel");
    assert!(!may(&["n0", "n1"]), "two steps that follow on one another, in one write");
}
