//! A plan that goes on from what another run has done: a step that was done there, with the same action and the same
//! arguments, is done, and gives what it gave. It is compared here and never looked at again.

use std::collections::BTreeMap;

use serde_json::json;

use super::planner::{Key, Planner, Todo};
use super::{Decided, PlannedStep};
use crate::ids::{ItemId, StepId};
use crate::playbook::{Rollback, Step};
use crate::spec::{ActionSpec, Fidelity, Prediction, UndoSpec};
use crate::value::{Value, contains_unknown};

/// What another run has done.
#[derive(Debug, Clone, Default)]
pub struct DoneBefore {
    /// Its name, for a person.
    pub run: String,
    /// Each step, for an item where it ran for several.
    pub steps: BTreeMap<(StepId, Option<ItemId>), DoneStep>,
    taken: Vec<Key>,
    /// Whether a changing step runs by now: what was read behind it may no longer be so.
    acts: bool,
}

/// What it did in one step.
#[derive(Debug, Clone)]
pub struct DoneStep {
    /// With which action.
    pub action: String,
    /// With which arguments; null where a person did it by hand.
    pub arguments: Value,
    /// What it gave.
    pub outputs: Value,
}

impl PlannedStep {
    /// Whether it does not run as another run has done it: unlike what is skipped, it has its arguments.
    pub fn is_done_before(&self) -> bool {
        matches!(self.runs, Decided::No { .. }) && !self.arguments.is_null()
    }
}

impl DoneBefore {
    /// What a run of this name has done.
    pub fn of(run: String, steps: BTreeMap<(StepId, Option<ItemId>), DoneStep>) -> Self {
        Self { run, steps, ..Self::default() }
    }
}

impl Planner {
    /// The same planner, going on from what another run has done.
    #[must_use]
    pub fn after(mut self, done: DoneBefore) -> Self {
        self.done = done;
        self
    }

    /// The steps that are taken over as done, in their order.
    pub fn taken(&self) -> &[(StepId, Option<ItemId>)] {
        &self.done.taken
    }

    /// Takes a step over as done, if it is; false where it is to be planned.
    pub(super) fn is_done_before(
        &mut self,
        step: &Step,
        todo: &Todo,
        spec: &ActionSpec,
        arguments: &Value,
        runs: &Decided,
    ) -> bool {
        let key = (step.id.clone(), todo.item.clone());
        let changes = step.effect.changes();
        let found = self.done.steps.get(&key).filter(|done| {
            let same = done.arguments.is_null() || &done.arguments == arguments && !contains_unknown(arguments);
            done.action == step.action && same && *runs == Decided::Yes && (changes || !self.done.acts)
        });
        let Some(done) = found.cloned() else {
            self.done.acts |= changes;
            return false;
        };
        let known = json!({ "outputs": done.outputs, "outcome": "done" });
        self.known.insert(key.clone(), known.clone());
        // What is written down does not move any more.
        self.steady.insert(key.clone(), known);
        self.done.taken.push(key);
        self.todo.pop_front();
        let from_observation = matches!(spec.undo, UndoSpec::Restores { from_observation: true, .. });
        self.steps.push(PlannedStep {
            undo_covers_unknown: step.covers_partial || (from_observation && step.rollback == Rollback::Action),
            id: step.id.clone(),
            item: todo.item.clone(),
            runs: Decided::No { why: format!("it is done: run {} did it", self.done.run) },
            arguments: arguments.clone(),
            requirements: Vec::new(),
            prediction: Prediction::probed(json!({})),
            fidelity: Fidelity::Probed,
        });
        true
    }
}
