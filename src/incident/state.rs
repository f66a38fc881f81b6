//! What is known of an incident: the one fold over its records. The list of incidents, a page, a verification and what may be
//! appended share it. It never knows how its runs stand: that is in their own records.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{AlertState, INCIDENT_FORMAT, IncidentEvent, IncidentRecord, Level, Opening, Severity};
use crate::ids::{Digest, IncidentId};
use crate::run::Time;

/// Why a record cannot stand where it does, or cannot be written now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IncidentError {
    /// A record that does not follow on those before it.
    #[error("record {seq} cannot stand there: {why}")]
    OutOfPlace {
        /// Which.
        seq: u64,
        /// Why.
        why: String,
    },
    /// Something that makes no sense for the incident as it stands.
    #[error("{0}")]
    NotNow(String),
}

/// How far an incident has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The service suffers, or nobody has said that it does not any more.
    Open,
    /// The service is well again.
    Resolved,
    /// Nothing is left to be done.
    Closed,
}

impl Standing {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Resolved => "resolved",
            Self::Closed => "closed",
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// An incident in short: what its line in the list says, and where its chain ends. All that decides what may follow is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brief {
    /// What has gone wrong.
    pub title: String,
    /// How severe it is.
    pub severity: Severity,
    /// How far it has come.
    pub standing: Standing,
    /// Since when.
    pub since: Time,
    /// Who owns it.
    pub owner: Option<String>,
    /// When it was opened.
    pub opened: Time,
    /// When its last record was written.
    pub updated: Time,
    /// The last record's number.
    pub seq: u64,
    /// The last record's hash.
    pub head: Digest,
}

/// An alert, as monitoring said last.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// Whether it fires.
    pub state: AlertState,
    /// When that was written down.
    pub at: Time,
    /// Since when, as monitoring says.
    pub since: Option<Time>,
    /// What it is about.
    pub labels: BTreeMap<String, String>,
    /// What it says to people.
    pub annotations: BTreeMap<String, String>,
}

/// A run that something wants, and that a person is to decide on.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// When it was last wanted.
    pub at: Time,
    /// By whom.
    pub by: String,
    /// Which playbook.
    pub playbook: String,
    /// Which version.
    pub version: Option<String>,
    /// With which inputs.
    pub inputs: Map<String, Value>,
    /// Why.
    pub why: String,
}

/// What is known of an incident.
#[derive(Debug, Clone, PartialEq)]
pub struct Incident {
    /// Which.
    pub id: IncidentId,
    /// It in short.
    pub brief: Brief,
    /// Who opened it.
    pub opened_by: String,
    /// What was known then; its severity and owner are those of then.
    pub opening: Opening,
    /// Why it is as severe as it is.
    pub classified: String,
    /// How far it reaches.
    pub impact: Option<Level>,
    /// How little time it leaves.
    pub urgency: Option<Level>,
    /// The alerts, by source and fingerprint.
    pub alerts: BTreeMap<(String, String), Alert>,
    /// What is wanted, each once, the oldest first.
    pub proposals: Vec<Proposal>,
    /// How often somebody wrote something down.
    pub notes: u64,
}

impl Brief {
    /// After an incident's first record.
    ///
    /// # Errors
    /// When that is not an `opened` at the head of the chain.
    pub fn begin(incident: &IncidentId, record: &IncidentRecord) -> Result<Self, IncidentError> {
        let out_of_place = |why: String| IncidentError::OutOfPlace { seq: record.seq, why };
        let IncidentEvent::Opened(opening) = &record.event else {
            return Err(out_of_place("an incident begins with its opening".to_owned()));
        };
        if opening.format > INCIDENT_FORMAT {
            let format = opening.format;
            return Err(out_of_place(format!(
                "it has form {format}, and this version knows forms up to {INCIDENT_FORMAT}: use the newer playbook"
            )));
        }
        if record.seq != 1 || record.previous != IncidentRecord::genesis(incident) {
            return Err(out_of_place("it is not the first of this incident".to_owned()));
        }
        Ok(Self {
            title: opening.title.clone(),
            severity: opening.severity,
            standing: Standing::Open,
            since: record.time,
            owner: opening.owner.clone(),
            opened: record.time,
            updated: record.time,
            seq: 1,
            head: record.hash.clone(),
        })
    }

    /// Whether something may be written now.
    ///
    /// # Errors
    /// `NotNow`, in a sentence.
    pub fn allows(&self, event: &IncidentEvent) -> Result<(), IncidentError> {
        let no = |why: &str| Err(IncidentError::NotNow(why.to_owned()));
        match (event, self.standing) {
            (IncidentEvent::Opened(_), _) => no("it was opened already"),
            (IncidentEvent::Noted { text }, _) if text.trim().is_empty() => no("a note needs a text"),
            (
                IncidentEvent::Assigned { .. } | IncidentEvent::SeverityChanged { .. } | IncidentEvent::Proposed { .. },
                Standing::Closed,
            ) => no("it is closed"),
            (IncidentEvent::Resolved { .. }, Standing::Resolved) => no("it is resolved already"),
            (IncidentEvent::Resolved { .. } | IncidentEvent::Closed { .. }, Standing::Closed) => {
                no("it is closed already")
            }
            (IncidentEvent::Reopened { .. }, Standing::Open) => no("it is open"),
            _ => Ok(()),
        }
    }

    /// After one more record.
    ///
    /// # Errors
    /// When it cannot follow on those before it; nothing is changed then.
    pub fn apply(&mut self, record: &IncidentRecord) -> Result<(), IncidentError> {
        let out_of_place = |why: String| IncidentError::OutOfPlace { seq: record.seq, why };
        if record.seq != self.seq + 1 {
            return Err(out_of_place(format!("record {} was expected", self.seq + 1)));
        }
        if record.previous != self.head {
            return Err(out_of_place("its previous hash is not that of the record before it".to_owned()));
        }
        self.allows(&record.event).map_err(|error| out_of_place(error.to_string()))?;
        let stands = |standing| Some((standing, record.time));
        let standing = match &record.event {
            IncidentEvent::Assigned { owner, .. } => {
                self.owner.clone_from(owner);
                None
            }
            IncidentEvent::SeverityChanged { severity, .. } => {
                self.severity = *severity;
                None
            }
            IncidentEvent::Resolved { .. } => stands(Standing::Resolved),
            IncidentEvent::Closed { .. } => stands(Standing::Closed),
            IncidentEvent::Reopened { .. } => stands(Standing::Open),
            IncidentEvent::Opened(_)
            | IncidentEvent::Noted { .. }
            | IncidentEvent::Alert { .. }
            | IncidentEvent::Proposed { .. } => None,
        };
        (self.standing, self.since) = standing.unwrap_or((self.standing, self.since));
        self.updated = record.time;
        self.seq = record.seq;
        self.head = record.hash.clone();
        Ok(())
    }
}

impl Incident {
    /// After its first record.
    ///
    /// # Errors
    /// When that is not an `opened` at the head of the chain.
    pub fn begin(id: &IncidentId, record: &IncidentRecord) -> Result<Self, IncidentError> {
        let brief = Brief::begin(id, record)?;
        let IncidentEvent::Opened(opening) = &record.event else {
            let why = "an incident begins with its opening".to_owned();
            return Err(IncidentError::OutOfPlace { seq: record.seq, why });
        };
        Ok(Self {
            id: id.clone(),
            brief,
            opened_by: record.actor.clone(),
            classified: opening.why.clone(),
            impact: opening.impact,
            urgency: opening.urgency,
            opening: opening.clone(),
            alerts: BTreeMap::new(),
            proposals: Vec::new(),
            notes: 0,
        })
    }

    /// After one more record.
    ///
    /// # Errors
    /// When it cannot follow on those before it; nothing is changed then.
    pub fn apply(&mut self, record: &IncidentRecord) -> Result<(), IncidentError> {
        self.brief.apply(record)?;
        match &record.event {
            IncidentEvent::Noted { .. } => self.notes += 1,
            IncidentEvent::SeverityChanged { reason, .. } => {
                let by = format!("{} said so", record.actor);
                self.classified = if reason.is_empty() { by } else { format!("{by}: {reason}") };
            }
            IncidentEvent::Alert { source, fingerprint, state, labels, annotations, since } => {
                let (labels, annotations) = (labels.clone(), annotations.clone());
                let alert = Alert { state: *state, at: record.time, since: *since, labels, annotations };
                self.alerts.insert((source.clone(), fingerprint.clone()), alert);
            }
            IncidentEvent::Proposed { playbook, version, inputs, why } => {
                let same = |one: &Proposal| (&one.playbook, &one.version, &one.inputs) == (playbook, version, inputs);
                self.proposals.retain(|one| !same(one));
                self.proposals.push(Proposal {
                    at: record.time,
                    by: record.actor.clone(),
                    playbook: playbook.clone(),
                    version: version.clone(),
                    inputs: inputs.clone(),
                    why: why.clone(),
                });
            }
            IncidentEvent::Opened(_)
            | IncidentEvent::Assigned { .. }
            | IncidentEvent::Resolved { .. }
            | IncidentEvent::Closed { .. }
            | IncidentEvent::Reopened { .. } => {}
        }
        Ok(())
    }

    /// What is known after some records.
    ///
    /// # Errors
    /// When one cannot stand where it does, or there is none.
    pub fn replay(id: &IncidentId, records: &[IncidentRecord]) -> Result<Self, IncidentError> {
        let none = || IncidentError::OutOfPlace { seq: 1, why: "there are no records".to_owned() };
        let (first, rest) = records.split_first().ok_or_else(none)?;
        let mut incident = Self::begin(id, first)?;
        rest.iter().try_for_each(|record| incident.apply(record))?;
        Ok(incident)
    }

    /// The alerts that fire.
    pub fn firing(&self) -> impl Iterator<Item = (&(String, String), &Alert)> {
        self.alerts.iter().filter(|(_, alert)| alert.state == AlertState::Firing)
    }
}
