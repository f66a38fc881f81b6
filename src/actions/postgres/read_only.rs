//! `postgres.read_only`: goes the way that clients go, reads, and sees that a write is refused by the server itself. It
//! leaves nothing behind where one is not: what it tries is rolled back.

use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tokio_postgres::error::SqlState;

use super::connect::explain;
use super::endpoint::{Behind, hold_to_identity, reach};
use super::{PostgresError, text};
use crate::actions::{Action, ActionError, Call, Context};
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value};

/// `postgres.read_only`.
#[derive(Debug, Clone, Copy)]
pub struct ReadOnly;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "postgres.read_only",
    summary: "Reads through the clients' endpoint, and sees that a write there is refused.",
    details: "It reads on the connection that it makes, and tries to make a temporary table there, in a transaction that it \
        rolls back: a standby refuses that as `read-only transaction`, which is what clients are told. It fails where the \
        write is taken, where nothing can be read, and where another cluster's server answers. A dry-run only looks who is \
        behind the endpoint.",
    inputs: vec![
        FieldSpec::required("cluster", Type::Reference("database".into()), "the cluster's name in the inventory"),
        FieldSpec::optional("member", Type::Identifier, "the member that has to be behind the endpoint"),
    ],
    outputs: vec![
        FieldSpec::optional("member", Type::Identifier, "the member behind the endpoint, where its address tells"),
        FieldSpec::required("system_identifier", Type::String, "the identifier of the server behind the endpoint"),
        FieldSpec::required("databases", Type::Integer, "how many databases it has: what was read"),
        FieldSpec::optional("as_of", Type::String, "when the last change was made that it has").volatile(),
        FieldSpec::required("refusal", Type::String, "what a client is told who writes"),
    ],
    facts: vec![
        FieldSpec::optional("member", Type::Identifier, "the member behind the endpoint now").volatile(),
        FieldSpec::required("writable", Type::Boolean, "whether it takes writes now").volatile(),
    ],
    effect: Effect::Read,
    fidelity: Fidelity::Probed,
    proves: "The endpoint answers, and which member is behind it now.",
    undo: UndoSpec::Nothing,
    resource: None,
    settle_seconds: 0.0,
    timeout_seconds: 20.0,
    open_inputs: false,
});

#[async_trait]
impl Action for ReadOnly {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &crate::inventory::Inventory, arguments: &Value) -> Vec<String> {
        super::by_hand::by_hand(self.spec(), inventory, arguments)
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        if text(arguments, "cluster").is_none() {
            return Ok(Prediction::unknown("which cluster is not known yet"));
        }
        // In an outage the endpoint may make connections wait: a look does not wait with them.
        let limit = Duration::from_secs(1);
        let looked = tokio::time::timeout(limit, reach(context, arguments, limit)).await.unwrap_or_else(|_| {
            Err(PostgresError::Unreachable("the endpoint does not answer within a second".to_owned()))
        });
        match looked {
            Ok((_, behind)) => {
                Ok(Prediction::probed(json!({ "member": behind.member, "writable": !behind.in_recovery })))
            }
            // A step before this one may be what brings the service back.
            Err(PostgresError::Unreachable(why)) => Ok(Prediction::unknown(why)),
            Err(error) => Err(error.into()),
        }
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        match tokio::time::timeout(call.timeout, try_it(context, call)).await {
            Ok(ended) => ended.unwrap_or_else(Report::from),
            Err(_) => {
                Report::failed(format!("the endpoint gives no answer within {:.0} s", call.timeout.as_secs_f64()))
            }
        }
    }

    async fn probe(&self, _context: &Context, _call: &Call) -> Finding {
        Finding::DidNot { evidence: "it only reads".to_owned() }
    }
}

async fn try_it(context: &Context, call: &Call) -> Result<Report, PostgresError> {
    let (client, behind) = reach(context, &call.arguments, call.timeout).await?;
    hold_to_identity(context, &call.arguments, &Value::Null, &behind).await?;
    let who = behind.who();
    if let (Some(wanted), Some(found)) = (text(&call.arguments, "member"), behind.member.as_deref())
        && wanted != found
    {
        return Err(PostgresError::Failed(format!("{found} is behind the endpoint, not {wanted}")));
    }
    let failed = |error: tokio_postgres::Error| PostgresError::Failed(format!("{who} answers: {}", explain(&error)));
    let read = client.query_typed(READ, &[]).await.map_err(failed)?;
    let databases: i64 = read.first().and_then(|row| row.try_get(0).ok()).unwrap_or(0);
    let as_of: Option<String> = read.first().and_then(|row| row.try_get(1).ok().flatten());
    if !behind.in_recovery {
        return Err(PostgresError::Failed(format!("{who} is behind the endpoint, and takes writes")));
    }
    let tried = client.batch_execute("create temporary table playbook_read_only ()").await;
    // Whatever it said: a transaction that is not ended would be the next client's, in a pool.
    client.batch_execute("rollback").await.map_err(failed)?;
    told(&behind, databases, as_of, tried)
}

const READ: &str =
    "select count(*), to_char(pg_catalog.pg_last_xact_replay_timestamp() at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')
    from pg_catalog.pg_database";

fn told(
    behind: &Behind,
    databases: i64,
    as_of: Option<String>,
    tried: Result<(), tokio_postgres::Error>,
) -> Result<Report, PostgresError> {
    let who = behind.who();
    match tried {
        Ok(()) => Err(PostgresError::Failed(format!("{who} is behind the endpoint, and took a write"))),
        Err(error) if error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => {
            let refusal = explain(&error);
            let outputs = json!({
                "member": behind.member, "system_identifier": behind.system_identifier, "databases": databases,
                "refusal": refusal, "as_of": as_of,
            });
            let as_of = as_of.map_or(String::new(), |at| format!(", as of its last change at {at} UTC"));
            Ok(Report::done(format!("{who} is read through the endpoint{as_of}; a write is told: {refusal}"), outputs))
        }
        Err(error) => Err(PostgresError::Failed(format!("{who} answers to a write: {}", explain(&error)))),
    }
}
