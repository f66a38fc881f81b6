//! An incident, as it stands.

use serde_json::{Value, json};

use super::run;
use super::time::rfc3339;
use crate::incident::{AlertState, Incident};
use crate::journal::{IncidentRow, RunRow};

/// A row of the list of incidents.
pub fn row(row: &IncidentRow) -> Value {
    let brief = &row.brief;
    json!({
        "incident": row.incident, "title": brief.title, "severity": brief.severity, "state": brief.standing,
        "since": rfc3339(brief.since), "opened": rfc3339(brief.opened), "updated": rfc3339(brief.updated),
        "owner": brief.owner, "records": brief.seq, "head": brief.head, "damaged": row.damaged.is_some(),
    })
}

/// An incident with its runs.
pub fn json(incident: &Incident, runs: &[RunRow]) -> Value {
    let (brief, opening) = (&incident.brief, &incident.opening);
    json!({
        "incident": incident.id, "title": brief.title, "severity": brief.severity, "classified": incident.classified,
        "impact": incident.impact, "urgency": incident.urgency, "state": brief.standing, "since": rfc3339(brief.since),
        "opened": rfc3339(brief.opened), "opened_by": incident.opened_by, "updated": rfc3339(brief.updated),
        "owner": brief.owner, "services": opening.services, "labels": opening.labels, "source": opening.source,
        "records": brief.seq, "head": brief.head, "notes": incident.notes,
        "alerts": incident.alerts.iter().map(|((source, fingerprint), alert)| json!({
            "source": source, "fingerprint": fingerprint, "firing": alert.state == AlertState::Firing,
            "at": rfc3339(alert.at), "since": alert.since.map(rfc3339), "labels": alert.labels,
            "annotations": alert.annotations,
        })).collect::<Vec<_>>(),
        "proposals": incident.proposals.iter().map(|wish| json!({
            "at": rfc3339(wish.at), "by": wish.by, "playbook": wish.playbook, "version": wish.version,
            "inputs": wish.inputs, "why": wish.why,
        })).collect::<Vec<_>>(),
        "runs": runs.iter().map(run::row).collect::<Vec<_>>(),
    })
}
