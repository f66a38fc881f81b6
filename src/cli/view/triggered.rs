//! What alerts ask for, as it is shown: per alert the route that it takes and with what, and why it takes none of the others.

use serde_json::{Value, json};

use crate::cli::books::Chosen;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::paste::Paste;
use crate::cli::text::{Ink, Line};
use crate::cli::visible;
use crate::incident::AlertState;
use crate::playbook::TriggeredMode;
use crate::trigger::{Alert, Delivery, Passed, Source, Wanted};

use super::wish::Wish;
use super::{count, heading, paragraph};

/// An alert, and what becomes of it.
pub struct Told {
    /// Which.
    pub alert: Alert,
    /// The routes that it does not take.
    pub passed: Vec<Passed>,
    /// The one that it takes.
    pub fate: Fate,
}

/// What becomes of an alert.
pub enum Fate {
    /// No route fits it.
    Unrouted,
    /// A route fits it, and what that asks for cannot be.
    Refused {
        /// Which route.
        route: String,
        /// To which playbook.
        playbook: String,
        /// Why.
        failure: Failure,
    },
    /// A route fits it, and its playbook takes it.
    Wanted {
        /// What it asks for.
        wanted: Wanted,
        /// The playbook, with its inputs bound.
        chosen: Box<Chosen>,
    },
}

impl Told {
    /// What is to be done.
    pub fn wanted(&self) -> Option<(&Wanted, &Chosen)> {
        match &self.fate {
            Fate::Wanted { wanted, chosen } => Some((wanted, chosen)),
            Fate::Unrouted | Fate::Refused { .. } => None,
        }
    }

    /// Why what a route asks for cannot be.
    pub fn refused(&self) -> Option<&Failure> {
        match &self.fate {
            Fate::Refused { failure, .. } => Some(failure),
            Fate::Unrouted | Fate::Wanted { .. } => None,
        }
    }
}

/// All alerts of a delivery.
pub fn lines(source: &Source, delivery: &Delivery, told: &[Told], width: usize) -> Vec<Line> {
    let alerts = count(told.len(), "alert");
    let mut lines = vec![heading(&format!("{} ({}): {alerts}", source.name(), source.kind().word()))];
    let text = "Who sent this was not proved: that is asked of what comes in over the network, not of a file.";
    lines.extend(paragraph(text, 2, width, Ink::Dim));
    for note in &delivery.notes {
        lines.extend(paragraph(note, 2, width, Ink::Warn));
    }
    for (place, told) in told.iter().enumerate() {
        lines.push(Line::new());
        lines.extend(alert(place, told, width));
    }
    lines
}

fn alert(place: usize, told: &Told, width: usize) -> Vec<Line> {
    let Told { alert, passed, fate } = told;
    let name = alert.labels.get("alertname").or_else(|| alert.labels.get("service")).unwrap_or(&alert.fingerprint);
    let ink = if alert.status == AlertState::Firing { Ink::Bad } else { Ink::Good };
    let since =
        alert.starts_at.map(|at| format!(" since {}", at.strftime("%Y-%m-%d %H:%M:%S UTC"))).unwrap_or_default();
    let head = Line::new().with(Ink::Bold, format!("{}. {} ", place + 1, visible::line(name)));
    let mut lines = vec![head.with(ink, alert.status.word()).with(Ink::Dim, since)];
    if !alert.title.is_empty() && alert.title != *name {
        lines.extend(paragraph(&alert.title, 3, width, Ink::Plain));
    }
    let labels: Vec<String> = alert.labels.iter().map(|(label, value)| format!("{label}={value}")).collect();
    lines.extend(paragraph(&labels.join("  "), 3, width, Ink::Dim));
    for passed in passed {
        let text = format!("– not route {} to {}: {}", passed.route, passed.playbook, passed.why);
        lines.extend(paragraph(&text, 3, width, Ink::Dim));
    }
    match fate {
        Fate::Unrouted => {
            let text = match alert.status {
                AlertState::Firing => "✗ no route takes it: nothing is started",
                AlertState::Resolved => "– no route takes it; that it is over is noted where it had begun something",
            };
            lines.extend(paragraph(
                text,
                3,
                width,
                if alert.status == AlertState::Firing { Ink::Warn } else { Ink::Dim },
            ));
        }
        Fate::Refused { route, playbook, failure } => {
            let text = format!("✗ route {route} to {playbook} takes it, and cannot: {}", failure.what);
            lines.extend(paragraph(&text, 3, width, Ink::Bad));
        }
        Fate::Wanted { wanted, chosen } => lines.extend(takes(wanted, chosen, width)),
    }
    lines
}

fn takes(wanted: &Wanted, chosen: &Chosen, width: usize) -> Vec<Line> {
    let book = &chosen.playbook;
    let text = format!("✓ route {}: {}@{}, {}", wanted.route, book.name, book.version, meaning(wanted.mode));
    let mut lines = paragraph(&text, 3, width, Ink::Good);
    let longest = wanted.inputs.keys().map(String::len).max().unwrap_or(0);
    for (name, text) in &wanted.inputs {
        let whose = if wanted.from_alert.contains(name) { "from the alert" } else { "the route's own" };
        let line = Line::plain("     ").with(Ink::Plain, name).pad_to(5 + longest);
        lines.push(line.with(Ink::Plain, format!(" = {}", visible::line(text))).with(Ink::Dim, format!("   {whose}")));
    }
    lines
}

fn meaning(mode: TriggeredMode) -> &'static str {
    match mode {
        TriggeredMode::DryRun => "which is only looked at (dry_run)",
        TriggeredMode::Ask => "which a person is asked to run (ask)",
        TriggeredMode::Run => "which is run (run)",
    }
}

/// The command that a person is asked for.
pub fn proposal(wanted: &Wanted, wish: &Wish<'_>, paste: &Paste, width: usize) -> Vec<Line> {
    let text =
        format!("Route {} asks a person to run {}. Nothing was started. To run it:", wanted.route, wanted.playbook);
    let mut lines = vec![Line::new()];
    lines.extend(paragraph(&text, 0, width, Ink::Plain));
    lines.push(Line::plain(format!("  {}", paste.command(wish.command()))));
    lines.extend(wish.left_out_lines(2, width));
    lines
}

/// The same for programs.
pub fn json(source: &Source, delivery: &Delivery, told: &[Told], exit: Exit) -> Value {
    let alerts: Vec<Value> = told
        .iter()
        .map(|told| {
            let (route, refused) = match &told.fate {
                Fate::Unrouted => (Value::Null, Value::Null),
                Fate::Refused { route, playbook, failure } => (
                    json!({ "route": route, "playbook": playbook }),
                    json!({ "exit": failure.exit.code(), "message": failure.what }),
                ),
                Fate::Wanted { wanted, .. } => (json!(wanted), Value::Null),
            };
            json!({ "alert": told.alert, "taken": route, "refused": refused, "passed": told.passed })
        })
        .collect();
    json!({
        "v": 1, "type": "trigger", "exit": exit.code(), "source": source.name(), "kind": source.kind().word(),
        "delivery": delivery.id, "notes": delivery.notes, "alerts": alerts,
    })
}
