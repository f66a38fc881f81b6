//! `asg.status`: how a scaling group stands, who else moves its numbers, and what it tried last.

use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tokio::time::Instant;

use super::held::why;
use super::model::{Activity, Seen};
use super::others::Others;
use super::{command, facts, group_name, inputs, look, look_by_hand, others, texts};
use crate::actions::aws::api::Cloud;
use crate::actions::aws::{AwsError, needed, text};
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value};

/// `asg.status`.
#[derive(Debug, Clone, Copy)]
pub struct Status;

/// How soon a group that is waited for is looked at again.
const AGAIN: Duration = Duration::from_secs(5);
/// How many of its activities are told.
const TOLD: usize = 5;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| {
    let mut all = inputs();
    all.push(
        FieldSpec::optional("within", Type::Duration, "how long to wait until all that is desired serves").or(json!(0)),
    );
    let mut outputs = facts();
    // What would stand against a change does not stand against a look.
    outputs.iter_mut().for_each(|field| field.identity = false);
    outputs.extend([
        FieldSpec::required("room", Type::Integer, "how much more its maximum allows"),
        FieldSpec::required("complete", Type::Boolean, "whether all that is desired serves").volatile(),
        FieldSpec::required("members", Type::List(Box::new(Type::Any)), "each instance: id, type, zone, state, health")
            .volatile(),
        FieldSpec::required("waiting", texts(), "the instances that do not serve, and why not").volatile(),
        FieldSpec::required("target_groups", texts(), "the target groups that it registers its instances in"),
        FieldSpec::required("activities", texts(), "what it did and tries to do, newest first").volatile(),
        FieldSpec::optional("held_up", Type::String, "what its newest failure says and means").volatile(),
        FieldSpec::required("unseen", texts(), "what could not be looked at, and why").volatile(),
    ]);
    ActionSpec {
        name: "asg.status",
        summary: "Looks how a scaling group of EC2 stands.",
        details: "Its numbers, its instances by what they do, whom its target groups send clients to, what of its work is \
            suspended, who else moves its numbers (policies, schedules, a replacement of its instances) and what it tried last. With \
            `within` it is looked at again until all that is desired serves, or that time is up: it is no failure if it does not, \
            `complete` says so.",
        inputs: all,
        outputs,
        facts: facts(),
        effect: Effect::Read,
        fidelity: Fidelity::Probed,
        proves: "How it stands at the time of the plan.",
        undo: UndoSpec::Nothing,
        resource: None,
        settle_seconds: 0.0,
        timeout_seconds: 60.0,
        open_inputs: false,
    }
});

#[async_trait]
impl Action for Status {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        look_by_hand(inventory, arguments)
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        let (Some(cloud), Some(_)) = (text(arguments, "cloud"), text(arguments, "group")) else {
            return Ok(Prediction::unknown("which group is not known yet"));
        };
        let cloud = Cloud::open(&context.inventory, cloud).await?;
        let seen = look(&cloud, group_name(arguments)?).await?;
        let (outputs, notes) = told(&cloud, &seen, &command(&context.inventory, arguments)).await;
        Ok(Prediction { outputs: outputs.clone(), notes, ..Prediction::probed(outputs) })
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        run(context, call).await.unwrap_or_else(|error| Report::no_effect(error.to_string()))
    }

    async fn probe(&self, _: &Context, _: &Call) -> Finding {
        Finding::DidNot { evidence: "it changes nothing".to_owned() }
    }
}

async fn run(context: &Context, call: &Call) -> Result<Report, AwsError> {
    let cloud = Cloud::open(&context.inventory, needed(&call.arguments, "cloud")?).await?;
    let name = group_name(&call.arguments)?;
    let within = call.arguments["within"].as_f64().unwrap_or_default().max(0.0);
    let within = Duration::try_from_secs_f64(within).unwrap_or_default();
    // The last look needs a little of the step's own time.
    let deadline = Instant::now() + within.min(call.timeout.saturating_sub(Duration::from_secs(10)));
    let mut said = String::new();
    let seen = loop {
        let seen = look(&cloud, name).await?;
        let sentence = seen.sentence(seen.group.desired);
        if is_complete(&seen) || Instant::now() >= deadline {
            break seen;
        }
        if said != sentence {
            (context.output)(false, format!("{sentence}\n").as_bytes());
            said = sentence;
        }
        tokio::time::sleep(AGAIN.min(deadline.saturating_duration_since(Instant::now()))).await;
    };
    let (outputs, notes) = told(&cloud, &seen, &command(&context.inventory, &call.arguments)).await;
    Ok(Report::done(notes.join(". "), outputs))
}

fn is_complete(seen: &Seen) -> bool {
    seen.healthy() >= seen.group.desired
}

/// The outputs, and what a person is told of them.
async fn told(cloud: &Cloud, seen: &Seen, command: &str) -> (Value, Vec<String>) {
    let found = others(cloud, seen, command).await;
    let activities = cloud.activities(&seen.group.name).await;
    let mut unseen: Vec<String> = seen.unseen.iter().chain(&found.unseen).cloned().collect();
    let activities = activities.unwrap_or_else(|why| {
        unseen.push(format!("what the group did cannot be seen: {}", super::unseen(why)));
        Vec::new()
    });
    (outputs(cloud.account(), seen, &found, &activities, &unseen), sentences(seen, &found, &activities, &unseen))
}

fn outputs(account: &str, seen: &Seen, found: &Others, activities: &[Activity], unseen: &[String]) -> Value {
    let group = &seen.group;
    let members: Vec<Value> = group.members.iter().map(super::model::Member::told).collect();
    let last: Vec<String> = activities.iter().take(TOLD).map(Activity::line).collect();
    json!({
        "account": account, "arn": group.arn, "desired": group.desired, "min": group.min, "max": group.max,
        "healthy": seen.healthy(), "instances": seen.ids(), "suspended": group.suspended, "others": found.acting,
        "activity": activities.first().map(|one| &one.id), "room": group.max - group.desired,
        "complete": is_complete(seen), "members": members, "waiting": seen.waiting(),
        "target_groups": group.target_groups, "activities": last, "held_up": held_up(seen, activities), "unseen": unseen,
    })
}

/// A failure of last week holds nothing up in a group that is complete.
fn held_up(seen: &Seen, activities: &[Activity]) -> Option<String> {
    why(activities).filter(|_| !is_complete(seen)).map(|held| held.to_string())
}

fn sentences(seen: &Seen, found: &Others, activities: &[Activity], unseen: &[String]) -> Vec<String> {
    let limits = format!("its limits are {} and {}", seen.group.min, seen.group.max);
    let mut all = vec![seen.sentence(seen.group.desired), limits];
    if !seen.group.suspended.is_empty() {
        all.push(format!("it was told to leave alone: {}", seen.group.suspended.join(", ")));
    }
    all.extend(found.acting.iter().chain(&found.held).cloned());
    all.extend(held_up(seen, activities).map(|text| format!("what holds it up: {text}")));
    all.extend(unseen.iter().cloned());
    all
}
