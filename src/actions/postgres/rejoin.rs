//! `postgres.rejoin`: brings a stopped old primary back as a standby of the present one. It never touches a server that
//! takes writes, and says what of the old log is thrown away.

use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use super::cluster::View;
use super::connect::{connect_member, database, member, secret};
use super::conninfo::Conninfo;
use super::controller;
use super::fence::hold;
use super::follow::{following, look_whether_it_follows, make_slot, standby_conninfo, streams_from};
use super::lsn::Lsn;
use super::member::{OnHost, end_of_log, inspect, place, start};
use super::rejoin_host::{Fork, fork, make_standby, needs_rewind, rewind};
use super::{Deadline, PostgresError, identity_fact, needed, text};
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::{Database, Member};
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Change, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value, format_size};

/// `postgres.rejoin`.
#[derive(Debug, Clone, Copy)]
pub struct Rejoin;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "postgres.rejoin",
    summary: "Brings a stopped old primary back as a standby of the present one.",
    details: "Where its log goes on behind the point at which the new primary forked off, pg_rewind throws that part away (the \
        message says how much) and copies what changed; this needs `wal_log_hints` or data checksums. Its own configuration \
        files are kept. Then it is made a standby (`standby.signal`, `primary_conninfo`, and `primary_slot_name` where the \
        inventory gives it a slot), started, and waited for until it streams. Slots that it kept for the new primary are \
        dropped, as they would hold its log for ever.\n\nIf it cannot be rewound, it fails and prints the pg_basebackup \
        command that makes a new copy.",
    inputs: vec![
        FieldSpec::required("cluster", Type::Reference("database".into()), "the cluster's name in the inventory"),
        FieldSpec::required("member", Type::Identifier, "the old primary"),
    ],
    outputs: vec![
        FieldSpec::required("primary", Type::Identifier, "the member that it streams from"),
        FieldSpec::required("rewound", Type::Boolean, "whether its data folder was rewound"),
        FieldSpec::optional("discarded_bytes", Type::Size, "how much of its log was thrown away, where known")
            .volatile(),
    ],
    facts: vec![
        FieldSpec::required("role", Type::String, "the member's role"),
        FieldSpec::optional("primary", Type::Identifier, "the present primary"),
        FieldSpec::optional("running", Type::Boolean, "whether processes serve its data folder"),
        FieldSpec::optional("control_state", Type::String, "what pg_controldata says"),
        FieldSpec::required("streaming", Type::Boolean, "whether it streams from the present primary").volatile(),
        identity_fact(),
    ],
    effect: Effect::Idempotent,
    fidelity: Fidelity::Probed,
    proves: "Its host, its control file and its identity; whether pg_rewind is needed is decided when the new primary is \
        there.",
    undo: UndoSpec::Nothing,
    resource: Some("database/{cluster}"),
    settle_seconds: 0.0,
    timeout_seconds: 900.0,
    open_inputs: false,
});

#[async_trait]
impl Action for Rejoin {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &crate::inventory::Inventory, arguments: &Value) -> Vec<String> {
        super::by_hand::by_hand(self.spec(), inventory, arguments)
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        let (Some(cluster), Some(name)) = (text(arguments, "cluster"), text(arguments, "member")) else {
            return Ok(Prediction::unknown("which member is not known yet"));
        };
        let found = database(&context.inventory, cluster)?;
        let target = member(found, cluster, name)?;
        let (view, on_host) = tokio::join!(View::of(&context.inventory, cluster), inspect(context, target));
        let (view, seen) = (view?, on_host.as_ref().ok());
        let (primary, streaming) = following(found, &view, name);
        let mut prediction = Prediction::probed(json!({
            "role": view.state(name),
            "primary": primary,
            "running": seen.map(|seen| !seen.processes.is_empty()),
            "control_state": seen.map(|seen| seen.state.clone()),
            "streaming": streaming,
            "system_identifier": view.system_identifier,
        }));
        prediction.refusals.extend(hold(&view, name, seen).err().map(|error| error.to_string()));
        controller::foresee(context, &view, &mut prediction).await;
        if let Err(error) = &on_host {
            prediction.notes.push(error.to_string());
        }
        if view.state(name) == "primary" {
            prediction.notes.push(format!("{name} takes writes now: it has to be fenced before"));
        }
        if !streaming {
            prediction.changes.push(Change {
                what: format!("the role of {name}"),
                before: Some(view.state(name).to_owned()),
                after: Some("standby of the new primary".to_owned()),
            });
        }
        Ok(prediction)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        rejoin(context, call).await.unwrap_or_else(Report::from)
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        match look_whether_it_follows(context, call).await {
            Ok((Some(primary), true)) => Finding::TookEffect {
                evidence: format!("it streams from {primary}"),
                outputs: json!({ "primary": primary, "rewound": false, "discarded_bytes": null }),
            },
            Ok(_) => Finding::DidNot { evidence: "it does not stream from the present primary".to_owned() },
            Err(error) => Finding::CannotTell { evidence: error.to_string() },
        }
    }
}

/// What is needed all the way through.
struct Work<'a> {
    context: &'a Context,
    call: &'a Call,
    database: &'a Database,
    cluster: &'a str,
    name: &'a str,
    target: &'a Member,
    source: &'a str,
    primary: &'a Member,
    deadline: Deadline,
}

async fn rejoin(context: &Context, call: &Call) -> Result<Report, PostgresError> {
    let deadline = Deadline::after(call.timeout);
    let (cluster, name) = (needed(&call.arguments, "cluster")?, needed(&call.arguments, "member")?);
    let database = database(&context.inventory, cluster)?;
    let target = member(database, cluster, name)?;
    let view = View::of(&context.inventory, cluster).await?;
    view.hold_to_before(&call.before)?;
    let source = match view.primaries().as_slice() {
        [one] if *one != name => (*one).to_owned(),
        [_] => return Err(PostgresError::Refused(format!("{name} is the primary itself"))),
        several => {
            let count = several.len();
            return Err(PostgresError::Refused(format!("{cluster} has {count} members that take writes, not one")));
        }
    };
    let primary = member(database, cluster, &source)?;
    if streams_from(&view, name, primary) {
        let outputs = json!({ "primary": source, "rewound": false, "discarded_bytes": null });
        return Ok(Report::done(format!("{name} streams from {source} already"), outputs));
    }
    controller::hold_off(context, &view).await?;
    let seen = inspect(context, target).await?;
    hold(&view, name, Some(&seen))?;
    let work = Work { context, call, database, cluster, name, target, source: &source, primary, deadline };
    if seen.processes.is_empty() {
        bring_back(&work, &view, &seen).await
    } else if view.state(name) == "standby" || seen.standby {
        // Begun by an attempt before this one: what is left is to wait for it.
        until_it_streams(&work, false, None).await
    } else {
        Err(PostgresError::Refused(format!("{name} still runs ({}): fence it first", view.state(name))))
    }
}

async fn bring_back(work: &Work<'_>, view: &View, seen: &OnHost) -> Result<Report, PostgresError> {
    let key = |part: &str| format!("{}-{part}", work.call.attempt);
    let timeline = view.facts(work.source).map_or(0, |facts| facts.timeline);
    let fork = read_fork(work, timeline, seen.timeline).await?;
    let rewinds = needs_rewind(seen, timeline, fork);
    let mut discarded = if rewinds { None } else { Some(0) };
    let model = view.facts(work.source).map(|facts| facts.primary_conninfo.clone()).unwrap_or_default();
    let conninfo = standby_conninfo(&work.context.inventory, work.database, &model, work.primary, work.name).await?;
    if let Some(slot) = &work.target.slot {
        make_slot(work.context, work.database, work.primary, slot).await?;
    }
    if rewinds {
        let end = end_of_log(work.context, work.target, seen, Duration::from_secs(15)).await;
        discarded = discarded_bytes(end, fork);
        let ended =
            rewind(work.context, work.target, &key("rewind"), &rewind_source(work).await?, work.deadline.left())
                .await?;
        if ended.exit_code != Some(0) {
            let words = ended.last_words();
            return Ok(Report::failed(by_hand(work, "pg_rewind", &words)).with_output(ended.output));
        }
    }
    let ended = make_standby(work.context, work.target, &key("standby"), &conninfo, Duration::from_secs(30)).await?;
    if ended.exit_code != Some(0) {
        return Err(PostgresError::Failed(format!("{} cannot be made a standby: {}", work.name, ended.last_words())));
    }
    let ended = start(work.context, work.target, &key("start"), work.deadline.left()).await?;
    if ended.exit_code != Some(0) {
        let words = ended.last_words();
        return Ok(Report::failed(by_hand(work, "starting it", &words)).with_output(ended.output));
    }
    until_it_streams(work, rewinds, discarded).await
}

fn by_hand(work: &Work<'_>, what: &str, words: &str) -> String {
    format!(
        "{what} on {} failed ({words}). The service is not touched by that: {} goes on as the primary, without this standby. To \
         make a new copy by hand, on that host with the data folder moved away: {}/pg_basebackup -R -X stream -D {} -h {} -p {} -U {}",
        place(work.target),
        work.source,
        work.target.bin_directory.display(),
        work.target.data_directory.display(),
        work.primary.address,
        work.primary.port,
        work.database.replication_user.as_deref().unwrap_or(&work.database.user),
    )
}

/// pg_rewind reads files as the role that we connect as, not as the replicating one.
async fn rewind_source(work: &Work<'_>) -> Result<Conninfo, PostgresError> {
    let source = Conninfo::default()
        .with("host", &work.primary.address)
        .with("port", &work.primary.port.to_string())
        .with("user", &work.database.user)
        .with("dbname", &work.database.dbname);
    Ok(match &work.database.password {
        Some(reference) => {
            source.with("password", &secret(&work.context.inventory, reference).await.map_err(PostgresError::Invalid)?)
        }
        None => source,
    })
}

/// Where the old primary's timeline was left. The checkpoint first makes the new timeline part of the new primary's control
/// file: without it pg_rewind of releases before 16 sees none and does nothing.
async fn read_fork(work: &Work<'_>, primary: i64, old: i64) -> Result<Option<Fork>, PostgresError> {
    let limit = work.deadline.left().max(Duration::from_secs(1));
    let client = connect_member(work.database, &work.context.inventory, work.primary, limit).await?;
    let failed = |error: tokio_postgres::Error| {
        PostgresError::Refused(format!("{} answers: {}", work.source, super::connect::explain(&error)))
    };
    client.batch_execute("checkpoint").await.map_err(failed)?;
    if primary == old {
        return Ok(None);
    }
    let file = format!("pg_wal/{primary:08X}.history");
    let row = client.query_one("select pg_catalog.pg_read_file($1)", &[&file]).await.map_err(failed)?;
    Ok(fork(row.try_get::<_, &str>(0).unwrap_or_default(), old))
}

fn discarded_bytes(end: Option<Lsn>, fork: Option<Fork>) -> Option<i64> {
    Some(end?.ahead_of(fork?.0).max(0))
}

async fn until_it_streams(work: &Work<'_>, rewound: bool, discarded: Option<i64>) -> Result<Report, PostgresError> {
    loop {
        let view = View::of(&work.context.inventory, work.cluster).await?;
        if streams_from(&view, work.name, work.primary) {
            let slots = drop_slots(work).await;
            let thrown = match (rewound, discarded) {
                (true, Some(0)) => "; it was rewound, and nothing of its own log was thrown away".to_owned(),
                (true, Some(bytes)) => format!("; {} of its own log were thrown away", format_size(bytes)),
                (true, None) => "; what its own log had beyond the switch was thrown away".to_owned(),
                (false, _) => String::new(),
            };
            let outputs = json!({ "primary": work.source, "rewound": rewound, "discarded_bytes": discarded });
            return Ok(Report::done(format!("{} streams from {}{thrown}{slots}", work.name, work.source), outputs));
        }
        if work.deadline.passed() {
            let trouble = view.trouble(work.name);
            return Err(PostgresError::Failed(by_hand(work, "getting it to stream in time", &trouble)));
        }
        work.deadline.pause().await;
    }
}

/// Drops what the member kept for its own standbys: as a standby it would keep log for them for ever. A slot that cannot be
/// dropped is no reason to fail: it is told.
async fn drop_slots(work: &Work<'_>) -> String {
    let Some(slot) = &work.primary.slot else { return String::new() };
    let connection = connect_member(work.database, &work.context.inventory, work.target, Duration::from_secs(10)).await;
    let Ok(client) = connection else { return format!("; drop its slot {slot} by hand") };
    let ask = "select pg_catalog.pg_drop_replication_slot(slot_name) from pg_catalog.pg_replication_slots
        where slot_name = $1 and slot_type = 'physical' and not active";
    match client.query(ask, &[slot]).await {
        Ok(_) => String::new(),
        Err(_) => format!("; drop its slot {slot} by hand"),
    }
}
