//! Writes, each in one transaction: when one returns, everything is on the disk, or nothing is. An outcome may wait for the
//! write that follows on it at once, so that both reach the disk together. What waits must never be lost by a write that is
//! refused, nor be written behind anything that it does not follow on.

use std::time::Instant;

use rusqlite::{Transaction, TransactionBehavior};

use super::super::chain::{self, Batch, Head, Writer};
use super::super::projection::Projection;
use super::super::{Appended, Journal as _, JournalError, Lease, timing};
use super::trouble::{self, Trouble, explain, is_busy};
use super::{SqliteJournal, room, rows};
use crate::ids::RunId;
use crate::run::{Event, Time};

/// What waits for the next write.
#[derive(Debug)]
pub(super) struct Postponed {
    lease: Lease,
    /// What it follows on.
    behind: Head,
    batch: Batch,
}

/// How a run stands by what this handle has written under a lease. Nobody else writes under that: where somebody has, the
/// next write is refused, as it looks.
#[derive(Debug)]
pub(super) struct Standing {
    pub run: RunId,
    pub epoch: u64,
    pub projection: Projection,
}

impl Postponed {
    /// Writes it, and says how the run stands after it.
    pub(super) fn add(&self, transaction: &Transaction<'_>) -> Result<Projection, Trouble> {
        let run = &self.lease.run;
        if !rows::ends_with(transaction, run, &self.behind)? {
            let cause = format!("somebody else has written to run {run}, while it was held here");
            return Err(JournalError::Store { doing: "written", cause }.into());
        }
        rows::add(transaction, run, &self.batch)?;
        Ok(self.batch.projection.clone())
    }
}

impl SqliteJournal {
    pub(super) fn writable(&self) -> Result<(), JournalError> {
        let stop = |cause: String| Err(JournalError::Store { doing: "written", cause });
        match &self.poisoned {
            _ if self.read_only => stop("it was opened for reading only".to_owned()),
            Some(why) => stop(format!("an earlier write failed, and nothing is written after that: {why}")),
            None => Ok(()),
        }
    }

    /// One transaction that writes. When it returns, everything is on the disk, or nothing is.
    pub(super) fn write<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Trouble>,
    ) -> Result<T, JournalError> {
        self.write_postponed()?;
        self.transact(work)
    }

    /// One that writes what was postponed as well. Where the rest is refused, that alone is written.
    pub(super) fn write_behind<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>, Option<&Postponed>) -> Result<T, Trouble>,
    ) -> Result<T, JournalError> {
        let postponed = self.postponed.take();
        let written = self.transact(|transaction| work(transaction, postponed.as_ref()));
        if written.is_err() && postponed.is_some() {
            self.postponed = postponed;
            if self.poisoned.is_none() {
                self.write_postponed()?;
            }
        }
        written
    }

    /// Makes a record that waits for the next write.
    pub(super) fn postpone(
        &mut self,
        lease: &Lease,
        actor: &str,
        at: Time,
        event: Event,
    ) -> Result<Appended, JournalError> {
        // What is set aside on a full disk has to hold both.
        if room::is_large(std::slice::from_ref(&event)) {
            return self.append(lease, actor, at, vec![event], &[]).map(Appended::Durable);
        }
        self.write_postponed()?;
        self.writable()?;
        let run = &lease.run;
        let before = self.standing_under(lease).map_err(Trouble::read)?;
        let batch = chain::extend(Writer { run, epoch: lease.epoch, actor, at }, &before, vec![event])?;
        let records = batch.records.clone();
        self.postponed = Some(Postponed { lease: lease.clone(), behind: before.head, batch });
        Ok(Appended::WithNext(records))
    }

    /// How a run stands. What was written last is not read again: this is asked at every step.
    fn standing_under(&self, lease: &Lease) -> Result<Projection, Trouble> {
        match &self.standing {
            Some(known) if known.run == lease.run && known.epoch == lease.epoch => Ok(known.projection.clone()),
            _ => {
                rows::held(&self.connection, lease)?;
                rows::standing(&self.connection, &lease.run)
            }
        }
    }

    /// Writes what was postponed.
    pub(super) fn write_postponed(&mut self) -> Result<(), JournalError> {
        let Some(postponed) = self.postponed.take() else { return Ok(()) };
        let written = self.transact(|transaction| {
            rows::held(transaction, &postponed.lease)?;
            postponed.add(transaction)
        });
        match written {
            Ok(projection) => {
                let Lease { run, epoch, .. } = postponed.lease;
                self.standing = Some(Standing { run, epoch, projection });
                Ok(())
            }
            // Somebody else may only have held the journal for too long; and what is not written must never be told as if it
            // were.
            Err(error) => {
                self.postponed = Some(postponed);
                Err(error)
            }
        }
    }

    /// Writes what was postponed, or gives it up where the run is not ours any more.
    pub(super) fn settle_postponed(&mut self) -> Result<(), JournalError> {
        match self.write_postponed() {
            Err(JournalError::LeaseLost { .. }) => {
                self.postponed = None;
                Ok(())
            }
            other => other,
        }
    }

    fn transact<T>(&mut self, work: impl FnOnce(&Transaction<'_>) -> Result<T, Trouble>) -> Result<T, JournalError> {
        self.writable()?;
        self.verified = None;
        let begun = Instant::now();
        let done = match self.connection.transaction_with_behavior(TransactionBehavior::Immediate) {
            Ok(transaction) => work(&transaction).and_then(|value| {
                transaction.commit()?;
                Ok(value)
            }),
            // Somebody else writes for long: nothing was begun, so nothing is in doubt.
            Err(error) if is_busy(&error) => return Err(explain("written", &error)),
            Err(error) => Err(error.into()),
        };
        timing::count_write(begun.elapsed());
        match done {
            Ok(value) => Ok(value),
            Err(Trouble::Refused(error)) => Err(error),
            Err(Trouble::Store(error)) => {
                self.poisoned = Some(error.to_string());
                Err(explain("written", &error))
            }
            Err(Trouble::File(path, error)) => Err(trouble::file("written", &path, &error)),
        }
    }
}
