//! The one transaction in which a run begins: with its locks and its lease, and, where it takes the place of another run, with
//! the end of that one. Either all of it is on the disk, or nothing; it must never leave a lock between two runs.

use rusqlite::{OptionalExtension as _, Transaction, params};

use super::super::chain::{self, Writer};
use super::super::{Handover, JournalError, Lease, RunLimit, limit};
use super::trouble::Trouble;
use super::{SqliteJournal, exists, halts, room, rows};
use crate::ids::{Resource, RunId};
use crate::run::{Event, Holder, Record, Time};

/// Who begins a run, and when.
#[derive(Clone, Copy)]
pub(super) struct Beginner<'a> {
    pub holder: &'a Holder,
    pub actor: &'a str,
    pub at: Time,
    pub limits: &'a [RunLimit],
}

impl SqliteJournal {
    /// Begins a run, in the place of another one where that is said.
    pub(super) fn begin_run(
        &mut self,
        run: &RunId,
        started: Event,
        over: Option<&Handover>,
        by: Beginner<'_>,
    ) -> Result<(Lease, Vec<Record>), JournalError> {
        if let Event::RunStarted { plan, .. } = &started {
            let inherited = over.map(|over| rows::to_json(&over.inherited)).transpose()?.map_or(0, |text| text.len());
            let length = rows::to_json(&started)?.len() + inherited;
            self.set_aside(room::pages(plan, length).all, length as u64)?;
        }
        let boot = self.boot.clone();
        self.write(|transaction| {
            if exists(transaction, run)? {
                return Err(chain::refused(run, "there is a run with this id already").into());
            }
            if let Some(halt) = halts::in_force(transaction)? {
                return Err(JournalError::Halted(halt).into());
            }
            if let Some(since) = limit::since(by.limits, by.at) {
                limit::check(by.limits, &started, &rows::earlier(transaction, since)?, by.at)?;
            }
            if let Some(over) = over {
                give_up(transaction, over, by, &boot)?;
            }
            let writer = Writer { run, epoch: 1, actor: by.actor, at: by.at };
            let more = over.map(|over| over.inherited.clone()).into_iter().collect();
            let (batch, locks) = chain::begin(writer, started, more, by.holder)?;
            rows::add(transaction, run, &batch)?;
            for lock in &locks {
                take_lock(transaction, run, lock, by.at)?;
            }
            let lease = Lease { run: run.clone(), epoch: 1 };
            rows::put_lease(transaction, &lease, by.holder, &boot)?;
            Ok((lease, batch.records))
        })
    }
}

/// Ends the run whose place is taken: its lease goes over and is given back, its locks are free.
fn give_up(transaction: &Transaction<'_>, over: &Handover, by: Beginner<'_>, boot: &str) -> Result<(), Trouble> {
    let from = &over.from;
    let (held, _) = rows::epoch(transaction, from)?;
    if held != over.expected {
        return Err(JournalError::LeaseLost { run: from.clone(), ours: over.expected, held }.into());
    }
    let batch = chain::give_up(&rows::standing(transaction, from)?, over, by.holder, by.actor, by.at)?;
    rows::add(transaction, from, &batch)?;
    let lease = Lease { run: from.clone(), epoch: over.expected + 1 };
    rows::put_lease(transaction, &lease, by.holder, boot)?;
    transaction.prepare_cached("UPDATE leases SET released = 1 WHERE run = ?1")?.execute([from.as_str()])?;
    transaction.prepare_cached("DELETE FROM locks WHERE run = ?1")?.execute([from.as_str()])?;
    Ok(())
}

fn take_lock(transaction: &Transaction<'_>, run: &RunId, lock: &Resource, at: Time) -> Result<(), Trouble> {
    let holder = transaction
        .prepare_cached("SELECT locks.*, playbook, incident FROM locks LEFT JOIN runs USING (run) WHERE resource = ?1")?
        .query_row([lock.as_str()], |row| Ok(rows::lock(row)))
        .optional()?;
    if let Some(holder) = holder {
        let holder = holder.map_err(|wrong| rows::damaged(&format!("the lock {lock}"), &wrong))?;
        return Err(JournalError::Locked(holder).into());
    }
    transaction.prepare_cached("INSERT INTO locks (resource, run, since) VALUES (?1, ?2, ?3)")?.execute(params![
        lock.as_str(),
        run.as_str(),
        at.0
    ])?;
    Ok(())
}
