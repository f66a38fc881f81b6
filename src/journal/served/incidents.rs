//! Incidents of a state that a server owns.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::incidents::{IncidentAudit, Incidents};
use super::super::{IncidentRow, JournalError, RunRow, Stored, Verification};
use super::reading::time;
use super::stored::{gather, page};
use super::{Method, PAGE, ServedJournal, strange};
use crate::ids::{Digest, IncidentId};
use crate::incident::{Brief, IncidentEvent, IncidentRecord, Opening, Severity, Standing};
use crate::run::Time;

#[derive(Deserialize)]
struct Listed {
    incidents: Vec<Row>,
    next: Option<IncidentId>,
}

#[derive(Deserialize)]
struct Row {
    incident: IncidentId,
    title: String,
    severity: Severity,
    state: Standing,
    since: String,
    opened: String,
    updated: String,
    owner: Option<String>,
    records: u64,
    head: Digest,
    damaged: bool,
}

impl Row {
    fn read(self) -> Result<IncidentRow, JournalError> {
        let Self { incident, title, severity, state, since, opened, updated, owner, records, head, damaged } = self;
        let (since, opened, updated) = (time(&since)?, time(&opened)?, time(&updated)?);
        let brief = Brief { title, severity, standing: state, since, owner, opened, updated, seq: records, head };
        let damaged = damaged.then(|| "the server cannot read it: its log says why".to_owned());
        Ok(IncidentRow { incident, brief, damaged })
    }
}

#[derive(Deserialize)]
struct Named {
    incident: IncidentId,
}

impl ServedJournal {
    fn incident_page(
        &self,
        incident: &IncidentId,
        after: u64,
        most: usize,
    ) -> Result<super::stored::Page, JournalError> {
        let path = format!("/v1/incidents/{incident}/records?after={after}&limit={most}");
        let text = self.server.ask(Method::Get, &path, None).map_err(|error| no_incident(incident, error))?;
        page(&text, after)
    }

    /// The record that was added last.
    fn newest(&mut self, incident: &IncidentId, after: u64) -> Result<IncidentRecord, JournalError> {
        let mut records = self.some_records_of(incident, after, usize::MAX)?;
        records.pop().ok_or_else(|| strange("what was added to the incident is not among its records"))
    }
}

impl Incidents for ServedJournal {
    fn open(&mut self, opening: Opening, _: &str, _: Time) -> Result<IncidentId, JournalError> {
        let mut body = json!({
            "title": opening.title, "labels": opening.labels, "services": opening.services,
        });
        // What nobody has classified is classified where the rules for that are.
        if !opening.why.is_empty() {
            body["severity"] = json!(opening.severity);
            body["why"] = json!(opening.why);
        }
        let said =
            [("impact", json!(opening.impact)), ("urgency", json!(opening.urgency)), ("owner", json!(opening.owner))];
        for (name, value) in said.into_iter().filter(|(_, value)| !value.is_null()) {
            body[name] = value;
        }
        let named: Named = self.post("/v1/incidents", &body)?;
        Ok(named.incident)
    }

    fn open_as(&mut self, _: &IncidentId, _: Opening, _: &str, _: Time) -> Result<IncidentRecord, JournalError> {
        Err(super::not_ours())
    }

    fn append_to(
        &mut self,
        incident: &IncidentId,
        _: &str,
        _: Time,
        event: IncidentEvent,
    ) -> Result<IncidentRecord, JournalError> {
        let (verb, body) = match &event {
            IncidentEvent::Noted { text } => ("note", json!({ "text": text })),
            IncidentEvent::Assigned { owner, reason } => ("assign", json!({ "owner": owner, "reason": reason })),
            IncidentEvent::SeverityChanged { severity, reason } => {
                ("severity", json!({ "severity": severity, "reason": reason }))
            }
            IncidentEvent::Resolved { reason } => ("resolve", json!({ "reason": reason })),
            IncidentEvent::Closed { reason } => ("close", json!({ "reason": reason })),
            IncidentEvent::Reopened { reason } => ("reopen", json!({ "reason": reason })),
            IncidentEvent::Opened(_) | IncidentEvent::Alert { .. } | IncidentEvent::Proposed { .. } => {
                return Err(super::not_ours());
            }
        };
        let told: Value = self
            .post(&format!("/v1/incidents/{incident}/{verb}"), &body)
            .map_err(|error| no_incident(incident, error))?;
        let count = told.get("records").and_then(Value::as_u64);
        let count = count.ok_or_else(|| strange("it does not say how many records the incident has"))?;
        self.newest(incident, count.saturating_sub(1))
    }

    fn incidents(&mut self) -> Result<Vec<IncidentRow>, JournalError> {
        let mut rows: Vec<IncidentRow> = Vec::new();
        let mut before = String::new();
        loop {
            let told: Listed = self.get(&format!("/v1/incidents?limit={PAGE}{before}"))?;
            if told.incidents.is_empty() && told.next.is_some() {
                return Err(strange("its list of incidents goes in a circle"));
            }
            for row in told.incidents {
                rows.push(row.read()?);
            }
            match told.next {
                Some(next) => before = format!("&before={next}"),
                None => return Ok(rows),
            }
        }
    }

    fn stored_of(&mut self, incident: &IncidentId, after: u64, most: usize) -> Result<Vec<Stored>, JournalError> {
        gather(after, most, |after, most| self.incident_page(incident, after, most))
    }

    fn runs_of(&mut self, incident: &IncidentId) -> Result<Vec<RunRow>, JournalError> {
        self.rows(&format!("&incident={incident}"))
    }

    fn verify_incident(&mut self, incident: &IncidentId) -> Result<Verification, JournalError> {
        let mut audit = IncidentAudit::new(incident);
        let mut listed = Err("its records end otherwise than the server's list of incidents says".to_owned());
        for row in self.incidents()?.into_iter().filter(|row| &row.incident == incident) {
            listed = Ok(row.brief);
        }
        for stored in self.stored_of(incident, 0, usize::MAX)? {
            audit.record(i64::try_from(stored.seq).unwrap_or(0), Ok(stored));
        }
        Ok(audit.finish(listed))
    }
}

fn no_incident(incident: &IncidentId, error: JournalError) -> JournalError {
    match error {
        JournalError::Refused(refused) if refused.status == 404 => JournalError::NoSuchIncident(incident.clone()),
        other => other,
    }
}
