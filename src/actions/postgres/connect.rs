//! Connections to members, each with a time limit of its own, and the inventory's entries behind them. A connection is
//! made to the member itself, never through the proxy; only the canary goes the clients' way.

use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls};

use super::PostgresError;
use crate::inventory::{Database, Inventory, Member, SecretRef};

/// How long a member has to accept a connection.
pub(super) const CONNECT: Duration = Duration::from_secs(2);

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoConnection {
    /// Its host says that nobody listens there.
    Down(String),
    /// Nobody says anything.
    Silent(String),
    /// The server answered and would not talk to us: it lives, but nothing is known of it.
    Alive(String),
    /// The inventory's words make no sense.
    Invalid(String),
}

impl NoConnection {
    /// What to tell a person.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Down(text) | Self::Silent(text) | Self::Alive(text) | Self::Invalid(text) => text,
        }
    }
}

impl From<NoConnection> for PostgresError {
    fn from(why: NoConnection) -> Self {
        match why {
            NoConnection::Invalid(text) => PostgresError::Invalid(text),
            NoConnection::Down(text) | NoConnection::Silent(text) | NoConnection::Alive(text) => {
                PostgresError::Unreachable(text)
            }
        }
    }
}

/// Connects to an address as the database's role.
pub(super) async fn connect(
    database: &Database,
    inventory: &Inventory,
    (address, port): (&str, u16),
    dbname: &str,
    statement_timeout: Duration,
) -> Result<Client, NoConnection> {
    let mut config = Config::new();
    config.host(address).port(port).dbname(dbname);
    config.connect_timeout(CONNECT).tcp_user_timeout(CONNECT.max(statement_timeout));
    // A role's or a database's own settings must not decide how long we wait, or where our names are looked up.
    config.options(format!("-c statement_timeout={} -c lock_timeout=0", statement_timeout.as_millis().max(1)));
    enter(database, inventory, config, &format!("{address}:{port}"), CONNECT * 2).await
}

/// Connects the way that clients do, maybe through a pooler: those refuse options of a session, as the session is not ours.
pub(super) async fn connect_as_client(
    database: &Database,
    inventory: &Inventory,
    (address, port): (&str, u16),
    limit: Duration,
) -> Result<Client, NoConnection> {
    let mut config = Config::new();
    config.host(address).port(port).dbname(&database.dbname);
    config.connect_timeout(CONNECT).tcp_user_timeout(CONNECT.max(limit));
    enter(database, inventory, config, &format!("{address}:{port}"), limit.max(CONNECT * 2)).await
}

async fn enter(
    database: &Database,
    inventory: &Inventory,
    mut config: Config,
    place: &str,
    limit: Duration,
) -> Result<Client, NoConnection> {
    config.user(&database.user).application_name("playbook");
    if let Some(reference) = &database.password {
        config.password(secret(inventory, reference).await.map_err(NoConnection::Invalid)?);
    }
    match tokio::time::timeout(limit, config.connect(NoTls)).await {
        Err(_) => Err(NoConnection::Silent(format!("{place} does not answer within {} s", limit.as_secs()))),
        Ok(Err(error)) => Err(why(place, &error)),
        Ok(Ok((client, connection))) => {
            // It ends when the client is dropped, or the server goes; whoever waits for an answer is told by the client.
            tokio::spawn(connection);
            Ok(client)
        }
    }
}

/// Connects to a member by itself.
pub(super) async fn connect_member(
    database: &Database,
    inventory: &Inventory,
    member: &Member,
    statement_timeout: Duration,
) -> Result<Client, NoConnection> {
    connect(database, inventory, (&member.address, member.port), &database.dbname, statement_timeout).await
}

fn why(place: &str, error: &tokio_postgres::Error) -> NoConnection {
    if let Some(answer) = error.as_db_error() {
        return NoConnection::Alive(format!("{place} answers: {}", answer.message()));
    }
    let source = std::error::Error::source(error);
    let reason = source.and_then(|source| source.downcast_ref::<std::io::Error>());
    let text = format!("{place}: {}", source.map_or_else(|| error.to_string(), ToString::to_string));
    match reason.map(std::io::Error::kind) {
        Some(std::io::ErrorKind::ConnectionRefused) => NoConnection::Down(text),
        None if error.to_string().contains("password") => NoConnection::Alive(text),
        _ => NoConnection::Silent(text),
    }
}

/// What an error of a statement says, for a person.
pub(super) fn explain(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(answer) => {
            let detail = answer.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
            format!("{}{detail}", answer.message())
        }
        None => error.to_string(),
    }
}

/// Whether the server itself said no, so that nothing was changed by a statement of its own transaction. A server that is
/// going down also answers, in the middle of things: that is no answer to the statement.
pub(super) fn server_said_no(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|answer| {
        ![SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW].contains(answer.code())
    })
}

/// Asks on the very connection that is going to change something whose server it is.
pub(super) async fn assert_identity(client: &Client, name: &str, wanted: Option<&str>) -> Result<(), PostgresError> {
    let ask = "select system_identifier::text from pg_catalog.pg_control_system()";
    let row = client.query_one(ask, &[]).await;
    let found = row.and_then(|row| row.try_get::<_, String>(0)).map_err(|error| {
        PostgresError::Refused(format!("{name} does not tell its system identifier: {}", explain(&error)))
    })?;
    if wanted.is_some_and(|wanted| wanted != found) { Err(other_server(name)) } else { Ok(()) }
}

/// What is said where another cluster's server answers on a connection than a moment before.
pub(super) fn other_server(name: &str) -> PostgresError {
    PostgresError::Refused(format!(
        "another cluster's server answers at {name}'s address than a moment before: nothing was changed; see where the \
         address leads, and correct it in the inventory"
    ))
}

/// A cluster of the inventory.
pub(super) fn database<'a>(inventory: &'a Inventory, name: &str) -> Result<&'a Database, PostgresError> {
    inventory.databases.get(name).ok_or_else(|| {
        let known: Vec<&str> = inventory.databases.keys().map(String::as_str).collect();
        PostgresError::Invalid(format!(
            "the inventory has no database `{name}`; it has {}",
            if known.is_empty() { "none".to_owned() } else { known.join(", ") }
        ))
    })
}

/// A member of a cluster.
pub(super) fn member<'a>(database: &'a Database, cluster: &str, name: &str) -> Result<&'a Member, PostgresError> {
    database.members.get(name).ok_or_else(|| {
        let known: Vec<&str> = database.members.keys().map(String::as_str).collect();
        PostgresError::Invalid(format!("`{cluster}` has no member `{name}`; it has {}", known.join(", ")))
    })
}

/// What a secret's reference stands for.
pub(super) async fn secret(inventory: &Inventory, reference: &SecretRef) -> Result<String, String> {
    let secret = inventory.secrets.read(reference).await.map_err(|error| error.to_string())?;
    Ok(secret.expose().to_owned())
}
