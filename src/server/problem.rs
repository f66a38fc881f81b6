//! What could not be done, as whoever called is told: an RFC 9457 problem document, and what a command line makes of it.

use serde::{Deserialize, Serialize};

use crate::journal::{HeldLock, Needs};

/// What could not be done. It never holds a secret, a path of this machine that the caller did not name, or a token.
/// Its `type` is `about:blank` always: what tells one from another is its status, and the exit code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "about:blank")]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// What happened, in one sentence.
    pub title: String,
    /// What it means for the system now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What to do next: commands or sentences, the best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<String>,
    /// What the command line exits with where this ended it (`docs/exit-codes`).
    pub exit: u8,
    /// After how many seconds it may be tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// What the run needs that was not begun for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<Box<Needs>>,
    /// The lock that the run did not get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked: Option<Box<HeldLock>>,
}

impl Problem {
    /// A problem of this status, with the exit code of the command line.
    pub fn new(status: u16, exit: u8, title: impl Into<String>) -> Self {
        let (title, next) = (title.into(), Vec::new());
        Self { status, title, detail: None, next, exit, retry_after: None, needs: None, locked: None }
    }

    /// What it means for the system now.
    #[must_use]
    pub fn meaning(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// One more thing to do next.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next.push(next.into());
        self
    }
}
