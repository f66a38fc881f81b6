//! Whom a step talks to: what was found at its target when the plan was made has to be there still, or nothing is changed;
//! and how many targets a run may touch, also those that no plan could know. It never asks anybody, and nobody can override
//! it: a wrong target is not a risk to weigh, it is the wrong target.

use std::collections::BTreeSet;

use super::drive::Drive;
use super::prepare::Refusal;
use crate::plan::subjects;
use crate::run::{Event, RunState, Task};
use crate::spec::ActionSpec;
use crate::value::{Value, contains_unknown};

/// The names of the targets that a plan and its run touch.
pub(super) struct Touched(BTreeSet<String>);

impl Drive<'_> {
    /// Counts on whom the run touches, where that was counted before.
    pub(super) fn count_touched(&self, event: &Event) {
        if let (Event::Intent { task, arguments, .. }, Some(touched)) = (event, self.touched.borrow_mut().as_mut()) {
            touched.0.extend(self.touched_by(&self.state(), task, arguments));
        }
    }

    fn touched_by(&self, state: &RunState, task: &Task, arguments: &Value) -> Vec<String> {
        let action = state.playbook().step(&task.step).and_then(|step| self.tools.actions.get(&step.action));
        action.map(|action| subjects(action.spec(), arguments)).unwrap_or_default()
    }

    /// Refuses a step that would touch more than `max_targets` allows, with what the plan knew and what was touched since.
    pub(super) fn hold_count(&self, spec: &ActionSpec, arguments: &Value) -> Result<(), Refusal> {
        let state = self.state();
        let Some(most) = state.playbook().max_targets else { return Ok(()) };
        let mut touched = self.touched.borrow_mut();
        let Touched(targets) = touched.get_or_insert_with(|| {
            let begun = state.tasks.iter().filter_map(|(task, doing)| Some((task, doing.intent.as_ref()?)));
            let by_the_run = begun.flat_map(|(task, intent)| self.touched_by(&state, task, &intent.arguments));
            Touched(state.plan.targets.iter().cloned().chain(by_the_run).collect())
        });
        let new: BTreeSet<String> =
            subjects(spec, arguments).into_iter().filter(|one| !targets.contains(one)).collect();
        // What the plan and the run touch already is not taken back by refusing a step that adds nothing.
        if !new.is_empty() && targets.len() + new.len() > most as usize {
            let names = targets.union(&new).cloned().collect::<Vec<_>>().join(", ");
            return Err(Refusal::no(format!(
                "with this step the run would touch {names}, and `max_targets` allows {most}; nothing was changed by it"
            )));
        }
        Ok(())
    }

    /// Refuses a step whose target is another one than that of the plan.
    pub(super) fn hold_identity(&self, task: &Task, spec: &ActionSpec, now: &Value) -> Result<(), Refusal> {
        let state = self.state();
        let Some((_, planned)) = state.planned(task) else { return Ok(()) };
        match other_target(spec, &planned.prediction.facts, now) {
            Some((name, was, is)) => Err(Refusal::no(format!(
                "{task} would talk to another target than the plan: its {name} was {was}, and {is} answers there now. \
                 Nothing was changed, and no override lifts this: correct the inventory, or make a new plan where the target \
                 was replaced on purpose"
            ))),
            None => Ok(()),
        }
    }
}

/// The first fact that says that the target is another one: its name, what it was and what it is. What was not known when
/// the plan was made, or is not known now, says nothing.
fn other_target<'a>(spec: &ActionSpec, was: &'a Value, is: &'a Value) -> Option<(&'static str, &'a Value, &'a Value)> {
    let known = |value: &&Value| !value.is_null() && !contains_unknown(value);
    spec.facts.iter().filter(|field| field.identity).find_map(|field| {
        let was = was.get(field.name).filter(known)?;
        let is = is.get(field.name).filter(known)?;
        (was != is).then_some((field.name, was, is))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::actions::Table;

    #[test]
    fn another_target_is_told_by_what_says_who_it_is_alone() {
        let table = Table::builtin();
        let spec = table.get("postgres.promote").map(|action| action.spec().clone()).unwrap();
        let facts = |identifier: Value, role: &str| json!({ "system_identifier": identifier, "role": role });
        let other = |was: Value, is: Value| other_target(&spec, &was, &is).is_some();
        assert!(other(facts(json!("7"), "standby"), facts(json!("8"), "standby")));
        assert!(!other(facts(json!("7"), "standby"), facts(json!("7"), "primary")), "a role is no identity");
        assert!(!other(facts(Value::Null, "standby"), facts(json!("8"), "standby")), "it was not known");
        assert!(!other(facts(crate::value::unknown("later"), "x"), facts(json!("8"), "x")));
    }

    #[test]
    fn every_action_that_changes_a_named_target_says_whom_it_talks_to() {
        let table = Table::builtin();
        for spec in table.specs().filter(|spec| spec.resource.is_some() && spec.effect.changes()) {
            assert!(spec.facts.iter().any(|field| field.identity), "{} reads no identity", spec.name);
        }
    }
}
