//! Any JSON whose fields the configuration tells, by JSON pointers.

use std::collections::BTreeMap;

use serde_json::Value;

use super::alert::{self, Alert, Delivery};
use super::error::TriggerError;
use crate::config::HookFields;
use crate::incident::AlertState;

/// What a status says where the configuration does not tell its words.
const FIRING: &[&str] = &["firing", "open", "opened", "triggered", "active", "alerting", "problem"];
const RESOLVED: &[&str] = &["resolved", "closed", "ok", "recovered", "recovery", "inactive"];

/// Reads a body.
pub(super) fn read(name: &str, fields: &HookFields, body: &Value) -> Result<Delivery, TriggerError> {
    let malformed = |why: String| TriggerError::Malformed { name: name.to_owned(), why };
    let list: Vec<&Value> = match &fields.alerts {
        None => vec![body],
        Some(pointer) => match body.pointer(pointer) {
            Some(Value::Array(items)) => items.iter().collect(),
            Some(_) => return Err(malformed(format!("at {pointer} there is no list of alerts"))),
            None => return Err(malformed(format!("there is nothing at {pointer}, where its alerts should be"))),
        },
    };
    let alerts = list.iter().map(|given| one(fields, given).map_err(malformed)).collect::<Result<Vec<_>, _>>()?;
    let id = fields.delivery.as_ref().and_then(|pointer| alert::scalar(body.pointer(pointer)?));
    // Where nothing says since when an alert fires, what was sent can only be told apart by all of it.
    let dated = alerts.iter().all(|alert| alert.starts_at.is_some());
    let group = if dated { String::new() } else { alert::digest(body).to_string() };
    alert::delivery(name, (id, &group), alerts, Vec::new())
}

fn one(fields: &HookFields, given: &Value) -> Result<Alert, String> {
    if !given.is_object() {
        return Err("one of its alerts is no object".to_owned());
    }
    let at = |pointer: &Option<String>| given.pointer(pointer.as_ref()?);
    let text = |pointer: &Option<String>| at(pointer).and_then(alert::scalar).filter(|text| !text.is_empty());
    let status = status(fields, text(&fields.status))?;
    let mut labels: BTreeMap<String, String> = alert::texts(at(&fields.all_labels).and_then(Value::as_object));
    for (label, pointer) in &fields.labels {
        if let Some(text) = given.pointer(pointer).and_then(alert::scalar) {
            labels.insert(label.clone(), text);
        }
    }
    Ok(Alert {
        fingerprint: text(&fields.fingerprint).unwrap_or_else(|| alert::fingerprint_of(&labels)),
        status,
        annotations: alert::texts(at(&fields.all_annotations).and_then(Value::as_object)),
        starts_at: text(&fields.starts_at).and_then(|text| alert::moment(&text)),
        ends_at: text(&fields.ends_at).and_then(|text| alert::moment(&text)).filter(|_| status == AlertState::Resolved),
        link: text(&fields.link),
        title: text(&fields.title).unwrap_or_default(),
        labels,
    })
}

fn status(fields: &HookFields, given: Option<String>) -> Result<AlertState, String> {
    let Some(pointer) = &fields.status else { return Ok(AlertState::Firing) };
    let Some(given) = given else { return Err(format!("there is no status at {pointer}")) };
    let is_one = |words: &[String], usual: &[&str]| {
        let usual = words.is_empty() && usual.iter().any(|word| word.eq_ignore_ascii_case(&given));
        usual || words.contains(&given)
    };
    if is_one(&fields.resolved, RESOLVED) {
        return Ok(AlertState::Resolved);
    }
    if is_one(&fields.firing, FIRING) {
        return Ok(AlertState::Firing);
    }
    let given: String = given.chars().take(60).collect();
    Err(format!(
        "its status `{given}` is neither one that fires nor one that is over: tell it in `fields.firing` or `fields.resolved`"
    ))
}
