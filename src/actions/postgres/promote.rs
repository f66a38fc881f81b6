//! `postgres.promote`: makes a standby the primary. It never promotes blindly: the roles of all members are looked at in
//! the moment before, and an attempt whose outcome is missing is settled by looking at the roles.

use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use super::cluster::View;
use super::connect::{connect_member, database, explain, member, other_server, server_said_no};
use super::controller;
use super::observe::Seen;
use super::{Deadline, PostgresError, identity_fact, needed, text};
use crate::actions::{Action, ActionError, Call, Context};
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Change, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value};

/// `postgres.promote`.
#[derive(Debug, Clone, Copy)]
pub struct Promote;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "postgres.promote",
    summary: "Makes a standby the primary, after looking once more that nobody else is.",
    details: "It refuses while any other member takes writes or is alive without telling its role, and if the member's system \
        identifier is not the cluster's. If the member is the primary already, it is done. It calls pg_promote and waits until \
        recovery has ended.\n\nAfter a lost answer the roles decide: not in recovery: it took effect; in recovery and no \
        promotion pending: it did not.",
    inputs: vec![
        FieldSpec::required("cluster", Type::Reference("database".into()), "the cluster's name in the inventory"),
        FieldSpec::required("member", Type::Identifier, "the standby"),
    ],
    outputs: vec![
        FieldSpec::required("member", Type::Identifier, "the primary now"),
        FieldSpec::required("timeline", Type::Integer, "its timeline"),
    ],
    facts: vec![
        FieldSpec::required("primaries", Type::Integer, "how many members take writes"),
        FieldSpec::required("role", Type::String, "the member's role"),
        FieldSpec::optional("timeline", Type::Integer, "the member's timeline"),
        FieldSpec::required("member_states", Type::Any, "each member: primary, standby, down, unknown, foreign"),
        identity_fact(),
    ],
    effect: Effect::Probed,
    fidelity: Fidelity::Probed,
    proves: "The member is a standby of this cluster and answers; that nobody else takes writes is looked at again in the \
        moment before.",
    undo: UndoSpec::Impossible(
        "a promoted standby has a timeline of its own: it cannot become the old primary's standby again without losing what \
         was written since. Switch back with another run",
    ),
    resource: Some("database/{cluster}"),
    settle_seconds: 2.0,
    timeout_seconds: 60.0,
    open_inputs: false,
});

fn facts(view: &View, name: &str) -> Value {
    json!({
        "primaries": view.primaries().len(),
        "role": view.state(name),
        "timeline": view.facts(name).map(|facts| facts.timeline),
        "member_states": view.states(),
        "system_identifier": view.system_identifier,
    })
}

#[async_trait]
impl Action for Promote {
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
        member(database(&context.inventory, cluster)?, cluster, name)?;
        let view = View::of(&context.inventory, cluster).await?;
        let mut prediction = Prediction::probed(facts(&view, name));
        prediction.refusals.extend(view.hold_to_identity(name).err().map(|error| error.to_string()));
        controller::foresee(context, &view, &mut prediction).await;
        prediction.outputs = json!({ "member": name });
        match view.state(name) {
            "primary" => {
                prediction.outputs = json!({ "member": name, "timeline": prediction.facts["timeline"] });
                prediction.notes.push(format!("{name} is the primary already"));
            }
            state => prediction.changes.push(Change {
                what: format!("the role of {name}"),
                before: Some(state.to_owned()),
                after: Some("primary, on a new timeline".to_owned()),
            }),
        }
        // An earlier step of the same playbook is expected to fence it, so that this is no refusal of the plan.
        for other in others(&view, name) {
            prediction.notes.push(format!("{other}: it has to be fenced before"));
        }
        Ok(prediction)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        promote(context, call).await.unwrap_or_else(Report::from)
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        look_after(context, call).await.unwrap_or_else(|error| Finding::CannotTell { evidence: error.to_string() })
    }
}

/// Who else takes writes, or lives and does not say.
fn others(view: &View, name: &str) -> Vec<String> {
    let others = view.members.iter().filter(|(other, _)| other.as_str() != name);
    others
        .filter_map(|(other, seen)| match seen {
            Seen::Here(facts) if !facts.in_recovery => Some(format!("{other} takes writes")),
            Seen::Mute(text) => Some(format!("{other} is alive and does not tell its role ({text})")),
            _ => None,
        })
        .collect()
}

async fn promote(context: &Context, call: &Call) -> Result<Report, PostgresError> {
    let deadline = Deadline::after(call.timeout);
    let (cluster, name) = (needed(&call.arguments, "cluster")?, needed(&call.arguments, "member")?);
    let found = database(&context.inventory, cluster)?;
    let target = member(found, cluster, name)?;
    let view = View::of(&context.inventory, cluster).await?;
    view.hold_to_identity(name)?;
    view.hold_to_before(&call.before)?;
    let others = others(&view, name);
    if !others.is_empty() {
        return Err(PostgresError::Refused(format!(
            "{name} is not promoted: {}. Two members that take writes lose data: fence the other one first",
            others.join("; ")
        )));
    }
    let Some(facts) = view.facts(name) else {
        return Err(PostgresError::Unreachable(format!("{name} cannot be promoted: {}", view.trouble(name))));
    };
    if !facts.in_recovery {
        return Ok(done(name, facts.timeline, "is the primary already"));
    }
    controller::hold_off(context, &view).await?;
    let client = connect_member(found, &context.inventory, target, Duration::from_secs(10)).await?;
    // It is not waited for here: while it promotes, looks on new connections say more than one answer at the end.
    // Whom it tells is asked in the same breath: between the look and this connection an address may have moved.
    let promote = "select pg_catalog.pg_promote(false) from pg_catalog.pg_control_system()
        where system_identifier::text = $1";
    match client.query_opt(promote, &[&facts.system_identifier]).await {
        Ok(Some(_)) => {}
        Ok(None) => return Err(other_server(name)),
        // `recovery is not in progress`: somebody else's promotion was faster, and the roles tell.
        Err(error) if server_said_no(&error) => {
            let view = View::of(&context.inventory, cluster).await?;
            if view.state(name) != "primary" {
                return Err(PostgresError::Failed(format!("{name} refuses to be promoted: {}", explain(&error))));
            }
        }
        Err(error) => {
            return Err(PostgresError::Lost(format!("no answer from {name} to pg_promote: {}", explain(&error))));
        }
    }
    wait(context, cluster, name, deadline).await
}

async fn wait(context: &Context, cluster: &str, name: &str, deadline: Deadline) -> Result<Report, PostgresError> {
    loop {
        let view = View::of(&context.inventory, cluster).await?;
        if let Some(facts) = view.facts(name).filter(|facts| !facts.in_recovery) {
            return Ok(done(name, facts.timeline, "is the primary now"));
        }
        if deadline.passed() {
            return Err(PostgresError::Lost(format!("{name} was told to promote and is still {}", view.state(name))));
        }
        deadline.pause().await;
    }
}

fn done(name: &str, timeline: i64, how: &str) -> Report {
    Report::done(format!("{name} {how}, on timeline {timeline}"), json!({ "member": name, "timeline": timeline }))
}

async fn look_after(context: &Context, call: &Call) -> Result<Finding, PostgresError> {
    let (cluster, name) = (needed(&call.arguments, "cluster")?, needed(&call.arguments, "member")?);
    let found = database(&context.inventory, cluster)?;
    // A promotion that was asked for leaves recovery within moments; one look could fall into the gap.
    let until = Deadline::after(Duration::from_secs(3).min(call.timeout));
    loop {
        let view = View::of(&context.inventory, cluster).await?;
        view.hold_to_identity(name)?;
        let Some(facts) = view.facts(name) else {
            return Ok(Finding::CannotTell { evidence: format!("{name}: {}", view.trouble(name)) });
        };
        if !facts.in_recovery {
            return Ok(Finding::TookEffect {
                evidence: format!("{name} is not in recovery, on timeline {}", facts.timeline),
                outputs: json!({ "member": name, "timeline": facts.timeline }),
            });
        }
        if until.passed() {
            let target = member(found, cluster, name)?;
            let client = connect_member(found, &context.inventory, target, Duration::from_secs(5)).await?;
            let ask = "select (pg_catalog.pg_stat_file('promote', true)).size is not null";
            let pending = client.query_one(ask, &[]).await.ok().and_then(|row| row.try_get::<_, bool>(0).ok());
            return Ok(match pending {
                Some(true) => {
                    Finding::CannotTell { evidence: format!("{name} is in recovery with a promotion pending") }
                }
                None => Finding::CannotTell {
                    evidence: format!("{name} is in recovery and may not tell whether a promotion is pending"),
                },
                Some(false) => Finding::DidNot {
                    evidence: format!(
                        "{name} is in recovery on timeline {}, and no promotion is pending",
                        facts.timeline
                    ),
                },
            });
        }
        until.pause().await;
    }
}
