//! What verifying reads of the file: a run's records, and what is kept beside them.

use rusqlite::{Connection, OptionalExtension as _};

use super::super::audit::{Audit, Kept, Looked};
use super::super::chain::Stored;
use super::super::{Verification, boot};
use super::rows::Read;
use super::{exists, rows};
use crate::ids::RunId;
use crate::run::Record;

/// So many records are in memory as text at the same time.
const AT_ONCE: usize = 8192;
/// Fewer than these are not worth a thread.
const FEW: usize = 256;
const MOST_THREADS: usize = 4;

/// Goes through a run's records; nothing where there is no trace of it. The records too, where all of them fit.
pub(super) fn look(
    connection: &mut Connection,
    run: &RunId,
    boot: &str,
) -> rusqlite::Result<Option<(Verification, Option<Vec<Record>>)>> {
    // One snapshot: a runner may be writing.
    let transaction = connection.savepoint()?;
    let known = exists(&transaction, run)?;
    let mut audit = Audit::keeping(run);
    let mut found = known;
    {
        let mut statement = transaction.prepare_cached("SELECT * FROM records WHERE run = ?1 ORDER BY seq")?;
        let mut records = statement.query([run.as_str()])?;
        loop {
            let mut some = Vec::new();
            while some.len() < AT_ONCE
                && let Some(row) = records.next()?
            {
                some.push(rows::record(row));
            }
            if some.is_empty() {
                break;
            }
            found = true;
            look_at(run, some).into_iter().for_each(|(seq, looked)| audit.record(seq, looked));
        }
    }
    let kept = kept(&transaction, run, boot)?;
    let records = audit.take_kept();
    let verification = audit.finish(kept);
    let records = records.filter(|_| verification.broken.is_none());
    Ok(found.then_some((verification, records)))
}

/// Reckons hashes and reads events, on as many processors as there are: who resumes a long run waits for this.
fn look_at(run: &RunId, some: Vec<(i64, Read<Stored>)>) -> Vec<(i64, Read<Looked>)> {
    let look = |(seq, stored): (i64, Read<Stored>)| (seq, stored.map(|stored| Looked::at(run, stored)));
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    if some.len() < FEW || threads == 1 {
        return some.into_iter().map(look).collect();
    }
    let share = some.len().div_ceil(threads);
    let mut rest = some.into_iter();
    let shares: Vec<Vec<_>> = (0..threads).map(|_| rest.by_ref().take(share).collect()).collect();
    std::thread::scope(|scope| {
        let all: Vec<_> = shares
            .into_iter()
            .map(|share| {
                let seqs: Vec<i64> = share.iter().map(|(seq, _)| *seq).collect();
                (seqs, scope.spawn(move || share.into_iter().map(look).collect::<Vec<_>>()))
            })
            .collect();
        let failed = |seqs: Vec<i64>| seqs.into_iter().map(|seq| (seq, Err("it could not be looked at".to_owned())));
        all.into_iter().flat_map(|(seqs, thread)| thread.join().unwrap_or_else(|_| failed(seqs).collect())).collect()
    })
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
