//! What is found out about a step, as a record says it: why it does not run, what became of an attempt whose end nobody saw,
//! which of its conditions held. It is only what was found; what follows from it is decided elsewhere.

use serde::{Deserialize, Serialize};

use crate::ids::StepId;
use crate::outcome::Report;
use crate::value::Value;

/// Why a step does not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum SkipReason {
    /// Its `if` does not hold.
    Condition {
        /// The expression.
        source: String,
    },
    /// A step that it needs is not done.
    Needs {
        /// Which.
        step: StepId,
    },
    /// `on_failure: {step: …}` jumped over it.
    Jumped {
        /// From which step.
        from: StepId,
    },
    /// A person said that it is not needed.
    ByPerson {
        /// Who.
        who: String,
        /// Why.
        reason: String,
    },
}

/// What was found out about an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "snake_case")]
pub enum Settlement {
    /// Its own end was found.
    Ended {
        /// What is known.
        report: Report,
    },
    /// The effect is there.
    TookEffect {
        /// The outputs, as far as they can be read.
        outputs: Value,
    },
    /// The effect is certainly not there.
    DidNot,
    /// It cannot be told.
    CannotTell,
    /// It may simply run again: its effect is `read`, `idempotent` or `keyed`, or it is an undo that works from observation.
    RunAgain,
}

/// One condition, as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// The expression.
    pub source: String,
    /// Whether it held.
    pub held: bool,
    /// What it came to where it did not hold: the values that it named.
    pub detail: String,
}
