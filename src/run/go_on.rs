//! What a mended playbook goes on from: which steps of a run count as done, which are tried again, and when it must not go on
//! at all, as something would stand that nobody undoes.

use std::collections::BTreeMap;

use super::inherit::{InheritMode, Inheritance, InheritedCheckpoint, InheritedStep, Stands, StandsHow};
use super::state::RunState;
use super::task_state::{Status, TaskState};
use super::{SkipHow, Task};
use crate::ids::{ItemId, StepId};
use crate::outcome::Outcome;
use crate::plan::{DoneBefore, DoneStep, Plan};
use crate::playbook::{Rollback, Step};
use crate::value::{Value, contains_unknown};

/// Why a run cannot be gone on from.
pub type Objections = Vec<String>;

impl RunState {
    /// What this run has done and not undone, for a plan that goes on from it.
    pub fn done_before(&self) -> DoneBefore {
        let mut steps = BTreeMap::new();
        for (task, state) in self.tasks.iter().filter(|(task, state)| self.counts_as_done(task, state)) {
            let Some(step) = self.playbook().step(&task.step) else { continue };
            let arguments = state.intent.as_ref().map_or(Value::Null, |intent| intent.arguments.clone());
            let done = DoneStep { action: step.action.clone(), arguments, outputs: state.outputs() };
            steps.insert((task.step.clone(), task.item.clone()), done);
        }
        DoneBefore::of(self.run.to_string(), steps)
    }

    fn counts_as_done(&self, task: &Task, state: &TaskState) -> bool {
        let held = state.status == Status::Done && state.passed && state.verified != Some(false);
        held && !task.is_undo() && !self.is_group(task) && !self.gone(task)
    }

    /// Whether what a task did is undone, and not left by a person's word.
    fn gone(&self, task: &Task) -> bool {
        self.is_undone(task) && self.needs_no_undo(task).is_none()
    }

    /// What a run has that goes on from this one with a plan in which these steps count as done.
    ///
    /// # Errors
    /// Why it cannot, each for a person.
    pub fn go_on(
        &self,
        plan: &Plan,
        taken: &[(StepId, Option<ItemId>)],
        reason: &str,
    ) -> Result<Inheritance, Objections> {
        let mut objections = self.unsettled();
        let mut inheritance = Inheritance { mode: InheritMode::Continue, ..Inheritance::take_over(self, reason) };
        inheritance.stands = self.inherited.as_ref().map(|own| own.stands.clone()).unwrap_or_default();
        let is_taken = |task: &Task| taken.iter().any(|(step, item)| step == &task.step && item == &task.item);
        for task in &self.order {
            let Some((state, step)) = self.doing(task).zip(self.playbook().step(&task.step)) else { continue };
            if self.gone(task) || !state.may_have_effect() {
                continue;
            }
            if is_taken(task) {
                inheritance.steps.push(self.inherited_step(task, state, Outcome::Done));
            } else if step.effect.changes() {
                match self.open_step(task, step, state, plan) {
                    Ok(Some(tried)) => inheritance.steps.push(tried),
                    Ok(None) => inheritance.stands.push(self.left(task, state)),
                    Err(why) => objections.push(why),
                }
            }
        }
        for (task, skip) in self.skips.iter().filter(|(task, _)| !task.is_undo()) {
            let state = self.tasks.get(task);
            match skip.how {
                SkipHow::DoneByHand if self.order.contains(task) => {}
                SkipHow::DoneByHand => match state.filter(|_| is_taken(task)) {
                    Some(state) => inheritance.steps.push(self.inherited_step(task, state, Outcome::Done)),
                    None => objections
                        .push(format!("{task} was done by hand, and the playbook does not have it so any more")),
                },
                SkipHow::NotNeeded => {
                    let book = &plan.playbook;
                    if book.step(&task.step).is_some() || book.group(&task.step).is_some() {
                        inheritance.not_needed.push(task.clone());
                    }
                }
            }
        }
        if !objections.is_empty() {
            return Err(objections);
        }
        inheritance.checkpoints = self.checkpoints_on(plan, &inheritance.steps);
        Ok(inheritance)
    }

    /// What is not settled: whether it is there must be known before anybody goes on from it.
    fn unsettled(&self) -> Objections {
        let doubtful =
            |state: &TaskState| matches!(state.status, Status::InFlight | Status::Unknown | Status::Doubtful);
        let doubts = self.tasks.iter().filter(|(task, state)| doubtful(state) && !self.gone(&task.doing()));
        let mut list: Objections =
            doubts.map(|(task, _)| format!("nobody knows yet whether {task} took effect")).collect();
        let half = |task: &&Task| {
            let begun = |(other, undo): (&Task, &TaskState)| {
                other.is_undo() && &other.doing() == *task && (undo.may_have_effect() || undo.passed)
            };
            !self.is_undone(task) && self.tasks.iter().any(begun)
        };
        list.extend(self.order.iter().filter(half).map(|task| format!("the undo of {task} did not come to its end")));
        list
    }

    /// A step that may have changed something and does not count as done: it is tried again, or, where nothing would ever
    /// undo it anyway, it stands.
    fn open_step(
        &self,
        task: &Task,
        step: &Step,
        state: &TaskState,
        plan: &Plan,
    ) -> Result<Option<InheritedStep>, String> {
        let done = self.counts_as_done(task, state);
        let stays = Self::undo_parts(step) == 0 && !step.point_of_no_return;
        let word = if done { "is done" } else { "failed, and part of it may have happened" };
        let Some(new) = plan.playbook.step(&task.step) else {
            return match stays {
                true => Ok(None),
                false => {
                    Err(format!("{task} {word}, and the playbook does not have it any more: nobody would undo it"))
                }
            };
        };
        if self.skips.contains_key(task) {
            return Err(format!("{task} {word}, and a person has said that it is not needed: nobody would undo it"));
        }
        let planned = plan.step(&task.step, task.item.as_ref()).map(|planned| &planned.arguments);
        let with = state.intent.as_ref().map(|intent| &intent.arguments);
        let same = new.action == step.action && planned == with && !planned.is_some_and(contains_unknown);
        match done {
            true if stays => Ok(None),
            true => Err(format!(
                "{task} is done, and in the playbook it is another one now ({}): it would be done a second time over the \
                 first, which nobody would undo",
                differs(step, new, with, planned)
            )),
            // Its own undo works on what its newest attempt was told: that has to be the same thing.
            false if new.action != step.action || (new.rollback == Rollback::Action && !same) => match stays {
                true => Ok(None),
                false => Err(format!(
                    "{task} {word}, and in the playbook it is another one now ({}): nobody would undo that part",
                    differs(step, new, with, planned)
                )),
            },
            false => Ok(Some(self.inherited_step(task, state, Outcome::Failed))),
        }
    }

    fn inherited_step(&self, task: &Task, state: &TaskState, outcome: Outcome) -> InheritedStep {
        let intent = state.intent.as_ref();
        let step = self.playbook().step(&task.step);
        let skip = self.skips.get(task).filter(|_| intent.is_none());
        InheritedStep {
            task: task.clone(),
            outcome,
            arguments: intent.map_or(Value::Null, |intent| intent.arguments.clone()),
            before: state.before.clone(),
            key: intent.map(|intent| intent.key.clone()).unwrap_or_default(),
            effect: intent
                .map(|intent| intent.effect)
                .or(step.map(|step| step.effect))
                .unwrap_or(crate::spec::Effect::Once),
            outputs: state.outputs(),
            message: state.message().to_owned(),
            by_hand: skip.map(|skip| (skip.by.clone(), skip.reason.clone())),
            timeout: intent.map(|intent| intent.timeout).or(step.map(|step| step.timeout)).unwrap_or(1.0),
        }
    }

    fn left(&self, task: &Task, state: &TaskState) -> Stands {
        let how = if state.status == Status::Done { StandsHow::Done } else { StandsHow::Failed };
        Stands { run: self.run.clone(), task: task.clone(), how, what: state.message().to_owned() }
    }

    /// The safe states that stand on inherited steps alone, and that the plan has too.
    fn checkpoints_on(&self, plan: &Plan, steps: &[InheritedStep]) -> Vec<InheritedCheckpoint> {
        let done = |task: &Task| steps.iter().any(|step| &step.task == task && step.outcome == Outcome::Done);
        let ordered = |task: &Task| steps.iter().any(|step| &step.task == task);
        let (was, is) = (self.playbook(), &plan.playbook);
        let mut list = Vec::new();
        for point in &self.checkpoints {
            let named = |name: Option<&String>| name == Some(&point.name);
            let inside = |task: &&Task| match was.group(&point.step) {
                Some(group) => was.steps.get(group.range()).unwrap_or_default().iter().any(|step| step.id == task.step),
                None => task.step == point.step,
            };
            let same = match is.group(&point.step) {
                Some(group) => named(group.checkpoint.as_ref()),
                None => is.step(&point.step).is_some_and(|step| named(step.checkpoint.as_ref())),
            };
            if same && self.order.iter().filter(inside).all(done) {
                let before = self.order.iter().take(point.position).filter(|task| ordered(task)).count();
                let (name, step) = (point.name.clone(), point.step.clone());
                list.push(InheritedCheckpoint { name, step, position: before });
            }
        }
        list
    }
}

/// In what a step differs from what it was.
fn differs(was: &Step, is: &Step, with: Option<&Value>, planned: Option<&Value>) -> String {
    if was.action != is.action {
        return format!("it was {}, and is {}", was.action, is.action);
    }
    if planned.is_none_or(Value::is_null) {
        return "it would not run now".to_owned();
    }
    let empty = serde_json::Map::new();
    let was = with.and_then(Value::as_object).unwrap_or(&empty);
    let is = planned.and_then(Value::as_object).unwrap_or(&empty);
    let names = was.keys().chain(is.keys().filter(|name| !was.contains_key(*name)));
    let changed: Vec<&str> = names.filter(|name| was.get(*name) != is.get(*name)).map(String::as_str).collect();
    match changed.is_empty() {
        true => "whether it runs is no longer certain".to_owned(),
        false => format!("another {}", changed.join(", ")),
    }
}
