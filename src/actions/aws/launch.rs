//! `ec2.launch`: new instances from a launch template. AWS removes doubles by the client token; what was launched is known by
//! its tag, and only what carries this very tag is ever ended by the undo.

use std::sync::LazyLock;
use tokio::time::Instant;

use async_trait::async_trait;
use serde_json::json;

use super::api::Cloud;
use super::limit;
use super::seen::{Instance, KEY_TAG, Launch as Wanted, Mode, TEMPLATE_TAG, Template, Verb, ids, said};
use super::watch::{Pace, VISIBLE, told, until};
use super::{AwsError, account_fact, by_hand, cloud_input, needed, text};
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Change, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value, contains_unknown};

/// `ec2.launch`.
#[derive(Debug, Clone, Copy)]
pub struct Launch;

/// The most that one step launches, whatever its playbook says.
const MOST: i64 = 100;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "ec2.launch",
    summary: "Launches EC2 instances from a launch template, and waits until they run.",
    details: "All of them or none. The version that the plan saw is the one that is launched, whatever `$Latest` is by then. Each \
        instance is tagged on its creation with `playbook:key` (this run and step) and `playbook:template`. Before anything is \
        launched it is looked for by that tag, and the request carries a client token made of the same: a launch whose answer was \
        lost is found again, and not made twice.\n\n`ceiling` is how many instances that playbook launched from this template may \
        be there at once, these included.\n\nThat an instance runs says nothing of the service on it: ec2.healthy does.",
    inputs: vec![
        cloud_input(),
        FieldSpec::required("template", Type::Identifier, "the launch template: lt-… or its name"),
        FieldSpec::optional("version", Type::String, "its version: a number, $Default or $Latest")
            .or(json!("$Default")),
        FieldSpec::required("count", Type::Integer, "how many"),
        FieldSpec::optional("ceiling", Type::Integer, "how many that playbook launched from it there may be at most"),
        FieldSpec::optional("subnet", Type::Identifier, "the subnet; the template's where absent"),
        FieldSpec::optional("instance_type", Type::Identifier, "the instance type; the template's where absent"),
        FieldSpec::optional("name", Type::Identifier, "the tag Name of each"),
    ],
    outputs: vec![
        FieldSpec::required("instances", Type::List(Box::new(Type::Identifier)), "the ids of what was launched"),
        FieldSpec::required("addresses", Type::List(Box::new(Type::Ip)), "their private addresses, in the same order"),
        FieldSpec::required("count", Type::Integer, "how many were launched"),
    ],
    facts: vec![
        account_fact(),
        FieldSpec::required("template_id", Type::String, "the launch template's id").identity(),
        FieldSpec::required("template_version", Type::Integer, "the version that is launched"),
        FieldSpec::optional("image", Type::String, "its image"),
        FieldSpec::optional("instance_type", Type::String, "the instance type"),
        FieldSpec::optional("vcpus_needed", Type::Integer, "virtual processors that this takes"),
        FieldSpec::optional("vcpus_used", Type::Integer, "virtual processors of the same family that run").volatile(),
        FieldSpec::optional("vcpus_limit", Type::Integer, "the account's limit of them; null where it cannot be known"),
        FieldSpec::required(
            "launched_before",
            Type::Integer,
            "instances that playbook launched from it and that are there",
        )
        .volatile(),
    ],
    effect: Effect::Keyed,
    fidelity: Fidelity::Proved,
    proves: "AWS's own dry-run says that these credentials may launch this template there; the limit is compared where it can be \
        known. Not whether AWS has the machines (capacity), nor that they will do their work.",
    undo: UndoSpec::Restores {
        how: "It terminates exactly the instances that carry this run's and step's tag, and says which.",
        from_observation: true,
    },
    resource: Some("cloud/{cloud}/{template}"),
    settle_seconds: 2.0,
    timeout_seconds: 300.0,
    open_inputs: false,
});

#[async_trait]
impl Action for Launch {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        by_hand::launch(inventory, arguments)
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        if contains_unknown(arguments) {
            return Ok(Prediction::unknown("what is launched is not known yet"));
        }
        let cloud = Cloud::open(&context.inventory, needed(arguments, "cloud")?).await?;
        Ok(foresee(&cloud, arguments).await?)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        let deadline = Instant::now() + call.timeout;
        match Cloud::open(&context.inventory, text(&call.arguments, "cloud").unwrap_or_default()).await {
            Ok(cloud) => launch(&cloud, call, deadline).await.unwrap_or_else(Report::from),
            Err(error) => Report::no_effect(error.to_string()),
        }
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        match found(context, call).await {
            Ok(finding) => finding,
            Err(error) => Finding::CannotTell { evidence: error.to_string() },
        }
    }

    async fn undo(&self, context: &Context, call: &Call) -> Report {
        match Cloud::open(&context.inventory, text(&call.arguments, "cloud").unwrap_or_default()).await {
            Ok(cloud) => terminate(&cloud, call).await.unwrap_or_else(|error| {
                Report::failed(format!("what this step launched may still run, and costs money: {error}"))
            }),
            Err(error) => Report::failed(format!("what this step launched may still run, and costs money: {error}")),
        }
    }
}

fn count(arguments: &Value) -> Result<i32, AwsError> {
    let count = arguments["count"].as_i64().filter(|count| (1..=MOST).contains(count));
    let count = count.and_then(|count| i32::try_from(count).ok());
    count.ok_or_else(|| AwsError::Invalid(format!("`count` has to be from 1 to {MOST}")))
}

fn wanted(template: Template, arguments: &Value, key: &str) -> Result<Wanted, AwsError> {
    Ok(Wanted {
        template,
        count: count(arguments)?,
        subnet: text(arguments, "subnet").map(str::to_owned),
        kind: text(arguments, "instance_type").map(str::to_owned),
        name: text(arguments, "name").map(str::to_owned),
        key: key.to_owned(),
    })
}

pub(super) async fn foresee(cloud: &Cloud, arguments: &Value) -> Result<Prediction, AwsError> {
    let named = needed(arguments, "template")?;
    let template = cloud.template(named, text(arguments, "version").unwrap_or("$Default")).await?;
    let launch = wanted(template.clone(), arguments, "dry-run")?;
    let kind = launch.kind.clone().or_else(|| template.kind.clone());
    let mut refusals = Vec::new();
    let mut notes = Vec::new();
    let room = match &kind {
        Some(kind) if !template.spot => limit::room(cloud, kind, i64::from(launch.count)).await,
        Some(_) => limit::Room {
            note: "spot instances have a limit of their own, which is not looked at".to_owned(),
            ..limit::Room::default()
        },
        None => limit::Room {
            note: "the template leaves the instance type open, so the limit is not looked at".to_owned(),
            ..limit::Room::default()
        },
    };
    refusals.extend(room.refusal);
    notes.push(room.note);
    let there: Vec<Instance> =
        cloud.tagged(TEMPLATE_TAG, &template.id).await?.into_iter().filter(|one| !one.is_gone()).collect();
    if let Some(ceiling) = arguments["ceiling"].as_i64()
        && there.len() as i64 + i64::from(launch.count) > ceiling
    {
        refusals.push(format!(
            "{} that playbook launched from {named} are there ({}), and with {} more there would be over {ceiling}, the ceiling that this \
             step declares",
            there.len(),
            ids(&there).join(", "),
            launch.count
        ));
    }
    let mut fidelity = Fidelity::Proved;
    match cloud.launch(&launch, Mode::DryRun).await {
        Ok(_) => notes.push("AWS's own dry-run says that it would launch them".to_owned()),
        Err(error @ (AwsError::Denied(_) | AwsError::Refused { .. })) => refusals.push(error.to_string()),
        Err(error) => {
            fidelity = Fidelity::Probed;
            notes.push(format!("AWS's own dry-run did not come to its end: {error}"));
        }
    }
    let facts = json!({
        "account": cloud.account(), "template_id": template.id, "template_version": template.version, "image": template.image,
        "instance_type": kind, "vcpus_needed": room.needed, "vcpus_used": room.used, "vcpus_limit": room.limit,
        "launched_before": there.len(),
    });
    let change = Change {
        what: format!("instances of {named} version {} at {}", template.version, cloud.place()),
        before: Some(format!("{} that playbook launched", there.len())),
        after: Some(format!("{} more, of type {}", launch.count, kind.as_deref().unwrap_or("that AWS chooses"))),
    };
    let outputs = json!({ "count": launch.count });
    Ok(Prediction { changes: vec![change], outputs, fidelity, refusals, notes, ..Prediction::probed(facts) })
}

pub(super) async fn launch(cloud: &Cloud, call: &Call, deadline: Instant) -> Result<Report, AwsError> {
    let version = call.before["template_version"].as_i64();
    let named = text(&call.before, "template_id").map_or_else(|| needed(&call.arguments, "template"), Ok)?;
    let version =
        version.map_or_else(|| text(&call.arguments, "version").unwrap_or("$Default").to_owned(), |n| n.to_string());
    // What an attempt before this one launched is looked for even though AWS would remove the double: not all that speak its
    // language do.
    let there = cloud.tagged(KEY_TAG, &call.key).await?;
    let launched = if there.is_empty() {
        let launch = wanted(cloud.template(named, &version).await?, &call.arguments, &call.key)?;
        cloud.launch(&launch, Mode::Real).await?
    } else {
        visible(cloud, call).await?
    };
    Ok(match standing(&launched, count(&call.arguments)?) {
        Err(why) => Report::failed(why),
        Ok(()) => wait_for(cloud, &ids(&launched), deadline).await,
    })
}

/// Whether what was launched under this key is what was wanted.
fn standing(launched: &[Instance], count: i32) -> Result<(), String> {
    let gone: Vec<Instance> = launched.iter().filter(|one| one.is_gone()).cloned().collect();
    if !gone.is_empty() {
        return Err(format!(
            "this step launched {}, and of these {}: nothing more is launched",
            ids(launched).join(", "),
            said(&gone)
        ));
    }
    if i64::try_from(launched.len()).ok() != Some(i64::from(count)) {
        let list = ids(launched).join(", ");
        return Err(format!(
            "this step launched {} ({list}), and {count} were wanted: nothing more is launched",
            launched.len()
        ));
    }
    Ok(())
}

async fn wait_for(cloud: &Cloud, launched: &[String], deadline: Instant) -> Report {
    let list = launched.join(", ");
    match until(cloud, launched, deadline, |one| one.state == "running" && one.address.is_some()).await {
        Ok((seen, true)) => Report::done(format!("launched {list}; they run"), outputs(&seen)),
        Ok((seen, false)) => {
            Report::failed(format!("launched {list}, and they do not all run in time: {}", told(launched, &seen)))
                .with_outputs(outputs(&seen))
        }
        // They were launched, that much is known: only whether they run is not.
        Err(error) => Report::failed(format!("launched {list}, and nobody can see whether they run: {error}")),
    }
}

fn outputs(seen: &[Instance]) -> Value {
    let addresses: Vec<&str> = seen.iter().filter_map(|one| one.address.as_deref()).collect();
    json!({ "instances": ids(seen), "addresses": addresses, "count": seen.len() })
}

/// What carries this step's tag, as soon as AWS shows all of it: they are launched together, and may become visible one by one.
async fn visible(cloud: &Cloud, call: &Call) -> Result<Vec<Instance>, AwsError> {
    let deadline = Instant::now() + VISIBLE;
    let wanted = usize::try_from(count(&call.arguments)?).unwrap_or(usize::MAX);
    let mut pace = Pace::new();
    loop {
        let there = cloud.tagged(KEY_TAG, &call.key).await?;
        if there.len() >= wanted || !pace.wait(deadline).await {
            return Ok(there);
        }
    }
}

async fn found(context: &Context, call: &Call) -> Result<Finding, AwsError> {
    let cloud = Cloud::open(&context.inventory, needed(&call.arguments, "cloud")?).await?;
    found_at(&cloud, call).await
}

pub(super) async fn found_at(cloud: &Cloud, call: &Call) -> Result<Finding, AwsError> {
    if cloud.tagged(KEY_TAG, &call.key).await?.is_empty() {
        // Not "did not": AWS may show it later. With the same key it may safely be asked again.
        let evidence = format!("AWS shows no instance with the tag {KEY_TAG}={}", call.key);
        return Ok(Finding::CannotTell { evidence });
    }
    let there = visible(cloud, call).await?;
    if let Err(why) = standing(&there, count(&call.arguments)?) {
        return Ok(Finding::Ended(Report::failed(why)));
    }
    let deadline = Instant::now() + call.timeout;
    Ok(match until(cloud, &ids(&there), deadline, |one| one.state == "running" && one.address.is_some()).await? {
        (seen, true) => {
            let evidence = format!("{} carry the tag {KEY_TAG}={} and run", ids(&seen).join(", "), call.key);
            Finding::TookEffect { evidence, outputs: outputs(&seen) }
        }
        (seen, false) => Finding::Ended(Report::failed(format!("launched, and not running in time: {}", said(&seen)))),
    })
}

pub(super) async fn terminate(cloud: &Cloud, call: &Call) -> Result<Report, AwsError> {
    let there = visible(cloud, call).await?;
    let here: Vec<String> = there.iter().filter(|one| !one.is_gone()).map(|one| one.id.clone()).collect();
    if here.is_empty() {
        let text = match there.is_empty() {
            true => format!(
                "AWS shows no instance with the tag {KEY_TAG}={}: nothing was launched that could be ended",
                call.key
            ),
            false => format!("it is ended already: {}", said(&there)),
        };
        return Ok(Report::done(text, Value::Null));
    }
    cloud.tell(Verb::Terminate, &here, Mode::Real).await?;
    let deadline = Instant::now() + call.timeout;
    let list = here.join(", ");
    match until(cloud, &here, deadline, Instance::is_gone).await? {
        (_, true) => Ok(Report::done(format!("terminated {list}, which this step launched"), Value::Null)),
        (seen, false) => Ok(Report::failed(format!("{list} were told to end and do not: {}", told(&here, &seen)))),
    }
}
