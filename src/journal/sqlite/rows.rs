//! Rows of the tables, read and written. Whatever a table holds, reading it ends in a value or in words that say which part
//! cannot be read; it must never fail in another way, as `verify` is to look at damaged rows too.

use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::chain::{Batch, Head, Stored};
use super::super::projection::Projection;
use super::super::{Earlier, JournalError, Lease, LeaseInfo, LockRow, RequestRow, RunRow, boot};
use super::queue;
use super::trouble::Trouble;
use crate::ids::{Digest, Resource, RunId};
use crate::run::{Holder, Time};

/// What a row holds, or what is wrong with it.
pub(super) type Read<T> = Result<T, String>;

pub(super) fn optional_text(row: &Row<'_>, column: &str) -> Read<Option<String>> {
    Ok(text_of(row.get_ref(column), column)?.map(str::to_owned))
}

pub(super) fn text(row: &Row<'_>, column: &str) -> Read<String> {
    optional_text(row, column)?.ok_or_else(|| format!("its `{column}` is missing"))
}

pub(super) fn integer(row: &Row<'_>, column: &str) -> Read<i64> {
    row.get(column).map_err(|_| format!("its `{column}` is no number"))
}

pub(super) fn count(row: &Row<'_>, column: &str) -> Read<u64> {
    let number = integer(row, column)?;
    u64::try_from(number).map_err(|_| negative(column, number))
}

fn flag(row: &Row<'_>, column: &str) -> Read<bool> {
    match integer(row, column)? {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(format!("its `{column}` is neither 0 nor 1: {other}")),
    }
}

pub(super) fn parsed<T: std::str::FromStr>(row: &Row<'_>, column: &str) -> Read<T> {
    let text = text(row, column)?;
    text.parse().map_err(|_| not_understood(column, &text))
}

pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> Read<T> {
    let text = text(row, column)?;
    serde_json::from_str(&text).map_err(|error| format!("its `{column}` cannot be understood: {error}"))
}

/// A word of a fixed set, stored without the quotes that JSON would put around it.
pub(super) fn optional_word<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> Read<Option<T>> {
    let word = |text| {
        serde_json::from_value(serde_json::Value::String(text))
            .map_err(|error| format!("its `{column}` cannot be understood: {error}"))
    };
    optional_text(row, column)?.map(word).transpose()
}

fn word<T: Serialize>(value: &T) -> Result<String, JournalError> {
    Ok(to_json(value)?.trim_matches('"').to_owned())
}

/// A value as its text.
pub(super) fn to_json<T: Serialize>(value: &T) -> Result<String, JournalError> {
    serde_json::to_string(value).map_err(|error| JournalError::Store { doing: "written", cause: error.to_string() })
}

/// The run that a row is about.
pub(super) fn run_id(row: &Row<'_>) -> Read<RunId> {
    parsed(row, "run")
}

#[cfg(test)]
thread_local! {
    /// How many records this thread has read from files.
    pub(in super::super) static READ: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// The columns of a record, in the order in which `record` takes them: to look for each by its name costs more than to read it.
pub(super) const RECORD: &str = "seq, time, epoch, actor, previous, hash, event";

/// A row with the columns of `RECORD` first: its number as it is, and what it holds.
pub(super) fn record(row: &Row<'_>) -> (i64, Read<Stored>) {
    #[cfg(test)]
    READ.with(|read| read.set(read.get() + 1));
    let read = || {
        let seq = number_at(row, 0, "seq")?;
        let time = Time(number_at(row, 1, "time")?);
        let epoch = number_at(row, 2, "epoch")?;
        let name = |place, column| -> Read<Digest> {
            let text = text_at(row, place, column)?;
            text.parse().map_err(|_| not_understood(column, text))
        };
        Ok(Stored {
            seq: u64::try_from(seq).map_err(|_| negative("seq", seq))?,
            time,
            epoch: u64::try_from(epoch).map_err(|_| negative("epoch", epoch))?,
            actor: text_at(row, 3, "actor")?.to_owned(),
            previous: name(4, "previous")?,
            hash: name(5, "hash")?,
            event: text_at(row, 6, "event")?.to_owned(),
        })
    };
    (row.get(0).unwrap_or(0), read())
}

fn number_at(row: &Row<'_>, place: usize, column: &str) -> Read<i64> {
    row.get(place).map_err(|_| format!("its `{column}` is no number"))
}

fn text_at<'r>(row: &'r Row<'_>, place: usize, column: &str) -> Read<&'r str> {
    text_of(row.get_ref(place), column)?.ok_or_else(|| format!("its `{column}` is missing"))
}

fn text_of<'r>(value: rusqlite::Result<ValueRef<'r>>, column: &str) -> Read<Option<&'r str>> {
    match value {
        Ok(ValueRef::Null) => Ok(None),
        Ok(ValueRef::Text(bytes)) => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(format!("its `{column}` has bytes that are no text")),
        },
        Ok(_) => Err(format!("its `{column}` is no text")),
        Err(error) => Err(format!("its `{column}` cannot be read: {error}")),
    }
}

fn negative(column: &str, number: i64) -> String {
    format!("its `{column}` is negative: {number}")
}

fn not_understood(column: &str, text: &str) -> String {
    format!("its `{column}` cannot be understood: {text:?}")
}

/// A row of `runs`.
pub(super) fn projection(row: &Row<'_>) -> Read<Projection> {
    Ok(Projection {
        playbook: text(row, "playbook")?,
        version: text(row, "version")?,
        incident: optional_text(row, "incident")?,
        started: Time(integer(row, "started")?),
        updated: Time(integer(row, "updated")?),
        verdict: optional_word(row, "verdict")?,
        waiting: optional_word(row, "waiting")?,
        stopped: flag(row, "stopped")?,
        // A file of form 1 that is only read does not have it.
        despite_halt: row.get_ref("despite_halt").is_ok() && flag(row, "despite_halt")?,
        head: Head { seq: count(row, "head_seq")?, hash: parsed(row, "head_hash")? },
    })
}

/// A row of `runs` with its lease beside it. One that cannot be read says so.
pub(super) fn run_row(row: &Row<'_>, now: Duration, this_boot: &str) -> Read<RunRow> {
    match (run_id(row), lease(row, now, this_boot), projection(row)) {
        (Ok(run), Ok(lease), Ok(projection)) => Ok(projection.row(run, lease)),
        (Err(wrong), ..) | (_, Err(wrong), _) | (.., Err(wrong)) => damaged_run(row, wrong),
    }
}

/// A row of `runs` that cannot be read, as far as it can.
fn damaged_run(row: &Row<'_>, wrong: String) -> Read<RunRow> {
    let nobody = Holder {
        user: String::new(),
        host: String::new(),
        boot: String::new(),
        pid: 0,
        namespace: String::new(),
        started: 0,
        serves: false,
    };
    let time = |column| Time(integer(row, column).unwrap_or_default());
    let word = |column| text(row, column).unwrap_or_else(|_| "?".to_owned());
    Ok(RunRow {
        // An id that cannot be read has a word in its place: the run must not vanish from the list.
        run: run_id(row).or_else(|wrong| "unreadable".parse().map_err(|_| wrong))?,
        playbook: word("playbook"),
        version: word("version"),
        started: time("started"),
        updated: time("updated"),
        verdict: None,
        waiting: None,
        stopped: false,
        lease: LeaseInfo { epoch: 0, holder: nobody, released: true, idle: None, held: None },
        damaged: Some(wrong),
    })
}

/// A row of `leases`.
pub(super) fn lease(row: &Row<'_>, now: Duration, this_boot: &str) -> Read<LeaseInfo> {
    Ok(LeaseInfo {
        epoch: count(row, "epoch")?,
        holder: json::<Holder>(row, "holder")?,
        released: flag(row, "released")?,
        idle: boot::idle(Duration::from_millis(count(row, "renewed")?), &text(row, "boot")?, now, this_boot),
        held: None,
    })
}

/// A row of `locks`, with what `runs` says of its holder.
pub(super) fn lock(row: &Row<'_>) -> Read<LockRow> {
    Ok(LockRow {
        resource: parsed::<Resource>(row, "resource")?,
        run: run_id(row)?,
        playbook: optional_text(row, "playbook")?.unwrap_or_default(),
        incident: optional_text(row, "incident")?,
        since: Time(integer(row, "since")?),
    })
}

/// A row of `requests`.
pub(super) fn request(row: &Row<'_>) -> Read<RequestRow> {
    Ok(RequestRow {
        id: integer(row, "id")?,
        request: json(row, "request")?,
        by: text(row, "by")?,
        reason: text(row, "reason")?,
        at: Time(integer(row, "at")?),
    })
}

/// An error about a row that cannot be read.
pub(super) fn damaged(what: &str, wrong: &str) -> JournalError {
    JournalError::Corrupt(format!("{what} cannot be read: {wrong}"))
}

/// How a run stands.
pub(super) fn standing(connection: &Connection, run: &RunId) -> Result<Projection, Trouble> {
    let mut statement = connection.prepare_cached("SELECT * FROM runs WHERE run = ?1")?;
    match statement.query_row([run.as_str()], |row| Ok(projection(row))).optional()? {
        None => Err(JournalError::NoSuchRun(run.clone()).into()),
        Some(Err(wrong)) => Err(damaged(&format!("run {run} in the list of runs"), &wrong).into()),
        Some(Ok(projection)) => Ok(projection),
    }
}

/// Whether a run's records end with this one.
pub(super) fn ends_with(connection: &Connection, run: &RunId, head: &Head) -> Result<bool, Trouble> {
    let mut statement =
        connection.prepare_cached("SELECT head_seq = ?2 AND head_hash = ?3 FROM runs WHERE run = ?1")?;
    let found = statement.query_row(params![run.as_str(), signed(head.seq), head.hash.as_str()], |row| row.get(0));
    found.optional()?.ok_or_else(|| JournalError::NoSuchRun(run.clone()).into())
}

/// The number of a run's newest lease, and whether it was given back.
pub(super) fn epoch(connection: &Connection, run: &RunId) -> Result<(u64, bool), Trouble> {
    let mut statement = connection.prepare_cached("SELECT epoch, released FROM leases WHERE run = ?1")?;
    let read = |row: &Row<'_>| -> Read<(u64, bool)> { Ok((count(row, "epoch")?, flag(row, "released")?)) };
    match statement.query_row([run.as_str()], |row| Ok(read(row))).optional()? {
        None => Err(JournalError::NoSuchRun(run.clone()).into()),
        Some(Err(wrong)) => Err(damaged(&format!("the lease of run {run}"), &wrong).into()),
        Some(Ok(found)) => Ok(found),
    }
}

/// Whether a lease is the one in force.
pub(super) fn held(connection: &Connection, lease: &Lease) -> Result<(), Trouble> {
    match epoch(connection, &lease.run)? {
        (epoch, false) if epoch == lease.epoch => Ok(()),
        (held, _) => Err(JournalError::LeaseLost { run: lease.run.clone(), ours: lease.epoch, held }.into()),
    }
}

/// The runs which change something that began since then. One whose start cannot be read is not counted: it must not stop
/// the others.
pub(super) fn earlier(connection: &Connection, since: Time) -> Result<Vec<Earlier>, Trouble> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {RECORD}, run FROM runs JOIN records USING (run) WHERE runs.started >= ?1 AND seq = 1"
    ))?;
    let mut found = statement.query([since.0])?;
    let mut list = Vec::new();
    while let Some(row) = found.next()? {
        let (Ok(run), (_, Ok(stored))) = (run_id(row), record(row)) else { continue };
        let Ok(record) = stored.read(&run) else { continue };
        list.extend(Earlier::of(&run, record.time, &record.actor, &record.event));
    }
    Ok(list)
}

/// Writes records, and how the run stands after them.
pub(super) fn add(connection: &Connection, run: &RunId, batch: &Batch) -> Result<(), Trouble> {
    let Projection { playbook, version, incident, started, updated, verdict, waiting, stopped, despite_halt, head } =
        &batch.projection;
    let verdict = verdict.as_ref().map(word).transpose()?;
    let waiting = waiting.as_ref().map(word).transpose()?;
    connection
        .prepare_cached(
            "INSERT INTO runs (run, playbook, version, incident, started, updated, verdict, waiting, stopped, head_seq, \
             head_hash, despite_halt) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
             ON CONFLICT (run) DO UPDATE SET updated = ?6, verdict = ?7, waiting = ?8, stopped = ?9, head_seq = ?10, \
             head_hash = ?11, despite_halt = ?12",
        )?
        .execute(params![
            run.as_str(),
            playbook,
            version,
            incident,
            started.0,
            updated.0,
            verdict,
            waiting,
            stopped,
            signed(head.seq),
            head.hash.as_str(),
            despite_halt,
        ])?;
    let mut statement = connection.prepare_cached(
        "INSERT INTO records (run, seq, time, epoch, actor, previous, hash, event) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    for Stored { seq, time, epoch, actor, previous, hash, event } in &batch.stored {
        statement.execute(params![
            run.as_str(),
            signed(*seq),
            time.0,
            signed(*epoch),
            actor,
            previous.as_str(),
            hash.as_str(),
            event,
        ])?;
    }
    queue::note(connection, run, batch)
}

/// Writes who holds a run from now on.
pub(super) fn put_lease(connection: &Connection, lease: &Lease, holder: &Holder, boot: &str) -> Result<(), Trouble> {
    connection
        .prepare_cached(
            "INSERT INTO leases (run, epoch, holder, released, renewed, boot) VALUES (?1, ?2, ?3, 0, ?4, ?5) \
             ON CONFLICT (run) DO UPDATE SET epoch = ?2, holder = ?3, released = 0, renewed = ?4, boot = ?5",
        )?
        .execute(params![
            lease.run.as_str(),
            signed(lease.epoch),
            to_json(holder)?,
            milliseconds(boot::since_boot()),
            boot,
        ])?;
    Ok(())
}

/// A number as SQLite takes it: signed. None of ours comes near the end of that.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A duration as it is stored.
pub(super) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
