//! The tables of deliveries and of what they began.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::super::hooks::{BEGINS_WITHIN, KEPT_BODY, MOST_KEPT, MOST_PENDING, RETRY_SECONDS, kept_since};
use super::super::{Accepted, AlertsOf, Claimed, DeliveryRow, Firing, Hooks, JournalError};
use super::rows::{Read, integer, optional_text, run_id, text};
use super::trouble::Trouble;
use super::{SqliteJournal, rows};
use crate::ids::{Digest, RunId};
use crate::run::Time;

/// That a delivery came again is written down once a minute: a flood of copies must not keep the disk busy.
const COARSE_SECONDS: f64 = 60.0;

/// The scope of a firing that was refused: no cooldown is counted over it.
const REFUSED: &str = "refused";

impl Hooks for SqliteJournal {
    fn accept(&mut self, source: &str, delivery: &str, body: &[u8], at: Time) -> Result<Accepted, JournalError> {
        // Most copies are of what is there: to see that nothing is written.
        if let Some((number, seen)) = known(&self.connection, source, delivery).map_err(Trouble::read)? {
            return self.seen_again(number, seen, at);
        }
        // Whatever monitoring sends, the runs that are under way keep the room that was set aside for them.
        self.spare(body.len())?;
        let accepted = self.write(|transaction| {
            let open: i64 = transaction
                .prepare_cached("SELECT count(*) FROM hook_deliveries WHERE done IS NULL")?
                .query_row([], |row| row.get(0))?;
            if usize::try_from(open).unwrap_or(usize::MAX) >= MOST_PENDING {
                return Ok(Some(Accepted::Full));
            }
            let added = transaction
                .prepare_cached(
                    "INSERT INTO hook_deliveries (source, delivery, received, seen, body) VALUES (?1, ?2, ?3, ?3, ?4) \
                     ON CONFLICT (source, delivery) DO NOTHING",
                )?
                .execute(params![source, delivery, at.0, body])?;
            Ok((added > 0).then(|| Accepted::New(transaction.last_insert_rowid())))
        })?;
        if let Some(accepted) = accepted {
            return Ok(accepted);
        }
        // Somebody else brought it in just now.
        match known(&self.connection, source, delivery).map_err(Trouble::read)? {
            Some((number, seen)) => self.seen_again(number, seen, at),
            None => Err(rows::damaged("a delivery", "it is there and cannot be found")),
        }
    }

    fn pending(&mut self, most: usize) -> Result<Vec<DeliveryRow>, JournalError> {
        let query = "SELECT * FROM hook_deliveries WHERE done IS NULL ORDER BY number LIMIT ?1";
        self.list(query, "a delivery", delivery, [i64::try_from(most).unwrap_or(i64::MAX)])
    }

    fn done(&mut self, number: i64, became: &str, at: Time) -> Result<(), JournalError> {
        let longest = i64::try_from(KEPT_BODY).unwrap_or(i64::MAX);
        self.write(|transaction| {
            transaction
                .prepare_cached(
                    "UPDATE hook_deliveries SET done = ?2, became = ?3, \
                     body = CASE WHEN length(body) > ?4 THEN x'' ELSE body END WHERE number = ?1 AND done IS NULL",
                )?
                .execute(params![number, at.0, became, longest])?;
            Ok(())
        })
    }

    fn received(&mut self, most: usize) -> Result<Vec<DeliveryRow>, JournalError> {
        let query = "SELECT * FROM hook_deliveries ORDER BY number DESC LIMIT ?1";
        self.list(query, "a delivery", delivery, [i64::try_from(most).unwrap_or(i64::MAX)])
    }

    fn claim_firing(&mut self, claim: &Firing, at: Time) -> Result<Claimed, JournalError> {
        self.write(|transaction| {
            let mut before = transaction.prepare_cached("SELECT run, scope FROM hook_claims WHERE claim = ?1")?;
            let found = before.query_row([claim.claim.as_str()], |row| Ok((run_id(row), text(row, "scope")))).optional()?;
            if let Some((run, scope)) = found {
                let wrong = |wrong: String| rows::damaged("a claim", &wrong);
                let (run, scope) = (run.map_err(wrong)?, scope.map_err(wrong)?);
                return Ok(if scope == REFUSED { Claimed::Refused } else { Claimed::Before(run) });
            }
            let mut newest = transaction.prepare_cached(
                "SELECT run, at FROM hook_claims WHERE scope = ?1 AND (at > ?2 OR run IN (SELECT run FROM runs)) \
                 ORDER BY at DESC LIMIT 1",
            )?;
            let begins_yet = at.plus_seconds(-BEGINS_WITHIN);
            let scope = params![claim.scope.as_str(), begins_yet.0];
            let found = newest.query_row(scope, |row| Ok((run_id(row), integer(row, "at")))).optional()?;
            if let Some((run, begun)) = found {
                let wrong = |wrong: String| rows::damaged("a claim", &wrong);
                let (run, begun) = (run.map_err(wrong)?, Time(begun.map_err(wrong)?));
                let until = begun.plus_seconds(claim.cooldown);
                // A clock that was set back must not hold it for ever.
                if at < until && at.seconds_since(begun) >= -claim.cooldown {
                    return Ok(Claimed::Cooling { run, until });
                }
            }
            transaction
                .prepare_cached(
                    "INSERT INTO hook_claims (claim, scope, run, at, source, fingerprint) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![
                    claim.claim.as_str(),
                    claim.scope.as_str(),
                    claim.run.as_str(),
                    at.0,
                    claim.source,
                    claim.fingerprint
                ])?;
            Ok(Claimed::New)
        })
    }

    fn free_firing(&mut self, claim: &Digest) -> Result<(), JournalError> {
        self.write(|transaction| {
            // A run that has begun keeps its claim, whatever somebody believes.
            transaction
                .prepare_cached("DELETE FROM hook_claims WHERE claim = ?1 AND run NOT IN (SELECT run FROM runs)")?
                .execute([claim.as_str()])?;
            Ok(())
        })
    }

    fn refuse_firing(&mut self, claim: &Digest, at: Time) -> Result<(), JournalError> {
        self.write(|transaction| {
            // It began nothing, so nobody is told later that what it began is over. A run that has begun keeps its claim.
            transaction
                .prepare_cached(
                    "UPDATE hook_claims SET scope = ?2, resolved = ?3 \
                     WHERE claim = ?1 AND run NOT IN (SELECT run FROM runs)",
                )?
                .execute(params![claim.as_str(), REFUSED, at.0])?;
            Ok(())
        })
    }

    fn resolved(&mut self, source: &str, fingerprint: &str, at: Time) -> Result<Vec<RunId>, JournalError> {
        self.write(|transaction| {
            let mut ended = transaction.prepare_cached(
                "UPDATE hook_claims SET resolved = ?3 WHERE source = ?1 AND fingerprint = ?2 AND resolved IS NULL \
                 RETURNING run",
            )?;
            let mut found = ended.query(params![source, fingerprint, at.0])?;
            let mut runs = Vec::new();
            while let Some(row) = found.next()? {
                runs.push(run_id(row).map_err(|wrong| rows::damaged("a claim", &wrong))?);
            }
            Ok(runs)
        })
    }

    fn prune(&mut self, now: Time) -> Result<usize, JournalError> {
        let since = kept_since(now).0;
        let most = i64::try_from(MOST_KEPT).unwrap_or(i64::MAX);
        self.write(|transaction| {
            let old = transaction
                .prepare_cached("DELETE FROM hook_deliveries WHERE done IS NOT NULL AND seen < ?1")?
                .execute([since])?;
            let more = transaction
                .prepare_cached(
                    "DELETE FROM hook_deliveries WHERE done IS NOT NULL AND number IN (SELECT number FROM hook_deliveries \
                     WHERE done IS NOT NULL ORDER BY seen DESC, number DESC LIMIT -1 OFFSET ?1)",
                )?
                .execute([most])?;
            // What names a firing is kept for as long as somebody may send it again: one that still fires is sent for months, and
            // must not begin a second run.
            transaction
                .prepare_cached("DELETE FROM hook_claims WHERE at < ?1 AND resolved < ?1")?
                .execute([since])?;
            Ok(old + more)
        })
    }
}

impl SqliteJournal {
    /// How the alerts stand that began a run.
    pub(super) fn alerts_that_began(&self, run: &RunId) -> Result<Option<AlertsOf>, JournalError> {
        let query = "SELECT count(*) AS alerts, sum(resolved IS NULL) AS open, max(resolved) AS last \
                     FROM hook_claims WHERE run = ?1";
        let read = |row: &Row<'_>| -> Read<Option<AlertsOf>> {
            let alerts = u32::try_from(integer(row, "alerts")?).unwrap_or(u32::MAX);
            if alerts == 0 {
                return Ok(None);
            }
            let over = integer(row, "open")? == 0;
            Ok(Some(AlertsOf { alerts, resolved: if over { Some(Time(integer(row, "last")?)) } else { None } }))
        };
        Ok(self.list(query, "a claim", read, [run.as_str()])?.into_iter().flatten().next())
    }

    fn seen_again(&mut self, number: i64, seen: Time, at: Time) -> Result<Accepted, JournalError> {
        let since = at.seconds_since(seen);
        if since >= COARSE_SECONDS {
            self.write(|transaction| {
                transaction
                    .prepare_cached("UPDATE hook_deliveries SET seen = max(seen, ?2) WHERE number = ?1")?
                    .execute(params![number, at.0])?;
                Ok(())
            })?;
        }
        Ok(Accepted::Known { number, again: since >= RETRY_SECONDS })
    }
}

fn known(connection: &Connection, source: &str, delivery: &str) -> Result<Option<(i64, Time)>, Trouble> {
    let query = "SELECT number, seen FROM hook_deliveries WHERE source = ?1 AND delivery = ?2";
    let mut statement = connection.prepare_cached(query)?;
    Ok(statement.query_row([source, delivery], |row| Ok((row.get(0)?, Time(row.get(1)?)))).optional()?)
}

fn delivery(row: &Row<'_>) -> Read<DeliveryRow> {
    let done = match optional_text(row, "became")? {
        None => None,
        Some(became) => Some((Time(integer(row, "done")?), became)),
    };
    Ok(DeliveryRow {
        number: integer(row, "number")?,
        source: text(row, "source")?,
        delivery: text(row, "delivery")?,
        received: Time(integer(row, "received")?),
        seen: Time(integer(row, "seen")?),
        body: row.get("body").map_err(|_| "its `body` is none".to_owned())?,
        done,
    })
}
