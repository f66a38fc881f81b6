//! `postgres.query`: asks a member, in a read-only transaction. Values are bound, never part of the statement. It also
//! holds what `postgres.execute` shares: choosing the member, and binding values as text.

use std::error::Error;
use std::sync::LazyLock;

use async_trait::async_trait;
use serde_json::json;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{Format, IsNull, ToSql, Type as SqlType, to_sql_checked};
use tokio_postgres::{Client, Row};

use super::cluster::View;
use super::connect::{assert_identity, connect_member, database, explain, member};
use super::{PostgresError, needed, text};
use crate::actions::{Action, ActionError, Call, Context};
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, FieldSpec, Language, Prediction, UndoSpec};
use crate::value::{Type, Value, contains_unknown, counted};

/// `postgres.query`.
#[derive(Debug, Clone, Copy)]
pub struct Query;

/// More rows than this do not belong into a timeline.
const MOST_ROWS: usize = 1000;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "postgres.query",
    summary: "Asks a member of a cluster, in a read-only transaction.",
    details: "One SELECT. `$1`, `$2`, … stand for the parameters, which are sent apart from the statement and read as the \
        types that the statement has at their places. At most 1000 rows are kept; more make it fail. A function that writes \
        outside the transaction is not held back by it.",
    inputs: inputs(vec![]),
    outputs: vec![
        FieldSpec::required("rows", Type::List(Box::new(Type::Any)), "the rows, each an object by column").volatile(),
        FieldSpec::required("row_count", Type::Integer, "how many there are").volatile(),
        FieldSpec::required("member", Type::Identifier, "which member answered"),
    ],
    facts: vec![
        FieldSpec::required("rows", Type::List(Box::new(Type::Any)), "the rows now").volatile(),
        FieldSpec::required("row_count", Type::Integer, "how many there are now").volatile(),
        FieldSpec::required("member", Type::Identifier, "which member answers"),
    ],
    effect: Effect::Read,
    fidelity: Fidelity::Probed,
    proves: "Everything: the same question is asked.",
    undo: UndoSpec::Nothing,
    resource: None,
    settle_seconds: 0.0,
    timeout_seconds: 30.0,
    open_inputs: false,
});

/// The inputs that asking and changing share.
pub(super) fn inputs(more: Vec<FieldSpec>) -> Vec<FieldSpec> {
    let role = Type::Choice(["primary", "standby"].map(String::from).to_vec());
    let mut inputs = vec![
        FieldSpec::required("cluster", Type::Reference("database".into()), "the cluster's name in the inventory"),
        FieldSpec::optional("member", Type::Identifier, "which member; the one in `role` where absent"),
        FieldSpec::optional("role", role, "which role, where no member is named").or(json!("primary")),
        FieldSpec::required("sql", Type::String, "one statement, with $1, $2, … for the parameters")
            .read_as(Language::Sql),
        FieldSpec::optional("parameters", Type::List(Box::new(Type::Any)), "the values of $1, $2, …").or(json!([])),
    ];
    inputs.extend(more);
    inputs
}

#[async_trait]
impl Action for Query {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &crate::inventory::Inventory, arguments: &Value) -> Vec<String> {
        super::by_hand::by_hand(self.spec(), inventory, arguments)
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        if contains_unknown(arguments) {
            return Ok(Prediction::unknown("what is asked is not known yet"));
        }
        let outputs = ask(context, arguments, std::time::Duration::from_secs(10)).await?;
        let mut prediction = Prediction::probed(outputs.clone());
        prediction.outputs = outputs;
        Ok(prediction)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        match ask(context, &call.arguments, call.timeout).await {
            Ok(outputs) => Report::done(counted(&outputs["row_count"], "row"), outputs),
            Err(error) => error.into(),
        }
    }

    async fn probe(&self, _context: &Context, _call: &Call) -> Finding {
        Finding::DidNot { evidence: "it only reads".to_owned() }
    }
}

async fn ask(context: &Context, arguments: &Value, limit: std::time::Duration) -> Result<Value, PostgresError> {
    let Chosen { name, client, .. } = choose(context, arguments, limit).await?;
    let sql = needed(arguments, "sql")?.trim().trim_end_matches(';');
    let failed = |error: tokio_postgres::Error| PostgresError::Failed(format!("{name} answers: {}", explain(&error)));
    client.batch_execute("begin transaction read only").await.map_err(failed)?;
    // The line break ends a comment at the statement's end.
    let wrapped = format!("select to_jsonb(q) from (\n{sql}\n) q limit {}", MOST_ROWS + 1);
    let rows: Vec<Row> = bound(&client, &wrapped, arguments).await.map_err(failed)?;
    if rows.len() > MOST_ROWS {
        return Err(PostgresError::Failed(format!("the statement gives more than {MOST_ROWS} rows: add a limit")));
    }
    let rows: Result<Vec<Value>, _> = rows.iter().map(|row| row.try_get(0)).collect();
    let rows = rows.map_err(|error| PostgresError::Failed(format!("a row cannot be read: {error}")))?;
    Ok(json!({ "row_count": rows.len(), "rows": rows, "member": name }))
}

/// A member, and a connection to it.
pub(super) struct Chosen {
    pub(super) name: String,
    pub(super) client: Client,
    /// The cluster as it was seen when the member was chosen.
    pub(super) view: View,
}

/// The member that is named, or the one in the role, with a connection to it.
pub(super) async fn choose(
    context: &Context,
    arguments: &Value,
    limit: std::time::Duration,
) -> Result<Chosen, PostgresError> {
    let cluster = needed(arguments, "cluster")?;
    let found = database(&context.inventory, cluster)?;
    if let Some(name) = text(arguments, "member") {
        member(found, cluster, name)?;
    }
    let view = View::of(&context.inventory, cluster).await?;
    let name = match (text(arguments, "member"), text(arguments, "role")) {
        (Some(name), _) => name.to_owned(),
        (None, Some("standby")) => view
            .best_standby()
            .map(str::to_owned)
            .ok_or_else(|| PostgresError::Unreachable(format!("no standby of {cluster} answers")))?,
        (None, _) => view.primary().map(str::to_owned).ok_or_else(|| {
            let count = view.primaries().len();
            PostgresError::Unreachable(format!("{cluster} has {count} members that take writes, not one"))
        })?,
    };
    view.hold_to_identity(&name)?;
    let client = connect_member(found, &context.inventory, member(found, cluster, &name)?, limit).await?;
    assert_identity(&client, &name, view.system_identifier.as_deref()).await?;
    Ok(Chosen { name, client, view })
}

/// Runs a statement with the step's parameters bound.
pub(super) async fn bound(client: &Client, sql: &str, arguments: &Value) -> Result<Vec<Row>, tokio_postgres::Error> {
    let statement = client.prepare(sql).await?;
    let parameters = parameters(arguments);
    let bound: Vec<&(dyn ToSql + Sync)> = parameters.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
    client.query(&statement, &bound).await
}

/// Changes with the step's parameters bound; the number of rows.
pub(super) async fn change(client: &Client, sql: &str, arguments: &Value) -> Result<u64, tokio_postgres::Error> {
    let statement = client.prepare(sql).await?;
    let parameters = parameters(arguments);
    let bound: Vec<&(dyn ToSql + Sync)> = parameters.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
    client.execute(&statement, &bound).await
}

fn parameters(arguments: &Value) -> Vec<AsText> {
    let values = arguments.get("parameters").and_then(Value::as_array);
    let text = |value: &Value| match value {
        Value::Null => AsText(None),
        Value::String(text) => AsText(Some(text.clone())),
        other => AsText(Some(other.to_string())),
    };
    values.map(|values| values.iter().map(text).collect()).unwrap_or_default()
}

/// A value in its text form, which the server reads as whatever type the statement has at that place.
#[derive(Debug)]
struct AsText(Option<String>);

impl ToSql for AsText {
    fn to_sql(&self, _kind: &SqlType, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match &self.0 {
            Some(text) => {
                out.extend_from_slice(text.as_bytes());
                Ok(IsNull::No)
            }
            None => Ok(IsNull::Yes),
        }
    }

    fn accepts(_kind: &SqlType) -> bool {
        true
    }

    fn encode_format(&self, _kind: &SqlType) -> Format {
        Format::Text
    }

    to_sql_checked!();
}
