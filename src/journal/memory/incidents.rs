//! Incidents in memory, as the real store keeps them.

use super::super::chain::Stored;
use super::super::incidents::{self, IncidentAudit, IncidentRow, Incidents};
use super::super::{Delivered, JournalError, Logged, RunRow, Subject, Verification};
use super::MemoryJournal;
use crate::ids::IncidentId;
use crate::incident::{Brief, IncidentEvent, IncidentRecord, Opening};
use crate::run::Time;

/// An incident's records, and how it stands.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    records: Vec<Stored>,
    brief: Brief,
}

impl Incidents for MemoryJournal {
    fn open_as(
        &mut self,
        incident: &IncidentId,
        opening: Opening,
        actor: &str,
        at: Time,
    ) -> Result<IncidentRecord, JournalError> {
        self.write(|content| {
            if content.incidents.contains_key(incident) {
                return Err(incidents::not_now(incident, "there is an incident with this name already"));
            }
            let added = incidents::first(incident, opening, actor, at)?;
            let kept = Kept { records: vec![added.stored], brief: added.brief };
            content.incidents.insert(incident.clone(), kept);
            Ok(added.record)
        })
    }

    fn append_to(
        &mut self,
        incident: &IncidentId,
        actor: &str,
        at: Time,
        event: IncidentEvent,
    ) -> Result<IncidentRecord, JournalError> {
        self.write(|content| {
            let none = || JournalError::NoSuchIncident(incident.clone());
            let kept = content.incidents.get_mut(incident).ok_or_else(none)?;
            let added = incidents::next(incident, &kept.brief, actor, at, &event)?;
            kept.records.push(added.stored);
            kept.brief = added.brief;
            Ok(added.record)
        })
    }

    fn incidents(&mut self) -> Result<Vec<IncidentRow>, JournalError> {
        self.read(|content| {
            let row = |(incident, kept): (&IncidentId, &Kept)| IncidentRow {
                incident: incident.clone(),
                brief: kept.brief.clone(),
                damaged: None,
            };
            let mut rows: Vec<IncidentRow> = content.incidents.iter().map(row).collect();
            rows.sort_by(|a, b| (b.brief.opened, &b.incident).cmp(&(a.brief.opened, &a.incident)));
            Ok(rows)
        })
    }

    fn stored_of(&mut self, incident: &IncidentId, after: u64, most: usize) -> Result<Vec<Stored>, JournalError> {
        self.read(|content| {
            let none = || JournalError::NoSuchIncident(incident.clone());
            let kept = content.incidents.get(incident).ok_or_else(none)?;
            Ok(kept.records.iter().filter(|stored| stored.seq > after).take(most).cloned().collect())
        })
    }

    fn runs_of(&mut self, incident: &IncidentId) -> Result<Vec<RunRow>, JournalError> {
        self.read(|content| {
            let of =
                content.runs.iter().filter(|(_, run)| run.projection.incident.as_deref() == Some(incident.as_str()));
            let mut rows: Vec<RunRow> =
                of.map(|(id, run)| run.projection.row(id.clone(), content.lease_info(run))).collect();
            rows.sort_by(|a, b| (a.started, &a.run).cmp(&(b.started, &b.run)));
            Ok(rows)
        })
    }

    fn verify_incident(&mut self, incident: &IncidentId) -> Result<Verification, JournalError> {
        self.read(|content| {
            let none = || JournalError::NoSuchIncident(incident.clone());
            let kept = content.incidents.get(incident).ok_or_else(none)?;
            let mut audit = IncidentAudit::new(incident);
            for stored in &kept.records {
                audit.record(i64::try_from(stored.seq).unwrap_or(0), Ok(stored.clone()));
            }
            Ok(audit.finish(Ok(kept.brief.clone())))
        })
    }
}

/// Nobody is told what is in memory alone.
impl Delivered for MemoryJournal {
    fn deliveries(&mut self, _: &Subject, _: i64, _: usize) -> Result<Vec<Logged>, JournalError> {
        Ok(Vec::new())
    }
}
