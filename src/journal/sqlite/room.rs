//! Room on the disk, set aside before a run changes anything: what its remaining records and its undo may need is there also
//! when something else has filled the disk by then.
//!
//! Two things grow. The file takes new pages: so many free ones are made in it, written once so that the disk really has
//! given them, that checkpoints never have to make it longer. The log takes every page that a commit touches, and starts
//! anew once it was brought into the file: so a constant length of it is allocated ahead, which suffices as long as the
//! checkpoints succeed. Neither can be taken away again by whoever fills the disk, as a file that is given up then could.
//!
//! It must never fail a run that is under way: it is asked before the first change, and afterwards only for what is large.

mod large;
mod need;

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::statvfs::statvfs;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension as _, params};

pub(super) use need::{Need, is_reckoned, pages};

use super::super::JournalError;
use super::trouble::{Trouble, explain, is_busy};
use super::{SqliteJournal, rows};
use crate::ids::RunId;
use crate::run::Event;
use large::{give_up_output, size};
use need::{PAGES_A_RECORD, RECORDS_A_RUN};

/// How many frames of the log are brought into the file at once: a small log is what makes a small reserve suffice.
pub(super) const CHECKPOINT_FRAMES: u32 = 250;
/// How many frames of the log are kept allocated ahead of where it is written: twice what a checkpoint waits for.
const LOG_FRAMES: u64 = 512;
/// SQLite's page and what the log adds to each.
const PAGE: u64 = 4096;
const FRAME: u64 = PAGE + 24;
/// What an overflow page holds of a blob.
const BLOB_BYTES: u64 = PAGE - 4;
/// How many pages are filled by one commit: each waits for the disk several times, and the log has to hold it.
const CHUNK: u64 = 1500;
/// So many pages more are set aside where the disk has so many times as much as is wanted: each of many small runs would write
/// all that is free anew, only to add the little that the one before has used.
const SPARE: u64 = 256;
const PLENTY: u64 = 16;
/// Left to everybody else: file systems need a little for themselves.
const MARGIN: u64 = 64 * 1024;
/// The size of a write that is not covered by what was reckoned for a record.
pub(super) const LARGE: usize = 4 * PAGE as usize;

/// What is missing.
pub(super) struct Shortage {
    /// How many bytes are wanted.
    pub wanted: u64,
    /// How many the disk has.
    pub free: u64,
}

/// Why nothing was set aside.
pub(super) enum NoRoom {
    /// The disk has not enough.
    Short(Shortage),
    /// The store failed.
    Trouble(Trouble),
}

impl<T: Into<Trouble>> From<T> for NoRoom {
    fn from(trouble: T) -> Self {
        Self::Trouble(trouble.into())
    }
}

/// How many pages all runs need that have not ended: those of a run that cannot be read are reckoned as if it were small.
/// What was reckoned before is in `needs`: a first record never changes. Of a run whose records nobody has gone over here, all
/// are taken for reckoned ones: to read them all for this would cost whoever begins a run more than it saves.
pub(super) fn pages_of_open_runs(connection: &Connection, needs: &mut BTreeMap<RunId, Need>) -> Result<u64, Trouble> {
    let mut open = connection.prepare_cached("SELECT run, head_seq FROM runs WHERE verdict IS NULL")?;
    let mut first = connection.prepare_cached("SELECT event FROM records WHERE run = ?1 AND seq = 1")?;
    let mut found = open.query([])?;
    let mut sum = 0;
    while let Some(row) = found.next()? {
        let run = rows::run_id(row).ok();
        let written = row.get(1).map_or(0, |number: i64| u64::try_from(number).unwrap_or(0));
        if let Some(need) = run.as_ref().and_then(|run| needs.get(run)) {
            sum += need.left(written);
            continue;
        }
        let name: rusqlite::types::Value = row.get(0)?;
        let text: Option<String> = first.query_row([name], |row| row.get(0)).optional().unwrap_or_default();
        let text = text.unwrap_or_default();
        sum += match serde_json::from_str(&text) {
            Ok(Event::RunStarted { plan, .. }) => {
                let need = pages(&plan, text.len());
                needs.extend(run.map(|run| (run, need)));
                need.left(written)
            }
            _ => RECORDS_A_RUN * PAGES_A_RECORD,
        };
    }
    Ok(sum)
}

/// Sees to it that so many pages are free in the file, and that the log can take `more` bytes at once besides its usual
/// length.
pub(super) fn set_aside(connection: &Connection, path: &Path, pages: u64, more: u64) -> Result<(), NoRoom> {
    let free = free_pages(connection)?;
    let missing = pages.saturating_sub(free);
    // What is free already is taken first by whatever is written: only behind all of it does the file grow.
    let mut filled = if missing == 0 { 0 } else { free + missing };
    let log = log_path(path);
    let ahead = (LOG_FRAMES + more / PAGE).max(filled.min(CHUNK) + CHECKPOINT_FRAMES as u64);
    let target = (checkpoint(connection)? + ahead) * FRAME;
    let allocated = std::fs::metadata(&log).map_or(0, |log| log.blocks() * 512);
    let wanted = missing * PAGE + target.saturating_sub(allocated);
    let folder = path.parent().unwrap_or(Path::new("/"));
    // Looked at first: a disk that has too little must not lose even that.
    if let Ok(disk) = statvfs(folder) {
        let there = disk.blocks_available() * disk.fragment_size();
        if wanted > 0 && there < wanted + MARGIN {
            return Err(NoRoom::Short(Shortage { wanted, free: there }));
        }
        // Where there is plenty, the next small runs need not fill it all anew.
        if filled > 0 && there / PLENTY >= wanted + SPARE * PAGE {
            filled += SPARE;
        }
    }
    let short = || NoRoom::Short(Shortage { wanted, free: 0 });
    allocate(&log, target).map_err(|error| match error {
        Errno::ENOSPC | Errno::EDQUOT => short(),
        error => Trouble::File(log.clone(), error.into()).into(),
    })?;
    fill(connection, filled).map_err(|trouble| if trouble.is_full() { short() } else { trouble.into() })
}

impl SqliteJournal {
    /// Sets aside what the runs that have not ended may still need, `pages` more than that, and `more` bytes in the log.
    pub(super) fn set_aside(&mut self, pages: u64, more: u64) -> Result<(), JournalError> {
        self.writable()?;
        let open = pages_of_open_runs(&self.connection, &mut self.needs).map_err(Trouble::read)?;
        match set_aside(&self.connection, &self.path, open + pages, more) {
            Ok(()) => Ok(()),
            Err(NoRoom::Short(shortage)) => Err(self.too_little(&shortage)),
            Err(NoRoom::Trouble(Trouble::Store(error))) if is_busy(&error) => Err(explain("written", &error)),
            Err(NoRoom::Trouble(trouble)) => self.write(|_| Err(trouble)),
        }
    }

    /// Before so many bytes are written of what no run needs: it must not take what was set aside for those that have not
    /// ended. Where there is no room for both, it is not written.
    pub(super) fn spare(&mut self, bytes: usize) -> Result<(), JournalError> {
        self.writable()?;
        if pages_of_open_runs(&self.connection, &mut self.needs).map_err(Trouble::read)? == 0 {
            return Ok(());
        }
        let bytes = bytes as u64;
        self.set_aside(2 * PAGES_A_RECORD + bytes.div_ceil(BLOB_BYTES), bytes)
    }

    fn too_little(&self, Shortage { wanted, free }: &Shortage) -> JournalError {
        let kib = |bytes: &u64| bytes.div_ceil(1024);
        JournalError::Store {
            doing: "written",
            cause: format!(
                "the disk of {} is full: {} KiB are wanted for what a run and its undo write down, and {} KiB are free",
                self.path.display(),
                kib(wanted),
                kib(free)
            ),
        }
    }

    /// What is too large for what was set aside gets room of its own; where there is none, what commands printed is left
    /// out.
    pub(super) fn make_fit(&mut self, events: &mut [Event]) {
        let size = size(events) as u64;
        if is_large(events) && self.set_aside(size / 2048, size).is_err() {
            give_up_output(events);
        }
    }
}

/// Whether what was set aside may not hold them beside others.
pub(super) fn is_large(events: &[Event]) -> bool {
    size(events) > LARGE
}

fn free_pages(connection: &Connection) -> rusqlite::Result<u64> {
    let free: i64 = connection.prepare_cached("PRAGMA freelist_count")?.query_row([], |row| row.get(0))?;
    Ok(u64::try_from(free).unwrap_or(0))
}

/// Brings the log into the file as far as nobody reads it, and says how many frames it has.
fn checkpoint(connection: &Connection) -> rusqlite::Result<u64> {
    // -1 where there is no log yet.
    let frames: i64 = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1))?;
    Ok(u64::try_from(frames).unwrap_or(0))
}

fn log_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// Has the disk give so many bytes to the log, without changing anything in it. SQLite keeps no lock on this file, so
/// opening and closing it takes none away.
fn allocate(log: &Path, target: u64) -> Result<(), Errno> {
    let file = OpenOptions::new()
        .write(true)
        .open(log)
        .map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))?;
    let length = i64::try_from(target).unwrap_or(i64::MAX);
    match fallocate(&file, FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, length) {
        // A file system that cannot (ZFS): the pages in the file are there, the log is left to luck.
        Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => Ok(()),
        other => other,
    }
}

/// Makes so many free pages, those among them that are free already. They are written, brought into the file and then deleted: a page that was never written is
/// only a hole in the file, which a full disk cannot fill.
fn fill(connection: &Connection, pages: u64) -> Result<(), Trouble> {
    if pages == 0 {
        return Ok(());
    }
    // Always empty but for these moments, and made only here: journals that are older do not have it.
    connection.execute("CREATE TABLE IF NOT EXISTS room (filler BLOB NOT NULL) STRICT", [])?;
    let mut left = pages;
    let filled = loop {
        let now = left.min(CHUNK);
        let filler = rows::signed(now * BLOB_BYTES);
        let filled = connection
            .prepare_cached("INSERT INTO room (filler) VALUES (zeroblob(?1))")
            .and_then(|mut statement| statement.execute(params![filler]))
            .and_then(|_| checkpoint(connection));
        left -= now;
        if filled.is_err() || left == 0 {
            break filled;
        }
    };
    connection.execute("DELETE FROM room", [])?;
    filled?;
    Ok(())
}

/// Before a connection is closed: as long as a run is open the log stays, with the room that it has. SQLite would remove it
/// with the last connection.
pub(super) fn keep(connection: &Connection) {
    let open = "SELECT EXISTS (SELECT 1 FROM runs WHERE verdict IS NULL)";
    if connection.query_row(open, [], |row| row.get(0)).unwrap_or(true) {
        // Whoever copies only the file is to have everything in it.
        let _ = checkpoint(connection);
        stay(connection);
    }
}

/// Closing this connection tidies the log up, where it is the last one.
pub(super) fn go(connection: &Connection) {
    let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false);
}

/// Closing this connection leaves the log as it is.
pub(super) fn stay(connection: &Connection) {
    let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
}
