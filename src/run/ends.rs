//! How a run comes to a stop: for a while, or for good. These words are in every journal, so none ever changes its meaning.

use serde::{Deserialize, Serialize};

/// How a run was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopKind {
    /// By `pause`, or by `abort` during an undo.
    Paused,
    /// By Ctrl-C or SIGTERM.
    Interrupted,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every step is done or rightly skipped.
    Succeeded,
    /// The same, but for what is listed.
    SucceededWithExceptions,
    /// It failed and nothing needed undoing.
    Failed,
    /// It failed, and everything is as it was.
    RolledBack,
    /// It failed, and everything is as it was at a checkpoint.
    RolledBackToCheckpoint,
    /// Behind the point of no return: changes stand, what remains is listed.
    Incomplete,
    /// A person ended it; changes may stand.
    Abandoned,
}
