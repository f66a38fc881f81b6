//! `postgres.canary`: goes the way that clients go, writes a row and reads it back on another connection. It proves that
//! the service is there, and says which member gave it.

use std::sync::LazyLock;

use async_trait::async_trait;
use serde_json::json;
use tokio_postgres::types::Type as Sql;

use super::connect::explain;
use super::endpoint::{hold_to_identity, reach};
use super::{PostgresError, identity_fact, text};
use crate::actions::{Action, ActionError, Call, Context};
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Change, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value};

/// `postgres.canary`.
#[derive(Debug, Clone, Copy)]
pub struct Canary;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "postgres.canary",
    summary: "Writes a row through the clients' endpoint and reads it back on a new connection.",
    details: "The row goes into `playbook.canary` (made on first use), its key being the attempt's, so that a second try \
        writes no second row; rows older than 30 days are removed. It fails if the server behind the endpoint is in recovery or \
        is not this cluster's.",
    inputs: vec![FieldSpec::required(
        "cluster",
        Type::Reference("database".into()),
        "the cluster's name in the inventory",
    )],
    outputs: vec![
        FieldSpec::optional("member", Type::Identifier, "the member behind the endpoint, where its address tells"),
        FieldSpec::required("system_identifier", Type::String, "the identifier of the server behind the endpoint"),
        FieldSpec::required("server_port", Type::Integer, "the port of the server behind the endpoint"),
        FieldSpec::required("timeline", Type::Integer, "its timeline"),
        FieldSpec::required("key", Type::String, "the row's key").volatile(),
    ],
    facts: vec![
        FieldSpec::optional("member", Type::Identifier, "the member behind the endpoint now").volatile(),
        FieldSpec::required("writable", Type::Boolean, "whether it takes writes now").volatile(),
        identity_fact(),
    ],
    effect: Effect::Keyed,
    fidelity: Fidelity::Probed,
    proves: "The endpoint answers, and which member is behind it now.",
    undo: UndoSpec::Nothing,
    resource: Some("database/{cluster}"),
    settle_seconds: 0.0,
    timeout_seconds: 20.0,
    open_inputs: false,
});

#[async_trait]
impl Action for Canary {
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
        let limit = std::time::Duration::from_secs(1);
        let looked = tokio::time::timeout(limit, reach(context, arguments, limit)).await.unwrap_or_else(|_| {
            Err(PostgresError::Unreachable("the endpoint does not answer within a second".to_owned()))
        });
        let mut prediction = match looked {
            Ok((_, behind)) => Prediction::probed(json!({
                "member": behind.member, "writable": !behind.in_recovery, "system_identifier": behind.system_identifier,
            })),
            // A step before this one may be what brings the service back.
            Err(PostgresError::Unreachable(why)) => Prediction::unknown(why),
            Err(error) => return Err(error.into()),
        };
        prediction.changes.push(Change {
            what: "a row in playbook.canary".to_owned(),
            before: None,
            after: Some("written through the endpoint and read back".to_owned()),
        });
        Ok(prediction)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        sing(context, call).await.unwrap_or_else(Report::from)
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        match read_back(context, call).await {
            Ok(Some(outputs)) => Finding::TookEffect { evidence: "the row is there".to_owned(), outputs },
            Ok(None) => Finding::DidNot { evidence: "the row is not there".to_owned() },
            Err(error) => Finding::CannotTell { evidence: error.to_string() },
        }
    }
}

const MAKE: &str = "create schema if not exists playbook;
create table if not exists playbook.canary (key text primary key, written timestamptz not null default now());
delete from playbook.canary where written < now() - interval '30 days';";

async fn sing(context: &Context, call: &Call) -> Result<Report, PostgresError> {
    let (client, behind) = reach(context, &call.arguments, call.timeout).await?;
    hold_to_identity(context, &call.arguments, &call.before, &behind).await?;
    let who = behind.who();
    if behind.in_recovery {
        return Err(PostgresError::Refused(format!(
            "the server behind the endpoint ({who}) is a standby: it takes no writes"
        )));
    }
    let failed = |error: tokio_postgres::Error| PostgresError::Failed(format!("{who} answers: {}", explain(&error)));
    client.batch_execute(MAKE).await.map_err(failed)?;
    let write = "insert into playbook.canary (key) values ($1) on conflict (key) do nothing";
    client.query_typed(write, &[(&call.key, Sql::TEXT)]).await.map_err(failed)?;
    client.batch_execute("commit").await.map_err(failed)?;
    drop(client);
    match read_back(context, call).await? {
        Some(outputs) => {
            Ok(Report::done(format!("a row was written and read back through the endpoint, from {who}"), outputs))
        }
        None => Err(PostgresError::Failed(format!(
            "the row that {who} took is not there on a new connection: the endpoint leads to more than one server"
        ))),
    }
}

async fn read_back(context: &Context, call: &Call) -> Result<Option<Value>, PostgresError> {
    let (client, behind) = reach(context, &call.arguments, call.timeout).await?;
    let asked = client.query_typed("select from playbook.canary where key = $1", &[(&call.key, Sql::TEXT)]).await;
    let found = match asked {
        Ok(rows) => !rows.is_empty(),
        Err(error) if error.code() == Some(&tokio_postgres::error::SqlState::UNDEFINED_TABLE) => false,
        Err(error) => return Err(PostgresError::Lost(explain(&error))),
    };
    if !found {
        return Ok(None);
    }
    Ok(Some(json!({
        "member": behind.member, "system_identifier": behind.system_identifier, "server_port": behind.port,
        "timeline": behind.timeline, "key": call.key,
    })))
}
