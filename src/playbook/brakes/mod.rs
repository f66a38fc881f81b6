//! What holds a run back: approvals, the identity of what it talks to, invariants, budgets of time. Here is what they say
//! and how they are read; what becomes of a run by them is decided in `run/brakes`.

mod approval;
mod budget;
mod check;
mod falsify;

use serde::{Deserialize, Serialize};

use crate::diagnostic::Span;
use crate::ids::StepId;

use super::{Expression, Step};

pub use approval::roles_of;
pub(super) use approval::{check as check_approvals, read as read_approval};
pub(super) use budget::{check as check_budgets, check_nested as check_nested_budgets, read as read_budgets};
pub(super) use check::{lint as lint_checks, read as read_checks};

/// What a step or a group waits for before it begins: people who say that it may.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// Who may: one of these roles. Anybody, where there is none.
    pub roles: Vec<String>,
    /// How many people.
    pub min: u32,
    /// How long the question stands, and how long an approval holds that was not used, in seconds.
    pub timeout: f64,
    /// What happens when nobody answers in time; the default depends on the point of no return.
    pub on_timeout: Option<OnTimeout>,
    /// Whether the person who started the run may not approve.
    pub prevent_self_approval: bool,
    /// It is asked for only if this holds.
    pub condition: Option<Expression>,
    /// Where it stands in the file.
    pub span: Span,
}

/// What happens when nobody approves in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnTimeout {
    /// Undo everything and end.
    Rollback,
    /// End the run, and leave what was done as it is.
    Abandon,
    /// Page on, and wait.
    Page,
}

/// A read-only look with an expression over what it reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// What must hold, for a person.
    pub name: String,
    /// What kind of check it is.
    pub kind: CheckKind,
    /// The nested playbook that it belongs to; it holds while that one's steps run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<StepId>,
    /// What looks.
    pub step: Step,
    /// Over its `outputs`: true, or the check fails.
    pub expression: Expression,
    /// How long it may take to come true, in seconds.
    pub within: f64,
}

/// What a check is for, and by that when it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckKind {
    /// Whom the run talks to: before the first change of each process that drives the run. Nobody can override it.
    Identity,
    /// What holds all the time: before the first change, and after each.
    Always,
    /// What holds at checkpoints alone.
    Checkpoints,
}

impl CheckKind {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            CheckKind::Identity => "identity",
            CheckKind::Always | CheckKind::Checkpoints => "invariant",
        }
    }
}

/// How long it may take from one step to another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// It runs from the moment when this one begins.
    pub from: StepId,
    /// Until this one is done.
    pub to: StepId,
    /// The longest time, in seconds.
    pub max: f64,
}
