//! `pgbouncer.pause`: the pool's clients wait, and its server connections are closed as soon as they are free.
//!
//! A PAUSE that is given up stays in force at PgBouncer: so it is told as failed, and its undo resumes the pool.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::json;
use tokio::task::JoinSet;

use super::console::{Console, line};
use super::pools::Pools;
use super::{PoolerError, by_hand, facts, list, named, needed, pooler_input, state_type};
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::{Inventory, Pooler};
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Change, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value};

/// `pgbouncer.pause`.
#[derive(Debug, Clone, Copy)]
pub struct Pause;

/// How long a PAUSE that is not waited for has to be taken.
const TAKEN: Duration = Duration::from_millis(300);

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "pgbouncer.pause",
    summary: "Lets the clients of a PgBouncer pool wait, and closes its server connections once they are free.",
    details: "Clients stay connected; what they begin from then on waits until the pool is resumed, or until PgBouncer's \
        own `query_wait_timeout` (2 minutes by default) ends it. With `wait: true` it comes to its end when every transaction \
        under way (in session mode: every session) is over, so that nothing of this pool runs at the server.\n\nWhen it runs \
        out of time first it has failed, but PgBouncer keeps the PAUSE in force: undoing the step resumes the pool. Let no \
        step `continue` after a pause that was waited for.\n\n`wait: false` is for a server that is dead: what runs there \
        never ends, so nothing waits for it. It ends with an error when the proxy or the network closes its connection.\n\nOnly the databases that the inventory names are paused, each by its name. They have to \
        lead where the inventory says (`leads_to`), or where they led when the plan was made.",
    inputs: vec![
        pooler_input(),
        FieldSpec::optional("wait", Type::Boolean, "whether to wait until nothing of the pool runs at the server")
            .or(json!(true)),
    ],
    outputs: vec![
        FieldSpec::required("state", state_type(), "what they are now"),
        FieldSpec::required("databases", Type::List(Box::new(Type::String)), "the databases that are paused"),
        FieldSpec::required("servers", Type::Integer, "server connections that are left").volatile(),
        FieldSpec::required("clients_waiting", Type::Integer, "clients that wait already").volatile(),
    ],
    facts: facts(),
    effect: Effect::Idempotent,
    fidelity: Fidelity::Probed,
    proves: "The console lets us in, and the databases lead where they should; how long their transactions still take \
        is not known before.",
    undo: UndoSpec::Restores { how: "It resumes the databases that were not paused before.", from_observation: true },
    resource: Some("pooler/{pooler}"),
    settle_seconds: 0.0,
    timeout_seconds: 20.0,
    open_inputs: false,
});

fn waits(arguments: &Value) -> bool {
    arguments.get("wait").and_then(Value::as_bool).unwrap_or(true)
}

#[async_trait]
impl Action for Pause {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        let good = if waits(arguments) {
            "good: PAUSE comes back, and `paused` is 1. If it hangs: Ctrl-C does not lift it, RESUME does"
        } else {
            "good: `paused` is 1. PAUSE hangs where the server is dead: Ctrl-C it, it stays in force until RESUME"
        };
        by_hand(inventory, arguments, &["PAUSE {}", "SHOW DATABASES"], good)
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        let Some((name, pooler)) = named(&context.inventory, arguments)? else {
            return Ok(Prediction::unknown("which pooler is not known yet"));
        };
        let found = Pools::of(&context.inventory, name, pooler).await?;
        let mut prediction = Prediction::probed(found.facts());
        prediction.refusals.extend(found.hold(pooler, &Value::Null).err().map(|error| error.to_string()));
        for database in found.which(|pool| !pool.paused) {
            prediction.changes.push(Change {
                what: format!("pool {name}/{database}"),
                before: Some("serves".to_owned()),
                after: Some("paused".to_owned()),
            });
        }
        for database in found.which(|pool| pool.paused) {
            prediction.notes.push(format!("{database} is paused already, by somebody else"));
        }
        if waits(arguments) && found.mode() == Some("session") {
            let note =
                "the pool is in session mode: a pause waits for clients to disconnect, not only for their transactions";
            prediction.notes.push(note.to_owned());
        }
        prediction.outputs = json!({ "state": "paused", "databases": found.0.keys().collect::<Vec<_>>() });
        Ok(prediction)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        pause(context, call).await.unwrap_or_else(Report::from)
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        let look = async {
            let (name, pooler) = needed(&context.inventory, &call.arguments)?;
            Pools::of(&context.inventory, name, pooler).await
        };
        match look.await {
            Ok(found) if found.0.values().any(|pool| !pool.paused) => {
                Finding::DidNot { evidence: format!("not paused: {}", found.which(|pool| !pool.paused).join(", ")) }
            }
            // In force, and not at its end: told again it waits for the rest.
            Ok(found) if waits(&call.arguments) && found.sum(|pool| pool.servers) > 0 => Finding::DidNot {
                evidence: format!("paused, with {} server connections left", found.sum(|pool| pool.servers)),
            },
            Ok(found) => Finding::TookEffect { evidence: "paused".to_owned(), outputs: outputs(&found) },
            Err(error) => Finding::CannotTell { evidence: error.to_string() },
        }
    }

    async fn undo(&self, context: &Context, call: &Call) -> Report {
        lift(context, call).await.unwrap_or_else(|error| Report::failed(format!("{error}; its clients may still wait")))
    }
}

fn outputs(found: &Pools) -> Value {
    json!({
        "state": "paused",
        "databases": found.which(|pool| pool.paused),
        "servers": found.sum(|pool| pool.servers),
        "clients_waiting": found.sum(|pool| pool.clients_waiting),
    })
}

async fn pause(context: &Context, call: &Call) -> Result<Report, PoolerError> {
    let begun = Instant::now();
    let (name, pooler) = needed(&context.inventory, &call.arguments)?;
    let before = Pools::of(&context.inventory, name, pooler).await?;
    before.hold(pooler, &call.before)?;
    let wait = waits(&call.arguments);
    let limit = if wait { call.timeout.saturating_sub(begun.elapsed()) } else { TAKEN };
    let told = tell(context, pooler, limit.max(TAKEN)).await;
    if let Err(PoolerError::Refused(text) | PoolerError::Invalid(text)) = &told {
        let now = Pools::of(&context.inventory, name, pooler).await?;
        let untouched = now.which(|pool| pool.paused) == before.which(|pool| pool.paused);
        return Ok(if untouched { Report::no_effect(text) } else { Report::failed(text) });
    }
    let found = Pools::of(&context.inventory, name, pooler).await.map_err(|error| {
        PoolerError::Lost(format!(
            "{name} was told PAUSE, and cannot be looked at: {error}; its clients may wait already"
        ))
    })?;
    let running = found.which(|pool| !pool.paused);
    if !running.is_empty() {
        return Ok(Report::failed(format!(
            "{} was told PAUSE and is not paused: somebody else resumed it, or PgBouncer was restarted",
            running.join(", ")
        )));
    }
    let left = found.sum(|pool| pool.servers);
    let databases = found.0.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    if wait && left > 0 {
        return Ok(Report::failed(format!(
            "{left} server connections of {databases} were not free within {:.0} s{}: end what runs there, or give it more \
             time. The PAUSE is still in force, and {} clients wait: it is lifted when this step is undone, or by \
             RESUME on the console",
            call.timeout.as_secs_f64(),
            holders(context, pooler).await,
            found.sum(|pool| pool.clients_waiting)
        )));
    }
    let rest = if left == 0 { String::new() } else { format!("; {left} server connections were not waited for") };
    let clients = found.sum(|pool| pool.clients_waiting);
    Ok(Report::done(format!("{databases} is paused, {clients} clients wait{rest}"), outputs(&found)))
}

/// Tells all databases at once, each on a console of its own, as a PAUSE comes back only when it is over.
async fn tell(context: &Context, pooler: &Pooler, limit: Duration) -> Result<(), PoolerError> {
    let mut pauses = JoinSet::new();
    for database in &pooler.databases {
        let (inventory, pooler) = (Arc::clone(&context.inventory), pooler.clone());
        let line = line("PAUSE", database)?;
        pauses.spawn(async move { Console::open(&inventory, &pooler).await?.say(&line, limit).await });
    }
    let mut first = Ok(());
    while let Some(ended) = pauses.join_next().await {
        let ended = ended.unwrap_or_else(|error| Err(PoolerError::Lost(error.to_string())));
        if first.is_ok() {
            first = ended.map(|_| ());
        }
    }
    first
}

/// Which server processes still serve a client, where the console tells: they are found in `pg_stat_activity` by that number.
async fn holders(context: &Context, pooler: &Pooler) -> String {
    let asked = async { Console::open(&context.inventory, pooler).await?.ask("SHOW SERVERS").await };
    let Ok(rows) = asked.await else { return String::new() };
    let ours = rows.iter().filter(|row| row.get("database").is_some_and(|name| pooler.databases.contains(name)));
    let active = ours.filter(|row| row.get("state").is_some_and(|state| state == "active"));
    let pids = active.filter_map(|row| row.get("remote_pid").filter(|pid| *pid != "0"));
    let pids = pids.take(5).map(String::as_str).collect::<Vec<_>>();
    if pids.is_empty() { String::new() } else { format!(" (in pg_stat_activity: pid {})", pids.join(", ")) }
}

/// Where a database leads now is not looked at: a client that waits helps nobody, wherever it would be sent.
async fn lift(context: &Context, call: &Call) -> Result<Report, PoolerError> {
    let (name, pooler) = needed(&context.inventory, &call.arguments)?;
    let console = Console::open(&context.inventory, pooler).await?;
    let (mut lifted, mut kept) = (Vec::new(), Vec::new());
    for database in &pooler.databases {
        if list(&call.before, "paused").contains(&database.as_str()) {
            kept.push(database.as_str());
        } else if console.resume(database).await? {
            lifted.push(database.as_str());
        }
    }
    let found = Pools::through(&console, name, pooler).await?;
    let still = found.which(|pool| pool.paused).into_iter().filter(|name| !kept.contains(name)).collect::<Vec<_>>();
    if !still.is_empty() {
        return Ok(Report::failed(format!(
            "{} was told RESUME and is still paused: its clients wait",
            still.join(", ")
        )));
    }
    let text = match (lifted.is_empty(), kept.is_empty()) {
        (false, _) => format!("{} is resumed", lifted.join(", ")),
        (true, true) => "it was not paused any more".to_owned(),
        (true, false) => format!("{} was paused before, and stays so", kept.join(", ")),
    };
    Ok(Report::done(text, Value::Null))
}
