//! An alert, whoever sent it, within bounds: what is too much to be an alert is refused before anything is decided by it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::error::TriggerError;
use crate::ids::Digest;
use crate::incident::AlertState;

/// The most alerts of one delivery.
const MAX_ALERTS: usize = 500;
/// The most labels, and the most annotations, of one alert.
const MAX_LABELS: usize = 128;
/// The longest name of a label, in bytes.
const MAX_NAME: usize = 256;
/// The longest value of a label, in bytes. Labels decide what runs: a longer one is refused and not cut.
const MAX_VALUE: usize = 4096;
/// The longest annotation, title or other text for people, in characters; what is longer is cut.
const MAX_TEXT: usize = 2000;

/// An alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// What names it, the same whenever its source sends it again.
    pub fingerprint: String,
    /// Whether it fires.
    pub status: AlertState,
    /// What it is about.
    pub labels: BTreeMap<String, String>,
    /// What is said of it.
    pub annotations: BTreeMap<String, String>,
    /// Since when it fires.
    pub starts_at: Option<Timestamp>,
    /// Until when it fired; absent while it does.
    pub ends_at: Option<Timestamp>,
    /// A page about it.
    pub link: Option<String>,
    /// What it is called.
    pub title: String,
}

/// What one request brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// What names it: the same when it is sent again.
    pub id: String,
    /// The alerts in it.
    pub alerts: Vec<Alert>,
    /// What else there is to say of it.
    pub notes: Vec<String>,
}

impl Alert {
    /// What names this firing of it: the same as long as it goes on, another once it has been resolved and fires again. A
    /// source that does not say since when it fires gives one for each delivery.
    pub fn episode(&self, source: &str, delivery: &str) -> Digest {
        let since = self.starts_at.map_or_else(|| delivery.to_owned(), |at| at.to_string());
        digest(&json!([source, self.fingerprint, since]))
    }

    /// It as an object, for templates: `labels`, `annotations`, `alert`, `source`.
    pub(super) fn values(&self, source: &str) -> Value {
        let moment = |at: Option<Timestamp>| at.map(|at| at.to_string());
        json!({
            "labels": self.labels, "annotations": self.annotations, "source": source,
            "alert": {
                "fingerprint": self.fingerprint, "status": self.status.word(), "title": self.title,
                "starts_at": moment(self.starts_at), "ends_at": moment(self.ends_at), "link": self.link,
            },
        })
    }

    /// Holds its labels to the bounds.
    fn hold(self, name: &str) -> Result<Self, TriggerError> {
        let too_large = |what: String| Err(TriggerError::TooLarge(format!("an alert of {name} has {what}")));
        if self.labels.len() > MAX_LABELS {
            return too_large(format!("{} labels, and {MAX_LABELS} is the most", self.labels.len()));
        }
        if self.fingerprint.len() > MAX_NAME {
            return too_large(format!("a fingerprint of {} bytes", self.fingerprint.len()));
        }
        if let Some(label) = self.labels.keys().find(|label| label.len() > MAX_NAME) {
            let (label, bytes) = (cut(label, 40), label.len());
            return too_large(format!("a label whose name `{label}` has {bytes} bytes, and {MAX_NAME} is the most"));
        }
        if let Some((label, value)) = self.labels.iter().find(|(_, value)| value.len() > MAX_VALUE) {
            let bytes = value.len();
            return too_large(format!("a label `{label}` whose value has {bytes} bytes, and {MAX_VALUE} is the most"));
        }
        let annotations = self.annotations.into_iter().filter(|(label, _)| label.len() <= MAX_NAME).take(MAX_LABELS);
        Ok(Self {
            annotations: annotations.map(|(label, text)| (label, cut(&text, MAX_TEXT))).collect(),
            title: cut(&self.title, MAX_TEXT),
            link: self.link.filter(|link| is_link(link)),
            ..self
        })
    }
}

/// Puts a delivery together, within the bounds. Where its source has no name for it, it is named by what it says: the group,
/// its status, and of each alert the fingerprint, the status, since when it fires, and until when if it is over. Sent again it
/// has the same name; when an alert joins, ends or begins anew it has another.
pub(super) fn delivery(
    name: &str,
    (id, group): (Option<String>, &str),
    alerts: Vec<Alert>,
    notes: Vec<String>,
) -> Result<Delivery, TriggerError> {
    if alerts.len() > MAX_ALERTS {
        let what =
            format!("{} alerts of {name}, and {MAX_ALERTS} is the most; let it send smaller groups", alerts.len());
        return Err(TriggerError::TooLarge(what));
    }
    let alerts = alerts.into_iter().map(|alert| alert.hold(name)).collect::<Result<Vec<_>, _>>()?;
    let id = match id {
        Some(id) if is_id(&id) => id,
        Some(_) => {
            let why = "its delivery id has more than 200 letters, or such as cannot be written".to_owned();
            return Err(TriggerError::Malformed { name: name.to_owned(), why });
        }
        None => told(group, &alerts),
    };
    Ok(Delivery { id, alerts, notes })
}

fn told(group: &str, alerts: &[Alert]) -> String {
    let mut all: Vec<Value> = alerts
        .iter()
        .map(|alert| {
            let until = alert.ends_at.filter(|_| alert.status == AlertState::Resolved);
            let moment = |at: Option<Timestamp>| at.map(|at| at.to_string());
            json!([alert.fingerprint, alert.status.word(), moment(alert.starts_at), moment(until)])
        })
        .collect();
    // A group is a set: the same alerts in another order are the same delivery.
    all.sort_by_key(Value::to_string);
    digest(&json!([group, all])).to_string()
}

/// A digest over a JSON text, in which nothing can run into what stands beside it.
pub(super) fn digest(value: &Value) -> Digest {
    Digest::of(value.to_string().as_bytes())
}

/// A moment, if it is one. What is before 1970 stands for none: Go's zero time is the year 1.
pub(super) fn moment(text: &str) -> Option<Timestamp> {
    text.parse::<Timestamp>().ok().filter(|at| at.as_second() > 0)
}

/// The texts, numbers and booleans of an object, as text.
pub(super) fn texts(object: Option<&Map<String, Value>>) -> BTreeMap<String, String> {
    let entries = object.into_iter().flatten();
    entries.filter_map(|(name, value)| Some((name.clone(), scalar(value)?))).collect()
}

/// A text, a number or a boolean as text.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The name that an alert gets by its labels, where its source gives none.
pub(super) fn fingerprint_of(labels: &BTreeMap<String, String>) -> String {
    digest(&json!(labels)).as_str().chars().skip("sha256:".len()).take(16).collect()
}

fn is_id(text: &str) -> bool {
    (1..=200).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_link(text: &str) -> bool {
    (text.starts_with("https://") || text.starts_with("http://"))
        && text.len() <= MAX_TEXT
        && !text.contains(|letter: char| letter.is_whitespace() || letter.is_control())
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
    }
}
