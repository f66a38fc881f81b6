//! One record of an incident, chained to the one before it by its hash, as those of runs are.

use serde::Serialize;

use super::IncidentEvent;
use crate::ids::{Digest, IncidentId};
use crate::run::{Record, Time};

/// One record of an incident.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IncidentRecord {
    /// Its place in the incident, from 1, without gaps.
    pub seq: u64,
    /// When it was written, by the wall clock.
    pub time: Time,
    /// Who: a person's, a token's or a monitoring's name.
    pub actor: String,
    /// The hash of the record before it; of the incident's id for the first.
    pub previous: Digest,
    /// The hash over all of the above and the event's text.
    pub hash: Digest,
    /// What happened.
    pub event: IncidentEvent,
}

impl IncidentRecord {
    /// What the first record of an incident has as its previous hash. No run's first record has the same.
    pub fn genesis(incident: &IncidentId) -> Digest {
        Digest::of(format!("playbook incident {incident}").as_bytes())
    }

    /// The hash of a record, over the event's text just as it is stored: as that of a run's record that needs no lease.
    pub fn hash_of(previous: &Digest, seq: u64, time: Time, actor: &str, event: &str) -> Digest {
        Record::hash_of(previous, seq, time, 0, actor, event)
    }
}
