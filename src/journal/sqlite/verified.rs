//! What was verified last, so that whoever takes a run up does not read and reckon all of its records four times. It counts
//! only as long as nobody has written to the file since: SQLite says so.

use super::super::{JournalError, Verification};
use super::trouble::explain;
use super::{SqliteJournal, verify};
use crate::ids::RunId;
use crate::run::Record;

/// A state of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    /// Moves with what others write.
    pub(super) theirs: i64,
    /// Moves with what is written here.
    pub(super) ours: u64,
}

/// A run whose records fit: as long as nobody has written, they need not be read and reckoned again.
#[derive(Debug)]
pub(super) struct Verified {
    run: RunId,
    /// The state of the file in which it was verified.
    version: Version,
    /// What was found; nothing where its newest records were written here since.
    verification: Option<Verification>,
    pub(super) records: Vec<Record>,
}

impl Verified {
    /// The same run with what was written behind it, where that follows on it.
    pub(super) fn with(mut self, more: &[Record], changes: u64) -> Option<Self> {
        let follows = self.records.last().zip(more.first()).is_some_and(|(last, next)| next.previous == last.hash);
        self.records.extend_from_slice(more);
        self.verification = None;
        // What others wrote meanwhile is still seen.
        self.version.ours = changes;
        follows.then_some(self)
    }
}

impl SqliteJournal {
    fn written(&self) -> Result<Version, JournalError> {
        Ok(Version { theirs: self.version()?, ours: self.connection.total_changes() })
    }

    /// The run that was verified last, where it is this one and nobody has written since.
    pub(super) fn still_verified(&self, run: &RunId) -> Result<Option<&Verified>, JournalError> {
        let Some(verified) = self.verified.as_ref().filter(|verified| &verified.run == run) else { return Ok(None) };
        Ok((verified.version == self.written()?).then_some(verified))
    }

    /// Verifies a run, or says again what was found where nobody has written since.
    pub(super) fn verify_run(&mut self, run: &RunId) -> Result<Verification, JournalError> {
        // Read before the records: what is written in between is found the next time.
        let version = self.written()?;
        if let Some(Verified { verification: Some(verification), .. }) = self.still_verified(run)? {
            return Ok(verification.clone());
        }
        let (verification, records) = verify::look(&mut self.connection, run, &self.boot)
            .map_err(|error| explain("read", &error))?
            .ok_or_else(|| JournalError::NoSuchRun(run.clone()))?;
        let verified =
            |records| Verified { run: run.clone(), version, verification: Some(verification.clone()), records };
        self.verified = records.map(verified);
        Ok(verification)
    }
}
