//! An incident's own records, each as a sentence for people and as data for programs. What comes from outside stays raw:
//! whoever shows it cleans it.

use serde_json::Value;

use super::{AlertState, Entry, IncidentEvent, IncidentRecord, Of, Opening};

/// The name of an event, as the journal writes it.
pub fn kind(event: &IncidentEvent) -> &'static str {
    match event {
        IncidentEvent::Opened(_) => "opened",
        IncidentEvent::Noted { .. } => "noted",
        IncidentEvent::Assigned { .. } => "assigned",
        IncidentEvent::SeverityChanged { .. } => "severity_changed",
        IncidentEvent::Alert { .. } => "alert",
        IncidentEvent::Proposed { .. } => "proposed",
        IncidentEvent::Resolved { .. } => "resolved",
        IncidentEvent::Closed { .. } => "closed",
        IncidentEvent::Reopened { .. } => "reopened",
    }
}

/// What happened, in one sentence.
pub fn sentence(record: &IncidentRecord) -> String {
    match &record.event {
        IncidentEvent::Opened(opening) => opened(opening),
        IncidentEvent::Noted { text } => format!("note: {text}"),
        IncidentEvent::Assigned { owner: Some(owner), reason } => {
            with(&format!("the incident is owned by {owner} from now on"), reason)
        }
        IncidentEvent::Assigned { owner: None, reason } => with("nobody owns the incident any more", reason),
        IncidentEvent::SeverityChanged { severity, reason } => with(&format!("the incident is {severity}"), reason),
        IncidentEvent::Alert { source, fingerprint, state, labels, annotations, .. } => {
            let name = labels.get("alertname").unwrap_or(fingerprint);
            let verb = match state {
                AlertState::Firing => "fires",
                AlertState::Resolved => "is over",
            };
            let said = annotations.get("summary").or_else(|| annotations.get("description"));
            with(&format!("{source}: the alert {name} {verb}"), said.map(String::as_str).unwrap_or_default())
        }
        IncidentEvent::Proposed { playbook, version, inputs, why } => {
            let version = version.as_ref().map(|version| format!("@{version}")).unwrap_or_default();
            let inputs: String = inputs.iter().map(|(name, value)| format!(" {name}={value}")).collect();
            with(&format!("a person is to decide whether {playbook}{version}{inputs} is run"), why)
        }
        IncidentEvent::Resolved { reason } => with("the incident is resolved", reason),
        IncidentEvent::Closed { reason } => with("the incident is closed", reason),
        IncidentEvent::Reopened { reason } => with("the incident is open again", reason),
    }
}

fn opened(opening: &Opening) -> String {
    let Opening { title, severity, why, services, owner, .. } = opening;
    let services = if services.is_empty() { String::new() } else { format!("; suffers: {}", services.join(", ")) };
    let owner = owner.as_ref().map(|owner| format!("; owned by {owner}")).unwrap_or_default();
    format!("the incident is opened, {severity} ({why}): {title}{services}{owner}")
}

fn with(head: &str, reason: &str) -> String {
    if reason.is_empty() { head.to_owned() } else { format!("{head}: {reason}") }
}

/// A record as an entry of the timeline.
pub fn entry(record: &IncidentRecord) -> Entry {
    let mut detail = serde_json::to_value(&record.event).unwrap_or_default();
    if let Value::Object(fields) = &mut detail {
        fields.remove("event");
    }
    Entry {
        of: Of::Incident,
        seq: record.seq,
        time: record.time,
        actor: record.actor.clone(),
        step: None,
        item: None,
        kind: kind(&record.event),
        text: sentence(record),
        detail,
    }
}
