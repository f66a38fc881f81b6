//! What a line says to programs. The names are a contract (`docs/output.md`): add, never rename.

use serde_json::json;

use crate::ids::{ItemId, StepId};
use crate::run::{Event, Record, RunState, Settlement, Task};
use crate::value::Value;

/// The name of an event, as the journal writes it.
pub(super) fn kind(event: &Event) -> &'static str {
    match event {
        Event::RunStarted { .. } => "run_started",
        Event::LeaseTaken { .. } => "lease_taken",
        Event::GroupEntered { .. } => "group_entered",
        Event::BatchBegan { .. } => "batch_began",
        Event::ItemFailed { .. } => "item_failed",
        Event::StepSkipped { .. } => "step_skipped",
        Event::StepRefused { .. } => "step_refused",
        Event::Intent { .. } => "intent",
        Event::Outcome { .. } => "outcome",
        Event::Settled { .. } => "settled",
        Event::Verified { .. } => "verified",
        Event::FailureAccepted { .. } => "failure_accepted",
        Event::CheckpointReached { .. } => "checkpoint_reached",
        Event::RollbackStarted { .. } => "rollback_started",
        Event::WaitStarted { .. } => "wait_started",
        Event::Paged { .. } => "paged",
        Event::Answered { .. } => "answered",
        Event::Requested { .. } => "requested",
        Event::Stopped { .. } => "stopped",
        Event::Resumed { .. } => "resumed",
        Event::Halted { .. } => "halted",
        Event::HaltLifted { .. } => "halt_lifted",
        Event::Note { .. } => "note",
        Event::ApprovalAsked { .. } => "approval_asked",
        Event::Approved { .. } => "approved",
        Event::Rejected { .. } => "rejected",
        Event::Checked { .. } => "checked",
        Event::BudgetExceeded { .. } => "budget_exceeded",
        Event::SkippedByPerson { .. } => "skipped_by_person",
        Event::Inherited { .. } => "inherited",
        Event::ReadAgain { .. } => "read_again",
        Event::RunEnded { .. } => "run_ended",
    }
}

/// The step that an event is about, and the item where it is about one.
pub fn about(event: &Event) -> Option<(&StepId, Option<&ItemId>)> {
    match event {
        Event::GroupEntered { task, .. }
        | Event::BatchBegan { task, .. }
        | Event::StepSkipped { task, .. }
        | Event::StepRefused { task, .. }
        | Event::Verified { task, .. }
        | Event::FailureAccepted { task, .. }
        | Event::Intent { task, .. }
        | Event::Outcome { task, .. }
        | Event::Settled { task, .. }
        | Event::ApprovalAsked { task, .. }
        | Event::Approved { task, .. }
        | Event::Rejected { task, .. }
        | Event::Checked { task, .. }
        | Event::SkippedByPerson { task, .. }
        | Event::ReadAgain { task, .. }
        | Event::Answered { task, .. } => Some((&task.step, task.item.as_ref())),
        Event::ItemFailed { task, item, .. } => Some((&task.step, Some(item))),
        Event::CheckpointReached { step, .. } => Some((step, None)),
        Event::WaitStarted { question } => Some((&question.task.step, question.task.item.as_ref())),
        _ => None,
    }
}

/// How long ago the attempt was begun that this record is about, in seconds. For an outcome it is how long it took.
pub(super) fn since_begun(record: &Record, state: &RunState, task: &Task) -> Option<f64> {
    let begun = state.tasks.get(task)?.intent.as_ref()?.at;
    Some(record.time.seconds_since(begun).max(0.0))
}

/// What an event says to programs.
pub(super) fn detail(record: &Record, state: &RunState) -> Value {
    match &record.event {
        Event::RunStarted { plan, locks, incident, format, tool, overrides, approved } => json!({
            "playbook": plan.playbook.name, "version": plan.playbook.version, "digest": plan.digest,
            "narrowing": plan.narrowing, "environment": plan.environment, "inputs": plan.inputs, "targets": plan.targets,
            "locks": locks,
            "incident": incident, "format": format, "tool": tool, "approved": approved,
            "overrides": overrides.iter().map(|(brake, why)| json!({"brake": brake, "reason": why})).collect::<Vec<_>>(),
        }),
        Event::LeaseTaken { holder, reason } => json!({
            "epoch": record.epoch, "reason": reason, "user": holder.user, "host": holder.host, "pid": holder.pid,
        }),
        Event::GroupEntered { items, batches, max_failures, min_healthy, whole, excluded, .. } => json!({
            "items": items, "batches": batches, "max_failures": max_failures, "min_healthy": min_healthy,
            "whole": whole, "excluded": excluded,
        }),
        Event::BatchBegan { batch, .. } => json!({ "batch": batch }),
        Event::ItemFailed { item, because, .. } => json!({ "item": item, "because": because }),
        Event::StepSkipped { reason, .. } => json!(reason),
        Event::StepRefused { attempt, message, retryable, drift, .. } => {
            json!({ "attempt": attempt, "message": message, "retryable": retryable, "drift": drift })
        }
        Event::Intent { task, attempt, arguments, effect, timeout, key, reverts_after, .. } => {
            let mut detail = json!({
                "task": task, "attempt": attempt, "action": state.step_of(task).map(|step| step.action.as_str()),
                "arguments": arguments, "effect": effect, "timeout_seconds": timeout, "key": key,
            });
            if let Some(after) = reverts_after {
                detail["armed_until_ms"] = json!(record.time.plus_seconds(timeout + after));
            }
            detail
        }
        Event::Outcome { task, attempt, report } => json!({
            "task": task, "attempt": attempt, "outcome": report.outcome, "message": report.message,
            "seconds": since_begun(record, state, task), "outputs": report.outputs, "output": report.output,
        }),
        Event::Settled { task, attempt, settlement, evidence } => json!({
            "task": task, "attempt": attempt, "found": found(settlement), "evidence": evidence,
            "seconds_since_begun": since_begun(record, state, task),
        }),
        Event::Verified { passed, conditions, .. } => json!({ "passed": passed, "conditions": conditions }),
        Event::FailureAccepted { because, .. } => json!({ "because": because }),
        Event::CheckpointReached { name, .. } => json!({ "name": name }),
        Event::RollbackStarted { to, because } => json!({ "to": to, "because": because }),
        Event::WaitStarted { question } => json!({
            "task": question.task, "question": question.kind, "message": question.message,
            "deadline_ms": question.deadline,
        }),
        Event::Paged { message } | Event::Note { message } => json!({ "message": message }),
        Event::Answered { task, answer, reason } => json!({ "task": task, "answer": answer, "reason": reason }),
        Event::SkippedByPerson { task, how, outputs, reason, answers } => {
            json!({ "task": task, "how": how, "outputs": outputs, "reason": reason, "answers": answers })
        }
        Event::Inherited { inheritance } => json!(inheritance),
        Event::Requested { request, reason } => json!({ "request": request, "reason": reason }),
        Event::Stopped { kind, because } => json!({ "how": kind, "because": because }),
        Event::Resumed { reason } => json!({ "reason": reason }),
        Event::ApprovalAsked { asking, .. } => json!({
            "message": asking.message, "roles": asking.roles, "min": asking.min, "targets": asking.targets,
            "subject": asking.subject, "on_timeout": asking.on_timeout,
            "prevent_self_approval": asking.prevent_self_approval,
            "within_seconds": asking.deadline.map(|deadline| deadline.seconds_since(record.time)),
        }),
        Event::Approved { reason, roles, break_glass, complete, .. } => json!({
            "by": record.actor, "reason": reason, "roles": roles, "break_glass": break_glass, "complete": complete,
        }),
        Event::Rejected { reason, .. } => json!({ "by": record.actor, "reason": reason }),
        Event::Checked { task, moment, found, .. } => json!({
            "task": task, "moment": moment,
            "checks": found.iter().map(|found| json!({
                "name": found.name, "item": found.item, "condition": found.condition.source,
                "held": found.condition.held, "detail": found.condition.detail,
            })).collect::<Vec<_>>(),
        }),
        Event::BudgetExceeded { from, to, max, taken } => {
            json!({ "from": from, "to": to, "max_seconds": max, "taken_seconds": taken })
        }
        Event::Halted { number, by, reason, since } => {
            json!({ "number": number, "by": by, "reason": reason, "since_ms": since })
        }
        Event::HaltLifted { by, reason } => json!({ "by": by, "reason": reason }),
        Event::ReadAgain { needed_by, .. } => json!({ "needed_by": needed_by }),
        Event::RunEnded { verdict, summary } => {
            let mut detail = json!({ "verdict": verdict, "summary": summary });
            if let Some(recovery) = state.recovery() {
                detail["recovery"] = json!({ "of": recovery.what, "since_ms": recovery.since,
                    "from_failure": recovery.from_failure, "recovered_ms": recovery.until, "seconds": recovery.seconds() });
            }
            detail
        }
    }
}

fn found(settlement: &Settlement) -> Value {
    match settlement {
        Settlement::Ended { report } => json!({
            "is": "ended", "outcome": report.outcome, "message": report.message, "outputs": report.outputs,
            "output": report.output,
        }),
        Settlement::TookEffect { outputs } => json!({ "is": "took_effect", "outputs": outputs }),
        Settlement::DidNot => json!({ "is": "did_not" }),
        Settlement::CannotTell => json!({ "is": "cannot_tell" }),
        Settlement::RunAgain => json!({ "is": "run_again" }),
    }
}
