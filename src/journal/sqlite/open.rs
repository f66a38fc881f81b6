//! Makes and opens the journal's file: private, on a disk of this machine, marked as ours, and durable from the first byte
//! on. It must never change a file that is not ours.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::super::JournalError;
use super::network::shared_file_system;
use super::room;
use super::trouble::{explain, is_busy};

/// The name of the file in the state folder.
pub(super) const FILE: &str = "playbook.sqlite3";
/// "plbk": the mark by which the file is known as ours.
const APPLICATION: i32 = 0x706c_626b;
/// The form of the tables.
const FORMAT: i32 = 7;
/// What each form adds to the one before it, from form 2 on. What was released is never changed.
const FORMS: [&str; 6] = [
    include_str!("form-2.sql"),
    include_str!("form-3.sql"),
    include_str!("form-4.sql"),
    include_str!("form-5.sql"),
    include_str!("form-6.sql"),
    include_str!("form-7.sql"),
];
const PATIENCE: Duration = Duration::from_secs(10);

/// SQLite's locks belong to the process, and closing any handle of the file drops them all. A file is opened beside SQLite
/// only when it is made, and this keeps another thread from opening it in that moment.
static OPENING: Mutex<()> = Mutex::new(());

/// How much a commit of a connection promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Promise {
    /// It is on the disk.
    Durable,
    /// It is seen by every process; a power cut may take it back.
    Seen,
}

/// Makes the file ready, and where they are missing, itself and its folder. What comes back leaves the log when it is closed
/// (`room::stay`) and promises nothing yet.
pub(super) fn prepare(path: &Path) -> Result<Connection, JournalError> {
    let _one_at_a_time = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = folder_of(path);
    make_folder(folder).map_err(|error| failed("make the state folder", folder, &error))?;
    refuse_shared(folder)?;
    make_file(folder, path).map_err(|error| failed("make", path, &error))?;
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // This look at it takes nothing from a run that has room set aside in the log.
    room::stay(&connection);
    let new = is_new(&connection, path)?;
    // Also where there is a journal: somebody may have switched its log off with another tool.
    write_ahead(&connection).map_err(|error| explain("written", &error))?;
    if !new {
        bring_up(&mut connection).map_err(|error| explain("written", &error))?;
    } else {
        lay_out(&mut connection).map_err(|error| explain("written", &error))?;
        // SQLite has made its log by now; its name is to last as well.
        sync_folder(folder).map_err(|error| failed("make", path, &error))?;
    }
    Ok(connection)
}

/// The folder that a file lies in.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A connection that writes.
pub(super) fn writing(path: &Path, level: Promise) -> Result<Connection, JournalError> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    promise(&connection, level)?;
    Ok(connection)
}

/// Has a connection promise so much for what it writes from here on.
pub(super) fn promise(connection: &Connection, promise: Promise) -> Result<(), JournalError> {
    let level = match promise {
        Promise::Durable => "FULL",
        Promise::Seen => "NORMAL",
    };
    connection
        .pragma_update(None, "synchronous", level)
        .and_then(|()| connection.pragma_update(None, "foreign_keys", true))
        .and_then(|()| connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024))
        .and_then(|()| connection.pragma_update(None, "wal_autocheckpoint", room::CHECKPOINT_FRAMES))
        .map_err(|error| explain("read", &error))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// A connection that only reads, while others may write; nothing where there is no journal.
pub(super) fn reading(path: &Path) -> Result<Option<Connection>, JournalError> {
    let _one_at_a_time = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("open", path, &error)),
        Ok(_) => refuse_shared(folder_of(path))?,
    }
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    // Whoever is making it has not got to its tables yet: there are no runs in it.
    Ok(if is_new(&connection, path)? { None } else { Some(connection) })
}

fn connect(path: &Path, mode: OpenFlags) -> Result<Connection, JournalError> {
    Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .and_then(|connection| connection.busy_timeout(PATIENCE).map(|()| connection))
        // Otherwise every new value of a parameter has its statement planned anew.
        .and_then(|connection| {
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(|_| connection)
        })
        .map_err(|error| explain("read", &error))
}

/// Whether the file has nothing in it yet. An error where it is not a journal that this version knows.
fn is_new(connection: &Connection, path: &Path) -> Result<bool, JournalError> {
    let number = |query: &str| connection.query_row(query, [], |row| row.get::<_, i32>(0));
    let marks = || -> rusqlite::Result<(i32, i32, i32)> {
        // In one transaction: another process may be laying out the tables right now.
        let transaction = connection.unchecked_transaction()?;
        let marks = (
            number("SELECT count(*) FROM sqlite_schema")?,
            number("PRAGMA application_id")?,
            number("PRAGMA user_version")?,
        );
        transaction.finish()?;
        Ok(marks)
    };
    let place = path.display();
    match marks() {
        Ok((0, 0, 0)) => Ok(true),
        Ok((_, APPLICATION, 1..=FORMAT)) => Ok(false),
        Ok((_, APPLICATION, format)) if format > FORMAT => Err(JournalError::Unsuitable(format!(
            "{place} was made by a newer playbook: its journal has form {format}, and this version knows forms up to \
             {FORMAT}. Use that newer version, or another state folder"
        ))),
        Ok((_, APPLICATION, format)) => Err(JournalError::Corrupt(format!("{place} has the unknown form {format}"))),
        Ok(_) => Err(not_ours(path)),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => Err(not_ours(path)),
        Err(error) => Err(explain("read", &error)),
    }
}

fn not_ours(path: &Path) -> JournalError {
    JournalError::Unsuitable(format!(
        "{} is not a journal of playbook, so it is left as it is. Move it away, or use another state folder",
        path.display()
    ))
}

fn lay_out(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", "FULL")?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been faster.
    let tables: i64 = transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        transaction.execute_batch(include_str!("schema.sql"))?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        FORMS.iter().try_for_each(|form| transaction.execute_batch(form))?;
        transaction.pragma_update(None, "user_version", FORMAT)?;
    }
    transaction.commit()
}

/// Brings a file of an earlier form up to this one. A version that knows only the earlier form refuses it from then on: it
/// would start steps while everything is halted.
fn bring_up(connection: &mut Connection) -> rusqlite::Result<()> {
    let form = |connection: &Connection| connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i32>(0));
    if form(connection)? == FORMAT {
        return Ok(());
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been faster.
    let known = usize::try_from(form(&transaction)? - 1).unwrap_or(FORMS.len());
    FORMS.iter().skip(known).try_for_each(|added| transaction.execute_batch(added))?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()
}

/// Switches to the write-ahead log. SQLite does not wait here by itself when another process does the same.
fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    let begun = Instant::now();
    loop {
        match connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0)) {
            Ok(mode) if mode.eq_ignore_ascii_case("wal") => return Ok(()),
            Ok(_) => {
                return Err(rusqlite::Error::SqliteFailure(
                    rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN),
                    Some("this file system cannot hold a write-ahead log".to_owned()),
                ));
            }
            Err(error) if is_busy(&error) && begun.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(error) => return Err(error),
        }
    }
}

fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        make_folder(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_folder(parent.unwrap_or(Path::new("."))),
    }
}

/// Makes the file private before SQLite first touches it: its log and shared memory get the permissions that it has.
fn make_file(folder: &Path, path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => {
            file.set_permissions(Permissions::from_mode(0o600))?;
            file.sync_all()?;
            sync_folder(folder)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn refuse_shared(folder: &Path) -> Result<(), JournalError> {
    match shared_file_system(folder).map_err(|error| failed("look at", folder, &error))? {
        None => Ok(()),
        Some(kind) => Err(JournalError::Unsuitable(format!(
            "{} lies on a network file system ({kind}), where two machines could write one journal. Choose a state folder \
             on a disk of this machine",
            folder.display()
        ))),
    }
}

fn failed(doing: &str, path: &Path, error: &io::Error) -> JournalError {
    JournalError::Store { doing: "opened", cause: format!("cannot {doing} {}: {error}", path.display()) }
}
