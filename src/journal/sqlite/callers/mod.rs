//! The tables of those who call the server.

mod keys;
mod tokens;

use super::super::JournalError;
use super::SqliteJournal;
use crate::run::Time;

impl SqliteJournal {
    /// Tries whether the state can be written, by writing to it.
    ///
    /// # Errors
    /// When it cannot.
    pub fn try_write(&mut self, at: Time) -> Result<(), JournalError> {
        self.write(|transaction| {
            transaction
                .prepare_cached("INSERT INTO tried (one, at) VALUES (1, ?1) ON CONFLICT (one) DO UPDATE SET at = ?1")?
                .execute([at.0])?;
            Ok(())
        })
    }
}
