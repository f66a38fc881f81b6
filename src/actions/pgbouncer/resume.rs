//! `pgbouncer.resume`: the clients of a paused pool go on. A pool that is not paused is no failure.

use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use super::console::{Console, line};
use super::pools::Pools;
use super::{PoolerError, by_hand, facts, list, named, needed, pooler_input, state_type};
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Change, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value};

/// `pgbouncer.resume`.
#[derive(Debug, Clone, Copy)]
pub struct Resume;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "pgbouncer.resume",
    summary: "Lets the clients of a paused PgBouncer pool go on.",
    details: "It resumes the databases that the inventory names; one that is not paused is left as it is, and is no \
        failure. The clients that waited are served on new server connections. Where PgBouncer's last attempt to reach the server \
        failed, it makes the next one only after its `server_login_retry` (15 seconds by default): 1 is a better value behind a \
        proxy.",
    inputs: vec![pooler_input()],
    outputs: vec![
        FieldSpec::required("state", state_type(), "what they are now"),
        FieldSpec::required("resumed", Type::List(Box::new(Type::String)), "the databases that were paused"),
        FieldSpec::required("clients_waiting", Type::Integer, "clients that wait still, a moment later").volatile(),
    ],
    facts: facts(),
    effect: Effect::Idempotent,
    fidelity: Fidelity::Probed,
    proves: "The console lets us in, and which databases are paused; whether the server that they lead to answers is not \
        looked at.",
    undo: UndoSpec::Restores {
        how: "It pauses the databases again that were paused, without waiting for what runs.",
        from_observation: true,
    },
    resource: Some("pooler/{pooler}"),
    settle_seconds: 0.0,
    timeout_seconds: 15.0,
    open_inputs: false,
});

#[async_trait]
impl Action for Resume {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        let good = "good: `paused` is 0, or the console says that it is not paused, and cl_waiting goes down to 0";
        by_hand(inventory, arguments, &["RESUME {}", "SHOW DATABASES", "SHOW POOLS"], good)
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        let Some((name, pooler)) = named(&context.inventory, arguments)? else {
            return Ok(Prediction::unknown("which pooler is not known yet"));
        };
        let found = Pools::of(&context.inventory, name, pooler).await?;
        let mut prediction = Prediction::probed(found.facts());
        prediction.refusals.extend(found.hold(pooler, &Value::Null).err().map(|error| error.to_string()));
        for database in found.which(|pool| pool.paused) {
            prediction.changes.push(Change {
                what: format!("pool {name}/{database}"),
                before: Some("paused".to_owned()),
                after: Some("serves".to_owned()),
            });
        }
        for database in found.which(|pool| !pool.paused) {
            prediction.notes.push(format!("{database} is not paused now"));
        }
        prediction.outputs = json!({ "state": "serves" });
        Ok(prediction)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        resume(context, call).await.unwrap_or_else(Report::from)
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        let look = async {
            let (name, pooler) = needed(&context.inventory, &call.arguments)?;
            Pools::of(&context.inventory, name, pooler).await
        };
        match look.await {
            Ok(found) if found.0.values().any(|pool| pool.paused) => {
                Finding::DidNot { evidence: format!("paused: {}", found.which(|pool| pool.paused).join(", ")) }
            }
            Ok(found) => Finding::TookEffect {
                evidence: "none of its databases is paused".to_owned(),
                outputs: outputs(list(&call.before, "paused"), &found),
            },
            Err(error) => Finding::CannotTell { evidence: error.to_string() },
        }
    }

    async fn undo(&self, context: &Context, call: &Call) -> Report {
        pause_again(context, call).await.unwrap_or_else(|error| Report::failed(error.to_string()))
    }
}

fn outputs(resumed: Vec<&str>, found: &Pools) -> Value {
    json!({ "state": "serves", "resumed": resumed, "clients_waiting": found.sum(|pool| pool.clients_waiting) })
}

async fn resume(context: &Context, call: &Call) -> Result<Report, PoolerError> {
    let (name, pooler) = needed(&context.inventory, &call.arguments)?;
    let console = Console::open(&context.inventory, pooler).await?;
    Pools::through(&console, name, pooler).await?.hold(pooler, &call.before)?;
    let mut resumed = Vec::new();
    for database in &pooler.databases {
        match console.resume(database).await {
            Ok(true) => resumed.push(database.as_str()),
            Ok(false) => {}
            Err(PoolerError::Refused(text)) if resumed.is_empty() => return Ok(Report::no_effect(text)),
            Err(error) => return Err(error),
        }
    }
    let found = Pools::through(&console, name, pooler).await?;
    let still = found.which(|pool| pool.paused);
    if !still.is_empty() {
        return Ok(Report::failed(format!("{} was told RESUME and is paused: its clients wait", still.join(", "))));
    }
    let text = if resumed.is_empty() {
        format!("{} was not paused", pooler.databases.join(", "))
    } else {
        format!("{} is resumed", resumed.join(", "))
    };
    Ok(Report::done(text, outputs(resumed, &found)))
}

/// A pause that waited could itself run out of time, in the middle of an undo: here the next step back is what matters.
async fn pause_again(context: &Context, call: &Call) -> Result<Report, PoolerError> {
    let (name, pooler) = needed(&context.inventory, &call.arguments)?;
    let before = list(&call.before, "paused");
    if before.is_empty() {
        return Ok(Report::done("nothing was paused before", Value::Null));
    }
    for database in &before {
        let console = Console::open(&context.inventory, pooler).await?;
        match console.say(&line("PAUSE", database)?, Duration::from_millis(300)).await {
            // It is in force as soon as it is taken; the look below says whether it was.
            Ok(_) | Err(PoolerError::Lost(_)) => {}
            Err(error) => return Err(error),
        }
    }
    let found = Pools::of(&context.inventory, name, pooler).await?;
    let running = found.which(|pool| !pool.paused).into_iter().filter(|name| before.contains(name)).collect::<Vec<_>>();
    Ok(if running.is_empty() {
        Report::done(format!("{} is paused again", before.join(", ")), Value::Null)
    } else {
        Report::failed(format!("{} was told PAUSE and is not paused", running.join(", ")))
    })
}
