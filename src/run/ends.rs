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

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Succeeded,
        Self::SucceededWithExceptions,
        Self::Failed,
        Self::RolledBack,
        Self::RolledBackToCheckpoint,
        Self::Incomplete,
        Self::Abandoned,
    ];

    /// The word for it, as the journal writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::SucceededWithExceptions => "succeeded_with_exceptions",
            Self::Failed => "failed",
            Self::RolledBack => "rolled_back",
            Self::RolledBackToCheckpoint => "rolled_back_to_checkpoint",
            Self::Incomplete => "incomplete",
            Self::Abandoned => "abandoned",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_is_the_one_in_journals() {
        for verdict in Verdict::ALL {
            assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.word());
        }
    }
}
