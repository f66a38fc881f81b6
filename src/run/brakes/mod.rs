//! What holds a run back, and what becomes of it then: approvals that are awaited, identities and invariants that must hold,
//! budgets of time. Here is what is known of them; the fold brings it on and `decide` reads it.

mod approval;
mod budget;
mod check;

use std::collections::{BTreeMap, BTreeSet};

pub(super) use approval::overdue;
pub use approval::{Approving, Asking, Given, has_a_role, may_break_glass};
pub(super) use budget::exceeded;
pub use check::{Broken, BrokenKind, Checking, Due, Moment};
pub(super) use check::{answer_to, before_end, hold_back, with_checkpoint};

use super::{Event, Record, RunState, Task};
use crate::ids::{ItemId, StepId};

/// What is known of a run's brakes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Brakes {
    /// Who started the run.
    pub requester: String,
    /// The steps that this person approved ahead.
    pub ahead: Vec<StepId>,
    /// Why this person breaks the glass wherever an approval is asked for.
    pub break_glass: Option<String>,
    /// The approvals that were asked for, the newest of each task.
    pub approvals: BTreeMap<Task, Approving>,
    /// What does not hold, and was not dealt with yet.
    pub broken: Option<Broken>,
    /// Under which lease each check was last found to hold, by its place in the playbook and the item it is about.
    seen: BTreeMap<(usize, Option<ItemId>), u64>,
    /// The tasks that changed something since invariants were looked at.
    owed: Vec<Task>,
    /// For each check that holds at checkpoints, and each item it is about: the last of them since it was looked at.
    owed_at_checkpoint: BTreeMap<(usize, Option<ItemId>), Task>,
    /// The budgets that were exceeded, by their places.
    over: BTreeSet<usize>,
    /// The brakes that were passed by name when the run was started.
    passed: BTreeSet<String>,
}

/// The override with which a run goes on although an invariant does not hold.
pub const INVARIANTS: &str = "invariants";
/// The override with which a run takes longer than a budget allows.
pub const BUDGETS: &str = "budgets";
/// The override that stands for all approvals of a run.
pub const BREAK_GLASS: &str = "break-glass";

impl Brakes {
    /// At a run's start: who started it, what that person approved ahead, and which brakes were passed.
    pub(super) fn of(requester: &str, ahead: &[StepId], overrides: &[(String, String)]) -> Self {
        Self {
            requester: requester.to_owned(),
            ahead: ahead.to_vec(),
            break_glass: overrides.iter().find(|(brake, _)| brake == BREAK_GLASS).map(|(_, why)| why.clone()),
            passed: overrides.iter().map(|(brake, _)| brake.clone()).collect(),
            ..Self::default()
        }
    }

    /// Whether any brake was passed by name when the run was started.
    pub fn any_passed(&self) -> bool {
        !self.passed.is_empty()
    }
}

impl RunState {
    /// Moves the state on by a record of an approval, a check or a budget.
    pub(super) fn take_brake(&mut self, record: &Record) -> Result<(), String> {
        let at = record.time;
        match &record.event {
            Event::ApprovalAsked { task, asking } => {
                self.known(&task.step)?;
                self.ask_approval(task, asking)
            }
            Event::Approved { task, reason, break_glass, .. } => {
                self.approve(task, &record.actor, reason, *break_glass, at)
            }
            Event::Rejected { task, reason } => self.reject(task, &record.actor, reason, at),
            Event::Checked { task, moment, after, found } => self.checked(task, *moment, after, found),
            Event::BudgetExceeded { .. } => self.exceed(&record.event),
            _ => Ok(()),
        }
    }
}
