//! The journal on disk: one SQLite file in the state folder, with a write-ahead log, every commit synchronous. A call that
//! returns has been written. After a failed write this handle writes no more, as nobody knows what the disk still holds;
//! opening the journal anew shows it. It must never write outside a transaction that has looked at the lease first.

mod begin;
mod callers;
mod halts;
mod incidents;
mod network;
mod open;
mod room;
mod rows;
mod trouble;
mod verified;
mod verify;
mod writing;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Row, params};

use super::chain::{self, Stored, Writer};
use super::{
    Appended, Earlier, Halt, Handover, Journal, JournalError, Lease, LeaseInfo, Lifted, LockRow, RequestRow, RunLimit,
    RunRow, Verification,
};
use super::{boot, halt};
use crate::ids::RunId;
use crate::run::{Event, Holder, LeaseReason, Record, RequestKind, Time};
use begin::Beginner;
use open::Promise;
use trouble::{Trouble, explain};
use verified::Verified;
use writing::Postponed;

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
        open::prepare(path)?;
        let connection = open::writing(path, Promise::Durable)?;
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
            postponed: None,
            needs: BTreeMap::new(),
            boot: boot::boot_id(),
        }
    }

    /// All rows of a query; the first that cannot be read is an error.
    fn list<T>(
        &self,
        query: &str,
        what: &str,
        read: impl Fn(&Row<'_>) -> rows::Read<T>,
        parameters: impl rusqlite::Params,
    ) -> Result<Vec<T>, JournalError> {
        let all = || -> Result<Vec<T>, Trouble> {
            let mut statement = self.connection.prepare_cached(query)?;
            let mut found = statement.query(parameters)?;
            let mut list = Vec::new();
            while let Some(row) = found.next()? {
                list.push(read(row).map_err(|wrong| rows::damaged(what, &wrong))?);
            }
            Ok(list)
        };
        all().map_err(Trouble::read)
    }

    fn some_stored(&mut self, run: &RunId, after: u64, most: usize) -> Result<Vec<Stored>, JournalError> {
        if !exists(&self.connection, run).map_err(|error| explain("read", &error))? {
            return Err(JournalError::NoSuchRun(run.clone()));
        }
        let read = |row: &Row<'_>| {
            let (seq, stored) = rows::record(row);
            stored.map_err(|wrong| format!("record {seq}: {wrong}"))
        };
        let query = format!("SELECT {} FROM records WHERE run = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3", rows::RECORD);
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.list(&query, &format!("run {run}"), read, params![run.as_str(), rows::signed(after), most])
    }

    /// A number that changes when another connection has written.
    fn version(&self) -> Result<i64, JournalError> {
        let version =
            |connection: &Connection| connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0));
        version(&self.connection).map_err(|error| explain("read", &error))
    }
}

#[cfg(test)]
pub(super) use rows::READ;

/// How many pages a run of a plan is reckoned to need.
#[cfg(test)]
pub(super) fn pages_for(plan: &crate::plan::Plan) -> u64 {
    room::pages(plan, 0).all
}

fn exists(connection: &Connection, run: &RunId) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM runs WHERE run = ?1")?.exists([run.as_str()])
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
        self.write_behind(|transaction, postponed| {
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
            Ok(batch.records)
        })
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
        if renewed == 0 { self.check(lease) } else { Ok(()) }
    }

    fn check(&mut self, lease: &Lease) -> Result<(), JournalError> {
        // After a failed write nothing more is sent either.
        self.writable()?;
        rows::held(&self.connection, lease).map_err(Trouble::read)
    }

    fn release(&mut self, lease: &Lease) -> Result<(), JournalError> {
        if let Err(error) = self.write_postponed() {
            let JournalError::LeaseLost { .. } = error else { return Err(error) };
            self.postponed = None;
        }
        self.write(|transaction| {
            rows::epoch(transaction, &lease.run)?;
            // What is not ours any more need not be given back.
            transaction
                .prepare_cached("UPDATE leases SET released = 1 WHERE run = ?1 AND epoch = ?2")?
                .execute(params![lease.run.as_str(), rows::signed(lease.epoch)])?;
            Ok(())
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

    fn lease(&mut self, run: &RunId) -> Result<LeaseInfo, JournalError> {
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
        let now = boot::since_boot();
        let read = |row: &Row<'_>| rows::run_row(row, now, &self.boot);
        // A run without a lease must not vanish from the list: it shows as damaged.
        let query = "SELECT runs.*, epoch, holder, released, renewed, boot FROM runs LEFT JOIN leases USING (run) \
                     ORDER BY started DESC, runs.run DESC";
        self.list(query, "the list of runs", read, [])
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
        // Asked several times a second: as long as nobody else has written, the answer is still none. The number is read
        // before the rows, so that what is written in between is found the next time.
        let version = self.version()?;
        if self.quiet.as_ref().is_some_and(|(quiet, seen)| quiet == run && *seen == version) {
            return Ok(Vec::new());
        }
        let query = "SELECT * FROM requests WHERE run = ?1 AND taken = 0 ORDER BY id";
        let open = self.list(query, &format!("a request to run {run}"), rows::request, [run.as_str()])?;
        self.quiet = open.is_empty().then(|| (run.clone(), version));
        Ok(open)
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
        // As with requests: as long as nobody else has written, the answer is the same.
        let version = self.version()?;
        if let Some((halt, _)) = self.seen_halt.as_ref().filter(|(_, seen)| *seen == version) {
            return Ok(halt.clone());
        }
        if self.read_only && !halts::exist(&self.connection).map_err(Trouble::read)? {
            return Ok(None);
        }
        let halt = halts::newest(&self.connection).map_err(Trouble::read)?;
        self.seen_halt = Some((halt.clone(), version));
        Ok(halt)
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
