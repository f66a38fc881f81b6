//! What PagerDuty sends: its webhooks of version 3. One event each; those of an incident that begins or ends are alerts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::alert::{self, Alert, Delivery};
use super::error::TriggerError;
use super::proof::{self, Headers, Keys};
use crate::incident::AlertState;

/// The header with a signature for each secret: `v1=HEX,v1=HEX`.
const SIGNATURE: &str = "X-PagerDuty-Signature";
/// How old an event may be, in seconds: it is signed without a time of its own and is sent again for a while, and what
/// began an hour ago is for a person to look at.
const OLDEST: i64 = 3600;

/// Whether one of the signatures fits one of the secrets.
pub(super) fn prove(headers: &Headers, body: &[u8], keys: &Keys) -> Result<(), String> {
    let header = headers.one(SIGNATURE)?;
    // Other versions may stand beside ours while they exchange them.
    let given = header.split(',').filter_map(|part| proof::unhex(part.trim().strip_prefix("v1=")?));
    let given: Vec<Vec<u8>> = given.collect();
    if given.is_empty() {
        return Err(format!("its {SIGNATURE} has no `v1=`"));
    }
    if keys.signed(&[body], &given) { Ok(()) } else { Err(proof::unfit("its signature", keys)) }
}

/// Holds an event to now.
pub(super) fn recent(name: &str, body: &[u8], now: Timestamp) -> Result<(), TriggerError> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let at = body.pointer("/event/occurred_at").and_then(Value::as_str).and_then(alert::moment);
    let Some(at) = at else {
        let why = "its event does not say when it occurred".to_owned();
        return Err(TriggerError::Malformed { name: name.to_owned(), why });
    };
    proof::recent(at.as_second(), now, OLDEST)
}

/// Reads a body.
pub(super) fn read(name: &str, body: &Value) -> Result<Delivery, TriggerError> {
    let malformed = |why: &str| TriggerError::Malformed { name: name.to_owned(), why: why.to_owned() };
    let Some(event) = body.get("event").filter(|event| event.is_object()) else {
        return Err(malformed("it has no `event`"));
    };
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    let id = text("/id").ok_or_else(|| malformed("its event has no `id`"))?.to_owned();
    let kind = text("/event_type").ok_or_else(|| malformed("its event has no `event_type`"))?;
    let status = match kind {
        "incident.triggered" | "incident.reopened" => Some(AlertState::Firing),
        "incident.resolved" => Some(AlertState::Resolved),
        _ => None,
    };
    let Some(status) = status else {
        let kind: String = kind.chars().take(60).collect();
        let note = format!("`{kind}` neither begins nor ends an incident, so nothing follows on it");
        return alert::delivery(name, (Some(id), ""), Vec::new(), vec![note]);
    };
    let fingerprint = text("/data/id").ok_or_else(|| malformed("its incident has no `id`"))?.to_owned();
    let labels = [
        ("service", "/data/service/summary"),
        ("service_id", "/data/service/id"),
        ("urgency", "/data/urgency"),
        ("priority", "/data/priority/summary"),
        ("escalation_policy", "/data/escalation_policy/summary"),
        ("incident_key", "/data/incident_key"),
    ];
    let labels = labels.into_iter().filter_map(|(label, pointer)| Some((label.to_owned(), text(pointer)?.to_owned())));
    let mut labels: BTreeMap<String, String> = labels.collect();
    labels.insert("event_type".to_owned(), kind.to_owned());
    // What is opened again begins anew.
    let since = if kind == "incident.reopened" { "/occurred_at" } else { "/data/created_at" };
    let until = text("/occurred_at").and_then(alert::moment);
    let alert = Alert {
        fingerprint,
        status,
        labels,
        annotations: BTreeMap::new(),
        starts_at: text(since).and_then(alert::moment),
        ends_at: until.filter(|_| status == AlertState::Resolved),
        link: text("/data/html_url").map(str::to_owned),
        title: text("/data/title").unwrap_or_default().to_owned(),
    };
    alert::delivery(name, (Some(id), ""), vec![alert], Vec::new())
}
