//! A run that takes another one's place: what it has from that one, what of that one still stands, and how both are told.
//! A run that took another one over undoes only what it did itself; what it leaves is named until its end.

use serde::{Deserialize, Serialize};

use super::state::{Checkpoint, RunState};
use super::task_state::{Intent, Status, TaskState};
use super::{Event, Record, Skip, SkipHow, SkipReason, Task, Time, Verdict};
use crate::ids::{Resource, RunId, StepId};
use crate::outcome::{Outcome, Report};
use crate::spec::Effect;
use crate::value::Value;

/// How a run takes another one's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InheritMode {
    /// It has its locks, and tells what of it stands.
    TakeOver,
    /// It goes on from what that one has done.
    Continue,
}

/// What a run has from another one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inheritance {
    /// From which run.
    pub from: RunId,
    /// Its playbook.
    pub playbook: String,
    /// And version.
    pub version: String,
    /// How.
    pub mode: InheritMode,
    /// Why.
    pub reason: String,
    /// What of it, and of those that it has taken over itself, stands and is not undone by this run.
    pub stands: Vec<Stands>,
    /// What counts as done, or as tried, by this run: in the order of its intents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<InheritedStep>,
    /// The safe states that were reached on those.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checkpoints: Vec<InheritedCheckpoint>,
    /// What people had said is not needed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_needed: Vec<Task>,
}

/// What of a run stands that nobody undoes by himself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stands {
    /// Of which run.
    pub run: RunId,
    /// What.
    pub task: Task,
    /// In which way.
    pub how: StandsHow,
    /// What is known of it, for a person.
    pub what: String,
}

/// In which way something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StandsHow {
    /// It is done.
    Done,
    /// It failed; part of it may have happened.
    Failed,
    /// Nobody knows whether it took effect.
    Unknown,
    /// It was being undone, and that did not come to its end.
    HalfUndone,
    /// A person did it.
    ByHand,
}

/// A step of the run before that counts for this one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InheritedStep {
    /// Which.
    pub task: Task,
    /// How it stands: `done`, or `failed`, and is tried again then.
    pub outcome: Outcome,
    /// With what it was done; null where a person did it.
    pub arguments: Value,
    /// What was there before.
    pub before: Value,
    /// What the target knows it by.
    pub key: String,
    /// How often it may run.
    pub effect: Effect,
    /// What it gave.
    pub outputs: Value,
    /// What was said of it.
    pub message: String,
    /// Who did it by hand, and why, where the run did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_hand: Option<(String, String)>,
    /// How long one attempt may take, in seconds.
    pub timeout: f64,
}

/// A safe state that was reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InheritedCheckpoint {
    /// Its name.
    pub name: String,
    /// After which step or group.
    pub step: StepId,
    /// How many of the inherited steps with intents lie before it.
    pub position: usize,
}

impl StandsHow {
    /// The words for it.
    pub fn words(self) -> &'static str {
        match self {
            StandsHow::Done => "done",
            StandsHow::Failed => "failed, part of it may have happened",
            StandsHow::Unknown => "not known whether it took effect",
            StandsHow::HalfUndone => "its undo did not come to its end",
            StandsHow::ByHand => "done by hand",
        }
    }
}

impl Inheritance {
    /// What a run has that takes another one over.
    pub fn take_over(old: &RunState, reason: &str) -> Self {
        Self {
            from: old.run.clone(),
            playbook: old.playbook().name.clone(),
            version: old.playbook().version.clone(),
            mode: InheritMode::TakeOver,
            reason: reason.to_owned(),
            stands: old.stands(),
            steps: Vec::new(),
            checkpoints: Vec::new(),
            not_needed: Vec::new(),
        }
    }

    /// What is done to the run before, in words.
    pub fn verb(&self) -> &'static str {
        match self.mode {
            InheritMode::TakeOver => "took over",
            InheritMode::Continue => "goes on from",
        }
    }

    /// What of other runs stands, in a line; nothing where nothing does.
    pub fn standing(&self) -> Option<String> {
        let all: Vec<String> = self.stands.iter().map(|one| format!("{} ({})", one.task, one.how.words())).collect();
        (!all.is_empty())
            .then(|| format!("of run {}, which it {}, still stands: {}", self.from, self.past(), all.join(", ")))
    }

    fn past(&self) -> &'static str {
        match self.mode {
            InheritMode::TakeOver => "took over",
            InheritMode::Continue => "went on from",
        }
    }

    /// The last record of the run before.
    pub fn ends(&self, by: &str, new: &RunId) -> Event {
        let how = match self.mode {
            InheritMode::TakeOver => "taken over",
            InheritMode::Continue => "continued",
        };
        let kept: Vec<String> = self.steps.iter().map(|step| step.task.to_string()).collect();
        let stands: Vec<String> = self.stands.iter().map(|one| format!("{} ({})", one.task, one.how.words())).collect();
        let mut summary = format!("{how} by run {new}, by {by}: {}", self.reason);
        if !kept.is_empty() {
            summary.push_str(&format!("; that run goes on from: {}", kept.join(", ")));
        }
        match stands.is_empty() {
            true if kept.is_empty() => summary.push_str("; nothing is left changed"),
            true => {}
            false => summary.push_str(&format!("; left as they are: {}", stands.join(", "))),
        }
        Event::RunEnded { verdict: Verdict::Abandoned, summary }
    }

    /// The locks of both, each once.
    pub fn locks(old: &RunState, wanted: &[Resource]) -> Vec<Resource> {
        let mut locks: Vec<Resource> = old.locks.iter().chain(wanted).cloned().collect();
        locks.sort();
        locks.dedup();
        locks
    }
}

impl RunState {
    /// What of this run, and of those that it has taken over, stands or may stand.
    pub fn stands(&self) -> Vec<Stands> {
        let mut list = self.inherited.as_ref().map(|inherited| inherited.stands.clone()).unwrap_or_default();
        let changing = |task: &Task| self.playbook().step(&task.step).is_some_and(|step| step.effect.changes());
        for task in self.order.iter().filter(|task| changing(task)) {
            let Some(state) = self.doing(task).filter(|state| state.may_have_effect()) else { continue };
            let left = self.needs_no_undo(task).is_some();
            if self.is_undone(task) && !left {
                continue;
            }
            let undo_begun = !left && self.undo_begun(task);
            let how = match state.status {
                _ if undo_begun => StandsHow::HalfUndone,
                Status::InFlight | Status::Unknown | Status::Doubtful => StandsHow::Unknown,
                Status::Done if state.intent.is_none() => StandsHow::ByHand,
                Status::Done => StandsHow::Done,
                Status::Ready | Status::NoEffect { .. } | Status::Failed { .. } => StandsHow::Failed,
            };
            list.push(Stands { run: self.run.clone(), task: task.clone(), how, what: state.message().to_owned() });
        }
        let by_hand = self.skips.iter().filter(|(task, skip)| {
            skip.how == SkipHow::DoneByHand && !task.is_undo() && self.place_in_order(task).is_none()
        });
        for (task, skip) in by_hand.filter(|(task, _)| changing(task) || self.is_group(task)) {
            let what = format!("said {}: {}", skip.by, skip.reason);
            list.push(Stands { run: self.run.clone(), task: task.clone(), how: StandsHow::ByHand, what });
        }
        list
    }

    /// This run takes another one's place.
    pub(super) fn inherit(&mut self, record: &Record) -> Result<(), String> {
        let Event::Inherited { inheritance } = &record.event else { return Ok(()) };
        if self.inherited.is_some() || !self.tasks.is_empty() || !self.entered.is_empty() {
            return Err("a run takes another one's place only when it begins".to_owned());
        }
        if let Some(unknown) = inheritance.steps.iter().find(|step| self.playbook().step(&step.task.step).is_none()) {
            return Err(format!("the playbook has no step {}", unknown.task.step));
        }
        let (from, verb) = (&inheritance.from, inheritance.verb());
        self.exceptions.push(format!("it {verb} run {from} ({}: {})", record.actor, inheritance.reason));
        let gates =
            |step: &InheritedStep| self.playbook().step(&step.task.step).is_some_and(|step| step.point_of_no_return);
        let ordered: Vec<bool> = inheritance.steps.iter().map(|step| step.by_hand.is_none() || gates(step)).collect();
        for (step, ordered) in inheritance.steps.iter().zip(ordered) {
            self.take_step(step, ordered, record.epoch, record.time);
        }
        for InheritedCheckpoint { name, step, position } in &inheritance.checkpoints {
            let (name, step) = (name.clone(), step.clone());
            self.checkpoints.push(Checkpoint { name, step, position: (*position).min(self.order.len()) });
        }
        for task in &inheritance.not_needed {
            let (who, reason) = (record.actor.clone(), format!("as in run {from}"));
            self.skips.insert(task.clone(), Skip { how: SkipHow::NotNeeded, by: who.clone(), reason: reason.clone() });
            self.skipped.insert(task.clone(), SkipReason::ByPerson { who, reason });
        }
        self.inherited = Some(inheritance.clone());
        Ok(())
    }

    fn take_step(&mut self, step: &InheritedStep, ordered: bool, epoch: u64, at: Time) {
        let task = &step.task;
        let done = step.outcome == Outcome::Done;
        let mut state = TaskState::new(at);
        state.before = step.before.clone();
        let intent = Intent {
            arguments: step.arguments.clone(),
            key: step.key.clone(),
            effect: step.effect,
            timeout: step.timeout,
            reverts_after: None,
            epoch,
            at,
        };
        state.intent = step.by_hand.is_none().then_some(intent);
        let report =
            if done { Report::done(&step.message, step.outputs.clone()) } else { Report::failed(&step.message) };
        state.account(report, at);
        if done {
            // It was held to its conditions when it was done.
            state.verified = Some(true);
        } else {
            // It is tried again, and what of it may have happened before counts for the way back.
            state.status = Status::Ready;
            state.earlier_effect = true;
        }
        if let Some((by, reason)) = &step.by_hand {
            let skip = Skip { how: SkipHow::DoneByHand, by: by.clone(), reason: reason.clone() };
            self.skips.insert(task.clone(), skip);
        }
        self.tasks.insert(task, state);
        if ordered {
            self.join_order(task);
        }
        if done {
            self.pass(task, at);
        }
    }
}

/// The end of a run that took another one's place says what of that one still stands.
pub(super) fn told(run: &RunState, event: Event) -> Event {
    match (event, run.inherited.as_ref().and_then(|inherited| inherited.standing())) {
        (Event::RunEnded { verdict, summary }, Some(standing)) => {
            Event::RunEnded { verdict, summary: format!("{summary}; {standing}") }
        }
        (event, _) => event,
    }
}
