//! What is known of a run: the one fold over its records. `apply.rs` moves it on; `decide.rs` reads it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::order::AtHand;
use super::{
    Brakes, Entered, Holder, Inheritance, Phase, Question, Record, Skip, SkipReason, StopKind, Task, TaskState, Tasks,
    Time, Verdict,
};
use crate::ids::{Digest, Resource, RunId, StepId};
use crate::plan::{Plan, PlannedStep};
use crate::playbook::{Playbook, Service, Step};

/// What is known of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunState {
    /// Which run.
    pub run: RunId,
    /// What it executes.
    pub plan: Arc<Plan>,
    /// What it holds.
    pub locks: Vec<Resource>,
    /// The incident it belongs to.
    pub incident: Option<String>,
    /// When it began.
    pub started: Time,
    /// When its last record was written.
    pub updated: Time,
    /// The last record's sequence number.
    pub seq: u64,
    /// The last record's hash.
    pub head: Digest,
    /// The newest lease.
    pub epoch: u64,
    /// Who took it.
    pub holder: Option<Holder>,
    /// Every task that was begun, refused or undone.
    pub tasks: Tasks,
    /// What has intents, in the order of the first.
    pub order: Vec<Task>,
    /// What is kept at hand of both.
    pub(super) at_hand: AtHand,
    /// The steps and groups that do not run, and why.
    pub skipped: BTreeMap<Task, SkipReason>,
    /// The groups that were entered.
    pub entered: BTreeMap<Task, Entered>,
    /// How many steps at the head of the playbook are dealt with, checkpoints and all: what comes next is behind them, so
    /// that a step costs the same behind ten others and behind ten thousand.
    pub dealt_with: usize,
    /// The checkpoints that were reached, in order.
    pub checkpoints: Vec<Checkpoint>,
    /// Whether, how far and why it undoes.
    pub rollback: Option<Rollback>,
    /// What a person asked for and was not begun yet.
    pub asked: Option<Asked>,
    /// What a person is asked.
    pub question: Option<Question>,
    /// Whether it was stopped and not resumed.
    pub stopped: Option<StopKind>,
    /// The halt that holds it, as far as whoever drives it has seen.
    pub halted: Option<Halted>,
    /// Whether a person lets it undo all the same.
    pub despite_halt: bool,
    /// What the service is, as far as steps have said, and since when.
    pub service: Option<(Service, Time)>,
    /// What a success is not quite: failures passed over, answers given by people, brakes overridden.
    pub exceptions: Vec<String>,
    /// Whether a step was refused as the world drifted from the plan.
    pub drifted: bool,
    /// Approvals, identities, invariants and budgets.
    pub brakes: Brakes,
    /// What people have taken out of the run's hands.
    pub skips: BTreeMap<Task, Skip>,
    /// What it has from a run whose place it takes.
    pub inherited: Option<Box<Inheritance>>,
    /// How it ended, when, and how the world stood.
    pub ended: Option<(Verdict, Time, String)>,
}

/// A safe state that was reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Its name.
    pub name: String,
    /// After which step or group.
    pub step: StepId,
    /// How many steps had intents by then: later ones are undone when going back to it.
    pub position: usize,
}

/// How far and why a run undoes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollback {
    /// The checkpoint to stop at; the start where absent.
    pub to: Option<String>,
    /// Why.
    pub because: String,
    /// When it began.
    pub since: Time,
    /// Whether a person asked for it.
    pub by_person: bool,
}

/// What a person asked for and was not begun yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Undo, back to a checkpoint or the start.
    Rollback {
        /// The checkpoint.
        to: Option<String>,
        /// Who and why.
        because: String,
    },
    /// End without undoing.
    Abort {
        /// Who and why.
        because: String,
    },
    /// Wait.
    Pause {
        /// Who and why.
        because: String,
        /// What was asked for before, to be done when the run is resumed.
        then: Option<Box<Asked>>,
        /// Whether the items in hand come to the end of their block first.
        finish: bool,
    },
}

/// A halt of everything, as a run has seen it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Halted {
    /// Its number.
    pub number: i64,
    /// Who halted.
    pub by: String,
    /// Why; may be empty.
    pub reason: String,
    /// Since when.
    pub since: Time,
}

/// A record that cannot follow on those before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("record {seq} cannot stand where it does: {why}")]
pub struct IllegalEvent {
    /// Which record.
    pub seq: u64,
    /// What is wrong with it.
    pub why: String,
}

impl RunState {
    /// The state after all these records.
    ///
    /// # Errors
    /// When one of them cannot follow on those before it, or there is none.
    pub fn replay(run: &RunId, records: &[Record]) -> Result<Self, IllegalEvent> {
        let (first, rest) =
            records.split_first().ok_or_else(|| IllegalEvent { seq: 0, why: "the run has no records".to_owned() })?;
        let mut state = Self::begin(run, first)?;
        for record in rest {
            state.apply(record)?;
        }
        Ok(state)
    }

    /// The playbook that is executed.
    pub fn playbook(&self) -> &Playbook {
        &self.plan.playbook
    }

    /// The step of a task and what was foreseen of it.
    pub fn planned(&self, task: &Task) -> Option<(&Step, &PlannedStep)> {
        let step = self.plan.playbook.step(&task.step)?;
        self.planned_step(task).map(|planned| (step, planned))
    }

    /// What is known of a task's doing.
    pub fn doing(&self, task: &Task) -> Option<&TaskState> {
        if task.is_undo() { self.tasks.get(&task.doing()) } else { self.tasks.get(task) }
    }

    /// What is known of the doings of a step: one, or one for each item.
    pub fn doings<'a>(&'a self, step: &'a StepId) -> impl Iterator<Item = (&'a Task, &'a TaskState)> {
        let of_it = |(task, _): &(&Task, &TaskState)| !task.is_undo();
        self.tasks.of_step(step).filter(of_it)
    }

    /// The tasks whose intents have no outcome yet: one, or several where steps run at the same time.
    pub fn in_flight(&self) -> impl Iterator<Item = (&Task, &TaskState)> {
        self.names_under_way().filter_map(|task| self.tasks.get_key_value(task))
    }

    /// The last task behind which the run cannot go back by itself, if it was crossed.
    pub fn point_of_no_return(&self) -> Option<&Task> {
        let crossed = |task: &&Task| self.doing(task).is_some_and(TaskState::may_have_effect);
        self.gates().filter_map(|place| self.order.get(place)).find(crossed)
    }

    /// How many tasks, in the order of their intents, a rollback leaves as they are: those up to the point of no return or
    /// the checkpoint that it goes back to, whichever is later.
    pub fn kept(&self, to: Option<&str>) -> usize {
        let behind = self.point_of_no_return().and_then(|task| self.place_in_order(task));
        let checkpoint = to.and_then(|name| self.checkpoints.iter().rev().find(|point| point.name == name));
        behind.map_or(0, |index| index + 1).max(checkpoint.map_or(0, |point| point.position))
    }

    /// The parts that a step's undo has.
    pub fn undo_parts(step: &Step) -> u32 {
        use crate::playbook::Rollback as Way;
        match &step.rollback {
            Way::None { .. } => 0,
            Way::Action => u32::from(step.effect.changes()),
            Way::Steps(steps) => steps.len() as u32,
        }
    }

    /// Whether everything that a task did is undone.
    pub fn is_undone(&self, task: &Task) -> bool {
        let parts = self.playbook().step(&task.step).map_or(0, Self::undo_parts);
        parts > 0 && (0..parts).all(|part| self.tasks.get(&task.undo(part)).is_some_and(|undo| undo.passed))
    }

    /// The step that carries out a task: the step itself, or one of its `rollback:` steps.
    pub fn step_of<'a>(&'a self, task: &Task) -> Option<&'a Step> {
        use crate::playbook::Rollback as Way;
        let step = self.playbook().step(&task.step)?;
        match (&task.phase, &step.rollback) {
            (Phase::Undo(part), Way::Steps(steps)) => steps.get(*part as usize),
            _ => Some(step),
        }
    }

    /// Whether a task is an action's own undo: safe to run twice, as it works from what it observes.
    pub fn is_own_undo(&self, task: &Task) -> bool {
        use crate::playbook::Rollback as Way;
        task.is_undo() && self.playbook().step(&task.step).is_some_and(|step| step.rollback == Way::Action)
    }

    /// Whether anything at a target was changed, or may have been.
    pub fn touched(&self) -> bool {
        self.order.iter().any(|task| {
            self.playbook().step(&task.step).is_some_and(|step| step.effect.changes())
                && self.doing(task).is_some_and(TaskState::may_have_effect)
        })
    }
}
