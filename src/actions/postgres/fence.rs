//! `postgres.fence`: a member takes no more writes, and that is certain. A read-only setting is no fence, as any session
//! can lift it: the server is stopped, and no process may serve its data folder afterwards.

use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use super::cluster::View;
use super::connect::{database, member};
use super::controller;
use super::fence_unplanned::fence_unplanned;
use super::member::{OnHost, inspect, place, start, stop};
use super::observe::Seen;
use super::{Deadline, PostgresError, identity_fact, needed, text};
use crate::actions::command::Ended;
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::Member;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Change, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value};

/// `postgres.fence`.
#[derive(Debug, Clone, Copy)]
pub struct Fence;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "postgres.fence",
    summary: "Makes certain that a member takes no more writes, by stopping its server.",
    details: "`planned`: the server is shut down cleanly on its host (the inventory's `stop`, else `pg_ctl stop -m fast`): \
        its sessions end, its standbys get all of its log, and pg_controldata has to say `shut down`.\n\n`unplanned`: the \
        inventory's `fence:` methods are tried in order until one's own probe confirms it (`ssh` where there are none). If \
        none does, the step fails and says what each said: promoting then would risk two members that take writes.\n\nWhere \
        the old log can still be read, `lost_bytes` says how much of it the furthest standby never got.",
    inputs: vec![
        FieldSpec::required("cluster", Type::Reference("database".into()), "the cluster's name in the inventory"),
        FieldSpec::required("member", Type::Identifier, "the member to stop"),
        FieldSpec::optional("mode", mode(), "how").or(json!("planned")),
    ],
    outputs: vec![
        FieldSpec::required("method", Type::String, "what confirmed it: shutdown, ssh or command"),
        FieldSpec::optional("position", Type::String, "planned: its last record (the shutdown checkpoint) begins here")
            .volatile(),
        FieldSpec::optional("timeline", Type::Integer, "its timeline, where its control file could be read"),
        FieldSpec::optional("lost_bytes", Type::Size, "unplanned: log that no standby has; null where nobody can know")
            .volatile(),
    ],
    facts: vec![
        FieldSpec::required("role", Type::String, "primary, standby, down, unknown or foreign"),
        FieldSpec::optional(
            "running",
            Type::Boolean,
            "whether processes serve its data folder; null if nobody can tell",
        ),
        FieldSpec::optional("control_state", Type::String, "what pg_controldata says"),
        FieldSpec::optional("timeline", Type::Integer, "its timeline"),
        FieldSpec::required("primaries", Type::Integer, "how many members take writes"),
        FieldSpec::required("member_states", Type::Any, "each member's state"),
        identity_fact(),
    ],
    effect: Effect::Idempotent,
    fidelity: Fidelity::Probed,
    proves: "The member's role, its identity, its processes and its control file are read on its host; how long the \
        shutdown takes is not known before.",
    undo: UndoSpec::Restores {
        how: "It starts the server again if it ran before, and waits until it takes writes; it refuses if another member \
            was promoted meanwhile.",
        from_observation: true,
    },
    resource: Some("database/{cluster}"),
    settle_seconds: 0.0,
    timeout_seconds: 60.0,
    open_inputs: false,
});

fn mode() -> Type {
    Type::Choice(["planned", "unplanned"].map(String::from).to_vec())
}

#[async_trait]
impl Action for Fence {
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
        let found = member(database(&context.inventory, cluster)?, cluster, name)?;
        let (view, on_host) = tokio::join!(View::of(&context.inventory, cluster), inspect(context, found));
        let (view, planned) = (view?, text(arguments, "mode") != Some("unplanned"));
        let seen = on_host.as_ref().ok();
        let mut prediction = Prediction::probed(json!({
            "role": view.state(name),
            "running": seen.map(|seen| !seen.processes.is_empty()),
            "control_state": seen.map(|seen| seen.state.clone()),
            "timeline": view.facts(name).map(|facts| facts.timeline).or(seen.map(|seen| seen.timeline)),
            "primaries": view.primaries().len(),
            "member_states": view.states(),
            "system_identifier": view.system_identifier,
        }));
        prediction.refusals.extend(hold(&view, name, seen).err().map(|error| error.to_string()));
        controller::foresee(context, &view, &mut prediction).await;
        match (&on_host, planned) {
            (Err(error), true) => prediction.refusals.push(format!("{name} cannot be stopped cleanly: {error}")),
            (Err(error), false) => prediction.notes.push(format!("{name}'s host: {error}")),
            (Ok(seen), _) if seen.processes.is_empty() => {
                prediction.notes.push(format!("{name} does not run ({}): there is nothing to stop", seen.state));
            }
            (Ok(_), _) => {}
        }
        if seen.is_none_or(|seen| !seen.processes.is_empty()) {
            prediction.changes.push(Change {
                what: format!("the server of {name}"),
                before: Some(view.state(name).to_owned()),
                after: Some(if planned { "shut down cleanly" } else { "stopped, confirmed" }.to_owned()),
            });
        }
        if planned {
            prediction.outputs =
                json!({ "method": "shutdown", "lost_bytes": null, "timeline": prediction.facts["timeline"] });
        }
        Ok(prediction)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        let done = async {
            let (cluster, name) = (needed(&call.arguments, "cluster")?, needed(&call.arguments, "member")?);
            let found = database(&context.inventory, cluster)?;
            let view = View::of(&context.inventory, cluster).await?;
            hold(&view, name, None)?;
            view.hold_to_before(&call.before)?;
            controller::hold_off(context, &view).await?;
            if text(&call.arguments, "mode") == Some("unplanned") {
                fence_unplanned(context, call, &view, name, member(found, cluster, name)?).await
            } else {
                fence_planned(context, call, &view, name, member(found, cluster, name)?).await
            }
        };
        done.await.unwrap_or_else(Report::from)
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        let look = async {
            let (cluster, name) = (needed(&call.arguments, "cluster")?, needed(&call.arguments, "member")?);
            inspect(context, member(database(&context.inventory, cluster)?, cluster, name)?).await
        };
        let planned = text(&call.arguments, "mode") != Some("unplanned");
        match look.await {
            Ok(seen) if seen.processes.is_empty() && planned && seen.state != "shut down" => Finding::CannotTell {
                evidence: format!("it does not run, and was not shut down cleanly (`{}`)", seen.state),
            },
            Ok(seen) if seen.processes.is_empty() => Finding::TookEffect {
                evidence: format!("no process serves its data folder (`{}`)", seen.state),
                outputs: json!({
                    "method": if planned { "shutdown" } else { "ssh" },
                    "position": planned.then(|| seen.checkpoint.to_string()),
                    "timeline": seen.timeline,
                    "lost_bytes": null,
                }),
            },
            Ok(seen) => Finding::DidNot { evidence: format!("{} processes of it run", seen.processes.len()) },
            Err(error) => Finding::CannotTell { evidence: error.to_string() },
        }
    }

    async fn undo(&self, context: &Context, call: &Call) -> Report {
        let done = async {
            let (cluster, name) = (needed(&call.arguments, "cluster")?, needed(&call.arguments, "member")?);
            let found = member(database(&context.inventory, cluster)?, cluster, name)?;
            start_again(context, call, cluster, name, found).await
        };
        // Whatever stands in the way of putting a database back is a failed undo, not one without effect.
        done.await.unwrap_or_else(|error| Report::failed(error.to_string()))
    }
}

/// Holds a member to the cluster's identity, as it answers and as its control file says.
pub(super) fn hold(view: &View, name: &str, seen: Option<&OnHost>) -> Result<(), PostgresError> {
    view.hold_to_identity(name)?;
    match (&view.system_identifier, seen) {
        (Some(wanted), Some(seen)) if *wanted != seen.system_identifier => Err(PostgresError::Refused(format!(
            "{name}'s data folder has the system identifier {}, not {}'s {wanted}: it is another cluster's and is not \
             touched; correct its data_directory in the inventory",
            seen.system_identifier, view.cluster
        ))),
        // Nobody answers and the inventory is silent: the folder's own word alone says nothing about whose it is.
        (None, Some(seen)) => Err(PostgresError::Refused(format!(
            "nobody can say whether {name}'s data folder is {}'s: no member answers, and the inventory names no \
             system_identifier. The folder says {}: if that is right, write `system_identifier: \"{}\"` into databases.{} \
             of the inventory and try again",
            view.cluster, seen.system_identifier, seen.system_identifier, view.cluster
        ))),
        _ => Ok(()),
    }
}

async fn fence_planned(
    context: &Context,
    call: &Call,
    view: &View,
    name: &str,
    found: &Member,
) -> Result<Report, PostgresError> {
    let deadline = Deadline::after(call.timeout);
    let before = inspect(context, found).await?;
    hold(view, name, Some(&before))?;
    if view.state(name) == "standby" || before.standby {
        return Err(PostgresError::Refused(format!("{name} is a standby: stopping it fences nobody")));
    }
    let mut ended = None;
    if !before.processes.is_empty() {
        let limit = call.timeout.saturating_sub(Duration::from_secs(1)).max(Duration::from_secs(1));
        ended = Some(stop(context, found, &format!("{}-stop", call.attempt), false, limit).await?);
    }
    loop {
        // The command's own word is not believed: what counts is the host afterwards. From here on something was done,
        // so that a look that fails means that nobody knows.
        let seen = inspect(context, found).await.map_err(|error| PostgresError::Lost(error.to_string()))?;
        if seen.processes.is_empty() && seen.state == "shut down" {
            let outputs = json!({
                "method": "shutdown", "position": seen.checkpoint.to_string(), "timeline": seen.timeline, "lost_bytes": null,
            });
            let message = format!("{name} is shut down cleanly; its last record begins at {}", seen.checkpoint);
            return Ok(with_output(Report::done(message, outputs), ended));
        }
        if deadline.passed() || (seen.processes.is_empty() && seen.state != "shut down") {
            let words = ended.as_ref().map(Ended::last_words).unwrap_or_default();
            let report = Report::failed(format!(
                "{name} on {} is not cleanly shut down: {} processes serve it, pg_controldata says `{}`. {words}",
                place(found),
                seen.processes.len(),
                seen.state
            ));
            return Ok(with_output(report, ended));
        }
        deadline.pause().await;
    }
}

fn with_output(report: Report, ended: Option<crate::actions::command::Ended>) -> Report {
    match ended {
        Some(ended) => report.with_output(ended.output),
        None => report,
    }
}

async fn start_again(
    context: &Context,
    call: &Call,
    cluster: &str,
    name: &str,
    found: &Member,
) -> Result<Report, PostgresError> {
    let deadline = Deadline::after(call.timeout);
    if call.before.get("running").and_then(Value::as_bool) != Some(true) {
        return Ok(Report::done(format!("{name} did not run before, and is left as it is"), Value::Null));
    }
    let was = call.before.get("role").and_then(Value::as_str).unwrap_or("primary").to_owned();
    let mut ended = None;
    loop {
        let view = View::of(&context.inventory, cluster).await?;
        refuse_a_second_writer(&view, name, &call.before)?;
        if view.state(name) == was || (was != "primary" && matches!(view.members.get(name), Some(Seen::Here(_)))) {
            return Ok(with_output(Report::done(format!("{name} runs again and is {was}"), Value::Null), ended));
        }
        // A shutdown that was too slow for the step may still be going on: only when it is over can it be started.
        let seen = inspect(context, found).await?;
        hold(&view, name, Some(&seen))?;
        let failed_to_start = ended.is_some() && seen.processes.is_empty();
        if failed_to_start || deadline.passed() {
            let words = ended.as_ref().map(Ended::last_words).unwrap_or_default();
            let report = Report::failed(format!(
                "{name} on {} does not come back as {was} ({}). {words} Start it by hand: {}/pg_ctl -D {} start",
                place(found),
                view.trouble(name),
                found.bin_directory.display(),
                found.data_directory.display()
            ));
            return Ok(with_output(report, ended));
        }
        if seen.processes.is_empty() {
            ended = Some(start(context, found, &format!("{}-start", call.attempt), deadline.left()).await?);
        }
        deadline.pause().await;
    }
}

/// Starting an old primary beside a promoted standby makes two members that take writes, and loses what one of them got.
fn refuse_a_second_writer(view: &View, name: &str, before: &Value) -> Result<(), PostgresError> {
    let timeline = before.get("timeline").and_then(Value::as_i64).unwrap_or(i64::MAX);
    for (other, _) in view.members.iter().filter(|(other, _)| other.as_str() != name) {
        let Some(facts) = view.facts(other) else { continue };
        if !facts.in_recovery || facts.timeline > timeline {
            return Err(PostgresError::Refused(format!(
                "{other} was promoted meanwhile (it is on timeline {}): starting {name} would make two members that take \
                 writes. Bring {name} back as a standby of {other} instead (postgres.rejoin)",
                facts.timeline
            )));
        }
    }
    Ok(())
}
