//! The journal on disk: one SQLite file in the state folder, with a write-ahead log, every commit synchronous. A call that
//! returns has been written. After a failed write this handle writes no more, as nobody knows what the disk still holds;
//! opening the journal anew shows it. It must never write outside a transaction that has looked at the lease first.

mod begin;
mod callers;
mod halts;
mod hooks;
mod incidents;
mod leases;
mod network;
mod open;
mod outbox;
mod queue;
mod reading;
mod room;
mod rows;
mod trouble;
mod verified;
mod verify;
mod writing;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use super::chain::{self, Stored, Writer};
use super::{
    AlertsOf, Appended, Earlier, Halt, Handover, Journal, JournalError, Lease, LeaseInfo, Lifted, LockRow, RequestRow,
    RunLimit, RunRow, Verification,
};
use super::{boot, halt};
use crate::ids::RunId;
use crate::run::{Event, Holder, LeaseReason, Record, RequestKind, Time};
use begin::Beginner;
use open::Promise;
use reading::exists;
use trouble::Trouble;
use verified::Verified;
use writing::{Postponed, Standing};

/// The journal in a state folder.
#[derive(Debug)]
pub struct SqliteJournal {
    pub(super) connection: Connection,
    /// Renewals go over a connection of their own, which does not wait for the disk: a lease that a power cut takes back
    /// was held by a process that the power cut has ended too.
    pub(super) renewals: Option<Connection>,
    path: PathBuf,
    read_only: bool,
    /// Why nothing more is written.
    poisoned: Option<String>,
    /// The run which had no open requests, and the state of the file in which that was seen.
    quiet: Option<(RunId, i64)>,
    /// The newest halt, and the state of the file in which that was seen.
    seen_halt: Option<(Option<Halt>, i64)>,
    /// What was verified last.
    verified: Option<Verified>,
    /// How the run stands that was written to last.
    standing: Option<Standing>,
    /// What waits for the next write.
    postponed: Option<Postponed>,
    /// What the runs need whose first records were read: those never change, and may be megabytes.
    needs: BTreeMap<RunId, room::Need>,
    boot: String,
}

impl SqliteJournal {
    /// Opens the journal in a state folder, and makes folder and journal where they are missing.
    ///
    /// # Errors
    /// `Unsuitable` on a network file system, for the file of a newer version, and for a file that is not ours; `Corrupt`
    /// and `Store` where it cannot be used.
    pub fn open(folder: &Path) -> Result<Self, JournalError> {
        Self::open_file(&folder.join(open::FILE))
    }

    /// The same for a file that lies elsewhere or has another name.
    ///
    /// # Errors
    /// As `open`.
    pub fn open_file(path: &Path) -> Result<Self, JournalError> {
        let connection = open::prepare(path)?;
        room::go(&connection);
        open::promise(&connection, Promise::Durable)?;
        Ok(Self::over(connection, path.to_path_buf(), false))
    }

    /// The file of a journal in a folder.
    pub fn file_in(folder: &Path) -> PathBuf {
        folder.join(open::FILE)
    }

    /// Opens the journal in a state folder for looking at it, also while others write; nothing where there is none. It
    /// makes no folder and no journal, and refuses to write.
    ///
    /// # Errors
    /// As `open`.
    pub fn open_read_only(folder: &Path) -> Result<Option<Self>, JournalError> {
        let path = folder.join(open::FILE);
        Ok(open::reading(&path)?.map(|connection| Self::over(connection, path, true)))
    }

    /// Where the journal lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn over(connection: Connection, path: PathBuf, read_only: bool) -> Self {
        Self {
            connection,
            renewals: None,
            path,
            read_only,
            poisoned: None,
            quiet: None,
            seen_halt: None,
            verified: None,
            standing: None,
            postponed: None,
            needs: BTreeMap::new(),
            boot: boot::boot_id(),
        }
    }
}

#[cfg(test)]
pub(super) use queue::DUE as UNTOLD;
#[cfg(test)]
pub(super) use rows::READ;

/// How many pages a run of a plan is reckoned to need.
#[cfg(test)]
pub(super) fn pages_for(plan: &crate::plan::Plan) -> u64 {
    room::pages(plan, 0).all
}

impl Drop for SqliteJournal {
    fn drop(&mut self) {
        let connections = || std::iter::once(&self.connection).chain(&self.renewals);
        match self.poisoned {
            None => connections().for_each(room::keep),
            // Nothing more is written, not even by closing.
            Some(_) => connections().for_each(room::stay),
        }
    }
}

impl Journal for SqliteJournal {
    fn begin_within(
        &mut self,
        run: &RunId,
        started: Event,
        holder: &Holder,
        actor: &str,
        at: Time,
        limits: &[RunLimit],
    ) -> Result<(Lease, Vec<Record>), JournalError> {
        self.begin_run(run, started, None, Beginner { holder, actor, at, limits })
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
        self.begin_run(run, started, Some(over), Beginner { holder, actor, at, limits: &over.limits })
    }

    fn earlier(&mut self, since: Time) -> Result<Vec<Earlier>, JournalError> {
        rows::earlier(&self.connection, since).map_err(Trouble::read)
    }

    fn append(
        &mut self,
        lease: &Lease,
        actor: &str,
        at: Time,
        mut events: Vec<Event>,
        answers: &[i64],
    ) -> Result<Vec<Record>, JournalError> {
        let run = &lease.run;
        if room::is_large(&events) {
            self.write_postponed()?;
        }
        self.make_fit(&mut events);
        let batch = self.write_behind(|transaction, postponed| {
            rows::held(transaction, lease)?;
            let before = match postponed {
                Some(postponed) => postponed.add(transaction)?,
                None => rows::standing(transaction, run)?,
            };
            if let Some(halt) = halts::in_force(transaction)? {
                halt::allows(&halt, &before, &events)?;
            }
            let batch = chain::extend(Writer { run, epoch: lease.epoch, actor, at }, &before, events)?;
            rows::add(transaction, run, &batch)?;
            for request in answers {
                transaction
                    .prepare_cached("UPDATE requests SET taken = 1 WHERE id = ?1 AND run = ?2")?
                    .execute(params![request, run.as_str()])?;
            }
            if batch.projection.verdict.is_some() {
                transaction.prepare_cached("DELETE FROM locks WHERE run = ?1")?.execute([run.as_str()])?;
            }
            Ok(batch)
        })?;
        self.standing = Some(Standing { run: run.clone(), epoch: lease.epoch, projection: batch.projection });
        Ok(batch.records)
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
        if self.renew_lease(lease)? { Ok(()) } else { self.check(lease) }
    }

    fn check(&mut self, lease: &Lease) -> Result<(), JournalError> {
        // After a failed write nothing more is sent either.
        self.writable()?;
        rows::held(&self.connection, lease).map_err(Trouble::read)
    }

    fn release(&mut self, lease: &Lease) -> Result<(), JournalError> {
        self.give_back(lease)
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
        self.take_lease(run, expected, holder, reason, actor, at)
    }

    fn lease(&mut self, run: &RunId) -> Result<LeaseInfo, JournalError> {
        self.newest_lease(run)
    }

    fn records(&mut self, run: &RunId, after: u64) -> Result<Vec<Record>, JournalError> {
        self.some_stored(run, after, usize::MAX)?.into_iter().map(|stored| stored.read(run)).collect()
    }

    fn stored(&mut self, run: &RunId) -> Result<Vec<Stored>, JournalError> {
        self.some_stored(run, 0, usize::MAX)
    }

    fn stored_after(&mut self, run: &RunId, after: u64, most: usize) -> Result<Vec<Stored>, JournalError> {
        self.some_stored(run, after, most)
    }

    fn runs(&mut self) -> Result<Vec<RunRow>, JournalError> {
        self.all_runs()
    }

    fn locks(&mut self) -> Result<Vec<LockRow>, JournalError> {
        let query = "SELECT locks.*, playbook, incident FROM locks LEFT JOIN runs USING (run) ORDER BY resource";
        self.list(query, "the list of locks", rows::lock, [])
    }

    fn ask(
        &mut self,
        run: &RunId,
        request: &RequestKind,
        by: &str,
        reason: &str,
        at: Time,
    ) -> Result<i64, JournalError> {
        self.quiet = None;
        let request = rows::to_json(request)?;
        self.write(|transaction| {
            if !exists(transaction, run)? {
                return Err(JournalError::NoSuchRun(run.clone()).into());
            }
            transaction
                .prepare_cached("INSERT INTO requests (run, request, by, reason, at) VALUES (?1, ?2, ?3, ?4, ?5)")?
                .execute(params![run.as_str(), request, by, reason, at.0])?;
            Ok(transaction.last_insert_rowid())
        })
    }

    fn requests(&mut self, run: &RunId) -> Result<Vec<RequestRow>, JournalError> {
        self.open_requests(run)
    }

    fn halt(&mut self, by: &str, reason: &str, at: Time) -> Result<Halt, JournalError> {
        self.seen_halt = None;
        self.write(|transaction| match halts::in_force(transaction)? {
            Some(halt) => Ok(halt),
            None => halts::add(transaction, by, reason, at),
        })
    }

    fn lift(&mut self, by: &str, reason: &str, at: Time) -> Result<Option<Halt>, JournalError> {
        self.seen_halt = None;
        self.write(|transaction| {
            let Some(halt) = halts::in_force(transaction)? else { return Ok(None) };
            let lifted = Lifted { by: by.to_owned(), reason: reason.to_owned(), at };
            halts::lift(transaction, halt.number, &lifted)?;
            Ok(Some(Halt { lifted: Some(lifted), ..halt }))
        })
    }

    fn newest_halt(&mut self) -> Result<Option<Halt>, JournalError> {
        self.last_halt()
    }

    fn alerts_of(&mut self, run: &RunId) -> Result<Option<AlertsOf>, JournalError> {
        self.alerts_that_began(run)
    }

    fn verify(&mut self, run: &RunId) -> Result<Verification, JournalError> {
        match self.still_verified(run)? {
            Some(verification) => Ok(verification),
            None => self.verify_run(run, &mut |_| {}),
        }
    }

    fn go_over(&mut self, run: &RunId, take: &mut dyn FnMut(Record)) -> Result<Verification, JournalError> {
        self.verify_run(run, take)
    }
}
