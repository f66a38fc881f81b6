//! The way back of `asg.scale`: the capacity of before, where it is still the one that the step set. What somebody else has set
//! since is theirs, and is left.

use std::time::Duration;

use tokio::time::Instant;

use super::model::Seen;
use super::scale::{hold, numbers};
use super::{command, group_name, look};
use crate::actions::aws::AwsError;
use crate::actions::aws::api::Cloud;
use crate::actions::by_hand::{value, word};
use crate::actions::{Call, Context};
use crate::outcome::Report;
use crate::value::Value;

/// How soon it is looked at again whether the number was taken.
const AGAIN: Duration = Duration::from_secs(1);

/// Sets the capacity of before, and says which instances the group may end.
pub(super) async fn restore(cloud: &Cloud, call: &Call, command: &str, deadline: Instant) -> Report {
    match try_restore(cloud, call, command, deadline).await {
        Ok(report) => report,
        Err(AwsError::Lost(text)) => Report::unknown(text),
        Err(error) => Report::failed(format!("{error}. {}", line(command, call))),
    }
}

async fn try_restore(cloud: &Cloud, call: &Call, command: &str, deadline: Instant) -> Result<Report, AwsError> {
    let name = group_name(&call.arguments)?;
    let (before, wanted) = numbers(call)?;
    if wanted == before {
        return Ok(Report::done(
            format!("{name} had {before} before, and this step told it nothing else"),
            Value::Null,
        ));
    }
    let seen = look(cloud, name).await?;
    hold(&seen, call)?;
    let now = seen.group.desired;
    if now == before {
        return Ok(Report::done(format!("{name} is told to have {before}, as before"), Value::Null));
    }
    if now != wanted {
        return Ok(Report::failed(format!(
            "somebody else told {name} to have {now} since (this step told it {wanted}, it was {before}): that is left as it is. If {before} is \
             right: {command} set-desired-capacity --auto-scaling-group-name {} --desired-capacity {before}",
            word(name)
        )));
    }
    cloud.set_capacity(name, before).await?;
    let mut after = look(cloud, name).await?;
    while after.group.desired != before && Instant::now() + AGAIN < deadline {
        tokio::time::sleep(AGAIN).await;
        after = look(cloud, name).await?;
    }
    if after.group.desired != before {
        return Ok(Report::failed(format!(
            "{name} was told to have {before} again, and says {}: somebody else has set it. Look at its activities",
            after.group.desired
        )));
    }
    Ok(Report::done(
        format!("{name} is told to have {before} again (was {now}){}", ends(&seen, call, now, before)),
        Value::Null,
    ))
}

/// Which instances the group may end for it.
fn ends(seen: &Seen, call: &Call, now: i64, before: i64) -> String {
    let staying = || seen.group.members.iter().filter(|member| !member.leaves());
    let may: Vec<&str> = staying().filter(|member| !member.protected).map(|member| member.id.as_str()).collect();
    if now < before {
        return String::new();
    }
    let former: Vec<&str> =
        call.before["instances"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let came: Vec<&str> = may.iter().copied().filter(|id| !former.contains(id)).collect();
    let by = if seen.group.ends_by.is_empty() { "Default".to_owned() } else { seen.group.ends_by.join(", ") };
    let came = if came.is_empty() {
        "none of them came with this step".to_owned()
    } else {
        format!("{} came with this step", came.join(", "))
    };
    let held = if seen.group.is_suspended("Terminate") {
        "; its Terminate process is suspended, so none ends by now"
    } else {
        ""
    };
    format!("; by its own policy ({by}) it may end {} of {}: {came}{held}", now - before, may.join(", "))
}

/// What a person does where this cannot.
pub(super) fn by_person(context: &Context, call: &Call) -> String {
    line(&command(&context.inventory, &call.arguments), call)
}

fn line(command: &str, call: &Call) -> String {
    let name = word(&value(&call.arguments, "group"));
    match numbers(call) {
        Ok((before, wanted)) => format!(
            "It is not put back: look at the group; if it is still told to have {wanted}: {command} set-desired-capacity \
             --auto-scaling-group-name {name} --desired-capacity {before}"
        ),
        Err(_) => format!("It is not put back: look at the group {name}"),
    }
}
