//! What starting, stopping and restarting instances share: whose they are, what they are, telling them, and putting back what
//! they were. An instance of a scaling group is left to its group, which would replace one that stops.

use tokio::time::Instant;

use serde_json::json;

use super::api::Cloud;
use super::seen::{Instance, Mode, Verb, ids, map_of, said};
use super::watch::{told, until};
use super::{AwsError, account_fact, cloud_input, needed, text};
use crate::actions::{ActionError, Call, Context};
use crate::outcome::{Finding, Report};
use crate::spec::{Change, Fidelity, FieldSpec, Prediction};
use crate::value::{Type, Value, contains_unknown};

/// The inputs of all of them.
pub(super) fn inputs() -> Vec<FieldSpec> {
    let list = Type::List(Box::new(Type::Identifier));
    vec![cloud_input(), FieldSpec::required("instances", list, "the ids of the instances")]
}

/// The facts of all of them.
pub(super) fn facts() -> Vec<FieldSpec> {
    vec![
        account_fact(),
        FieldSpec::required("states", Type::Any, "what each instance is: running, stopped, …"),
        FieldSpec::required("types", Type::Any, "the type of each instance"),
        FieldSpec::required("addresses", Type::Any, "the private address of each instance").volatile(),
    ]
}

/// The outputs of all of them.
pub(super) fn outputs() -> Vec<FieldSpec> {
    vec![FieldSpec::required("states", Type::Any, "what each instance is now")]
}

/// What a look at instances gives.
pub(super) fn seen_facts(cloud: &Cloud, seen: &[Instance]) -> Value {
    json!({
        "account": cloud.account(),
        "states": map_of(seen, |one| Some(one.state.as_str())),
        "types": map_of(seen, |one| Some(one.kind.as_str())),
        "addresses": map_of(seen, |one| one.address.as_deref()),
    })
}

/// The instances that the arguments name, each once.
pub(super) fn named(arguments: &Value) -> Result<Vec<String>, AwsError> {
    let list = arguments["instances"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut found: Vec<String> = list.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    found.sort();
    found.dedup();
    if found.is_empty() || found.len() > 100 {
        return Err(AwsError::Invalid(format!("`instances` names {}: from 1 to 100 are told at once", found.len())));
    }
    match found.iter().find(|id| !id.starts_with("i-")) {
        Some(id) => Err(AwsError::Invalid(format!("{id} is no instance's id: it begins with i-"))),
        None => Ok(found),
    }
}

/// What stands against telling them, each in a sentence.
pub(super) fn refusals(seen: &[Instance], verb: Verb) -> Vec<String> {
    let mut found = Vec::new();
    for one in seen {
        if one.is_gone() {
            found.push(format!("{}: nothing brings it back", one.said()));
        } else if let Some(group) = one.group().filter(|_| matches!(verb, Verb::Stop | Verb::Start)) {
            found.push(format!(
                "{} belongs to the scaling group {group}, which replaces an instance that stops: detach it first, or put it on standby: \
                 aws autoscaling enter-standby --auto-scaling-group-name {group} --instance-ids {} --should-decrement-desired-capacity",
                one.id, one.id
            ));
        } else if verb == Verb::Reboot && one.state != "running" {
            found.push(format!("{}: only one that runs is rebooted", one.said()));
        }
    }
    found
}

/// What a verb leads to, where it leads to a state.
pub(super) fn goal(verb: Verb) -> &'static str {
    match verb {
        Verb::Start | Verb::Reboot => "running",
        Verb::Stop => "stopped",
        Verb::Terminate => "terminated",
    }
}

/// Looks, and lets AWS say whether it would do it.
pub(super) async fn foresee(context: &Context, arguments: &Value, verb: Verb) -> Result<Prediction, ActionError> {
    if contains_unknown(arguments) {
        return Ok(Prediction::unknown("which instances are told is not known yet"));
    }
    let cloud = Cloud::open(&context.inventory, needed(arguments, "cloud")?).await?;
    let seen = cloud.instances(&named(arguments)?).await?;
    let mut prediction = Prediction::probed(seen_facts(&cloud, &seen));
    prediction.notes.push(said(&seen));
    prediction.refusals = refusals(&seen, verb);
    let goal = goal(verb);
    let moved: Vec<&Instance> = seen.iter().filter(|one| verb == Verb::Reboot || one.state != goal).collect();
    let after = if verb == Verb::Reboot { "running, after a reboot" } else { goal };
    prediction.changes = moved
        .iter()
        .map(|one| Change {
            what: format!("instance {} at {}", one.id, cloud.place()),
            before: Some(one.state.clone()),
            after: Some(after.to_owned()),
        })
        .collect();
    prediction.outputs =
        json!({ "states": Value::Object(seen.iter().map(|one| (one.id.clone(), json!(goal))).collect()) });
    let list: Vec<String> = moved.iter().map(|one| one.id.clone()).collect();
    if !list.is_empty() && prediction.refusals.is_empty() {
        match cloud.tell(verb, &list, Mode::DryRun).await {
            Ok(()) => prediction.fidelity = Fidelity::Proved,
            Err(error @ (AwsError::Denied(_) | AwsError::Refused { .. })) => {
                prediction.refusals.push(error.to_string())
            }
            Err(error) => prediction.notes.push(format!("AWS's own dry-run did not come to its end: {error}")),
        }
    }
    Ok(prediction)
}

/// Tells them, and waits until they are so.
pub(super) async fn act(context: &Context, call: &Call, verb: Verb) -> Report {
    let deadline = Instant::now() + call.timeout;
    let looked = async {
        let cloud = Cloud::open(&context.inventory, needed(&call.arguments, "cloud")?).await?;
        let seen = cloud.instances(&named(&call.arguments)?).await?;
        Ok::<_, AwsError>((cloud, seen))
    };
    let (cloud, seen) = match looked.await {
        Ok(looked) => looked,
        Err(error) => return Report::no_effect(error.to_string()),
    };
    if let Some(why) = refusals(&seen, verb).into_iter().next() {
        return Report::no_effect(why);
    }
    let list: Vec<String> =
        seen.iter().filter(|one| verb == Verb::Reboot || one.state != goal(verb)).map(|one| one.id.clone()).collect();
    if !list.is_empty()
        && let Err(error) = cloud.tell(verb, &list, Mode::Real).await
    {
        return Report::from(error);
    }
    arrive(&cloud, &ids(&seen), verb, deadline).await
}

/// Waits until they are what a verb leads to.
pub(super) async fn arrive(cloud: &Cloud, list: &[String], verb: Verb, deadline: Instant) -> Report {
    let goal = goal(verb);
    match until(cloud, list, deadline, |one| one.state == goal).await {
        Ok((seen, true)) => {
            let states = map_of(&seen, |one| Some(one.state.as_str()));
            Report::done(said(&seen), json!({ "states": states }))
        }
        Ok((seen, false)) => {
            Report::failed(format!("told to {}, and not {goal} in time: {}", verb.word(), told(list, &seen)))
        }
        Err(error) => Report::unknown(format!("told to {}, and nobody can see what they are: {error}", verb.word())),
    }
}

/// Whether they are what a verb leads to.
pub(super) async fn settled(context: &Context, call: &Call, verb: Verb) -> Finding {
    let looked = async {
        let cloud = Cloud::open(&context.inventory, needed(&call.arguments, "cloud")?).await?;
        cloud.instances(&named(&call.arguments)?).await
    };
    match looked.await {
        Err(error) => Finding::CannotTell { evidence: error.to_string() },
        Ok(seen) if seen.iter().all(|one| one.state == goal(verb)) => Finding::TookEffect {
            evidence: said(&seen),
            outputs: json!({ "states": map_of(&seen, |one| Some(one.state.as_str())) }),
        },
        Ok(seen) => Finding::CannotTell { evidence: said(&seen) },
    }
}

/// Puts back what each instance was: those that ran run, those that were stopped are stopped.
pub(super) async fn put_back(context: &Context, call: &Call) -> Report {
    let deadline = Instant::now() + call.timeout;
    let put = async {
        let cloud = Cloud::open(&context.inventory, needed(&call.arguments, "cloud")?).await?;
        let seen = cloud.instances(&named(&call.arguments)?).await?;
        let was = |one: &Instance, state: &str| text(&call.before["states"], &one.id) == Some(state);
        let mut told = Vec::new();
        for (verb, before) in
            [(Verb::Start, "running"), (Verb::Start, "pending"), (Verb::Stop, "stopped"), (Verb::Stop, "stopping")]
        {
            let list: Vec<String> = seen
                .iter()
                .filter(|one| was(one, before) && one.state != goal(verb))
                .map(|one| one.id.clone())
                .collect();
            if list.is_empty() {
                continue;
            }
            settle(&cloud, &list, deadline).await?;
            cloud.tell(verb, &list, Mode::Real).await?;
            let (now, holds) = until(&cloud, &list, deadline, |one| one.state == goal(verb)).await?;
            if !holds {
                return Ok(Err(format!(
                    "told to {}, and not so in time: {}",
                    verb.word(),
                    super::watch::told(&list, &now)
                )));
            }
            told.push(format!("{} is {} again", list.join(", "), goal(verb)));
        }
        Ok::<_, AwsError>(Ok(told))
    };
    match put.await {
        Ok(Ok(told)) if told.is_empty() => Report::done("each is what it was before", Value::Null),
        Ok(Ok(told)) => Report::done(told.join("; "), Value::Null),
        Ok(Err(why)) => Report::failed(why),
        Err(error) => Report::failed(format!("they could not be put back: {error}")),
    }
}

/// AWS starts nothing that is stopping yet, and stops nothing that is starting.
async fn settle(cloud: &Cloud, list: &[String], deadline: Instant) -> Result<(), AwsError> {
    until(cloud, list, deadline, |one| !matches!(one.state.as_str(), "pending" | "stopping")).await.map(drop)
}
