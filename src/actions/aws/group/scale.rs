//! `asg.scale`: a scaling group is told how much capacity to have, and waited for until that much serves.
//!
//! The API has no way to make this conditional: the number is read right before it is set, and what lies between is the window in
//! which somebody else could set it too.

use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tokio::time::Instant;

use super::foresee::{Wish, notes};
use super::model::Seen;
use super::room::room;
use super::watch::{End, Watch};
use super::{command, facts, group_name, inputs, look, look_by_hand, others, texts, undo, unseen};
use crate::actions::aws::api::Cloud;
use crate::actions::aws::{AwsError, needed, text};
use crate::actions::by_hand::{comment, value, word};
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Change, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value};

/// `asg.scale`.
#[derive(Debug, Clone, Copy)]
pub struct Scale;

/// What is kept of the step's time to say how it ended.
const MARGIN: Duration = Duration::from_secs(2);

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| {
    let mut all = inputs();
    all.extend([
        FieldSpec::optional("to", Type::Integer, "the capacity that it shall have"),
        FieldSpec::optional("by", Type::Integer, "how much more than it has, instead of `to`"),
        FieldSpec::optional("ceiling", Type::Integer, "the most that this playbook ever asks for"),
        FieldSpec::optional("shrink", Type::Boolean, "whether it may be made smaller").or(json!(false)),
        FieldSpec::optional(
            "others",
            Type::Choice(["refuse", "allow"].map(String::from).to_vec()),
            "what to do where a policy, a schedule or a replacement of its instances may move the number",
        )
        .or(json!("refuse")),
    ]);
    ActionSpec {
        name: "asg.scale",
        summary: "Tells a scaling group of EC2 how much capacity to have, and waits until that much serves.",
        details: "Nothing is sent beyond the group's own maximum, below its minimum or above the `ceiling`, while its Launch \
            process is suspended, or, unless `others: allow`, while somebody else would move the number: scaling policies, a schedule \
            of the next day, a replacement of its instances. It is not made smaller unless `shrink` says so.\n\nIt is \
            done once that much is in service, healthy, and healthy in every target group of the group. What holds it up is read out of \
            the group's activities: a lack of capacity is waited out, a used-up quota or a bad image ends the waiting at once. \
            `by` means what the group had before the step: taken up again after a crash it adds nothing twice.",
        inputs: all,
        outputs: vec![
            FieldSpec::required("desired", Type::Integer, "the capacity that it was told to have"),
            FieldSpec::required("previous", Type::Integer, "what it was before"),
            FieldSpec::required("healthy", Type::Integer, "the capacity that serves").volatile(),
            FieldSpec::required("instances", texts(), "the ids of its instances").volatile(),
            FieldSpec::required("added", texts(), "those that came since").volatile(),
        ],
        facts: facts(),
        effect: Effect::Probed,
        fidelity: Fidelity::Probed,
        proves: "The group, its limits, what of it is suspended and who else would move the number; AWS has no dry-run for it, \
            so whether instances of that kind are to be had is not known before.",
        undo: UndoSpec::Restores {
            how: "It sets the capacity of before, if it is still the one that this step set; what somebody else has set since stays, and \
                is told. Which instances then end the group decides.",
            from_observation: true,
        },
        resource: Some("asg/{cloud}/{group}"),
        settle_seconds: 3.0,
        timeout_seconds: 900.0,
        open_inputs: false,
    }
});

#[async_trait]
impl Action for Scale {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        let (name, size) = (value(arguments, "group"), value(arguments, "to"));
        let size = match arguments.get("by") {
            Some(by) if !by.is_null() => format!("<what it has now, and {} more>", value(arguments, "by")),
            _ => size,
        };
        let set = format!(
            "{} set-desired-capacity --auto-scaling-group-name {} --desired-capacity {} --no-honor-cooldown",
            command(inventory, arguments),
            word(&name),
            word(&size)
        );
        let mut lines = look_by_hand(inventory, arguments);
        lines.insert(0, comment("how it stands; keep the first number, it is what the way back sets"));
        lines.insert(2, set);
        lines
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        let (Some(cloud), Some(_)) = (text(arguments, "cloud"), text(arguments, "group")) else {
            return Ok(Prediction::unknown("which group is not known yet"));
        };
        let cloud = Cloud::open(&context.inventory, cloud).await?;
        Ok(foresee(&cloud, &context.inventory, arguments).await?)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        let deadline = Instant::now() + call.timeout.saturating_sub(MARGIN);
        let cloud = match open(context, call).await {
            Ok(cloud) => cloud,
            Err(error) => return Report::no_effect(error.to_string()),
        };
        scale(context, &cloud, call, deadline).await.unwrap_or_else(Report::from)
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        let deadline = Instant::now() + call.timeout.saturating_sub(MARGIN);
        match open(context, call).await {
            Ok(cloud) => probe(context, &cloud, call, deadline).await,
            Err(error) => Finding::CannotTell { evidence: error.to_string() },
        }
    }

    async fn undo(&self, context: &Context, call: &Call) -> Report {
        let deadline = Instant::now() + call.timeout.saturating_sub(MARGIN);
        match open(context, call).await {
            Ok(cloud) => undo::restore(&cloud, call, &command(&context.inventory, &call.arguments), deadline).await,
            Err(error) => Report::failed(format!("{error}. {}", undo::by_person(context, call))),
        }
    }
}

async fn open(context: &Context, call: &Call) -> Result<Cloud, AwsError> {
    Cloud::open(&context.inventory, needed(&call.arguments, "cloud")?).await
}

/// What a look says before anybody acts.
pub(super) async fn foresee(cloud: &Cloud, inventory: &Inventory, arguments: &Value) -> Result<Prediction, AwsError> {
    let seen = look(cloud, group_name(arguments)?).await?;
    let line = command(inventory, arguments);
    let others = others(cloud, &seen, &line).await;
    let activities = cloud.activities(&seen.group.name).await;
    let newest = activities.as_ref().ok().and_then(|list| list.first()).map(|one| one.id.clone());
    let group = &seen.group;
    let mut prediction = Prediction::probed(json!({
        "account": cloud.account(), "arn": group.arn, "desired": group.desired, "min": group.min, "max": group.max,
        "healthy": seen.healthy(), "instances": seen.ids(), "suspended": group.suspended, "others": others.acting,
        "activity": newest,
    }));
    let Some(wish) = Wish::of(arguments)? else {
        prediction.notes = notes(&seen, &others, group.desired);
        prediction.notes.push("how much it shall have is not known yet".to_owned());
        return Ok(prediction);
    };
    let target = wish.target(group.desired);
    prediction.notes = notes(&seen, &others, target);
    if wish.beside_others {
        prediction.notes.extend(others.acting.iter().map(|text| format!("allowed: {text}")));
    }
    prediction.notes.extend(activities.err().map(|why| format!("what holds it up will not be seen: {}", unseen(why))));
    prediction.refusals = wish.refusals(&seen, &others, &line);
    let room = room(cloud, &seen, target - group.desired).await;
    prediction.refusals.extend(room.refusal);
    prediction.notes.extend(room.note);
    prediction.outputs = json!({ "desired": target, "previous": group.desired });
    if target != group.desired {
        prediction.changes.push(Change {
            what: format!("scaling group {}, desired capacity", group.name),
            before: Some(group.desired.to_string()),
            after: Some(target.to_string()),
        });
    }
    Ok(prediction)
}

/// The number that a call means, and the one of before it.
pub(super) fn numbers(call: &Call) -> Result<(i64, i64), AwsError> {
    let before = call.before["desired"].as_i64();
    let before = before.ok_or_else(|| AwsError::Invalid("what the group had before is not recorded".to_owned()))?;
    let wish = Wish::of(&call.arguments)?;
    let wish = wish.ok_or_else(|| AwsError::Invalid("how much it shall have is not known".to_owned()))?;
    Ok((before, wish.target(before)))
}

/// That it is the group that was looked at, and not one made anew under its name.
pub(super) fn hold(seen: &Seen, call: &Call) -> Result<(), AwsError> {
    match call.before["arn"].as_str() {
        Some(arn) if arn != seen.group.arn => Err(AwsError::Invalid(format!(
            "{} is another group than the one that was looked at ({}, and it was {arn}): it is not touched",
            seen.group.name, seen.group.arn
        ))),
        _ => Ok(()),
    }
}

pub(super) async fn scale(
    context: &Context,
    cloud: &Cloud,
    call: &Call,
    deadline: Instant,
) -> Result<Report, AwsError> {
    let name = group_name(&call.arguments)?;
    let (before, wanted) = numbers(call)?;
    let seen = look(cloud, name).await.map_err(nothing_sent)?;
    hold(&seen, call)?;
    let now = seen.group.desired;
    if now != wanted && now != before {
        return Ok(Report::no_effect(format!(
            "somebody else told {name} to have {now} since it was looked at (it was {before}): nothing was sent. Look at it, and run again"
        )));
    }
    if now != wanted {
        cloud.set_capacity(name, wanted).await?;
        let line = format!("{name} is told to have {wanted} (was {before})\n");
        (context.output)(false, line.as_bytes());
    }
    Ok(wait(context, cloud, call, deadline).await)
}

/// A look whose answer was lost sent nothing that changes anything.
fn nothing_sent(error: AwsError) -> AwsError {
    match error {
        AwsError::Lost(_) => {
            AwsError::Unreachable(format!("{}. It was only a look: nothing was changed", unseen(error)))
        }
        other => other,
    }
}

/// Waits for what it was told, and says how that ended.
async fn wait(context: &Context, cloud: &Cloud, call: &Call, deadline: Instant) -> Report {
    let (name, (before, wanted)) = match (group_name(&call.arguments), numbers(call)) {
        (Ok(name), Ok(numbers)) => (name, numbers),
        (Err(error), _) | (_, Err(error)) => return error.into(),
    };
    let activity = call.before["activity"].as_str();
    let end = Watch { context, cloud, name, before, wanted, activity, deadline }.end().await;
    let told = if wanted == before {
        format!("{name} has {wanted} already, and nothing was told")
    } else {
        format!("{name} was told to have {wanted} (was {before})")
    };
    let failed = |text: String| if wanted == before { Report::no_effect(text) } else { Report::failed(text) };
    match end {
        End::Arrived(seen) => arrived(&seen, call, before, wanted),
        End::Held(seen, held) => failed(format!("{told}, and cannot get there: {held}. Now {}", seen.sentence(wanted))),
        End::Late(seen, held) => {
            let why = held.map_or_else(String::new, |held| format!(" What holds it up: {held}."));
            failed(format!(
                "{told}; {} serve after {:.0} s.{why} Now {}",
                seen.healthy(),
                call.timeout.as_secs_f64(),
                seen.sentence(wanted)
            ))
        }
        End::Moved(seen, cause) => {
            let cause = cause.map(|cause| format!(" The group says: {cause}")).unwrap_or_default();
            failed(format!("{told}, and somebody else told it to have {} since.{cause}", seen.group.desired))
        }
        End::Blind(error) => {
            Report::unknown(format!("{told}; what came of it cannot be seen: {error}. The group goes on by itself"))
        }
    }
}

fn arrived(seen: &Seen, call: &Call, before: i64, wanted: i64) -> Report {
    let former: Vec<&str> =
        call.before["instances"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let added: Vec<&str> = seen.ids().into_iter().filter(|id| !former.contains(id)).collect();
    let came = if added.is_empty() { String::new() } else { format!("; new: {}", added.join(", ")) };
    let outputs = json!({
        "desired": wanted, "previous": before, "healthy": seen.healthy(), "instances": seen.ids(), "added": added,
    });
    let more = if seen.group.desired == wanted {
        String::new()
    } else {
        format!(" (it is told {} by now)", seen.group.desired)
    };
    Report::done(format!("{}, was {before}{more}{came}", seen.sentence(wanted)), outputs)
}

pub(super) async fn probe(context: &Context, cloud: &Cloud, call: &Call, deadline: Instant) -> Finding {
    let cannot = |error: AwsError| Finding::CannotTell { evidence: error.to_string() };
    let (name, (before, wanted)) = match (group_name(&call.arguments), numbers(call)) {
        (Ok(name), Ok(numbers)) => (name, numbers),
        (Err(error), _) | (_, Err(error)) => return cannot(error),
    };
    let seen = match look(cloud, name).await {
        Ok(seen) => seen,
        Err(error) => return cannot(error),
    };
    if let Err(error) = hold(&seen, call) {
        return cannot(error);
    }
    match seen.group.desired {
        now if now == wanted => Finding::Ended(wait(context, cloud, call, deadline).await),
        now if now == before => Finding::DidNot { evidence: format!("{name} is still told to have {now}") },
        now => Finding::CannotTell {
            evidence: format!(
                "{name} is told to have {now}: neither {before} of before nor {wanted} of this step, so somebody else set it"
            ),
        },
    }
}
