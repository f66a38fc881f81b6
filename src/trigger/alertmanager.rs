//! What Prometheus' Alertmanager sends (its webhook of version 4), and Grafana's own alerting, which has its form.

use serde_json::{Map, Value};

use super::alert::{self, Alert, Delivery};
use super::error::TriggerError;
use crate::config::HookKind;
use crate::incident::AlertState;

/// The version that is known.
const VERSION: &str = "4";

/// Reads a body.
pub(super) fn read(name: &str, kind: HookKind, body: &Value) -> Result<Delivery, TriggerError> {
    let malformed = |why: String| TriggerError::Malformed { name: name.to_owned(), why };
    let version = body.get("version").and_then(Value::as_str);
    if kind == HookKind::Alertmanager && version != Some(VERSION) {
        let found =
            version.map_or("none".to_owned(), |version| format!("`{}`", version.chars().take(20).collect::<String>()));
        return Err(malformed(format!("its `version` is {found}, and {VERSION} is known")));
    }
    let Some(list) = body.get("alerts").and_then(Value::as_array) else {
        return Err(malformed("it has no list of `alerts`".to_owned()));
    };
    let alerts = list.iter().map(|given| one(kind, given).map_err(malformed)).collect::<Result<Vec<_>, _>>()?;
    let mut notes = Vec::new();
    if let Some(more) = body.get("truncatedAlerts").and_then(Value::as_u64).filter(|more| *more > 0) {
        notes.push(format!("{more} more alerts of this group were left out by {name} (its `max_alerts`)"));
    }
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
    let group = format!("{}\n{}\n{}", text("receiver"), text("groupKey"), text("status"));
    alert::delivery(name, (None, &group), alerts, notes)
}

fn one(kind: HookKind, given: &Value) -> Result<Alert, String> {
    let Some(given) = given.as_object() else { return Err("one of its alerts is no object".to_owned()) };
    let text = |key: &str| given.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let status = match text("status") {
        Some("firing") => AlertState::Firing,
        Some("resolved") => AlertState::Resolved,
        // What cannot be told to fire must not start anything, and must not count as over either.
        _ => return Err("one of its alerts is neither `firing` nor `resolved`".to_owned()),
    };
    let labels = alert::texts(given.get("labels").and_then(Value::as_object));
    let annotations = alert::texts(given.get("annotations").and_then(Value::as_object));
    let title = annotations.get("summary").or_else(|| labels.get("alertname")).cloned().unwrap_or_default();
    Ok(Alert {
        fingerprint: text("fingerprint").map_or_else(|| alert::fingerprint_of(&labels), str::to_owned),
        status,
        starts_at: text("startsAt").and_then(alert::moment),
        ends_at: text("endsAt").and_then(alert::moment).filter(|_| status == AlertState::Resolved),
        link: link(kind, given),
        title,
        labels,
        annotations,
    })
}

fn link(kind: HookKind, given: &Map<String, Value>) -> Option<String> {
    let keys: &[&str] = if kind == HookKind::Grafana { &["panelURL", "generatorURL"] } else { &["generatorURL"] };
    let mut found = keys.iter().filter_map(|key| given.get(*key)?.as_str());
    found.find(|text| !text.is_empty()).map(str::to_owned)
}
