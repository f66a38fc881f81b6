//! `postgres.canary`: goes the way that clients go, writes a row and reads it back on another connection. It proves that
//! the service is there, and says which member gave it.

use std::sync::LazyLock;

use async_trait::async_trait;
use serde_json::json;
use tokio_postgres::Client;

use super::cluster::View;
use super::connect::{connect, database, explain};
use super::{PostgresError, identity_fact, needed, text};
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::Database;
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

struct Behind {
    member: Option<String>,
    system_identifier: String,
    port: i32,
    in_recovery: bool,
    timeline: i32,
}

async fn reach(
    context: &Context,
    arguments: &Value,
    limit: std::time::Duration,
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
    let client = connect(found, &context.inventory, (address, port), &found.dbname, limit)
        .await
        .map_err(|why| PostgresError::Unreachable(format!("the endpoint: {}", why.text())))?;
    let ask =
        "select pg_catalog.pg_is_in_recovery(), (select system_identifier::text from pg_catalog.pg_control_system()),
        host(pg_catalog.inet_server_addr()), pg_catalog.inet_server_port(), case when pg_catalog.pg_is_in_recovery() then 0
        else ('x' || substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8))::bit(32)::int end";
    let row = client.query_one(ask, &[]).await.map_err(|error| {
        PostgresError::Unreachable(format!("the endpoint {endpoint} accepts, but answers nothing: {}", explain(&error)))
    })?;
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
    let cluster = needed(&call.arguments, "cluster")?;
    // Where the inventory says nothing, the members themselves say whose the endpoint has to be.
    let expected = match &database(&context.inventory, cluster)?.system_identifier {
        Some(named) => Some(named.clone()),
        None => View::of(&context.inventory, cluster).await?.system_identifier,
    };
    let planned = call.before.get("system_identifier").and_then(Value::as_str);
    if let Some(wanted) = expected.as_deref().into_iter().chain(planned).find(|id| *id != behind.system_identifier) {
        return Err(PostgresError::Refused(format!(
            "the server behind the endpoint has the system identifier {}, not {wanted}: it is another cluster's and is not \
             written to; see where the endpoint of {cluster} leads",
            behind.system_identifier
        )));
    }
    let who = behind.member.as_deref().map_or_else(|| format!("port {}", behind.port), str::to_owned);
    if behind.in_recovery {
        return Err(PostgresError::Refused(format!(
            "the server behind the endpoint ({who}) is a standby: it takes no writes"
        )));
    }
    let failed = |error: tokio_postgres::Error| PostgresError::Failed(format!("{who} answers: {}", explain(&error)));
    client.batch_execute(MAKE).await.map_err(failed)?;
    let write = "insert into playbook.canary (key) values ($1) on conflict (key) do nothing";
    client.execute(write, &[&call.key]).await.map_err(failed)?;
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
    let asked = client.query_opt("select from playbook.canary where key = $1", &[&call.key]).await;
    let found = match asked {
        Ok(row) => row.is_some(),
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
