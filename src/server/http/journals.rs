//! Connections to the state, for as many requests as look at it at once. One is used again once its work has ended well; after
//! an error of the store it is closed, as it writes nothing more then.

use std::sync::{Arc, Mutex, PoisonError};

use super::trouble;
use crate::journal::{JournalError, SqliteJournal};
use crate::server::{House, Problem};

/// How many are kept open.
const KEPT: usize = 8;

/// Connections to the state.
pub struct Journals {
    house: Arc<dyn House>,
    idle: Mutex<Vec<SqliteJournal>>,
}

impl Journals {
    /// None yet.
    pub fn new(house: Arc<dyn House>) -> Self {
        Self { house, idle: Mutex::default() }
    }

    /// Does something with one of them.
    ///
    /// # Errors
    /// When the state cannot be opened, and what the work says.
    pub fn with<T>(&self, work: impl FnOnce(&mut SqliteJournal) -> Result<T, Trouble>) -> Result<T, Problem> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut journal = match idle {
            Some(journal) => journal,
            None => self.house.journal()?,
        };
        let done = work(&mut journal);
        // The state folder may have been moved away below it, too: what failed is opened anew.
        if !matches!(done, Err(Trouble::Journal(JournalError::Store { .. } | JournalError::Corrupt(_)))) {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < KEPT {
                idle.push(journal);
            }
        }
        done.map_err(Problem::from)
    }
}

/// Why something could not be done with the journal.
#[derive(Debug)]
pub enum Trouble {
    /// The journal says why.
    Journal(JournalError),
    /// It was refused.
    Refused(Problem),
}

impl From<JournalError> for Trouble {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

impl From<Trouble> for Problem {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Journal(error) => trouble::of_journal(&error),
            Trouble::Refused(problem) => problem,
        }
    }
}
