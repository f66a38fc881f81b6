//! How an attempt or a run came out, in the words that others have for it.

use super::SpanResult;
use crate::outcome::{Outcome, Report};
use crate::run::{Answer, Verdict};

/// How something ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    pub result: SpanResult,
    pub error: Option<&'static str>,
    pub message: Option<String>,
}

impl End {
    pub const SUCCESS: Self = Self { result: SpanResult::Success, error: None, message: None };
    pub const SKIPPED: Self = Self { result: SpanResult::Skip, error: None, message: None };

    pub fn failure(error: &'static str, message: &str) -> Self {
        Self { result: SpanResult::Failure, error: Some(error), message: Some(message.to_owned()) }
    }

    /// Nobody knows: that is an error of whoever runs it, and no failure of what was run.
    pub fn unknown(message: &str) -> Self {
        Self { result: SpanResult::Error, error: Some("unknown"), message: Some(message.to_owned()) }
    }

    /// A person took it out of the run's hands.
    pub fn cancelled(message: &str) -> Self {
        Self { result: SpanResult::Cancellation, error: None, message: Some(message.to_owned()) }
    }

    /// As an action reported it; nothing where it is still to be found out.
    pub fn of_report(report: &Report) -> Option<Self> {
        match report.outcome {
            Outcome::Done => Some(Self::SUCCESS),
            Outcome::NoEffect => Some(Self::failure("no_effect", &report.message)),
            Outcome::Failed => Some(Self::failure("failed", &report.message)),
            Outcome::Unknown => None,
        }
    }

    /// As a person said.
    pub fn of_answer(answer: Answer, reason: &str) -> Self {
        match answer {
            Answer::TookEffect => Self::SUCCESS,
            Answer::DidNot => Self::failure("no_effect", reason),
            Answer::Retry | Answer::Undo | Answer::Abandon | Answer::GoOn => Self::unknown(reason),
        }
    }

    /// As a run ended; `by_person` says that a person asked for what was undone.
    pub fn of_verdict(verdict: Verdict, by_person: bool, summary: &str) -> Self {
        match verdict {
            Verdict::Succeeded | Verdict::SucceededWithExceptions => Self::SUCCESS,
            Verdict::Abandoned => Self::cancelled(summary),
            Verdict::RolledBack | Verdict::RolledBackToCheckpoint if by_person => Self::cancelled(summary),
            verdict => Self::failure(verdict.word(), summary),
        }
    }
}
