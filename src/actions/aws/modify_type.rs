//! `ec2.modify_type`: a stopped instance gets another type. It never stops one for that.

use std::sync::LazyLock;
use tokio::time::Instant;

use async_trait::async_trait;
use serde_json::json;

use super::api::Cloud;
use super::power::seen_facts;
use super::seen::{Instance, Mode};
use super::watch::until;
use super::{AwsError, by_hand, cloud_input, needed, power, text};
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Change, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value, contains_unknown};

/// `ec2.modify_type`.
#[derive(Debug, Clone, Copy)]
pub struct ModifyType;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "ec2.modify_type",
    summary: "Gives a stopped EC2 instance another type.",
    details: "An instance that runs is refused: stop it first (ec2.stop), start it after (ec2.start). Whether the type fits its image \
        and its zone AWS says when it is given or started.",
    inputs: vec![
        cloud_input(),
        FieldSpec::required("instance", Type::Identifier, "the instance's id"),
        FieldSpec::required("instance_type", Type::Identifier, "the type that it gets"),
    ],
    outputs: vec![FieldSpec::required("previous", Type::String, "the type that it had")],
    facts: power::facts(),
    effect: Effect::Idempotent,
    fidelity: Fidelity::Proved,
    proves: "That it is stopped, and AWS's own dry-run: these credentials may do it. Not that AWS has such a machine when it starts.",
    undo: UndoSpec::Restores {
        how: "It gives it the type that it had before, where it is still stopped.",
        from_observation: true,
    },
    resource: Some("cloud/{cloud}"),
    settle_seconds: 1.0,
    timeout_seconds: 60.0,
    open_inputs: false,
});

#[async_trait]
impl Action for ModifyType {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        by_hand::modify_type(inventory, arguments)
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        if contains_unknown(arguments) {
            return Ok(Prediction::unknown("which instance gets which type is not known yet"));
        }
        let (cloud, one) = look(context, arguments).await?;
        let kind = needed(arguments, "instance_type")?;
        let mut prediction = Prediction::probed(seen_facts(&cloud, std::slice::from_ref(&one)));
        prediction.outputs = json!({ "previous": one.kind });
        if one.kind == kind {
            prediction.notes.push(format!("{} is a {kind} already", one.id));
            return Ok(prediction);
        }
        prediction.changes.push(Change {
            what: format!("type of {} at {}", one.id, cloud.place()),
            before: Some(one.kind.clone()),
            after: Some(kind.to_owned()),
        });
        prediction.refusals.extend(stands_against(&one));
        if cloud.vcpus(kind).await.is_err_and(|error| matches!(error, AwsError::Refused { .. })) {
            prediction.refusals.push(format!("AWS knows no instance type {kind} in this region"));
        }
        if prediction.refusals.is_empty() {
            match cloud.modify_type(&one.id, kind, Mode::DryRun).await {
                Ok(()) => prediction.fidelity = Fidelity::Proved,
                Err(error @ (AwsError::Denied(_) | AwsError::Refused { .. })) => {
                    prediction.refusals.push(error.to_string());
                }
                Err(error) => prediction.notes.push(format!("AWS's own dry-run did not come to its end: {error}")),
            }
        }
        Ok(prediction)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        let kind = text(&call.arguments, "instance_type").unwrap_or_default().to_owned();
        give(context, call, &kind).await.unwrap_or_else(Report::from)
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        match look(context, &call.arguments).await {
            Ok((_, one)) if Some(one.kind.as_str()) == text(&call.arguments, "instance_type") => Finding::TookEffect {
                evidence: format!("{} is a {}", one.id, one.kind),
                outputs: json!({ "previous": previous(call) }),
            },
            Ok((_, one)) => Finding::CannotTell { evidence: format!("{} is a {}", one.id, one.kind) },
            Err(error) => Finding::CannotTell { evidence: error.to_string() },
        }
    }

    async fn undo(&self, context: &Context, call: &Call) -> Report {
        let Some(kind) = previous(call).map(str::to_owned) else {
            return Report::failed("nobody recorded which type it had: see its history (aws cloudtrail lookup-events)");
        };
        give(context, call, &kind).await.unwrap_or_else(Report::from)
    }
}

fn previous(call: &Call) -> Option<&str> {
    text(&call.before["types"], text(&call.arguments, "instance")?)
}

fn stands_against(one: &Instance) -> Option<String> {
    let said = one.said();
    (one.state != "stopped")
        .then(|| format!("{said}: AWS gives another type to a stopped instance alone; stop it first (ec2.stop)"))
}

async fn look(context: &Context, arguments: &Value) -> Result<(Cloud, Instance), AwsError> {
    let cloud = Cloud::open(&context.inventory, needed(arguments, "cloud")?).await?;
    let id = needed(arguments, "instance")?.to_owned();
    let mut seen = cloud.instances(std::slice::from_ref(&id)).await?;
    match seen.pop() {
        Some(one) => Ok((cloud, one)),
        None => Err(AwsError::Invalid(format!("AWS shows no instance {id} at {}", cloud.place()))),
    }
}

async fn give(context: &Context, call: &Call, kind: &str) -> Result<Report, AwsError> {
    let deadline = Instant::now() + call.timeout;
    let (cloud, one) = look(context, &call.arguments).await?;
    let outputs = json!({ "previous": previous(call).unwrap_or(&one.kind) });
    if one.kind == kind {
        return Ok(Report::done(format!("{} is a {kind} already", one.id), outputs));
    }
    if let Some(why) = stands_against(&one) {
        return Ok(Report::no_effect(why));
    }
    cloud.modify_type(&one.id, kind, Mode::Real).await?;
    let ids = std::slice::from_ref(&one.id);
    let (seen, holds) = until(&cloud, ids, deadline, |now| now.kind == kind)
        .await
        .map_err(|error| AwsError::Lost(format!("AWS took the new type, and it cannot be looked at: {error}")))?;
    let now = seen.first().map_or("", |one| one.kind.as_str());
    Ok(match holds {
        true => Report::done(format!("{} is a {kind} now; it was a {}", one.id, one.kind), outputs),
        false => Report::failed(format!("AWS took the new type, and shows {} as a {now}", one.id)),
    })
}
