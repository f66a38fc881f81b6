//! A plan: what a run is held to. It is written whole into the run's first record.

use serde::{Deserialize, Serialize};

use super::{Excluded, Item, Narrowing};
use crate::ids::{Digest, ItemId, Resource, StepId};
use crate::playbook::{CheckKind, Playbook, Step};
use crate::spec::{Fidelity, Prediction};
use crate::value::Value;
use crate::value::tagged::tagged;

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
    /// One entry a step, in the order in which they run; of a `for_each` whose list is known, one for each item.
    pub steps: Vec<PlannedStep>,
    /// How identities and invariants stand now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<PlannedCheck>,
    /// What is foreseen of the groups of steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<PlannedGroup>,
    /// What a person has narrowed it to.
    #[serde(default, skip_serializing_if = "Narrowing::is_none")]
    pub narrowing: Narrowing,
    /// The digest of playbook, inputs, targets, action specs, and what it was narrowed to.
    pub digest: Digest,
    /// The digest of the facts.
    pub facts_digest: Digest,
}

/// What is foreseen of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Which.
    pub id: StepId,
    /// For which item of its `for_each`; absent where it belongs to none, or the list is not known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<ItemId>,
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

impl PlannedStep {
    /// The step, with its item where it runs for several.
    pub fn name(&self) -> String {
        match &self.item {
            Some(item) => format!("{}@{item}", self.id),
            None => self.id.to_string(),
        }
    }
}

/// How an identity or an invariant stands when the plan is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedCheck {
    /// Its name.
    pub name: String,
    /// What kind of check it is.
    pub kind: CheckKind,
    /// Whether it holds.
    pub decided: Decided,
    /// What its look read.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub outputs: Value,
}

/// What is foreseen of a group of steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedGroup {
    /// Which.
    pub id: StepId,
    /// Of a group inside of a `for_each`: for which item.
    pub item: Option<ItemId>,
    /// Whether it will run.
    pub runs: Decided,
    /// Of a `for_each`: its list, where it is known, in the order in which it is gone over.
    pub items: Option<Vec<Item>>,
    /// Of a `for_each` that was narrowed: how many items its list had before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<usize>,
    /// Of a `for_each`: what is left out of its list, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<Excluded>,
    /// How many items each batch takes, where that is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub batches: Vec<u32>,
    /// How many items may fail in all.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub max_failures: u32,
    /// How many items must be well beside those of the batch in hand.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub min_healthy: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands over a reference
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Plan {
    /// What was foreseen of a step, for an item where the list was known by then.
    pub fn step(&self, id: &StepId, item: Option<&ItemId>) -> Option<&PlannedStep> {
        let of_it = || self.steps.iter().filter(|planned| &planned.id == id);
        of_it().find(|planned| planned.item.as_ref() == item).or_else(|| of_it().find(|planned| planned.item.is_none()))
    }

    /// The steps with what was foreseen of each, in the order in which they run.
    pub fn each_step(&self) -> impl Iterator<Item = (&Step, &PlannedStep)> {
        self.steps.iter().filter_map(|planned| self.playbook.step(&planned.id).map(|step| (step, planned)))
    }
}

/// A condition, as far as it can be decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "snake_case")]
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

tagged!(Decided, "is");

/// A requirement of a step and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// The expression, or the action's own words where it would refuse.
    pub source: String,
    /// How it stands.
    pub decided: Decided,
}
