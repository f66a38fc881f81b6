//! The way that clients go: through the cluster's endpoint, which may be a proxy, a pooler, or one behind the other. Nothing
//! is set for a session and no statement is kept on the server, as a pooler in transaction mode gives each transaction
//! another session: everything is asked in one transaction.

use std::time::Duration;

use tokio_postgres::Client;

use super::cluster::View;
use super::connect::{connect_as_client, database, explain};
use super::{PostgresError, needed};
use crate::actions::Context;
use crate::inventory::Database;
use crate::value::Value;

/// The server that answers behind an endpoint.
pub(super) struct Behind {
    pub(super) member: Option<String>,
    pub(super) system_identifier: String,
    pub(super) port: i32,
    pub(super) in_recovery: bool,
    pub(super) timeline: i32,
}

impl Behind {
    /// Its name for a person.
    pub(super) fn who(&self) -> String {
        self.member.clone().unwrap_or_else(|| format!("port {}", self.port))
    }
}

const ASK: &str =
    "select pg_catalog.pg_is_in_recovery(), (select system_identifier::text from pg_catalog.pg_control_system()),
    host(pg_catalog.inet_server_addr()), pg_catalog.inet_server_port(), case when pg_catalog.pg_is_in_recovery() then 0
    else ('x' || substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8))::bit(32)::int end";

/// Connects through the endpoint and begins a transaction there, which whoever changes something has to commit.
pub(super) async fn reach(
    context: &Context,
    arguments: &Value,
    limit: Duration,
) -> Result<(Client, Behind), PostgresError> {
    let cluster = needed(arguments, "cluster")?;
    let found = database(&context.inventory, cluster)?;
    let endpoint = found.endpoint.as_deref().ok_or_else(|| {
        PostgresError::Invalid(format!(
            "database {cluster} has no `endpoint` in the inventory: where its clients connect"
        ))
    })?;
    let (address, port) = endpoint
        .rsplit_once(':')
        .and_then(|(address, port)| Some((address.trim_matches(['[', ']']), port.parse().ok()?)))
        .ok_or_else(|| PostgresError::Invalid(format!("the endpoint `{endpoint}` is no ADDRESS:PORT")))?;
    let client = connect_as_client(found, &context.inventory, (address, port), limit)
        .await
        .map_err(|why| PostgresError::Unreachable(format!("the endpoint: {}", why.text())))?;
    let look = async {
        let milliseconds = limit.as_millis().max(1);
        let begin = format!("begin; set local statement_timeout = {milliseconds}; set local lock_timeout = 0");
        client.batch_execute(&begin).await?;
        client.query_typed(ASK, &[]).await
    };
    let rows = tokio::time::timeout(limit, look).await.map_err(|_| {
        PostgresError::Unreachable(format!("the endpoint {endpoint} accepts, and answers nothing in {:.0?}", limit))
    })?;
    let rows = rows.map_err(|error| {
        PostgresError::Unreachable(format!("the endpoint {endpoint} accepts, but answers nothing: {}", explain(&error)))
    })?;
    let Some(row) = rows.first() else {
        return Err(PostgresError::Unreachable(format!("the endpoint {endpoint} answers without a row")));
    };
    let address: Option<String> = row.try_get(2).ok().flatten();
    let port: i32 = row.try_get::<_, Option<i32>>(3).ok().flatten().unwrap_or(0);
    let behind = Behind {
        member: whose(found, address.as_deref(), port),
        system_identifier: row.try_get(1).unwrap_or_default(),
        port,
        in_recovery: row.try_get(0).unwrap_or(true),
        timeline: row.try_get(4).unwrap_or(0),
    };
    Ok((client, behind))
}

fn whose(database: &Database, address: Option<&str>, port: i32) -> Option<String> {
    let by_port = || database.members.iter().filter(|(_, member)| i32::from(member.port) == port);
    let by_address = by_port().find(|(_, member)| Some(member.address.as_str()) == address);
    // Behind a translated address the port may still be one member's alone.
    by_address.or_else(|| by_port().next().filter(|_| by_port().count() == 1)).map(|(name, _)| name.clone())
}

/// Holds the server behind the endpoint to the cluster, and to what was there when the step was begun.
///
/// # Errors
/// Whose it is, and whose it should be.
pub(super) async fn hold_to_identity(
    context: &Context,
    arguments: &Value,
    before: &Value,
    behind: &Behind,
) -> Result<(), PostgresError> {
    let cluster = needed(arguments, "cluster")?;
    // Where the inventory says nothing, the members themselves say whose the endpoint has to be.
    let expected = match &database(&context.inventory, cluster)?.system_identifier {
        Some(named) => Some(named.clone()),
        None => View::of(&context.inventory, cluster).await?.system_identifier,
    };
    let planned = before.get("system_identifier").and_then(Value::as_str);
    match expected.as_deref().into_iter().chain(planned).find(|id| *id != behind.system_identifier) {
        None => Ok(()),
        Some(wanted) => Err(PostgresError::Refused(format!(
            "the server behind the endpoint has the system identifier {}, not {wanted}: it is another cluster's and is not \
             written to; see where the endpoint of {cluster} leads",
            behind.system_identifier
        ))),
    }
}
