//! What verifying reads of the file: a run's records, and what is kept beside them. Records are read, reckoned and handed on
//! some at a time: it must never hold all that a thousand hosts printed.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, Rows};

use super::super::audit::{Audit, Kept, Looked};
use super::super::chain::Stored;
use super::super::{Verification, boot};
use super::rows::Read;
use super::{exists, rows};
use crate::ids::RunId;
use crate::run::Record;

/// So many records, or so much text of them, are one piece of work.
const PIECE_ROWS: usize = 256;
const PIECE_BYTES: usize = 256 * 1024;
/// So many pieces are in memory at the same time, as text and as what is read of it.
const PIECES: usize = 8;
const MOST_THREADS: usize = 4;

/// A record as it was read, or why it is none.
type Row = (i64, Read<Stored>);
/// The same with what is reckoned of it, and how long its event is.
type Seen = (i64, usize, Read<Looked>);
/// What makes the one of the other.
type Reckon<'a> = dyn Fn(Row) -> Seen + Sync + 'a;

/// Goes through a run's records and hands on those that fit, each with the length of its text; nothing where there is no trace
/// of the run.
pub(super) fn look(
    connection: &mut Connection,
    run: &RunId,
    boot: &str,
    take: &mut dyn FnMut(Record, usize),
) -> rusqlite::Result<Option<Verification>> {
    // One snapshot: a runner may be writing.
    let transaction = connection.savepoint()?;
    let known = exists(&transaction, run)?;
    let mut audit = Audit::new(run);
    let mut found = known;
    {
        let query = format!("SELECT {} FROM records WHERE run = ?1 ORDER BY seq", rows::RECORD);
        let mut statement = transaction.prepare_cached(&query)?;
        let mut records = statement.query([run.as_str()])?;
        let mut see = |(seq, length, looked): Seen| {
            found = true;
            if let Some(record) = audit.record(seq, looked) {
                take(record, length);
            }
        };
        let (first, more) = piece(&mut records)?;
        if more {
            side_by_side(&|row| look_at(run, row), first, &mut records, &mut see)?;
        } else {
            first.into_iter().map(|row| look_at(run, row)).for_each(see);
        }
    }
    let kept = kept(&transaction, run, boot)?;
    Ok(found.then(|| audit.finish(kept)))
}

/// The next records, and whether there may be more of them.
fn piece(records: &mut Rows<'_>) -> rusqlite::Result<(Vec<Row>, bool)> {
    let (mut some, mut bytes) = (Vec::new(), 0);
    while let Some(row) = records.next()? {
        let row = rows::record(row);
        bytes += row.1.as_ref().map_or(0, |stored| stored.event.len());
        some.push(row);
        if some.len() >= PIECE_ROWS || bytes >= PIECE_BYTES {
            return Ok((some, true));
        }
    }
    Ok((some, false))
}

/// Reckons a record's hash and reads its event.
fn look_at(run: &RunId, (seq, stored): Row) -> Seen {
    let length = stored.as_ref().map_or(0, |stored| stored.event.len());
    (seq, length, stored.map(|stored| Looked::at(run, stored)))
}

/// Reckons on as many processors as there are while this one reads and hands on: who resumes a long run waits for it.
fn side_by_side(
    reckon: &Reckon<'_>,
    first: Vec<Row>,
    records: &mut Rows<'_>,
    see: &mut dyn FnMut(Seen),
) -> rusqlite::Result<()> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    let (work, queue) = mpsc::channel::<(usize, Vec<Row>)>();
    let (done, looked) = mpsc::channel::<(usize, Vec<Seen>)>();
    let queue = Mutex::new(queue);
    std::thread::scope(|scope| {
        let helpers: Vec<_> = (0..threads)
            .filter_map(|_| {
                let (queue, done) = (&queue, done.clone());
                std::thread::Builder::new().spawn_scoped(scope, move || help(reckon, queue, &done)).ok()
            })
            .collect();
        drop(done);
        // A machine that has no thread left for it still has a journal that is whole.
        if helpers.is_empty() {
            return alone(reckon, first, records, see);
        }
        let read = hand_on(first, records, work, &looked, see);
        helpers.into_iter().for_each(|helper| drop(helper.join()));
        read
    })
}

/// The same by this thread.
fn alone(
    reckon: &Reckon<'_>,
    first: Vec<Row>,
    records: &mut Rows<'_>,
    see: &mut dyn FnMut(Seen),
) -> rusqlite::Result<()> {
    let (mut some, mut more) = (first, true);
    loop {
        some.into_iter().map(reckon).for_each(&mut *see);
        if !more {
            return Ok(());
        }
        (some, more) = piece(records)?;
    }
}

/// Takes pieces as long as there are some. One that it fails at is handed on empty: what is missing shows as such, and nobody
/// waits for it.
fn help(reckon: &Reckon<'_>, queue: &Mutex<Receiver<(usize, Vec<Row>)>>, done: &Sender<(usize, Vec<Seen>)>) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((number, rows)) = next else { return };
        let reckoned = catch_unwind(AssertUnwindSafe(|| rows.into_iter().map(reckon).collect::<Vec<_>>()));
        let seen = reckoned.unwrap_or_default();
        if done.send((number, seen)).is_err() {
            return;
        }
    }
}

/// Reads pieces ahead of what is reckoned, and hands them on in their order.
fn hand_on(
    first: Vec<Row>,
    records: &mut Rows<'_>,
    work: Sender<(usize, Vec<Row>)>,
    looked: &Receiver<(usize, Vec<Seen>)>,
    see: &mut dyn FnMut(Seen),
) -> rusqlite::Result<()> {
    let (mut sent, mut seen, mut next) = (0, 0, Some(first));
    let mut work = Some(work);
    let mut ahead: BTreeMap<usize, Vec<Seen>> = BTreeMap::new();
    loop {
        match next.take() {
            Some(piece) => {
                // Nobody takes it only where all helpers have failed: then it is missing below.
                let _ = work.as_ref().map(|work| work.send((sent, piece)));
                sent += 1;
            }
            None => work = None,
        }
        // Whatever is there now; and where nothing more can be read ahead, it is waited for.
        while seen < sent {
            let waits = work.is_none() || sent - seen >= PIECES;
            let got = if waits { looked.recv().ok() } else { looked.try_recv().ok() };
            match got {
                Some((number, piece)) => ahead.insert(number, piece),
                None => break,
            };
            while let Some(piece) = ahead.remove(&seen) {
                piece.into_iter().for_each(&mut *see);
                seen += 1;
            }
        }
        if work.is_none() {
            // What a helper has left out comes before what was kept back for it.
            ahead.into_values().flatten().for_each(see);
            return Ok(());
        }
        let (piece, more) = piece(records)?;
        next = (more || !piece.is_empty()).then_some(piece);
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// More pieces than are in memory at the same time: who waits for one that never comes would wait forever.
    #[test]
    fn a_helper_that_fails_leaves_records_out_and_nobody_waits_for_it() {
        const RECORDS: i64 = (PIECE_ROWS * (PIECES + 8)) as i64;
        let (told, seen) = mpsc::channel();
        std::thread::spawn(move || {
            let connection = Connection::open_in_memory().unwrap();
            let numbers = format!(
                "WITH RECURSIVE numbers(seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM numbers WHERE seq < {RECORDS}) \
                 SELECT seq, 0 AS time, 0 AS epoch, '' AS actor, '' AS previous, '' AS hash, '' AS event FROM numbers"
            );
            let mut statement = connection.prepare(&numbers).unwrap();
            let mut records = statement.query([]).unwrap();
            let (first, more) = piece(&mut records).unwrap();
            assert!(more);
            let reckon = |(seq, _): Row| {
                assert_ne!(seq, PIECE_ROWS as i64 + 7, "as a fault in what reads an event would");
                (seq, 0, Err(String::new()))
            };
            let mut seen: Vec<i64> = Vec::new();
            side_by_side(&reckon, first, &mut records, &mut |(seq, ..)| seen.push(seq)).unwrap();
            told.send(seen).unwrap();
        });
        let seen = seen.recv_timeout(std::time::Duration::from_secs(60)).expect("it waits for what never comes");
        let (lost, next) = (PIECE_ROWS as i64, 2 * PIECE_ROWS as i64);
        assert!(seen.into_iter().eq((1..=lost).chain(next + 1..=RECORDS)));
    }
}
