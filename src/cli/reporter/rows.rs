//! How each step stands, in a row: a mark, how long it took, and the newest word about it. Pure.

use crate::cli::text::Ink;
use crate::run::{RunState, Status, Task, TaskState, Time};
use crate::timeline::skip_reason;

/// How a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// It has not begun.
    Pending,
    /// It is under way.
    Running,
    /// It is done.
    Done,
    /// It does not run.
    Skipped,
    /// It failed.
    Failed,
    /// Nobody knows.
    Unknown,
    /// It is being undone.
    Undoing,
    /// It is undone.
    Undone,
}

impl Mark {
    /// The character, and what it means.
    pub fn glyph(self) -> (&'static str, Ink) {
        match self {
            Mark::Pending => ("·", Ink::Dim),
            Mark::Running | Mark::Undoing => ("⠋", Ink::Warn),
            Mark::Done => ("✓", Ink::Good),
            Mark::Skipped => ("↷", Ink::Dim),
            Mark::Failed => ("✗", Ink::Bad),
            Mark::Unknown => ("?", Ink::Warn),
            Mark::Undone => ("↩", Ink::Warn),
        }
    }

    /// Whether something goes on.
    pub fn moves(self) -> bool {
        matches!(self, Mark::Running | Mark::Undoing)
    }
}

/// A step's row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// How it stands.
    pub mark: Mark,
    /// How long it has taken, in seconds.
    pub seconds: Option<f64>,
    /// The newest word about it; may come from outside.
    pub message: String,
}

impl Row {
    pub(super) fn new(mark: Mark, seconds: Option<f64>, message: impl Into<String>) -> Self {
        Self { mark, seconds, message: message.into() }
    }
}

/// The row of a step, or of a step for one item.
pub fn row(state: &RunState, task: &Task, now: Time) -> Row {
    if let Some(row) = undo_row(state, task, now) {
        return row;
    }
    if let Some(reason) = state.skipped.get(task) {
        return Row::new(Mark::Skipped, None, skip_reason(reason));
    }
    if state.skipped_around(task) {
        return Row::new(Mark::Skipped, None, "");
    }
    let Some(task) = state.doing(task) else { return Row::new(Mark::Pending, None, "") };
    let taken = task.ended.map(|ended| ended.seconds_since(task.started).max(0.0));
    match task.status {
        Status::InFlight => {
            let again = if task.attempt > 1 { format!("try {}", task.attempt) } else { String::new() };
            Row::new(Mark::Running, Some(running(task, now)), again)
        }
        Status::Done if task.verified == Some(false) => Row::new(Mark::Failed, taken, task.message()),
        Status::Done if !task.passed => Row::new(Mark::Running, taken, "done; waiting for what must hold after it"),
        Status::Done => Row::new(Mark::Done, taken, task.message()),
        Status::NoEffect { .. } | Status::Failed { .. } => Row::new(Mark::Failed, taken, task.message()),
        Status::Unknown | Status::Doubtful => Row::new(Mark::Unknown, taken, task.message()),
        Status::Ready => Row::new(Mark::Pending, None, "runs again"),
    }
}

fn running(task: &TaskState, now: Time) -> f64 {
    let begun = task.intent.as_ref().map_or(task.started, |intent| intent.at);
    now.seconds_since(begun).max(0.0)
}

/// The row of a step whose undo has begun.
fn undo_row(state: &RunState, doing: &Task, now: Time) -> Option<Row> {
    let parts = state.playbook().step(&doing.step).map_or(0, RunState::undo_parts);
    let newest = (0..parts).rev().find_map(|part| state.tasks.get(&doing.undo(part)))?;
    if state.is_undone(doing) {
        let taken = newest.ended.map(|ended| ended.seconds_since(newest.started).max(0.0));
        return Some(Row::new(
            Mark::Undone,
            taken,
            if newest.message().is_empty() { "undone" } else { newest.message() },
        ));
    }
    Some(match newest.status {
        Status::InFlight => Row::new(Mark::Undoing, Some(running(newest, now)), "is being undone"),
        Status::Failed { .. } | Status::NoEffect { .. } => {
            Row::new(Mark::Failed, None, format!("undo failed: {}", newest.message()))
        }
        Status::Unknown | Status::Doubtful => Row::new(Mark::Unknown, None, format!("undo: {}", newest.message())),
        Status::Done | Status::Ready => Row::new(Mark::Undoing, None, "is being undone"),
    })
}
