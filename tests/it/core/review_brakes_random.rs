//! Random playbooks with approvals, checks, budgets and groups, under faults, kills and requests that come at any record: the
//! brakes hold whatever happens, every run ends or asks, and nothing is ever written that cannot stand in the journal.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use playbook::diagnostic::Span;
use playbook::engine::{Beginning, EndingKind, Engine, Parts};
use playbook::journal::{Failure, Journal};
use playbook::playbook::{
    Approval, Argument, Budget, Check, CheckKind, Expression, GroupKind, Nested, OnFailure, OnTimeout, Playbook, Verify,
};
use playbook::run::{
    Answer, Event, Moment, QuestionKind, Record, RequestKind, RunState, SkipHow, StopKind, Task, Time,
};
use playbook::sim::Fault;
use proptest::prelude::*;
use serde_json::json;

use super::groups::{Node, playbook_of};
use super::harness::{Life, Simulation, step};
use super::review_asker::{Asker, Roles, Said, say, slow};

#[derive(Debug, Clone)]
enum Move {
    /// After so many seconds, with these things said while it goes, until it is killed.
    Resume(u64, Vec<(u64, Said)>, Option<Failure>),
    Say(Said),
    Set(&'static str, &'static str),
    Answer(usize),
}

fn failure() -> impl Strategy<Value = Option<Failure>> {
    let at = |(n, lost)| if lost { Failure::Unacknowledged(n) } else { Failure::Before(n) };
    proptest::option::of((0..25_u64, any::<bool>()).prop_map(at))
}

fn said() -> impl Strategy<Value = Said> {
    let task = prop::sample::select(vec!["n0", "n1", "n2", "n1_0", "n2_0@i1", "n1_1", "n1_0/undo", "n0/undo"]);
    let skip = (task.clone(), any::<bool>()).prop_map(|(task, by_hand)| {
        let how = if by_hand { SkipHow::DoneByHand } else { SkipHow::NotNeeded };
        Said::Ask("eve", RequestKind::Skip { task: task.parse().unwrap(), how, outputs: json!({}) })
    });
    let ask = |request: RequestKind| Just(Said::Ask("eve", request));
    prop_oneof![
        3 => Just(Said::Approve("ann", false)),
        3 => Just(Said::Approve("bob", false)),
        1 => Just(Said::Approve("bob", true)),
        1 => Just(Said::Approve("eve", false)),
        1 => task.prop_map(|task| Said::Ask("ann", RequestKind::Reject { task: task.parse().unwrap() })),
        4 => skip,
        1 => ask(RequestKind::Pause),
        1 => ask(RequestKind::Cancel),
        1 => ask(RequestKind::Rollback { to: None, despite_halt: true }),
        1 => Just(Said::Halt),
        1 => Just(Said::Lift),
    ]
}

fn says() -> impl Strategy<Value = Vec<(u64, Said)>> {
    proptest::collection::vec((3..40_u64, said()), 0..4)
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let value =
        prop_oneof![Just(("guard", "bad")), Just(("guard", "fine")), Just(("name", "other")), Just(("name", "ours"))];
    let one = prop_oneof![
        3 => (prop::sample::select(vec![0, 0, 2, 9, 40]), says(), failure()).prop_map(|(s, a, f)| Move::Resume(s, a, f)),
        3 => said().prop_map(Move::Say),
        1 => value.prop_map(|(what, value)| Move::Set(what, value)),
        4 => (0..5_usize).prop_map(Move::Answer),
    ];
    proptest::collection::vec(one, 0..9)
}

fn nodes() -> impl Strategy<Value = Vec<Node>> {
    let actions = vec!["sim.idempotent", "sim.keyed", "sim.probed", "sim.once", "sim.final"];
    let any_action = prop::sample::select(actions.clone());
    let some = || proptest::collection::vec(prop::sample::select(actions[..4].to_vec()), 1..3);
    let node = prop_oneof![
        4 => any_action.prop_map(Node::One),
        1 => some().prop_map(Node::Parallel),
        1 => (1..4_usize, 1..3_u32, 0..2_u32, some())
            .prop_map(|(items, size, max_failures, block)| Node::Each { items, size, max_failures, block }),
    ];
    proptest::collection::vec(node, 2..4)
}

fn approval() -> impl Strategy<Value = Option<Approval>> {
    let on_timeout = prop::sample::select(vec![None, Some(OnTimeout::Page), Some(OnTimeout::Abandon)]);
    proptest::option::of((1..3_u32, on_timeout, prop::sample::select(vec![3.0, 60.0]), any::<bool>())).prop_map(
        |some| {
            some.map(|(min, on_timeout, timeout, conditional)| Approval {
                roles: vec!["dba".to_owned()],
                min,
                timeout,
                on_timeout,
                prevent_self_approval: false,
                condition: conditional.then(|| expression("1 < 2")),
                span: Span::default(),
            })
        },
    )
}

fn expression(source: &str) -> Expression {
    Expression { source: source.to_owned(), span: Span::default() }
}

fn check(number: usize, (kind, inside, within): (CheckKind, bool, f64), book: &Playbook) -> Check {
    let what = if kind == CheckKind::Identity { "name" } else { "guard" };
    let mut look = step(&format!("invariant_{number}"), "sim.read");
    look.arguments = vec![("what".to_owned(), Argument::Literal(json!(what)))];
    let group = book.groups.first().filter(|_| inside).map(|group| group.id.clone());
    Check {
        name: what.to_owned(),
        kind,
        group,
        step: look,
        expression: expression("outputs.value in ['ours', 'fine']"),
        within,
    }
}

/// What makes a group one of another playbook's steps.
pub fn nested() -> GroupKind {
    let (playbook, version) = ("other".to_owned(), "1.0.0".to_owned());
    GroupKind::Nested(Box::new(Nested {
        playbook,
        version,
        digest: None,
        inputs: Vec::new(),
        given: Vec::new(),
        locks: Vec::new(),
    }))
}

fn books() -> impl Strategy<Value = Playbook> {
    let kind =
        prop::sample::select(vec![CheckKind::Identity, CheckKind::Always, CheckKind::Always, CheckKind::Checkpoints]);
    let checks = proptest::collection::vec((kind, any::<bool>(), prop::sample::select(vec![0.0, 1.0])), 0..4);
    let approvals = proptest::collection::vec(approval(), 3);
    let policy = prop::sample::select(vec![None, None, Some(OnFailure::Pause), Some(OnFailure::Continue)]);
    let policies = proptest::collection::vec((policy, 1..3_u32, any::<bool>(), any::<bool>()), 8);
    let budget = proptest::option::of(prop::sample::select(vec![1.0, 4.0, 30.0]));
    (nodes(), checks, approvals, policies, budget).prop_map(|(nodes, checks, approvals, policies, budget)| {
        let mut book = playbook_of(&nodes);
        for (number, approval) in approvals.into_iter().enumerate() {
            let id: playbook::ids::StepId = format!("n{number}").parse().unwrap();
            match book.groups.iter_mut().find(|group| group.id == id) {
                Some(group) => (group.approval, group.checkpoint) = (approval, Some(format!("after_{number}"))),
                None => {
                    book.steps.iter_mut().filter(|step| step.id == id).for_each(|step| step.approval = approval.clone())
                }
            }
        }
        for (step, (policy, attempts, verified, checkpoint)) in book.steps.iter_mut().zip(policies) {
            step.on_failure = policy;
            step.retry.attempts = attempts;
            step.checkpoint = (checkpoint && step.group.is_none()).then(|| format!("after_{}", step.id));
            if verified {
                step.verify = vec![Verify { expression: expression("facts.value == '1'"), within: 0.6 }];
            }
        }
        // A check belongs to a nested playbook, or to all of it.
        let mut checks = checks;
        match book.groups.first_mut() {
            Some(group) if group.each().is_none() => group.kind = nested(),
            _ => checks.iter_mut().for_each(|check| check.1 = false),
        }
        book.checks = checks.into_iter().enumerate().map(|(number, of)| check(number, of, &book)).collect();
        let once = |group: &Option<playbook::ids::StepId>| book.each_around(group.as_ref()).is_none();
        let ends: Vec<_> = book.steps.iter().filter(|step| once(&step.group)).map(|step| step.id.clone()).collect();
        if let (Some(max), Some(from), Some(to)) = (budget, ends.first().cloned(), ends.last().cloned()) {
            book.budgets =
                vec![Budget { from: from.clone(), to: to.clone(), max }, Budget { from, to, max: max * 2.0 }];
        }
        book
    })
}

struct Stage {
    simulation: Simulation,
}

impl Stage {
    fn engine(&self, failure: Option<Failure>, asks: Vec<(u64, Said)>) -> Engine {
        let journal = Mutex::new(self.simulation.journal.reopen());
        let observer = Arc::new(Asker { asks: Mutex::new(asks), journal });
        let actions = slow(&self.simulation);
        Engine::new(Parts { observer, actions, people: Arc::new(Roles), ..self.simulation.parts(failure) })
    }

    fn live(
        &self,
        later: u64,
        work: impl Future<Output = Result<playbook::engine::Ending, playbook::engine::EngineError>>,
    ) -> Life {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            tokio::time::sleep(Duration::from_secs(later)).await;
            match tokio::time::timeout(Duration::from_secs(120), work).await {
                Ok(Ok(ending)) => Life::Ended(Box::new(ending)),
                Ok(Err(error)) => Life::Failed(error),
                Err(_) => Life::Killed,
            }
        })
    }

    fn start(&self, book: &Playbook, failure: Option<Failure>, asks: Vec<(u64, Said)>) -> Life {
        self.live(0, async {
            let mut engine = self.engine(failure, asks);
            let plan = engine.plan(book.clone(), json!({})).await?;
            engine.start(plan, Beginning::default()).await
        })
    }

    fn resume(&self, later: u64, asks: Vec<(u64, Said)>, failure: Option<Failure>) -> Life {
        let run = self.simulation.run();
        self.live(later, async { self.engine(failure, asks).resume(&run, "", true).await })
    }

    fn say(&self, said: &Said) {
        say(&mut self.simulation.journal.reopen(), &self.simulation.state(), said, Time(0));
    }

    /// Says something true and helpful to what is asked.
    fn answer(&self, choice: usize) {
        let state = self.simulation.state();
        let Some(question) = &state.question else { return };
        let task = &question.task;
        let value = self.simulation.world.values();
        let took =
            value.get(&task.to_string().replace('@', "_").replace("/undo", "")).is_some_and(|value| value == "1");
        let truth = if took != task.is_undo() { Answer::TookEffect } else { Answer::DidNot };
        let choices = match question.kind {
            QuestionKind::Approval => {
                return self.say(&Said::Approve(if choice.is_multiple_of(2) { "ann" } else { "bob" }, false));
            }
            QuestionKind::UnknownOutcome => vec![truth, truth, Answer::Undo],
            QuestionKind::StepFailed => vec![Answer::Retry, Answer::Undo, Answer::TookEffect],
            QuestionKind::UndoFailed => vec![Answer::Retry],
            QuestionKind::BehindPointOfNoReturn => vec![Answer::Abandon, Answer::Retry],
            QuestionKind::InvariantBroken => vec![Answer::GoOn, Answer::Retry, Answer::Undo, Answer::Abandon],
            QuestionKind::WrongIdentity => vec![Answer::Retry, Answer::Abandon],
        };
        let answer = choices[choice % choices.len()];
        self.say(&Said::Ask("ann", RequestKind::Resolve { task: task.clone(), answer }));
    }
}

/// What must be true of the records of any run.
fn brakes_held(book: &Playbook, records: &[Record], run: &playbook::ids::RunId) {
    let mut state: Option<RunState> = None;
    let mut granted: BTreeMap<Task, (u32, bool)> = BTreeMap::new();
    let mut unlooked: Vec<Task> = Vec::new();
    let (mut halted, mut despite) = (false, false);
    let always = book.checks.iter().any(|check| check.kind == CheckKind::Always && check.group.is_none());
    for record in records {
        match &record.event {
            Event::ApprovalAsked { task, asking } => drop(granted.insert(task.clone(), (asking.min, false))),
            Event::Approved { task, break_glass, .. } => {
                let missing = granted.get_mut(task).expect("it was asked for");
                missing.0 = missing.0.saturating_sub(1);
                missing.1 |= *break_glass;
            }
            Event::Rejected { task, .. } => drop(granted.remove(task)),
            Event::Halted { .. } => (halted, despite) = (true, false),
            Event::HaltLifted { .. } => (halted, despite) = (false, false),
            Event::Requested { request: RequestKind::Rollback { despite_halt: true, .. }, .. } => despite = true,
            Event::Checked { moment, after, .. } if *moment != Moment::Before => {
                unlooked.retain(|task| !after.contains(task))
            }
            Event::RollbackStarted { .. } => unlooked.clear(),
            Event::Intent { task, .. } => {
                assert!(!halted || despite && task.is_undo(), "{task} began under a halt");
                let known = state.as_ref().unwrap();
                let of = book.step(&task.step).unwrap();
                if !task.is_undo() {
                    assert!(unlooked.is_empty(), "{task} began, and nobody had looked after {unlooked:?}");
                    let group = book
                        .around(of.group.as_ref())
                        .map(|group| (known.group_task(group, task.item.as_ref()), &group.approval));
                    for (asks, approval) in group.chain([(task.clone(), &of.approval)]) {
                        let complete = granted.get(&asks).is_some_and(|(missing, broken)| *missing == 0 || *broken);
                        assert!(approval.is_none() || complete, "{task} began without the approval of {asks}");
                    }
                }
            }
            _ => {}
        }
        let mut known = match state.take() {
            None => RunState::begin(run, record).unwrap(),
            Some(mut known) => {
                known.apply(record).unwrap_or_else(|error| panic!("{error}: {record:?}"));
                known
            }
        };
        // Nothing beside it may have begun before: in groups it is looked after each once all that began is over.
        if let Event::Outcome { task, .. } | Event::SkippedByPerson { task, .. } = &record.event
            && always
            && book.step(&task.step).is_some_and(|step| step.group.is_none() && step.effect.changes())
            && !task.is_undo()
            && known.rollback.is_none()
            && known.tasks.get(task).is_some_and(|state| state.passed && state.may_have_effect())
        {
            unlooked.push(task.clone());
        }
        if known.ended.is_some() {
            known.question = None;
        }
        state = Some(known);
    }
}

fn cases() -> u32 {
    std::env::var("REVIEW_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(300)
}

fn faults() -> impl Strategy<Value = Vec<(&'static str, u32, Fault)>> {
    let task = prop::sample::select(vec!["n0", "n1", "n2", "n1_0", "n2_0@i1", "n1_0@i2", "n0/undo", "n1/undo"]);
    let kinds = vec![
        Fault::NoEffect,
        Fault::FailedBefore,
        Fault::FailedAfter,
        Fault::UnknownBefore,
        Fault::UnknownAfter,
        Fault::KilledAfter,
    ];
    proptest::collection::vec((task, 1..4_u32, prop::sample::select(kinds)), 0..5)
}

fn play(stage: &Stage, step: Move) {
    match step {
        Move::Resume(later, asks, failure) => drop(stage.resume(later, asks, failure)),
        Move::Say(said) => {
            stage.say(&said);
            drop(stage.resume(0, Vec::new(), None));
        }
        Move::Set(what, value) => stage.simulation.world.set(what, value),
        Move::Answer(choice) => {
            stage.answer(choice);
            drop(stage.resume(0, Vec::new(), None));
        }
    }
}

/// Everybody helps: it comes to its end.
fn bring_to_end(stage: &Stage) {
    let world = &stage.simulation.world;
    world.mend();
    world.set("guard", "fine");
    world.set("name", "ours");
    stage.say(&Said::Lift);
    for round in 0..60 {
        let life = stage.resume(0, Vec::new(), None);
        if stage.simulation.state().ended.is_some() {
            return;
        }
        match life {
            Life::Ended(ending) => match ending.kind {
                EndingKind::Waiting(question) => stage.answer(match question.kind {
                    // Whoever tries again and goes back in turn can do so for ever.
                    QuestionKind::StepFailed if round > 20 => 1,
                    kind if round > 20 && kind != QuestionKind::Approval => 0,
                    _ => round,
                }),
                EndingKind::Stopped(StopKind::Paused | StopKind::Interrupted) | EndingKind::Finished(_) => {}
                other => panic!("nobody did that: {other:?}"),
            },
            Life::Failed(error) => panic!("it cannot go on: {error}"),
            Life::Killed => {}
        }
    }
    let state = stage.simulation.state();
    panic!("it comes to no end: {:?}", state.question);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, max_shrink_iters: 300, ..ProptestConfig::default() })]
    #[test]
    fn the_brakes_hold_whatever_happens(
        book in books(), faults in faults(), fine in prop::bool::weighted(0.8), first in failure(), asks in says(), moves in moves(),
    ) {
        let stage = Stage { simulation: Simulation::new() };
        for (task, attempt, fault) in &faults {
            stage.simulation.world.fail(task, *attempt, *fault);
        }
        stage.simulation.world.set("guard", if fine { "fine" } else { "bad" });
        stage.simulation.world.set("name", "ours");
        drop(stage.start(&book, first, asks));
        if stage.simulation.has_run() {
            for step in moves {
                if stage.simulation.state().ended.is_none() {
                    play(&stage, step);
                }
            }
            if stage.simulation.state().ended.is_none() {
                bring_to_end(&stage);
            }
            let run = stage.simulation.run();
            let mut journal = stage.simulation.journal.reopen();
            brakes_held(&book, &journal.records(&run, 0).unwrap(), &run);
            prop_assert_eq!(journal.verify(&run).unwrap().broken, None);
        }
    }
}
