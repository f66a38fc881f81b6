//! Going forward again: after everything back to the point of no return was undone, or after items of a `for_each` failed.
//! What no longer stands is forgotten, so that it runs once more, and only that.

use std::collections::BTreeSet;

use super::state::RunState;
use super::task_state::{Status, TaskState};
use super::{Phase, SkipHow, SkipReason, Task};
use crate::ids::StepId;

impl RunState {
    /// Everything back to the point of no return is undone, and a person wants to go forward again.
    pub(super) fn forward_again(&mut self) {
        self.rollback = None;
        self.dealt_with = 0;
        let undone: Vec<Task> = self.tasks.keys().filter(|task| self.is_undone_indeed(task)).cloned().collect();
        let groups: Vec<Task> = self.tasks.keys().filter(|task| self.is_group(task)).cloned().collect();
        // What was passed over before the point of no return stays so: nobody is asked about it now.
        let settled = self.before_the_crossing();
        for (task, state) in self.tasks.iter_mut() {
            let is_undone = undone.contains(&task.doing());
            // What is in doubt, or done and not yet held to its conditions, is looked into: it is not run again unasked.
            let open = match state.status {
                Status::InFlight | Status::Unknown | Status::Doubtful => true,
                Status::Done => state.verified.is_none(),
                _ => false,
            };
            // What was done by hand is not done over.
            let by_hand = self.skips.get(task).is_some_and(|skip| skip.how == SkipHow::DoneByHand);
            let failed = task.phase == Phase::Do && !state.passed && !open && !settled.contains(&task.step);
            if is_undone || (failed && !by_hand) {
                state.allowed = state.counted + 1;
                // What failed half-way and is not undone still counts: the point of no return stays crossed by it.
                state.earlier_effect = !is_undone && state.may_have_effect();
                state.round += u32::from(is_undone);
                state.status = Status::Ready;
                state.passed = false;
                state.verified = None;
            }
        }
        self.enter_again(&groups, &settled);
        self.forget_what_is_gone(&undone);
        self.begin_batches_anew();
        self.keep_skips(&undone);
        self.owe_for_all();
        self.count_anew();
    }

    /// Whether a task is undone, and not left as it is by a person's word.
    fn is_undone_indeed(&self, task: &Task) -> bool {
        !task.is_undo() && self.is_undone(task) && self.needs_no_undo(task).is_none()
    }

    /// The steps and groups of all that stands, at the playbook's own level, before what holds the point of no return.
    fn before_the_crossing(&self) -> BTreeSet<StepId> {
        let book = self.playbook();
        let crossed = self.point_of_no_return().and_then(|task| book.steps.iter().position(|s| s.id == task.step));
        let mut first = 0;
        for child in book.children(None, 0..book.steps.len()) {
            if crossed.is_none_or(|crossed| crossed < first + child.count()) {
                break;
            }
            first += child.count();
        }
        let steps = book.steps.iter().take(first).map(|step| step.id.clone());
        let groups = book.groups.iter().filter(|group| group.first < first).map(|group| group.id.clone());
        steps.chain(groups).collect()
    }

    /// The items of a `for_each` that failed are tried again.
    pub(super) fn retry_items(&mut self, group: &Task) {
        let told = self.checkpoints_of_batches(group);
        let Some(entered) = self.entered.get_mut(group) else { return };
        let failed = entered.begin_anew(told);
        let inside = |step: &crate::ids::StepId| {
            let book = &self.plan.playbook;
            book.step(step).is_some_and(|step| book.around(step.group.as_ref()).any(|around| around.id == group.step))
        };
        let of_it =
            |task: &&Task| task.item.as_ref().is_some_and(|item| failed.contains_key(item)) && inside(&task.step);
        let undone: Vec<Task> =
            self.tasks.keys().filter(of_it).filter(|task| self.is_undone_indeed(task)).cloned().collect();
        let again: Vec<Task> = self
            .tasks
            .iter()
            .filter(|(task, state)| of_it(task) && !task.is_undo() && !state.passed && !self.skips.contains_key(task))
            .map(|(task, _)| task.clone())
            .collect();
        for task in again {
            let Some(state) = self.tasks.get_mut(&task) else { continue };
            state.allowed = state.counted + 1;
            state.earlier_effect = state.may_have_effect();
            state.status = Status::Ready;
        }
        self.do_again(&undone);
    }

    /// What was done to items that failed, and is undone, runs once more.
    fn do_again(&mut self, undone: &[Task]) {
        if undone.is_empty() {
            return;
        }
        let all: BTreeSet<&Task> = undone.iter().collect();
        for (_, state) in self.tasks.iter_mut().filter(|(task, _)| all.contains(&task.doing())) {
            state.allowed = state.counted + 1;
            state.earlier_effect = false;
            state.round += 1;
            state.status = Status::Ready;
            state.passed = false;
            state.verified = None;
        }
        self.keep_skips(undone);
        let stands: Vec<bool> = self.order.iter().map(|task| !all.contains(task)).collect();
        self.close_ranks(&stands);
    }

    /// What has no effect any more has no place in the order of intents.
    fn close_ranks(&mut self, stands: &[bool]) {
        for point in &mut self.checkpoints {
            point.position = stands.iter().take(point.position).filter(|stands| **stands).count();
        }
        let order = std::mem::take(&mut self.order);
        let standing = order.into_iter().zip(stands).filter(|(_, stands)| **stands).map(|(task, _)| task).collect();
        self.reorder(standing);
    }

    pub(super) fn is_group(&self, task: &Task) -> bool {
        let group = self.playbook().group(&task.step).filter(|_| !task.is_undo());
        // The one step of a `for_each` has the name of its group, and an item.
        group.is_some_and(|group| group.each().is_none() || task.item.is_none())
    }

    /// Lists that are frozen stay so; what failed of their items, and groups that were passed over, are gone over again.
    fn enter_again(&mut self, groups: &[Task], settled: &BTreeSet<StepId>) {
        for (_, entered) in self.entered.iter_mut().filter(|(task, _)| !settled.contains(&task.step)) {
            entered.begin_anew(0);
        }
        for group in groups.iter().filter(|task| !settled.contains(&task.step)) {
            if let Some(state) = self.tasks.get_mut(group) {
                state.passed = false;
            }
        }
    }

    /// What has no effect any more has no place in the order of intents, and the safe states that stood on it are gone.
    fn forget_what_is_gone(&mut self, undone: &[Task]) {
        let stands: Vec<bool> =
            self.order.iter().map(|task| self.doing(task).is_some_and(TaskState::may_have_effect)).collect();
        let order = self.order.clone();
        let book = &self.plan.playbook;
        // A checkpoint stands on its step, or on all that is in its group.
        let holds = |step: &crate::ids::StepId| {
            let mut of_it = order.iter().filter(|task| {
                let inside = book.step(&task.step).and_then(|step| step.group.as_ref());
                &task.step == step || book.around(inside).any(|group| &group.id == step)
            });
            let mut any = false;
            // An item that failed without any effect was let pass: the safe state was reached all the same.
            of_it.all(|task| {
                any = true;
                !undone.contains(task)
            }) && any
        };
        self.checkpoints.retain(|point| holds(&point.step));
        self.close_ranks(&stands);
        // What was skipped behind the first step that runs again was skipped for what is no longer true.
        let first = self.first_open();
        let place = |step: &crate::ids::StepId| {
            let book = &self.plan.playbook;
            let of_group = book.group(step).map(|group| group.first);
            of_group.or_else(|| book.steps.iter().position(|other| &other.id == step)).unwrap_or(usize::MAX)
        };
        let by_person = |reason: &SkipReason| matches!(reason, SkipReason::ByPerson { .. });
        let gone = self.skipped.iter().filter(|(task, reason)| place(&task.step) >= first && !by_person(reason));
        let gone: Vec<Task> = gone.map(|(task, _)| task.clone()).collect();
        gone.iter().for_each(|task| {
            self.skipped.remove(task);
        });
        // What was read behind it was read of a world that is gone.
        let reads: Vec<crate::ids::StepId> = {
            let steps = self.plan.playbook.steps.iter().skip(first);
            steps.filter(|step| !step.effect.changes()).map(|step| step.id.clone()).collect()
        };
        let by_hand: Vec<Task> = self.skips.keys().cloned().collect();
        let anew = |task: &Task| !task.is_undo() && reads.contains(&task.step) && !by_hand.contains(task);
        for (_, state) in self.tasks.iter_mut().filter(|(task, _)| anew(task)) {
            state.allowed = state.counted + 1;
            state.status = Status::Ready;
            state.passed = false;
            state.verified = None;
        }
    }

    /// The place of the first step of which not all that was begun is passed.
    fn first_open(&self) -> usize {
        let passed = |id| {
            let mut doings = self.doings(id).filter(|(task, _)| !self.is_group(task)).peekable();
            let begun = doings.peek().is_some();
            let skipped = self.skipped_around(&Task::of(id));
            skipped || begun && doings.all(|(task, state)| state.passed || self.skipped.contains_key(task))
        };
        let steps = &self.plan.playbook.steps;
        steps.iter().position(|step| !passed(&step.id)).unwrap_or(steps.len())
    }
}
