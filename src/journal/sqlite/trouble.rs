//! What SQLite says, in words for a person.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Error, ErrorCode};

use super::super::JournalError;

/// Why a transaction was not committed.
pub(super) enum Trouble {
    /// The contract says no; the store is fine.
    Refused(JournalError),
    /// The store failed.
    Store(Error),
    /// A file of it could not be made ready.
    File(PathBuf, io::Error),
}

impl From<JournalError> for Trouble {
    fn from(error: JournalError) -> Self {
        Self::Refused(error)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl Trouble {
    /// What it means for a read.
    pub fn read(self) -> JournalError {
        match self {
            Self::Refused(error) => error,
            Self::Store(error) => explain("read", &error),
            Self::File(path, error) => file("read", &path, &error),
        }
    }

    /// Whether the disk has no room for it.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Store(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull))
    }
}

/// What an error of a file of the store means.
pub(super) fn file(doing: &'static str, path: &Path, error: &io::Error) -> JournalError {
    JournalError::Store { doing, cause: format!("{}: {error}", path.display()) }
}

/// Whether another process merely held the journal for too long. The locking protocol fails where one was stopped just as
/// it opened the journal.
pub(super) fn is_busy(error: &Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed)
    )
}

/// What an error of the store means, where `doing` is `written` or `read`.
pub(super) fn explain(doing: &'static str, error: &Error) -> JournalError {
    let meaning = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            return JournalError::Corrupt(format!("{error}; restore it from a copy, or use another state folder"));
        }
        Some(ErrorCode::ConstraintViolation) => {
            return JournalError::Corrupt(format!("its tables do not agree with one another ({error})"));
        }
        Some(ErrorCode::DiskFull) => "the disk is full; free some space, then resume the run",
        Some(ErrorCode::SystemIoFailure) => "the disk reported an error; look at the kernel's log before going on",
        _ if is_busy(error) => {
            "another process held it for longer than 10 s; `fuser` on the file says which. If that one is stopped (T in `ps`) \
             or hangs, end it with kill -9: nothing that was written down is lost by that, and its run can be resumed"
        }
        Some(ErrorCode::ReadOnly) => "it may only be read; look at its permissions, and whether the disk is read-only",
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            "it cannot be opened; look at the permissions of the state folder and of the files in it"
        }
        Some(ErrorCode::OutOfMemory) => "there is no memory left",
        _ => "the store failed",
    };
    JournalError::Store { doing, cause: format!("{meaning} ({error})") }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    fn of(code: i32) -> String {
        explain("written", &Error::SqliteFailure(ffi::Error::new(code), None)).to_string()
    }

    #[test]
    fn errors_say_what_they_mean() {
        assert!(of(ffi::SQLITE_FULL).starts_with("the journal could not be written: the disk is full"));
        assert!(of(ffi::SQLITE_IOERR_FSYNC).contains("the disk reported an error"));
        for held in [ffi::SQLITE_BUSY, ffi::SQLITE_PROTOCOL] {
            assert!(of(held).contains("another process held it") && of(held).contains("kill -9"), "{}", of(held));
        }
        assert!(of(ffi::SQLITE_CORRUPT).starts_with("the journal is damaged"));
        assert!(of(ffi::SQLITE_READONLY).contains("may only be read"));
    }
}
