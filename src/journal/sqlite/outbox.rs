//! The outbox on disk. Its writes do not wait for the disk: a cursor that a power cut takes back is a message that is sent once
//! more. Each is small, so that a run which writes at the same moment waits for microseconds.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::super::outbox::{
    Claim, Cursor, Delivered, Known, Logged, LoggedKind, News, Outbox, Pace, Standing, Subject, Turn, Undelivered,
    Untold,
};
use super::super::{Incidents as _, Journal as _, JournalError};
use super::open::{self, Promise};
use super::reading::has_table;
use super::trouble::Trouble;
use super::{SqliteJournal, queue, rows};
use crate::run::Time;

/// What goes out within so many milliseconds is one line of the log.
const ONE_LINE: i64 = 60_000;
impl SqliteJournal {
    /// A connection for whoever tells others what happened: it never waits for the disk, and nobody waits for it.
    ///
    /// # Errors
    /// As `open`.
    pub fn open_for_telling(path: &Path) -> Result<Self, JournalError> {
        open::prepare(path)?;
        let connection = open::writing(path, Promise::Seen)?;
        Ok(Self::over(connection, path.to_path_buf(), false))
    }
}

impl Outbox for SqliteJournal {
    fn know(&mut self, target: &str, since: Time) -> Result<(), JournalError> {
        if queue::place(&self.connection, target).map_err(Trouble::read)?.is_some() {
            return Ok(());
        }
        self.write(|transaction| {
            transaction
                .prepare_cached("INSERT INTO outbox_targets (target, since) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
                .execute(params![target, since.0])?;
            Ok(())
        })
    }

    fn untold(&mut self, target: &str) -> Result<Vec<Untold>, JournalError> {
        let Some(place) = queue::place(&self.connection, target).map_err(Trouble::read)? else { return Ok(Vec::new()) };
        let read = |row: &Row<'_>| -> rows::Read<Option<Untold>> {
            // What cannot be named cannot be told either; `verify` says so.
            let Ok(subject) = rows::parsed(row, "of") else { return Ok(None) };
            Ok(Some(Untold { subject, head: number(row, "head")?, cursor: cursor(row)? }))
        };
        let found = self.list(queue::DUE, "the outbox", read, params![target, place.since, place.settled])?;
        if queue::could_settle(&self.connection, target, place).map_err(Trouble::read)?.is_some() {
            self.write(|transaction| queue::settle(transaction, target))?;
        }
        Ok(found.into_iter().flatten().collect())
    }

    fn some_records(&mut self, subject: &Subject, after: u64, most: usize) -> Result<Vec<News>, JournalError> {
        match subject {
            Subject::Run(run) => {
                let stored = self.stored_after(run, after, most)?;
                stored.into_iter().map(|stored| stored.read(run).map(News::Run)).collect()
            }
            Subject::Incident(incident) => {
                let records = self.some_records_of(incident, after, most)?;
                Ok(records.into_iter().map(News::Incident).collect())
            }
        }
    }

    fn claim(
        &mut self,
        claim: &Claim,
        told: u64,
        seen: Option<&str>,
        pace: Pace,
        at: Time,
    ) -> Result<Turn, JournalError> {
        self.write(|transaction| {
            let subject = claim.subject.to_string();
            let held: Option<(i64, Option<String>, bool)> = transaction
                .prepare_cached(
                    "SELECT told_seq, claimed_by, dead_at IS NOT NULL FROM outbox_deliveries \
                     WHERE target = ?1 AND subject = ?2",
                )?
                .query_row(params![claim.target, subject], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                .optional()?;
            let (stands, by, dead) = held.unwrap_or((0, None, false));
            if stands != rows::signed(told) || by.as_deref() != seen || dead {
                return Ok(Turn::Taken);
            }
            if let Some(free) = take_turn(transaction, &claim.target, pace, at)? {
                return Ok(Turn::NotBefore(free));
            }
            transaction
                .prepare_cached(
                    "INSERT INTO outbox_deliveries (target, subject, told_seq, told_at, attempts, next_at, claimed_by, \
                     claimed_until) VALUES (?1, ?2, 0, 0, 0, 0, ?3, ?4) \
                     ON CONFLICT (target, subject) DO UPDATE SET claimed_by = ?3, claimed_until = ?4",
                )?
                .execute(params![claim.target, subject, claim.by, claim.until.0])?;
            Ok(Turn::Now)
        })
    }

    fn told(
        &mut self,
        claim: &Claim,
        to: u64,
        message: Option<&str>,
        quiet: bool,
        at: Time,
    ) -> Result<bool, JournalError> {
        self.write(|transaction| {
            let subject = claim.subject.to_string();
            let Some((from, attempts)) = held_by(transaction, claim)? else { return Ok(false) };
            transaction
                .prepare_cached(
                    "UPDATE outbox_deliveries SET told_seq = ?3, told_at = ?4, attempts = 0, failing_since = NULL, \
                     next_at = 0, failed = NULL, message = ?5 WHERE target = ?1 AND subject = ?2",
                )?
                .execute(params![claim.target, subject, rows::signed(to), at.0, message])?;
            if !quiet {
                let line =
                    Line { kind: LoggedKind::Told, from: from + 1, to: rows::signed(to), attempts: attempts + 1 };
                log(transaction, &claim.target, &subject, line, at, None)?;
            }
            Ok(true)
        })
    }

    fn undelivered(&mut self, claim: &Claim, failure: &Undelivered, at: Time) -> Result<bool, JournalError> {
        self.write(|transaction| {
            let subject = claim.subject.to_string();
            let Some((told, attempts)) = held_by(transaction, claim)? else { return Ok(false) };
            transaction
                .prepare_cached(
                    "UPDATE outbox_deliveries SET attempts = attempts + 1, failing_since = coalesce(failing_since, ?3), \
                     next_at = ?4, failed = ?5, dead_at = ?6, claimed_by = NULL, claimed_until = 0 \
                     WHERE target = ?1 AND subject = ?2",
                )?
                .execute(params![
                    claim.target,
                    subject,
                    at.0,
                    failure.again.map_or(0, |again| again.0),
                    failure.why,
                    failure.again.is_none().then_some(at.0),
                ])?;
            if let Some(quiet) = failure.quiet_until {
                transaction
                    .prepare_cached("UPDATE outbox_targets SET free_at = max(free_at, ?2) WHERE target = ?1")?
                    .execute(params![claim.target, quiet.0])?;
            }
            if failure.again.is_none() {
                let line = Line { kind: LoggedKind::GivenUp, from: told + 1, to: told + 1, attempts: attempts + 1 };
                log(transaction, &claim.target, &subject, line, at, Some(&failure.why))?;
            }
            Ok(true)
        })
    }

    fn put_back(
        &mut self,
        target: Option<&str>,
        subject: Option<&Subject>,
        by: &str,
        at: Time,
    ) -> Result<usize, JournalError> {
        let subject = subject.map(Subject::to_string);
        self.write(|transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT target, subject, told_seq, dead_at IS NOT NULL FROM outbox_deliveries \
                 WHERE attempts > 0 AND (?1 IS NULL OR target = ?1) AND (?2 IS NULL OR subject = ?2)",
            )?;
            let found: Vec<(String, String, i64, bool)> = statement
                .query_map(params![target, subject], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
                .collect::<Result<_, _>>()?;
            for (target, subject, told, dead) in &found {
                // What a receiver asked for is given up with it: a person has said now.
                transaction
                    .prepare_cached(
                        "UPDATE outbox_deliveries SET attempts = 0, failing_since = NULL, next_at = 0, dead_at = NULL \
                         WHERE target = ?1 AND subject = ?2",
                    )?
                    .execute(params![target, subject])?;
                transaction
                    .prepare_cached("UPDATE outbox_targets SET free_at = min(free_at, ?2) WHERE target = ?1")?
                    .execute(params![target, at.0])?;
                if *dead {
                    queue::again(transaction, subject)?;
                    let line = Line { kind: LoggedKind::PutBack, from: told + 1, to: told + 1, attempts: 0 };
                    log(transaction, target, subject, line, at, Some(by))?;
                }
            }
            Ok(found.len())
        })
    }

    fn targets(&mut self) -> Result<Vec<Known>, JournalError> {
        let read = |row: &Row<'_>| -> rows::Read<Known> {
            Ok(Known {
                target: rows::text(row, "target")?,
                since: Time(rows::integer(row, "since")?),
                whole: number(row, "whole")?,
            })
        };
        let query = "SELECT target, since, (SELECT count(*) FROM outbox_deliveries d JOIN runs \
                     ON d.subject = 'run:' || runs.run WHERE d.target = t.target AND d.told_seq >= runs.head_seq) AS whole \
                     FROM outbox_targets t ORDER BY target";
        self.list(query, "the outbox", read, [])
    }

    fn standings_of(&mut self, target: &str) -> Result<Vec<Standing>, JournalError> {
        let Some(place) = queue::place(&self.connection, target).map_err(Trouble::read)? else { return Ok(Vec::new()) };
        let read = |row: &Row<'_>| -> rows::Read<Option<Standing>> {
            let Ok(subject) = rows::parsed(row, "of") else { return Ok(None) };
            Ok(Some(Standing {
                target: target.to_owned(),
                subject,
                name: rows::text(row, "name")?,
                head: number(row, "head")?,
                cursor: cursor(row)?,
            }))
        };
        let found = self.list(queue::LEFT, "the outbox", read, params![target, place.since, place.settled])?;
        Ok(found.into_iter().flatten().collect())
    }

    fn standings(&mut self) -> Result<Vec<Standing>, JournalError> {
        let query = "SELECT target FROM outbox_targets ORDER BY target";
        let targets = self.list(query, "the outbox", |row| rows::text(row, "target"), [])?;
        let mut all = Vec::new();
        for target in targets {
            all.extend(self.standings_of(&target)?);
        }
        Ok(all)
    }

    fn oldest_untold(&mut self, target: &str) -> Result<Option<Time>, JournalError> {
        let Some(place) = queue::place(&self.connection, target).map_err(Trouble::read)? else { return Ok(None) };
        let query = format!(
            "SELECT min(coalesce(r.time, i.time)) FROM ({}) u \
             LEFT JOIN records r ON u.of LIKE 'run:%' AND r.run = substr(u.of, 5) AND r.seq = coalesce(u.told_seq, 0) + 1 \
             LEFT JOIN incident_records i ON u.of LIKE 'incident:%' AND i.incident = substr(u.of, 10) \
             AND i.seq = coalesce(u.told_seq, 0) + 1",
            queue::DUE
        );
        let ask = || -> Result<Option<i64>, Trouble> {
            let mut statement = self.connection.prepare_cached(&query)?;
            Ok(statement.query_row(params![target, place.since, place.settled], |row| row.get(0))?)
        };
        Ok(ask().map_err(Trouble::read)?.map(Time))
    }

    fn version(&mut self) -> Result<i64, JournalError> {
        Self::version(self)
    }
}

impl Delivered for SqliteJournal {
    fn deliveries(&mut self, subject: &Subject, after: i64, most: usize) -> Result<Vec<Logged>, JournalError> {
        if self.read_only && !has_table(&self.connection, "outbox_log").map_err(Trouble::read)? {
            return Ok(Vec::new());
        }
        let read = |row: &Row<'_>| -> rows::Read<Logged> {
            let word = rows::text(row, "what")?;
            let kind = LoggedKind::ALL.into_iter().find(|kind| kind.word() == word);
            Ok(Logged {
                number: rows::integer(row, "number")?,
                target: rows::text(row, "target")?,
                kind: kind.ok_or_else(|| format!("its `what` cannot be understood: {word:?}"))?,
                from: number(row, "from_seq")?,
                to: number(row, "to_seq")?,
                at: Time(rows::integer(row, "at")?),
                ended: Time(rows::integer(row, "ended")?),
                attempts: u32::try_from(rows::integer(row, "attempts")?).unwrap_or(u32::MAX),
                why: rows::optional_text(row, "why")?,
            })
        };
        let query = "SELECT * FROM outbox_log WHERE subject = ?1 AND number > ?2 ORDER BY number LIMIT ?3";
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.list(query, "the log of the outbox", read, params![subject.to_string(), after, most])
    }
}

/// Where the cursor of a claim stands and how often was tried, if the claim still holds.
fn held_by(connection: &Connection, claim: &Claim) -> Result<Option<(i64, i64)>, Trouble> {
    let mut statement = connection.prepare_cached(
        "SELECT told_seq, attempts FROM outbox_deliveries WHERE target = ?1 AND subject = ?2 AND claimed_by = ?3",
    )?;
    let found = statement
        .query_row(params![claim.target, claim.subject.to_string(), claim.by], |row| Ok((row.get(0)?, row.get(1)?)));
    Ok(found.optional()?)
}

/// Takes a place in what the target takes at once; when there is one again, where there is none. It is counted by when the
/// next message would be due if all came evenly: whoever is a burst ahead of that waits.
fn take_turn(connection: &Connection, target: &str, pace: Pace, at: Time) -> Result<Option<Time>, Trouble> {
    let mut statement = connection.prepare_cached("SELECT free_at FROM outbox_targets WHERE target = ?1")?;
    let due: i64 = statement.query_row([target], |row| row.get(0)).optional()?.unwrap_or(0);
    let ahead = pace.interval * (pace.burst - 1).max(0);
    // A clock that was set back must not hold anything up for longer than a service would ask for.
    let due = due.min(at.0.saturating_add(ahead + MOST_QUIET));
    if due - ahead > at.0 {
        return Ok(Some(Time(due - ahead)));
    }
    if pace.interval > 0 {
        connection
            .prepare_cached("UPDATE outbox_targets SET free_at = ?2 WHERE target = ?1")?
            .execute(params![target, due.max(at.0) + pace.interval])?;
    }
    Ok(None)
}

/// Nobody is left alone for longer, whatever stands there.
const MOST_QUIET: i64 = 3_600_000;

/// What is logged.
struct Line {
    kind: LoggedKind,
    from: i64,
    to: i64,
    attempts: i64,
}

/// Writes what became of a delivery. What follows at once on what went out is the same line: a run of ten thousand records
/// must not take as many rows from the room that was set aside for it.
fn log(
    connection: &Connection,
    target: &str,
    subject: &str,
    line: Line,
    at: Time,
    why: Option<&str>,
) -> Result<(), Trouble> {
    if line.kind == LoggedKind::Told {
        let longer = connection
            .prepare_cached(
                "UPDATE outbox_log SET to_seq = ?3, ended = ?4, attempts = attempts + ?5 WHERE number = (SELECT max(number) \
                 FROM outbox_log WHERE subject = ?2 AND target = ?1) AND what = 'told' AND to_seq = ?6 - 1 AND at > ?4 - ?7",
            )?
            .execute(params![target, subject, line.to, at.0, line.attempts, line.from, ONE_LINE])?;
        if longer > 0 {
            return Ok(());
        }
    }
    connection
        .prepare_cached(
            "INSERT INTO outbox_log (target, subject, what, from_seq, to_seq, at, ended, attempts, why) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8)",
        )?
        .execute(params![target, subject, line.kind.word(), line.from, line.to, at.0, line.attempts, why])?;
    Ok(())
}

fn number(row: &Row<'_>, column: &str) -> rows::Read<u64> {
    u64::try_from(rows::integer(row, column)?).map_err(|_| format!("its `{column}` is negative"))
}

/// The columns of a cursor; one that never was where there is no row.
fn cursor(row: &Row<'_>) -> rows::Read<Cursor> {
    if rows::optional_text(row, "target")?.is_none() {
        return Ok(Cursor::default());
    }
    let optional_time = |column: &str| -> rows::Read<Option<Time>> {
        let found: Option<i64> = row.get(column).map_err(|_| format!("its `{column}` is no number"))?;
        Ok(found.map(Time))
    };
    Ok(Cursor {
        told: number(row, "told_seq")?,
        told_at: optional_time("told_at")?.filter(|at| at.0 != 0),
        attempts: u32::try_from(rows::integer(row, "attempts")?).unwrap_or(u32::MAX),
        failing_since: optional_time("failing_since")?,
        next_at: Time(rows::integer(row, "next_at")?),
        failed: rows::optional_text(row, "failed")?,
        dead_at: optional_time("dead_at")?,
        message: rows::optional_text(row, "message")?,
        claimed_by: rows::optional_text(row, "claimed_by")?,
        claimed_until: Time(rows::integer(row, "claimed_until")?),
    })
}
