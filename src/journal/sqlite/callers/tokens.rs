//! The table of tokens.

use rusqlite::{OptionalExtension as _, Row, params};

use super::super::super::{JournalError, NewToken, TokenRow, Tokens};
use super::super::SqliteJournal;
use super::super::rows::{self, Read, integer, optional_text, text};
use crate::run::Time;

impl Tokens for SqliteJournal {
    fn add_token(&mut self, token: &NewToken) -> Result<bool, JournalError> {
        let roles = rows::to_json(&token.roles)?;
        self.write(|transaction| {
            let query = "SELECT 1 FROM tokens WHERE name = ?1 AND revoked IS NULL";
            if transaction.prepare_cached(query)?.exists([&token.name])? {
                return Ok(false);
            }
            transaction
                .prepare_cached(
                    "INSERT INTO tokens (name, digest, roles, made_by, made, expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![token.name, token.digest.as_str(), roles, token.by, token.at.0, token.expires.0])?;
            Ok(true)
        })
    }

    fn tokens(&mut self) -> Result<Vec<TokenRow>, JournalError> {
        self.list("SELECT * FROM tokens ORDER BY number", "the list of tokens", token, [])
    }

    fn revoke_token(&mut self, name: &str, by: &str, at: Time) -> Result<bool, JournalError> {
        self.write(|transaction| {
            let revoked = transaction
                .prepare_cached("UPDATE tokens SET revoked = ?3, revoked_by = ?2 WHERE name = ?1 AND revoked IS NULL")?
                .execute(params![name, by, at.0])?;
            Ok(revoked > 0)
        })
    }

    fn token_used(&mut self, number: i64, at: Time) -> Result<(), JournalError> {
        self.write(|transaction| {
            let query = "SELECT used FROM tokens WHERE number = ?1";
            let before: Option<Option<i64>> =
                transaction.prepare_cached(query)?.query_row([number], |row| row.get(0)).optional()?;
            // A clock that was set back tells nothing newer.
            if before.flatten().is_none_or(|before| before < at.0) {
                transaction
                    .prepare_cached("UPDATE tokens SET used = ?2 WHERE number = ?1")?
                    .execute(params![number, at.0])?;
            }
            Ok(())
        })
    }
}

fn token(row: &Row<'_>) -> Read<TokenRow> {
    let time = |column: &str| -> Read<Option<Time>> {
        row.get::<_, Option<i64>>(column).map(|time| time.map(Time)).map_err(|_| format!("its `{column}` is no number"))
    };
    let revoked = match (optional_text(row, "revoked_by")?, time("revoked")?) {
        (by, Some(at)) => Some((by.unwrap_or_default(), at)),
        (_, None) => None,
    };
    Ok(TokenRow {
        number: integer(row, "number")?,
        token: NewToken {
            name: text(row, "name")?,
            digest: rows::parsed(row, "digest")?,
            roles: rows::json(row, "roles")?,
            by: text(row, "made_by")?,
            at: Time(integer(row, "made")?),
            expires: Time(integer(row, "expires")?),
        },
        revoked,
        used: time("used")?,
    })
}
