//! Batches of a `for_each`: how many are ever in hand, what must stay well beside them, what becomes of those that fail,
//! and the way back over the same batches in reverse; whatever fails, and wherever the runner is killed.

use std::collections::{BTreeMap, BTreeSet};

use playbook::engine::{Beginning, EndingKind};
use playbook::ids::ItemId;
use playbook::journal::Failure;
use playbook::playbook::{Amount, Each, GroupKind, OnItemFailure, Playbook};
use playbook::run::{
    Answer, Decision, Event, Phase, QuestionKind, Record, RequestKind, RunState, Task, Verdict, decide,
};
use playbook::sim::Fault;
use proptest::prelude::*;

use super::groups::{Node, playbook_of};
use super::harness::{Life, Simulation, live, records, unfolded};

/// A step, a `for_each` over so many items, and a step behind it.
pub(super) fn fleet(items: usize, sizes: &[&str], change: impl Fn(&mut Each)) -> Playbook {
    let each = Node::Each { items, size: 1, max_failures: 0, block: vec!["sim.probed", "sim.idempotent"] };
    let mut book = playbook_of(&[Node::One("sim.idempotent"), each, Node::One("sim.idempotent")]);
    let GroupKind::Each(each) = &mut book.groups[0].kind else { unreachable!() };
    each.sizes = sizes.iter().map(|size| Amount::parse(size).unwrap()).collect();
    each.on_item_failure = OnItemFailure::Leave;
    change(each);
    book
}

pub(super) fn fail(simulation: &Simulation, task: &str) {
    for attempt in 1..=9 {
        simulation.world.fail(task, attempt, Fault::FailedAfter);
    }
}

/// What the records say of the batches, held to the rules at each of them. It counts for itself, and asks the fold nothing.
#[derive(Default)]
struct Watch {
    sizes: Vec<u32>,
    batch_of: BTreeMap<ItemId, usize>,
    min_healthy: usize,
    max_failures: usize,
    under_way: BTreeSet<Task>,
    order: Vec<Task>,
    failed: BTreeSet<ItemId>,
    going_back: bool,
    newest: usize,
    back_in: Option<usize>,
    /// The most items that had something under way at the same time, forward and back.
    most: (usize, usize),
}

impl Watch {
    fn over(records: &[Record], way: OnItemFailure) -> Self {
        let mut watch = Self::default();
        for record in records {
            watch.see(&record.event, way);
        }
        watch
    }

    fn see(&mut self, event: &Event, way: OnItemFailure) {
        match event {
            Event::GroupEntered { items: Some(items), batches, max_failures, min_healthy, .. } => {
                let of_size = |(number, size): (usize, &u32)| vec![number; *size as usize];
                let numbers = batches.iter().enumerate().flat_map(of_size);
                self.batch_of = items.iter().map(|item| item.id.clone()).zip(numbers).collect();
                assert_eq!(self.batch_of.len(), items.len(), "every item is in a batch");
                (self.sizes, self.min_healthy) = (batches.clone(), *min_healthy as usize);
                self.max_failures = *max_failures as usize;
            }
            Event::ItemFailed { item, .. } => drop(self.failed.insert(item.clone())),
            Event::RollbackStarted { .. } => {
                assert!(self.under_way.is_empty(), "it goes back while something is under way");
                self.going_back = true;
            }
            Event::Outcome { task, .. } => drop(self.under_way.remove(task)),
            Event::Settled { task, .. } => drop(self.under_way.remove(task)),
            Event::Intent { task, .. } if task.phase == Phase::Do => self.begin(task, way),
            Event::Intent { task, .. } => self.undo(task, way),
            _ => {}
        }
    }

    fn begin(&mut self, task: &Task, way: OnItemFailure) {
        assert!(!self.going_back, "{task} begins while the run goes back");
        self.under_way.insert(task.clone());
        if !self.order.contains(task) {
            self.order.push(task.clone());
        }
        let Some(batch) = task.item.as_ref().map(|item| self.batch_of[item]) else { return };
        assert!(batch >= self.newest, "{task} of batch {batch} begins behind batch {}", self.newest);
        if batch > self.newest || self.order.len() == 1 {
            let others = self.under_way.iter().filter(|other| other.item != task.item);
            assert_eq!(others.count(), 0, "batch {batch} begins while the one before is under way");
            assert!(self.failed.len() <= self.max_failures, "batch {batch} begins behind {:?}", self.failed);
            let well = self.batch_of.len() - self.sizes[batch] as usize - self.unhealthy(way);
            assert!(self.min_healthy == 0 || well >= self.min_healthy, "batch {batch} leaves {well}");
            self.newest = batch;
        }
        assert!(!self.failed.contains(task.item.as_ref().unwrap()), "{task} begins although its item failed");
        let items: BTreeSet<_> = self.under_way.iter().filter_map(|task| task.item.as_ref()).collect();
        assert!(items.len() <= self.sizes[batch] as usize, "{items:?} are in hand in batch {batch}");
        self.most.0 = self.most.0.max(items.len());
    }

    /// Those that failed and have anything left of what was done to them, or had nothing done to them.
    fn unhealthy(&self, way: OnItemFailure) -> usize {
        let put_back = |item: &&ItemId| self.order.iter().any(|task| task.item.as_ref() == Some(item));
        self.failed.iter().filter(|item| way == OnItemFailure::Leave || !put_back(item)).count()
    }

    fn undo(&mut self, task: &Task, way: OnItemFailure) {
        let doing = task.doing();
        let place = self.order.iter().position(|other| *other == doing);
        assert!(place.is_some(), "{task} undoes what was never begun");
        self.under_way.insert(task.clone());
        let Some(item) = &task.item else {
            assert!(self.going_back && self.under_way.len() == 1, "{task} is undone beside {:?}", self.under_way);
            return;
        };
        let batch = self.batch_of[item];
        let failed = self.failed.contains(item);
        assert!(self.going_back || way == OnItemFailure::Rollback && failed, "{task} is undone");
        assert!(way == OnItemFailure::Rollback || !failed, "{task} is undone, and its item failed and is left");
        let same = |other: &&Task| *other != task && other.item.as_ref() == Some(item);
        assert_eq!(self.under_way.iter().find(same), None, "one after the other for {item}");
        for other in &self.under_way {
            let theirs = other.item.as_ref().map(|item| self.batch_of[item]);
            assert_eq!(theirs, Some(batch), "{task} runs beside {other} of another batch");
        }
        if self.going_back {
            assert!(self.back_in.is_none_or(|last| batch <= last), "{task} of batch {batch} behind {:?}", self.back_in);
            self.back_in = Some(batch);
            self.most.1 = self.most.1.max(self.under_way.len());
        } else {
            assert_eq!(batch, self.newest, "{task} is put back in its own batch");
        }
    }
}

fn watch(simulation: &Simulation, way: OnItemFailure) -> Watch {
    Watch::over(&records(simulation), way)
}

/// Which values of the world are set, of the block and of the steps around it.
fn standing(simulation: &Simulation) -> BTreeSet<String> {
    let world = simulation.world.values();
    world.into_iter().filter(|(name, value)| name.starts_with('n') && value == "1").map(|(name, _)| name).collect()
}

fn names(of: &[&str]) -> BTreeSet<String> {
    of.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_rollback_goes_over_the_batches_in_reverse_and_side_by_side() {
    let simulation = Simulation::new();
    let before = simulation.world.values();
    fail(&simulation, "n2");
    let ending = simulation.start(&fleet(7, &["1", "3"], |_| {}), None).ending();
    assert_eq!(ending.kind, EndingKind::Finished(Verdict::RolledBack));
    assert_eq!(simulation.world.values(), before);
    let watch = watch(&simulation, OnItemFailure::Leave);
    assert_eq!(watch.sizes, [1, 3, 3]);
    assert_eq!(watch.most, (3, 3), "as many are undone at the same time as were done");
    assert_eq!(watch.back_in, Some(0));
}

#[test]
fn an_item_that_failed_is_left_as_it_is_and_named() {
    let simulation = Simulation::new();
    fail(&simulation, "n1_1@i3");
    let ending = simulation.start(&fleet(5, &["2"], |_| {}), None).ending();
    assert_eq!(ending.kind, EndingKind::Finished(Verdict::Incomplete));
    assert_eq!(standing(&simulation), names(&["n1_0_i3", "n1_1_i3"]), "it alone stands, and whole");
    let (_, _, summary) = simulation.state().ended.unwrap();
    assert!(summary.contains("i3") && summary.contains("n1_0@i3, n1_1@i3") && !summary.contains("i4"), "{summary}");
    assert!(!summary.contains("everything is as it was"), "{summary}");
    watch(&simulation, OnItemFailure::Leave);
}

#[test]
fn where_nothing_was_done_to_what_failed_all_is_as_it_was() {
    let simulation = Simulation::new();
    let before = simulation.world.values();
    for attempt in 1..=9 {
        simulation.world.fail("n1_0@i3", attempt, Fault::NoEffect);
    }
    let ending = simulation.start(&fleet(5, &["2"], |_| {}), None).ending();
    assert_eq!(ending.kind, EndingKind::Finished(Verdict::RolledBack));
    assert_eq!(simulation.world.values(), before);
}

#[test]
fn an_item_is_put_back_before_the_next_batch_begins() {
    let way = OnItemFailure::Rollback;
    let simulation = Simulation::new();
    fail(&simulation, "n1_1@i3");
    let book = fleet(5, &["2"], |each| (each.on_item_failure, each.max_failures) = (way, Amount::Count(1)));
    let ending = simulation.start(&book, None).ending();
    assert_eq!(ending.kind, EndingKind::Finished(Verdict::SucceededWithExceptions));
    let applied = simulation.world.applied();
    let at = |task: &str| applied.iter().position(|done| done == task).unwrap_or_else(|| panic!("{task}: {applied:?}"));
    assert!(at("n1_1@i3/undo") < at("n1_0@i3/undo") && at("n1_0@i3/undo") < at("n1_0@i5"), "{applied:?}");
    assert!(!standing(&simulation).iter().any(|name| name.ends_with("_i3")));
    let watch = watch(&simulation, way);
    assert!(!watch.going_back && watch.failed.len() == 1);
}

#[test]
fn an_undo_of_an_item_that_fails_leaves_the_run_stuck_until_somebody_says_how_it_goes_on() {
    let way = OnItemFailure::Rollback;
    let book = fleet(4, &["2"], |each| (each.on_item_failure, each.max_failures) = (way, Amount::Count(1)));
    for (answer, verdict) in [
        (Answer::TookEffect, Some(Verdict::SucceededWithExceptions)),
        (Answer::Retry, None),
        (Answer::Abandon, Some(Verdict::Abandoned)),
    ] {
        let simulation = Simulation::new();
        fail(&simulation, "n1_1@i1");
        for attempt in 1..=9 {
            simulation.world.fail("n1_1@i1/undo", attempt, Fault::FailedBefore);
        }
        let ending = simulation.start(&book, None).ending();
        let EndingKind::Waiting(question) = ending.kind else { panic!("{:?}", ending.kind) };
        assert_eq!((question.task.to_string().as_str(), question.kind), ("n1_1@i1/undo", QuestionKind::UndoFailed));
        assert!(simulation.world.applied().contains(&"n1_1@i2".to_owned()), "the other of its batch finishes");
        assert!(!simulation.world.applied().iter().any(|task| task.contains("i3")), "no other batch begins");
        let ending = simulation.answer("n1_1@i1/undo", answer).ending();
        match verdict {
            Some(verdict) => assert_eq!(ending.kind, EndingKind::Finished(verdict), "{answer:?}"),
            None => assert!(matches!(ending.kind, EndingKind::Waiting(_)), "it fails again: {:?}", ending.kind),
        }
    }
}

#[test]
fn what_was_put_back_is_done_anew_where_a_person_lets_it_be_tried_again() {
    use playbook::playbook::OnFailure;
    let mut book = fleet(3, &["3"], |each| each.on_item_failure = OnItemFailure::Rollback);
    book.groups[0].on_failure = Some(OnFailure::Pause);
    let simulation = Simulation::new();
    simulation.world.fail("n1_1@i2", 1, Fault::FailedBefore);
    let ending = simulation.start(&book, None).ending();
    let EndingKind::Waiting(question) = ending.kind else { panic!("{:?}", ending.kind) };
    assert_eq!(question.task.to_string(), "n1");
    assert!(!standing(&simulation).contains("n1_0_i2"));
    let ending = simulation.answer("n1", Answer::Retry).ending();
    assert_eq!(ending.kind, EndingKind::Finished(Verdict::SucceededWithExceptions));
    assert!(standing(&simulation).contains("n1_0_i2") && standing(&simulation).contains("n1_1_i2"));
    // Gone back to the start, the new doing is undone as any other.
    let applied = simulation.world.applied();
    assert_eq!(applied.iter().filter(|task| *task == "n1_0@i2").count(), 2, "{applied:?}");
}

#[test]
fn so_many_stay_healthy_beside_a_batch_or_it_does_not_begin() {
    let least = |least: &str, most: u32| {
        let simulation = Simulation::new();
        fail(&simulation, "n1_0@i2");
        let book = fleet(6, &["2"], |each| {
            each.min_healthy = Some(Amount::parse(least).unwrap());
            each.max_failures = Amount::Count(most);
        });
        let ending = simulation.start(&book, None).ending();
        watch(&simulation, OnItemFailure::Leave);
        let because = simulation.state().rollback.map(|rollback| rollback.because).unwrap_or_default();
        (ending.kind, because)
    };
    // Of six, one failed: the next two leave three.
    assert_eq!(least("3", 2).0, EndingKind::Finished(Verdict::SucceededWithExceptions));
    let (kind, because) = least("4", 2);
    assert_eq!(kind, EndingKind::Finished(Verdict::Incomplete));
    for figure in ["batch 2 of 3", "2 of 6 items", "1 that failed", "leave 3 healthy", "4 have to stay so"] {
        assert!(because.contains(figure), "{figure}: {because}");
    }
    // One that is put back is healthy.
    let simulation = Simulation::new();
    fail(&simulation, "n1_0@i2");
    let book = fleet(6, &["2"], |each| {
        each.min_healthy = Some(Amount::Count(4));
        (each.max_failures, each.on_item_failure) = (Amount::Count(2), OnItemFailure::Rollback);
    });
    let ending = simulation.start(&book, None).ending();
    assert_eq!(ending.kind, EndingKind::Finished(Verdict::SucceededWithExceptions));
}

#[test]
fn between_two_batches_it_is_waited_and_a_kill_does_not_shorten_that() {
    let book = fleet(3, &["1"], |each| each.pause = 5.0);
    let gaps = |records: &[Record]| {
        let begins = records.iter().enumerate().filter(|(_, record)| matches!(record.event, Event::BatchBegan { .. }));
        begins.map(|(place, record)| record.time.seconds_since(records[place - 1].time)).collect::<Vec<_>>()
    };
    let simulation = Simulation::new();
    assert_eq!(simulation.start(&book, None).kind(), EndingKind::Finished(Verdict::Succeeded));
    let plain = gaps(&records(&simulation));
    assert_eq!(plain.len(), 2, "before each but the first");
    assert!(plain.iter().all(|gap| (5.0..5.5).contains(gap)), "{plain:?}");
    let all = records(&simulation).len() as u64;
    for write in 2..all + 2 {
        let simulation = Simulation::new();
        let life = simulation.start(&book, Some(Failure::Unacknowledged(write)));
        if !matches!(life, Life::Ended(_)) {
            assert_eq!(simulation.resume(None).kind(), EndingKind::Finished(Verdict::Succeeded), "write {write}");
        }
        let begins = |batch| move |event: &Event| matches!(event, Event::BatchBegan { batch: of, .. } if *of == batch);
        let all = records(&simulation);
        for batch in [1, 2] {
            let of_it: Vec<&Record> = all.iter().filter(|record| begins(batch)(&record.event)).collect();
            assert_eq!(of_it.len(), 1, "batch {batch} begins once, write {write}");
        }
        watch(&simulation, OnItemFailure::Leave);
    }
}

/// A plan was looked at with its batches: what would now take more at a time is not what somebody said yes to.
#[test]
fn batches_that_are_others_than_those_of_the_plan_are_drift() {
    let simulation = Simulation::new();
    let life = live(async {
        let mut engine = simulation.engine(None);
        let mut plan = engine.plan(fleet(4, &["2"], |_| {}), serde_json::json!({})).await?;
        plan.groups[0].batches = vec![1, 1, 1, 1];
        engine.start(plan, Beginning::default()).await
    });
    assert_eq!(life.kind(), EndingKind::Finished(Verdict::RolledBack));
    let state = simulation.state();
    let (_, _, summary) = state.ended.unwrap();
    assert!(state.drifted && summary.contains("4 batches of 1, 1, 1, 1"), "{summary}");
    assert!(!simulation.world.applied().iter().any(|task| task.starts_with("n1")), "none of its items was touched");
}

#[test]
fn a_pause_is_counted_from_the_end_of_the_batch_before_and_is_never_longer_than_it_is() {
    let book = fleet(3, &["1"], |each| each.pause = 3600.0);
    let simulation = Simulation::new();
    assert!(matches!(simulation.start(&book, None), Life::Killed), "it is left in the middle of the pause");
    let state = simulation.state();
    let rested = state.entered[&"n1".parse().unwrap()].rested.unwrap();
    let wait = |seconds: f64| {
        let decision = match decide(&state, rested.plus_seconds(seconds)) {
            Decision::Together(mut all) if all.len() == 1 => all.remove(0),
            one => one,
        };
        let Decision::BetweenBatches { batch: 1, wait, .. } = decision else { panic!("{decision:?}") };
        wait
    };
    assert_eq!([0.0, 600.0, 9000.0].map(wait), [3600.0, 3000.0, 0.0], "what was waited before a kill counts");
    assert_eq!(wait(-900.0), 3600.0, "a clock that was set back makes it no longer");
}

#[test]
fn a_stop_and_a_cancel_get_through_while_it_is_waited() {
    let book = fleet(3, &["1"], |each| each.pause = 3600.0);
    let simulation = Simulation::new();
    // The simulated machine stands still for a while only: it is left in the middle of the pause.
    assert!(matches!(simulation.start(&book, None), Life::Killed));
    simulation.ask(RequestKind::Pause);
    let ending = simulation.resume(None).ending();
    assert!(matches!(ending.kind, EndingKind::Stopped(_)), "{:?}", ending.kind);
    let ending = simulation.request(RequestKind::Cancel).ending();
    assert_eq!(ending.kind, EndingKind::Finished(Verdict::RolledBack));
    assert_eq!(watch(&simulation, OnItemFailure::Leave).newest, 0);
}

#[test]
fn a_record_of_before_batches_were_frozen_goes_by_the_playbook_and_undoes_all() {
    let simulation = Simulation::new();
    fail(&simulation, "n1_1@i3");
    simulation.start(&fleet(5, &["2"], |_| {}), None).ending();
    let mut before = Vec::new();
    for mut record in records(&simulation) {
        if let Event::GroupEntered { batches, max_failures, min_healthy, .. } = &mut record.event {
            let text = serde_json::json!({ "event": "group_entered", "task": "n1", "items": null });
            let old: Event = serde_json::from_value(text).unwrap();
            assert!(matches!(old, Event::GroupEntered { batches, .. } if batches.is_empty()));
            batches.clear();
            (*max_failures, *min_healthy) = (0, 0);
        }
        if matches!(record.event, Event::RollbackStarted { .. }) {
            break;
        }
        before.push(record);
    }
    let state = RunState::replay(&simulation.run(), &before).unwrap();
    let entered = &state.entered[&"n1".parse().unwrap()];
    let sizes: Vec<usize> = (0..entered.batches()).map(|batch| entered.batch(batch).len()).collect();
    assert_eq!(sizes, [2, 2, 1]);
    assert!(!state.is_left(&"n1_0@i3".parse().unwrap()), "what failed was undone with the rest by then");
}

fn amounts() -> impl Strategy<Value = Vec<String>> {
    let amount = prop_oneof![(1..5_u32).prop_map(|n| n.to_string()), (1..101_u32).prop_map(|n| format!("{n}%"))];
    proptest::collection::vec(amount, 1..4)
}

fn fault() -> impl Strategy<Value = (usize, usize, u32, Fault, bool)> {
    let fault = prop::sample::select(vec![
        Fault::NoEffect,
        Fault::FailedBefore,
        Fault::FailedAfter,
        Fault::UnknownBefore,
        Fault::UnknownAfter,
        Fault::KilledBefore,
        Fault::KilledAfter,
    ]);
    (1..9_usize, 0..3_usize, 1..3_u32, fault, prop::bool::weighted(0.15))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_fails_batches_are_what_they_say(
        items in 1..9_usize, sizes in amounts(), most in 0..101_u32, least in 0..99_u32, rollback in any::<bool>(),
        pause in prop::bool::weighted(0.3), last in prop::bool::weighted(0.3),
        faults in proptest::collection::vec(fault(), 0..6),
        kills in proptest::collection::vec((0..60_u64, any::<bool>()), 0..4),
    ) {
        let way = if rollback { OnItemFailure::Rollback } else { OnItemFailure::Leave };
        let sizes: Vec<&str> = sizes.iter().map(String::as_str).collect();
        let share = |percent: u32| Amount::parse(&format!("{percent}%")).unwrap();
        let book = fleet(items, &sizes, |each| {
            each.max_failures = share(most);
            each.min_healthy = (least < 60 && items > 2).then(|| share(least));
            each.on_item_failure = way;
            each.pause = if pause { 2.0 } else { 0.0 };
        });
        let simulation = Simulation::new();
        let before = simulation.world.values();
        for (item, place, attempt, fault, undo) in &faults {
            let undo = if *undo { "/undo" } else { "" };
            simulation.world.fail(&format!("n1_{}@i{item}{undo}", place % 2), *attempt, *fault);
        }
        if last {
            fail(&simulation, "n2");
        }
        let kill = |(write, lost): &(u64, bool)| if *lost { Failure::Unacknowledged(*write) } else { Failure::Before(*write) };
        let mut kills = kills.iter();
        let mut life = simulation.start(&book, kills.next().map(kill));
        for _ in 0..60 {
            if !simulation.has_run() || simulation.state().ended.is_some() {
                break;
            }
            life = match life {
                Life::Ended(ending) => match ending.kind {
                    EndingKind::Waiting(question) => simulation.answer(&question.task.to_string(), Answer::Retry),
                    other => panic!("it came to {other:?}"),
                },
                Life::Failed(_) | Life::Killed => simulation.resume(kills.next().map(kill)),
            };
        }
        if simulation.has_run() {
            let watch = watch(&simulation, way);
            hold_to(&simulation, &watch, way, &before);
        }
    }
}

fn hold_to(simulation: &Simulation, watch: &Watch, way: OnItemFailure, before: &BTreeMap<String, String>) {
    let state = simulation.state();
    let (verdict, _, summary) = state.ended.clone().expect("it comes to an end");
    assert!(watch.under_way.is_empty(), "{:?} is under way at the end", watch.under_way);
    let of_failed = |name: &String| watch.failed.iter().any(|item| name.ends_with(&format!("_{item}")));
    let stands = standing(simulation);
    match verdict {
        Verdict::Succeeded => assert!(watch.failed.is_empty() && stands.len() == 2 + 2 * watch.batch_of.len()),
        Verdict::SucceededWithExceptions => {
            assert!(watch.failed.len() <= watch.max_failures, "{:?}", watch.failed);
            let own = stands.iter().filter(|name| !of_failed(name)).count();
            assert_eq!(own, 2 + 2 * (watch.batch_of.len() - watch.failed.len()), "{stands:?}");
            assert!(way == OnItemFailure::Leave || own == stands.len(), "{stands:?}");
        }
        Verdict::RolledBack | Verdict::Failed => assert_eq!(&simulation.world.values(), before, "{summary}"),
        Verdict::Incomplete => {
            assert_eq!(way, OnItemFailure::Leave);
            assert!(stands.iter().all(of_failed), "{stands:?}");
            let named = unfolded(summary.split("but for ").nth(1).unwrap().split(", which").next().unwrap());
            let left = |item: &&ItemId| stands.iter().any(|name| name.ends_with(&format!("_{item}")));
            assert!(watch.failed.iter().filter(left).all(|item| named.contains(item.as_str())), "{summary}");
        }
        other => panic!("{other:?}: {summary}"),
    }
    assert!(state.in_flight().next().is_none());
}
