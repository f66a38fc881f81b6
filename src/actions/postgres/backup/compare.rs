//! `postgres.compare`: whether a restored database holds what its backup held when it was made, and what a switch to it would
//! lose of the live one. It reads both, each in one snapshot, and changes nothing.

use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use super::super::{PostgresError, needed, text};
use super::content::Content;
use super::difference::{Loss, damage, loss};
use super::record::Record;
use super::{Stand, backup_of};
use crate::actions::{Action, ActionError, Call, Context};
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value, counted};

/// How long the look of a plan may take.
const LOOK: Duration = Duration::from_secs(8);

/// `postgres.compare`.
#[derive(Debug, Clone, Copy)]
pub struct Compare;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| {
    let list = |name, what| FieldSpec::required(name, Type::List(Box::new(Type::String)), what).volatile();
    let number = |name, what| FieldSpec::required(name, Type::Integer, what).volatile();
    ActionSpec {
        name: "postgres.compare",
        summary: "Compares a restored database with what was recorded of its backup, and with the live one.",
        details: "Each table's rows are counted and a SHA-256 digest is made over all of them; both have to be what the script \
            that made the backup wrote down in the same snapshot (docs/restore-verify.md has it). Where they are not, the step \
            fails and names the table and, by their keys, the rows: those of the recorded sample (the thousand rows with the \
            lowest hashes of their keys) one by one, others where they differ from the live ones.\n\nThen the live database is \
            compared, row by row up to 200,000 rows a table: rows that only it has are lost by a switch, rows that differ go \
            back to what they were. That is no failure: `loss` says it, `lost_known` whether that is all. What is written \
            after the look is not in it.\n\nSequences, large objects, views and functions are not compared, nor the schema \
            `playbook`. Digests are made at the server; keys are told, rows are not.",
        inputs: vec![
            FieldSpec::required("cluster", Type::Reference("database".into()), "the cluster's name in the inventory"),
            FieldSpec::required("backup", Type::Reference("backup".into()), "the backup's name in the inventory"),
            FieldSpec::required("database", Type::String, "the restored database"),
        ],
        outputs: vec![
            FieldSpec::optional("taken", Type::String, "when the backup was made, as its record says"),
            number("tables", "how many tables were compared"),
            number("rows", "how many rows they have"),
            list("damaged_tables", "the tables that are not what was recorded"),
            list("damaged_rows", "their rows that are named, at most 100"),
            FieldSpec::required("lost_known", Type::Boolean, "whether everything that a switch loses is known")
                .volatile(),
            number("lost_rows", "rows of the live database that the backup has not"),
            number("changed_rows", "rows that are others in the backup"),
            number("returning_rows", "rows of the backup that the live database has not"),
            FieldSpec::required("loss", Type::String, "what a switch loses, in a sentence").volatile(),
        ],
        facts: vec![
            FieldSpec::optional("taken", Type::String, "when the backup was made, as its record says"),
            FieldSpec::optional("recorded_rows", Type::Integer, "how many rows were recorded"),
            FieldSpec::optional("live_rows", Type::Integer, "how many the live database has now").volatile(),
        ],
        effect: Effect::Read,
        fidelity: Fidelity::Probed,
        proves: "The record is there and reads well; before the backup is restored, how many rows a table has live and in the \
            record. Whether what is restored is whole, only the run sees.",
        undo: UndoSpec::Nothing,
        resource: None,
        settle_seconds: 0.0,
        timeout_seconds: 1800.0,
        open_inputs: false,
    }
});

#[async_trait]
impl Action for Compare {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &crate::inventory::Inventory, arguments: &Value) -> Vec<String> {
        super::by_hand::by_hand(self.spec(), inventory, arguments)
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        if text(arguments, "cluster").is_none() || text(arguments, "backup").is_none() {
            return Ok(Prediction::unknown("which backup is not known yet"));
        }
        Ok(predict(context, arguments).await?)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        match compare(context, call).await {
            Ok(report) => report,
            Err(PostgresError::Lost(why)) => Report::failed(why),
            Err(error) => error.into(),
        }
    }

    async fn probe(&self, _context: &Context, _call: &Call) -> Finding {
        Finding::DidNot { evidence: "it only reads".to_owned() }
    }
}

/// Before there is anything restored: what was recorded, and how many rows there are now.
async fn predict(context: &Context, arguments: &Value) -> Result<Prediction, PostgresError> {
    let backup = backup_of(context, arguments)?;
    let record = Record::of(context, backup, LOOK).await?;
    let recorded = record.rows();
    let taken = record.taken.as_deref().unwrap_or("a time that it does not tell");
    let mut prediction =
        Prediction::probed(json!({ "taken": record.taken, "recorded_rows": recorded, "live_rows": null }));
    prediction.notes.push(format!(
        "the backup was made at {taken}: {}, {}",
        counted(record.tables.len(), "table"),
        counted(recorded, "row")
    ));
    match tokio::time::timeout(LOOK, live_rows(context, arguments, &record)).await {
        Ok(Ok((live, notes))) => {
            prediction.facts["live_rows"] = json!(live);
            prediction.notes.extend(notes);
            prediction.notes.push(
                "what was written to the live database since then is lost by a switch; how many rows that are is only known \
                 once both are compared"
                    .to_owned(),
            );
        }
        Ok(Err(error)) => prediction.notes.push(format!("what a switch would lose cannot be told: {error}")),
        Err(_) => {
            prediction.notes.push("what a switch would lose was not counted: that takes too long for a plan".to_owned())
        }
    }
    Ok(prediction)
}

async fn live_rows(context: &Context, arguments: &Value, record: &Record) -> Result<(i64, Vec<String>), PostgresError> {
    let stand = Stand::of(context, arguments).await?;
    let client = stand.connect(context, &stand.database.dbname, LOOK).await?;
    let content = Content::begin(&client, "the live database").await?;
    let (mut live, mut notes) = (0, Vec::new());
    for (name, table) in &record.tables {
        let rows = content.count(name).await?;
        live += rows.unwrap_or(0);
        if rows != Some(table.rows) && notes.len() < 10 {
            let now = rows.map_or_else(|| "no such table".to_owned(), |rows| counted(rows, "row"));
            notes.push(format!("{name}: {} in the backup, {now} live", counted(table.rows, "row")));
        }
    }
    Ok((live, notes))
}

async fn compare(context: &Context, call: &Call) -> Result<Report, PostgresError> {
    let restored = needed(&call.arguments, "database")?;
    let backup = backup_of(context, &call.arguments)?;
    let record = Record::of(context, backup, call.timeout).await?;
    let stand = Stand::of(context, &call.arguments).await?;
    let client = stand.connect(context, restored, call.timeout).await?;
    let content = Content::begin(&client, "the restored database").await?;
    let tables = content.tables().await?;
    // The live database may be what is broken: what cannot be read of it is unknown, and no failure.
    let live_client = stand.connect(context, &stand.database.dbname, call.timeout).await;
    let live = match &live_client {
        Ok(client) => Content::begin(client, "the live database").await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let damage = damage(&record, &tables, &content, live.as_ref().ok()).await?;
    let loss = match &live {
        Ok(live) => loss((&tables, &content), live).await,
        Err(why) => Loss { unknown: vec![why.clone()], ..Loss::default() },
    };
    let rows: i64 = tables.values().map(|table| table.rows).sum();
    let told = loss.told();
    let outputs = json!({
        "taken": record.taken, "tables": tables.len(), "rows": rows, "damaged_tables": damage.tables,
        "damaged_rows": damage.rows, "lost_known": loss.unknown.is_empty(), "lost_rows": loss.lost,
        "changed_rows": loss.changed, "returning_rows": loss.returning, "loss": told,
    });
    if !damage.told.is_empty() {
        let message =
            format!("{restored} is not what was recorded when its backup was made: {}", damage.told.join("; "));
        return Ok(Report::failed(message).with_outputs(outputs));
    }
    let message =
        format!("{} and {} are as they were recorded; {told}", counted(tables.len(), "table"), counted(rows, "row"));
    Ok(Report::done(message, outputs))
}
