//! A run, as it stands.

use serde_json::{Value, json};

use crate::engine::{Doing, is_held};
use crate::ids::RunId;
use crate::journal::{LeaseInfo, RunRow, run_json};
use crate::playbook::Step;
use crate::run::{Question, RunState, Status, Task, Time};
use crate::timeline::Entry;

/// A row of the list of runs.
pub fn row(row: &RunRow) -> Value {
    run_json(row, Doing::of_row(row).word(), is_held(&row.lease))
}

/// A run as it stands.
pub fn json(state: &RunState, doing: Doing, lease: &LeaseInfo) -> Value {
    let (verdict, ended, summary) = match &state.ended {
        Some((verdict, at, summary)) => (Some(*verdict), Some(*at), Some(summary.as_str())),
        None => (None, None, None),
    };
    let held = doing == Doing::Running;
    json!({
        "run": state.run, "playbook": state.playbook().name, "version": state.playbook().version,
        "title": state.playbook().title, "playbook_digest": state.playbook().digest, "digest": state.plan.digest,
        "state": doing.word(), "verdict": verdict, "summary": summary, "incident": state.incident,
        "environment": state.plan.environment, "started": state.started.rfc3339(), "ended": ended.map(|at| at.rfc3339()),
        "seconds": ended.unwrap_or(state.updated).seconds_since(state.started), "records": state.seq,
        "driven_by": held.then(|| json!({ "host": lease.holder.host, "pid": lease.holder.pid })),
        "service": state.service.map(|(service, since)| json!({ "is": service, "since": since.rfc3339() })),
        "point_of_no_return": state.point_of_no_return(), "rolling_back": state.rollback.is_some(),
        "halted": state.halted.is_some(),
        "checkpoints": state.checkpoints.iter().map(|point| &point.name).collect::<Vec<_>>(),
        "locks": state.locks, "exceptions": state.exceptions,
        "steps": state.whole().into_iter().map(|(step, task)| step_json(state, step, &task)).collect::<Vec<_>>(),
        "question": state.question.as_ref().map(|open| question(state, open)),
    })
}

fn step_json(state: &RunState, step: &Step, task: &Task) -> Value {
    let doing = state.doing(task);
    let word = match doing {
        _ if state.is_undone(task) => "undone",
        _ if state.skipped.contains_key(task) => "skipped",
        Some(doing) => doing.word(),
        None if state.skipped_around(task) => "skipped",
        None => "pending",
    };
    let seconds = doing.and_then(|doing| {
        let ended = doing.ended.filter(|_| doing.status != Status::InFlight)?;
        Some(ended.seconds_since(doing.started))
    });
    json!({
        "id": step.id, "item": task.item, "title": step.title, "state": word,
        "attempts": doing.map_or(0, |doing| doing.attempt), "seconds": seconds,
        "message": doing.map(|doing| doing.message()), "outputs": doing.map(|doing| doing.outputs()),
    })
}

/// What a person is asked, with what an answer has to name.
fn question(state: &RunState, question: &Question) -> Value {
    let approving = state.brakes.approvals.get(&question.task);
    json!({
        "task": question.task, "kind": question.kind, "message": question.message,
        "deadline": question.deadline.map(|at| at.rfc3339()), "answers": question.kind.answers(),
        "approval": approving.map(|approving| json!({
            "subject": approving.asking.subject, "roles": approving.asking.roles, "min": approving.asking.min,
            "missing": approving.missing(), "targets": approving.asking.targets,
            "given": approving.given.iter().map(|given| json!({ "by": given.by, "at": given.at.rfc3339() })).collect::<Vec<_>>(),
        })),
    })
}

/// One line of a timeline.
pub fn entry(run: &RunId, entry: &Entry, started: Time) -> Value {
    json!({
        "run": run, "seq": entry.seq, "time": entry.time.rfc3339(), "seconds": entry.time.seconds_since(started),
        "actor": entry.actor, "step": entry.step, "item": entry.item, "kind": entry.kind, "text": entry.text,
        "detail": entry.detail,
    })
}
