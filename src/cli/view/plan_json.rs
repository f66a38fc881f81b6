//! A plan for programs: names are added to it, never renamed or removed.

use serde_json::{Value, json};

use crate::plan::{Plan, PlannedStep};
use crate::playbook::{Approval, Budget, Check, CheckKind, Each, Group, GroupKind, Rollback, Step};
use crate::value::why_unknown;

use super::branches;
use super::groups::items;
use super::plan::{requirements, sum};

/// A plan for programs.
pub fn json(plan: &Plan, exit: u8) -> Value {
    let sum = sum(plan);
    json!({
        "v": 1, "type": "plan", "exit": exit,
        "playbook": plan.playbook.name, "version": plan.playbook.version, "title": plan.playbook.title,
        "recovers": plan.playbook.recovers.as_ref().map(|recovers| recovers.what),
        "narrowed": super::narrowed::json(plan), "environment": plan.environment, "inputs": known(&plan.inputs), "targets": plan.targets, "locks": plan.locks,
        "digest": plan.digest, "facts_digest": plan.facts_digest,
        "violated": sum.violated, "borne": sum.borne, "changing": sum.changing,
        "checks": checks(plan), "budgets": plan.playbook.budgets.iter().map(budget).collect::<Vec<_>>(),
        "groups": plan.playbook.groups.iter().map(|group| group_json(plan, group)).collect::<Vec<_>>(),
        "steps": plan.each_step().map(|(step, planned)| step_json(plan, step, planned)).collect::<Vec<_>>(),
    })
}

/// Identities and invariants, each with whether it holds now; null where nobody has looked.
fn checks(plan: &Plan) -> Vec<Value> {
    let of = |(place, check): (usize, &Check)| {
        json!({
            "name": check.name, "kind": check.kind.word(), "group": check.group, "action": check.step.action,
            "expression": check.expression.source, "within": check.within,
            "hold": (check.kind != CheckKind::Identity).then_some(check.kind),
            "decided": plan.checks.get(place).map(|planned| &planned.decided),
        })
    };
    plan.playbook.checks.iter().enumerate().map(of).collect()
}

fn budget(budget: &Budget) -> Value {
    json!({ "from": budget.from, "to": budget.to, "max_seconds": budget.max })
}

/// What a step or a group waits for before it begins; null where it waits for nobody.
fn approval(approval: Option<&Approval>) -> Value {
    approval.map_or(Value::Null, |approval| {
        json!({
            "roles": approval.roles, "min": approval.min, "timeout_seconds": approval.timeout,
            "on_timeout": approval.on_timeout, "prevent_self_approval": approval.prevent_self_approval,
            "if": approval.condition.as_ref().map(|condition| &condition.source),
        })
    })
}

fn group_json(plan: &Plan, group: &Group) -> Value {
    let mut json = json!({
        "id": group.id, "title": group.title, "group": group.parent,
        "steps": plan.playbook.steps.get(group.range()).unwrap_or_default().iter().map(|step| &step.id).collect::<Vec<_>>(),
        "checkpoint": group.checkpoint, "service": group.service,
        "approval": approval(group.approval.as_ref()), "rounds": rounds(plan, group),
    });
    match &group.kind {
        GroupKind::Parallel => json["kind"] = json!("parallel"),
        GroupKind::Forward { of } => {
            json["kind"] = json!("forward");
            json["of"] = json!(of);
        }
        GroupKind::Each(each) => {
            json["kind"] = json!("for_each");
            json["batch"] =
                json!({ "size": sizes(each), "max_failures": each.max_failures, "checkpoint": each.checkpoint });
            json["hosts"] = json!(each.list.is_of_hosts());
            json["items"] = items(plan, group).map_or(Value::Null, |items| json!(items));
            let planned = plan.groups.iter().find(|planned| planned.id == group.id);
            json["batches"] = planned.filter(|planned| planned.items.is_some()).map_or(Value::Null, |planned| {
                json!({
                    "sizes": planned.batches, "max_failures": planned.max_failures, "min_healthy": planned.min_healthy,
                    "pause_seconds": each.pause, "spread": each.spread,
                })
            });
            json["on_item_failure"] = json!(each.on_item_failure);
            json["whole"] = json!(planned.and_then(|planned| planned.whole));
            json["excluded"] = json!(planned.map(|planned| planned.excluded.as_slice()).unwrap_or_default());
        }
        GroupKind::Nested(nested) => {
            json["kind"] = json!("playbook");
            json["playbook"] = json!(nested.playbook);
            json["version"] = json!(nested.version);
        }
    }
    json
}

/// One size alone is itself, as it always was.
fn sizes(each: &Each) -> Value {
    if let [one] = each.sizes.as_slice() { json!(one) } else { json!(each.sizes) }
}

/// Whether a group will run: once, or for each item of the `for_each` around it.
fn rounds(plan: &Plan, group: &Group) -> Vec<Value> {
    let planned = plan.groups.iter().filter(|planned| planned.id == group.id);
    planned.map(|planned| json!({ "item": planned.item, "runs": planned.runs })).collect()
}

fn step_json(plan: &Plan, step: &Step, planned: &PlannedStep) -> Value {
    let rollback = match &step.rollback {
        Rollback::Action => json!({ "by": "action" }),
        Rollback::None { because } => json!({ "by": "none", "because": because }),
        Rollback::Steps(steps) => {
            json!({ "by": "steps", "steps": steps.iter().map(|step| &step.title).collect::<Vec<_>>() })
        }
    };
    json!({
        "id": step.id, "item": planned.item, "group": step.group, "title": step.title, "action": step.action, "effect": step.effect,
        "runs": planned.runs, "arguments": known(&planned.arguments), "requirements": requirements(planned),
        "changes": planned.prediction.changes, "notes": planned.prediction.notes, "fidelity": planned.fidelity,
        "rollback": rollback, "checkpoint": step.checkpoint, "service": step.service,
        "point_of_no_return": step.point_of_no_return, "approval": approval(step.approval.as_ref()),
        "otherwise": branches::json(plan, step, planned),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::view::samples;

    #[test]
    fn what_is_not_known_is_unknown_in_json_and_nothing_of_ours_leaks() {
        let text = json(&samples::plan(), 0).to_string();
        assert!(text.contains(r#""server":{"unknown":"promote has not run yet"}"#), "{text}");
        assert!(!text.contains("\\u0000"), "{text}");
    }

    #[test]
    fn every_brake_is_in_the_plan_for_programs() {
        let json = json(&samples::braked_plan(), 0);
        insta::assert_json_snapshot!((&json["checks"], &json["budgets"], &json["steps"][2]["approval"]));
        assert_eq!(json["steps"][0]["approval"], Value::Null);
    }

    #[test]
    fn groups_have_their_steps_and_items() {
        let json = json(&samples::grouped_plan(3), 0);
        insta::assert_json_snapshot!(json["groups"]);
        let named: Vec<String> = json["steps"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| format!("{} {} {}", step["id"], step["item"], step["group"]))
            .collect();
        insta::assert_snapshot!(named.join("\n"));
    }
}
