//! `postgres.swap`: a restored database takes the live one's name, in one transaction. Nothing is dropped: what was live stays
//! under another name, and the undo puts it back.

use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tokio_postgres::Client;

use super::super::connect::explain;
use super::super::{Deadline, PostgresError, identity_fact, needed, text};
use super::Stand;
use super::content::writes;
use super::names::{beside, find, literal, quoted};
use super::swapping::{Renamed, rename};
use crate::actions::{Action, ActionError, Call, Context};
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Change, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value};

/// How long one statement may take: a rename waits up to 5 s for whoever is connected.
const STATEMENT: Duration = Duration::from_secs(20);

/// `postgres.swap`.
#[derive(Debug, Clone, Copy)]
pub struct Swap;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "postgres.swap",
    summary: "Lets a restored database take the place of the live one, which is kept under another name.",
    details: "Both are renamed in one transaction: the live one to NAME_kept_LABEL, the restored one to NAME. Whoever is \
        connected to either is sent away, and comes back to the restored one; hold clients at the proxy before. What was \
        written to the live database since the backup is then in the kept one alone. Nothing is dropped.\n\nIt goes by the \
        databases' numbers (oid) from the moment of its intent: if somebody changed what the names stand for, nothing is \
        done. Prepared transactions stop a rename, and logical replication slots stay with the kept database.",
    inputs: vec![
        FieldSpec::required("cluster", Type::Reference("database".into()), "the cluster's name in the inventory"),
        FieldSpec::required("database", Type::String, "the restored database"),
        FieldSpec::required("label", Type::String, "what the kept database's name ends with: {{run.id}}"),
    ],
    outputs: vec![
        FieldSpec::required("database", Type::String, "the name that is live"),
        FieldSpec::required("kept", Type::String, "the database that was live before"),
    ],
    facts: vec![
        FieldSpec::optional("live_oid", Type::Integer, "the number of the database that is live"),
        FieldSpec::optional("restored_oid", Type::Integer, "the number of the restored one"),
        FieldSpec::optional("restored_writes", Type::Integer, "how many rows were ever changed in the restored one"),
        FieldSpec::optional("sessions", Type::Integer, "how many are connected to the live one").volatile(),
        FieldSpec::optional("slots", Type::List(Box::new(Type::String)), "the live one's logical replication slots"),
        identity_fact(),
    ],
    effect: Effect::Probed,
    fidelity: Fidelity::Probed,
    proves: "Both databases are there and the kept one's name is free; who is connected, and what stands against a rename.",
    undo: UndoSpec::Restores {
        how: "It gives both their names back. A restored database that clients wrote to meanwhile is marked, so that nothing \
            drops it.",
        from_observation: true,
    },
    resource: Some("database/{cluster}"),
    settle_seconds: 1.0,
    timeout_seconds: 60.0,
    open_inputs: false,
});

#[async_trait]
impl Action for Swap {
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
        Ok(predict(context, arguments).await?)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        swap(context, call).await.unwrap_or_else(Report::from)
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        probe(context, call).await.unwrap_or_else(|error| Finding::CannotTell { evidence: error.to_string() })
    }

    async fn undo(&self, context: &Context, call: &Call) -> Report {
        swap_back(context, call).await.unwrap_or_else(|error| Report::failed(error.to_string()))
    }
}

async fn predict(context: &Context, arguments: &Value) -> Result<Prediction, PostgresError> {
    let stand = Stand::of(context, arguments).await?;
    let live = stand.database.dbname.as_str();
    let client = stand.connect_aside(context, Duration::from_secs(8)).await?;
    let found = find(&client, live).await?;
    let (slots, prepared) = stands_against(&client, live).await?;
    let kept = text(arguments, "label").map(|label| beside(live, "kept", label)).transpose()?;
    let restored = match text(arguments, "database") {
        Some(name) => Some((name, find(&client, name).await?)),
        None => None,
    };
    let mut changed = None;
    if let Some((name, Some(_))) = &restored {
        let client = stand.connect(context, name, Duration::from_secs(8)).await?;
        changed = writes(&client).await;
    }
    let mut prediction = Prediction::probed(json!({
        "live_oid": found.as_ref().map(|found| found.oid), "restored_oid": restored.as_ref().and_then(|(_, found)| Some(found.as_ref()?.oid)),
        "restored_writes": changed, "sessions": found.as_ref().map(|found| found.sessions), "slots": slots,
        "system_identifier": stand.view.system_identifier,
    }));
    if let Some((name, None)) = &restored {
        prediction.refusals.push(format!("there is no database {name} at {}", stand.primary));
    }
    if let Some(kept) = &kept
        && find(&client, kept).await?.is_some()
    {
        prediction
            .refusals
            .push(format!("there is a database {kept} already: the live one cannot be kept under that name"));
    }
    if prepared > 0 {
        prediction.refusals.push(format!(
            "{live} has {prepared} prepared transactions (pg_prepared_xacts): commit or roll them back first"
        ));
    }
    if !slots.is_empty() {
        prediction.notes.push(format!("logical replication slots stay with the kept database: {}", slots.join(", ")));
    }
    if let Some(found) = found.filter(|found| found.sessions > 0) {
        prediction.notes.push(format!("{} sessions of {live} are ended by it", found.sessions));
    }
    let kept = kept.unwrap_or_else(|| format!("{live}_kept_RUN"));
    prediction.outputs = if text(arguments, "label").is_some() {
        json!({ "database": live, "kept": kept })
    } else {
        json!({ "database": live })
    };
    prediction.changes.push(Change {
        what: format!("database {live} at {}", stand.primary),
        before: Some("the live one".to_owned()),
        after: Some(format!("the restored one; the live one is kept as {kept}")),
    });
    Ok(prediction)
}

/// The logical slots of a database, and its prepared transactions.
async fn stands_against(client: &Client, name: &str) -> Result<(Vec<String>, i64), PostgresError> {
    let ask = "select array(select slot_name::text from pg_catalog.pg_replication_slots where database = $1::text order by 1 limit 10), \
               (select count(*) from pg_catalog.pg_prepared_xacts where database = $1::text)";
    let row = client.query_one(ask, &[&name]).await.map_err(|error| PostgresError::Unreachable(explain(&error)))?;
    let read = || Ok::<_, tokio_postgres::Error>((row.try_get(0)?, row.try_get(1)?));
    read().map_err(|error| PostgresError::Unreachable(explain(&error)))
}

/// The databases of a call: what it found before, and what they are to be called.
struct Both<'a> {
    stand: Stand<'a>,
    client: Client,
    live_oid: u32,
    restored_oid: u32,
    live: String,
    restored: String,
    kept: String,
}

impl<'a> Both<'a> {
    async fn of(context: &'a Context, call: &'a Call) -> Result<Self, PostgresError> {
        let oid = |name: &str| {
            let oid = call.before.get(name).and_then(Value::as_u64).and_then(|oid| u32::try_from(oid).ok());
            oid.ok_or_else(|| {
                PostgresError::Invalid(format!("`{name}` was not read before this step: nothing was renamed"))
            })
        };
        let (live_oid, restored_oid) = (oid("live_oid")?, oid("restored_oid")?);
        let stand = Stand::of(context, &call.arguments).await?;
        stand.view.hold_to_before(&call.before)?;
        let client = stand.connect_aside(context, STATEMENT).await?;
        let live = stand.database.dbname.clone();
        let kept = beside(&live, "kept", needed(&call.arguments, "label")?)?;
        let restored = needed(&call.arguments, "database")?.to_owned();
        Ok(Self { stand, client, live_oid, restored_oid, live, restored, kept })
    }

    /// What the live name stands for now.
    async fn is_swapped(&self) -> Result<Option<bool>, PostgresError> {
        Ok(match find(&self.client, &self.live).await? {
            Some(found) if found.oid == self.restored_oid => Some(true),
            Some(found) if found.oid == self.live_oid => Some(false),
            _ => None,
        })
    }

    fn outputs(&self) -> Value {
        json!({ "database": self.live, "kept": self.kept })
    }
}

async fn swap(context: &Context, call: &Call) -> Result<Report, PostgresError> {
    let deadline = Deadline::after(call.timeout);
    let both = Both::of(context, call).await?;
    if both.is_swapped().await? == Some(true) {
        return Ok(Report::done(format!("{} is the restored one already", both.live), both.outputs()));
    }
    let order = [
        Renamed { oid: both.live_oid, from: both.live.clone(), to: both.kept.clone() },
        Renamed { oid: both.restored_oid, from: both.restored.clone(), to: both.live.clone() },
    ];
    rename(&both.client, &order, deadline).await?;
    let message = format!(
        "{} at {} is the restored one now; the one before is kept as {} (once nobody needs it: drop database {})",
        both.live,
        both.stand.primary,
        both.kept,
        quoted(&both.kept)
    );
    Ok(Report::done(message, both.outputs()))
}

async fn probe(context: &Context, call: &Call) -> Result<Finding, PostgresError> {
    let both = Both::of(context, call).await?;
    Ok(match both.is_swapped().await? {
        Some(true) => {
            Finding::TookEffect { evidence: format!("{} is the restored one", both.live), outputs: both.outputs() }
        }
        Some(false) => Finding::DidNot { evidence: format!("{} is the one that was live before", both.live) },
        None => Finding::CannotTell { evidence: format!("{} is neither of the two databases", both.live) },
    })
}

async fn swap_back(context: &Context, call: &Call) -> Result<Report, PostgresError> {
    if call.before.get("restored_oid").is_none_or(Value::is_null) {
        return Ok(Report::done("there was no restored database to switch in: nothing was renamed", Value::Null));
    }
    let both = Both::of(context, call).await?;
    match both.is_swapped().await? {
        Some(false) => return Ok(Report::done(format!("{} is the one that was live before", both.live), Value::Null)),
        Some(true) => {}
        None => {
            return Err(PostgresError::Failed(format!(
                "{} is neither the database from before nor the restored one: nothing was renamed; look with \\l+ which is which",
                both.live
            )));
        }
    }
    let order = [
        Renamed { oid: both.restored_oid, from: both.live.clone(), to: both.restored.clone() },
        Renamed { oid: both.live_oid, from: both.kept.clone(), to: both.live.clone() },
    ];
    rename(&both.client, &order, Deadline::after(call.timeout)).await?;
    // Counted after the switch, when nobody can write to it any more; who was sent away has reported by then.
    let now = match both.stand.connect(context, &both.restored, STATEMENT).await {
        Ok(client) => writes(&client).await,
        Err(_) => None,
    };
    let before = call.before.get("restored_writes").and_then(Value::as_i64);
    if now.is_some() && now == before {
        return Ok(Report::done(format!("{} is the one from before again", both.live), Value::Null));
    }
    let comment = format!(
        "comment on database {} is {}",
        quoted(&both.restored),
        literal("was in service and may hold what clients wrote meanwhile")
    );
    both.client.batch_execute(&comment).await.map_err(|error| PostgresError::Failed(explain(&error)))?;
    Ok(Report::done(
        format!(
            "{} is the one from before again; what clients wrote meanwhile is in {}, which nothing drops",
            both.live, both.restored
        ),
        Value::Null,
    ))
}
