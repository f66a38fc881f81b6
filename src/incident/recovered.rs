//! The time from an alert to the service's being up again, as a line of the incident's timeline. It is derived from what others
//! wrote and is no record: since when the alert fires is monitoring's word, that the service is up a run's, by its steps.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Entry, Of};
use crate::run::Time;
use crate::value::format_seconds;

/// The name of the line.
pub const SERVICE_UP: &str = "service_up";

/// What fires, while an incident's entries are told in their order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recovered {
    /// By source and fingerprint.
    firing: BTreeMap<(String, String), Fires>,
}

/// An alert that fires, or is over and may be what a run mends: monitoring may see the end of it before the run says so.
#[derive(Debug, Clone, PartialEq)]
struct Fires {
    since: Time,
    name: String,
    over: bool,
}

impl Recovered {
    /// What an entry comes to as it is told. That the service is up is a line only where an alert says since when it was not: the
    /// one that began first of those that fire. What was over before another one fired, or before a run began, was no part of
    /// what that mends. What fires anew counts anew.
    pub fn tell(&mut self, mut entry: Entry) -> Option<Entry> {
        if matches!(entry.of, Of::Run(_)) && entry.seq == 1 {
            self.firing.retain(|_, alert| !alert.over);
        }
        match (&entry.of, entry.kind) {
            (Of::Incident, "alert") => {
                self.heard(&entry);
                Some(entry)
            }
            (Of::Run(_), SERVICE_UP) => {
                let before =
                    std::mem::take(&mut self.firing).into_iter().filter(|(_, fires)| fires.since <= entry.time);
                let ((source, _), Fires { since, name, .. }) = before.min_by_key(|(_, fires)| fires.since)?;
                let seconds = entry.time.seconds_since(since);
                entry.text = format!("the service is up again: {} after {name} began", format_seconds(seconds));
                entry.detail = json!({ "source": source, "alert": name, "since": since, "seconds": seconds });
                Some(entry)
            }
            _ => Some(entry),
        }
    }

    /// What an alert says: it fires, or it is over.
    fn heard(&mut self, entry: &Entry) {
        let text = |name: &str| entry.detail.get(name).and_then(Value::as_str);
        let (Some(source), Some(fingerprint), Some(state)) = (text("source"), text("fingerprint"), text("state"))
        else {
            return;
        };
        let key = (source.to_owned(), fingerprint.to_owned());
        if state != "firing" {
            self.firing.entry(key).and_modify(|alert| alert.over = true);
        } else if let Some(since) = entry.detail.get("since").and_then(Value::as_i64) {
            let name = entry.detail.pointer("/labels/alertname").and_then(Value::as_str).unwrap_or(fingerprint);
            self.firing.retain(|_, alert| !alert.over);
            self.firing.insert(key, Fires { since: Time(since), name: name.to_owned(), over: false });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(of: Of, kind: &'static str, time: i64, detail: Value) -> Entry {
        let (actor, text) = ("ann".to_owned(), String::new());
        Entry { of, seq: 2, time: Time(time), actor, step: None, item: None, kind, text, detail }
    }

    fn fires(name: &str, since: i64, state: &str) -> Entry {
        let detail = json!({ "source": "m", "fingerprint": name, "state": state, "since": since, "labels": { "alertname": name } });
        entry(Of::Incident, "alert", since + 50, detail)
    }

    fn up(time: i64) -> Entry {
        entry(Of::Run("r1".parse().unwrap()), SERVICE_UP, time, Value::Null)
    }

    #[test]
    fn it_is_counted_from_the_alert_that_fires_for_longest() {
        let mut told = Recovered::default();
        assert_eq!(told.tell(up(500)), None, "nothing fired");
        told.tell(fires("Late", 2_000, "firing"));
        told.tell(fires("Early", 1_000, "firing"));
        told.tell(fires("Ahead", 90_000, "firing"));
        told.tell(fires("Over", 10, "resolved"));
        let line = told.tell(up(7_400)).unwrap();
        assert_eq!(line.text, "the service is up again: 6.4 s after Early began");
        assert_eq!(line.detail["seconds"], json!(6.4));
        assert_eq!(told.tell(up(8_000)), None, "it was up already");
        told.tell(fires("Early", 9_000, "firing"));
        assert_eq!(told.tell(up(10_000)).unwrap().detail["seconds"], json!(1.0), "what fires anew counts anew");
    }

    #[test]
    fn an_alert_that_is_over_does_not_count() {
        let mut told = Recovered::default();
        told.tell(fires("Before", 1_000, "firing"));
        told.tell(fires("Before", 2_000, "resolved"));
        told.tell(fires("Now", 5_000, "firing"));
        assert_eq!(told.tell(up(7_000)).unwrap().text, "the service is up again: 2.0 s after Now began");
    }

    #[test]
    fn what_is_over_counts_where_the_run_that_mends_it_began_before() {
        let began = |time| Entry { seq: 1, ..entry(Of::Run("r1".parse().unwrap()), "run_started", time, Value::Null) };
        let line = |run_began: i64| {
            let mut told = Recovered::default();
            let mut over = fires("Now", 9_000, "resolved");
            over.detail["since"] = Value::Null;
            let entries = [fires("Now", 8_000, "firing"), over, began(run_began)];
            let mut entries = Vec::from(entries);
            entries.sort_by_key(|entry| entry.time);
            for entry in entries {
                told.tell(entry);
            }
            told.tell(up(10_000)).map(|entry| entry.text)
        };
        assert_eq!(line(8_500).as_deref(), Some("the service is up again: 2.0 s after Now began"));
        assert_eq!(line(9_500), None, "it was over before anything was done about it");
    }
}
