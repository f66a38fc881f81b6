//! EC2: instances and launch templates. Ids that AWS does not know are an error here, and what that means the caller says:
//! right after a launch it means nothing.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{
    AttributeValue, Filter, InstanceLifecycleType, InstanceType, LaunchTemplateSpecification, ResourceType, Tag,
    TagSpecification,
};

use super::super::AwsError;
use super::super::seen::{Instance, KEY_TAG, Launch, Mode, TEMPLATE_TAG, Template, Verb};
use super::{Cloud, told};

/// The most instances that are read into memory.
const MOST: usize = 5000;

impl Cloud {
    /// Instances by their ids.
    ///
    /// # Errors
    /// `InvalidInstanceID.NotFound` where AWS does not know one of them, or not yet.
    pub(in crate::actions::aws) async fn instances(&self, ids: &[String]) -> Result<Vec<Instance>, AwsError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.described(Client::new(self.reads()).describe_instances().set_instance_ids(Some(ids.to_vec()))).await
    }

    /// Instances that carry a tag, also those that are gone as long as AWS remembers them.
    pub(in crate::actions::aws) async fn tagged(&self, name: &str, value: &str) -> Result<Vec<Instance>, AwsError> {
        // A filter's value knows the wildcards * and ?; a key of ours has none.
        let filter = Filter::builder().name(format!("tag:{name}")).values(value).build();
        let found = self.described(Client::new(self.reads()).describe_instances().filters(filter)).await?;
        Ok(found.into_iter().filter(|one| one.tags.get(name).is_some_and(|tag| tag == value)).collect())
    }

    /// Every instance of the account in this region that runs or is starting.
    pub(in crate::actions::aws) async fn running(&self) -> Result<Vec<Instance>, AwsError> {
        let filter = Filter::builder().name("instance-state-name").values("pending").values("running").build();
        self.described(Client::new(self.reads()).describe_instances().filters(filter)).await
    }

    async fn described(
        &self,
        asked: aws_sdk_ec2::operation::describe_instances::builders::DescribeInstancesFluentBuilder,
    ) -> Result<Vec<Instance>, AwsError> {
        let mut pages = asked.into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| told(self, "a look at instances (DescribeInstances)", error))?;
            for reservation in page.reservations() {
                found.extend(reservation.instances().iter().map(instance));
            }
            if found.len() > MOST {
                return Err(AwsError::Invalid(format!("there are more than {MOST} instances at {}", self.place())));
            }
        }
        found.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(found)
    }

    /// A version of a launch template: `lt-…` or its name; a number, `$Default` or `$Latest`.
    pub(in crate::actions::aws) async fn template(&self, template: &str, version: &str) -> Result<Template, AwsError> {
        let asked = Client::new(self.reads()).describe_launch_template_versions().versions(version);
        let asked = match template.starts_with("lt-") {
            true => asked.launch_template_id(template),
            false => asked.launch_template_name(template),
        };
        let what = format!("the launch template {template} (DescribeLaunchTemplateVersions)");
        let said = asked.send().await.map_err(|error| told(self, &what, error))?;
        let found = said.launch_template_versions().first();
        let found = found.ok_or_else(|| AwsError::Invalid(format!("{what}: it has no version {version}")))?;
        let data = found.launch_template_data();
        Ok(Template {
            id: found.launch_template_id().unwrap_or_default().to_owned(),
            version: found.version_number().unwrap_or_default(),
            kind: data.and_then(|data| data.instance_type()).map(|kind| kind.as_str().to_owned()),
            image: data.and_then(|data| data.image_id()).map(str::to_owned),
            spot: data.is_some_and(|data| data.instance_market_options().is_some()),
        })
    }

    /// How many virtual processors an instance type has.
    pub(in crate::actions::aws) async fn vcpus(&self, kind: &str) -> Result<Option<i64>, AwsError> {
        let asked = Client::new(self.reads()).describe_instance_types().instance_types(InstanceType::from(kind));
        let what = format!("the instance type {kind} (DescribeInstanceTypes)");
        let said = asked.send().await.map_err(|error| told(self, &what, error))?;
        let info = said.instance_types().first().and_then(|kind| kind.v_cpu_info());
        Ok(info.and_then(|info| info.default_v_cpus()).map(i64::from))
    }

    /// Launches all of them or none; a dry-run gives nothing back.
    pub(in crate::actions::aws) async fn launch(&self, launch: &Launch, mode: Mode) -> Result<Vec<Instance>, AwsError> {
        let client = Client::new(self.changes());
        let template = &launch.template;
        let specification = LaunchTemplateSpecification::builder()
            .launch_template_id(&template.id)
            .version(template.version.to_string())
            .build();
        let what = format!("the launch of {} (RunInstances)", launch.count);
        let sent = self
            .patiently(|| {
                let asked = client
                    .run_instances()
                    .launch_template(specification.clone())
                    .min_count(launch.count)
                    .max_count(launch.count)
                    .set_subnet_id(launch.subnet.clone())
                    .set_instance_type(launch.kind.as_deref().map(InstanceType::from))
                    .client_token(token(&launch.key))
                    .tag_specifications(tags(launch))
                    .dry_run(mode == Mode::DryRun);
                async { asked.send().await.map_err(|error| told(self, &what, error)) }
            })
            .await;
        match (sent, mode) {
            (Err(error), Mode::DryRun) if error.is("DryRunOperation") => Ok(Vec::new()),
            (Ok(_), Mode::DryRun) => Err(AwsError::Invalid(format!("{what}: a dry-run was answered with a launch"))),
            (sent, _) => Ok(sent?.instances().iter().map(instance).collect()),
        }
    }

    /// Tells instances to start, stop, reboot or end.
    pub(in crate::actions::aws) async fn tell(&self, verb: Verb, ids: &[String], mode: Mode) -> Result<(), AwsError> {
        let (client, list) = (Client::new(self.changes()), Some(ids.to_vec()));
        let dry = mode == Mode::DryRun;
        let what = format!("telling {} to {} ({})", ids.join(", "), verb.word(), verb.request());
        let sent = self
            .patiently(|| async {
                match verb {
                    Verb::Start => {
                        let asked = client.start_instances().set_instance_ids(list.clone()).dry_run(dry).send();
                        asked.await.map(drop).map_err(|error| told(self, &what, error))
                    }
                    Verb::Stop => {
                        let asked = client.stop_instances().set_instance_ids(list.clone()).dry_run(dry).send();
                        asked.await.map(drop).map_err(|error| told(self, &what, error))
                    }
                    Verb::Reboot => {
                        let asked = client.reboot_instances().set_instance_ids(list.clone()).dry_run(dry).send();
                        asked.await.map(drop).map_err(|error| told(self, &what, error))
                    }
                    Verb::Terminate => {
                        let asked = client.terminate_instances().set_instance_ids(list.clone()).dry_run(dry).send();
                        asked.await.map(drop).map_err(|error| told(self, &what, error))
                    }
                }
            })
            .await;
        tried(sent, mode)
    }

    /// Gives a stopped instance another type.
    pub(in crate::actions::aws) async fn modify_type(&self, id: &str, kind: &str, mode: Mode) -> Result<(), AwsError> {
        let client = Client::new(self.changes());
        let value = AttributeValue::builder().value(kind).build();
        let what = format!("giving {id} the type {kind} (ModifyInstanceAttribute)");
        let sent = self
            .patiently(|| {
                let asked = client.modify_instance_attribute().instance_id(id).instance_type(value.clone());
                let asked = asked.dry_run(mode == Mode::DryRun);
                async { asked.send().await.map(drop).map_err(|error| told(self, &what, error)) }
            })
            .await;
        tried(sent, mode)
    }
}

/// A dry-run that AWS would have carried out is one that holds.
fn tried(sent: Result<(), AwsError>, mode: Mode) -> Result<(), AwsError> {
    match (sent, mode) {
        (Err(error), Mode::DryRun) if error.is("DryRunOperation") => Ok(()),
        (sent, _) => sent,
    }
}

/// What AWS takes for the same request, from the key: at most 64 letters.
fn token(key: &str) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn tags(launch: &Launch) -> TagSpecification {
    let tag = |name: &str, value: &str| Tag::builder().key(name).value(value).build();
    let name = launch.name.as_deref().map(|name| tag("Name", name));
    TagSpecification::builder()
        .resource_type(ResourceType::Instance)
        .set_tags(Some(
            [tag(KEY_TAG, &launch.key), tag(TEMPLATE_TAG, &launch.template.id)].into_iter().chain(name).collect(),
        ))
        .build()
}

fn instance(one: &aws_sdk_ec2::types::Instance) -> Instance {
    let tags =
        one.tags().iter().filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned())));
    let cpu = one.cpu_options().and_then(|cpu| Some(i64::from(cpu.core_count()?) * i64::from(cpu.threads_per_core()?)));
    let reason = one.state_reason().and_then(|reason| reason.message());
    Instance {
        id: one.instance_id().unwrap_or_default().to_owned(),
        state: one.state().and_then(|state| state.name()).map_or("pending", |name| name.as_str()).to_owned(),
        kind: one.instance_type().map_or("", |kind| kind.as_str()).to_owned(),
        address: one.private_ip_address().map(str::to_owned),
        tags: tags.collect(),
        vcpus: cpu,
        on_demand: one.instance_lifecycle() != Some(&InstanceLifecycleType::Spot),
        reason: reason.map(|text| text.chars().filter(|letter| !letter.is_control()).take(200).collect()),
    }
}
