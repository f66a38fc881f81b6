//! A journal in memory, for simulations and tests. It keeps the contract of the real one, can fail at a chosen write like a
//! dying disk, and has a clock that moves only when told, so that everything in it is repeatable. It must never be what a
//! real run is written to.

mod begin;
mod content;
mod incidents;
mod postponed;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::audit::{Audit, Kept, Looked};
use super::chain::{self, Stored, Writer};
use super::{
    Appended, Earlier, Halt, Handover, Journal, JournalError, Lease, LeaseInfo, Lifted, LockRow, RequestRow, RunLimit,
    RunRow, Verification,
};
use crate::ids::RunId;
use crate::run::{Event, Holder, LeaseReason, Record, RequestKind, Time};
use content::{Content, Run};
use postponed::Postponed;

/// A journal in memory. What it holds outlives it as long as another view of it (`reopen`) exists.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    content: Arc<Mutex<Content>>,
    failure: Option<Failure>,
    writes: u64,
    refused: u64,
    dead: bool,
    /// Whether an outcome waits for the write behind it, as in the journal on disk.
    postpones: bool,
    /// What waits; it is gone with this view.
    postponed: Option<Postponed>,
}

/// When writes to a journal in memory fail. Renewals of a lease are not counted, as their number rests on the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// So many writes succeed; the next one is not written. Like a disk, it never comes back for whoever has it open.
    Before(u64),
    /// So many writes succeed and are acknowledged; the next one is written, and its acknowledgement is lost. It never comes
    /// back either.
    Unacknowledged(u64),
    /// So many writes succeed; then so many are refused, as where somebody else has it in hand for too long, and then it
    /// works again.
    Busy(u64, u64),
}

impl MemoryJournal {
    /// An empty journal.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another process' view of the same journal, or the same process' after it was started again: what was written is
    /// there, and it works.
    #[must_use]
    pub fn reopen(&self) -> Self {
        self.view(Arc::clone(&self.content))
    }

    /// A journal of its own with the same content: what is written to the one is not in the other.
    #[must_use]
    pub fn copy(&self) -> Self {
        self.view(Arc::new(Mutex::new(self.content().clone())))
    }

    fn view(&self, content: Arc<Mutex<Content>>) -> Self {
        Self { content, postpones: self.postpones, ..Self::default() }
    }

    /// Lets it die after so many successful writes, counted from when this view was opened.
    pub fn fail_after(&mut self, writes: Option<u64>) {
        self.fail(writes.map(Failure::Before));
    }

    /// Lets it die as told.
    pub fn fail(&mut self, failure: Option<Failure>) {
        self.failure = failure;
    }

    /// How many writes this view has acknowledged.
    pub fn writes(&self) -> u64 {
        self.writes
    }

    /// Lets its clock, by which leases are measured, move on.
    pub fn advance(&mut self, time: Duration) {
        self.content().clock += time;
    }

    /// As if the machine had been booted anew: leases taken before have no idle time any more.
    pub fn reboot(&mut self) {
        let mut content = self.content();
        content.boots += 1;
        content.clock = Duration::ZERO;
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        // A test that panicked while it held the lock has left whole values behind: each write replaces them at its end.
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, work: impl FnOnce(&mut Content) -> Result<T, JournalError>) -> Result<T, JournalError> {
        if self.dead {
            return Err(JournalError::Store { doing: "read", cause: "the simulated disk has failed".to_owned() });
        }
        work(&mut self.content())
    }

    /// One write: `work` must change nothing unless it succeeds.
    fn transact<T>(&mut self, work: impl FnOnce(&mut Content) -> Result<T, JournalError>) -> Result<T, JournalError> {
        let failed = || JournalError::Store { doing: "written", cause: "the simulated disk has failed".to_owned() };
        if self.dead {
            return Err(failed());
        }
        match self.failure {
            Some(Failure::Before(writes)) if self.writes >= writes => {
                self.dead = true;
                Err(failed())
            }
            Some(Failure::Unacknowledged(writes)) if self.writes >= writes => {
                work(&mut self.content())?;
                self.dead = true;
                Err(failed())
            }
            Some(Failure::Busy(writes, times)) if self.writes >= writes && self.refused < times => {
                self.refused += 1;
                Err(JournalError::Store { doing: "written", cause: "somebody else writes for too long".to_owned() })
            }
            _ => {
                let done = work(&mut self.content())?;
                self.writes += 1;
                Ok(done)
            }
        }
    }
}

impl Journal for MemoryJournal {
    fn begin_within(
        &mut self,
        run: &RunId,
        started: Event,
        holder: &Holder,
        actor: &str,
        at: Time,
        limits: &[RunLimit],
    ) -> Result<(Lease, Vec<Record>), JournalError> {
        self.write(|content| {
            if content.runs.contains_key(run) {
                return Err(chain::refused(run, "there is a run with this id already"));
            }
            content.may_begin(&started, limits, at)?;
            let (batch, locks) = chain::begin(Writer { run, epoch: 1, actor, at }, started, Vec::new(), holder)?;
            content.begin(run, batch.clone(), locks, holder, at)?;
            Ok((Lease { run: run.clone(), epoch: 1 }, batch.records))
        })
    }

    fn begin_over(
        &mut self,
        run: &RunId,
        started: Event,
        over: &Handover,
        holder: &Holder,
        actor: &str,
        at: Time,
    ) -> Result<(Lease, Vec<Record>), JournalError> {
        self.verify(&over.from)?.sound(&over.from)?;
        self.write(|content| {
            if content.runs.contains_key(run) {
                return Err(chain::refused(run, "there is a run with this id already"));
            }
            content.may_begin(&started, &over.limits, at)?;
            let writer = Writer { run, epoch: 1, actor, at };
            let (batch, locks) = chain::begin(writer, started, vec![over.inherited.clone()], holder)?;
            let old = content.run(&over.from)?;
            if old.epoch != over.expected {
                let (run, ours, held) = (over.from.clone(), over.expected, old.epoch);
                return Err(JournalError::LeaseLost { run, ours, held });
            }
            let last = chain::give_up(&old.projection, over, holder, actor, at)?;
            // Whatever fails from here on must leave everything as it is.
            let kept = content.locks.clone();
            content.locks.retain(|_, (held_by, _)| *held_by != over.from);
            if let Err(error) = content.begin(run, batch.clone(), locks, holder, at) {
                content.locks = kept;
                return Err(error);
            }
            let old = content.run(&over.from)?;
            old.add(last);
            (old.epoch, old.holder, old.released) = (over.expected + 1, holder.clone(), true);
            Ok((Lease { run: run.clone(), epoch: 1 }, batch.records))
        })
    }

    fn earlier(&mut self, since: Time) -> Result<Vec<Earlier>, JournalError> {
        self.read(|content| Ok(content.earlier(since)))
    }

    fn append(
        &mut self,
        lease: &Lease,
        actor: &str,
        at: Time,
        events: Vec<Event>,
        answers: &[i64],
    ) -> Result<Vec<Record>, JournalError> {
        let writer = Writer { run: &lease.run, epoch: lease.epoch, actor, at };
        self.write_behind(|content, postponed| content.append(writer, lease, events, answers, postponed))
    }

    fn append_with_next(
        &mut self,
        lease: &Lease,
        actor: &str,
        at: Time,
        event: Event,
    ) -> Result<Appended, JournalError> {
        self.postpone(lease, actor, at, event)
    }

    fn flush(&mut self) -> Result<(), JournalError> {
        self.write_postponed()
    }

    fn renew(&mut self, lease: &Lease) -> Result<(), JournalError> {
        self.read(|content| {
            let (clock, boot) = (content.clock, content.boot());
            let run = content.held(lease)?;
            (run.renewed, run.renewed_in) = (clock, boot);
            Ok(())
        })
    }

    fn check(&mut self, lease: &Lease) -> Result<(), JournalError> {
        self.read(|content| content.held(lease).map(|_| ()))
    }

    fn release(&mut self, lease: &Lease) -> Result<(), JournalError> {
        self.settle_postponed()?;
        self.write(|content| match content.held(lease) {
            Ok(run) => {
                run.released = true;
                Ok(())
            }
            // What is not ours any more need not be given back.
            Err(JournalError::LeaseLost { .. }) => Ok(()),
            Err(error) => Err(error),
        })
    }

    fn take(
        &mut self,
        run: &RunId,
        expected: u64,
        holder: &Holder,
        reason: LeaseReason,
        actor: &str,
        at: Time,
    ) -> Result<(Lease, Vec<Record>), JournalError> {
        self.verify(run)?.sound(run)?;
        self.write(|content| {
            let (clock, boot) = (content.clock, content.boot());
            let held = content.run(run)?;
            if held.epoch != expected {
                return Err(JournalError::LeaseLost { run: run.clone(), ours: expected, held: held.epoch });
            }
            let epoch = expected + 1;
            let writer = Writer { run, epoch, actor, at };
            let batch = chain::extend(writer, &held.projection, vec![chain::taken(holder, reason)])?;
            let records = held.add(batch);
            (held.epoch, held.holder, held.released) = (epoch, holder.clone(), false);
            (held.renewed, held.renewed_in) = (clock, boot);
            Ok((Lease { run: run.clone(), epoch }, records))
        })
    }

    fn lease(&mut self, run: &RunId) -> Result<LeaseInfo, JournalError> {
        self.read(|content| {
            content.run(run)?;
            content
                .runs
                .get(run)
                .map(|held| content.lease_info(held))
                .ok_or_else(|| JournalError::NoSuchRun(run.clone()))
        })
    }

    fn records(&mut self, run: &RunId, after: u64) -> Result<Vec<Record>, JournalError> {
        self.read(|content| {
            let records = content.run(run)?.read.iter().filter(|record| record.seq > after);
            Ok(records.cloned().collect())
        })
    }

    fn stored(&mut self, run: &RunId) -> Result<Vec<Stored>, JournalError> {
        self.read(|content| Ok(content.run(run)?.records.clone()))
    }

    fn runs(&mut self) -> Result<Vec<RunRow>, JournalError> {
        self.read(|content| {
            let row = |(id, run): (&RunId, &Run)| run.projection.row(id.clone(), content.lease_info(run));
            let mut rows: Vec<RunRow> = content.runs.iter().map(row).collect();
            rows.sort_by(|a, b| (b.started, &b.run).cmp(&(a.started, &a.run)));
            Ok(rows)
        })
    }

    fn locks(&mut self) -> Result<Vec<LockRow>, JournalError> {
        self.read(|content| {
            Ok(content.locks.iter().map(|(lock, (run, since))| content.lock_row(lock, run, *since)).collect())
        })
    }

    fn ask(
        &mut self,
        run: &RunId,
        request: &RequestKind,
        by: &str,
        reason: &str,
        at: Time,
    ) -> Result<i64, JournalError> {
        self.write(|content| {
            content.run(run)?;
            let id = i64::try_from(content.requests.len()).unwrap_or(i64::MAX).saturating_add(1);
            let (request, by, reason) = (request.clone(), by.to_owned(), reason.to_owned());
            content.requests.push((RequestRow { id, request, by, reason, at }, run.clone(), false));
            Ok(id)
        })
    }

    fn requests(&mut self, run: &RunId) -> Result<Vec<RequestRow>, JournalError> {
        self.read(|content| {
            let open = content.requests.iter().filter(|(_, of, taken)| of == run && !taken);
            Ok(open.map(|(request, ..)| request.clone()).collect())
        })
    }

    fn halt(&mut self, by: &str, reason: &str, at: Time) -> Result<Halt, JournalError> {
        self.write(|content| {
            if let Some(halt) = content.halted() {
                return Ok(halt.clone());
            }
            let number = i64::try_from(content.halts.len()).unwrap_or(i64::MAX).saturating_add(1);
            let halt = Halt { number, by: by.to_owned(), reason: reason.to_owned(), since: at, lifted: None };
            content.halts.push(halt.clone());
            Ok(halt)
        })
    }

    fn lift(&mut self, by: &str, reason: &str, at: Time) -> Result<Option<Halt>, JournalError> {
        self.write(|content| {
            let Some(halt) = content.halts.last_mut().filter(|halt| halt.lifted.is_none()) else { return Ok(None) };
            halt.lifted = Some(Lifted { by: by.to_owned(), reason: reason.to_owned(), at });
            Ok(Some(halt.clone()))
        })
    }

    fn newest_halt(&mut self) -> Result<Option<Halt>, JournalError> {
        self.read(|content| Ok(content.halts.last().cloned()))
    }

    fn verify(&mut self, run: &RunId) -> Result<Verification, JournalError> {
        self.read(|content| {
            let held = content.run(run)?;
            let mut audit = Audit::new(run);
            for stored in &held.records {
                audit.record(i64::try_from(stored.seq).unwrap_or(i64::MAX), Ok(Looked::at(run, stored.clone())));
            }
            let (projection, lease) = (Ok(held.projection.clone()), Ok((held.epoch, held.holder.clone())));
            let ours = content.locks.iter().filter(|(_, (holder, _))| holder == run);
            Ok(audit.finish(Kept { projection, lease, locks: ours.map(|(lock, _)| lock.to_string()).collect() }))
        })
    }
}
