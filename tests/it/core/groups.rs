//! Groups of steps under faults and kills: parallel steps, items one by one and in batches, blocks. Whatever is killed
//! where, nothing takes effect twice, every run ends or asks, and what is rolled back is as it was.

use std::collections::BTreeMap;

use playbook::diagnostic::Span;
use playbook::engine::EndingKind;
use playbook::ids::StepId;
use playbook::journal::{Failure, Journal};
use playbook::playbook::{
    Amount, Argument, Each, Group, GroupKind, OnFailure, OnItemFailure, Playbook, Service, Step, Template,
};
use playbook::run::{Answer, QuestionKind, RunState, Verdict};
use playbook::sim::Fault;
use proptest::prelude::*;
use serde_json::json;

use super::harness::{Life, Simulation, book, step};

const ACTIONS: [&str; 4] = ["sim.idempotent", "sim.keyed", "sim.probed", "sim.once"];

/// One node of a playbook.
#[derive(Debug, Clone)]
pub enum Node {
    One(&'static str),
    Parallel(Vec<&'static str>),
    Each {
        items: usize,
        size: u32,
        max_failures: u32,
        block: Vec<&'static str>,
    },
    /// Two chains side by side.
    Chains(Vec<&'static str>),
    /// Steps side by side for each item.
    Inner {
        items: usize,
        size: u32,
        max_failures: u32,
        actions: Vec<&'static str>,
    },
}

fn group(id: &str, kind: GroupKind, first: usize, count: usize) -> Group {
    Group {
        id: id.parse().unwrap(),
        span: Span::default(),
        title: id.to_owned(),
        parent: None,
        kind,
        condition: None,
        needs: Vec::new(),
        on_failure: None,
        checkpoint: None,
        service: None,
        approval: None,
        first,
        count,
    }
}

/// A playbook of these nodes; each step sets a value of its own name, for each item one of its own.
pub fn playbook_of(nodes: &[Node]) -> Playbook {
    let mut steps: Vec<Step> = Vec::new();
    let mut groups = Vec::new();
    for (number, node) in nodes.iter().enumerate() {
        let id = format!("n{number}");
        let first = steps.len();
        let inside = |mut step: Step, group: &str| {
            step.group = Some(group.parse::<StepId>().unwrap());
            step
        };
        match node {
            Node::One(action) => steps.push(step(&id, action)),
            Node::Parallel(actions) => {
                for (place, action) in actions.iter().enumerate() {
                    steps.push(inside(step(&format!("{id}_{place}"), action), &id));
                }
                groups.push(group(&id, GroupKind::Parallel, first, actions.len()));
            }
            Node::Chains(actions) => {
                for (place, action) in actions.iter().enumerate() {
                    steps.push(inside(of_item(&format!("{id}_e_{place}"), action), &format!("{id}_e")));
                }
                steps.push(inside(step(&format!("{id}_beside"), actions[0]), &id));
                groups.push(group(&id, GroupKind::Parallel, first, actions.len() + 1));
                let mut chain = group(&format!("{id}_e"), each(2, 1, 0), first, actions.len());
                chain.parent = Some(id.parse().unwrap());
                groups.push(chain);
            }
            Node::Inner { items, size, max_failures, actions } => {
                for (place, action) in actions.iter().enumerate() {
                    steps.push(inside(of_item(&format!("{id}_{place}"), action), &format!("{id}_p")));
                }
                steps.push(inside(of_item(&format!("{id}_then"), actions[0]), &id));
                groups.push(group(&id, each(*items, *size, *max_failures), first, actions.len() + 1));
                let mut pair = group(&format!("{id}_p"), GroupKind::Parallel, first, actions.len());
                pair.parent = Some(id.parse().unwrap());
                groups.push(pair);
            }
            Node::Each { items, size, max_failures, block } => {
                for (place, action) in block.iter().enumerate() {
                    steps.push(inside(of_item(&format!("{id}_{place}"), action), &id));
                }
                groups.push(group(&id, each(*items, *size, *max_failures), first, block.len()));
            }
        }
    }
    Playbook { groups, ..book(steps) }
}

fn each(items: usize, size: u32, max_failures: u32) -> GroupKind {
    let list = Argument::Literal((1..=items).map(|item| json!(format!("i{item}"))).collect());
    let (sizes, max_failures) = (vec![Amount::Count(size)], Amount::Count(max_failures));
    // Whatever fails is undone, as most of what is looked at here is that nothing is left.
    let on_item_failure = OnItemFailure::Rollback;
    GroupKind::Each(Box::new(Each { sizes, max_failures, on_item_failure, ..Each::of(list) }))
}

fn of_item(id: &str, action: &str) -> Step {
    let mut step = step(id, action);
    let source = format!("{id}_{{{{item}}}}");
    step.arguments[0].1 = Argument::Template(Template { source, span: Span::default() });
    step
}

/// All doings of a playbook, as the world calls them, each with the value that it sets.
pub fn doings(nodes: &[Node]) -> Vec<(String, String)> {
    let book = playbook_of(nodes);
    let all = book.steps.iter().flat_map(|step| {
        let id = step.id.to_string();
        match book.each_around(step.group.as_ref()).and_then(Group::each) {
            None => vec![(id.clone(), id)],
            Some(each) => {
                let Argument::Literal(list) = each.list.argument() else { unreachable!() };
                let items = list.as_array().unwrap().iter().map(|item| item.as_str().unwrap().to_owned());
                items.map(|item| (format!("{id}@{item}"), format!("{id}_{item}"))).collect()
            }
        }
    });
    all.collect()
}

/// Resumes until the run ends; answers truly what is asked about unknown outcomes, and undoes what failed.
fn recover(case: &str, simulation: &Simulation, mut life: Life) -> Verdict {
    for _ in 0..20 {
        if let Some((verdict, ..)) = simulation.state().ended {
            return verdict;
        }
        life = match life {
            Life::Ended(ending) => match ending.kind {
                EndingKind::Waiting(question) => {
                    let task = question.task.to_string();
                    let applied = simulation.world.applied();
                    let took = applied.contains(&task);
                    let answer = match question.kind {
                        QuestionKind::UnknownOutcome if took => Answer::TookEffect,
                        QuestionKind::UnknownOutcome => Answer::DidNot,
                        QuestionKind::StepFailed => Answer::Undo,
                        other => panic!("{case}: asks {other:?} about {task}"),
                    };
                    simulation.answer(&task, answer)
                }
                other => panic!("{case}: came to {other:?}"),
            },
            Life::Failed(_) | Life::Killed => simulation.resume(None),
        };
    }
    panic!("{case}: it never comes to an end");
}

fn check(case: &str, nodes: &[Node], simulation: &Simulation, before: &BTreeMap<String, String>, verdict: Verdict) {
    let applied = simulation.world.applied();
    let state: RunState = simulation.state();
    let book = playbook_of(nodes);
    for (task, _) in doings(nodes) {
        let times = applied.iter().filter(|done| **done == task).count();
        let step = book.step(&task.split('@').next().unwrap().parse().unwrap()).unwrap();
        let most = if step.action == "sim.idempotent" { 5 } else { 1 };
        assert!(times <= most, "{case}: {task} took effect {times} times: {applied:?}");
    }
    let world = simulation.world.values();
    match verdict {
        Verdict::Succeeded => {
            for (task, value) in doings(nodes) {
                assert_eq!(world.get(&value).map(String::as_str), Some("1"), "{case}: {task} is not done");
            }
        }
        Verdict::SucceededWithExceptions => {
            assert!(!state.exceptions.is_empty(), "{case}");
            assert_few_failed(case, nodes, &world);
        }
        Verdict::RolledBack | Verdict::Failed => assert_eq!(&world, before, "{case}: {applied:?}"),
        other => panic!("{case}: ended as {other:?}"),
    }
    assert_eq!(simulation.journal.reopen().verify(&simulation.run()).unwrap().broken, None, "{case}");
}

/// No more items may be missing than may fail, and of other steps none that nobody spoke for.
fn assert_few_failed(case: &str, nodes: &[Node], world: &BTreeMap<String, String>) {
    let is_done = |value: &String| world.get(value).is_some_and(|value| value == "1");
    for (number, node) in nodes.iter().enumerate() {
        let Node::Each { items, max_failures, block, .. } = node else { continue };
        let last = format!("n{number}_{}", block.len() - 1);
        let missing = (1..=*items).filter(|item| !is_done(&format!("{last}_i{item}"))).count();
        assert!(missing <= *max_failures as usize, "{case}: {missing} items of n{number} are missing");
    }
}

fn example() -> Vec<Node> {
    vec![
        Node::One("sim.probed"),
        Node::Parallel(vec!["sim.once", "sim.keyed", "sim.probed"]),
        Node::Each { items: 3, size: 2, max_failures: 0, block: vec!["sim.once", "sim.probed"] },
        Node::Chains(vec!["sim.keyed", "sim.once"]),
    ]
}

/// Kills the journal at its n-th write, for every n until a run comes to its end; recovers each.
fn kill_at_every_write(name: &str, nodes: &[Node], prepare: impl Fn(&Simulation)) -> u32 {
    let book = playbook_of(nodes);
    let mut killed = 0;
    for write in 0..400 {
        for failure in [Failure::Before(write), Failure::Unacknowledged(write)] {
            let simulation = Simulation::new();
            prepare(&simulation);
            let before = simulation.world.values();
            let case = format!("{name}, {failure:?}");
            let life = simulation.start(&book, Some(failure));
            if let Life::Ended(_) = life {
                return killed;
            }
            killed += 1;
            if !simulation.has_run() {
                assert!(simulation.world.applied().is_empty(), "{case}: something ran without a run");
                continue;
            }
            let verdict = recover(&case, &simulation, life);
            check(&case, nodes, &simulation, &before, verdict);
        }
    }
    panic!("{name}: it never comes to an end");
}

#[test]
fn a_playbook_of_groups_does_all_of_it_once() {
    let nodes = example();
    let simulation = Simulation::new();
    let before = simulation.world.values();
    let ending = simulation.start(&playbook_of(&nodes), None).ending();
    assert_eq!(ending.kind, EndingKind::Finished(Verdict::Succeeded));
    check("plain", &nodes, &simulation, &before, Verdict::Succeeded);
    assert_eq!(simulation.world.applied().len(), doings(&nodes).len());
}

#[test]
fn killed_at_every_write_of_groups_that_succeed() {
    assert!(kill_at_every_write("success", &example(), |_| {}) > 30);
}

#[test]
fn killed_at_every_write_of_groups_that_roll_back() {
    let killed = kill_at_every_write("rollback", &example(), |simulation| {
        for attempt in 1..=5 {
            simulation.world.fail("n3_e_1@i2", attempt, Fault::FailedAfter);
        }
    });
    assert!(killed > 100, "only {killed}");
}

#[test]
fn killed_around_every_effect_of_groups() {
    let nodes = example();
    for (task, _) in doings(&nodes) {
        for fault in [Fault::KilledBefore, Fault::KilledAfter] {
            let simulation = Simulation::new();
            simulation.world.fail(&task, 1, fault);
            let before = simulation.world.values();
            let case = format!("{task} {fault:?}");
            let life = simulation.start(&playbook_of(&nodes), None);
            assert!(matches!(life, Life::Killed), "{case}");
            let verdict = recover(&case, &simulation, life);
            check(&case, &nodes, &simulation, &before, verdict);
        }
    }
}

#[test]
fn siblings_of_a_failed_step_finish_and_are_undone_with_it() {
    let nodes = [Node::Parallel(vec!["sim.once", "sim.probed", "sim.keyed"]), Node::One("sim.once")];
    let simulation = Simulation::new();
    let before = simulation.world.values();
    simulation.world.fail("n0_0", 1, Fault::FailedAfter);
    let ending = simulation.start(&playbook_of(&nodes), None).ending();
    assert_eq!(ending.kind, EndingKind::Finished(Verdict::RolledBack));
    check("siblings", &nodes, &simulation, &before, Verdict::RolledBack);
    let applied = simulation.world.applied();
    for task in ["n0_0", "n0_1", "n0_2", "n0_0/undo", "n0_1/undo", "n0_2/undo"] {
        assert!(applied.iter().any(|done| done == task), "{task} is missing: {applied:?}");
    }
    assert!(!applied.iter().any(|done| done == "n1"), "nothing runs behind a failed group: {applied:?}");
}

#[test]
fn items_may_fail_up_to_a_number_and_no_further_batch_begins_then() {
    let each = |max_failures| Node::Each { items: 4, size: 1, max_failures, block: vec!["sim.probed", "sim.probed"] };
    let fail = |simulation: &Simulation| {
        for attempt in 1..=5 {
            simulation.world.fail("n0_0@i2", attempt, Fault::FailedBefore);
        }
    };
    let simulation = Simulation::new();
    fail(&simulation);
    let ending = simulation.start(&playbook_of(&[each(1), Node::One("sim.once")]), None).ending();
    assert_eq!(ending.kind, EndingKind::Finished(Verdict::SucceededWithExceptions));
    let world = simulation.world.values();
    for done in ["n0_0_i1", "n0_1_i1", "n0_1_i3", "n0_1_i4", "n1"] {
        assert_eq!(world.get(done).map(String::as_str), Some("1"), "{done}");
    }
    assert!(!world.contains_key("n0_1_i2"), "the rest of a failed item's block does not run");

    let simulation = Simulation::new();
    let before = simulation.world.values();
    fail(&simulation);
    let ending = simulation.start(&playbook_of(&[each(0), Node::One("sim.once")]), None).ending();
    assert_eq!(ending.kind, EndingKind::Finished(Verdict::RolledBack));
    assert_eq!(simulation.world.values(), before);
    assert!(!simulation.world.applied().iter().any(|task| task.contains("@i3")), "no further item begins");
}

#[test]
fn the_last_batch_may_be_short_and_its_failure_counts() {
    for (items, failing) in [(3, "i3"), (4, "i4"), (5, "i4"), (5, "i5")] {
        let nodes = [Node::Each { items, size: 3, max_failures: 0, block: vec!["sim.probed"] }, Node::One("sim.once")];
        let simulation = Simulation::new();
        let before = simulation.world.values();
        fail_always(&simulation, &format!("n0_0@{failing}"));
        let ending = simulation.start(&playbook_of(&nodes), None).ending();
        assert_eq!(ending.kind, EndingKind::Finished(Verdict::RolledBack), "{items} {failing}");
        assert_eq!(simulation.world.values(), before, "{items} {failing}");
    }
}

#[test]
fn a_group_that_may_fail_is_passed_over_as_a_whole() {
    let nodes = [
        Node::Each { items: 2, size: 1, max_failures: 0, block: vec!["sim.probed", "sim.probed"] },
        Node::One("sim.once"),
    ];
    let mut book = playbook_of(&nodes);
    book.groups[0].on_failure = Some(OnFailure::Continue);
    let simulation = Simulation::new();
    simulation.world.fail("n0_0@i1", 1, Fault::NoEffect);
    let ending = simulation.start(&book, None).ending();
    assert_eq!(ending.kind, EndingKind::Finished(Verdict::SucceededWithExceptions));
    assert_eq!(simulation.world.applied(), ["n1"]);
}

#[test]
fn a_person_lets_the_failed_items_be_tried_again() {
    let nodes = [
        Node::Each { items: 3, size: 3, max_failures: 0, block: vec!["sim.probed", "sim.once"] },
        Node::One("sim.once"),
    ];
    let mut book = playbook_of(&nodes);
    book.groups[0].on_failure = Some(OnFailure::Pause);
    let simulation = Simulation::new();
    simulation.world.fail("n0_0@i2", 1, Fault::NoEffect);
    let ending = simulation.start(&book, None).ending();
    let EndingKind::Waiting(question) = ending.kind else { panic!("{:?}", ending.kind) };
    assert_eq!(question.task.to_string(), "n0");
    let ending = simulation.answer("n0", Answer::Retry).ending();
    assert_eq!(ending.kind, EndingKind::Finished(Verdict::SucceededWithExceptions));
    let applied = simulation.world.applied();
    for (task, _) in doings(&nodes) {
        assert_eq!(applied.iter().filter(|done| **done == task).count(), 1, "{task}: {applied:?}");
    }
}

fn nodes() -> impl Strategy<Value = Vec<Node>> {
    let action = || prop::sample::select(ACTIONS.to_vec());
    let actions = move |range| proptest::collection::vec(action(), range);
    let node = prop_oneof![
        action().prop_map(Node::One),
        actions(2..4_usize).prop_map(Node::Parallel),
        actions(1..3_usize).prop_map(Node::Chains),
        (1..4_usize, 1..4_u32, 0..2_u32, actions(1..3_usize))
            .prop_map(|(items, size, max_failures, block)| Node::Each { items, size, max_failures, block }),
    ];
    proptest::collection::vec(node, 1..4)
}

fn fault() -> impl Strategy<Value = (prop::sample::Index, u32, Fault)> {
    let fault = prop::sample::select(vec![
        Fault::NoEffect,
        Fault::FailedBefore,
        Fault::FailedAfter,
        Fault::UnknownBefore,
        Fault::UnknownAfter,
        Fault::KilledBefore,
        Fault::KilledAfter,
    ]);
    (any::<prop::sample::Index>(), 1..3_u32, fault)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, ..ProptestConfig::default() })]
    #[test]
    fn whatever_goes_wrong_in_groups_they_end_as_they_say(
        nodes in nodes(),
        faults in proptest::collection::vec(fault(), 0..4),
        kills in proptest::collection::vec((0..30_u64, any::<bool>()), 0..4),
    ) {
        let simulation = Simulation::new();
        let tasks = doings(&nodes);
        for (task, attempt, fault) in &faults {
            simulation.world.fail(&task.get(&tasks).0, *attempt, *fault);
        }
        let before = simulation.world.values();
        let case = format!("{nodes:?} {faults:?} {kills:?}");
        let kill = |(write, lost): &(u64, bool)| if *lost { Failure::Unacknowledged(*write) } else { Failure::Before(*write) };
        let mut kills = kills.iter();
        let mut life = simulation.start(&playbook_of(&nodes), kills.next().map(kill));
        for failure in kills {
            if simulation.has_run() && !matches!(life, Life::Ended(_)) {
                life = simulation.resume(Some(kill(failure)));
            }
        }
        if simulation.has_run() {
            let verdict = recover(&case, &simulation, life);
            check(&case, &nodes, &simulation, &before, verdict);
        }
    }
}

/// Items of two steps side by side, the first of which fails for the first item.
fn pairs(size: u32, max_failures: u32) -> Playbook {
    let inner = |name: &str| {
        let mut step = of_item(name, "sim.once");
        step.group = Some("pair".parse().unwrap());
        step
    };
    let mut pair = group("pair", GroupKind::Parallel, 0, 2);
    pair.parent = Some("items".parse().unwrap());
    let items = group("items", each(3, size, max_failures), 0, 2);
    Playbook { groups: vec![items, pair], ..book(vec![inner("left"), inner("right")]) }
}

#[test]
fn what_runs_beside_a_failed_step_of_an_item_comes_to_its_end_before_the_item_is_left() {
    for size in [1, 2, 3] {
        for max_failures in [0, 1] {
            for fault in [Fault::FailedBefore, Fault::NoEffect] {
                let simulation = Simulation::new();
                simulation.world.fail("left@i1", 1, fault);
                let ending = simulation.start(&pairs(size, max_failures), None).ending();
                let verdict = [Verdict::RolledBack, Verdict::SucceededWithExceptions][max_failures as usize];
                assert_eq!(ending.kind, EndingKind::Finished(verdict), "{size} {max_failures}");
                let state = simulation.state();
                assert!(state.in_flight().next().is_none());
                let applied = simulation.world.applied();
                let times = applied.iter().filter(|task| *task == "right@i1").count();
                assert_eq!(times, 1, "{size} {max_failures}: {applied:?}");
            }
        }
    }
}

#[test]
fn what_is_in_doubt_beside_a_failed_step_is_asked_about_before_the_failure_is_passed_over() {
    let mut whole = playbook_of(&[Node::Parallel(vec!["sim.once", "sim.once"]), Node::One("sim.once")]);
    whole.groups[0].on_failure = Some(OnFailure::Continue);
    for (book, failed, doubtful) in [(pairs(1, 1), "left@i1", "right@i1"), (whole, "n0_0", "n0_1")] {
        let simulation = Simulation::new();
        simulation.world.blind(true);
        simulation.world.fail(failed, 1, Fault::NoEffect);
        simulation.world.fail(doubtful, 1, Fault::UnknownAfter);
        let ending = simulation.start(&book, None).ending();
        let EndingKind::Waiting(question) = ending.kind else { panic!("{:?}", ending.kind) };
        assert_eq!(question.task.to_string(), doubtful);
        let ending = simulation.answer(doubtful, Answer::TookEffect).ending();
        assert_eq!(ending.kind, EndingKind::Finished(Verdict::SucceededWithExceptions));
    }
}

#[test]
fn going_forward_again_asks_about_what_is_in_doubt_and_does_not_run_it() {
    let nodes = [Node::Each { items: 2, size: 2, max_failures: 0, block: vec!["sim.once", "sim.final"] }];
    let simulation = Simulation::new();
    simulation.world.blind(true);
    simulation.world.fail("n0_0@i2", 1, Fault::UnknownAfter);
    let ending = simulation.start(&playbook_of(&nodes), None).ending();
    let EndingKind::Waiting(question) = ending.kind else { panic!("{:?}", ending.kind) };
    assert_eq!((question.task.to_string(), question.kind), ("n0_0@i2".to_owned(), QuestionKind::UnknownOutcome));
    let ending = simulation.request(playbook::run::RequestKind::Cancel).ending();
    let EndingKind::Waiting(question) = ending.kind else { panic!("{:?}", ending.kind) };
    assert_eq!(question.kind, QuestionKind::BehindPointOfNoReturn);
    let ending = simulation.answer(&question.task.to_string(), Answer::Retry).ending();
    let EndingKind::Waiting(question) = ending.kind else { panic!("{:?}", ending.kind) };
    assert_eq!((question.task.to_string(), question.kind), ("n0_0@i2".to_owned(), QuestionKind::UnknownOutcome));
    simulation.answer("n0_0@i2", Answer::TookEffect).ending();
    let applied = simulation.world.applied();
    assert_eq!(applied.iter().filter(|task| *task == "n0_0@i2").count(), 1, "{applied:?}");
}

#[test]
fn a_batch_comes_to_its_end_before_its_failures_count_and_the_last_one_counts_too() {
    // The second item fails at once while the first is still under way when its runner is killed.
    let nodes = [
        Node::Each { items: 2, size: 2, max_failures: 0, block: vec!["sim.probed", "sim.probed"] },
        Node::One("sim.once"),
    ];
    let mut book = playbook_of(&nodes);
    book.groups[0].on_failure = Some(OnFailure::Continue);
    let simulation = Simulation::new();
    simulation.world.fail("n0_0@i1", 1, Fault::KilledAfter);
    simulation.world.fail("n0_0@i2", 1, Fault::NoEffect);
    assert!(matches!(simulation.start(&book, None), Life::Killed));
    assert!(simulation.state().ended.is_none(), "it ended over a step that was under way");
    let ending = simulation.resume(None).ending();
    assert_eq!(ending.kind, EndingKind::Finished(Verdict::SucceededWithExceptions));
    assert!(simulation.state().in_flight().next().is_none());

    // The last batch is smaller than the others.
    let nodes = [Node::Each { items: 3, size: 2, max_failures: 0, block: vec!["sim.probed"] }, Node::One("sim.once")];
    let simulation = Simulation::new();
    simulation.world.fail("n0_0@i3", 1, Fault::NoEffect);
    let ending = simulation.start(&playbook_of(&nodes), None).ending();
    assert_eq!(ending.kind, EndingKind::Finished(Verdict::RolledBack));
    assert!(!simulation.world.applied().contains(&"n1".to_owned()));
}

#[test]
fn a_group_that_cannot_be_begun_is_passed_over_where_a_person_says_so() {
    let nodes = [
        Node::Each { items: 2, size: 1, max_failures: 0, block: vec!["sim.probed"] },
        Node::Each { items: 2, size: 1, max_failures: 0, block: vec!["sim.probed"] },
        Node::One("sim.once"),
    ];
    let mut book = playbook_of(&nodes);
    // None of the first failed, and an empty list is never gone over.
    let source = "{{steps.n0.failed}}".to_owned();
    let list = Argument::Template(Template { source, span: Span::default() });
    book.groups[1].kind = GroupKind::Each(Box::new(Each::of(list)));
    book.groups[1].on_failure = Some(OnFailure::Pause);
    let simulation = Simulation::new();
    let ending = simulation.start(&book, None).ending();
    let EndingKind::Waiting(question) = ending.kind else { panic!("{:?}", ending.kind) };
    assert_eq!(question.task.to_string(), "n1");
    let ending = simulation.answer("n1", Answer::TookEffect).ending();
    assert_eq!(ending.kind, EndingKind::Finished(Verdict::SucceededWithExceptions));
    assert!(simulation.world.applied().contains(&"n2".to_owned()));
}

#[test]
fn a_group_says_what_the_service_is_however_its_end_is_reached() {
    // A failure that is allowed, in the last item; and steps side by side, the last of which says something else.
    let nodes = [
        Node::Each { items: 2, size: 1, max_failures: 1, block: vec!["sim.probed", "sim.probed"] },
        Node::Parallel(vec!["sim.once", "sim.once"]),
    ];
    for failed in ["n0_0@i2", "n0_1@i2", "n0_1@i1"] {
        let mut book = playbook_of(&nodes);
        book.groups[0].service = Some(Service::Degraded);
        let simulation = Simulation::new();
        simulation.world.fail(failed, 1, Fault::NoEffect);
        let ending = simulation.start(&book, None).ending();
        assert_eq!(ending.kind, EndingKind::Finished(Verdict::SucceededWithExceptions));
        assert_eq!(simulation.state().service.map(|(service, _)| service), Some(Service::Degraded), "{failed}");

        book.groups[1].service = Some(Service::Up);
        book.steps[2].service = Some(Service::Down);
        book.steps[3].service = Some(Service::Down);
        let simulation = Simulation::new();
        simulation.start(&book, None).ending();
        assert_eq!(simulation.state().service.map(|(service, _)| service), Some(Service::Up));
    }
    // More failures than are allowed: it never came to what the group says.
    let mut book = playbook_of(&nodes[..1]);
    book.groups[0].service = Some(Service::Up);
    book.groups[0].on_failure = Some(OnFailure::Continue);
    let simulation = Simulation::new();
    for item in ["n0_0@i1", "n0_0@i2"] {
        simulation.world.fail(item, 1, Fault::NoEffect);
    }
    simulation.start(&book, None).ending();
    assert_eq!(simulation.state().service, None);
}

/// `b` has a way forward, `f`.
fn with_a_way_forward() -> Playbook {
    let mut steps = ["a", "b", "f", "c"].map(|id| step(id, "sim.probed")).to_vec();
    steps[2].group = Some("b_forward".parse().unwrap());
    let kind = GroupKind::Forward { of: "b".parse().unwrap() };
    Playbook { groups: vec![group("b_forward", kind, 2, 1)], ..book(steps) }
}

fn fail_always(simulation: &Simulation, task: &str) {
    for attempt in 1..=9 {
        simulation.world.fail(task, attempt, Fault::FailedBefore);
    }
}

#[test]
fn a_way_forward_is_gone_only_where_its_step_fails() {
    let simulation = Simulation::new();
    let ending = simulation.start(&with_a_way_forward(), None).ending();
    assert_eq!(ending.kind, EndingKind::Finished(Verdict::Succeeded));
    assert_eq!(simulation.world.applied(), ["a", "b", "c"]);
    let simulation = Simulation::new();
    fail_always(&simulation, "b");
    let ending = simulation.start(&with_a_way_forward(), None).ending();
    assert_eq!(ending.kind, EndingKind::Finished(Verdict::SucceededWithExceptions));
    assert_eq!(simulation.world.applied(), ["a", "f", "c"]);
}

#[test]
fn a_way_forward_is_undone_with_the_rest_wherever_the_runner_is_killed() {
    let mut killed = 0;
    for write in 0..60 {
        let simulation = Simulation::new();
        fail_always(&simulation, "b");
        fail_always(&simulation, "c");
        let before = simulation.world.values();
        let life = simulation.start(&with_a_way_forward(), Some(Failure::Unacknowledged(write)));
        if let Life::Ended(_) = life {
            break;
        }
        killed += 1;
        if !simulation.has_run() {
            continue;
        }
        assert_eq!(recover(&format!("write {write}"), &simulation, life), Verdict::RolledBack);
        assert_eq!(simulation.world.values(), before, "write {write}");
        let applied = simulation.world.applied();
        assert_eq!(applied.iter().filter(|task| *task == "f").count(), 1, "write {write}: {applied:?}");
    }
    assert!(killed > 12, "only {killed}");
}

/// The same playbook, with items that stay as they are when they fail.
pub fn leaving(mut book: Playbook) -> Playbook {
    for group in &mut book.groups {
        if let GroupKind::Each(each) = &mut group.kind {
            each.on_item_failure = OnItemFailure::Leave;
        }
    }
    book
}
