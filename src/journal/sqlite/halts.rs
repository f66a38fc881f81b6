//! The table of halts. The newest row counts: it is in force until it has an end.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::super::{Halt, Lifted};
use super::rows::{self, Read, integer, optional_text, text};
use super::trouble::Trouble;
use crate::run::Time;

/// The newest halt, in force or not.
pub(super) fn newest(connection: &Connection) -> Result<Option<Halt>, Trouble> {
    let mut statement = connection.prepare_cached("SELECT * FROM halts ORDER BY number DESC LIMIT 1")?;
    match statement.query_row([], |row| Ok(halt(row))).optional()? {
        None => Ok(None),
        Some(Ok(halt)) => Ok(Some(halt)),
        // What may be a halt holds everything until somebody has looked.
        Some(Err(wrong)) => Err(rows::damaged("the halt", &wrong).into()),
    }
}

/// The halt that is in force.
pub(super) fn in_force(connection: &Connection) -> Result<Option<Halt>, Trouble> {
    Ok(newest(connection)?.filter(|halt| halt.lifted.is_none()))
}

/// Writes a new one.
pub(super) fn add(connection: &Connection, by: &str, reason: &str, at: Time) -> Result<Halt, Trouble> {
    connection
        .prepare_cached("INSERT INTO halts (by, reason, since) VALUES (?1, ?2, ?3)")?
        .execute(params![by, reason, at.0])?;
    let number = connection.last_insert_rowid();
    Ok(Halt { number, by: by.to_owned(), reason: reason.to_owned(), since: at, lifted: None })
}

/// Writes the end of one.
pub(super) fn lift(connection: &Connection, number: i64, lifted: &Lifted) -> Result<(), Trouble> {
    connection
        .prepare_cached("UPDATE halts SET lifted_by = ?2, lifted_reason = ?3, lifted_at = ?4 WHERE number = ?1")?
        .execute(params![number, lifted.by, lifted.reason, lifted.at.0])?;
    Ok(())
}

fn halt(row: &Row<'_>) -> Read<Halt> {
    let lifted = match optional_text(row, "lifted_by")? {
        None => None,
        Some(by) => Some(Lifted {
            by,
            reason: optional_text(row, "lifted_reason")?.unwrap_or_default(),
            at: Time(integer(row, "lifted_at")?),
        }),
    };
    Ok(Halt {
        number: integer(row, "number")?,
        by: text(row, "by")?,
        reason: text(row, "reason")?,
        since: Time(integer(row, "since")?),
        lifted,
    })
}
