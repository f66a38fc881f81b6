//! Why a plan cannot be made, for a person: in which step, and what is wrong there.

use super::{NoBatches, NoItems};
use crate::ids::StepId;
use crate::playbook::EvaluateError;

/// Why a plan cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A condition, template or argument cannot be evaluated.
    #[error("step {step}: {error}")]
    Evaluate {
        /// In which step; `locks` for the playbook's locks.
        step: String,
        /// What is wrong.
        error: EvaluateError,
    },
    /// A step's arguments are not what its action takes.
    #[error("step {step}: {message}")]
    Arguments {
        /// Which step.
        step: StepId,
        /// What is wrong.
        message: String,
    },
    /// A lock does not name a resource.
    #[error("a lock is not usable: {0}")]
    Lock(String),
    /// The list of a `for_each` cannot be gone over.
    #[error("step {step}: {error}")]
    Items {
        /// Which step.
        step: StepId,
        /// What is wrong.
        error: NoItems,
    },
    /// A `for_each` goes over hosts that the inventory does not have.
    #[error("step {step}: {why}")]
    Hosts {
        /// Which step.
        step: StepId,
        /// What is wrong.
        why: String,
    },
    /// `--limit` was given, and nothing goes over hosts.
    #[error(
        "`--limit {pattern}` would limit nothing: no `for_each` of {playbook} goes over hosts of the inventory, and a step whose \
         `host:` is written out is not touched by it; leave the limit out, or let the steps run `for_each: {{ hosts: … }}`"
    )]
    NothingToLimit {
        /// The limit.
        pattern: String,
        /// The playbook.
        playbook: String,
    },
    /// The list of a `for_each` cannot be taken in batches as the playbook says.
    #[error("step {step}: {error}")]
    Batches {
        /// Which step.
        step: StepId,
        /// What is wrong.
        error: NoBatches,
    },
    /// More would be touched than the playbook allows.
    #[error("the plan touches {} targets, and `max_targets` allows {allowed}: {}", .found.len(), .found.join(", "))]
    TooManyTargets {
        /// Which there are.
        found: Vec<String>,
        /// How many there may be.
        allowed: u32,
    },
    /// The playbook names an action that this binary does not have.
    #[error("step {step} uses {action}, which this binary does not have")]
    NoSuchAction {
        /// Which step.
        step: StepId,
        /// Its action.
        action: String,
    },
}
