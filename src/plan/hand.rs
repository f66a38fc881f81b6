//! What a plan knows, for a person who does it by hand: also for what would not run today, as a sheet that was printed on a
//! healthy day is for the other one. Pure; it decides nothing about a run.

use std::collections::BTreeMap;

use super::foresee::{outputs_of, subjects};
use super::planner::{Key, steady};
use super::view::View;
use super::{Decided, Place, Plan, scope_at};
use crate::ids::{ItemId, StepId};
use crate::playbook::{
    Argument, Expression, Scope, Step, Truth, complete_arguments, decide_condition, resolve_arguments,
};
use crate::spec::{ActionSpec, Prediction};
use crate::value::{Value, unknown};

/// What a plan knows, to fill in what a person types.
pub struct Hand<'a> {
    plan: &'a Plan,
    known: BTreeMap<Key, Value>,
    nothing: BTreeMap<Key, Value>,
}

impl<'a> Hand<'a> {
    /// What a plan knows; `spec` says what an action gives.
    pub fn of<'s>(plan: &'a Plan, spec: &dyn Fn(&str) -> Option<&'s ActionSpec>) -> Self {
        let (mut known, mut nothing) = (BTreeMap::new(), BTreeMap::new());
        let mut changed: BTreeMap<String, StepId> = BTreeMap::new();
        for (step, planned) in plan.each_step() {
            let Some(spec) = spec(&step.action) else { continue };
            let about = subjects(spec, &planned.arguments);
            let changer = about.iter().find_map(|subject| changed.get(subject));
            let unread = outputs_of(step, spec, &Prediction::unknown("it may not run"), None);
            let outputs = match &planned.runs {
                Decided::Yes => steady(&outputs_of(step, spec, &planned.prediction, changer), spec),
                _ => unread.clone(),
            };
            let key = (step.id.clone(), planned.item.clone());
            let entry = |outputs: Value| serde_json::json!({ "outputs": outputs, "outcome": unknown(format!("how {} ends", step.id)) });
            known.insert(key.clone(), entry(outputs));
            nothing.insert(key, entry(unread));
            if step.effect.changes() && !matches!(planned.runs, Decided::No { .. }) {
                for subject in about {
                    changed.entry(subject).or_insert_with(|| step.id.clone());
                }
            }
        }
        Self { plan, known, nothing }
    }

    /// The arguments of a step, or of a part of it such as its undo, with what is not known marked.
    pub fn arguments(&self, step: &Step, item: Option<&ItemId>, part: &Step, spec: &ActionSpec) -> Value {
        let scope = self.scope(step, item, &self.known).unwrap_or_default();
        let mut all = serde_json::Map::new();
        for (name, argument) in &part.arguments {
            let one = [(name.clone(), argument.clone())];
            let value = match resolve_arguments(&one, &scope) {
                Ok(Value::Object(mut map)) => map.shift_remove(name),
                _ => None,
            };
            all.insert(name.clone(), value.unwrap_or_else(|| unknown(written(argument))));
        }
        let all = Value::Object(all);
        complete_arguments(spec, all.clone()).unwrap_or(all)
    }

    /// Whether it is not done whatever the looks show, as its inputs say so.
    pub fn never(&self, step: &Step, item: Option<&ItemId>) -> bool {
        let no = |condition: &Expression| {
            let scope = self.scope(step, item, &self.nothing);
            scope.is_ok_and(|scope| matches!(decide_condition(condition, &scope), Ok(Truth::False)))
        };
        let needs = |id: &StepId| self.plan.playbook.step(id).is_some_and(|needed| self.never(needed, item));
        conditions(self.plan, step).into_iter().any(no) || step.needs.iter().any(needs)
    }

    fn scope(&self, step: &Step, item: Option<&ItemId>, known: &BTreeMap<Key, Value>) -> Result<Scope, String> {
        let book = &self.plan.playbook;
        let run = serde_json::json!({
            "id": unknown("the run's id"), "playbook": book.name, "version": book.version,
            "incident": unknown("the incident"),
        });
        let view = View { known, groups: &self.plan.groups, book };
        let around = book.around(step.group.as_ref()).map(crate::playbook::Group::said);
        let said = around.fold(step.said(), |said, group| said + "\n" + &group);
        scope_at(book, &self.plan.inputs, &run, Place::of_step(step, item), &said, &view)
    }
}

/// The conditions on which a step is done: those of the groups around it, and its own.
pub fn conditions<'a>(plan: &'a Plan, step: &'a Step) -> Vec<&'a Expression> {
    let frame = step.id.frame();
    let around = plan.playbook.around(step.group.as_ref()).filter(|group| group.id.frame() == frame);
    around.filter_map(|group| group.condition.as_ref()).chain(step.condition.as_ref()).collect()
}

fn written(argument: &Argument) -> String {
    match argument {
        Argument::Template(template) => template.source.clone(),
        Argument::Computed(expression) => expression.source.clone(),
        _ => "not known yet".to_owned(),
    }
}
