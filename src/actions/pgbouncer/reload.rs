//! `pgbouncer.reload`: PgBouncer reads its file again. What that changed is read back, as nobody can tell it before.

use std::collections::BTreeMap;
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

/// `pgbouncer.reload`.
#[derive(Debug, Clone, Copy)]
pub struct Reload;

/// The most differences that are told.
const TOLD: usize = 50;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "pgbouncer.reload",
    summary: "Lets a PgBouncer read its file again, and says what that changed.",
    details: "Settings and databases are read before and after, and the differences are its output. A setting that only a \
        restart changes stays as it is. A paused pool stays paused. A database that leads elsewhere from then on is told as a \
        difference; where the inventory says where it has to lead (`leads_to`), another place is a failure. It runs as the console's \
        user, who has to be one of `admin_users`.",
    inputs: vec![pooler_input()],
    outputs: vec![FieldSpec::required(
        "changed",
        Type::List(Box::new(Type::String)),
        "each setting and database that is another one now, with both values",
    )],
    facts: facts(),
    effect: Effect::Idempotent,
    fidelity: Fidelity::Unknown,
    proves: "The console lets us in; what the file says is not looked at.",
    undo: UndoSpec::Impossible(
        "what the file said before is not known here: whoever changes the file puts it back and reloads",
    ),
    resource: Some("pooler/{pooler}"),
    settle_seconds: 0.0,
    timeout_seconds: 15.0,
    open_inputs: false,
});

#[async_trait]
impl Action for Reload {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        let good = "good: SHOW CONFIG and SHOW DATABASES say what the file says now";
        by_hand(inventory, arguments, &["RELOAD", "SHOW CONFIG", "SHOW DATABASES"], good)
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        let Some((name, pooler)) = named(&context.inventory, arguments)? else {
            return Ok(Prediction::unknown("which pooler is not known yet"));
        };
        let found = Pools::of(&context.inventory, name, pooler).await?;
        let mut prediction = Prediction::probed(found.facts());
        prediction.fidelity = Fidelity::Unknown;
        prediction.notes.push("what its file says now is not known before it is read".to_owned());
        Ok(prediction)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        reload(context, call).await.unwrap_or_else(Report::from)
    }

    async fn probe(&self, _context: &Context, _call: &Call) -> Finding {
        Finding::CannotTell { evidence: "whether it read its file it does not tell".to_owned() }
    }
}

async fn reload(context: &Context, call: &Call) -> Result<Report, PoolerError> {
    let (name, pooler) = needed(&context.inventory, &call.arguments)?;
    let console = Console::open(&context.inventory, pooler).await?;
    let before = everything(&console, pooler).await?;
    console.say("RELOAD", call.timeout).await?;
    let after = everything(&console, pooler).await.map_err(|error| {
        PoolerError::Lost(format!("{name} was told RELOAD, and what that changed cannot be read: {error}"))
    })?;
    let changed = differences(&before, &after);
    let outputs = json!({ "changed": changed });
    // The file may send clients elsewhere now: that is what a reload is for, unless the inventory says otherwise.
    if let Err(error) = Pools::through(&console, name, pooler).await?.hold(pooler, &Value::Null) {
        return Ok(Report::failed(format!("it has read its file: {error}")).with_outputs(outputs));
    }
    let text = match changed.len() {
        0 => "it has read its file; nothing is different".to_owned(),
        _ => format!("it has read its file: {}", changed.join("; ")),
    };
    Ok(Report::done(text, outputs))
}

/// Each setting, and where each of the inventory's databases leads, by name.
async fn everything(console: &Console, pooler: &Pooler) -> Result<BTreeMap<String, String>, PoolerError> {
    let mut all = BTreeMap::new();
    for row in console.ask("SHOW CONFIG").await? {
        if let (Some(key), Some(value)) = (row.get("key"), row.get("value")) {
            all.insert(key.clone(), value.clone());
        }
    }
    for row in console.ask("SHOW DATABASES").await? {
        let Some(name) = row.get("name").filter(|name| pooler.databases.contains(name)) else { continue };
        for (column, value) in &row {
            // How many are connected moves by itself.
            if column != "name" && !column.starts_with("current_") {
                all.insert(format!("{name}.{column}"), value.clone());
            }
        }
    }
    Ok(all)
}

fn differences(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    let shown = |side: &BTreeMap<String, String>, name: &str| match side.get(name).map(String::as_str) {
        None | Some("") => "nothing".to_owned(),
        Some(value) => value.chars().take(200).collect(),
    };
    let different = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    different.take(TOLD).map(|name| format!("{name}: {} -> {}", shown(before, name), shown(after, name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_another_one_is_told_with_both_values() {
        let side = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>()
        };
        let before = side(&[("max_client_conn", "100"), ("orders.host", "10.0.0.1"), ("gone", "x"), ("same", "y")]);
        let after = side(&[("max_client_conn", "200"), ("orders.host", ""), ("new", "z"), ("same", "y")]);
        assert_eq!(
            differences(&before, &after),
            [
                "gone: x -> nothing",
                "max_client_conn: 100 -> 200",
                "new: nothing -> z",
                "orders.host: 10.0.0.1 -> nothing"
            ]
        );
    }
}
