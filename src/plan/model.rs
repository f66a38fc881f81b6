//! A plan: what a run is held to. It is written whole into the run's first record.

use serde::{Deserialize, Serialize};

use crate::ids::{Digest, Resource, StepId};
use crate::playbook::Playbook;
use crate::spec::{Fidelity, Prediction};
use crate::value::Value;

/// What a run executes, and what was foreseen of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The form of the plan.
    pub format: u32,
    /// The playbook, whole.
    pub playbook: Playbook,
    /// The inputs, each of its declared type (an object; an absent optional one is null).
    pub inputs: Value,
    /// The inventory's `environment`.
    pub environment: String,
    /// The resources that are changed or read, by name.
    pub targets: Vec<String>,
    /// What a run holds while it lasts, sorted.
    pub locks: Vec<Resource>,
    /// One entry a step, in the same order.
    pub steps: Vec<PlannedStep>,
    /// The digest of playbook, inputs, targets and action specs.
    pub digest: Digest,
    /// The digest of the facts.
    pub facts_digest: Digest,
}

/// What is foreseen of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Which.
    pub id: StepId,
    /// Whether it will run.
    pub runs: Decided,
    /// Its arguments, with what is not known yet marked (see `value::unknown`).
    pub arguments: Value,
    /// What must hold before it acts, and whether it does now.
    pub requirements: Vec<Requirement>,
    /// What its action foresees.
    pub prediction: Prediction,
    /// Whether its undo also covers an attempt whose outcome is unknown: it works from what it observes, or the playbook
    /// declares `covers: partial`.
    pub undo_covers_unknown: bool,
    /// How well that is founded, after what earlier steps change is taken into account.
    pub fidelity: Fidelity,
}

/// A condition, as far as it can be decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Decided {
    /// It holds.
    Yes,
    /// It does not hold.
    No {
        /// Why, for a person.
        why: String,
    },
    /// It rests on something that is not known.
    Undecided {
        /// On what.
        why: String,
    },
}

/// A requirement of a step and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// The expression, or the action's own words where it would refuse.
    pub source: String,
    /// How it stands.
    pub decided: Decided,
}
