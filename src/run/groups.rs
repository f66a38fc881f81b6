//! Which groups of a run are over, and what that makes of the run: how far it has come, and what may run side by side.

use std::sync::Arc;

use super::order::look;
use super::{Entered, RunState, Task, TaskState, Time, undo};
use crate::ids::{ItemId, StepId};
use crate::playbook::{Child, Group, GroupKind, OnItemFailure, Playbook, Step};

impl RunState {
    /// The task of something at one level of the playbook, in a round of a `for_each`.
    pub fn task_of(child: Child<'_>, item: Option<&ItemId>) -> Task {
        match child {
            Child::Step(step) => Task::at(&step.id, item),
            Child::Group(group) => Task::at(&group.id, item),
        }
    }

    /// Whether a group has a beginning that is written down: a condition to be decided, or a list to be frozen.
    pub fn has_entry(group: &Group) -> bool {
        group.condition.is_some() || !group.needs.is_empty() || group.each().is_some() || group.approval.is_some()
    }

    /// Whether a task, or a group around it, does not run.
    pub fn skipped_around(&self, task: &Task) -> bool {
        if self.skipped.contains_key(task) {
            return true;
        }
        let book = self.playbook();
        let inside = book.step(&task.step).and_then(|step| step.group.as_ref());
        book.around(inside).any(|group| {
            let of_item = group.each().is_some() && self.skipped.contains_key(&Task::at(&group.id, task.item.as_ref()));
            of_item
                || self.skipped.contains_key(&self.group_task(group, task.item.as_ref()))
                || self.is_needless(group, task)
        })
    }

    /// Whether it is a way forward of a step that did not fail.
    fn is_needless(&self, group: &Group, task: &Task) -> bool {
        let GroupKind::Forward { of } = &group.kind else { return false };
        let of = self.beside(task, of);
        !self.is_failed(&of) && self.is_passed_for(&of)
    }

    /// Whether a step failed and was passed over.
    pub fn is_failed(&self, task: &Task) -> bool {
        self.tasks.get(task).is_some_and(|state| state.passed && state.word() != "done")
    }

    /// The task of a group, seen from inside: with the item only where it lies inside of that `for_each`.
    pub fn group_task(&self, group: &Group, item: Option<&ItemId>) -> Task {
        let inside = self.playbook().each_around(group.parent.as_ref()).is_some();
        Task::at(&group.id, item.filter(|_| inside))
    }

    /// Whether a step is dealt with, for each item where it runs for several.
    pub fn is_passed(&self, id: &StepId) -> bool {
        let book = self.playbook();
        let Some(step) = book.step(id) else { return false };
        let groups = || book.around(step.group.as_ref());
        let of_group = groups().any(|group| {
            let task = self.group_task(group, None);
            self.skipped.contains_key(&task)
                || self.tasks.get(&task).is_some_and(|state| state.passed)
                || group.each().is_some() && self.is_over(group, &task)
        });
        let own = Task::of(id);
        of_group || self.skipped.contains_key(&own) || self.tasks.get(&own).is_some_and(|state| state.passed)
    }

    /// Whether a task is dealt with: done and held to its conditions, passed over, or skipped.
    pub fn is_passed_for(&self, task: &Task) -> bool {
        self.skipped_around(task) || self.tasks.get(task).is_some_and(|state| state.passed)
    }

    /// Whether a step is dealt with, checkpoint and all.
    fn step_is_over(&self, step: &Step, task: &Task) -> bool {
        self.skipped.contains_key(task)
            || self.tasks.get(task).is_some_and(|state| state.passed)
                && self.has_checkpoint(step.checkpoint.as_deref(), task)
    }

    /// Whether a group is dealt with, checkpoint and all.
    fn group_is_over(&self, group: &Group, task: &Task) -> bool {
        self.skipped.contains_key(task)
            || self.is_over(group, task) && self.has_checkpoint(group.checkpoint.as_deref(), task)
    }

    fn child_is_over(&self, child: Child<'_>, item: Option<&ItemId>) -> bool {
        let task = Self::task_of(child, item);
        match child {
            Child::Step(step) => self.step_is_over(step, &task),
            Child::Group(group) => self.group_is_over(group, &task),
        }
    }

    /// Whether nothing is left to be done in a group: all of it is, or its failure was passed over.
    pub fn is_over(&self, group: &Group, task: &Task) -> bool {
        if self.tasks.get(task).is_some_and(|state| state.passed) {
            return true;
        }
        match &group.kind {
            GroupKind::Each(_) => self.entered.get(task).is_some_and(|entered| {
                entered.is_through() && !entered.too_many_failed() && self.owed_to_a_batch(group, task).is_none()
            }),
            GroupKind::Forward { of } if !self.is_failed(&Task::at(of, task.item.as_ref())) => {
                self.is_passed_for(&Task::at(of, task.item.as_ref()))
            }
            GroupKind::Parallel | GroupKind::Nested(_) | GroupKind::Forward { .. } => {
                (!Self::has_entry(group) || self.entered.contains_key(task))
                    && self.playbook().level(Some(group)).all(|child| self.child_is_over(child, task.item.as_ref()))
            }
        }
    }

    /// Whether an item of a `for_each` is dealt with; one that failed, once it is put back where the playbook says so.
    pub(super) fn round_is_over(&self, group: &Group, task: &Task, item: &ItemId) -> bool {
        look();
        match self.entered.get(task).filter(|entered| entered.failed.contains_key(item)) {
            Some(entered) if entered.on_item_failure == Some(OnItemFailure::Rollback) => {
                !undo::item_owes(self, group, item)
            }
            Some(_) => true,
            None if self.skipped.contains_key(&Task::at(&group.id, Some(item))) => true,
            None => self.playbook().level(Some(group)).all(|child| self.child_is_over(child, Some(item))),
        }
    }

    /// Whether the checkpoint that something makes once it is done is reached; what failed and was passed over makes none.
    pub(super) fn has_checkpoint(&self, checkpoint: Option<&str>, task: &Task) -> bool {
        checkpoint.is_none()
            || self.word(task) != "done"
            || self.checkpoints.iter().any(|point| point.step == task.step && Some(point.name.as_str()) == checkpoint)
    }

    /// The checkpoint that a batch of a `for_each` has made, and that is not written down yet: a batch makes it in which no item
    /// failed. Once the next one has begun it is too late, as going back to it would leave a part of that.
    pub(super) fn owed_to_a_batch<'g>(&self, group: &'g Group, task: &Task) -> Option<&'g String> {
        let each = group.each()?;
        let name = each.checkpoint.as_ref()?;
        let entered = self.entered.get(task)?;
        entered.owes_checkpoint().then_some(name)
    }

    /// Counts on over what is dealt with by now: in the playbook, and in each `for_each`.
    pub(super) fn count_on(&mut self, at: Time) {
        let plan = Arc::clone(&self.plan);
        let book = &plan.playbook;
        self.count_rounds(book, at);
        let ahead = book.children(None, self.dealt_with..book.steps.len());
        let over: usize = ahead.take_while(|child| self.child_is_over(*child, None)).map(Child::count).sum();
        self.dealt_with += over;
    }

    fn count_rounds(&mut self, book: &Playbook, at: Time) {
        let open = self.entered.iter().filter(|(_, entered)| entered.dealt_with < entered.items.len());
        let further: Vec<(Task, Vec<bool>)> = open
            .filter_map(|(task, entered)| {
                let group = book.group(&task.step)?;
                let left = entered.items.iter().skip(entered.dealt_with);
                let over = left.take_while(|item| self.round_is_over(group, task, &item.id));
                let over: Vec<bool> = over.map(|item| self.was_put_back(group, task, &item.id)).collect();
                (!over.is_empty()).then(|| (task.clone(), over))
            })
            .collect();
        for (task, over) in further {
            if let Some(entered) = self.entered.get_mut(&task) {
                over.into_iter().for_each(|put_back| entered.pass(put_back, at));
            }
        }
    }

    /// Whether other tasks may be under way at the same time as this one.
    pub fn runs_beside_others(&self, task: &Task) -> bool {
        let book = self.playbook();
        let inside = book.step(&task.step).and_then(|step| step.group.as_ref());
        book.around(inside).any(|group| match &group.kind {
            GroupKind::Parallel => !task.is_undo(),
            GroupKind::Each(_) => {
                self.entered.get(&self.group_task(group, task.item.as_ref())).is_some_and(Entered::side_by_side)
            }
            GroupKind::Nested(_) | GroupKind::Forward { .. } => false,
        })
    }

    /// Whether two tasks may be under way at the same time: steps of one `parallel`, or items of one batch of a `for_each`.
    pub(super) fn may_meet(&self, one: &Task, other: &Task) -> bool {
        look();
        // An item that failed is put back beside whatever its own steps may run beside.
        let goes_on = |task: &Task| !task.is_undo() || self.is_put_back(task);
        if (one.is_undo() || other.is_undo()) && !(self.rollback.is_none() && goes_on(one) && goes_on(other)) {
            return self.may_meet_going_back(one, other);
        }
        let book = self.playbook();
        let inside = |task: &Task| book.step(&task.step).and_then(|step| step.group.as_ref());
        let theirs: Vec<&Group> = book.around(inside(other)).collect();
        book.around(inside(one)).filter(|group| theirs.iter().any(|their| their.id == group.id)).any(|group| {
            let same_round = self.group_task(group, one.item.as_ref()) == self.group_task(group, other.item.as_ref());
            match &group.kind {
                GroupKind::Parallel => same_round && self.branch(group, one) != self.branch(group, other),
                GroupKind::Each(_) => {
                    let entered = self.entered.get(&self.group_task(group, one.item.as_ref()));
                    let batch = |task: &Task| Some(entered?.batch_of(task.item.as_ref()?));
                    one.item != other.item && batch(one).is_some() && batch(one) == batch(other)
                }
                GroupKind::Nested(_) | GroupKind::Forward { .. } => false,
            }
        })
    }

    /// What stands directly in a group and holds a task, or is it.
    fn branch<'a>(&'a self, group: &Group, task: &'a Task) -> &'a StepId {
        let book = self.playbook();
        let inside = book.step(&task.step).and_then(|step| step.group.as_ref());
        let below = book.around(inside).take_while(|around| around.id != group.id).last();
        below.map_or(&task.step, |around| &around.id)
    }

    /// Whether a task lies in a group.
    pub(super) fn lies_in(&self, task: &Task, group: &Task) -> bool {
        let book = self.playbook();
        let own = book.group(&task.step).filter(|_| self.is_group(task)).map(|own| own.parent.as_ref());
        let inside = own.unwrap_or_else(|| book.step(&task.step).and_then(|step| step.group.as_ref()));
        self.is_group(group) && book.around(inside).any(|around| &self.group_task(around, task.item.as_ref()) == group)
    }

    /// The groups around a task that its passing has brought to their end.
    pub(super) fn ended_by<'a>(&'a self, task: &'a Task) -> impl Iterator<Item = &'a Group> {
        let book = self.playbook();
        let of_group = book.group(&task.step).filter(|_| task.item.is_none()).map(|group| group.parent.as_ref());
        let inside = of_group.unwrap_or_else(|| book.step(&task.step).and_then(|step| step.group.as_ref()));
        book.around(inside).filter(|group| {
            let own = self.group_task(group, task.item.as_ref());
            match self.entered.get(&own).filter(|_| group.each().is_some()) {
                // The rounds are counted after the fold: this one may be the last.
                Some(entered) => {
                    let mut left = entered.items.iter().skip(entered.dealt_with);
                    !entered.too_many_failed() && left.all(|item| self.round_is_over(group, &own, &item.id))
                }
                None => self.is_over(group, &own),
            }
        })
    }

    /// What is known of the doing of a step in the same round as a task.
    pub fn beside(&self, task: &Task, step: &StepId) -> Task {
        let book = self.playbook();
        let group = match (book.group(step), book.step(step)) {
            (Some(group), _) => group.parent.as_ref(),
            (None, Some(step)) => step.group.as_ref(),
            (None, None) => None,
        };
        Task::at(step, task.item.as_ref().filter(|_| book.each_around(group).is_some()))
    }

    /// Whether a step or group that another needs is done.
    pub(super) fn is_done(&self, task: &Task) -> bool {
        let group = self.playbook().group(&task.step).filter(|group| group.each().is_none() || task.item.is_none());
        match group {
            Some(_) => self.word(task) == "done",
            None => self.tasks.get(task).is_some_and(|state: &TaskState| state.word() == "done"),
        }
    }
}
