//! The kill switch, as a store keeps it: who halted everything and why, until somebody lifts it. The rule is here, so that
//! the stores cannot differ in it: while a halt is in force no intent is written, but for the undo of a run that a person
//! let go on by name. It must never be looked at in another transaction than the one that writes.

use super::JournalError;
use super::projection::Projection;
use crate::run::{Event, Time};

/// A halt of everything on this state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Halt {
    /// Its number; it only rises.
    pub number: i64,
    /// Who halted.
    pub by: String,
    /// Why; may be empty.
    pub reason: String,
    /// Since when.
    pub since: Time,
    /// Who ended it, why and when; absent while it is in force.
    pub lifted: Option<Lifted>,
}

/// The end of a halt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifted {
    /// By whom.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Time,
}

impl Halt {
    /// Who halted and why, in words.
    pub fn words(&self) -> String {
        let because = if self.reason.is_empty() { String::new() } else { format!(": {}", self.reason) };
        format!("halted by {}{because}", self.by)
    }
}

/// Whether a run, standing like this, may write these events while a halt is in force.
///
/// # Errors
/// `Halted` when an attempt would begin by them.
pub(super) fn allows(halt: &Halt, run: &Projection, events: &[Event]) -> Result<(), JournalError> {
    let held = |event: &Event| match event {
        Event::Intent { task, .. } => !(task.is_undo() && run.despite_halt),
        _ => false,
    };
    if events.iter().any(held) { Err(JournalError::Halted(halt.clone())) } else { Ok(()) }
}
