//! What a person takes out of a run's hands: a step, a group, an item or a part of an undo that was done by hand, or is not
//! needed. Whether that can be, what else it costs, and what it makes of the run. Nothing that was taken out is ever begun.

use super::state::RunState;
use super::task_state::{Status, TaskState};
use super::{Phase, QuestionKind, Task};
use crate::ids::StepId;
use crate::playbook::{Group, Rollback, Step, said_by};
use crate::value::Value;

use serde::{Deserialize, Serialize};

/// What a person says of a task that the run is not to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipHow {
    /// Somebody has done it: it counts as done.
    DoneByHand,
    /// It is not to be done: it counts as skipped.
    NotNeeded,
}

impl SkipHow {
    /// What is said by it, of a step or of a part of an undo.
    pub fn words(self, undo: bool) -> &'static str {
        match (self, undo) {
            (SkipHow::DoneByHand, false) => "done by hand",
            (SkipHow::DoneByHand, true) => "undone by hand",
            (SkipHow::NotNeeded, false) => "not needed",
            (SkipHow::NotNeeded, true) => "needs no undo",
        }
    }
}

/// A skip that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skip {
    /// What was said.
    pub how: SkipHow,
    /// By whom.
    pub by: String,
    /// Why.
    pub reason: String,
}

impl RunState {
    /// Whether a task may be taken out of the run's hands as it stands.
    ///
    /// # Errors
    /// Why not, for a person.
    pub fn may_skip(&self, task: &Task, how: SkipHow, outputs: &Value) -> Result<(), String> {
        if self.ended.is_some() {
            return Err("the run has ended".to_owned());
        }
        if task.is_undo() {
            return self.may_skip_undo(task);
        }
        self.exists(task)?;
        let asked = self.question.as_ref().is_some_and(|question| &question.task == task);
        if let Some(skip) = self.skips.get(task).filter(|_| !asked) {
            return Err(format!("{} has said already that {task} is {}", skip.by, skip.how.words(false)));
        }
        if self.is_item(task) && self.goes_back_for(task) {
            return self.may_give_up(task, how);
        }
        if self.skipped_around(task) {
            return Err(format!("{task} does not run anyway: it is skipped"));
        }
        if self.is_item(task) {
            return self.may_give_up(task, how);
        }
        if self.rollback.is_some() {
            return Err(format!(
                "the run undoes what it did and begins no step any more; of {task} only the undo can be skipped"
            ));
        }
        if self.is_group(task) {
            self.may_skip_group(task, how)?
        } else {
            self.may_skip_step(task)?
        }
        self.can_do_without(task, how, outputs)
    }

    /// Whether an answer to the open question is given by skipping a task.
    pub fn skip_answers(&self, task: &Task) -> bool {
        self.question.as_ref().is_some_and(|question| match question.kind {
            // What does not hold is not mended by it.
            QuestionKind::InvariantBroken | QuestionKind::WrongIdentity => false,
            _ if self.is_item(task) => {
                question.task.item == task.item && self.lies_in(&question.task, &Task::of(&task.step))
            }
            // Nobody has to approve what lies in something that is out of the run's hands.
            QuestionKind::Approval => &question.task == task || self.lies_in(&question.task, task),
            _ => &question.task == task || task.is_undo() && !question.task.is_undo() && question.task == task.doing(),
        })
    }

    /// What is skipped with a task that is not needed, as it needs it.
    pub fn skipped_with(&self, task: &Task) -> Vec<StepId> {
        // What needs a list needs it whether or not one of its items is given up.
        if self.is_item(task) {
            return Vec::new();
        }
        let book = self.playbook();
        let mut gone = vec![task.step.clone()];
        let open = |id: &StepId| !self.is_passed(id);
        // Whoever needs something stands behind it, so one way through the list finds all.
        for step in &book.steps {
            let groups = book.around(step.group.as_ref()).filter(|group| group.first == self.place(&step.id));
            let around: Vec<(&StepId, &[StepId])> = groups
                .map(|group| (&group.id, group.needs.as_slice()))
                .chain([(&step.id, step.needs.as_slice())])
                .collect();
            for (id, needs) in around {
                if open(id) && !gone.contains(id) && needs.iter().any(|needed| gone.contains(needed)) {
                    gone.push(id.clone());
                }
            }
        }
        gone.split_off(1)
    }

    fn place(&self, step: &StepId) -> usize {
        self.playbook().steps.iter().position(|other| &other.id == step).unwrap_or(usize::MAX)
    }

    fn exists(&self, task: &Task) -> Result<(), String> {
        let book = self.playbook();
        let (group, step) = (book.group(&task.step), book.step(&task.step));
        let inside = match (group, step) {
            (Some(group), _) if self.is_group(task) => group.parent.as_ref(),
            (Some(group), None) if self.is_item(task) => Some(&group.id),
            (_, Some(step)) => step.group.as_ref(),
            (_, None) => return Err(format!("the playbook has no step {}", task.step)),
        };
        match (book.each_around(inside), &task.item) {
            (None, None) => Ok(()),
            (None, Some(_)) => Err(format!("{} does not run for items", task.step)),
            (Some(each), None) => Err(format!(
                "{} runs for each item of {}: one of them is named as {0}@ITEM, all of them as {1}",
                task.step, each.id
            )),
            (Some(each), Some(item)) => match self.items(each) {
                None => Err(format!("it is not known yet which items {} goes over", each.id)),
                Some(items) if items.iter().any(|known| &known.id == item) => Ok(()),
                Some(items) => {
                    let names: Vec<&str> = items.iter().take(12).map(|known| known.id.as_str()).collect();
                    Err(format!("{} has no item {item}; it has {}", each.id, names.join(", ")))
                }
            },
        }
    }

    fn may_skip_step(&self, task: &Task) -> Result<(), String> {
        let Some(state) = self.tasks.get(task) else { return Ok(()) };
        match state.status {
            Status::InFlight => Err(under_way(task)),
            Status::Unknown => Err(looked_into(task)),
            Status::Done if state.passed => Err(format!("{task} is done already")),
            Status::Done if state.verified.is_none() => {
                Err(format!("{task} is done, and what must hold after it is looked at just now"))
            }
            _ if state.passed => Err(format!("{task} failed, and the run has passed over that already")),
            _ => Ok(()),
        }
    }

    fn may_skip_group(&self, task: &Task, how: SkipHow) -> Result<(), String> {
        let book = self.playbook();
        let Some(group) = book.group(&task.step) else { return Ok(()) };
        if self.is_over(group, task) {
            return Err(format!("{task} is over already"));
        }
        let inside = |other: &Task| {
            let step = book.step(&other.step).and_then(|step| step.group.as_ref());
            book.around(step).any(|around| around.id == group.id) && (task.item.is_none() || other.item == task.item)
        };
        let asked = self.question.as_ref().is_some_and(|question| &question.task == task);
        let begun = self.tasks.iter().filter(|(other, state)| inside(other) && state.attempt > 0);
        let begun: Vec<String> = begun.map(|(other, _)| other.to_string()).take(5).collect();
        if !asked && !begun.is_empty() {
            let list = begun.join(", ");
            return Err(format!("some of {task} has begun ({list}): what is left of it is skipped step by step"));
        }
        let gate = book.steps.get(group.range()).unwrap_or_default().iter().find(|step| step.point_of_no_return);
        match gate.filter(|_| how == SkipHow::DoneByHand) {
            Some(gate) => Err(format!(
                "{task} holds {}, the point of no return: what was done by hand has to be said of each of its steps",
                gate.id
            )),
            None => Ok(()),
        }
    }

    fn may_skip_undo(&self, task: &Task) -> Result<(), String> {
        let doing = task.doing();
        let to = match &self.rollback {
            Some(rollback) => rollback.to.as_deref(),
            None if self.is_put_back(&doing) => None,
            None => return Err("the run does not undo anything now".to_owned()),
        };
        let Some(step) = self.playbook().step(&task.step) else {
            return Err(format!("the playbook has no step {}", task.step));
        };
        let Phase::Undo(part) = task.phase else { return Ok(()) };
        if part >= Self::undo_parts(step) {
            return Err(format!("there is no {task}: the undo of {doing} has {} parts", Self::undo_parts(step)));
        }
        let kept = self.kept(to);
        match self.place_in_order(&doing) {
            None => return Err(format!("{doing} was never begun, so there is nothing to undo")),
            Some(place) if place < kept => {
                return Err(format!("{doing} lies before the place where the undo ends: it is not undone"));
            }
            Some(_) => {}
        }
        let done = self.doing(task);
        if !done.is_some_and(TaskState::may_have_effect) {
            return Err(format!("{doing} changed nothing, so there is nothing to undo"));
        }
        match (self.tasks.get(task).map(|state| (state.status, state.passed)), done.map(|state| state.status)) {
            (Some((_, true)), _) => Err(format!("{task} is dealt with already")),
            (Some((Status::InFlight, _)), _) | (_, Some(Status::InFlight)) => Err(under_way(task)),
            (Some((Status::Unknown, _)), _) | (_, Some(Status::Unknown)) => Err(looked_into(task)),
            _ => Ok(()),
        }
    }

    /// Whether what comes after a task can be done without it, or with the outputs that are given for it.
    fn can_do_without(&self, task: &Task, how: SkipHow, outputs: &Value) -> Result<(), String> {
        let secret = |name: &&String| self.step_of(task).is_some_and(|step| step.is_secret_output(name));
        if let Some(name) = outputs.as_object().and_then(|given| given.keys().find(secret)) {
            return Err(format!(
                "the output `{name}` of {task} is sensitive: what a person gives would be written down"
            ));
        }
        let wanted = self.wanted_outputs(task, how);
        let given = |name: &str| how == SkipHow::DoneByHand && outputs.get(name).is_some();
        let missing: Vec<&(String, String)> = wanted.iter().filter(|(name, _)| !given(name)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let mut names: Vec<&str> = missing.iter().map(|(name, _)| name.as_str()).collect();
        names.dedup();
        let users: Vec<String> = missing.iter().take(5).map(|(name, user)| format!("{user} ({name})")).collect();
        Err(format!("later steps use what {task} gives, and fail without it: {}", users.join(", ")))
    }

    /// The outputs of a task that steps which are still to come use and cannot do without: each with who does.
    pub fn wanted_outputs(&self, task: &Task, how: SkipHow) -> Vec<(String, String)> {
        if self.is_item(task) {
            return Vec::new();
        }
        let book = self.playbook();
        let mut wanted = Vec::new();
        if how == SkipHow::DoneByHand
            && let Some(step) = self.step_of(task).filter(|_| !self.is_group(task))
        {
            wanted.extend(
                named_by_its_verify(step).into_iter().map(|name| (name, format!("what must hold after {task}"))),
            );
        }
        let gone: Vec<StepId> = match how {
            SkipHow::NotNeeded => self.skipped_with(task),
            SkipHow::DoneByHand => Vec::new(),
        };
        let left = |id: &StepId| id != &task.step && !gone.contains(id) && !self.is_passed(id);
        let own = |id: &StepId| id.frame() == task.step.frame();
        for step in book.steps.iter().filter(|step| left(&step.id) && own(&step.id)) {
            let undo = match &step.rollback {
                Rollback::Steps(steps) => steps.as_slice(),
                Rollback::Action | Rollback::None { .. } => &[],
            };
            let all = step.references().into_iter().chain(undo.iter().flat_map(Step::references));
            let of_it = all.filter(|found| found.step == task.step.local() && !found.guarded);
            wanted.extend(of_it.filter_map(|found| Some((output_of(&found.path)?, step.id.to_string()))));
        }
        // A group's list, and what a nested playbook is given, is no step's: its text says what it names.
        for group in book.groups.iter().filter(|group| left(&group.id) && own(&group.id)) {
            let said = said_by_group(group);
            let path = format!("steps.{}.outputs.", task.step.local());
            wanted.extend(after_each(&said, &path).into_iter().map(|name| (name, group.id.to_string())));
        }
        wanted
    }
}

pub(super) fn under_way(task: &Task) -> String {
    format!("{task} is under way, and what is under way comes to its end first")
}

fn looked_into(task: &Task) -> String {
    format!("nobody knows yet whether {task} took effect: that is looked into first")
}

/// `position`, of `steps.fence.outputs.position`.
fn output_of(path: &str) -> Option<String> {
    let mut parts = path.split(['.', '[']);
    let rest = parts.by_ref().nth(2)?;
    (rest == "outputs").then(|| parts.next().unwrap_or("outputs").to_owned())
}

fn said_by_group(group: &Group) -> String {
    let given = group.nested().map(|nested| said_by(&nested.given)).unwrap_or_default();
    format!("{}\n{given}", group.said())
}

/// The outputs of its own that a step's conditions name.
fn named_by_its_verify(step: &Step) -> Vec<String> {
    let mut names = Vec::new();
    for verify in &step.verify {
        let source = &verify.expression.source;
        for (at, _) in source.match_indices("outputs.") {
            let before = source.get(..at).and_then(|text| text.chars().next_back());
            if before.is_some_and(|letter| letter == '.' || letter.is_alphanumeric() || letter == '_') {
                continue;
            }
            let name = identifier(source.get(at + "outputs.".len()..).unwrap_or_default());
            if !name.is_empty() && !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

/// The names that stand behind a text wherever it occurs.
fn after_each(said: &str, path: &str) -> Vec<String> {
    said.match_indices(path).map(|(at, _)| identifier(said.get(at + path.len()..).unwrap_or_default())).collect()
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect()
}
