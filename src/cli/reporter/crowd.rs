//! The many items of a `for_each`, counted: how many are done, failed, in hand; which takes longest; which failed. A record
//! moves the counts of its own item alone, so a run of a thousand hosts is as cheap to follow as one of ten. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::ids::{ItemId, StepId};
use crate::playbook::{Group, Step};
use crate::run::{Entered, Event, Record, RunState, Status, Task, Time};

/// So many items are shown one by one; more than that are counted.
pub const FEW: usize = 8;

/// How one item stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stand {
    /// Nothing has begun for it.
    Waiting,
    /// It is worked on, since then.
    InHand(Time),
    /// All is done for it.
    Done,
    /// Nothing of it runs.
    Skipped,
    /// It failed.
    Failed,
    /// It is not known whether something took effect.
    Unknown,
    /// It is being undone, since then.
    Undoing(Time),
    /// What was done for it is undone.
    Undone,
}

/// How many items stand how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Nothing has begun for them.
    pub waiting: usize,
    /// They are worked on, or undone, right now.
    pub in_hand: usize,
    /// All is done for them.
    pub done: usize,
    /// Nothing of it runs for them.
    pub skipped: usize,
    /// They failed.
    pub failed: usize,
    /// It is not known how they stand.
    pub unknown: usize,
    /// What was done for them is undone.
    pub undone: usize,
}

impl Counts {
    fn of(&mut self, stand: Stand) -> &mut usize {
        match stand {
            Stand::Waiting => &mut self.waiting,
            Stand::InHand(_) | Stand::Undoing(_) => &mut self.in_hand,
            Stand::Done => &mut self.done,
            Stand::Skipped => &mut self.skipped,
            Stand::Failed => &mut self.failed,
            Stand::Unknown => &mut self.unknown,
            Stand::Undone => &mut self.undone,
        }
    }
}

/// The items of one `for_each`.
#[derive(Debug, Clone, PartialEq)]
pub struct Crowd {
    /// The group.
    pub task: Task,
    /// How many items there are.
    pub all: usize,
    /// How many stand how.
    pub counts: Counts,
    stands: HashMap<ItemId, Stand>,
    in_hand: BTreeSet<(Time, ItemId)>,
    failed: BTreeSet<(u64, ItemId)>,
    /// When the first was begun.
    pub since: Option<Time>,
    /// When something became of one of them last.
    pub moved: Option<Time>,
}

impl Crowd {
    /// The items of a group that was entered.
    pub fn of(state: &RunState, group: &Group, task: &Task) -> Option<Self> {
        let entered = state.entered.get(task)?;
        let mut crowd = Self {
            task: task.clone(),
            all: entered.items.len(),
            counts: Counts { waiting: entered.items.len(), ..Counts::default() },
            stands: HashMap::with_capacity(entered.items.len()),
            in_hand: BTreeSet::new(),
            failed: BTreeSet::new(),
            since: None,
            moved: None,
        };
        for step in steps_of(state, group) {
            for (_, doing) in state.doings(&step.id) {
                crowd.since = Some(crowd.since.map_or(doing.started, |since| since.min(doing.started)));
                crowd.moved = crowd.moved.max(doing.ended);
            }
        }
        for (place, item) in entered.items.iter().enumerate() {
            crowd.put(&item.id, stand(state, group, entered, &item.id), place as u64);
        }
        Some(crowd)
    }

    /// The item as it stands now; `order` is what failures are sorted by.
    fn put(&mut self, item: &ItemId, new: Stand, order: u64) {
        let old = self.stand(item);
        if old == new {
            return;
        }
        *self.counts.of(old) = self.counts.of(old).saturating_sub(1);
        *self.counts.of(new) += 1;
        if let Stand::InHand(since) | Stand::Undoing(since) = old {
            self.in_hand.remove(&(since, item.clone()));
        }
        if let Stand::InHand(since) | Stand::Undoing(since) = new {
            self.in_hand.insert((since, item.clone()));
        }
        if old == Stand::Failed {
            self.failed.retain(|(_, failed)| failed != item);
        }
        if new == Stand::Failed {
            self.failed.insert((order, item.clone()));
        }
        self.stands.insert(item.clone(), new);
    }

    /// How an item stands.
    pub fn stand(&self, item: &ItemId) -> Stand {
        self.stands.get(item).copied().unwrap_or(Stand::Waiting)
    }

    /// Those in hand, the one that takes longest first.
    pub fn in_hand(&self) -> impl Iterator<Item = (&ItemId, Time)> {
        self.in_hand.iter().map(|(since, item)| (item, *since))
    }

    /// Those that failed, in the order in which they did.
    pub fn failed(&self) -> impl Iterator<Item = &ItemId> {
        self.failed.iter().map(|(_, item)| item)
    }

    /// How many stand how, in words.
    pub fn words(&self) -> String {
        let counts = self.counts;
        let mut text = format!("{} of {} done", counts.done, self.all);
        for (count, word) in [
            (counts.failed, "failed"),
            (counts.unknown, "not known"),
            (counts.undone, "undone"),
            (counts.skipped, "skipped"),
            (counts.in_hand, "in hand"),
            (counts.waiting, "waiting"),
        ] {
            if count > 0 {
                text.push_str(&format!(", {count} {word}"));
            }
        }
        text
    }

    /// Something is looked at before it begins: the item is in hand already.
    pub fn begins(&mut self, item: &ItemId, now: Time) {
        if self.stand(item) == Stand::Waiting {
            self.put(item, Stand::InHand(now), 0);
        }
    }
}

/// All crowds of a run, moved on record by record.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Crowds {
    of: BTreeMap<StepId, Crowd>,
}

impl Crowds {
    /// The crowds of a run as it stands.
    pub fn of(state: &RunState) -> Self {
        let mut crowds = Self::default();
        for (task, entered) in &state.entered {
            crowds.enter(state, task, entered);
        }
        crowds
    }

    /// The crowd of a group, if it has so many items that they are counted.
    pub fn get(&self, group: &StepId) -> Option<&Crowd> {
        self.of.get(group)
    }

    /// The crowd that a step runs for.
    pub fn around(&mut self, state: &RunState, step: &StepId) -> Option<&mut Crowd> {
        self.of.get_mut(&group_of(state, step)?.id)
    }

    /// Moves on by a record; the state is the one after it. The crowd that it was about.
    pub fn take(&mut self, record: &Record, state: &RunState) -> Option<&Crowd> {
        if let Event::GroupEntered { task, .. } = &record.event {
            let entered = state.entered.get(task)?;
            self.enter(state, task, entered);
            return self.of.get(&task.step);
        }
        if matches!(record.event, Event::Answered { .. } | Event::SkippedByPerson { .. }) {
            // A person's word may be about a whole group.
            *self = Self::of(state);
        }
        let (step, item) = crate::timeline::about(&record.event)?;
        let group = group_of(state, step)?;
        let crowd = self.of.get_mut(&group.id)?;
        if let (Some(item), Some(entered)) = (item, state.entered.get(&crowd.task)) {
            crowd.put(item, stand(state, group, entered, item), record.seq);
            crowd.since = crowd.since.or(Some(record.time));
            crowd.moved = Some(record.time);
        }
        Some(crowd)
    }

    fn enter(&mut self, state: &RunState, task: &Task, entered: &Entered) {
        let group = state.playbook().group(&task.step).filter(|group| group.each().is_some());
        if let Some(crowd) = group.filter(|_| entered.items.len() > FEW).and_then(|group| Crowd::of(state, group, task))
        {
            self.of.insert(task.step.clone(), crowd);
        }
    }
}

/// The `for_each` that a step, or a group of steps, belongs to.
pub fn group_of<'a>(state: &'a RunState, step: &StepId) -> Option<&'a Group> {
    let book = state.playbook();
    match book.step(step) {
        Some(step) => book.each_around(step.group.as_ref()),
        None => book.each_around(Some(step)),
    }
}

/// The steps of a group.
pub fn steps_of<'a>(state: &'a RunState, group: &'a Group) -> impl DoubleEndedIterator<Item = &'a Step> {
    state.playbook().steps.get(group.range()).unwrap_or_default().iter()
}

/// How an item stands, from the tasks that it has.
fn stand(state: &RunState, group: &Group, entered: &Entered, item: &ItemId) -> Stand {
    let tasks: Vec<Task> = steps_of(state, group).map(|step| Task::at(&step.id, Some(item))).collect();
    let begun = || tasks.iter().filter_map(|task| state.tasks.get(task));
    let undoing = undoing(state, &tasks);
    // That it failed is worth more than that it is put back since.
    if let Some(undoing) = undoing.filter(|undoing| *undoing != Stand::Undone || !entered.failed.contains_key(item)) {
        return undoing;
    }
    if entered.failed.contains_key(item) {
        return Stand::Failed;
    }
    if tasks.iter().all(|task| state.is_passed_for(task)) {
        let skipped = tasks.iter().all(|task| state.skipped_around(task));
        return if skipped { Stand::Skipped } else { Stand::Done };
    }
    let since = begun().map(|task| task.started).min();
    let Some(since) = since else { return Stand::Waiting };
    let unknown = begun().any(|task| task.status == Status::Doubtful);
    if unknown { Stand::Unknown } else { Stand::InHand(since) }
}

/// How far the undo of an item is, if that has begun.
fn undoing(state: &RunState, tasks: &[Task]) -> Option<Stand> {
    let step = |task: &Task| state.playbook().step(&task.step);
    let undos = tasks.iter().flat_map(|task| {
        let parts = step(task).map_or(0, RunState::undo_parts);
        (0..parts).filter_map(|part| state.tasks.get(&task.undo(part)))
    });
    let since = undos.map(|undo| undo.intent.as_ref().map_or(undo.started, |intent| intent.at)).max()?;
    if tasks.iter().any(|task| undo_failed(state, task)) {
        return Some(Stand::Failed);
    }
    let open = |task: &Task| {
        let ways = step(task).is_some_and(|step| RunState::undo_parts(step) > 0);
        ways && state.tasks.get(task).is_some_and(|doing| doing.may_have_effect()) && !state.is_undone(task)
    };
    Some(if tasks.iter().any(open) { Stand::Undoing(since) } else { Stand::Undone })
}

/// Whether a task's undo failed.
pub fn undo_failed(state: &RunState, task: &Task) -> bool {
    let parts = state.playbook().step(&task.step).map_or(0, RunState::undo_parts);
    (0..parts).any(|part| {
        let undo = state.tasks.get(&task.undo(part));
        undo.is_some_and(|undo| matches!(undo.status, Status::Failed { .. } | Status::NoEffect { .. }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::view::samples::{self, Story};
    use crate::outcome::Report;

    /// What is counted record by record, checked against what is counted anew at each of them.
    fn followed(story: &Story) -> Crowds {
        let mut state = RunState::begin(&samples::run_id(), &story.records[0]).unwrap();
        let mut crowds = Crowds::default();
        for record in &story.records[1..] {
            state.apply(record).unwrap();
            crowds.take(record, &state);
            let anew = Crowds::of(&state);
            assert_eq!(anew.of.len(), crowds.of.len(), "{record:?}");
            for (group, crowd) in &crowds.of {
                let anew = &anew.of[group];
                assert_eq!((crowd.counts, &crowd.in_hand), (anew.counts, &anew.in_hand), "{record:?}");
                let failed = |crowd: &Crowd| crowd.failed().cloned().collect::<BTreeSet<_>>();
                assert_eq!(failed(crowd), failed(anew), "{record:?}");
            }
        }
        crowds
    }

    #[test]
    fn counted_record_by_record_is_what_is_counted_anew() {
        let mut story = Story::with_plan(samples::crowd_plan(60));
        story.enter("kernel", 60).kernels(1, 50).kernels(51, 60).enter("restart", 60);
        for name in ["web0001", "web0002", "web0003"] {
            story.done(&format!("drain@{name}"), "");
        }
        story.done("start@web0001", "").intent("start@web0002").intent("start@web0003");
        story.outcome("start@web0002", 0.1, Report::failed("exit code 1"));
        story.item_failed("restart", "web0002", "start@web0002 failed: exit code 1");
        let crowds = followed(&story);
        let counts = crowds.get(&"restart".parse().unwrap()).unwrap().counts;
        assert_eq!((counts.done, counts.failed, counts.in_hand, counts.waiting), (1, 1, 1, 57));
        story.outcome("start@web0003", 0.1, Report::done("", serde_json::json!({})));
        story.add(0.0, Event::RollbackStarted { to: None, because: "x".to_owned() });
        for name in ["web0003", "web0002"] {
            let undo = format!("drain@{name}/undo");
            story.intent(&undo).outcome(&undo, 0.1, Report::done("", serde_json::json!({})));
        }
        let undo = "drain@web0001/undo";
        story.intent(undo).outcome(undo, 0.1, Report::failed("it does not"));
        let crowds = followed(&story);
        let counts = crowds.get(&"restart".parse().unwrap()).unwrap().counts;
        assert_eq!((counts.undone, counts.failed, counts.in_hand, counts.waiting), (1, 2, 0, 57));
    }

    #[test]
    fn the_one_that_takes_longest_is_first_and_few_items_are_no_crowd() {
        let story = samples::crowded();
        let crowds = Crowds::of(&story.state);
        let crowd = crowds.get(&"kernel".parse().unwrap()).unwrap();
        assert_eq!(crowd.words(), "410 of 1000 done, 2 failed, 38 in hand, 550 waiting");
        assert_eq!(crowd.in_hand().next().unwrap().0.as_str(), "web0413");
        assert_eq!(crowd.failed().map(|item| item.as_str()).collect::<Vec<_>>(), ["web0007", "web0311"]);
        let mut story = Story::with_plan(samples::crowd_plan(FEW));
        story.enter("kernel", FEW);
        assert!(Crowds::of(&story.state).get(&"kernel".parse().unwrap()).is_none());
    }
}
