//! Scaling groups of EC2: looked at, and told how much capacity to have. A group launches and ends its instances itself; it is
//! never told to end a certain one here, and its own limits are never moved.

mod foresee;
mod held;
pub(super) mod model;
#[cfg(not(feature = "ec2"))]
mod nowhere;
mod others;
mod room;
mod scale;
mod status;
mod undo;
mod watch;

#[cfg(all(test, feature = "ec2"))]
mod tests;

use std::sync::Arc;

pub use scale::Scale;
pub use status::Status;

use self::model::{Seen, Targets};
use self::others::{Beside, Others};
use super::AwsError;
use super::api::Cloud;
use crate::actions::Action;
use crate::actions::by_hand::{comment, value, word};
use crate::inventory::Inventory;
use crate::spec::FieldSpec;
use crate::value::{Type, Value};

/// The actions on scaling groups, for the table.
pub(super) fn all() -> Vec<Arc<dyn Action>> {
    vec![Arc::new(Scale), Arc::new(Status)]
}

fn inputs() -> Vec<FieldSpec> {
    vec![super::cloud_input(), FieldSpec::required("group", Type::String, "the scaling group's name")]
}

fn texts() -> Type {
    Type::List(Box::new(Type::String))
}

/// What is known of a group before it is acted on.
fn facts() -> Vec<FieldSpec> {
    vec![
        super::account_fact(),
        FieldSpec::required("arn", Type::String, "what the group is known by: one made anew has another one")
            .identity(),
        FieldSpec::required("desired", Type::Integer, "the capacity that it was told to have"),
        FieldSpec::required("min", Type::Integer, "the least that it keeps"),
        FieldSpec::required("max", Type::Integer, "the most that anybody may ask for"),
        FieldSpec::required(
            "healthy",
            Type::Integer,
            "the capacity that serves: in service, healthy, in its target groups",
        )
        .volatile(),
        FieldSpec::required("instances", texts(), "the ids of its instances, without those that leave").volatile(),
        FieldSpec::required("suspended", texts(), "what of its work it was told to leave alone, such as Launch"),
        FieldSpec::required("others", texts(), "who else would move its numbers, and the command that holds them")
            .volatile(),
        FieldSpec::optional("activity", Type::String, "the id of the newest thing that it did").volatile(),
    ]
}

/// The group's name, where it may be one: it goes to AWS as an argument of its own, and into lines for people.
fn group_name(arguments: &Value) -> Result<&str, AwsError> {
    let name = super::needed(arguments, "group")?;
    let plain = |letter: char| !letter.is_control() && letter != ':';
    if name.is_empty() || name.len() > 255 || !name.chars().all(plain) {
        return Err(AwsError::Invalid(format!(
            "`{}` is no name of a scaling group: it has from 1 to 255 letters, and none of them is a colon",
            name.escape_debug()
        )));
    }
    Ok(name)
}

/// Looks at a group and at whom its target groups send clients to.
async fn look(cloud: &Cloud, name: &str) -> Result<Seen, AwsError> {
    let Some(group) = cloud.group(name).await? else {
        return Err(AwsError::Invalid(format!(
            "there is no scaling group `{name}` in {}: nothing was changed. `aws autoscaling describe-auto-scaling-groups` lists those \
             that there are",
            cloud.place()
        )));
    };
    let mut seen = Seen { group, ..Seen::default() };
    for arn in seen.group.target_groups.clone() {
        match cloud.members(&arn).await {
            Ok(members) => {
                let states = members.into_iter().map(|member| (member.id, member.state, member.why)).collect();
                seen.targets.push(Targets { arn, states });
            }
            // Whoever may not look at a balancer may scale all the same, and is told what is not seen.
            Err(AwsError::Denied(why)) => seen.unseen.push(why),
            Err(error) => return Err(error),
        }
    }
    Ok(seen)
}

/// Who else moves a group's numbers.
async fn others(cloud: &Cloud, seen: &Seen, command: &str) -> Others {
    let name = &seen.group.name;
    let (policies, schedules, refreshes) =
        tokio::join!(cloud.policies(name), cloud.schedules(name), cloud.refreshes(name));
    let beside = Beside {
        policies: policies.map_err(unseen),
        schedules: schedules.map_err(unseen),
        refreshes: refreshes.map_err(unseen),
    };
    beside.others(&seen.group, command)
}

/// Why something could not be looked at. What nobody knows after a change that got no answer is no question after a look.
fn unseen(error: AwsError) -> String {
    let text = error.to_string();
    ["; nobody knows", ", so nobody knows"]
        .iter()
        .fold(text.as_str(), |text, end| text.split(end).next().unwrap_or(text))
        .to_owned()
}

/// AWS's own command line for scaling groups, in the cloud that the arguments name.
fn command(inventory: &Inventory, arguments: &Value) -> String {
    let Ok(cloud) = inventory.cloud(&value(arguments, "cloud")) else { return "aws autoscaling".to_owned() };
    let mut line = format!("aws --region {}", word(&cloud.region));
    for (option, given) in [("profile", &cloud.profile), ("endpoint-url", &cloud.endpoint)] {
        line.extend(given.iter().map(|given| format!(" --{option} {}", word(given))));
    }
    format!("{line} autoscaling")
}

/// How a person looks at a group.
fn look_by_hand(inventory: &Inventory, arguments: &Value) -> Vec<String> {
    let (command, name) = (command(inventory, arguments), word(&value(arguments, "group")));
    vec![
        format!(
            "{command} describe-auto-scaling-groups --auto-scaling-group-names {name} --query \
             'AutoScalingGroups[].[DesiredCapacity,MinSize,MaxSize,SuspendedProcesses,Instances[].[InstanceId,LifecycleState,HealthStatus]]'"
        ),
        format!("{command} describe-scaling-activities --auto-scaling-group-name {name} --max-items 5"),
        comment(
            "good: as many instances as are desired, each InService and Healthy; the activities say what holds it up",
        ),
    ]
}
