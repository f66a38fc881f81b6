//! What can be said of one step before it runs: its arguments, its outputs, and whether its requirements hold.

use super::{Decided, Requirement};
use crate::ids::StepId;
use crate::playbook::{Scope, Step, Truth, decide_condition, explain};
use crate::spec::{ActionSpec, Prediction};
use crate::value::{Type, Value, unknown};

/// What a step is about: the entries of the inventory that its arguments name, for example `database/orders`.
pub fn subjects(spec: &ActionSpec, arguments: &Value) -> Vec<String> {
    let mut subjects = Vec::new();
    for field in &spec.inputs {
        if let (Type::Reference(kind), Some(Value::String(name))) = (&field.kind, arguments.get(field.name)) {
            subjects.push(format!("{kind}/{name}"));
        }
    }
    subjects
}

/// The outputs that a step will have, as far as they are known beforehand; what is not known is marked.
pub(super) fn outputs_of(step: &Step, spec: &ActionSpec, prediction: &Prediction, changer: Option<&StepId>) -> Value {
    let mut outputs = serde_json::Map::new();
    let predicted = prediction.outputs.as_object();
    // What a step reads after an earlier one has acted is not what can be read now.
    let stale = changer.filter(|_| !step.effect.changes());
    let names =
        spec.outputs.iter().map(|field| field.name).chain(step.outputs.iter().map(|output| output.name.as_str()));
    for name in names {
        let value = match (stale, predicted.and_then(|map| map.get(name))) {
            (Some(earlier), _) => unknown(format!("what {} will read after {earlier} has acted", step.id)),
            (None, Some(value)) => value.clone(),
            (None, None) => unknown(format!("what {} will give as `{name}`", step.id)),
        };
        outputs.insert(name.to_owned(), value);
    }
    Value::Object(outputs)
}

/// How the requirements of a step stand: the playbook's, over `scope`, and what the action itself would refuse.
pub fn check_requirements(
    step: &Step,
    prediction: &Prediction,
    scope: &Scope,
    changer: Option<&StepId>,
) -> Vec<Requirement> {
    let mut requirements: Vec<Requirement> = Vec::new();
    for expression in &step.require {
        let decided = match (changer, decide_condition(expression, scope)) {
            (_, Ok(Truth::Undecided(why))) => Decided::Undecided { why },
            (Some(earlier), Ok(_)) if step.effect.changes() => {
                Decided::Undecided { why: format!("{earlier} acts before it is looked at") }
            }
            (_, Ok(Truth::True)) => Decided::Yes,
            (_, Ok(Truth::False)) => Decided::No { why: explain(expression, scope) },
            (_, Err(error)) => Decided::Undecided { why: error.message },
        };
        requirements.push(Requirement { source: expression.source.clone(), decided });
    }
    for refusal in &prediction.refusals {
        let decided = match changer {
            Some(earlier) => Decided::Undecided { why: format!("it would refuse now; {earlier} acts before") },
            None => Decided::No { why: "the action would refuse".to_owned() },
        };
        requirements.push(Requirement { source: refusal.clone(), decided });
    }
    requirements
}
