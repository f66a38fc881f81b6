//! A plan: what it would touch, step by step, and how well that is founded.

use serde_json::{Value, json};

use crate::ids::RunId;
use crate::plan::{Plan, PlannedStep};
use crate::playbook::Step;
use crate::value::why_unknown;

/// A plan; of a run, where one was begun with it.
pub fn json(run: Option<&RunId>, plan: &Plan) -> Value {
    json!({
        "run": run, "playbook": plan.playbook.name, "version": plan.playbook.version, "title": plan.playbook.title,
        "environment": plan.environment, "inputs": known(&plan.inputs), "targets": plan.targets, "locks": plan.locks,
        "narrowing": plan.narrowing, "digest": plan.digest, "facts_digest": plan.facts_digest,
        "steps": plan.each_step().map(|(step, planned)| step_json(step, planned)).collect::<Vec<_>>(),
        "checks": plan.playbook.checks.iter().enumerate().map(|(place, check)| json!({
            "name": check.name, "kind": check.kind.word(),
            "decided": plan.checks.get(place).map(|planned| &planned.decided),
        })).collect::<Vec<_>>(),
    })
}

fn step_json(step: &Step, planned: &PlannedStep) -> Value {
    json!({
        "id": step.id, "item": planned.item, "group": step.group, "title": step.title, "action": step.action,
        "effect": step.effect, "runs": planned.runs, "arguments": known(&planned.arguments),
        "requirements": planned.requirements, "changes": planned.prediction.changes, "notes": planned.prediction.notes,
        "fidelity": planned.fidelity, "checkpoint": step.checkpoint, "service": step.service,
        "point_of_no_return": step.point_of_no_return, "approval": step.approval.is_some(),
    })
}

/// A value for programs: what is not known yet is `{"unknown": WHY}`.
fn known(value: &Value) -> Value {
    match (value, why_unknown(value)) {
        (_, Some(why)) => json!({ "unknown": why }),
        (Value::Object(map), None) => {
            Value::Object(map.iter().map(|(name, value)| (name.clone(), known(value))).collect())
        }
        (Value::Array(items), None) => Value::Array(items.iter().map(known).collect()),
        (other, None) => other.clone(),
    }
}
