//! What verifying reads of the file: a run's records, and what is kept beside them.

use rusqlite::{Connection, OptionalExtension as _};

use super::super::audit::{Audit, Kept};
use super::super::{Verification, boot};
use super::{exists, rows};
use crate::ids::RunId;

/// Goes through a run's records; nothing where there is no trace of it.
pub(super) fn look(connection: &mut Connection, run: &RunId, boot: &str) -> rusqlite::Result<Option<Verification>> {
    // One snapshot: a runner may be writing.
    let transaction = connection.savepoint()?;
    let known = exists(&transaction, run)?;
    let mut audit = Audit::new(run);
    let mut found = known;
    {
        let mut statement = transaction.prepare_cached("SELECT * FROM records WHERE run = ?1 ORDER BY seq")?;
        let mut records = statement.query([run.as_str()])?;
        while let Some(row) = records.next()? {
            let (seq, stored) = rows::record(row);
            audit.record(seq, stored);
            found = true;
        }
    }
    let kept = kept(&transaction, run, boot)?;
    Ok(found.then(|| audit.finish(kept)))
}

fn kept(connection: &Connection, run: &RunId, boot: &str) -> rusqlite::Result<Kept> {
    let one = [run.as_str()];
    let projection = connection
        .prepare_cached("SELECT * FROM runs WHERE run = ?1")?
        .query_row(one, |row| Ok(rows::projection(row)))
        .optional()?
        .unwrap_or_else(|| Err("the list of runs does not have it".to_owned()));
    let lease = connection
        .prepare_cached("SELECT * FROM leases WHERE run = ?1")?
        .query_row(one, |row| Ok(rows::lease(row, boot::since_boot(), boot)))
        .optional()?
        .unwrap_or_else(|| Err("its lease is missing".to_owned()));
    let locks = connection
        .prepare_cached("SELECT resource FROM locks WHERE run = ?1 ORDER BY resource")?
        .query_map(one, |row| Ok(String::from_utf8_lossy(row.get_ref(0)?.as_bytes().unwrap_or_default()).into_owned()))?
        .collect::<Result<_, _>>()?;
    Ok(Kept { projection, lease: lease.map(|lease| (lease.epoch, lease.holder)), locks })
}
