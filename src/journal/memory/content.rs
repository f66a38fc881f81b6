//! What a journal in memory holds, as all views of it see it. It is only changed by whole writes: a view that is left in the
//! middle of one leaves nothing half done behind.

use std::collections::BTreeMap;
use std::time::Duration;

use super::incidents;
use crate::ids::{IncidentId, Resource, RunId};
use crate::journal::chain::{Batch, Stored};
use crate::journal::projection::Projection;
use crate::journal::{Halt, JournalError, Lease, LeaseInfo, LockRow, RequestRow, boot};
use crate::run::{Holder, Record, Time};

/// All of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    pub(super) runs: BTreeMap<RunId, Run>,
    pub(super) locks: BTreeMap<Resource, (RunId, Time)>,
    pub(super) requests: Vec<(RequestRow, RunId, bool)>,
    pub(super) halts: Vec<Halt>,
    pub(super) incidents: BTreeMap<IncidentId, incidents::Kept>,
    pub(super) clock: Duration,
    pub(super) boots: u64,
}

/// A run.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) records: Vec<Stored>,
    /// The same as they are read: a proof reads them thousands of times.
    pub(super) read: Vec<Record>,
    pub(super) projection: Projection,
    pub(super) epoch: u64,
    pub(super) holder: Holder,
    pub(super) released: bool,
    pub(super) renewed: Duration,
    pub(super) renewed_in: String,
}

impl Content {
    pub(super) fn run(&mut self, run: &RunId) -> Result<&mut Run, JournalError> {
        self.runs.get_mut(run).ok_or_else(|| JournalError::NoSuchRun(run.clone()))
    }

    pub(super) fn held(&mut self, lease: &Lease) -> Result<&mut Run, JournalError> {
        let run = self.run(&lease.run)?;
        if run.epoch == lease.epoch && !run.released {
            Ok(run)
        } else {
            Err(JournalError::LeaseLost { run: lease.run.clone(), ours: lease.epoch, held: run.epoch })
        }
    }

    pub(super) fn halted(&self) -> Option<&Halt> {
        self.halts.last().filter(|halt| halt.lifted.is_none())
    }

    pub(super) fn boot(&self) -> String {
        format!("simulated-{}", self.boots)
    }

    pub(super) fn lock_row(&self, resource: &Resource, run: &RunId, since: Time) -> LockRow {
        let holder = self.runs.get(run).map(|held| &held.projection);
        LockRow {
            resource: resource.clone(),
            run: run.clone(),
            playbook: holder.map(|held| held.playbook.clone()).unwrap_or_default(),
            incident: holder.and_then(|held| held.incident.clone()),
            since,
        }
    }

    pub(super) fn lease_info(&self, run: &Run) -> LeaseInfo {
        LeaseInfo {
            epoch: run.epoch,
            holder: run.holder.clone(),
            released: run.released,
            idle: boot::idle(run.renewed, &run.renewed_in, self.clock, &self.boot()),
            held: None,
        }
    }
}

impl Run {
    pub(super) fn add(&mut self, batch: Batch) -> Vec<Record> {
        self.records.extend(batch.stored);
        self.read.extend(batch.records.iter().cloned());
        self.projection = batch.projection;
        batch.records
    }
}
