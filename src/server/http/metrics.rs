//! What the server counts of itself, as Prometheus reads it. The labels are those of the table: however strange the addresses
//! are that somebody asks for, they make no new ones.

mod state;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use axum::http::Method;

use super::App;
use super::answer::Answer;
use super::call::Call;
use super::connections::Connections;
use super::dispatch::method_word;
use super::journals::Trouble;
use crate::journal::{SqliteJournal, WRITE_BOUNDS, write_times};
use crate::notify::span_counts;

/// The bounds of the counts of how long answers took, in seconds.
const BOUNDS: [f64; 7] = [0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0];

/// The route that answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label(pub &'static str);

impl Default for Label {
    fn default() -> Self {
        Self("other")
    }
}

/// What is counted.
#[derive(Debug, Default)]
pub struct Metrics {
    answered: Mutex<Answered>,
    refused: AtomicU64,
    connections: Mutex<Vec<Weak<Connections>>>,
}

#[derive(Debug, Default)]
struct Answered {
    by_status: BTreeMap<(Label, &'static str, u16), u64>,
    times: BTreeMap<Label, Times>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Times {
    counts: [u64; BOUNDS.len() + 1],
    seconds: f64,
}

impl Metrics {
    /// Counts an answer.
    pub fn answered(&self, label: Label, method: &Method, status: u16, took: Duration) {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        *answered.by_status.entry((label, method_word(method), status)).or_default() += 1;
        let times = answered.times.entry(label).or_default();
        let seconds = took.as_secs_f64();
        let place = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        if let Some(count) = times.counts.get_mut(place) {
            *count += 1;
        }
        times.seconds += seconds;
    }

    /// Counts a connection for which there was no place.
    pub fn refused_connection(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts the connections of one more listener.
    pub fn watch(&self, connections: &Arc<Connections>) {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(connections));
    }

    fn open(&self) -> usize {
        let all = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter_map(Weak::upgrade).map(|connections| connections.count()).sum()
    }
}

/// `GET /metrics`.
pub(super) fn tell(app: &App, journal: &mut SqliteJournal, _: &Call) -> Result<Answer, Trouble> {
    let mut text = String::new();
    state::runs(&mut text, journal)?;
    state::incidents(&mut text, journal)?;
    state::deliveries(&mut text, journal, app.house.config())?;
    spans(&mut text);
    requests(&mut text, &app.metrics);
    writes(&mut text);
    Ok(Answer::text("text/plain; version=0.0.4; charset=utf-8", text))
}

fn head(text: &mut String, name: &str, kind: &str, about: &str) {
    // Writing to a text cannot fail.
    let _ = write!(text, "# HELP {name} {about}\n# TYPE {name} {kind}\n");
}

fn line(text: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    let _ =
        if labels.is_empty() { writeln!(text, "{name} {value}") } else { writeln!(text, "{name}{{{labels}}} {value}") };
}

fn requests(text: &mut String, metrics: &Metrics) {
    let answered = metrics.answered.lock().unwrap_or_else(PoisonError::into_inner);
    head(text, "playbook_http_requests_total", "counter", "Requests that were answered.");
    for ((label, method, status), count) in &answered.by_status {
        let labels = format!("route=\"{}\",method=\"{method}\",status=\"{status}\"", label.0);
        line(text, "playbook_http_requests_total", &labels, count);
    }
    let name = "playbook_http_request_duration_seconds";
    head(text, name, "histogram", "How long it took until an answer began.");
    for (label, times) in &answered.times {
        histogram(text, name, &format!("route=\"{}\"", label.0), &BOUNDS, &times.counts, times.seconds);
    }
    drop(answered);
    head(text, "playbook_http_connections_open", "gauge", "Connections that are open.");
    line(text, "playbook_http_connections_open", "", metrics.open());
    head(text, "playbook_http_connections_refused_total", "counter", "Connections for which there was no place.");
    line(text, "playbook_http_connections_refused_total", "", metrics.refused.load(Ordering::Relaxed));
}

fn spans(text: &mut String) {
    let counts = span_counts();
    let name = "playbook_spans_total";
    head(text, name, "counter", "Spans of runs that this process sent, by whether they were taken.");
    line(text, name, "result=\"told\"", counts.told);
    line(text, name, "result=\"dropped\"", counts.dropped);
}

fn writes(text: &mut String) {
    let times = write_times();
    let name = "playbook_journal_write_duration_seconds";
    head(text, name, "histogram", "How long the journal's writes of this process took, disk included.");
    histogram(text, name, "", &WRITE_BOUNDS, &times.counts, times.seconds);
}

fn histogram(text: &mut String, name: &str, labels: &str, bounds: &[f64], counts: &[u64], seconds: f64) {
    let comma = if labels.is_empty() { "" } else { "," };
    let mut sum = 0;
    for (place, count) in counts.iter().enumerate() {
        sum += count;
        let bound = bounds.get(place).map_or_else(|| "+Inf".to_owned(), f64::to_string);
        line(text, &format!("{name}_bucket"), &format!("{labels}{comma}le=\"{bound}\""), sum);
    }
    line(text, &format!("{name}_sum"), labels, seconds);
    line(text, &format!("{name}_count"), labels, sum);
}
