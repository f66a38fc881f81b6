//! What a person gives up of a `for_each`: one item, named as `GROUP@ITEM`. Going forward, what is left of its block is not
//! done; going back, what is left of its undo is not. It never touches what is under way, nor any other item.

use super::state::RunState;
use super::task_state::TaskState;
use super::{Record, SkipHow, SkipReason, Task};
use crate::outcome::Report;
use crate::playbook::Group;
use crate::value::Value;

impl RunState {
    /// Whether a task names an item of a `for_each` as a whole. The one step of a list has the name of its group: it is that step.
    pub fn is_item(&self, task: &Task) -> bool {
        task.item.is_some() && !task.is_undo() && self.each_of(task).is_some()
    }

    fn each_of(&self, task: &Task) -> Option<&Group> {
        let book = self.playbook();
        book.group(&task.step).filter(|group| group.each().is_some() && book.step(&task.step).is_none())
    }

    /// Whether an item of a `for_each` was given up.
    pub fn is_given_up(&self, group: &Group, item: &crate::ids::ItemId) -> bool {
        self.skips.contains_key(&Task::at(&group.id, Some(item)))
    }

    /// Whether it is the undo of an item that is given up, and not what is to be done to it.
    pub fn goes_back_for(&self, item: &Task) -> bool {
        self.rollback.is_some() || self.doings_of(item).iter().any(|doing| self.is_put_back(doing))
    }

    /// The doings of an item's block, the last one first.
    fn doings_of(&self, item: &Task) -> Vec<Task> {
        let range = self.each_of(item).map(Group::range).unwrap_or_default();
        let steps = self.playbook().steps.get(range).unwrap_or_default();
        steps.iter().rev().map(|step| Task::at(&step.id, item.item.as_ref())).collect()
    }

    /// What of an item is still to be undone, in the order in which it would be.
    pub fn undo_left_of(&self, item: &Task) -> Vec<Task> {
        let to = self.rollback.as_ref().and_then(|rollback| rollback.to.as_deref());
        let kept = self.kept(to);
        let begun = |doing: &Task| {
            let stands = self.place_in_order(doing).is_some_and(|place| place >= kept);
            stands && self.doing(doing).is_some_and(TaskState::may_have_effect)
        };
        let parts = |doing: &Task| self.playbook().step(&doing.step).map_or(0, Self::undo_parts);
        let all = self.doings_of(item).into_iter().filter(begun);
        let all = all.flat_map(|doing| (0..parts(&doing)).map(|part| doing.undo(part)).collect::<Vec<_>>());
        all.filter(|undo| !self.tasks.get(undo).is_some_and(|state| state.passed)).collect()
    }

    /// Whether an item may be given up as the run stands.
    pub(super) fn may_give_up(&self, task: &Task, how: SkipHow) -> Result<(), String> {
        let (Some(group), Some(item)) = (self.each_of(task), &task.item) else {
            return Err(format!("{task} is no item"));
        };
        for doing in self.doings_of(task) {
            let parts = self.playbook().step(&doing.step).map_or(0, Self::undo_parts);
            let all = std::iter::once(doing.clone()).chain((0..parts).map(|part| doing.undo(part)));
            let busy = |task: &Task| self.tasks.get(task).is_some_and(TaskState::is_open);
            if let Some(busy) = all.into_iter().find(busy) {
                return Err(super::skip::under_way(&busy));
            }
        }
        if self.goes_back_for(task) {
            let left = self.undo_left_of(task);
            return if left.is_empty() { Err(format!("nothing of {task} is left to be undone")) } else { Ok(()) };
        }
        if self.entered.get(&Task::of(&group.id)).is_some_and(|entered| entered.failed.contains_key(item)) {
            return Err(format!("{item} failed already, and the run does nothing more to it"));
        }
        if self.round_is_over(group, &Task::of(&group.id), item) {
            return Err(format!("{task} is over already"));
        }
        match how {
            SkipHow::NotNeeded => Ok(()),
            SkipHow::DoneByHand => Err(format!(
                "{task} has several steps: what was done by hand has to be said of each of them ({})",
                self.doings_of(task).iter().rev().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            )),
        }
    }

    /// An item is given up: the rest of its block is skipped, or the rest of its undo is dealt with.
    pub(super) fn give_up(&mut self, task: &Task, how: SkipHow, reason: &str, record: &Record) -> Result<(), String> {
        let said = format!("{}, said {}: {reason}", how.words(self.goes_back_for(task)), record.actor);
        if !self.goes_back_for(task) {
            let reason = SkipReason::ByPerson { who: record.actor.clone(), reason: reason.to_owned() };
            self.skipped.insert(task.clone(), reason);
            if let Some(first) = self.doings_of(task).pop() {
                self.end_groups(&first, record.time);
            }
            return Ok(());
        }
        // What is undone may be done anew, should the run go forward again: of the item itself nothing was said.
        let skip = self.skips.remove(task).ok_or_else(|| format!("nobody has said anything of {task}"))?;
        for undo in self.undo_left_of(task) {
            self.skips.insert(undo.clone(), skip.clone());
            let state = self.tasks.heard_of(&undo, record.time);
            state.account(Report::done(said.clone(), Value::Null), record.time);
            self.pass(&undo, record.time);
        }
        Ok(())
    }
}
