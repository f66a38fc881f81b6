//! `pgbouncer.status`: what the pools of a PgBouncer are doing. Reads only.

use std::sync::LazyLock;

use async_trait::async_trait;
use serde_json::json;

use super::console::Console;
use super::pools::Pools;
use super::{PoolerError, by_hand, facts, named, needed, pooler_input};
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::{Inventory, Pooler};
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value};

/// `pgbouncer.status`.
#[derive(Debug, Clone, Copy)]
pub struct Status;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "pgbouncer.status",
    summary: "Looks at a PgBouncer: which pools are paused, who waits, and where its databases lead.",
    details: "Only the databases that the inventory names are told of. It fails where one of them leads elsewhere than the \
        inventory says. One of PgBouncer's `stats_users` is enough for it.",
    inputs: vec![pooler_input()],
    outputs: all_facts(),
    facts: all_facts(),
    effect: Effect::Read,
    fidelity: Fidelity::Probed,
    proves: "Everything: it is the same look.",
    undo: UndoSpec::Nothing,
    resource: None,
    settle_seconds: 0.0,
    timeout_seconds: 15.0,
    open_inputs: false,
});

fn all_facts() -> Vec<FieldSpec> {
    let mut all = facts();
    all.push(FieldSpec::optional("version", Type::String, "PgBouncer's version"));
    all
}

#[async_trait]
impl Action for Status {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        let good =
            "good: `paused` and `disabled` are 0, cl_waiting is 0, and host and port are those of the proxy or primary";
        by_hand(inventory, arguments, &["SHOW DATABASES", "SHOW POOLS"], good)
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        let Some((name, pooler)) = named(&context.inventory, arguments)? else {
            return Ok(Prediction::unknown("which pooler is not known yet"));
        };
        let (found, facts) = look(context, name, pooler).await?;
        let mut prediction = Prediction::probed(facts.clone());
        prediction.outputs = facts;
        prediction.refusals.extend(found.hold(pooler, &Value::Null).err().map(|error| error.to_string()));
        Ok(prediction)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        let look = async {
            let (name, pooler) = needed(&context.inventory, &call.arguments)?;
            let (found, facts) = look(context, name, pooler).await?;
            Ok::<_, PoolerError>((found.hold(pooler, &Value::Null), found, facts))
        };
        match look.await {
            Ok((Ok(()), found, facts)) => Report::done(summary(&found), facts),
            Ok((Err(error), _, facts)) => Report::failed(error.to_string()).with_outputs(facts),
            Err(error) => error.into(),
        }
    }

    async fn probe(&self, _context: &Context, _call: &Call) -> Finding {
        Finding::DidNot { evidence: "it only reads".to_owned() }
    }
}

async fn look(context: &Context, name: &str, pooler: &Pooler) -> Result<(Pools, Value), PoolerError> {
    let console = Console::open(&context.inventory, pooler).await?;
    let found = Pools::through(&console, name, pooler).await?;
    // A row `version` here, a notice in versions before 1.12: a pooler without one is looked at all the same.
    let version = console.ask("SHOW VERSION").await.ok();
    let version = version.and_then(|rows| rows.first().and_then(|row| row.get("version").cloned()));
    let mut facts = found.facts();
    if let Some(all) = facts.as_object_mut() {
        all.insert("version".to_owned(), json!(version));
    }
    Ok((found, facts))
}

fn summary(found: &Pools) -> String {
    let paused = found.which(|pool| pool.paused);
    let state = if paused.is_empty() { "serves".to_owned() } else { format!("paused: {}", paused.join(", ")) };
    format!(
        "{state}; {} clients served, {} waiting; {}",
        found.sum(|pool| pool.clients_active),
        found.sum(|pool| pool.clients_waiting),
        found.leads_to()
    )
}
