//! What can happen in an incident itself. What happens in its runs is in their own records and never here: a run says which
//! incident it belongs to, so neither can claim something of the other that is not so.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Level, Severity};
use crate::run::Time;

/// The form of the events that this version writes, and the newest that it knows.
pub const INCIDENT_FORMAT: u32 = 1;

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum IncidentEvent {
    /// Somebody or something said that something has gone wrong. Always the first record.
    Opened(Opening),
    /// Somebody wrote something down.
    Noted {
        /// What.
        text: String,
    },
    /// Somebody else owns it from here on.
    Assigned {
        /// Who; nobody where absent.
        owner: Option<String>,
        /// Why; may be empty.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// It is more or less severe than it was said to be.
    SeverityChanged {
        /// How severe.
        severity: Severity,
        /// Why; may be empty.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// Monitoring said something of it.
    Alert {
        /// Which monitoring, as the configuration names it.
        source: String,
        /// Which alert, as that tells them apart.
        fingerprint: String,
        /// Whether it fires or is over.
        state: AlertState,
        /// What it is about.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        labels: BTreeMap<String, String>,
        /// What it says to people.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        annotations: BTreeMap<String, String>,
        /// Since when, as monitoring says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<Time>,
    },
    /// Something wants a playbook run, and a person is to decide.
    Proposed {
        /// Which playbook.
        playbook: String,
        /// Which version; the newest where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<String>,
        /// With which inputs.
        #[serde(default, skip_serializing_if = "Map::is_empty")]
        inputs: Map<String, Value>,
        /// What wants it, and why.
        why: String,
    },
    /// The service is well again.
    Resolved {
        /// How that is known; may be empty.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// Nothing is left to be done.
    Closed {
        /// Why; may be empty.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// It was not over.
    Reopened {
        /// Why; may be empty.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
}

/// What is known of an incident when it is opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Opening {
    /// The form of its events.
    #[serde(default = "first_format")]
    pub format: u32,
    /// What has gone wrong, in a line.
    pub title: String,
    /// How severe it is.
    pub severity: Severity,
    /// How it was classified, in words.
    pub why: String,
    /// How far it reaches, where somebody said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact: Option<Level>,
    /// How little time it leaves, where somebody said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub urgency: Option<Level>,
    /// What it is about.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The services that suffer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
    /// Who owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What said so: `person`, `run`, or monitoring as the configuration names it.
    pub source: String,
}

/// Whether an alert fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// It does.
    Firing,
    /// It is over.
    Resolved,
}

impl Opening {
    /// An incident with this title, this severity and the words that say how it was classified.
    pub fn new(title: impl Into<String>, severity: Severity, why: impl Into<String>) -> Self {
        Self {
            format: INCIDENT_FORMAT,
            title: title.into(),
            severity,
            why: why.into(),
            impact: None,
            urgency: None,
            labels: BTreeMap::new(),
            services: Vec::new(),
            owner: None,
            source: "person".to_owned(),
        }
    }
}

impl AlertState {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

fn first_format() -> u32 {
    1
}
