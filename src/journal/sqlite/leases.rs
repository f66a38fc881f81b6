//! The lease of a run on disk: held on to, given back, taken, looked at. It changes hands only in the transaction that has
//! looked at its number; what the one who lost it has in hand is never written any more.

use rusqlite::{Row, params};

use super::super::chain::{self, Writer};
use super::super::{JournalError, Lease, LeaseInfo, boot};
use super::SqliteJournal;
use super::open::{self, Promise};
use super::reading::exists;
use super::rows;
use super::trouble::explain;
use crate::ids::RunId;
use crate::run::{Holder, LeaseReason, Record, Time};

impl SqliteJournal {
    /// Holds on to a lease for another while; `false` where it is not held any more.
    pub(super) fn renew_lease(&mut self, lease: &Lease) -> Result<bool, JournalError> {
        self.writable()?;
        let connection = match &self.renewals {
            Some(connection) => connection,
            None => self.renewals.insert(open::writing(&self.path, Promise::Seen)?),
        };
        let renewed = connection
            .prepare_cached("UPDATE leases SET renewed = ?3, boot = ?4 WHERE run = ?1 AND epoch = ?2 AND released = 0")
            .and_then(|mut statement| {
                let now = rows::milliseconds(boot::since_boot());
                statement.execute(params![lease.run.as_str(), rows::signed(lease.epoch), now, self.boot])
            })
            .map_err(|error| explain("written", &error))?;
        Ok(renewed > 0)
    }

    /// Gives a lease back, behind all that is known of its run.
    pub(super) fn give_back(&mut self, lease: &Lease) -> Result<(), JournalError> {
        self.settle_postponed()?;
        self.write(|transaction| {
            rows::epoch(transaction, &lease.run)?;
            // What is not ours any more need not be given back.
            transaction
                .prepare_cached("UPDATE leases SET released = 1 WHERE run = ?1 AND epoch = ?2")?
                .execute(params![lease.run.as_str(), rows::signed(lease.epoch)])?;
            Ok(())
        })
    }

    /// Takes the lease of a run that was verified, if nobody else has taken it since it was looked at.
    pub(super) fn take_lease(
        &mut self,
        run: &RunId,
        expected: u64,
        holder: &Holder,
        reason: LeaseReason,
        actor: &str,
        at: Time,
    ) -> Result<(Lease, Vec<Record>), JournalError> {
        // A run that is under way goes on with what is there: to refuse it helps nobody. This also brings the log into the
        // file, and with it what a write that failed before may have left in memory alone.
        let _ = self.set_aside(0, 0);
        let boot = self.boot.clone();
        self.write(|transaction| {
            let (held, _) = rows::epoch(transaction, run)?;
            if held != expected {
                return Err(JournalError::LeaseLost { run: run.clone(), ours: expected, held }.into());
            }
            let lease = Lease { run: run.clone(), epoch: expected + 1 };
            let before = rows::standing(transaction, run)?;
            let writer = Writer { run, epoch: lease.epoch, actor, at };
            let batch = chain::extend(writer, &before, vec![chain::taken(holder, reason)])?;
            rows::add(transaction, run, &batch)?;
            rows::put_lease(transaction, &lease, holder, &boot)?;
            Ok((lease, batch.records))
        })
    }

    /// Who holds or last held a run.
    pub(super) fn newest_lease(&self, run: &RunId) -> Result<LeaseInfo, JournalError> {
        let now = boot::since_boot();
        let read = |row: &Row<'_>| rows::lease(row, now, &self.boot);
        let what = format!("the lease of run {run}");
        match self.list("SELECT * FROM leases WHERE run = ?1", &what, read, [run.as_str()])?.pop() {
            Some(found) => Ok(found),
            None if exists(&self.connection, run).map_err(|error| explain("read", &error))? => {
                Err(rows::damaged(&what, "it is missing"))
            }
            None => Err(JournalError::NoSuchRun(run.clone())),
        }
    }
}
