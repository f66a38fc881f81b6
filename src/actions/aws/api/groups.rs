//! Scaling groups as the SDK knows them. It makes plain data of the answers and decides nothing. What stands beside a group is
//! asked for once: a look that is not allowed does not hold up a recovery.

use aws_sdk_autoscaling as sdk;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

use super::{Cloud, told};
use crate::actions::aws::AwsError;
use crate::actions::aws::group::model::{Activity, Group, Member, Policy, Refresh, Schedule};

/// How many activities are read: what a group tried last, and a little before.
const ACTIVITIES: i32 = 50;
/// How many policies, schedules and the like are read: no group is allowed more than some hundreds.
const MOST: i32 = 100;

impl Cloud {
    /// A scaling group by its name; nothing where there is none.
    pub(in crate::actions::aws) async fn group(&self, name: &str) -> Result<Option<Group>, AwsError> {
        let asked = sdk::Client::new(self.reads()).describe_auto_scaling_groups().auto_scaling_group_names(name);
        let said =
            asked.send().await.map_err(|error| told(self, "the scaling group (DescribeAutoScalingGroups)", error))?;
        let found = said.auto_scaling_groups.unwrap_or_default().into_iter();
        Ok(found.map(group).find(|group| group.name == name))
    }

    /// Tells a group how much capacity to have. Sent once; again only where AWS says that it did not take it.
    pub(in crate::actions::aws) async fn set_capacity(&self, name: &str, capacity: i64) -> Result<(), AwsError> {
        let capacity = i32::try_from(capacity)
            .map_err(|_| AwsError::Invalid(format!("{capacity} is more than any scaling group can have")))?;
        let client = sdk::Client::new(self.changes());
        let send = || {
            let asked = client.set_desired_capacity().auto_scaling_group_name(name).desired_capacity(capacity);
            let asked = asked.honor_cooldown(false);
            async {
                asked
                    .send()
                    .await
                    .map(|_| ())
                    .map_err(|error| told(self, "the new capacity (SetDesiredCapacity)", error))
            }
        };
        self.patiently(send).await
    }

    /// What a group did and tries to do, newest first.
    pub(in crate::actions::aws) async fn activities(&self, name: &str) -> Result<Vec<Activity>, AwsError> {
        let client = sdk::Client::new(self.changes());
        let asked = client.describe_scaling_activities().auto_scaling_group_name(name).max_records(ACTIVITIES);
        let said =
            asked.send().await.map_err(|error| told(self, "what the group did (DescribeScalingActivities)", error))?;
        Ok(said.activities.unwrap_or_default().into_iter().map(activity).collect())
    }

    /// A group's scaling policies.
    pub(in crate::actions::aws) async fn policies(&self, name: &str) -> Result<Vec<Policy>, AwsError> {
        let client = sdk::Client::new(self.changes());
        let asked = client.describe_policies().auto_scaling_group_name(name).max_records(MOST);
        let said = asked.send().await.map_err(|error| told(self, "its scaling policies (DescribePolicies)", error))?;
        let policy = |one: sdk::types::ScalingPolicy| Policy {
            name: clean(one.policy_name),
            kind: clean(one.policy_type),
            enabled: one.enabled.unwrap_or(true),
        };
        Ok(said.scaling_policies.unwrap_or_default().into_iter().map(policy).collect())
    }

    /// A group's schedules.
    pub(in crate::actions::aws) async fn schedules(&self, name: &str) -> Result<Vec<Schedule>, AwsError> {
        let client = sdk::Client::new(self.changes());
        let asked = client.describe_scheduled_actions().auto_scaling_group_name(name).max_records(MOST);
        let said = asked.send().await.map_err(|error| told(self, "its schedules (DescribeScheduledActions)", error))?;
        Ok(said.scheduled_update_group_actions.unwrap_or_default().into_iter().map(schedule).collect())
    }

    /// The replacements of a group's instances that are under way.
    pub(in crate::actions::aws) async fn refreshes(&self, name: &str) -> Result<Vec<Refresh>, AwsError> {
        let client = sdk::Client::new(self.changes());
        let asked = client.describe_instance_refreshes().auto_scaling_group_name(name).max_records(10);
        let said = asked
            .send()
            .await
            .map_err(|error| told(self, "its instance refreshes (DescribeInstanceRefreshes)", error))?;
        let over = ["Successful", "Failed", "Cancelled", "RollbackSuccessful", "RollbackFailed"];
        let refresh = |one: sdk::types::InstanceRefresh| Refresh {
            id: clean(one.instance_refresh_id),
            status: one.status.map(|status| clean(Some(status.as_str().to_owned()))).unwrap_or_default(),
            percent: one.percentage_complete.map(i64::from),
        };
        let all = said.instance_refreshes.unwrap_or_default().into_iter().map(refresh);
        Ok(all.filter(|one| !over.contains(&one.status.as_str())).collect())
    }
}

fn group(said: sdk::types::AutoScalingGroup) -> Group {
    Group {
        name: said.auto_scaling_group_name.unwrap_or_default(),
        arn: clean(said.auto_scaling_group_arn),
        min: said.min_size.unwrap_or_default().into(),
        max: said.max_size.unwrap_or_default().into(),
        desired: said.desired_capacity.unwrap_or_default().into(),
        members: said.instances.unwrap_or_default().into_iter().map(member).collect(),
        suspended: said
            .suspended_processes
            .unwrap_or_default()
            .into_iter()
            .map(|one| clean(one.process_name))
            .collect(),
        target_groups: target_groups(said.target_group_arns, said.traffic_sources),
        load_balancers: said.load_balancer_names.unwrap_or_default(),
        ends_by: said.termination_policies.unwrap_or_default().into_iter().map(|one| clean(Some(one))).collect(),
        mixed: said.mixed_instances_policy.is_some(),
        leaving: said.status.map(|status| clean(Some(status))),
    }
}

/// The same target group may stand in both places.
fn target_groups(arns: Option<Vec<String>>, sources: Option<Vec<sdk::types::TrafficSourceIdentifier>>) -> Vec<String> {
    let mut all = arns.unwrap_or_default();
    let of_sources = sources.unwrap_or_default().into_iter().filter_map(|source| source.identifier);
    all.extend(of_sources.filter(|arn| arn.contains(":elasticloadbalancing:") && arn.contains(":targetgroup/")));
    all.sort();
    all.dedup();
    all
}

fn member(said: sdk::types::Instance) -> Member {
    Member {
        id: clean(said.instance_id),
        kind: clean(said.instance_type),
        zone: clean(said.availability_zone),
        lifecycle: said.lifecycle_state.map(|state| clean(Some(state.as_str().to_owned()))).unwrap_or_default(),
        health: clean(said.health_status),
        weight: said.weighted_capacity.and_then(|weight| weight.parse().ok()).unwrap_or(1),
        protected: said.protected_from_scale_in.unwrap_or_default(),
    }
}

fn activity(said: sdk::types::Activity) -> Activity {
    Activity {
        id: clean(said.activity_id),
        what: clean(said.description),
        cause: clean(said.cause),
        status: said.status_code.map(|status| clean(Some(status.as_str().to_owned()))).unwrap_or_default(),
        message: said.status_message.map(|text| clean(Some(text))).filter(|text| !text.is_empty()),
        began: said.start_time.as_ref().and_then(time).unwrap_or_default(),
    }
}

fn schedule(said: sdk::types::ScheduledUpdateGroupAction) -> Schedule {
    let next = said.start_time.or(said.time);
    let numbers = [("min", said.min_size), ("max", said.max_size), ("desired", said.desired_capacity)];
    let sets = numbers.iter().filter_map(|(name, number)| number.map(|number| format!("{name} {number}")));
    let now = DateTime::from(std::time::SystemTime::now()).secs();
    Schedule {
        name: clean(said.scheduled_action_name),
        next: next.as_ref().and_then(time),
        in_seconds: next.map(|next| next.secs() - now),
        sets: sets.collect::<Vec<_>>().join(", "),
    }
}

fn time(at: &DateTime) -> Option<String> {
    at.fmt(Format::DateTime).ok()
}

/// How much of one text of the API is kept.
const LONGEST: usize = 600;

/// A text of the API in one line: what others wrote into it moves nobody's screen.
fn clean(text: Option<String>) -> String {
    let text = text.unwrap_or_default();
    let words =
        text.split(|letter: char| letter.is_whitespace() || letter.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().take(LONGEST).collect()
}
