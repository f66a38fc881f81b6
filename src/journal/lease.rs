//! The right to write a run's records: who has it, and how it goes over. It is plain data; that it is kept to is each store's
//! business.

use std::time::Duration;

use super::RunLimit;
use crate::ids::RunId;
use crate::run::{Event, Holder};

/// The right to write a run's records: lost as soon as somebody else takes the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Which run.
    pub run: RunId,
    /// The lease's number; it only rises.
    pub epoch: u64,
}

/// How a run takes the place of another one.
#[derive(Debug, Clone, PartialEq)]
pub struct Handover {
    /// Which run gives its place.
    pub from: RunId,
    /// The number of its newest lease, as it was seen.
    pub expected: u64,
    /// Its last record's number, as it was seen.
    pub seen: u64,
    /// Its last record.
    pub ended: Event,
    /// What the new run's records begin with, behind its start.
    pub inherited: Event,
    /// How many runs may begin: they are counted in the same write.
    pub limits: Vec<RunLimit>,
}

/// Who holds or last held a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseInfo {
    /// The newest lease's number.
    pub epoch: u64,
    /// Who took it.
    pub holder: Holder,
    /// Whether it was given back.
    pub released: bool,
    /// How long it was not renewed, by the boot clock; absent after a reboot.
    pub idle: Option<Duration>,
    /// What the server that owns the state says of whether somebody who lives holds it; absent where that is ours to look at.
    pub held: Option<bool>,
}
