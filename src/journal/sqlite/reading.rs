//! Reads: rows of a query, and what is asked so often that the answer is kept as long as nobody else has written. It must
//! never change anything, nor pass over a row that cannot be read.

use rusqlite::{Connection, Row, params};

use super::super::chain::Stored;
use super::super::{Halt, JournalError, RequestRow, RunRow, boot};
use super::trouble::{Trouble, explain};
use super::{SqliteJournal, halts, rows};
use crate::ids::RunId;

impl SqliteJournal {
    /// All rows of a query; the first that cannot be read is an error.
    pub(super) fn list<T>(
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

    /// So many records behind one, as they are stored.
    pub(super) fn some_stored(&mut self, run: &RunId, after: u64, most: usize) -> Result<Vec<Stored>, JournalError> {
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

    /// All runs, newest first.
    pub(super) fn all_runs(&self) -> Result<Vec<RunRow>, JournalError> {
        let now = boot::since_boot();
        let read = |row: &Row<'_>| rows::run_row(row, now, &self.boot);
        // A run without a lease must not vanish from the list: it shows as damaged.
        let query = "SELECT runs.*, epoch, holder, released, renewed, boot FROM runs LEFT JOIN leases USING (run) \
                     ORDER BY started DESC, runs.run DESC";
        self.list(query, "the list of runs", read, [])
    }

    /// The requests that wait for a run's holder.
    pub(super) fn open_requests(&mut self, run: &RunId) -> Result<Vec<RequestRow>, JournalError> {
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

    /// The newest halt.
    pub(super) fn last_halt(&mut self) -> Result<Option<Halt>, JournalError> {
        // As with requests: as long as nobody else has written, the answer is the same.
        let version = self.version()?;
        if let Some((halt, _)) = self.seen_halt.as_ref().filter(|(_, seen)| *seen == version) {
            return Ok(halt.clone());
        }
        if self.read_only && !has_table(&self.connection, "halts").map_err(Trouble::read)? {
            return Ok(None);
        }
        let halt = halts::newest(&self.connection).map_err(Trouble::read)?;
        self.seen_halt = Some((halt.clone(), version));
        Ok(halt)
    }

    /// A number that changes when another connection has written.
    pub(super) fn version(&self) -> Result<i64, JournalError> {
        let version =
            |connection: &Connection| connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0));
        version(&self.connection).map_err(|error| explain("read", &error))
    }
}

/// Whether there is a table: a file of an earlier form that is only read does not have all of them.
pub(super) fn has_table(connection: &Connection, name: &str) -> Result<bool, Trouble> {
    let query = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    Ok(connection.prepare_cached(query)?.exists([name])?)
}

/// Whether there is such a run.
pub(super) fn exists(connection: &Connection, run: &RunId) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM runs WHERE run = ?1")?.exists([run.as_str()])
}
