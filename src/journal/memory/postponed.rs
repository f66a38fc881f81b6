//! An outcome that waits for the write behind it, as in the journal on disk: simulations are to meet what comes of that. What
//! waits is in the view alone and is gone with it. It must never be lost by a write that is refused, nor be written behind
//! anything that it does not follow on.

use super::content::Content;
use super::{MemoryJournal, Run};
use crate::journal::chain::{self, Batch, Head, Writer};
use crate::journal::projection::Projection;
use crate::journal::{Appended, Journal as _, JournalError, Lease, halt};
use crate::run::{Event, Record, Time};

/// What waits for the next write.
#[derive(Debug)]
pub(super) struct Postponed {
    lease: Lease,
    /// What it follows on.
    behind: Head,
    batch: Batch,
}

impl Postponed {
    /// How the run stands after it.
    fn after(&self, run: &Run) -> Result<Projection, JournalError> {
        if run.projection.head == self.behind {
            return Ok(self.batch.projection.clone());
        }
        let cause = format!("somebody else has written to run {}, while it was held here", self.lease.run);
        Err(JournalError::Store { doing: "written", cause })
    }
}

impl MemoryJournal {
    /// Lets an outcome wait for the write behind it from now on, in this view and in those that are made of it.
    pub fn postpone_outcomes(&mut self, postpones: bool) {
        self.postpones = postpones;
    }

    /// One write behind what waits.
    pub(super) fn write<T>(
        &mut self,
        work: impl FnOnce(&mut Content) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        self.write_postponed()?;
        self.transact(work)
    }

    /// One that writes what waits as well. Where the rest is refused, that alone is written.
    pub(super) fn write_behind<T>(
        &mut self,
        work: impl FnOnce(&mut Content, Option<&Postponed>) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let postponed = self.postponed.take();
        let written = self.transact(|content| work(content, postponed.as_ref()));
        if written.is_err() && postponed.is_some() {
            self.postponed = postponed;
            if !self.dead {
                self.write_postponed()?;
            }
        }
        written
    }

    /// Makes a record that waits for the next write, where that is wanted.
    pub(super) fn postpone(
        &mut self,
        lease: &Lease,
        actor: &str,
        at: Time,
        event: Event,
    ) -> Result<Appended, JournalError> {
        if !self.postpones {
            return self.append(lease, actor, at, vec![event], &[]).map(Appended::Durable);
        }
        self.write_postponed()?;
        let (behind, batch) = self.read(|content| {
            let run = content.held(lease)?;
            let writer = Writer { run: &lease.run, epoch: lease.epoch, actor, at };
            Ok((run.projection.head.clone(), chain::extend(writer, &run.projection, vec![event])?))
        })?;
        let records = batch.records.clone();
        self.postponed = Some(Postponed { lease: lease.clone(), behind, batch });
        Ok(Appended::WithNext(records))
    }

    /// Writes what waits.
    pub(super) fn write_postponed(&mut self) -> Result<(), JournalError> {
        let Some(postponed) = self.postponed.take() else { return Ok(()) };
        let written = self.transact(|content| {
            let run = content.held(&postponed.lease)?;
            postponed.after(run)?;
            run.add(postponed.batch.clone());
            Ok(())
        });
        if written.is_err() {
            self.postponed = Some(postponed);
        }
        written
    }

    /// Writes what waits, or gives it up where the run is not ours any more.
    pub(super) fn settle_postponed(&mut self) -> Result<(), JournalError> {
        match self.write_postponed() {
            Err(JournalError::LeaseLost { .. }) => {
                self.postponed = None;
                Ok(())
            }
            other => other,
        }
    }
}

impl Content {
    /// Appends records behind what waits, or changes nothing.
    pub(super) fn append(
        &mut self,
        writer: Writer<'_>,
        lease: &Lease,
        events: Vec<Event>,
        answers: &[i64],
        postponed: Option<&Postponed>,
    ) -> Result<Vec<Record>, JournalError> {
        let halt = self.halted().cloned();
        let run = self.held(lease)?;
        let before = match postponed {
            Some(postponed) => postponed.after(run)?,
            None => run.projection.clone(),
        };
        if let Some(halt) = &halt {
            halt::allows(halt, &before, &events)?;
        }
        let batch = chain::extend(writer, &before, events)?;
        let ended = batch.projection.verdict.is_some();
        if let Some(postponed) = postponed {
            run.add(postponed.batch.clone());
        }
        let records = run.add(batch);
        if ended {
            self.locks.retain(|_, (holder, _)| *holder != lease.run);
        }
        for (request, run, taken) in &mut self.requests {
            *taken |= *run == lease.run && answers.contains(&request.id);
        }
        Ok(records)
    }
}
