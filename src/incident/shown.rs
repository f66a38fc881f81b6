//! An incident for programs: the same on every way out. `docs/output.md` is its contract: add, never rename. How its runs are
//! told, and with which command something is run, is the word of whoever shows it.

use serde_json::{Value, json};

use super::{AlertState, Brief, Incident, Proposal, Standing};
use crate::ids::IncidentId;
use crate::run::Time;

/// A run of an incident, as much of it as decides what is still wanted: which playbook, and when it began.
pub type Began<'r> = (&'r str, Time);

impl Brief {
    /// It as a line of the list of incidents.
    pub fn json(&self, incident: &IncidentId) -> Value {
        json!({
            "incident": incident, "title": self.title, "severity": self.severity, "state": self.standing,
            "since": self.since.rfc3339(), "opened": self.opened.rfc3339(), "updated": self.updated.rfc3339(),
            "owner": self.owner,
        })
    }
}

impl Proposal {
    /// It for programs.
    pub fn json(&self) -> Value {
        json!({
            "at": self.at.rfc3339(), "by": self.by, "playbook": self.playbook, "version": self.version,
            "inputs": self.inputs, "why": self.why,
        })
    }
}

impl Incident {
    /// What is wanted and was not run since.
    pub fn open_proposals<'i>(&'i self, runs: &[Began<'_>]) -> Vec<&'i Proposal> {
        let open = self.brief.standing != Standing::Closed;
        let begun = |wish: &Proposal| runs.iter().any(|(book, began)| *book == wish.playbook && *began >= wish.at);
        self.proposals.iter().filter(|wish| open && !begun(wish)).collect()
    }

    /// It for programs, with what is wanted and its runs as they are told.
    pub fn json(&self, proposals: Vec<Value>, runs: Vec<Value>) -> Value {
        let (brief, opening) = (&self.brief, &self.opening);
        json!({
            "v": 1, "type": "incident", "incident": self.id, "title": brief.title, "severity": brief.severity,
            "classified": self.classified, "impact": self.impact, "urgency": self.urgency,
            "state": brief.standing, "since": brief.since.rfc3339(), "opened": brief.opened.rfc3339(),
            "opened_by": self.opened_by, "updated": brief.updated.rfc3339(), "owner": brief.owner,
            "services": opening.services, "labels": opening.labels, "source": opening.source,
            "records": brief.seq, "head": brief.head, "notes": self.notes,
            "alerts": self.alerts.iter().map(|((source, fingerprint), alert)| json!({
                "source": source, "fingerprint": fingerprint, "state": alert.state,
                "firing": alert.state == AlertState::Firing, "at": alert.at.rfc3339(),
                "since": alert.since.map(Time::rfc3339), "labels": alert.labels, "annotations": alert.annotations,
            })).collect::<Vec<_>>(),
            "proposals": proposals, "runs": runs,
        })
    }
}
