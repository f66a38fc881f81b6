//! Two databases change places: both are renamed in one transaction, so that a client finds either the one or the other under
//! the name, and never none. It goes by the databases' own numbers, not by what they are called.

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::super::connect::{explain, server_said_no};
use super::super::{Deadline, PostgresError};
use super::names::quoted;

/// One database, and what it is to be called.
#[derive(Debug, Clone)]
pub(super) struct Renamed {
    pub(super) oid: u32,
    pub(super) from: String,
    pub(super) to: String,
}

/// Renames them, in order, all or none. Who is connected to one of them is sent away, again and again until the deadline, as
/// clients come back.
pub(super) async fn rename(client: &Client, renamed: &[Renamed], deadline: Deadline) -> Result<(), PostgresError> {
    loop {
        match attempt(client, renamed).await {
            Ok(()) => return Ok(()),
            Err(Missed::Busy(_)) if !deadline.passed() => deadline.pause().await,
            Err(Missed::Busy(why)) => {
                return Err(PostgresError::Refused(format!(
                    "clients came back faster than they could be sent away, so nothing was renamed ({why}): hold them at the \
                     proxy or pooler first"
                )));
            }
            Err(Missed::Other(error)) => return Err(error),
        }
    }
}

enum Missed {
    /// Somebody is connected.
    Busy(String),
    Other(PostgresError),
}

async fn attempt(client: &Client, renamed: &[Renamed]) -> Result<(), Missed> {
    let result = within(client, renamed).await;
    if result.is_err() {
        // A connection that is gone takes the transaction with it as well.
        let _ = client.batch_execute("rollback").await;
    }
    result
}

async fn within(client: &Client, renamed: &[Renamed]) -> Result<(), Missed> {
    let missed = |error: tokio_postgres::Error| match error.code() {
        Some(&SqlState::OBJECT_IN_USE) => Missed::Busy(explain(&error)),
        _ => Missed::Other(PostgresError::Refused(format!("the databases were not renamed: {}", explain(&error)))),
    };
    client.batch_execute("begin").await.map_err(missed)?;
    for one in renamed {
        let ask = "select datname = $2::text from pg_catalog.pg_database where oid = $1";
        let row = client.query_opt(ask, &[&one.oid, &one.from]).await.map_err(missed)?;
        if row.and_then(|row| row.try_get::<_, bool>(0).ok()) != Some(true) {
            let why = format!("the database {} is another one than a moment before: nothing was renamed", one.from);
            return Err(Missed::Other(PostgresError::Refused(why)));
        }
        let send_away = "select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity \
                         where datid = $1 and pid <> pg_catalog.pg_backend_pid()";
        client.query(send_away, &[&one.oid]).await.map_err(missed)?;
        let rename = format!("alter database {} rename to {}", quoted(&one.from), quoted(&one.to));
        client.batch_execute(&rename).await.map_err(missed)?;
    }
    match client.batch_execute("commit").await {
        Ok(()) => Ok(()),
        Err(error) if server_said_no(&error) => Err(missed(error)),
        Err(error) => Err(Missed::Other(PostgresError::Lost(format!("no answer to the commit: {}", explain(&error))))),
    }
}
