//! A checkpoint after each batch: when a later batch fails, it alone is undone; and runs that count as recoveries.

use playbook::engine::EndingKind;
use playbook::journal::Failure;
use playbook::playbook::{GroupKind, OnFailure, Playbook, Recovered, Recovers, Service};
use playbook::run::Verdict;
use playbook::sim::Fault;

use super::groups::{Node, playbook_of};
use super::harness::{Life, Simulation, three};

const BLOCK: [&str; 2] = ["sim.probed", "sim.idempotent"];

/// Batches of two over five items, behind a step, each a safe state; where one fails, it is gone back to the last.
fn batches(max_failures: u32) -> Playbook {
    let each = Node::Each { items: 5, size: 2, max_failures, block: BLOCK.to_vec() };
    let mut book = playbook_of(&[Node::One("sim.idempotent"), each, Node::One("sim.idempotent")]);
    let group = &mut book.groups[0];
    group.on_failure = Some(OnFailure::RollbackTo("batch".to_owned()));
    let GroupKind::Each(each) = &mut group.kind else { unreachable!() };
    each.checkpoint = Some("batch".to_owned());
    book
}

fn fail(simulation: &Simulation, task: &str) {
    for attempt in 1..=9 {
        simulation.world.fail(task, attempt, Fault::FailedBefore);
    }
}

/// The items for which both of the block's steps stand.
fn whole(simulation: &Simulation) -> Vec<usize> {
    let world = simulation.world.values();
    let stands = |name: String| world.get(&name).map(String::as_str) == Some("1");
    let count = |item: usize| (0..2).filter(|place| stands(format!("n1_{place}_i{item}"))).count();
    for item in 1..=5 {
        assert_ne!(count(item), 1, "i{item} is half done");
    }
    (1..=5).filter(|item| count(*item) == 2).collect()
}

#[test]
fn only_the_batch_that_fails_is_undone() {
    for (failing, stand, verdict) in [
        ("i1", vec![], Verdict::RolledBack),
        ("i2", vec![], Verdict::RolledBack),
        ("i3", vec![1, 2], Verdict::RolledBackToCheckpoint),
        ("i4", vec![1, 2], Verdict::RolledBackToCheckpoint),
        ("i5", vec![1, 2, 3, 4], Verdict::RolledBackToCheckpoint),
    ] {
        let simulation = Simulation::new();
        fail(&simulation, &format!("n1_1@{failing}"));
        let ending = simulation.start(&batches(0), None).ending();
        assert_eq!((ending.kind, whole(&simulation)), (EndingKind::Finished(verdict), stand.clone()), "{failing}");
        let first = simulation.world.values().get("n0").cloned();
        assert_eq!(
            first.as_deref() == Some("1"),
            !stand.is_empty(),
            "{failing}: what came before goes with the first batch"
        );
    }
}

#[test]
fn all_batches_are_checkpoints_and_the_last_one_is_written_before_it_goes_on() {
    let simulation = Simulation::new();
    let ending = simulation.start(&batches(0), None).ending();
    assert_eq!(ending.kind, EndingKind::Finished(Verdict::Succeeded));
    let state = simulation.state();
    let points: Vec<usize> = state.checkpoints.iter().map(|point| point.position).collect();
    assert_eq!(points, [5, 9, 11], "the step before, then two steps for each of two, two and one items");
    // A later failure that goes back to the name finds the last of them.
    let simulation = Simulation::new();
    let mut book = batches(0);
    book.steps[3].on_failure = Some(OnFailure::RollbackTo("batch".to_owned()));
    fail(&simulation, "n2");
    let ending = simulation.start(&book, None).ending();
    assert_eq!(ending.kind, EndingKind::Finished(Verdict::RolledBackToCheckpoint));
    assert_eq!(whole(&simulation), [1, 2, 3, 4, 5]);
}

#[test]
fn a_batch_with_a_failure_that_is_let_pass_makes_no_checkpoint() {
    let simulation = Simulation::new();
    fail(&simulation, "n1_0@i3");
    fail(&simulation, "n1_0@i5");
    let ending = simulation.start(&batches(1), None).ending();
    assert_eq!(ending.kind, EndingKind::Finished(Verdict::RolledBackToCheckpoint));
    assert_eq!(whole(&simulation), [1, 2]);
}

/// Wherever the runner is killed, the same is undone as if it had not been.
#[test]
fn a_kill_anywhere_undoes_no_more_and_no_less_than_the_batch() {
    let mut killed = 0;
    for write in 0..400 {
        for failure in [Failure::Before(write), Failure::Unacknowledged(write)] {
            let simulation = Simulation::new();
            fail(&simulation, "n1_1@i4");
            let life = simulation.start(&batches(0), Some(failure));
            if !simulation.has_run() {
                continue;
            }
            let over = matches!(life, Life::Ended(_));
            let ending = if over { life.ending() } else { simulation.resume(None).ending() };
            assert_eq!(ending.kind, EndingKind::Finished(Verdict::RolledBackToCheckpoint), "{failure:?}");
            assert_eq!(whole(&simulation), [1, 2], "{failure:?}");
            if over {
                assert!(killed > 40, "it was killed {killed} times only");
                return;
            }
            killed += 1;
        }
    }
    panic!("it never comes to an end");
}

fn recovering(services: [Option<Service>; 3]) -> Playbook {
    let mut book = three(["sim.idempotent", "sim.probed", "sim.idempotent"]);
    book.recovers = Some(Recovers { what: Recovered::Deployment, since: None });
    for (step, service) in book.steps.iter_mut().zip(services) {
        step.service = service;
    }
    // Time passes between the steps.
    book.steps[1].settle = 0.0;
    book
}

#[test]
fn a_recovery_counts_until_the_service_was_up_and_only_where_it_came_to_a_good_end() {
    use Service::{Degraded, Up};
    let told = |services: [Option<Service>; 3], fault: Option<&str>| {
        let simulation = Simulation::new();
        fault.into_iter().for_each(|task| fail(&simulation, task));
        let kind = simulation.start(&recovering(services), None).ending().kind;
        let state = simulation.state();
        let (_, end, summary) = state.ended.clone().unwrap();
        let recovery = state.recovery().unwrap();
        assert_eq!((recovery.since, recovery.from_failure), (state.started, false));
        (kind, recovery.until.map(|at| at == end), recovery.until.is_some(), summary)
    };
    let (_, at_end, _, summary) = told([None, None, None], None);
    assert_eq!(at_end, Some(true), "no step says what the service is, so the end counts");
    assert!(summary.contains("deployment recovered in ") && summary.contains("from the run's start on"), "{summary}");
    let (_, _, recovered, _) = told([Some(Degraded), Some(Up), None], None);
    assert!(recovered);
    let (kind, _, recovered, summary) = told([Some(Up), None, Some(Degraded)], None);
    assert_eq!((kind, recovered), (EndingKind::Finished(Verdict::Succeeded), false));
    assert!(summary.contains("deployment not recovered: the service is not up"), "{summary}");
    let (kind, _, recovered, summary) = told([Some(Up), None, None], Some("c"));
    assert_eq!((kind, recovered), (EndingKind::Finished(Verdict::RolledBack), false));
    assert!(!summary.contains("deployment"), "{summary}");
    // A playbook that does not say so is none.
    let simulation = Simulation::new();
    simulation.start(&three(["sim.idempotent", "sim.probed", "sim.idempotent"]), None).ending();
    assert!(simulation.state().recovery().is_none());
}

#[test]
fn a_recovery_counts_from_the_failure_where_that_is_told() {
    let with = |failed_at: &str| {
        let simulation = Simulation::new();
        let mut book = recovering([None, None, None]);
        book.recovers = Some(Recovers { what: Recovered::Deployment, since: Some("failed_at".to_owned()) });
        simulation.start(&book, None).ending();
        let mut state = simulation.state();
        let mut plan = (*state.plan).clone();
        plan.inputs["failed_at"] = failed_at.into();
        state.plan = std::sync::Arc::new(plan);
        (state.recovery().unwrap(), state.started)
    };
    let (recovery, started) = with("2026-11-23T04:05:00Z");
    assert_eq!((recovery.since.0, recovery.from_failure), (1_795_406_700_000, true));
    assert!(recovery.seconds().unwrap() > started.seconds_since(recovery.since) - 0.001);
    let (recovery, started) = with("2096-11-23T04:05:00Z");
    assert_eq!((recovery.since, recovery.from_failure), (started, false), "a failure in the future is a slip");
}

/// What one batch brings in one round is one write: the journal may die after fewer writes than there are items.
#[test]
fn what_a_batch_brings_is_written_together() {
    const ITEMS: usize = 20;
    let writes = |size: u32| {
        let book = playbook_of(&[Node::Each { items: ITEMS, size, max_failures: 0, block: vec!["sim.once"] }]);
        let ended = |writes: u64| {
            let simulation = Simulation::new();
            let life = simulation.start(&book, Some(Failure::Before(writes)));
            let intents = if simulation.has_run() { simulation.state().order.len() } else { 0 };
            // Nothing leaves before its intent is written.
            let touched = simulation.world.values().values().filter(|value| *value == "1").count();
            assert!(touched <= intents, "{touched} items were touched, and {intents} have intents");
            matches!(life, Life::Ended(_))
        };
        (0..).find(|writes| ended(*writes)).unwrap()
    };
    let (together, alone) = (writes(20), writes(1));
    eprintln!("{ITEMS} items: {together} writes in one batch, {alone} one after the other");
    assert!(together < ITEMS as u64 / 2 && alone >= 2 * ITEMS as u64, "{together} and {alone}");
}
