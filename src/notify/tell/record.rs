//! A record as programs are told it: what `timeline --output jsonl` says of it, with what a receiver of single messages needs to
//! know of its run.

use serde_json::{Value, json};

use crate::incident::{self, Incident};
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

/// A record of an incident for programs: what `incident timeline --output jsonl` says of it, with how the incident stands.
pub fn incident_for_programs(incident: &Incident, entry: &incident::Entry) -> Value {
    let mut record = entry.json(&incident.id);
    if let Some(fields) = record.as_object_mut() {
        let brief = &incident.brief;
        fields.insert("title".to_owned(), json!(brief.title));
        fields.insert("severity".to_owned(), json!(brief.severity.word()));
        fields.insert("state".to_owned(), json!(brief.standing.word()));
        fields.insert("owner".to_owned(), json!(brief.owner));
        fields.insert("services".to_owned(), json!(incident.opening.services));
    }
    record
}
