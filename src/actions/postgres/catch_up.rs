//! `postgres.catch_up`: waits until a standby has received and replayed a position. Reads only.

use std::sync::LazyLock;

use async_trait::async_trait;
use serde_json::json;

use super::connect::{connect_member, database, explain, member};
use super::lsn::Lsn;
use super::{Deadline, PostgresError, needed, text};
use crate::actions::{Action, ActionError, Call, Context};
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value};

/// `postgres.catch_up`.
#[derive(Debug, Clone, Copy)]
pub struct CatchUp;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "postgres.catch_up",
    summary: "Waits until a standby has received and replayed the record that begins at a position.",
    details: "The position is what `postgres.fence` gives: where the shutdown checkpoint begins. The standby is past it only \
        when that last record is replayed, and then it has every commit that the old primary ever confirmed. It waits until \
        the step's timeout.",
    inputs: vec![
        FieldSpec::required("cluster", Type::Reference("database".into()), "the cluster's name in the inventory"),
        FieldSpec::required("member", Type::Identifier, "the standby"),
        FieldSpec::required("position", Type::String, "the position to get past, such as 0/3000148"),
    ],
    outputs: vec![
        FieldSpec::required("received", Type::String, "what it has received").volatile(),
        FieldSpec::required("replayed", Type::String, "what it has replayed").volatile(),
    ],
    facts: vec![
        FieldSpec::optional("received", Type::String, "what it has received").volatile(),
        FieldSpec::optional("replayed", Type::String, "what it has replayed").volatile(),
        FieldSpec::required("in_recovery", Type::Boolean, "whether it is a standby"),
        FieldSpec::required("paused", Type::Boolean, "whether its replay is paused"),
    ],
    effect: Effect::Read,
    fidelity: Fidelity::Probed,
    proves: "The standby answers and replays; whether it gets there in time is not known before.",
    undo: UndoSpec::Nothing,
    resource: None,
    settle_seconds: 0.0,
    timeout_seconds: 30.0,
    open_inputs: false,
});

const ASK: &str = "select pg_catalog.pg_is_in_recovery(), pg_catalog.pg_last_wal_receive_lsn()::text,
  pg_catalog.pg_last_wal_replay_lsn()::text,
  case when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_is_wal_replay_paused() else false end";

struct Progress {
    in_recovery: bool,
    received: Option<Lsn>,
    replayed: Option<Lsn>,
    paused: bool,
}

async fn look(context: &Context, arguments: &Value) -> Result<Progress, PostgresError> {
    let (cluster, name) = (needed(arguments, "cluster")?, needed(arguments, "member")?);
    let found = database(&context.inventory, cluster)?;
    let limit = super::connect::CONNECT;
    let client = connect_member(found, &context.inventory, member(found, cluster, name)?, limit).await?;
    let row = client.query_one(ASK, &[]).await.map_err(|error| PostgresError::Unreachable(explain(&error)))?;
    let position = |index| row.try_get::<_, Option<String>>(index).ok().flatten().and_then(|text| text.parse().ok());
    Ok(Progress {
        in_recovery: row.try_get(0).unwrap_or(false),
        received: position(1),
        replayed: position(2),
        paused: row.try_get(3).unwrap_or(false),
    })
}

impl Progress {
    fn facts(&self) -> Value {
        json!({
            "received": self.received.map(|lsn| lsn.to_string()), "replayed": self.replayed.map(|lsn| lsn.to_string()),
            "in_recovery": self.in_recovery, "paused": self.paused,
        })
    }

    /// Strictly past: the position is where the last record begins.
    fn is_past(&self, position: Lsn) -> bool {
        self.replayed.is_some_and(|replayed| replayed > position)
    }
}

#[async_trait]
impl Action for CatchUp {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &crate::inventory::Inventory, arguments: &Value) -> Vec<String> {
        super::by_hand::by_hand(self.spec(), inventory, arguments)
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        if text(arguments, "cluster").is_none() || text(arguments, "member").is_none() {
            return Ok(Prediction::unknown("which standby is not known yet"));
        }
        let found = look(context, arguments).await?;
        let mut prediction = Prediction::probed(found.facts());
        if found.paused {
            prediction.refusals.push("replay is paused on it: select pg_wal_replay_resume()".to_owned());
        }
        Ok(prediction)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        let deadline = Deadline::after(call.timeout);
        let position = match needed(&call.arguments, "position").map(str::parse::<Lsn>) {
            Ok(Ok(position)) => position,
            Ok(Err(())) => return Report::failed("`position` is no position in the log, such as 0/3000148"),
            Err(error) => return error.into(),
        };
        loop {
            let seen = look(context, &call.arguments).await;
            match &seen {
                Ok(seen) if !seen.in_recovery => return Report::failed("the member is no standby any more"),
                Ok(seen) if seen.is_past(position) => {
                    let replayed = seen.replayed.unwrap_or(position);
                    let message = format!(
                        "all of the old primary's log is received and replayed (past {position}, up to {replayed})"
                    );
                    let received = seen.received.unwrap_or(replayed).max(replayed);
                    return Report::done(
                        message,
                        json!({ "received": received.to_string(), "replayed": replayed.to_string() }),
                    );
                }
                Ok(seen) if seen.paused => {
                    return Report::failed("replay is paused on the standby: select pg_wal_replay_resume()");
                }
                Err(error @ PostgresError::Invalid(_)) => return Report::failed(error.to_string()),
                _ => {}
            }
            if deadline.passed() {
                return Report::failed(match seen {
                    Ok(seen) => too_late(&seen, position),
                    Err(error) => format!("the standby does not answer: {error}"),
                });
            }
            deadline.pause().await;
        }
    }

    async fn probe(&self, _context: &Context, _call: &Call) -> Finding {
        Finding::DidNot { evidence: "it only reads".to_owned() }
    }
}

fn too_late(seen: &Progress, position: Lsn) -> String {
    let at = |at: Option<Lsn>| at.map_or_else(|| "nothing".to_owned(), |at| format!("up to {at}"));
    format!(
        "the standby did not get past {position} in time: it has received {} and replayed {}; nothing was promoted",
        at(seen.received),
        at(seen.replayed)
    )
}
