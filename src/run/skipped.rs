//! What becomes of a run from which a person has taken something: the fold over such records, and what it says afterwards.

use super::skip::{Skip, SkipHow};
use super::task_state::{Status, TaskState};
use super::{Event, Record, RunState, SkipReason, Task};
use crate::outcome::Report;
use crate::value::Value;

impl RunState {
    /// A person has taken a task out of the run's hands.
    pub(super) fn skip_by_person(&mut self, record: &Record) -> Result<(), String> {
        let Event::SkippedByPerson { task, how, outputs, reason, answers } = &record.event else { return Ok(()) };
        let (how, at) = (*how, record.time);
        self.may_skip(task, how, outputs)?;
        if self.skip_answers(task) != *answers {
            return Err(format!("whether the skip of {task} answers what is asked is not as it says"));
        }
        if *answers {
            self.question = None;
            self.stopped = None;
        }
        let undo = task.is_undo() || self.is_item(task) && self.goes_back_for(task);
        let said = format!("{}, said {}: {reason}", how.words(undo), record.actor);
        self.exceptions.push(format!("{task}: {said}"));
        self.skips.insert(task.clone(), Skip { how, by: record.actor.clone(), reason: reason.clone() });
        if self.is_item(task) {
            return self.give_up(task, how, reason, record);
        }
        let group = self.is_group(task);
        // An attempt that may have changed something, or a group of which items failed.
        let begun = self.tasks.get(task).is_some_and(TaskState::may_have_effect) || group && *answers;
        match how {
            _ if task.is_undo() => {
                let state = self.tasks.heard_of(task, at);
                state.account(Report::done(said, Value::Null), at);
                self.pass(task, at);
            }
            SkipHow::NotNeeded if !begun => {
                let reason = SkipReason::ByPerson { who: record.actor.clone(), reason: reason.clone() };
                self.skipped.insert(task.clone(), reason);
                self.end_groups(task, at);
            }
            // What has begun, and may have an effect, is passed over: a rollback still undoes it.
            _ if group || how == SkipHow::NotNeeded => {
                let state = self.tasks.heard_of(task, at);
                if state.status == Status::Doubtful {
                    state.status = Status::Failed { retryable: false };
                }
                state.passed = true;
                // What of it has happened stands, and is looked at.
                self.owe(task);
                self.end_groups(task, at);
            }
            _ => {
                if !begun {
                    self.not_ours(task);
                }
                self.tasks.heard_of(task, at);
                self.cross(task);
                let state = self.task(task)?;
                let outputs = merged(state.outputs(), outputs);
                state.account(Report::done(said, outputs), at);
                // Nobody's word is taken for what can be seen: the conditions after it are looked at.
                state.verified = None;
                self.pass(task, at);
            }
        }
        Ok(())
    }

    /// An attempt that certainly changed nothing left nothing of ours: what a person does after it is not undone by the run.
    fn not_ours(&mut self, task: &Task) {
        if let Some(state) = self.tasks.get_mut(task) {
            state.intent = None;
        }
        if let Some(place) = self.place_in_order(task) {
            let mut order = std::mem::take(&mut self.order);
            order.remove(place);
            self.reorder(order);
            for point in self.checkpoints.iter_mut().filter(|point| point.position > place) {
                point.position -= 1;
            }
        }
    }

    /// A point of no return that somebody else has crossed is crossed.
    pub(super) fn cross(&mut self, task: &Task) {
        let gate = self.playbook().step(&task.step).is_some_and(|step| step.point_of_no_return);
        if gate && !task.is_undo() {
            self.join_order(task);
        }
    }

    /// Whether a task counts as done as a person says so.
    pub fn is_done_by_hand(&self, task: &Task) -> bool {
        self.skips.get(task).is_some_and(|skip| skip.how == SkipHow::DoneByHand)
    }

    /// Whether a text of a playbook's place (`said_by`) names what a person says that a step gave: a plan could not know it,
    /// so that it differs from the plan is no drift.
    pub fn rests_on_a_hand(&self, said: &str, frame: Option<&str>) -> bool {
        let by_hand = self.skips.keys().filter(|task| !task.is_undo() && task.step.frame() == frame);
        let mut names = by_hand.filter(|task| self.is_done_by_hand(task)).map(|task| task.step.local());
        names.any(|name| said.contains(&format!("steps.{name}.")))
    }

    /// Why no attempt at a task may begin: it, or a group around it, is out of the run's hands.
    pub(super) fn taken_out(&self, task: &Task) -> Option<String> {
        let book = self.playbook();
        let inside = book.step(&task.step).and_then(|step| step.group.as_ref());
        let groups = book.around(inside).flat_map(|group| {
            let item = group.each().map(|_| Task::at(&group.id, task.item.as_ref()));
            item.into_iter().chain([self.group_task(group, task.item.as_ref())])
        });
        let all = std::iter::once(task.clone()).chain(groups.filter(|_| !task.is_undo()));
        let found = all.into_iter().find_map(|task| self.skips.get(&task).map(|skip| (task, skip)));
        found.map(|(task, skip)| format!("{} has said that {task} is {}", skip.by, skip.how.words(task.is_undo())))
    }

    /// Whether something stands as a person said that it needs no undo.
    pub fn needs_no_undo(&self, doing: &Task) -> Option<&Skip> {
        let parts = self.playbook().step(&doing.step).map_or(0, Self::undo_parts);
        let mut skips = (0..parts).filter_map(|part| self.skips.get(&doing.undo(part)));
        skips.find(|skip| skip.how == SkipHow::NotNeeded)
    }

    /// The run goes forward again after some of it was undone: what was not needed still is not, and what somebody had
    /// done by hand over an attempt of the run was undone with that. The number of the last attempt stays: under one that was
    /// there before, a recorder would take the next for done.
    pub(super) fn keep_skips(&mut self, undone: &[Task]) {
        let gone: Vec<Task> = undone.iter().filter(|task| self.skips.contains_key(task)).cloned().collect();
        for task in gone {
            let Some(skip) = self.skips.get(&task).cloned() else { continue };
            match skip.how {
                SkipHow::NotNeeded => {
                    self.skipped.insert(task, SkipReason::ByPerson { who: skip.by, reason: skip.reason });
                }
                SkipHow::DoneByHand => drop(self.skips.remove(&task)),
            }
        }
    }
}

/// What was known, with what a person gives.
fn merged(mut known: Value, given: &Value) -> Value {
    if let (Some(known), Some(given)) = (known.as_object_mut(), given.as_object()) {
        known.extend(given.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    known
}
