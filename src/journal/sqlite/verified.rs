//! What was verified last, so that whoever takes a run up does not read and reckon all of its records several times. It counts
//! only as long as nobody has written to the file since: SQLite says so. It must never keep records: they may be large.

use std::sync::Arc;

use super::super::{JournalError, Verification};
use super::trouble::explain;
use super::{SqliteJournal, room, verify};
use crate::ids::RunId;
use crate::run::{Event, Record};

/// A state of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    /// Moves with what others write.
    theirs: i64,
    /// Moves with what is written here.
    ours: u64,
}

/// A run that was verified.
#[derive(Debug)]
pub(super) struct Verified {
    run: RunId,
    /// The state of the file in which it was.
    version: Version,
    /// What was found.
    verification: Verification,
}

impl SqliteJournal {
    fn written(&self) -> Result<Version, JournalError> {
        Ok(Version { theirs: self.version()?, ours: self.connection.total_changes() })
    }

    /// What was found when this run was verified last, where nobody has written since.
    pub(super) fn still_verified(&self, run: &RunId) -> Result<Option<Verification>, JournalError> {
        let Some(verified) = self.verified.as_ref().filter(|verified| &verified.run == run) else { return Ok(None) };
        Ok((verified.version == self.written()?).then(|| verified.verification.clone()))
    }

    /// Verifies a run and hands on its records.
    pub(super) fn verify_run(
        &mut self,
        run: &RunId,
        take: &mut dyn FnMut(Record),
    ) -> Result<Verification, JournalError> {
        // Read before the records: what is written in between is found the next time.
        let version = self.written()?;
        let mut plan = None;
        let (mut first, mut beside) = (0, 0);
        let verification = verify::look(&mut self.connection, run, &self.boot, &mut |record, length| {
            if let Event::RunStarted { plan: started, .. } = &record.event {
                (plan, first) = (Some(Arc::clone(started)), length);
            }
            beside += u64::from(!room::is_reckoned(&record.event));
            take(record);
        });
        let verification = verification
            .map_err(|error| explain("read", &error))?
            .ok_or_else(|| JournalError::NoSuchRun(run.clone()))?;
        self.verified = None;
        // What does not fit is looked at anew each time.
        if verification.broken.is_none() {
            self.needs.extend(plan.map(|plan| (run.clone(), room::pages(&plan, first).beside(beside))));
            self.verified = Some(Verified { run: run.clone(), version, verification: verification.clone() });
        }
        Ok(verification)
    }
}
