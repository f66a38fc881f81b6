//! `postgres.status`: who is what in a cluster, and what would stand in the way of a switch. Reads only.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use super::cluster::View;
use super::connect::{database, member};
use super::controller::second_controller;
use super::lsn::Lsn;
use super::observe::Facts;
use super::status_spec::SPEC;
use super::votes::{Votes, presumed_primary, votes};
use super::{Deadline, PostgresError, needed, text, verdicts};
use crate::actions::{Action, ActionError, Call, Context};
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Prediction};
use crate::value::{Value, format_size};

/// `postgres.status`.
#[derive(Debug, Clone, Copy)]
pub struct Status;

/// How many places have to say that a primary is gone.
const PLACES: usize = 2;

#[async_trait]
impl Action for Status {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &crate::inventory::Inventory, arguments: &Value) -> Vec<String> {
        super::by_hand::by_hand(self.spec(), inventory, arguments)
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        if text(arguments, "cluster").is_none() {
            return Ok(Prediction::unknown("which cluster is not known yet"));
        }
        let (outputs, refusals) = look(context, arguments).await?;
        let mut prediction = Prediction::probed(outputs.clone());
        prediction.outputs = outputs;
        prediction.refusals = refusals;
        Ok(prediction)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        // The proxy's check and a receiver notice a dead primary a few seconds after it died: while the places differ
        // it is too early to judge.
        let settle = call.arguments.get("settle").and_then(Value::as_f64).unwrap_or(0.0).clamp(0.0, 600.0);
        let deadline = Deadline::after(Duration::from_secs_f64(settle).min(call.timeout / 2));
        loop {
            let (outputs, refusals) = match look(context, &call.arguments).await {
                Ok(found) => found,
                Err(error) => return error.into(),
            };
            if refusals.is_empty() {
                return Report::done(summary(&outputs), outputs);
            }
            let unplanned = text(&call.arguments, "mode") == Some("unplanned");
            if !unplanned || outputs["primaries"] != 0 || deadline.passed() {
                return Report::failed(refusals.join("; ")).with_outputs(outputs);
            }
            deadline.pause().await;
        }
    }

    async fn probe(&self, _context: &Context, _call: &Call) -> Finding {
        Finding::DidNot { evidence: "it only reads".to_owned() }
    }
}

async fn look(context: &Context, arguments: &Value) -> Result<(Value, Vec<String>), PostgresError> {
    let cluster = needed(arguments, "cluster")?;
    let found = database(&context.inventory, cluster)?;
    for named in ["primary", "standby"] {
        if let Some(name) = text(arguments, named) {
            member(found, cluster, name)?;
        }
    }
    let view = View::of(&context.inventory, cluster).await?;
    let old_primary = presumed_primary(context, &view);
    let asking = async {
        match &old_primary {
            Some(name) => votes(context, &view, name).await,
            None => Votes::default(),
        }
    };
    let (votes, watch) = tokio::join!(asking, second_controller(context, &view));
    let controller = watch.unpaused;
    let standby = text(arguments, "standby")
        .filter(|name| view.standbys().contains(name))
        .or_else(|| text(arguments, "standby").is_none().then(|| view.best_standby()).flatten());
    let server = |name: &str| found.members.get(name).and_then(|m| m.server.clone()).unwrap_or_else(|| name.to_owned());
    let gone = view.primaries().is_empty() && votes.alive.is_empty() && votes.dead.len() >= PLACES;
    let others = found.members.keys().filter(|name| Some(*name) != old_primary.as_ref());
    let mut outputs = json!({
        "primaries": view.primaries().len(),
        "primary": view.primary(),
        "old_primary": old_primary,
        "standby": standby,
        "standbys": view.standbys(),
        "unreachable": view.members.keys().filter(|n| ["down", "unknown"].contains(&view.state(n))).collect::<Vec<_>>(),
        "member_states": view.states(),
        "system_identifier": view.system_identifier,
        "second_controller": controller.as_ref().map(|c| c.what.clone()),
        "controller_hint": controller.as_ref().map(|c| c.pause),
        "primary_gone": gone,
        "seen_dead_by": votes.dead,
        "seen_alive_by": votes.alive,
        "seen_unclear_by": votes.unclear,
        "proxy": found.proxy,
        "pooler": found.pooler,
        "primary_server": old_primary.as_deref().map(server),
        "standby_server": standby.map(server),
        "other_servers": others.map(|name| server(name)).collect::<Vec<_>>(),
    });
    let slots = found.members.iter().filter(|(name, m)| Some(name.as_str()) != standby && m.slot.is_some()).count();
    if let (Some(all), Value::Object(more)) = (outputs.as_object_mut(), compare(&view, standby, slots)) {
        all.extend(more);
    }
    let refusals = refusals(arguments, &view, &outputs);
    Ok((outputs, refusals))
}

/// The candidate against the primary.
fn compare(view: &View, standby: Option<&str>, slots_needed: usize) -> Value {
    let primary = view.primary().and_then(|name| view.facts(name));
    let candidate = standby.and_then(|name| view.facts(name));
    let (mut settings, mut slots) = (Vec::new(), Vec::new());
    if let (Some(primary), Some(candidate)) = (primary, candidate) {
        settings = verdicts::settings(primary, candidate);
        slots = verdicts::slots(primary, candidate, slots_needed);
    }
    let left = view.standbys().len().saturating_sub(1);
    let behind = |position: Option<Lsn>| Some(primary?.furthest()?.ahead_of(position?).max(0));
    json!({
        "timeline": primary.or(candidate).map(|facts| facts.timeline),
        "lag_bytes": behind(candidate.and_then(Facts::applied)),
        "replay_lag_bytes": candidate.and_then(Facts::to_replay),
        "receive_lag_bytes": behind(candidate.and_then(Facts::furthest)),
        "candidate_last_lsn": candidate.and_then(Facts::furthest).map(|lsn| lsn.to_string()),
        "streaming": streams(primary, candidate, standby),
        "replay_paused": candidate.is_some_and(|facts| facts.paused),
        "settings_ok": settings.is_empty(),
        "settings_problems": settings,
        "slots_ok": slots.is_empty(),
        "slots_problems": slots,
        "sync_problem": candidate.and_then(|facts| verdicts::synchronous(&facts.synchronous_standby_names, left)),
    })
}

/// Both ends have to say so: a standby may stream from somewhere else. A standby that gives no application name of its
/// own is known to the primary as `walreceiver` or by its cluster_name, so any streaming sender counts where no name fits.
fn streams(primary: Option<&Facts>, candidate: Option<&Facts>, standby: Option<&str>) -> bool {
    let (Some(primary), Some(candidate), Some(name)) = (primary, candidate, standby) else { return false };
    let streaming = |sender: &&super::observe::Sender| sender.state.as_deref() == Some("streaming");
    let named = primary.senders.iter().find(|sender| sender.application.as_deref() == Some(name));
    candidate.streams()
        && match named {
            Some(sender) => sender.state.as_deref() == Some("streaming"),
            None => primary.senders.iter().any(|sender| streaming(&sender)),
        }
}

fn refusals(arguments: &Value, view: &View, outputs: &Value) -> Vec<String> {
    let mut refusals = Vec::new();
    for (name, _) in view.foreign() {
        if let Err(error) = view.hold_to_identity(name) {
            refusals.push(error.to_string());
        }
    }
    let instead = text(arguments, "instead").map(|command| format!(". {command}")).unwrap_or_default();
    let primaries = view.primaries();
    let old = outputs["old_primary"].as_str().unwrap_or("the primary");
    let listed = |name: &str| {
        let items = outputs[name].as_array().into_iter().flatten().filter_map(Value::as_str);
        items.collect::<Vec<_>>().join(", ")
    };
    if primaries.len() > 1 {
        refusals.push(format!(
            "{} members of {} take writes: {}; stop all but the right one by hand before anything else",
            primaries.len(),
            view.cluster,
            primaries.join(", ")
        ));
    }
    match text(arguments, "mode") {
        Some("planned") if primaries.is_empty() => refusals.push(format!(
            "{old} of {} does not take writes ({}), and a planned switch needs a primary that does; nothing was changed{instead}",
            view.cluster,
            view.trouble(old)
        )),
        Some("unplanned") if !primaries.is_empty() => refusals.push(format!(
            "{} is primary and answers: an unplanned switch would lose data for nothing; nothing was changed{instead}",
            primaries.join(", ")
        )),
        Some("unplanned") if outputs["primary_gone"] != true => refusals.push(format!(
            "it is not certain that {old} is gone: gone say [{}], serving say [{}], unclear [{}]; {PLACES} places have to say \
             gone and none serving; nothing was changed. If it only hangs or is stuck starting, stop it yourself (pg_ctl stop \
             -m immediate, or its power) and run this again",
            listed("seen_dead_by"),
            listed("seen_alive_by"),
            listed("seen_unclear_by")
        )),
        _ => {}
    }
    if let (Some(wanted), Some(found)) = (text(arguments, "primary"), outputs["old_primary"].as_str())
        && wanted != found
    {
        refusals.push(format!("the primary is {found}, not {wanted} as named; nothing was changed"));
    }
    if let Some(wanted) = text(arguments, "standby").filter(|_| outputs["standby"].is_null()) {
        refusals.push(format!("{wanted} is no standby: {}", view.trouble(wanted)));
    }
    refusals
}

fn summary(outputs: &Value) -> String {
    let word = |name: &str| outputs[name].as_str().unwrap_or("none").to_owned();
    let lag = outputs["lag_bytes"].as_i64().map(|lag| format!(", {} behind", format_size(lag))).unwrap_or_default();
    match outputs["primaries"].as_u64() {
        Some(1) => format!("primary {}, candidate {}{lag}", word("primary"), word("standby")),
        Some(0) => {
            let places = outputs["seen_dead_by"].as_array().map_or(0, Vec::len);
            format!("no primary: {} is gone, say {places} places; candidate {}", word("old_primary"), word("standby"))
        }
        _ => "several members take writes".to_owned(),
    }
}
