//! Elastic Load Balancing: target groups and what is registered in them. It knows no health but the load balancer's own.

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::types::TargetDescription;

use super::super::AwsError;
use super::super::seen::{Member, TargetGroup};
use super::{Cloud, told};

impl Cloud {
    /// A target group by its name or ARN.
    ///
    /// # Errors
    /// When there is none.
    pub(in crate::actions::aws) async fn target_group(&self, group: &str) -> Result<TargetGroup, AwsError> {
        let asked = Client::new(self.reads()).describe_target_groups();
        let asked = if group.starts_with("arn:") { asked.target_group_arns(group) } else { asked.names(group) };
        let what = format!("the target group {group} (DescribeTargetGroups)");
        let said = asked.send().await.map_err(|error| told(self, &what, error))?;
        let found = said.target_groups().first();
        let found = found.ok_or_else(|| AwsError::Invalid(format!("{what}: there is none")))?;
        Ok(TargetGroup {
            arn: found.target_group_arn().unwrap_or_default().to_owned(),
            name: found.target_group_name().unwrap_or_default().to_owned(),
            kind: found.target_type().map_or("instance", |kind| kind.as_str()).to_owned(),
            port: found.port(),
            in_use: !found.load_balancer_arns().is_empty(),
        })
    }

    /// What is registered in it, with its health as the load balancer sees it.
    pub(in crate::actions::aws) async fn members(&self, arn: &str) -> Result<Vec<Member>, AwsError> {
        let asked = Client::new(self.reads()).describe_target_health().target_group_arn(arn);
        let said =
            asked.send().await.map_err(|error| told(self, "a look at the targets (DescribeTargetHealth)", error))?;
        let read = said.target_health_descriptions().iter().filter_map(|one| {
            let (target, health) = (one.target()?, one.target_health());
            Some(Member {
                id: target.id().unwrap_or_default().to_owned(),
                port: target.port(),
                state: health
                    .and_then(|health| health.state())
                    .map_or("unavailable", |state| state.as_str())
                    .to_owned(),
                why: health.and_then(|health| health.description()).map(str::to_owned),
            })
        });
        let mut found: Vec<Member> = read.collect();
        found.sort_by(|a, b| (&a.id, a.port).cmp(&(&b.id, b.port)));
        Ok(found)
    }

    /// Registers targets at a port, or takes them out; either may be said twice.
    pub(in crate::actions::aws) async fn registered(
        &self,
        group: &TargetGroup,
        targets: &[(String, Option<i32>)],
        wanted: bool,
    ) -> Result<(), AwsError> {
        let client = Client::new(self.changes());
        let list: Vec<_> =
            targets.iter().map(|(id, port)| TargetDescription::builder().id(id).set_port(*port).build()).collect();
        let (word, request) =
            if wanted { ("registering", "RegisterTargets") } else { ("taking out", "DeregisterTargets") };
        let ids = targets.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>().join(", ");
        let what = format!("{word} {ids} in {} ({request})", group.name);
        self.patiently(|| async {
            let list = Some(list.clone());
            if wanted {
                let sent = client.register_targets().target_group_arn(&group.arn).set_targets(list).send().await;
                sent.map(drop).map_err(|error| told(self, &what, error))
            } else {
                let sent = client.deregister_targets().target_group_arn(&group.arn).set_targets(list).send().await;
                sent.map(drop).map_err(|error| told(self, &what, error))
            }
        })
        .await
    }
}
