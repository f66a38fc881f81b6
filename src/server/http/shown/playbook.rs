//! A playbook: what it is for, what it has to be told, and what it does.

use serde_json::{Value, json};

use crate::playbook::{InputSpec, Playbook, Step};

/// A playbook.
pub fn json(book: &Playbook) -> Value {
    json!({
        "playbook": book.name, "version": book.version, "title": book.title, "description": book.description,
        "owner": book.owner, "reviewed": book.reviewed, "severity": book.severity, "symptoms": book.symptoms,
        "services": book.services, "recovery_time_seconds": book.recovery_time, "digest": book.digest,
        "inputs": book.inputs.iter().map(input).collect::<Vec<_>>(),
        "steps": book.steps.iter().map(step).collect::<Vec<_>>(),
    })
}

fn input(input: &InputSpec) -> Value {
    json!({
        "name": input.name, "type": input.kind.to_string(), "required": input.required, "sensitive": input.sensitive,
        // Where a secret lies is nobody's business out there.
        "default": if input.sensitive { None } else { input.default.as_ref() },
        "pattern": input.pattern, "min": input.min, "max": input.max, "description": input.description,
    })
}

fn step(step: &Step) -> Value {
    json!({
        "id": step.id, "title": step.title, "action": step.action, "effect": step.effect, "group": step.group,
        "checkpoint": step.checkpoint, "service": step.service, "point_of_no_return": step.point_of_no_return,
        "approval": step.approval.as_ref().map(|approval| json!({ "roles": approval.roles, "min": approval.min })),
    })
}
