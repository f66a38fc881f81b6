//! `postgres.follow`: points a standby at the present primary. Also what `postgres.rejoin` shares with it: the connection
//! string of a standby, and waiting until it streams.

use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use super::cluster::View;
use super::connect::{assert_identity, connect_member, database, explain, member, secret};
use super::conninfo::{Conninfo, quoted};
use super::controller;
use super::{Deadline, PostgresError, identity_fact, needed, text};
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::{Database, Inventory, Member};
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Change, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value};

/// `postgres.follow`.
#[derive(Debug, Clone, Copy)]
pub struct Follow;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "postgres.follow",
    summary: "Points a standby at the present primary and waits until it streams.",
    details: "It sets `primary_conninfo` (and `primary_slot_name` where the inventory gives the member a slot, which is made on \
        the primary) by ALTER SYSTEM and reloads; the server is not restarted.",
    inputs: vec![
        FieldSpec::required("cluster", Type::Reference("database".into()), "the cluster's name in the inventory"),
        FieldSpec::required("member", Type::Identifier, "the standby"),
    ],
    outputs: vec![FieldSpec::required("primary", Type::Identifier, "the member that it streams from")],
    facts: vec![
        FieldSpec::required("role", Type::String, "the member's role"),
        FieldSpec::optional("primary", Type::Identifier, "the present primary"),
        FieldSpec::optional("primary_conninfo", Type::String, "where it connects to now, without the password"),
        FieldSpec::required("streaming", Type::Boolean, "whether it streams from the present primary").volatile(),
        identity_fact(),
    ],
    effect: Effect::Idempotent,
    fidelity: Fidelity::Probed,
    proves: "The member is a standby of this cluster, and where it connects to is read.",
    undo: UndoSpec::Restores {
        how: "It sets the primary_conninfo that it had before, and reloads.",
        from_observation: true,
    },
    resource: Some("database/{cluster}"),
    settle_seconds: 0.0,
    timeout_seconds: 60.0,
    open_inputs: false,
});

/// Whether a standby streams from a primary, on the primary's own timeline: one that still reads the end of the timeline
/// before does not follow yet.
pub(super) fn streams_from(view: &View, standby: &str, primary: &Member) -> bool {
    let timeline = view.primary().and_then(|name| view.facts(name)).map(|facts| facts.timeline);
    view.facts(standby).is_some_and(|facts| {
        facts.in_recovery
            && facts.streams()
            && facts.receiver.as_ref().is_some_and(|receiver| {
                receiver.sender_port.is_none_or(|port| port == i64::from(primary.port))
                    && receiver.timeline.is_none_or(|theirs| timeline.is_none_or(|ours| ours == theirs))
            })
    })
}

/// The present primary, and whether a member streams from it.
pub(super) fn following(found: &Database, view: &View, name: &str) -> (Option<String>, bool) {
    let primary = view.primary().filter(|primary| *primary != name);
    let streams = primary.and_then(|p| found.members.get(p)).is_some_and(|p| streams_from(view, name, p));
    (primary.map(str::to_owned), streams)
}

/// The same, looked at now: what settles an attempt whose outcome is missing.
pub(super) async fn look_whether_it_follows(
    context: &Context,
    call: &Call,
) -> Result<(Option<String>, bool), PostgresError> {
    let (cluster, name) = (needed(&call.arguments, "cluster")?, needed(&call.arguments, "member")?);
    let found = database(&context.inventory, cluster)?;
    Ok(following(found, &View::of(&context.inventory, cluster).await?, name))
}

/// How a standby connects to a primary: as the cluster's standbys did until now (their keys, password file and TLS
/// settings), with the address of the new one.
pub(super) async fn standby_conninfo(
    inventory: &Inventory,
    database: &Database,
    model: &str,
    primary: &Member,
    standby: &str,
) -> Result<Conninfo, PostgresError> {
    let mut conninfo = Conninfo::parse(model)
        .without("hostaddr")
        .with("host", &primary.address)
        .with("port", &primary.port.to_string())
        .with("application_name", standby);
    if database.replication_user.is_some() || conninfo.get("user").is_none() {
        conninfo = conninfo.with("user", database.replication_user.as_deref().unwrap_or(&database.user));
    }
    if let (Some(reference), Some(user)) = (&database.password, conninfo.get("user"))
        && user == database.user
        && conninfo.get("password").is_none()
        && conninfo.get("passfile").is_none()
    {
        conninfo = conninfo.with("password", &secret(inventory, reference).await.map_err(PostgresError::Invalid)?);
    }
    Ok(conninfo)
}

/// Makes the slot that a standby uses on its primary, if it has one and it is not there.
pub(super) async fn make_slot(
    context: &Context,
    database: &Database,
    primary: &Member,
    slot: &str,
) -> Result<(), PostgresError> {
    let client = connect_member(database, &context.inventory, primary, Duration::from_secs(10)).await?;
    let make = "select pg_catalog.pg_create_physical_replication_slot($1, true)
        where not exists (select from pg_catalog.pg_replication_slots where slot_name = $1::name)";
    client
        .query(make, &[&slot])
        .await
        .map(|_| ())
        .map_err(|error| PostgresError::Failed(format!("the slot {slot} cannot be made: {}", explain(&error))))
}

#[async_trait]
impl Action for Follow {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &crate::inventory::Inventory, arguments: &Value) -> Vec<String> {
        super::by_hand::by_hand(self.spec(), inventory, arguments)
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        let (Some(cluster), Some(name)) = (text(arguments, "cluster"), text(arguments, "member")) else {
            return Ok(Prediction::unknown("which standby is not known yet"));
        };
        let found = database(&context.inventory, cluster)?;
        member(found, cluster, name)?;
        let view = View::of(&context.inventory, cluster).await?;
        let (primary, streaming) = following(found, &view, name);
        let before = view.facts(name).map(|facts| Conninfo::parse(&facts.primary_conninfo).shown().to_string());
        let mut prediction = Prediction::probed(json!({
            "role": view.state(name), "primary": primary, "primary_conninfo": before, "streaming": streaming,
            "system_identifier": view.system_identifier,
        }));
        prediction.refusals.extend(view.hold_to_identity(name).err().map(|error| error.to_string()));
        controller::foresee(context, &view, &mut prediction).await;
        if let (Some(primary), false) = (primary, streaming) {
            prediction.outputs = json!({ "primary": primary });
            let what = format!("where {name} streams from");
            prediction.changes.push(Change { what, before, after: Some(primary) });
        }
        Ok(prediction)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        follow(context, call).await.unwrap_or_else(Report::from)
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        match look_whether_it_follows(context, call).await {
            Ok((Some(primary), true)) => Finding::TookEffect {
                evidence: format!("it streams from {primary}"),
                outputs: json!({ "primary": primary }),
            },
            Ok(_) => Finding::DidNot { evidence: "it does not stream from the present primary".to_owned() },
            Err(error) => Finding::CannotTell { evidence: error.to_string() },
        }
    }

    async fn undo(&self, context: &Context, call: &Call) -> Report {
        let done = async {
            let (cluster, name) = (needed(&call.arguments, "cluster")?, needed(&call.arguments, "member")?);
            let found = database(&context.inventory, cluster)?;
            let view = View::of(&context.inventory, cluster).await?;
            view.hold_to_identity(name)?;
            view.hold_to_before(&call.before)?;
            let before = Conninfo::parse(needed(&call.before, "primary_conninfo")?);
            let now = view.facts(name).map(|facts| Conninfo::parse(&facts.primary_conninfo)).unwrap_or_default();
            // The password was not written down; it is the same one.
            let restored = match now.get("password") {
                Some(password) => before.with("password", password),
                None => before,
            };
            point(context, found, &view, name, &restored, None).await?;
            Ok::<_, PostgresError>(Report::done(format!("{name} connects to where it did before"), Value::Null))
        };
        done.await.unwrap_or_else(|error| Report::failed(error.to_string()))
    }
}

async fn follow(context: &Context, call: &Call) -> Result<Report, PostgresError> {
    let deadline = Deadline::after(call.timeout);
    let (cluster, name) = (needed(&call.arguments, "cluster")?, needed(&call.arguments, "member")?);
    let found = database(&context.inventory, cluster)?;
    let standby = member(found, cluster, name)?;
    let view = View::of(&context.inventory, cluster).await?;
    view.hold_to_identity(name)?;
    view.hold_to_before(&call.before)?;
    let Some(facts) = view.facts(name).filter(|facts| facts.in_recovery) else {
        return Err(PostgresError::Refused(format!(
            "{name} is no standby: it is {} ({})",
            view.state(name),
            view.trouble(name)
        )));
    };
    let Some(source) = view.primary() else {
        return Err(PostgresError::Refused(format!("{cluster} has {} primaries, not one", view.primaries().len())));
    };
    let primary = member(found, cluster, source)?;
    controller::hold_off(context, &view).await?;
    if let Some(slot) = &standby.slot {
        make_slot(context, found, primary, slot).await?;
    }
    let conninfo = standby_conninfo(&context.inventory, found, &facts.primary_conninfo, primary, name).await?;
    point(context, found, &view, name, &conninfo, standby.slot.as_deref()).await?;
    loop {
        let view = View::of(&context.inventory, cluster).await?;
        if streams_from(&view, name, primary) {
            return Ok(Report::done(format!("{name} streams from {source}"), json!({ "primary": source })));
        }
        if deadline.passed() {
            return Err(PostgresError::Failed(format!(
                "{name} is pointed at {source} and does not stream yet; its own log says why (a missing piece of log needs a \
                 new copy: pg_basebackup)"
            )));
        }
        deadline.pause().await;
    }
}

async fn point(
    context: &Context,
    database: &Database,
    view: &View,
    name: &str,
    conninfo: &Conninfo,
    slot: Option<&str>,
) -> Result<(), PostgresError> {
    let standby = member(database, &view.cluster, name)?;
    let client = connect_member(database, &context.inventory, standby, Duration::from_secs(10)).await?;
    assert_identity(&client, name, view.system_identifier.as_deref()).await?;
    // ALTER SYSTEM takes no parameters.
    let mut statements = vec![format!("alter system set primary_conninfo to E{}", quoted(&conninfo.to_string()))];
    statements.extend(slot.map(|slot| format!("alter system set primary_slot_name to E{}", quoted(slot))));
    statements.push("select pg_catalog.pg_reload_conf()".to_owned());
    for statement in statements {
        client.simple_query(&statement).await.map_err(|error| {
            let said = explain(&error);
            PostgresError::Failed(format!("the standby does not take its new primary: {said}"))
        })?;
    }
    Ok(())
}
