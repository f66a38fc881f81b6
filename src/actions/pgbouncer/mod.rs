//! PgBouncer through its console: look at its pools, let their clients wait and go on, let it read its file again. The
//! console knows the simple protocol alone and takes no bind parameters, so a name goes into a line only in double quotes
//! and of an alphabet that cannot end them. Only the databases that the inventory names are ever touched.

mod console;
mod pause;
mod pools;
mod reload;
mod resume;
mod status;

use std::sync::Arc;

pub use pause::Pause;
pub use reload::Reload;
pub use resume::Resume;
pub use status::Status;

use super::by_hand::{comment, secret, value, word};
use super::{Action, ActionError};
use crate::inventory::{Inventory, Pooler};
use crate::outcome::Report;
use crate::spec::FieldSpec;
use crate::value::{Type, Value, is_unknown};

/// Why something could not be done at a pooler.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PoolerError {
    /// The arguments or the inventory make no sense, or it must not be done here; nothing was changed.
    #[error("{0}")]
    Invalid(String),
    /// Nothing was sent, as nobody answers.
    #[error("{0}")]
    Unreachable(String),
    /// The console said no.
    #[error("{0}")]
    Refused(String),
    /// It was sent, and no answer came.
    #[error("{0}")]
    Lost(String),
}

impl From<PoolerError> for ActionError {
    fn from(error: PoolerError) -> Self {
        match error {
            PoolerError::Unreachable(text) | PoolerError::Lost(text) => ActionError::Unreachable(text),
            PoolerError::Invalid(text) | PoolerError::Refused(text) => ActionError::Invalid(text),
        }
    }
}

impl From<PoolerError> for Report {
    fn from(error: PoolerError) -> Self {
        match error {
            PoolerError::Invalid(text) | PoolerError::Unreachable(text) => Report::no_effect(text),
            // One of several databases may have been told before the console said no to the next.
            PoolerError::Refused(text) => Report::failed(text),
            PoolerError::Lost(text) => Report::unknown(text),
        }
    }
}

/// The actions of this room, for the table.
pub fn all() -> Vec<Arc<dyn Action>> {
    vec![Arc::new(Status), Arc::new(Pause), Arc::new(Resume), Arc::new(Reload)]
}

/// The input that all of them have.
fn pooler_input() -> FieldSpec {
    FieldSpec::required("pooler", Type::Reference("pooler".into()), "the pooler's name in the inventory")
}

/// What a pool is, after a step that says so.
fn state_type() -> Type {
    Type::Choice(["paused", "serves"].map(String::from).to_vec())
}

/// The facts that all of them read.
fn facts() -> Vec<FieldSpec> {
    let list = || Type::List(Box::new(Type::String));
    vec![
        FieldSpec::required("paused", list(), "its databases that are paused"),
        FieldSpec::required("disabled", list(), "its databases that take no new clients"),
        FieldSpec::required("leads_to", Type::String, "where each of its databases leads").identity(),
        FieldSpec::optional("mode", Type::String, "when a server connection is given back: session, transaction"),
        FieldSpec::required("clients_active", Type::Integer, "clients that are served now").volatile(),
        FieldSpec::required("clients_waiting", Type::Integer, "clients that wait for a server connection").volatile(),
        FieldSpec::required("servers", Type::Integer, "server connections that it has").volatile(),
        FieldSpec::required("servers_active", Type::Integer, "those of them that serve a client").volatile(),
        FieldSpec::required("longest_wait", Type::Duration, "how long a client has waited, at most").volatile(),
    ]
}

/// The pooler that the arguments name, with its name; nothing where that is not known yet.
fn named<'a>(inventory: &'a Inventory, arguments: &'a Value) -> Result<Option<(&'a str, &'a Pooler)>, PoolerError> {
    let name = match arguments.get("pooler") {
        Some(Value::String(name)) => name,
        Some(value) if is_unknown(value) => return Ok(None),
        _ => return Err(PoolerError::Invalid("`pooler` is missing or no text".to_owned())),
    };
    let pooler = inventory.pooler(name).map_err(|error| PoolerError::Invalid(error.to_string()))?;
    Ok(Some((name, pooler)))
}

/// The same where it has to be known by now.
fn needed<'a>(inventory: &'a Inventory, arguments: &'a Value) -> Result<(&'a str, &'a Pooler), PoolerError> {
    named(inventory, arguments)?.ok_or_else(|| PoolerError::Invalid("`pooler` is not known yet".to_owned()))
}

/// The names in a list of the facts.
fn list<'a>(facts: &'a Value, name: &str) -> Vec<&'a str> {
    facts.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

/// What a person types: a line to the console for each command, with a look before and after.
fn by_hand(inventory: &Inventory, arguments: &Value, commands: &[&str], good: &str) -> Vec<String> {
    let Some(pooler) = inventory.poolers.get(&value(arguments, "pooler")) else {
        let lines =
            commands.iter().map(|line| format!("psql -X <the pooler's console> -d pgbouncer -c {}", word(line)));
        return lines.chain([comment(good)]).collect();
    };
    let password = pooler.password.as_ref().map_or(String::new(), |found| format!("PGPASSWORD={} ", secret(found)));
    let (address, user) = (word(&pooler.address), word(&pooler.user));
    let say = |line: &str| {
        let console = format!("{password}psql -X -h {address} -p {} -U {user} -d pgbouncer", pooler.port);
        format!("{console} -c {}", word(line))
    };
    let each = |line: &&str| -> Vec<String> {
        if !line.contains("{}") {
            return vec![say(line)];
        }
        pooler.databases.iter().map(|name| say(&line.replace("{}", &format!("\"{name}\"")))).collect()
    };
    commands.iter().flat_map(each).chain([comment(good)]).collect()
}
