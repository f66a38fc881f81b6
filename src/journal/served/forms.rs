//! The forms in which a server tells rows of runs, leases and requests, and is asked for something: written beside where they
//! are read. Other forms are written by their routes. `docs/server.md` explains the words.

use serde_json::{Value, json};

use super::super::{LeaseInfo, RequestRow, RunRow};
use crate::run::RequestKind;

/// A row of the list of runs. `state` is what the run is doing, in a word; `held` whether somebody who lives drives it.
pub fn run_json(row: &RunRow, state: &str, held: bool) -> Value {
    json!({
        "run": row.run, "playbook": row.playbook, "version": row.version, "state": state,
        "verdict": row.verdict, "waiting": row.waiting, "started": row.started.rfc3339(),
        "updated": row.updated.rfc3339(), "stopped": row.stopped,
        // Why is said where the server is: it may name a file there.
        "damaged": row.damaged.is_some(), "lease": lease_json(&row.lease, held),
    })
}

/// Who drives a run, or drove it last.
pub fn lease_json(lease: &LeaseInfo, held: bool) -> Value {
    let holder = &lease.holder;
    json!({
        "epoch": lease.epoch, "held": held, "user": holder.user, "host": holder.host, "pid": holder.pid,
        "serves": holder.serves, "idle_seconds": lease.idle.map(|idle| idle.as_secs_f64()),
    })
}

/// What was asked of a run and is not taken up yet.
pub fn request_json(row: &RequestRow) -> Value {
    json!({
        "id": row.id, "request": row.request, "by": row.by, "reason": row.reason, "at": row.at.rfc3339(),
    })
}

/// The address below a run's own, and what is sent to it, for a request.
pub fn asking(request: &RequestKind, reason: &str) -> (&'static str, Value) {
    match request {
        RequestKind::Cancel => ("cancel", json!({ "reason": reason })),
        RequestKind::Abort => ("abort", json!({ "reason": reason })),
        RequestKind::Pause => ("pause", json!({ "reason": reason })),
        RequestKind::FinishItems => ("pause", json!({ "reason": reason, "finish_items": true })),
        RequestKind::Rollback { to, despite_halt } => {
            ("rollback", json!({ "to": to, "despite_halt": despite_halt, "reason": reason }))
        }
        RequestKind::Resolve { task, answer } => {
            ("resolve", json!({ "task": task, "answer": answer, "reason": reason }))
        }
        RequestKind::Approve { task, subject, break_glass } => {
            ("approve", json!({ "task": task, "subject": subject, "break_glass": break_glass, "reason": reason }))
        }
        RequestKind::Reject { task } => ("reject", json!({ "task": task, "reason": reason })),
        RequestKind::Skip { task, how, outputs } => {
            ("skip", json!({ "task": task, "how": how, "outputs": outputs, "reason": reason }))
        }
    }
}
