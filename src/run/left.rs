//! Items of a `for_each` that failed. With `on_item_failure: leave` they stay as they are, whatever becomes of the run: an undo
//! could put back into service what is not well. With `rollback` what was done to them is undone before the next batch
//! begins. Here is what may run beside that, and what is said of it at a run's end.

use std::collections::BTreeSet;

use super::{Decision, Entered, Event, RunState, Task, TaskState, verdict};
use crate::ids::{ItemId, StepId};
use crate::playbook::{Group, OnItemFailure, Step};
use crate::value::ranges;

/// About so many columns of names are told.
const COLUMNS: usize = 400;

impl RunState {
    /// The `for_each` around a task with an item.
    fn each_around(&self, task: &Task) -> Option<(Task, &Entered)> {
        task.item.as_ref()?;
        let book = self.playbook();
        let inside = match book.step(&task.step) {
            Some(step) => step.group.as_ref(),
            None => book.group(&task.step)?.parent.as_ref(),
        };
        let own = self.group_task(book.each_around(inside)?, task.item.as_ref());
        let entered = self.entered.get(&own)?;
        Some((own, entered))
    }

    /// The `for_each` around a task, and in which of its batches the task's item is.
    pub(super) fn batch_around(&self, task: &Task) -> Option<(Task, usize)> {
        let (own, entered) = self.each_around(task)?;
        Some((own, entered.batch_of(task.item.as_ref()?)))
    }

    fn item_failed(&self, task: &Task, way: OnItemFailure) -> bool {
        let failed = |entered: &Entered| task.item.as_ref().is_some_and(|item| entered.failed.contains_key(item));
        self.each_around(task).is_some_and(|(_, entered)| entered.on_item_failure == Some(way) && failed(entered))
    }

    /// Whether a task belongs to an item that failed and stays as it is.
    pub fn is_left(&self, task: &Task) -> bool {
        self.item_failed(task, OnItemFailure::Leave)
    }

    /// Whether a task belongs to an item that failed and is put back at once.
    pub(super) fn is_put_back(&self, task: &Task) -> bool {
        self.item_failed(task, OnItemFailure::Rollback)
    }

    /// Whether an item that failed is as it was before the run, as far as that can be known: something was done to it, and all of
    /// that is undone. One that nothing could be done to may well not be healthy.
    pub(super) fn was_put_back(&self, group: &Group, task: &Task, item: &ItemId) -> bool {
        let put_back = self.entered.get(task).is_some_and(|entered| {
            entered.on_item_failure == Some(OnItemFailure::Rollback) && entered.failed.contains_key(item)
        });
        let steps = self.playbook().steps.get(group.range()).unwrap_or_default();
        let changing = steps.iter().filter(|step| step.effect.changes()).map(|step| Task::at(&step.id, Some(item)));
        let mut done = changing.filter(|task| self.tasks.get(task).is_some_and(TaskState::may_have_effect)).peekable();
        put_back && done.peek().is_some() && done.all(|task| self.is_undone(&task))
    }

    /// Whether an undo of a task was begun, and may have changed something.
    pub(super) fn undo_begun(&self, doing: &Task) -> bool {
        let parts = self.playbook().step(&doing.step).map_or(0, Self::undo_parts);
        (0..parts).any(|part| self.tasks.get(&doing.undo(part)).is_some_and(TaskState::may_have_effect))
    }

    /// Whether two tasks, one of which undoes at least, may be under way at the same time: items of one batch, where both go
    /// back or one failed and is put back beside the others.
    pub(super) fn may_meet_going_back(&self, one: &Task, other: &Task) -> bool {
        let (Some(mine), Some(theirs)) = (self.batch_around(one), self.batch_around(other)) else { return false };
        let goes_back = |task: &Task| task.is_undo() && (self.rollback.is_some() || self.is_put_back(task));
        let goes_on = |task: &Task| !task.is_undo() && self.rollback.is_none();
        mine == theirs
            && one.item != other.item
            && (goes_back(one) || goes_on(one))
            && (goes_back(other) || goes_on(other))
    }

    /// Whether something was begun of the item that a task is for.
    fn is_item_in_hand(&self, task: &Task) -> bool {
        let Some((own, _)) = self.each_around(task) else { return false };
        let range = self.playbook().group(&own.step).map(Group::range).unwrap_or_default();
        let steps = self.playbook().steps.get(range).unwrap_or_default();
        let begun = |step: &Step| self.tasks.contains_key(&Task::at(&step.id, task.item.as_ref()));
        steps.iter().any(begun)
    }

    /// The batch of a task has begun.
    pub(super) fn begin_its_batch(&mut self, task: &Task) {
        if let Some((own, batch)) = self.batch_around(task)
            && let Some(entered) = self.entered.get_mut(&own)
        {
            entered.begin(batch);
        }
    }

    /// An item of which something has just passed may have nothing left to be done: then it is not looked at any more.
    pub(super) fn close_round(&mut self, event: &Event) {
        let task = match event {
            Event::Outcome { task, .. }
            | Event::Settled { task, .. }
            | Event::Verified { task, .. }
            | Event::StepSkipped { task, .. }
            | Event::FailureAccepted { task, .. } => task.clone(),
            Event::ItemFailed { task, item, .. } => {
                let book = self.playbook();
                let first = book.group(&task.step).and_then(|group| book.steps.get(group.first));
                let Some(first) = first else { return };
                Task::at(&first.id, Some(item))
            }
            _ => return,
        };
        let over = self.each_around(&task).and_then(|(own, entered)| {
            let (group, item) = (self.playbook().group(&own.step)?, task.item.as_ref()?);
            let place = entered.place_of(item)?;
            self.round_is_over(group, &own, item).then_some((own, place))
        });
        if let Some((own, place)) = over
            && let Some(entered) = self.entered.get_mut(&own)
        {
            entered.close(place);
        }
    }

    /// Whether a batch is the next one to begin.
    pub(super) fn may_begin_batch(&self, task: &Task, batch: u32) -> Result<(), String> {
        let Some(entered) = self.entered.get(task) else { return Err(format!("{task} was never entered")) };
        if self.rollback.is_some() || entered.batch_at(entered.dealt_with) != batch as usize || entered.is_through() {
            return Err(format!("batch {} of {task} is not the next to begin", u64::from(batch) + 1));
        }
        Ok(())
    }

    /// A checkpoint was reached: one of those that the batches of a `for_each` make, perhaps.
    pub(super) fn tell_checkpoint(&mut self, step: &StepId, name: &str) {
        let own = self.playbook().group(step).and_then(Group::each).and_then(|each| each.checkpoint.as_deref());
        if own == Some(name)
            && let Some(entered) = self.entered.get_mut(&Task::of(step))
        {
            entered.tell();
        }
    }

    /// How many checkpoints of the batches of a `for_each` stand.
    pub(super) fn checkpoints_of_batches(&self, task: &Task) -> usize {
        let own = self.playbook().group(&task.step).and_then(Group::each).and_then(|each| each.checkpoint.as_ref());
        let of_it = |name: &String| self.checkpoints.iter().filter(|p| p.step == task.step && &p.name == name).count();
        own.map_or(0, of_it)
    }

    /// The run goes forward again: which batches have begun, and which checkpoints stand, follows from what does.
    pub(super) fn begin_batches_anew(&mut self) {
        let groups: Vec<Task> = self.entered.keys().cloned().collect();
        for group in groups {
            let told = self.checkpoints_of_batches(&group);
            if let Some(entered) = self.entered.get_mut(&group).filter(|entered| entered.dealt_with == 0) {
                entered.begin_anew(told);
                entered.begun = 0;
            }
        }
        let standing = self.order.clone();
        standing.iter().for_each(|task| self.begin_its_batch(task));
    }
}

/// Whether a decision goes on with an item of which something was begun, and with nothing else.
pub(super) fn is_of_an_item_in_hand(run: &RunState, decision: &Decision) -> bool {
    let in_hand = |task: &Task| task.is_undo() || run.is_item_in_hand(task);
    match decision {
        Decision::Dispatch { .. } | Decision::Settle { .. } | Decision::Verify { .. } => true,
        Decision::Prepare { task, .. } | Decision::Check { task, .. } => in_hand(task),
        Decision::Record(event) => match &**event {
            Event::ItemFailed { .. } => true,
            Event::StepSkipped { task, .. } | Event::FailureAccepted { task, .. } => in_hand(task),
            _ => false,
        },
        _ => false,
    }
}

/// What stands of the items that failed and were left as they are, of what a rollback does not keep anyway.
pub(super) fn told(run: &RunState, kept: usize) -> Option<String> {
    let stands = |task: &&Task| {
        let changes = run.playbook().step(&task.step).is_some_and(|step| step.effect.changes());
        changes && run.is_left(task) && !run.is_undone(task) && run.doing(task).is_some_and(TaskState::may_have_effect)
    };
    let left: Vec<&Task> = run.order.iter().skip(kept).filter(stands).collect();
    let items: BTreeSet<&str> = left.iter().filter_map(|task| Some(task.item.as_ref()?.as_str())).collect();
    if items.is_empty() {
        return None;
    }
    let stay = if items.len() == 1 { "stays as it is" } else { "stay as they are" };
    let items = ranges::listed(items, COLUMNS);
    let tasks: Vec<(&Task, String)> = left.into_iter().map(|task| (task, String::new())).collect();
    let tasks = verdict::together(&tasks).join(", ");
    Some(format!(
        "{items}, which failed and {stay} (`on_item_failure: leave`), as nobody puts back into service what is not well; what stands \
         there: {tasks}"
    ))
}
