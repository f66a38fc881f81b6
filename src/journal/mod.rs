//! Where records are kept: the `Journal` trait and its stores. A record counts only once it is durable. It knows leases,
//! locks and requests, and never what a record means beyond that a run has ended or waits.

mod audit;
mod boot;
mod callers;
mod chain;
mod checkpoint;
mod error;
mod halt;
mod hooks;
mod incidents;
mod lease;
mod limit;
mod memory;
mod outbox;
mod projection;
mod row;
mod served;
mod signing;
mod sqlite;
#[cfg(test)]
mod tests;
mod timing;

pub use audit::{Verification, verify_stored};
pub use boot::boot_id;
pub use callers::{AskedKey, ClaimedKey, KEPT_SECONDS, Keys, NewToken, TokenRow, Tokens};
pub use chain::Stored;
pub use checkpoint::Checkpoint;
pub use error::{Away, JournalError};
pub use halt::{Halt, Lifted};
pub use hooks::{Accepted, AlertsOf, Claimed, DeliveryRow, Firing, Hooks, MOST_KEPT, MOST_PENDING, RETRY_SECONDS};
pub use incidents::{IncidentRow, Incidents, Kept, new_incident_id};
pub use lease::{Handover, Lease, LeaseInfo};
pub use limit::{Earlier, OverLimit, RUN_LIMIT, RunLimit};
pub use memory::{Failure, MemoryJournal};
pub use outbox::{
    Claim, Cursor, Delivered, Known, Logged, LoggedKind, News, Outbox, Pace, Standing, Subject, Turn, Undelivered,
    Untold,
};
pub use row::{LockRow, RequestRow, RunRow};
pub use served::{
    HeldLock, Method, Needs, Refused, ServedJournal, Server, asking, escaped, lease_json, read as read_answer,
    request_json, run_json, stored_json,
};
pub use signing::{Key, PublicKey};
pub use sqlite::SqliteJournal;
pub use timing::{WRITE_BOUNDS, WriteTimes, write_times};

use crate::ids::RunId;
use crate::plan::Plan;
use crate::run::{Event, Holder, LeaseReason, Record, RequestKind, Time};

/// A store of runs.
///
/// Every write is conditional on the lease's epoch and durable when the call returns. Calls block for as long as the disk
/// takes.
pub trait Journal: Send {
    /// Begins a run: takes its locks and its lease and writes its first records, all or nothing.
    ///
    /// # Errors
    /// `Locked` when another run holds one of the locks, `Halted` while a halt is in force.
    fn begin(
        &mut self,
        run: &RunId,
        started: Event,
        holder: &Holder,
        actor: &str,
        at: Time,
    ) -> Result<(Lease, Vec<Record>), JournalError> {
        self.begin_within(run, started, holder, actor, at, &[])
    }

    /// The same where only so many runs may begin: they are counted in this very write.
    ///
    /// # Errors
    /// As `begin`; `OverLimit` when as many have begun as may.
    fn begin_within(
        &mut self,
        run: &RunId,
        started: Event,
        holder: &Holder,
        actor: &str,
        at: Time,
        limits: &[RunLimit],
    ) -> Result<(Lease, Vec<Record>), JournalError>;

    /// The runs that began since then.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn earlier(&mut self, since: Time) -> Result<Vec<Earlier>, JournalError>;

    /// The runs that were begun over what this one has left undone; it began at that time.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn retried(&mut self, run: &RunId, began: Time) -> Result<Vec<RunId>, JournalError> {
        let later = self.earlier(began)?;
        Ok(later.into_iter().filter(|row| row.over.as_ref() == Some(run)).map(|row| row.run).collect())
    }

    /// Whether a run with this start would be over a limit now: a look ahead, as `begin_within` is what counts.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn over_limit(&mut self, limits: &[RunLimit], plan: &Plan, at: Time) -> Result<Option<OverLimit>, JournalError> {
        let Some(since) = limit::since(limits, at) else { return Ok(None) };
        Ok(limit::over(limits, plan, &plan.locks, &self.earlier(since)?, at))
    }

    /// Begins a run in the place of another one: in one transaction that one ends and loses its lease, its locks are freed
    /// and taken again by the new run, with those that it wants besides. Nobody can come between, and after a crash it is
    /// either the old run that holds them or the new one.
    ///
    /// # Errors
    /// `LeaseLost` or `WentOn` when the other run is no longer as it was seen; `Locked` when a third run holds a lock;
    /// `OverLimit` as for any other run. Then nothing was written.
    fn begin_over(
        &mut self,
        run: &RunId,
        started: Event,
        over: &Handover,
        holder: &Holder,
        actor: &str,
        at: Time,
    ) -> Result<(Lease, Vec<Record>), JournalError>;

    /// Appends records under a lease. In the same transaction: the requests named in `answers` are marked as taken, and
    /// the locks are released when a `RunEnded` is among the events.
    ///
    /// # Errors
    /// `LeaseLost` when another process has taken the run, `Halted` when an attempt would begin while a halt is in force;
    /// then nothing of it was written.
    fn append(
        &mut self,
        lease: &Lease,
        actor: &str,
        at: Time,
        events: Vec<Event>,
        answers: &[i64],
    ) -> Result<Vec<Record>, JournalError>;

    /// The same for what a step came to, where the next write follows at once: it may be brought to the disk together with
    /// that. Whoever calls this sees to it that nothing is waited for, and nothing is sent that could change anything, before
    /// the next write or `flush`.
    /// A process that is killed in between leaves the run as if it had been killed before the call.
    ///
    /// # Errors
    /// As `append`.
    fn append_with_next(
        &mut self,
        lease: &Lease,
        actor: &str,
        at: Time,
        event: Event,
    ) -> Result<Appended, JournalError> {
        self.append(lease, actor, at, vec![event], &[]).map(Appended::Durable)
    }

    /// Brings to the disk what waits for the next write.
    ///
    /// # Errors
    /// As `append`.
    fn flush(&mut self) -> Result<(), JournalError> {
        Ok(())
    }

    /// Holds on to a lease for another while. Its clock is the boot clock.
    ///
    /// # Errors
    /// `LeaseLost` when another process has taken the run.
    fn renew(&mut self, lease: &Lease) -> Result<(), JournalError>;

    /// Whether the lease is still held: the last look before anything is sent.
    ///
    /// # Errors
    /// `LeaseLost` when it is not.
    fn check(&mut self, lease: &Lease) -> Result<(), JournalError>;

    /// Gives a lease back. The run's locks stay until it has ended.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn release(&mut self, lease: &Lease) -> Result<(), JournalError>;

    /// Takes the lease of a run whose holder is gone, if its epoch is still `expected`, and writes a `LeaseTaken` record
    /// under the next epoch. It verifies the run first: nobody goes on from records that were changed.
    ///
    /// # Errors
    /// `LeaseLost` when somebody else was faster; `Corrupt` when the records do not fit.
    fn take(
        &mut self,
        run: &RunId,
        expected: u64,
        holder: &Holder,
        reason: LeaseReason,
        actor: &str,
        at: Time,
    ) -> Result<(Lease, Vec<Record>), JournalError>;

    /// Who holds or last held a run.
    ///
    /// # Errors
    /// `NoSuchRun`.
    fn lease(&mut self, run: &RunId) -> Result<LeaseInfo, JournalError>;

    /// The records of a run after a sequence number, in order.
    ///
    /// # Errors
    /// `NoSuchRun`, or `Corrupt` when one cannot be read.
    fn records(&mut self, run: &RunId, after: u64) -> Result<Vec<Record>, JournalError>;

    /// The records of a run just as they are stored, for whoever verifies them elsewhere.
    ///
    /// # Errors
    /// `NoSuchRun`, or `Corrupt` when one cannot even be read as text.
    fn stored(&mut self, run: &RunId) -> Result<Vec<Stored>, JournalError>;

    /// So many of them after a sequence number, at most: what a thousand hosts printed is never all in memory.
    ///
    /// # Errors
    /// As `stored`.
    fn stored_after(&mut self, run: &RunId, after: u64, most: usize) -> Result<Vec<Stored>, JournalError> {
        Ok(self.stored(run)?.into_iter().filter(|stored| stored.seq > after).take(most).collect())
    }

    /// All runs, newest first. One whose row cannot be read is there and says so: it must not stop the others.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn runs(&mut self) -> Result<Vec<RunRow>, JournalError>;

    /// All locks that are held.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn locks(&mut self) -> Result<Vec<LockRow>, JournalError>;

    /// Asks the holder of a run for something, durably.
    ///
    /// # Errors
    /// `NoSuchRun`.
    fn ask(
        &mut self,
        run: &RunId,
        request: &RequestKind,
        by: &str,
        reason: &str,
        at: Time,
    ) -> Result<i64, JournalError>;

    /// The requests of a run that nobody has taken yet, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn requests(&mut self, run: &RunId) -> Result<Vec<RequestRow>, JournalError>;

    /// Halts everything on this state: once it returns, no intent is written any more, and no run begins. The halt that is
    /// in force then: an earlier one, where there was one already.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn halt(&mut self, by: &str, reason: &str, at: Time) -> Result<Halt, JournalError>;

    /// Ends the halt that is in force, and says which that was; nothing where there is none.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn lift(&mut self, by: &str, reason: &str, at: Time) -> Result<Option<Halt>, JournalError>;

    /// The newest halt, in force or lifted. Asked several times a second.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn newest_halt(&mut self) -> Result<Option<Halt>, JournalError>;

    /// The halt that is in force.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn halted(&mut self) -> Result<Option<Halt>, JournalError> {
        Ok(self.newest_halt()?.filter(|halt| halt.lifted.is_none()))
    }

    /// How the alerts stand that began a run; nothing where no alert did.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn alerts_of(&mut self, _run: &RunId) -> Result<Option<AlertsOf>, JournalError> {
        Ok(None)
    }

    /// Recomputes a run's hash chain from what is stored.
    ///
    /// # Errors
    /// `NoSuchRun`, or when the store cannot be read. A broken chain is a result, not an error.
    fn verify(&mut self, run: &RunId) -> Result<Verification, JournalError>;

    /// The same, handing on each record as it is read, in order: who goes on from a run's records reads them once for both.
    /// What was handed on counts only if all of it fits in the end; behind the first record that does not, none is.
    ///
    /// # Errors
    /// As `verify`.
    fn go_over(&mut self, run: &RunId, take: &mut dyn FnMut(Record)) -> Result<Verification, JournalError> {
        let verification = self.verify(run)?;
        if verification.broken.is_none() {
            self.records(run, 0)?.into_iter().for_each(take);
        }
        Ok(verification)
    }
}

/// All that is kept of a state, whoever owns it: a file here, or a server.
pub trait Store: Kept + Outbox + Tokens {}

impl<T: Kept + Outbox + Tokens> Store for T {}

/// Records, and whether they are on the disk.
#[derive(Debug, Clone, PartialEq)]
pub enum Appended {
    /// They are.
    Durable(Vec<Record>),
    /// They reach it with the next write.
    WithNext(Vec<Record>),
}
