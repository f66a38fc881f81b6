//! What later steps may name of a run: the outputs and outcomes of steps, what became of groups, the items in hand.

use serde_json::json;

use super::{RunState, Task, TaskState};
use crate::ids::{ItemId, StepId};
use crate::plan::{Item, Known, Place, scope_at};
use crate::playbook::{Check, Child, Group, GroupKind, Scope, Step};
use crate::value::Value;

impl RunState {
    /// What the expressions and templates of a task's step may name at this point, without what belongs to the step itself.
    /// Of the steps before it only those are there that it names.
    ///
    /// # Errors
    /// When the nested playbook that it belongs to is given what it cannot take.
    pub fn scope(&self, task: &Task) -> Result<Scope, String> {
        let Some(step) = self.playbook().step(&task.step) else {
            return Err(format!("the playbook has no step {}", task.step));
        };
        self.scope_in(Place::of_step(step, task.item.as_ref()), &step.said())
    }

    /// What the condition and the list of a group may name.
    ///
    /// # Errors
    /// The same.
    pub fn scope_of_group(&self, group: &Group, task: &Task) -> Result<Scope, String> {
        self.scope_in(Place::of_group(group, task.item.as_ref()), &group.said())
    }

    /// What a check may name: the inputs of the playbook that it is written in.
    ///
    /// # Errors
    /// The same.
    pub fn scope_of_check(&self, check: &Check, item: Option<&ItemId>) -> Result<Scope, String> {
        let group = check.group.as_ref();
        self.scope_in(Place { group, frame: group.map(StepId::as_str), item }, "")
    }

    fn scope_in(&self, place: Place<'_>, said: &str) -> Result<Scope, String> {
        let book = self.playbook();
        let run = json!({
            "id": self.run.as_str(), "playbook": book.name, "version": book.version, "incident": self.incident,
        });
        scope_at(book, &self.plan.inputs, &run, place, said, self)
    }

    /// How a step or a group stands, in the word that conditions and people know.
    pub fn word(&self, task: &Task) -> &'static str {
        if self.skipped.contains_key(task) {
            return "skipped";
        }
        let group = self.playbook().group(&task.step).filter(|group| group.each().is_none() || task.item.is_none());
        match (group, self.tasks.get(task)) {
            (Some(_), Some(state)) if state.passed && self.is_done_by_hand(task) => "done",
            (Some(_), Some(state)) if state.passed => "failed",
            (Some(group), _) if self.is_over(group, task) => "done",
            (Some(_), _) => "pending",
            (None, state) => state.map_or("pending", TaskState::word),
        }
    }
}

impl RunState {
    /// All that the run does, in its order: each step, for each item where the list is known by now.
    pub fn whole(&self) -> Vec<(&Step, Task)> {
        let mut all = Vec::new();
        self.whole_of(None, None, &mut all);
        all
    }

    fn whole_of<'a>(&'a self, group: Option<&'a Group>, item: Option<&ItemId>, all: &mut Vec<(&'a Step, Task)>) {
        for child in self.playbook().level(group) {
            match child {
                Child::Step(step) => all.push((step, Task::at(&step.id, item))),
                Child::Group(group) if group.each().is_some() => match self.items(group) {
                    Some(items) => items.iter().for_each(|item| self.whole_of(Some(group), Some(&item.id), all)),
                    None => self.whole_of(Some(group), None, all),
                },
                Child::Group(group) => self.whole_of(Some(group), item, all),
            }
        }
    }

    /// The items of a `for_each`: those that it was begun with, else those that the plan knows.
    pub fn items(&self, group: &Group) -> Option<&[Item]> {
        let entered = self.entered.get(&Task::of(&group.id)).map(|entered| entered.items.as_slice());
        let planned = || self.plan.groups.iter().find(|planned| planned.id == group.id)?.items.as_deref();
        entered.or_else(planned)
    }
}

impl Known for RunState {
    fn step(&self, step: &StepId, item: Option<&ItemId>) -> Option<Value> {
        let task = Task::at(step, item);
        let begun = self.tasks.get(&task).filter(|_| !self.skipped.contains_key(&task));
        match (begun, self.skipped_around(&task)) {
            (Some(state), _) => Some(json!({ "outputs": state.outputs(), "outcome": state.word() })),
            (None, true) => Some(json!({ "outputs": {}, "outcome": "skipped" })),
            (None, false) => None,
        }
    }

    fn group(&self, group: &Group, item: Option<&ItemId>) -> Option<Value> {
        let task = Task::at(&group.id, item);
        let outcome = self.word(&task);
        if outcome == "pending" {
            return None;
        }
        let mut known = json!({ "outcome": outcome });
        match &group.kind {
            GroupKind::Parallel | GroupKind::Forward { .. } => {}
            GroupKind::Each(_) => {
                let (items, done, failed) = self.rounds(group, &task);
                known["items"] = Value::Array(items);
                known["done"] = Value::Array(done);
                let excluded = self.entered.get(&task).map(|entered| entered.excluded.as_slice()).unwrap_or_default();
                known["excluded"] = excluded.iter().map(|one| one.value.clone()).collect();
                known["failed"] = Value::Array(failed);
            }
            GroupKind::Nested(_) => known["steps"] = self.inner(group, item),
        }
        Some(known)
    }

    fn item(&self, each: &StepId, item: &ItemId) -> Option<Value> {
        self.entered.get(&Task::of(each))?.item(item).map(|known| known.value.clone())
    }

    fn vars(&self, each: &StepId, item: &ItemId) -> Option<Value> {
        self.entered.get(&Task::of(each))?.item(item).map(|known| known.vars.clone())
    }
}

impl RunState {
    /// The items of a `for_each` with what became of each, those that are done, and those that failed.
    fn rounds(&self, group: &Group, task: &Task) -> (Vec<Value>, Vec<Value>, Vec<Value>) {
        let (mut all, mut done, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        let Some(entered) = self.entered.get(task) else { return (all, done, failed) };
        for (place, item) in entered.items.iter().enumerate() {
            let outcome = match entered.failed.contains_key(&item.id) {
                true => "failed",
                false if self.is_given_up(group, &item.id) => "skipped",
                false if place < entered.dealt_with => "done",
                false => "pending",
            };
            match outcome {
                "done" => done.push(item.value.clone()),
                "failed" => failed.push(item.value.clone()),
                _ => {}
            }
            let own = self.tasks.get(&Task::at(&group.id, Some(&item.id)));
            let outputs = own.map_or_else(|| json!({}), TaskState::outputs);
            all.push(json!({ "item": item.value, "outcome": outcome, "outputs": outputs }));
        }
        (all, done, failed)
    }

    /// What the steps of a nested playbook gave, by their names there.
    fn inner(&self, group: &Group, item: Option<&ItemId>) -> Value {
        let frame = Some(group.id.as_str());
        let steps = self.playbook().steps.iter().skip(group.first).take(group.count);
        let own = steps.filter(|step| step.id.frame() == frame);
        Value::Object(own.filter_map(|step| Some((step.id.local().to_owned(), self.step(&step.id, item)?))).collect())
    }
}
