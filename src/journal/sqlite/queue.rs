//! What a target may have to be told something of: the runs that have not ended, and those runs and incidents that have news since
//! everything before them was settled. It is what keeps a look at the outbox as cheap after ten thousand runs as after ten. It must
//! never leave out what has something left to tell: a number is settled only where all before it are.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::super::Subject;
use super::super::chain::Batch;
use super::trouble::Trouble;
use crate::ids::RunId;

/// So much of the queue is looked at each time before it is written down that it is settled: not a write a run.
const LONG: i64 = 64;

/// What the target `?1` was not told whole of these subjects. What was given up is never looked at for what is due.
macro_rules! untold {
    ($subjects:literal) => {
        concat!(
            "SELECT s.of, coalesce(r.playbook, i.title) AS name, coalesce(r.head_seq, i.head_seq) AS head, d.* FROM (",
            $subjects,
            ") s LEFT JOIN runs r ON s.of LIKE 'run:%' AND r.run = substr(s.of, 5) \
             LEFT JOIN incidents i ON s.of LIKE 'incident:%' AND i.incident = substr(s.of, 10) \
             LEFT JOIN outbox_deliveries d ON d.target = ?1 AND d.subject = s.of \
             WHERE coalesce(r.started, i.opened) >= ?2 AND coalesce(r.head_seq, i.head_seq) > coalesce(d.told_seq, 0) "
        )
    };
}

/// What may be due: with the target's name, its beginning, and up to where it is settled.
pub(in super::super) const DUE: &str = concat!(
    untold!("SELECT 'run:' || run AS of FROM outbox_open UNION SELECT subject FROM outbox_queue WHERE number > ?3"),
    "AND d.dead_at IS NULL ORDER BY coalesce(d.told_at, 0), coalesce(r.started, i.opened), s.of"
);
/// All that was not told, with what was given up.
pub(super) const LEFT: &str = concat!(
    untold!(
        "SELECT 'run:' || run AS of FROM outbox_open UNION SELECT subject FROM outbox_queue WHERE number > ?3 \
         UNION SELECT subject FROM outbox_deliveries WHERE target = ?1 AND dead_at IS NOT NULL"
    ),
    "ORDER BY coalesce(d.told_at, 0), coalesce(r.started, i.opened), s.of"
);
/// The first place of the queue that is not settled.
const FIRST: &str = concat!(
    "SELECT number FROM outbox_queue WHERE number > ?3 AND subject IN (SELECT of FROM (",
    untold!("SELECT subject AS of FROM outbox_queue WHERE number > ?3"),
    "AND d.dead_at IS NULL)) ORDER BY number LIMIT 1"
);

/// From when on a target is told, and up to where in the queue all is settled for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub since: i64,
    pub settled: i64,
}

/// A target's place; nothing where it was never seen.
pub(super) fn place(connection: &Connection, target: &str) -> Result<Option<Place>, Trouble> {
    let mut statement = connection.prepare_cached("SELECT since, settled FROM outbox_targets WHERE target = ?1")?;
    let read = |row: &rusqlite::Row<'_>| Ok(Place { since: row.get(0)?, settled: row.get(1)? });
    Ok(statement.query_row([target], read).optional()?)
}

/// Notes a run that begins, and one that has ended. It is written with the records themselves.
pub(super) fn note(connection: &Connection, run: &RunId, batch: &Batch) -> Result<(), Trouble> {
    let begins = batch.stored.first().is_some_and(|record| record.seq == 1);
    if batch.projection.verdict.is_some() {
        connection.prepare_cached("DELETE FROM outbox_open WHERE run = ?1")?.execute([run.as_str()])?;
        again(connection, &Subject::Run(run.clone()).to_string())?;
    } else if begins {
        connection.prepare_cached("INSERT INTO outbox_open (run) VALUES (?1)")?.execute([run.as_str()])?;
    }
    Ok(())
}

/// Has a subject looked at once more.
pub(super) fn again(connection: &Connection, subject: &str) -> Result<(), Trouble> {
    connection.prepare_cached("INSERT INTO outbox_queue (subject) VALUES (?1)")?.execute([subject])?;
    Ok(())
}

/// Up to where it could be said that all is settled, where that is worth a write.
pub(super) fn could_settle(connection: &Connection, target: &str, place: Place) -> Result<Option<i64>, Trouble> {
    let last: i64 = connection
        .prepare_cached("SELECT coalesce(max(number), 0) FROM outbox_queue")?
        .query_row([], |row| row.get(0))?;
    if last - place.settled < LONG {
        return Ok(None);
    }
    let first: Option<i64> = connection
        .prepare_cached(FIRST)?
        .query_row(params![target, place.since, place.settled], |row| row.get(0))
        .optional()?;
    let settled = first.map_or(last, |first| first - 1);
    Ok((settled - place.settled >= LONG).then_some(settled))
}

/// Writes down up to where all is settled, as it is at this moment: somebody may have put something back.
pub(super) fn settle(transaction: &Connection, target: &str) -> Result<(), Trouble> {
    let Some(place) = place(transaction, target)? else { return Ok(()) };
    let Some(settled) = could_settle(transaction, target, place)? else { return Ok(()) };
    transaction
        .prepare_cached("UPDATE outbox_targets SET settled = ?2 WHERE target = ?1")?
        .execute(params![target, settled])?;
    Ok(())
}
