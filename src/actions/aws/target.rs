//! What `ec2.register` and `ec2.deregister` share: a target group, what is in it, putting instances in or out, and the way back.
//! Targets that the step did not name are never touched, and its undo touches only what it changed.

use tokio::time::Instant;

use serde_json::json;

use super::api::Cloud;
use super::power::named;
use super::seen::{Member, TargetGroup};
use super::watch::Pace;
use super::{AwsError, account_fact, cloud_input, needed, text};
use crate::actions::{ActionError, Call, Context};
use crate::outcome::{Finding, Report};
use crate::spec::{Change, Fidelity, FieldSpec, Prediction};
use crate::value::{Type, Value, contains_unknown, is_unknown};

/// The inputs of both.
pub(super) fn inputs() -> Vec<FieldSpec> {
    vec![
        cloud_input(),
        FieldSpec::required("target_group", Type::String, "the target group's name or ARN"),
        FieldSpec::required("instances", Type::List(Box::new(Type::Identifier)), "the ids of the instances"),
        FieldSpec::optional("port", Type::Integer, "the port; the group's own where absent"),
    ]
}

/// The facts of both.
pub(super) fn facts() -> Vec<FieldSpec> {
    vec![
        account_fact(),
        FieldSpec::required("group", Type::String, "the target group's ARN").identity(),
        FieldSpec::required("in_use", Type::Boolean, "whether a load balancer sends anything to it"),
        FieldSpec::required("registered", Type::List(Box::new(Type::String)), "what is registered, as ID:PORT"),
        FieldSpec::required("healthy", Type::Integer, "how many of those are healthy").volatile(),
    ]
}

/// The outputs of both.
pub(super) fn outputs() -> Vec<FieldSpec> {
    vec![
        FieldSpec::required("changed", Type::List(Box::new(Type::String)), "what was put in or out, as ID:PORT"),
        FieldSpec::required("healthy", Type::Integer, "how many targets of the group are healthy now").volatile(),
    ]
}

/// A target group with what is in it.
struct Seen {
    cloud: Cloud,
    group: TargetGroup,
    members: Vec<Member>,
}

type Target = (String, Option<i32>);

fn port(arguments: &Value) -> Result<Option<i32>, AwsError> {
    match &arguments["port"] {
        Value::Null => Ok(None),
        given => {
            match given.as_i64().and_then(|port| i32::try_from(port).ok()).filter(|port| (1..=65535).contains(port)) {
                Some(port) => Ok(Some(port)),
                None => Err(AwsError::Invalid("`port` has to be from 1 to 65535".to_owned())),
            }
        }
    }
}

fn label(id: &str, port: Option<i32>) -> String {
    port.map_or_else(|| id.to_owned(), |port| format!("{id}:{port}"))
}

fn labels(list: &[Target]) -> Vec<String> {
    list.iter().map(|(id, port)| label(id, *port)).collect()
}

impl Seen {
    async fn of(context: &Context, arguments: &Value) -> Result<Self, AwsError> {
        let cloud = Cloud::open(&context.inventory, needed(arguments, "cloud")?).await?;
        let group = cloud.target_group(needed(arguments, "target_group")?).await?;
        let members = cloud.members(&group.arn).await?;
        Ok(Self { cloud, group, members })
    }

    fn registered(&self) -> Vec<String> {
        self.members.iter().filter(|one| one.state != "draining").map(|one| label(&one.id, one.port)).collect()
    }

    fn healthy(&self) -> usize {
        self.members.iter().filter(|one| one.state == "healthy").count()
    }

    fn facts(&self) -> Value {
        json!({
            "account": self.cloud.account(), "group": self.group.arn, "in_use": self.group.in_use,
            "registered": self.registered(), "healthy": self.healthy(),
        })
    }

    /// What has to be put in or out for what is wanted.
    fn missing(&self, arguments: &Value, wanted: bool) -> Result<Vec<Target>, AwsError> {
        let port = port(arguments)?.or(self.group.port);
        let all = named(arguments)?.into_iter().map(|id| (id, port));
        let there = self.registered();
        Ok(all.filter(|(id, port)| there.contains(&label(id, *port)) != wanted).collect())
    }
}

/// Looks at the group, and says what would change. AWS has no dry-run for this.
pub(super) async fn foresee(context: &Context, arguments: &Value, wanted: bool) -> Result<Prediction, ActionError> {
    if is_unknown(&arguments["cloud"]) || is_unknown(&arguments["target_group"]) {
        return Ok(Prediction::unknown("which target group it is is not known yet"));
    }
    let seen = Seen::of(context, arguments).await?;
    let mut prediction = Prediction::probed(seen.facts());
    if seen.group.kind != "instance" {
        prediction.refusals.push(format!(
            "the target group {} takes targets of the kind `{}`, and instances are put into one of the kind `instance` alone",
            seen.group.name, seen.group.kind
        ));
    }
    if wanted && !seen.group.in_use {
        prediction.notes.push(format!(
            "no load balancer uses the target group {}: what is registered there gets no traffic, and its health is not looked at",
            seen.group.name
        ));
    }
    let what = format!("target group {} at {}", seen.group.name, seen.cloud.place());
    let before = format!("{} targets, {} healthy", seen.registered().len(), seen.healthy());
    if contains_unknown(arguments) {
        prediction.fidelity = Fidelity::Assumed;
        let after = if wanted { "the new instances too" } else { "some instances less" };
        prediction.changes.push(Change { what, before: Some(before), after: Some(after.to_owned()) });
        return Ok(prediction);
    }
    let missing = labels(&seen.missing(arguments, wanted)?);
    if !missing.is_empty() {
        let after = format!("{} {}", if wanted { "with" } else { "without" }, missing.join(", "));
        prediction.changes.push(Change { what, before: Some(before), after: Some(after) });
    }
    prediction.outputs = json!({ "changed": missing });
    Ok(prediction)
}

/// Puts in or out what is missing, and waits until the load balancer has it so.
pub(super) async fn act(context: &Context, call: &Call, wanted: bool) -> Report {
    let deadline = Instant::now() + call.timeout;
    let looked = async {
        let seen = Seen::of(context, &call.arguments).await?;
        let missing = seen.missing(&call.arguments, wanted)?;
        Ok::<_, AwsError>((seen, missing))
    };
    let (seen, missing) = match looked.await {
        Ok(looked) => looked,
        Err(error) => return Report::no_effect(error.to_string()),
    };
    if !missing.is_empty()
        && let Err(error) = seen.cloud.registered(&seen.group, &missing, wanted).await
    {
        return Report::from(error);
    }
    let all = match named(&call.arguments) {
        Ok(all) => all,
        Err(error) => return Report::no_effect(error.to_string()),
    };
    arrive(&seen, &all, &missing, wanted, deadline).await
}

/// Whether a target is as it is wanted: in and healthy (where anything looks at its health), or out and drained.
fn is_so(group: &TargetGroup, members: &[Member], id: &str, wanted: bool) -> bool {
    let mut own = members.iter().filter(|one| one.id == id).peekable();
    if !wanted {
        return own.peek().is_none();
    }
    own.any(|one| one.state == "healthy" || (!group.in_use && one.state == "unused"))
}

async fn arrive(seen: &Seen, all: &[String], changed: &[Target], wanted: bool, deadline: Instant) -> Report {
    let (mut pace, group) = (Pace::new(), &seen.group);
    let word = if wanted { "registered" } else { "taken out" };
    loop {
        let members = match seen.cloud.members(&group.arn).await {
            Ok(members) => members,
            Err(error) => {
                return Report::failed(format!(
                    "{} are {word} in {}, and nobody can see how they are: {error}",
                    all.join(", "),
                    group.name
                ));
            }
        };
        let healthy = members.iter().filter(|one| one.state == "healthy").count();
        let outputs = json!({ "changed": labels(changed), "healthy": healthy });
        let late: Vec<&String> = all.iter().filter(|id| !is_so(group, &members, id, wanted)).collect();
        if late.is_empty() {
            let text = format!("{} {word} in {}: {healthy} of its targets are healthy", all.join(", "), group.name);
            return Report::done(text, outputs);
        }
        if !pace.wait(deadline).await {
            let told: Vec<String> = members
                .iter()
                .filter(|one| late.contains(&&one.id))
                .map(|one| {
                    format!(
                        "{} is {}{}",
                        one.id,
                        one.state,
                        one.why.as_ref().map_or(String::new(), |why| format!(" ({why})"))
                    )
                })
                .collect();
            let text = format!("{word} in {}, and not as they should be in time: {}", group.name, told.join(", "));
            return Report::failed(text).with_outputs(outputs);
        }
    }
}

/// Whether they are as they were wanted.
pub(super) async fn settled(context: &Context, call: &Call, wanted: bool) -> Finding {
    let looked = async {
        let seen = Seen::of(context, &call.arguments).await?;
        let late = seen.missing(&call.arguments, wanted)?;
        let all = named(&call.arguments)?;
        let so = all.iter().all(|id| is_so(&seen.group, &seen.members, id, wanted));
        Ok::<_, AwsError>((seen.registered().join(", "), seen.healthy(), late.is_empty() && so, all))
    };
    match looked.await {
        Ok((evidence, healthy, true, all)) => {
            Finding::TookEffect { evidence, outputs: json!({ "changed": all, "healthy": healthy }) }
        }
        Ok((evidence, ..)) => Finding::CannotTell { evidence: format!("registered are: {evidence}") },
        Err(error) => Finding::CannotTell { evidence: error.to_string() },
    }
}

/// Takes out what was put in, or puts in what was taken out; what was so before stays.
pub(super) async fn put_back(context: &Context, call: &Call, wanted: bool) -> Report {
    let deadline = Instant::now() + call.timeout;
    let before: Vec<&str> =
        call.before["registered"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let put = async {
        let seen = Seen::of(context, &call.arguments).await?;
        if text(&call.before, "group").is_some_and(|group| group != seen.group.arn) {
            return Err(AwsError::Invalid(format!(
                "{} is another target group by now: nothing was changed",
                seen.group.name
            )));
        }
        let port = port(&call.arguments)?.or(seen.group.port);
        let here = seen.registered();
        let all = named(&call.arguments)?.into_iter().map(|id| (id, port));
        let ours: Vec<Target> =
            all.filter(|(id, port)| before.contains(&label(id, *port).as_str()) != wanted).collect();
        let late: Vec<Target> =
            ours.iter().filter(|(id, port)| here.contains(&label(id, *port)) == wanted).cloned().collect();
        if !late.is_empty() {
            seen.cloud.registered(&seen.group, &late, !wanted).await?;
        }
        Ok((seen, ours))
    };
    match put.await {
        Err(error) => Report::failed(format!("the target group is not as it was: {error}")),
        Ok((_, ours)) if ours.is_empty() => Report::done("they were so before, and stay so", Value::Null),
        Ok((seen, ours)) => {
            let all: Vec<String> = ours.iter().map(|(id, _)| id.clone()).collect();
            let report = arrive(&seen, &all, &ours, !wanted, deadline).await;
            Report { outputs: Value::Null, ..report }
        }
    }
}
