//! `postgres.execute`: changes data by one statement in one transaction. The transaction's id is on disk before the commit
//! is sent, so that a lost answer is settled by asking the server what became of that transaction.

use std::io::Write;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tokio_postgres::Client;

use super::cluster::View;
use super::connect::{connect_member, database, explain, member, server_said_no};
use super::query::{Chosen, change, choose, inputs};
use super::{Deadline, PostgresError, identity_fact, needed};
use crate::actions::{Action, ActionError, Call, Context, recorder};
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Change, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value, contains_unknown, counted};

/// `postgres.execute`.
#[derive(Debug, Clone, Copy)]
pub struct Execute;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "postgres.execute",
    summary: "Changes data by one statement, in one transaction of its own.",
    details: "`$1`, `$2`, … stand for the parameters, which are sent apart from the statement. With `expect_rows` another \
        number of rows is rolled back. The transaction's id is kept before the commit: after a lost answer the server is \
        asked whether that transaction was committed.\n\nWith `dry_run_in_transaction` the dry-run runs the statement and \
        rolls it back. That proves it, but takes its locks for that time, fires its triggers and uses up sequence numbers; so \
        it is off unless the playbook says otherwise.",
    inputs: inputs(vec![
        FieldSpec::optional("expect_rows", Type::Integer, "how many rows it has to change"),
        FieldSpec::optional("dry_run_in_transaction", Type::Boolean, "the dry-run runs it and rolls it back")
            .or(json!(false)),
    ]),
    outputs: vec![
        FieldSpec::required("member", Type::Identifier, "which member"),
        FieldSpec::optional("row_count", Type::Integer, "how many rows it changed; null where the answer was lost"),
        FieldSpec::required("transaction", Type::String, "the transaction's id").volatile(),
    ],
    facts: vec![
        FieldSpec::required("member", Type::Identifier, "which member"),
        FieldSpec::optional("row_count", Type::Integer, "how many rows it would change").volatile(),
        identity_fact(),
    ],
    effect: Effect::Probed,
    fidelity: Fidelity::Proved,
    proves: "The member answers and accepts the statement's text; with `dry_run_in_transaction` also that it runs, and on how \
        many rows.",
    undo: UndoSpec::Impossible(
        "what a statement changed is not known to us: give the step a `rollback:` that changes it back",
    ),
    resource: Some("database/{cluster}"),
    settle_seconds: 1.0,
    timeout_seconds: 30.0,
    open_inputs: false,
});

#[async_trait]
impl Action for Execute {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &crate::inventory::Inventory, arguments: &Value) -> Vec<String> {
        super::by_hand::by_hand(self.spec(), inventory, arguments)
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        if contains_unknown(arguments) {
            return Ok(Prediction::unknown("what is changed is not known yet"));
        }
        Ok(predict(context, arguments).await?)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        execute(context, call).await.unwrap_or_else(Report::from)
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        ask_for_it(context, call).await.unwrap_or_else(|error| Finding::CannotTell { evidence: error.to_string() })
    }
}

async fn predict(context: &Context, arguments: &Value) -> Result<Prediction, PostgresError> {
    let Chosen { name, client, view } = choose(context, arguments, Duration::from_secs(10)).await?;
    let identifier = &view.system_identifier;
    let sql = needed(arguments, "sql")?;
    let mut prediction =
        Prediction::probed(json!({ "member": name, "row_count": null, "system_identifier": identifier }));
    let mut after = "changed by the statement".to_owned();
    if arguments.get("dry_run_in_transaction").and_then(Value::as_bool) == Some(true) {
        let refused =
            |error: tokio_postgres::Error| PostgresError::Refused(format!("{name} answers: {}", explain(&error)));
        client.batch_execute("begin").await.map_err(refused)?;
        let changed = change(&client, sql, arguments).await;
        client.batch_execute("rollback").await.map_err(refused)?;
        match changed {
            Ok(rows) => {
                prediction.facts = json!({ "member": name, "row_count": rows, "system_identifier": identifier });
                prediction.outputs = json!({ "member": name, "row_count": rows });
                prediction.fidelity = Fidelity::Proved;
                prediction.refusals.extend(mismatch(arguments, rows));
                after = format!("{} changed", rows_of(rows));
            }
            Err(error) => prediction.refusals.push(format!("{name} answers: {}", explain(&error))),
        }
    } else {
        if let Err(error) = client.prepare(sql).await {
            prediction.refusals.push(format!("{name} does not accept the statement: {}", explain(&error)));
        }
        prediction.outputs = json!({ "member": name });
    }
    prediction.changes.push(Change { what: format!("data on {name}"), before: None, after: Some(after) });
    Ok(prediction)
}

fn rows_of(number: u64) -> String {
    counted(number, "row")
}

fn mismatch(arguments: &Value, rows: u64) -> Option<String> {
    let wanted = arguments.get("expect_rows").and_then(Value::as_u64)?;
    (wanted != rows).then(|| format!("it changes {}, not {wanted} as expected", rows_of(rows)))
}

async fn execute(context: &Context, call: &Call) -> Result<Report, PostgresError> {
    let Chosen { name, client, view } = choose(context, &call.arguments, call.timeout).await?;
    view.hold_to_before(&call.before)?;
    let sql = needed(&call.arguments, "sql")?;
    // Until the commit is sent, a connection that is lost takes the transaction with it.
    let before = |error: tokio_postgres::Error| {
        PostgresError::Refused(format!("{name} answers: {}; nothing was changed", explain(&error)))
    };
    client.batch_execute("begin").await.map_err(before)?;
    let transaction = begun(&client).await.map_err(before)?;
    let rows = match tokio::time::timeout(call.timeout, change(&client, sql, &call.arguments)).await {
        Ok(changed) => changed.map_err(before)?,
        Err(_) => {
            return Err(PostgresError::Refused(format!("{name} does not answer in time; nothing was committed")));
        }
    };
    if let Some(text) = mismatch(&call.arguments, rows) {
        // Dropping the connection would do as well; this lets go of the locks now.
        let _ = client.batch_execute("rollback").await;
        return Err(PostgresError::Refused(format!("{text}: rolled back, nothing was changed")));
    }
    write_down(
        context,
        call,
        &json!({ "member": name, "transaction": transaction.0, "system_identifier": transaction.1 }),
    )
    .map_err(|error| {
        PostgresError::Refused(format!("the transaction's id cannot be kept ({error}), so it was not committed"))
    })?;
    match tokio::time::timeout(call.timeout, client.batch_execute("commit")).await {
        Ok(Ok(())) => Ok(Report::done(
            format!("{} changed on {name}", rows_of(rows)),
            json!({ "member": name, "row_count": rows, "transaction": transaction.0 }),
        )),
        Ok(Err(error)) if server_said_no(&error) => {
            Err(PostgresError::Refused(format!("{name} did not commit: {}; nothing was changed", explain(&error))))
        }
        Ok(Err(error)) => Err(PostgresError::Lost(format!("no answer from {name} to the commit: {}", explain(&error)))),
        Err(_) => Err(PostgresError::Lost(format!("no answer from {name} to the commit in time"))),
    }
}

/// The transaction's id and the cluster's identifier.
async fn begun(client: &Client) -> Result<(String, String), tokio_postgres::Error> {
    let ask =
        "select pg_catalog.pg_current_xact_id()::text, system_identifier::text from pg_catalog.pg_control_system()";
    let row = client.query_one(ask, &[]).await?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}

fn note(context: &Context, call: &Call) -> PathBuf {
    context.spool.join(format!("{}.txid", call.attempt))
}

/// Writes down what is needed to ask later, so that it survives a crash of this machine.
fn write_down(context: &Context, call: &Call, what: &Value) -> std::io::Result<()> {
    let path = note(context, call);
    let mut file = std::fs::File::create(&path)?;
    file.write_all(what.to_string().as_bytes())?;
    file.sync_all()?;
    // Its name has to be durable too, and that of the folder.
    recorder::boots::make_last(&context.spool)
}

async fn ask_for_it(context: &Context, call: &Call) -> Result<Finding, PostgresError> {
    let text = match std::fs::read_to_string(note(context, call)) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // It is written before the commit is sent, always.
            return Ok(Finding::DidNot {
                evidence: "no commit was ever sent: no transaction's id was kept".to_owned(),
            });
        }
        Err(error) => return Ok(Finding::CannotTell { evidence: format!("its note cannot be read: {error}") }),
    };
    // The machine may have died while it was written, which is before the commit as well.
    let Ok(kept) = serde_json::from_str::<Value>(&text) else {
        return Ok(Finding::DidNot { evidence: "no commit was sent: its note is not whole".to_owned() });
    };
    let (cluster, name) = (needed(&call.arguments, "cluster")?, needed(&kept, "member")?);
    let (transaction, identifier) = (needed(&kept, "transaction")?, needed(&kept, "system_identifier")?);
    let found = database(&context.inventory, cluster)?;
    let deadline = Deadline::after(call.timeout);
    loop {
        let view = View::of(&context.inventory, cluster).await?;
        view.hold_to_identity(name)?;
        if view.facts(name).is_none_or(|facts| facts.system_identifier != identifier) {
            return Ok(Finding::CannotTell { evidence: format!("{name}: {}", view.trouble(name)) });
        }
        let client = connect_member(found, &context.inventory, member(found, cluster, name)?, deadline.left()).await?;
        let ask = "select pg_catalog.pg_xact_status($1::text::xid8)";
        let row = client.query_one(ask, &[&transaction]).await;
        let status = row.and_then(|row| row.try_get::<_, Option<String>>(0));
        let evidence = |word: &str| format!("transaction {transaction} on {name} is {word}");
        match status.as_ref().map(Option::as_deref) {
            Ok(Some("committed")) => {
                let outputs = json!({ "member": name, "row_count": null, "transaction": transaction });
                return Ok(Finding::TookEffect { evidence: evidence("committed"), outputs });
            }
            Ok(Some("aborted")) => return Ok(Finding::DidNot { evidence: evidence("aborted") }),
            Ok(Some(word)) if deadline.passed() => return Ok(Finding::CannotTell { evidence: evidence(word) }),
            Ok(Some(_)) => deadline.pause().await,
            Ok(None) => return Ok(Finding::CannotTell { evidence: evidence("too old to be told") }),
            Err(error) => return Ok(Finding::CannotTell { evidence: explain(error) }),
        }
    }
}
