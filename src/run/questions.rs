//! What a run asks of people, what they can answer, and what other processes may ask of a run.

use serde::{Deserialize, Serialize};

use super::{SkipHow, Task, Time};
use crate::ids::Digest;
use crate::value::Value;

/// What a person is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// About what.
    pub task: Task,
    /// What kind of question it is.
    pub kind: QuestionKind,
    /// What happened, for a person.
    pub message: String,
    /// When the default is taken; never, where absent.
    pub deadline: Option<Time>,
}

/// The kinds of questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuestionKind {
    /// Nobody knows whether an attempt took effect.
    UnknownOutcome,
    /// A step failed and its `on_failure` is to wait, or it stands behind the point of no return.
    StepFailed,
    /// An undo failed: the run is stuck.
    UndoFailed,
    /// Everything back to the point of no return is undone; what lies before it stands.
    BehindPointOfNoReturn,
    /// People are asked whether a step may begin; `approve` and `reject` answer it.
    Approval,
    /// An invariant does not hold, and the point of no return is crossed.
    InvariantBroken,
    /// The run would talk to somebody else than it is meant to.
    WrongIdentity,
}

/// What a person answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The effect is there: the step counts as done.
    TookEffect,
    /// The effect is certainly not there.
    DidNot,
    /// Try it again.
    Retry,
    /// Undo it and what came before it.
    Undo,
    /// Leave everything as it is and end the run.
    Abandon,
    /// Go on although something does not hold.
    GoOn,
}

/// What another process may ask of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RequestKind {
    /// Roll back to the start (or to the point of no return).
    Cancel,
    /// Roll back to a checkpoint, or to the start.
    Rollback {
        /// The checkpoint.
        to: Option<String>,
        /// Whether it is undone even while everything is halted.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        despite_halt: bool,
    },
    /// Finish the step in hand and end without undoing anything.
    Abort,
    /// Finish the step in hand and wait.
    Pause,
    /// Finish the block of each item in hand, and wait before another item begins.
    FinishItems,
    /// Answer a question.
    Resolve {
        /// About what.
        task: Task,
        /// What.
        answer: Answer,
    },
    /// Say that a step may begin.
    Approve {
        /// Which.
        task: Task,
        /// What was looked at: the request's own digest.
        subject: Digest,
        /// Whether to break the glass.
        break_glass: bool,
    },
    /// Say that it may not.
    Reject {
        /// Which.
        task: Task,
    },
    /// Take something out of the run's hands.
    Skip {
        /// What.
        task: Task,
        /// What is said of it.
        how: SkipHow,
        /// What it gave, as far as later steps use that (an object).
        outputs: Value,
    },
}

impl QuestionKind {
    /// The answers that lead somewhere.
    pub fn answers(self) -> &'static [Answer] {
        match self {
            QuestionKind::UnknownOutcome => {
                &[Answer::TookEffect, Answer::DidNot, Answer::Retry, Answer::Undo, Answer::Abandon]
            }
            QuestionKind::StepFailed => &[Answer::Retry, Answer::TookEffect, Answer::Undo, Answer::Abandon],
            QuestionKind::UndoFailed => &[Answer::Retry, Answer::TookEffect, Answer::Abandon],
            QuestionKind::BehindPointOfNoReturn | QuestionKind::WrongIdentity => &[Answer::Retry, Answer::Abandon],
            QuestionKind::Approval => &[],
            QuestionKind::InvariantBroken => &[Answer::Retry, Answer::GoOn, Answer::Undo, Answer::Abandon],
        }
    }
}
