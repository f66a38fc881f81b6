//! Events to try things on.

use std::sync::Arc;

use serde_json::json;

use super::Event;
use crate::ids::Digest;

/// A run of an incident begins, of a playbook without steps.
pub fn started(incident: &str) -> Event {
    let digest = Digest::of(b"");
    let playbook = json!({
        "name": "db-failover", "version": "1.4.0", "title": "Switch", "description": "", "owner": null, "reviewed": null,
        "review_every": null, "severity": [], "symptoms": [], "services": [], "recovery_time": null, "inputs": [],
        "locks": [], "steps": [], "digest": digest,
    });
    let plan = json!({
        "format": 1, "playbook": playbook, "inputs": {}, "environment": "lab", "targets": [], "locks": [],
        "steps": [], "digest": digest, "facts_digest": digest,
    });
    Event::RunStarted {
        plan: Arc::new(serde_json::from_value(plan).unwrap()),
        locks: Vec::new(),
        incident: Some(incident.to_owned()),
        format: 1,
        tool: "0.1.0".to_owned(),
        overrides: Vec::new(),
        approved: Vec::new(),
    }
}
