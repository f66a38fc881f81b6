//! A record as programs are told it: what `timeline --output jsonl` says of it, with what a receiver of single messages needs to
//! know of its run.

use serde_json::{Value, json};

use crate::run::RunState;
use crate::timeline::Entry;

/// A record for programs.
pub fn record_for_programs(state: &RunState, entry: &Entry) -> Value {
    json!({
        "v": 1, "type": "record", "run": state.run, "playbook": state.playbook().name,
        "version": state.playbook().version, "incident": state.incident, "environment": state.plan.environment,
        "seq": entry.seq, "time": entry.time.rfc3339(), "seconds": entry.time.seconds_since(state.started),
        "actor": entry.actor, "step": entry.step, "item": entry.item, "kind": entry.kind, "text": entry.text,
        "service": state.service.map(|(service, _)| service.word()), "detail": entry.detail,
    })
}
