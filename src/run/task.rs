//! What an intent is about: a step, being done or being undone.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::{InvalidName, StepId};

/// A step's doing, or one part of its undoing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// The step itself.
    Do,
    /// Its undo: 0 is the action's own, or the first of its `rollback:` steps; the others follow.
    Undo(u32),
}

/// A step in a phase; written `promote`, `promote/undo`, `promote/undo/1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Task {
    /// The step.
    pub step: StepId,
    /// Done or undone.
    pub phase: Phase,
}

impl Task {
    /// The doing of a step.
    pub fn of(step: &StepId) -> Self {
        Self { step: step.clone(), phase: Phase::Do }
    }

    /// A part of the undoing of a step.
    pub fn undo(step: &StepId, part: u32) -> Self {
        Self { step: step.clone(), phase: Phase::Undo(part) }
    }

    /// Whether it undoes.
    pub fn is_undo(&self) -> bool {
        self.phase != Phase::Do
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.phase {
            Phase::Do => write!(f, "{}", self.step),
            Phase::Undo(0) => write!(f, "{}/undo", self.step),
            Phase::Undo(part) => write!(f, "{}/undo/{part}", self.step),
        }
    }
}

impl FromStr for Task {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid =
            || InvalidName { kind: "task", text: text.to_owned(), form: "a task is STEP, STEP/undo or STEP/undo/N" };
        let mut parts = text.split('/');
        let step = parts.next().unwrap_or_default().parse()?;
        let phase = match (parts.next(), parts.next(), parts.next()) {
            (None, ..) => Phase::Do,
            (Some("undo"), None, _) => Phase::Undo(0),
            (Some("undo"), Some(part), None) => Phase::Undo(part.parse().map_err(|_| invalid())?),
            _ => return Err(invalid()),
        };
        Ok(Self { step, phase })
    }
}

impl TryFrom<String> for Task {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Task> for String {
    fn from(task: Task) -> String {
        task.to_string()
    }
}
