//! `postgres.restore`: a dump becomes a new database beside the live one. It touches nothing that was there before; its undo
//! drops exactly the database that it made, and not even that once clients have written to it.

use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tokio_postgres::Client;

use super::super::connect::{explain, secret, server_said_no};
use super::super::member::{before_start, last_words};
use super::super::{Deadline, PostgresError, identity_fact, needed, text};
use super::names::{beside, find, literal, mark, quoted};
use super::{Stand, backup_of, room};
use crate::actions::command::{Recalled, change, recall_sent};
use crate::actions::{Action, ActionError, Call, Context};
use crate::outcome::{Finding, Outcome, Report};
use crate::spec::{ActionSpec, Change, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value, format_size};

/// How long one statement beside the restore itself may take.
const STATEMENT: Duration = Duration::from_secs(60);

/// `postgres.restore`.
#[derive(Debug, Clone, Copy)]
pub struct Restore;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "postgres.restore",
    summary: "Restores a dump into a new database beside the live one.",
    details: "The new database is called NAME_restore_LABEL and gets the live one's owner, encoding, locale, settings and \
        privileges; then `pg_restore` runs on the backup's host, under the recorder there, and stops at the first error. It \
        takes what `pg_dump -Fc` and `-Fd` made: a plain dump is a program for psql, which can do anything, and is not run. \
        Subscriptions are left out, as a restored one would begin to replicate. In the end the database is analyzed.\n\nThe \
        live database is only read. What a dump holds runs as the inventory's database user, functions and triggers \
        too: restore only what is yours, which `file.checksum` with a `manifest_sha256` kept elsewhere can tell.",
    inputs: vec![
        FieldSpec::required("cluster", Type::Reference("database".into()), "the cluster's name in the inventory"),
        FieldSpec::required("backup", Type::Reference("backup".into()), "the backup's name in the inventory"),
        FieldSpec::required("label", Type::String, "what the new database's name ends with: {{run.id}}"),
    ],
    outputs: vec![
        FieldSpec::required("database", Type::String, "the new database"),
        FieldSpec::required("bytes", Type::Size, "how large it is").volatile(),
    ],
    facts: vec![
        FieldSpec::optional("exists", Type::Boolean, "whether a database of that name is there"),
        FieldSpec::optional("live_bytes", Type::Size, "how large the live database is").volatile(),
        FieldSpec::optional("free_bytes", Type::Size, "the free room on the server's disk").volatile(),
        FieldSpec::optional("entries", Type::Integer, "the entries of the dump's table of contents"),
        FieldSpec::optional("dumped_from", Type::String, "the version of the server that it was made from"),
        identity_fact(),
    ],
    effect: Effect::Probed,
    fidelity: Fidelity::Probed,
    proves: "The primary answers, pg_restore reads the dump's table of contents, and the room on the disk is read; not that the \
        whole dump is good.",
    undo: UndoSpec::Restores {
        how: "It drops the database that it made, unless that one was switched in and written to: then it says how.",
        from_observation: true,
    },
    resource: Some("database/{cluster}"),
    settle_seconds: 0.0,
    timeout_seconds: 3600.0,
    open_inputs: false,
});

#[async_trait]
impl Action for Restore {
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
        restore(context, call).await.unwrap_or_else(Report::from)
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        probe(context, call).await.unwrap_or_else(|error| Finding::CannotTell { evidence: error.to_string() })
    }

    async fn undo(&self, context: &Context, call: &Call) -> Report {
        drop_ours(context, call).await.unwrap_or_else(|error| Report::failed(error.to_string()))
    }
}

async fn predict(context: &Context, arguments: &Value) -> Result<Prediction, PostgresError> {
    let backup = backup_of(context, arguments)?;
    let stand = Stand::of(context, arguments).await?;
    let live = &stand.database.dbname;
    let client = stand.connect(context, live, Duration::from_secs(8)).await?;
    let (contents, free) = tokio::join!(room::contents(context, backup), room::free_bytes(context, stand.member));
    let contents = contents?;
    let name = text(arguments, "label").map(|label| beside(live, "restore", label)).transpose()?;
    let exists = match &name {
        Some(name) => Some(find(&client, name).await?.is_some()),
        None => None,
    };
    let bytes = size_of(&client, live).await.ok();
    let mut prediction = Prediction::probed(json!({
        "exists": exists, "live_bytes": bytes, "free_bytes": free, "entries": contents.entries,
        "dumped_from": contents.from_version, "system_identifier": stand.view.system_identifier,
    }));
    if let (Some(free), Some(bytes)) = (free, bytes)
        && free < bytes
    {
        prediction.notes.push(format!(
            "{} are free on {}'s disk and the live database has {}: the copy may not fit",
            format_size(free),
            stand.primary,
            format_size(bytes)
        ));
    }
    if let Some(created) = contents.created {
        prediction.notes.push(format!("the dump was made at {created}"));
    }
    if exists == Some(true) {
        prediction
            .refusals
            .push(format!("there is a database {} already, and it is not touched", name.clone().unwrap_or_default()));
    }
    if let Some(name) = &name {
        prediction.outputs = json!({ "database": name });
    }
    prediction.changes.push(Change {
        what: format!("database {} at {}", name.unwrap_or_else(|| format!("{live}_restore_RUN")), stand.primary),
        before: None,
        after: Some(format!("restored from {}", room::dump(backup))),
    });
    Ok(prediction)
}

async fn size_of(client: &Client, name: &str) -> Result<i64, PostgresError> {
    let row = client.query_one("select pg_catalog.pg_database_size($1::text::name)", &[&name]).await;
    row.and_then(|row| row.try_get(0)).map_err(|error| PostgresError::Failed(explain(&error)))
}

async fn restore(context: &Context, call: &Call) -> Result<Report, PostgresError> {
    let deadline = Deadline::after(call.timeout);
    let (backup, label) = (backup_of(context, &call.arguments)?, needed(&call.arguments, "label")?);
    let stand = Stand::of(context, &call.arguments).await?;
    stand.view.hold_to_before(&call.before)?;
    let name = beside(&stand.database.dbname, "restore", label)?;
    let client = stand.connect(context, &stand.database.dbname, STATEMENT).await?;
    make(&client, &stand, &name, label).await?;
    let password = match &stand.database.password {
        Some(reference) => Some(secret(&context.inventory, reference).await.map_err(PostgresError::Failed)?),
        None => None,
    };
    let words = arguments(&stand, &name);
    let command = room::pg_restore(&context.inventory, backup, words, password);
    let ended = change(context, &command, &call.attempt, deadline.left(), true).await.map_err(|error| {
        match before_start(error) {
            // The copy is there by now, and has to go again.
            PostgresError::Refused(why) | PostgresError::Invalid(why) | PostgresError::Unreachable(why) => {
                PostgresError::Failed(format!("{name} was made, and pg_restore did not begin: {why}"))
            }
            other => other,
        }
    })?;
    if ended.exit_code != Some(0) {
        let full = ended.output.stderr.text.contains("No space left on device");
        let full = if full { " The disk of the server is full: the undo makes the room free again." } else { "" };
        return Ok(Report::failed(format!(
            "pg_restore did not restore {} into {name}: {}.{full} The live database was not touched",
            room::dump(backup),
            last_words(&ended)
        )));
    }
    finish(context, &stand, &name, deadline).await
}

/// What `pg_restore` is told, without the dump's path.
fn arguments(stand: &Stand<'_>, name: &str) -> Vec<String> {
    let (address, port) = (&stand.member.address, stand.member.port.to_string());
    // A name with a `=` in it would be read as an address of its own.
    let into = format!("dbname='{}'", name.replace('\\', r"\\").replace('\'', r"\'"));
    [
        "--exit-on-error",
        "--no-password",
        "--no-subscriptions",
        "-h",
        address,
        "-p",
        &port,
        "-U",
        &stand.database.user,
        "-d",
        &into,
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Makes the empty database, with what belongs to the live one and stands in no dump.
async fn make(client: &Client, stand: &Stand<'_>, name: &str, label: &str) -> Result<(), PostgresError> {
    let refused = |error: tokio_postgres::Error| {
        if server_said_no(&error) {
            PostgresError::Refused(format!("{} does not make the database {name}: {}", stand.primary, explain(&error)))
        } else {
            PostgresError::Lost(format!(
                "no answer from {} to making the database {name}: {}",
                stand.primary,
                explain(&error)
            ))
        }
    };
    if let Some(found) = find(client, name).await? {
        // Its name tells this run: an earlier attempt of it made this one, and did not get to the end.
        if !is_ours(&found.comment, label) {
            return Err(PostgresError::Refused(format!(
                "there is a database {name} already that this run did not make: it is not touched"
            )));
        }
        client.batch_execute(&format!("drop database {} with (force)", quoted(name))).await.map_err(refused)?;
    }
    let live = &stand.database.dbname;
    let row = client.query_one(CREATE, &[&name, live]).await.map_err(refused)?;
    let statement: String = row.try_get(0).map_err(refused)?;
    client.batch_execute(&statement).await.map_err(refused)?;
    let comment = format!("comment on database {} is {}", quoted(name), literal(&mark(label)));
    client.batch_execute(&comment).await.map_err(|error| PostgresError::Failed(explain(&error)))?;
    for row in client.query(BELONGS, &[&name, live]).await.map_err(|error| PostgresError::Failed(explain(&error)))? {
        let statement: String = row.try_get(0).map_err(|error| PostgresError::Failed(explain(&error)))?;
        client.batch_execute(&statement).await.map_err(|error| {
            PostgresError::Failed(format!(
                "{name} cannot get what belongs to {live} ({statement}): {}",
                explain(&error)
            ))
        })?;
    }
    Ok(())
}

/// Without a mark it was made and not marked any more, as its maker died in between: its name has the run's id.
fn is_ours(comment: &Option<String>, label: &str) -> bool {
    comment.as_ref().is_none_or(|comment| *comment == mark(label))
}

const CREATE: &str = "select format('create database %I with template template0 owner %I encoding %L lc_collate %L lc_ctype \
    %L%s connection limit %s', $1::text, r.rolname, pg_encoding_to_char(d.encoding), d.datcollate, d.datctype, \
    case when to_jsonb(d) ->> 'datlocprovider' = 'i' then format(' locale_provider icu icu_locale %L', \
    coalesce(to_jsonb(d) ->> 'daticulocale', to_jsonb(d) ->> 'datlocale')) else '' end, d.datconnlimit) \
    from pg_catalog.pg_database d join pg_catalog.pg_roles r on r.oid = d.datdba where d.datname = $2::text";

// Settings and privileges, as pg_dump --create writes them: lists of names stand there as they are, all else quoted.
const BELONGS: &str = "select format('alter database %I set %I to %s', $1::text, split_part(c, '=', 1), v.value) \
    from pg_catalog.pg_database d join pg_catalog.pg_db_role_setting s on s.setdatabase = d.oid and s.setrole = 0 \
    cross join unnest(s.setconfig) c cross join lateral (select case when split_part(c, '=', 1) in ('search_path', \
    'local_preload_libraries', 'session_preload_libraries', 'temp_tablespaces') then substr(c, strpos(c, '=') + 1) \
    else quote_literal(substr(c, strpos(c, '=') + 1)) end) v(value) where d.datname = $2::text \
    union all select format('revoke all on database %I from public', $1::text) from pg_catalog.pg_database d \
    where d.datname = $2::text and d.datacl is not null \
    union all select format('grant %s on database %I to %s%s', a.privilege_type, $1::text, \
    case a.grantee when 0 then 'public' else quote_ident(r.rolname) end, \
    case when a.is_grantable then ' with grant option' else '' end) \
    from pg_catalog.pg_database d cross join aclexplode(d.datacl) a left join pg_catalog.pg_roles r on r.oid = a.grantee \
    where d.datname = $2::text and (a.grantee = 0 or r.rolname is not null)";

async fn finish(context: &Context, stand: &Stand<'_>, name: &str, deadline: Deadline) -> Result<Report, PostgresError> {
    let client = stand.connect(context, name, deadline.left()).await?;
    // Without statistics the first queries may be slow; with them missing the data is no less there.
    let _ = client.batch_execute("analyze").await;
    let bytes = size_of(&client, name).await.unwrap_or(0);
    let message =
        format!("{name} is restored at {}, {}; the live database was not touched", stand.primary, format_size(bytes));
    Ok(Report::done(message, json!({ "database": name, "bytes": bytes })))
}

async fn probe(context: &Context, call: &Call) -> Result<Finding, PostgresError> {
    let backup = backup_of(context, &call.arguments)?;
    let command = room::pg_restore(&context.inventory, backup, Vec::new(), None);
    Ok(match recall_sent(context, &command, &call.attempt, call.timeout, call.age).await {
        Recalled::NeverStarted(evidence) => {
            let stand = Stand::of(context, &call.arguments).await?;
            let name = beside(&stand.database.dbname, "restore", needed(&call.arguments, "label")?)?;
            match find(&stand.connect_aside(context, STATEMENT).await?, &name).await? {
                None => Finding::DidNot { evidence: format!("pg_restore never began: {evidence}") },
                Some(_) => Finding::Ended(Report::failed(format!("{name} was made, and pg_restore never began"))),
            }
        }
        Recalled::StillRunning(evidence) => Finding::StillRunning { evidence },
        Recalled::Lost(evidence) => Finding::CannotTell { evidence },
        Recalled::Ended(ended) if ended.exit_code == Some(0) => {
            let stand = Stand::of(context, &call.arguments).await?;
            let name = beside(&stand.database.dbname, "restore", needed(&call.arguments, "label")?)?;
            Finding::Ended(finish(context, &stand, &name, Deadline::after(STATEMENT)).await?)
        }
        Recalled::Ended(ended) => Finding::Ended(Report::failed(format!("pg_restore failed: {}", last_words(&ended)))),
    })
}

async fn drop_ours(context: &Context, call: &Call) -> Result<Report, PostgresError> {
    let label = needed(&call.arguments, "label")?;
    let stand = Stand::of(context, &call.arguments).await?;
    stand.view.hold_to_before(&call.before)?;
    let name = beside(&stand.database.dbname, "restore", label)?;
    let client = stand.connect_aside(context, STATEMENT).await?;
    let Some(found) = find(&client, &name).await? else {
        return Ok(Report::done(format!("there is no database {name}: nothing is to be dropped"), Value::Null));
    };
    if call.before.get("exists") == Some(&Value::Bool(true)) {
        return Ok(Report::done(format!("{name} was there before this step: it is left"), Value::Null));
    }
    if !is_ours(&found.comment, label) {
        let why = found.comment.unwrap_or_default();
        return Ok(Report::done(
            format!(
                "{name} is left, as it says of itself: {why}. Once nobody needs it: drop database {}",
                quoted(&name)
            ),
            Value::Null,
        ));
    }
    // A pg_restore that still works on it ends with its connection.
    match client.batch_execute(&format!("drop database {} with (force)", quoted(&name))).await {
        Ok(()) => Ok(Report { outcome: Outcome::Done, ..Report::done(format!("{name} is dropped"), Value::Null) }),
        Err(error) => Err(PostgresError::Failed(format!(
            "{name} could not be dropped: {}. Nobody uses it; by hand: drop database {} with (force)",
            explain(&error),
            quoted(&name)
        ))),
    }
}
