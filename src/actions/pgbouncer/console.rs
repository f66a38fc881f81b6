//! One conversation with PgBouncer's console. It speaks the simple protocol, each line with a time limit, and lets go of the
//! connection when it is dropped, also in the middle of a command: a PAUSE may be waited for in vain for ever.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

use super::PoolerError;
use crate::inventory::{Inventory, Pooler, is_pool_name};

/// How long the console has to take a connection, and to answer a line that has nothing to wait for.
const ANSWER: Duration = Duration::from_secs(4);

/// A row of an answer: each column by its name, empty where it is null. Versions differ in which columns there are.
pub(super) type Row = BTreeMap<String, String>;

/// A connection to a console.
pub(super) struct Console {
    client: Client,
    driver: JoinHandle<()>,
    place: String,
}

impl Drop for Console {
    // The library would keep the connection until each command is answered, and a PAUSE that was overtaken by a RESUME is not.
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Console {
    /// Enters a console.
    pub(super) async fn open(inventory: &Inventory, pooler: &Pooler) -> Result<Self, PoolerError> {
        let mut config = Config::new();
        config.host(&pooler.address).port(pooler.port).user(&pooler.user).dbname("pgbouncer");
        config.application_name("playbook").connect_timeout(ANSWER).tcp_user_timeout(ANSWER * 2);
        if let Some(reference) = &pooler.password {
            let secret = inventory.secrets.read(reference).await;
            let secret = secret.map_err(|error| PoolerError::Invalid(error.to_string()))?;
            config.password(secret.expose());
        }
        let place = format!("PgBouncer's console at {}", pooler.place());
        match tokio::time::timeout(ANSWER, config.connect(NoTls)).await {
            Err(_) => Err(PoolerError::Unreachable(format!("{place} does not answer within {} s", ANSWER.as_secs()))),
            Ok(Err(error)) => Err(no_entry(&place, &pooler.user, &error)),
            Ok(Ok((client, connection))) => {
                let driver = tokio::spawn(async move {
                    // How it ends is told to whoever waits for an answer.
                    let _ = connection.await;
                });
                Ok(Self { client, driver, place })
            }
        }
    }

    /// Asks; the line changes nothing and is answered at once.
    pub(super) async fn ask(&self, line: &str) -> Result<Vec<Row>, PoolerError> {
        self.say(line, ANSWER).await
    }

    /// Says a line, and waits for the answer as long as is given.
    pub(super) async fn say(&self, line: &str, limit: Duration) -> Result<Vec<Row>, PoolerError> {
        let place = &self.place;
        let answer = match tokio::time::timeout(limit, self.client.simple_query(line)).await {
            Err(_) => {
                return Err(PoolerError::Lost(format!(
                    "{place} gives no answer to {line} within {:.0} s",
                    limit.as_secs_f64()
                )));
            }
            Ok(Err(error)) => {
                return Err(match error.as_db_error() {
                    Some(said) => PoolerError::Refused(format!("{place} answers to {line}: {}", said.message())),
                    None => PoolerError::Lost(format!("{place} broke off at {line}: {error}")),
                });
            }
            Ok(Ok(messages)) => messages,
        };
        let rows = answer.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let read = |row: tokio_postgres::SimpleQueryRow| {
            let columns = row.columns().iter().enumerate();
            let value = |index| row.try_get(index).ok().flatten().unwrap_or_default().to_owned();
            columns.map(|(index, column)| (column.name().to_owned(), value(index))).collect()
        };
        Ok(rows.map(read).collect())
    }

    /// Lets go on a database. One that is not paused is none the worse for it; whether one was is told.
    pub(super) async fn resume(&self, name: &str) -> Result<bool, PoolerError> {
        match self.say(&line("RESUME", name)?, ANSWER).await {
            Ok(_) => Ok(true),
            Err(PoolerError::Refused(text)) if text.contains("is not paused") => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// A command for one database.
pub(super) fn line(command: &str, name: &str) -> Result<String, PoolerError> {
    if is_pool_name(name) {
        Ok(format!("{command} \"{name}\""))
    } else {
        Err(PoolerError::Invalid(format!("{name:?} is no database name: letters, digits and . _ - only")))
    }
}

fn no_entry(place: &str, user: &str, error: &tokio_postgres::Error) -> PoolerError {
    match error.as_db_error() {
        Some(said) => PoolerError::Unreachable(format!(
            "{place} does not let `{user}` in: {}; it has to be one of its `admin_users`, with the password of the inventory",
            said.message()
        )),
        None => {
            let why = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
            PoolerError::Unreachable(format!("{place}: {why}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_carry_a_second_command() {
        for bad in ["", "a\"; PAUSE", "a b", "a;b", "a\n", "é", "*", &"x".repeat(64)] {
            assert!(line("PAUSE", bad).is_err(), "{bad:?}");
        }
        assert_eq!(line("PAUSE", "orders-1.eu_2"), Ok("PAUSE \"orders-1.eu_2\"".to_owned()));
    }
}
