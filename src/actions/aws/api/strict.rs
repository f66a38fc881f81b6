//! Scaling groups as the API's reference describes them, for tests: with the checks and the delays that the lab's server does
//! not have, and with faults at any request. It keeps what really happened, which no answer can hide.

use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use tokio::sync::Notify;

use super::Cloud;
use super::replay::{ACCOUNT, Answer, identity, query_error, through};

/// What goes wrong with one request.
#[derive(Debug, Clone)]
pub(in crate::actions::aws) enum Fault {
    /// It is answered with this instead.
    Says(u16, &'static str, &'static str),
    /// It is not carried out, and no answer comes.
    LostBefore,
    /// It is carried out, and no answer comes.
    LostAfter,
    /// Whoever asks dies while it waits; whether it was carried out.
    Dies(bool),
}

/// What became of the launches of the group.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::actions::aws) enum Launches {
    /// They are in service after so many looks.
    #[default]
    Soon,
    /// Each fails with this.
    Fail(&'static str),
    /// They stay where they are.
    Hang,
}

/// The group as it really is.
#[derive(Debug, Clone, Default)]
pub(in crate::actions::aws) struct Real {
    pub desired: i64,
    pub min: i64,
    pub max: i64,
    /// Each instance: its number, and the looks that it needs until it is in service.
    pub instances: Vec<(u32, u32)>,
    pub launches: Launches,
    /// Bodies of members of a list, as XML, for the looks beside it.
    pub suspended: String,
    pub policies: String,
    pub target_group: bool,
    /// The account's limit of virtual processors, and whether its instances are spot ones; else nobody knows their type.
    pub limit: Option<(i64, bool)>,
    /// How many looks the answers lag behind a change.
    pub lag: u32,
    /// The numbers that were set, in their order.
    pub set: Vec<i64>,
    /// The most instances that there ever were.
    pub most: usize,
    /// The actions that were asked for, in their order.
    pub asked: Vec<String>,
    /// Faults, by the number of the request (from 0) or by the action.
    pub faults: Vec<(At, Fault)>,
    failures: u32,
    next: u32,
    old: Option<(i64, u32)>,
}

/// Which request.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::actions::aws) enum At {
    /// The one with this number.
    Number(usize),
    /// The next of this action, once.
    Next(&'static str),
    /// All of this action.
    All(&'static str),
}

/// The group, and whoever watches it.
#[derive(Debug, Clone, Default)]
pub(in crate::actions::aws) struct Strict {
    pub real: Arc<Mutex<Real>>,
    /// Told when whoever asks is to die.
    pub dies: Arc<Notify>,
}

impl Strict {
    /// A group `web` of a size, with its limits.
    pub(in crate::actions::aws) fn of(desired: i64, min: i64, max: i64) -> Self {
        let strict = Self::default();
        strict.with(|real| {
            (real.desired, real.min, real.max) = (desired, min, max);
            real.grow();
            real.instances.iter_mut().for_each(|instance| instance.1 = 0);
        });
        strict
    }

    /// Reads or changes what really is.
    pub(in crate::actions::aws) fn with<T>(&self, change: impl FnOnce(&mut Real) -> T) -> T {
        change(&mut self.real.lock().unwrap())
    }

    /// Lets a request go wrong.
    pub(in crate::actions::aws) fn fault(&self, at: At, fault: Fault) {
        self.with(|real| real.faults.push((at, fault)));
    }

    /// The way to it; asking whose credentials these are is not counted.
    pub(in crate::actions::aws) async fn cloud(&self) -> Cloud {
        through(self.clone(), Some(ACCOUNT)).await.unwrap()
    }
}

impl Real {
    fn grow(&mut self) {
        while (self.instances.len() as i64) < self.desired && !matches!(self.launches, Launches::Fail(_)) {
            self.next += 1;
            let looks = if matches!(self.launches, Launches::Hang) { u32::MAX } else { 2 };
            self.instances.push((self.next, looks));
        }
        // The Default policy of a group without a better reason: the oldest go.
        let surplus = self.instances.len().saturating_sub(usize::try_from(self.desired).unwrap());
        self.instances.drain(..surplus);
        self.most = self.most.max(self.instances.len());
    }

    fn fault_of(&mut self, action: &str) -> Option<Fault> {
        let number = self.asked.len() - 1;
        let here = |at: &At| match at {
            At::Number(which) => *which == number,
            At::Next(which) | At::All(which) => *which == action,
        };
        let index = self.faults.iter().position(|(at, _)| here(at))?;
        if matches!(self.faults[index].0, At::All(_)) {
            return Some(self.faults[index].1.clone());
        }
        Some(self.faults.remove(index).1)
    }

    fn set(&mut self, form: &Form) -> Answer {
        if form.get("AutoScalingGroupName") != "web" {
            // What the API says of it, where the lab's server falls over.
            let text =
                format!("AutoScalingGroup name not found - AutoScalingGroup: {}", form.get("AutoScalingGroupName"));
            return query_error(400, "ValidationError", &text);
        }
        let wanted: i64 = form.get("DesiredCapacity").parse().unwrap();
        if wanted > self.max || wanted < self.min {
            let (word, limit) = if wanted > self.max { ("above max", self.max) } else { ("below min", self.min) };
            let text =
                format!("New SetDesiredCapacity value {wanted} is {word} value {limit} for the AutoScalingGroup.");
            return query_error(400, "ValidationError", &text);
        }
        self.old = Some((self.desired, self.lag));
        self.desired = wanted;
        self.set.push(wanted);
        self.grow();
        Answer::Says(200, "<SetDesiredCapacityResponse><ResponseMetadata/></SetDesiredCapacityResponse>".to_owned())
    }

    fn describe(&mut self, form: &Form) -> Answer {
        if form.get("AutoScalingGroupNames.member.1") != "web" {
            return list("DescribeAutoScalingGroups", "AutoScalingGroups", "");
        }
        let desired = match &mut self.old {
            Some((old, left)) if *left > 0 => {
                *left -= 1;
                *old
            }
            _ => self.desired,
        };
        let kind = if self.limit.is_some() { "<InstanceType>m5.large</InstanceType>" } else { "" };
        let mut members = String::new();
        for (number, looks) in &mut self.instances {
            let state = if *looks == 0 { "InService" } else { "Pending" };
            *looks = looks.saturating_sub(u32::from(*looks != u32::MAX));
            members.push_str(&format!(
                "<member><InstanceId>i-{number}</InstanceId>{kind}<AvailabilityZone>eu-central-1a</AvailabilityZone><LifecycleState>{state}\
                 </LifecycleState><HealthStatus>Healthy</HealthStatus><ProtectedFromScaleIn>false</ProtectedFromScaleIn></member>"
            ));
        }
        let (min, max, suspended) = (self.min, self.max, &self.suspended);
        let targets = if self.target_group { format!("<member>{TARGETS}</member>") } else { String::new() };
        list(
            "DescribeAutoScalingGroups",
            "AutoScalingGroups",
            &format!(
                "<member><AutoScalingGroupName>web</AutoScalingGroupName><AutoScalingGroupARN>arn:aws:autoscaling:web</AutoScalingGroupARN>\
                 <MinSize>{min}</MinSize><MaxSize>{max}</MaxSize><DesiredCapacity>{desired}</DesiredCapacity><TargetGroupARNs>{targets}\
                 </TargetGroupARNs><Instances>{members}</Instances><SuspendedProcesses>{suspended}</SuspendedProcesses>\
                 <TerminationPolicies><member>Default</member></TerminationPolicies></member>"
            ),
        )
    }

    fn activities(&mut self) -> Answer {
        let mut all = String::new();
        if let (Launches::Fail(text), true) = (self.launches, (self.instances.len() as i64) < self.desired) {
            self.failures += 1;
            for number in (1..=self.failures).rev() {
                all.push_str(&format!(
                    "<member><ActivityId>f-{number}</ActivityId><Description>Launching a new EC2 instance. Status Reason: {text}</Description>\
                     <Cause>an instance was started in response to a difference between desired and actual capacity</Cause>\
                     <StatusCode>Failed</StatusCode><StatusMessage>{text}</StatusMessage><StartTime>2026-11-23T03:00:00Z</StartTime></member>"
                ));
            }
        }
        all.push_str("<member><ActivityId>old</ActivityId><StatusCode>Failed</StatusCode><StatusMessage>The image id 'ami-0' does not exist\
                      </StatusMessage><Cause>At 03:00 a user request explicitly set group desired capacity</Cause></member>");
        list("DescribeScalingActivities", "Activities", &all)
    }

    fn health(&self) -> Answer {
        let states = self.instances.iter().map(|(number, looks)| {
            let state = if *looks == 0 { "healthy" } else { "initial" };
            format!("<member><Target><Id>i-{number}</Id></Target><TargetHealth><State>{state}</State></TargetHealth></member>")
        });
        list("DescribeTargetHealth", "TargetHealthDescriptions", &states.collect::<String>())
    }

    fn running(&self) -> Answer {
        let life =
            if self.limit.is_some_and(|(_, spot)| spot) { "<instanceLifecycle>spot</instanceLifecycle>" } else { "" };
        let all = self.instances.iter().map(|(number, _)| {
            format!(
                "<item><instanceId>i-{number}</instanceId><instanceType>m5.large</instanceType>{life}<instanceState><code>16</code>\
                 <name>running</name></instanceState><cpuOptions><coreCount>1</coreCount><threadsPerCore>2</threadsPerCore></cpuOptions></item>"
            )
        });
        let all = all.collect::<String>();
        let set = format!("<reservationSet><item><instancesSet>{all}</instancesSet></item></reservationSet>");
        Answer::Says(200, format!("<DescribeInstancesResponse>{set}</DescribeInstancesResponse>"))
    }

    fn answer(&mut self, form: &Form) -> Answer {
        match form.get("Action") {
            "SetDesiredCapacity" => self.set(form),
            "DescribeAutoScalingGroups" => self.describe(form),
            "DescribeScalingActivities" => self.activities(),
            "DescribePolicies" => list("DescribePolicies", "ScalingPolicies", &self.policies),
            "DescribeScheduledActions" => list("DescribeScheduledActions", "ScheduledUpdateGroupActions", ""),
            "DescribeInstanceRefreshes" => list("DescribeInstanceRefreshes", "InstanceRefreshes", ""),
            "DescribeTargetHealth" => self.health(),
            "DescribeInstanceTypes" => Answer::Says(200, TWO_PROCESSORS.to_owned()),
            "DescribeInstances" => self.running(),
            "" => {
                let value = self.limit.map_or(0, |(value, _)| value);
                Answer::Says(200, format!("{{\"Quota\":{{\"QuotaCode\":\"L-1216C47A\",\"Value\":{value}.0}}}}"))
            }
            other => query_error(400, "InvalidAction", other),
        }
    }
}

const TWO_PROCESSORS: &str = "<DescribeInstanceTypesResponse><instanceTypeSet><item><instanceType>m5.large</instanceType>\
    <vCpuInfo><defaultVCpus>2</defaultVCpus></vCpuInfo></item></instanceTypeSet></DescribeInstanceTypesResponse>";
const TARGETS: &str = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/front/73e2d6bc24d8a067";

fn list(action: &str, name: &str, members: &str) -> Answer {
    let result = format!("<{action}Result><{name}>{members}</{name}></{action}Result>");
    Answer::Says(200, format!("<{action}Response>{result}<ResponseMetadata/></{action}Response>"))
}

/// What a request asks for.
struct Form(Vec<(String, String)>);

impl Form {
    fn of(body: &str) -> Self {
        let pairs = body.split('&').filter_map(|pair| pair.split_once('='));
        Self(pairs.map(|(name, value)| (name.to_owned(), value.replace("%20", " "))).collect())
    }

    fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value)
    }
}

impl HttpConnector for Strict {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = request.body().bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default();
        let form = Form::of(&body);
        if form.get("Action") == "GetCallerIdentity" {
            return ready(identity(ACCOUNT));
        }
        let mut real = self.real.lock().unwrap();
        real.asked.push(form.get("Action").to_owned());
        match real.fault_of(form.get("Action")) {
            None => ready(real.answer(&form)),
            Some(Fault::Says(status, code, text)) => ready(query_error(status, code, text)),
            Some(Fault::LostBefore) => ready(Answer::Nothing),
            Some(Fault::LostAfter) => {
                real.answer(&form);
                ready(Answer::Nothing)
            }
            Some(Fault::Dies(carried_out)) => {
                if carried_out {
                    real.answer(&form);
                }
                self.dies.notify_one();
                HttpConnectorFuture::new(std::future::pending())
            }
        }
    }
}

fn ready(answer: Answer) -> HttpConnectorFuture {
    HttpConnectorFuture::ready(match answer {
        Answer::Says(status, body) => Ok(HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body))),
        Answer::Nothing | Answer::Closed => {
            Err(ConnectorError::io("connection closed before message completed".into()))
        }
    })
}
