//! How a run begins in memory: what must not stand against it, its locks and its lease.

use super::{Content, Run};
use crate::ids::{Resource, RunId};
use crate::journal::chain::Batch;
use crate::journal::{Earlier, JournalError, RunLimit, limit};
use crate::run::{Event, Holder, Time};

impl Content {
    pub(super) fn earlier(&self, since: Time) -> Vec<Earlier> {
        let first = |(id, run): (&RunId, &Run)| {
            let first = run.read.first().filter(|first| first.time >= since)?;
            Earlier::of(id, first.time, &first.actor, &first.event)
        };
        self.runs.iter().filter_map(first).collect()
    }

    /// Whether a run may begin now, as far as brakes go.
    pub(super) fn may_begin(&self, started: &Event, limits: &[RunLimit], at: Time) -> Result<(), JournalError> {
        if let Some(halt) = self.halted() {
            return Err(JournalError::Halted(halt.clone()));
        }
        match limit::since(limits, at) {
            Some(since) => limit::check(limits, started, &self.earlier(since), at),
            None => Ok(()),
        }
    }

    /// Puts a run in, with its locks, or changes nothing.
    pub(super) fn begin(
        &mut self,
        run: &RunId,
        batch: Batch,
        locks: Vec<Resource>,
        holder: &Holder,
        at: Time,
    ) -> Result<(), JournalError> {
        for lock in &locks {
            if let Some((held_by, since)) = self.locks.get(lock) {
                return Err(JournalError::Locked(self.lock_row(lock, held_by, *since)));
            }
        }
        self.locks.extend(locks.into_iter().map(|lock| (lock, (run.clone(), at))));
        let begun = Run {
            records: batch.stored,
            read: batch.records,
            projection: batch.projection,
            epoch: 1,
            holder: holder.clone(),
            released: false,
            renewed: self.clock,
            renewed_in: self.boot(),
        };
        self.runs.insert(run.clone(), begun);
        Ok(())
    }
}
