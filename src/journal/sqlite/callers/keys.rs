//! The table of the keys under which runs were asked for.

use rusqlite::{OptionalExtension as _, Row, params};

use super::super::super::{AskedKey, ClaimedKey, JournalError, KEPT_SECONDS, Keys};
use super::super::SqliteJournal;
use super::super::rows::{self, Read, text};
use crate::ids::RunId;
use crate::run::Time;

impl Keys for SqliteJournal {
    fn claim_key(&mut self, key: &AskedKey, run: &RunId, at: Time) -> Result<ClaimedKey, JournalError> {
        self.write(|transaction| {
            let old = at.plus_seconds(-KEPT_SECONDS);
            transaction.prepare_cached("DELETE FROM asked_keys WHERE at < ?1")?.execute([old.0])?;
            let read = |row: &Row<'_>| -> Read<(String, RunId)> { Ok((text(row, "asked")?, rows::run_id(row)?)) };
            let query = "SELECT asked, run FROM asked_keys WHERE caller = ?1 AND key = ?2";
            let before = transaction
                .prepare_cached(query)?
                .query_row([&key.caller, &key.key], |row| Ok(read(row)))
                .optional()?
                .transpose()
                .map_err(|wrong| rows::damaged("what was asked under a key", &wrong))?;
            match before {
                Some((asked, run)) if asked == key.asked.as_str() => return Ok(ClaimedKey::Before(run)),
                Some(_) => return Ok(ClaimedKey::Otherwise),
                None => {}
            }
            transaction
                .prepare_cached("INSERT INTO asked_keys (caller, key, asked, run, at) VALUES (?1, ?2, ?3, ?4, ?5)")?
                .execute(params![key.caller, key.key, key.asked.as_str(), run.as_str(), at.0])?;
            Ok(ClaimedKey::New)
        })
    }

    fn free_key(&mut self, key: &AskedKey) -> Result<(), JournalError> {
        self.write(|transaction| {
            // A run that has begun keeps its key, whatever became of whoever asked for it.
            transaction
                .prepare_cached(
                    "DELETE FROM asked_keys WHERE caller = ?1 AND key = ?2 AND asked = ?3 \
                     AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.run = asked_keys.run)",
                )?
                .execute([&key.caller, &key.key, key.asked.as_str()])?;
            Ok(())
        })
    }
}
