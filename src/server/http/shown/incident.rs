//! An incident, as it stands.

use serde_json::{Value, json};

use super::run;
use crate::incident::{Began, Incident, Proposal};
use crate::journal::{IncidentRow, RunRow};

/// A row of the list of incidents.
pub fn row(row: &IncidentRow) -> Value {
    let mut told = row.brief.json(&row.incident);
    // Why is said where the server is: it may name a file there.
    told["records"] = json!(row.brief.seq);
    told["head"] = json!(row.brief.head);
    told["damaged"] = json!(row.damaged.is_some());
    told
}

/// An incident with its runs.
pub fn json(incident: &Incident, runs: &[RunRow]) -> Value {
    let began: Vec<Began<'_>> = runs.iter().map(|run| (run.playbook.as_str(), run.started)).collect();
    let proposals = incident.open_proposals(&began).into_iter().map(Proposal::json);
    incident.json(proposals.collect(), runs.iter().map(run::row).collect())
}
