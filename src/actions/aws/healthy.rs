//! `ec2.healthy`: waits until the service on each instance does its work, by the service's own health check at the instance's
//! private address. That an instance runs counts for nothing here. It changes nothing.

use std::sync::LazyLock;
use std::time::Duration;

use tokio::time::Instant;

use async_trait::async_trait;
use serde_json::json;

use super::api::Cloud;
use super::power::named;
use super::seen::{Instance, map_of};
use super::watch::{Pace, told};
use super::{AwsError, account_fact, by_hand, cloud_input, needed, text};
use crate::actions::{Action, ActionError, Call, Context, wait};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value, contains_unknown};

/// `ec2.healthy`.
#[derive(Debug, Clone, Copy)]
pub struct Healthy;

/// How long one look at an instance may take.
const LOOK: Duration = Duration::from_secs(3);
/// How many looks in a row have to hold.
const DEFAULT_LOOKS: i64 = 2;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "ec2.healthy",
    summary: "Waits until the service on each EC2 instance passes its own health check.",
    details: "Each instance has to run, and its private address has to answer on `port`: to a GET of `http_path` with one of \
        `expect_status`, or, without a path, by taking a connection. The runner asks itself, so it has to have a way there. It has to \
        hold `looks` times in a row for all of them. An instance that ends meanwhile fails the step at once. For a check of \
        another kind, let steps of the playbook go over `addresses` with for_each.",
    inputs: vec![
        cloud_input(),
        FieldSpec::required("instances", Type::List(Box::new(Type::Identifier)), "the ids of the instances"),
        FieldSpec::required("port", Type::Integer, "the port on which the service answers"),
        FieldSpec::optional(
            "http_path",
            Type::String,
            "the path of its health check, such as /health; a connection is enough where absent",
        ),
        FieldSpec::optional(
            "expect_status",
            Type::List(Box::new(Type::Integer)),
            "the statuses that are good; 200 to 299 where absent",
        ),
        FieldSpec::optional("within", Type::Duration, "how long it may take; the step's timeout where absent"),
        FieldSpec::optional("looks", Type::Integer, "how many looks in a row have to hold").or(json!(DEFAULT_LOOKS)),
    ],
    outputs: vec![
        FieldSpec::required("addresses", Type::List(Box::new(Type::Ip)), "the private addresses that answered"),
        FieldSpec::required("seen", Type::Any, "what each instance last answered").volatile(),
    ],
    facts: vec![
        account_fact(),
        FieldSpec::required("healthy", Type::Boolean, "whether all of them answer well now").volatile(),
    ],
    effect: Effect::Read,
    fidelity: Fidelity::Probed,
    proves: "Whether they answer at the time of the plan; of instances that are still to be launched nothing.",
    undo: UndoSpec::Nothing,
    resource: None,
    settle_seconds: 0.0,
    timeout_seconds: 300.0,
    open_inputs: false,
});

#[async_trait]
impl Action for Healthy {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        by_hand::healthy(inventory, arguments)
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        if contains_unknown(arguments) {
            return Ok(Prediction::unknown("the instances are not there yet"));
        }
        let cloud = Cloud::open(&context.inventory, needed(arguments, "cloud")?).await?;
        let instances = cloud.instances(&named(arguments)?).await?;
        let seen = look(context, &instances, &check(arguments)?).await;
        let healthy = seen.iter().all(|(holds, _)| *holds);
        let mut prediction = Prediction::probed(json!({ "account": cloud.account(), "healthy": healthy }));
        prediction.notes = instances.iter().zip(&seen).map(|(one, (_, what))| format!("{}: {what}", one.id)).collect();
        Ok(prediction)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        watch(context, call).await.unwrap_or_else(Report::from)
    }

    async fn probe(&self, _: &Context, _: &Call) -> Finding {
        Finding::DidNot { evidence: "it only reads".to_owned() }
    }
}

/// How each instance is asked.
struct Check {
    port: u16,
    path: Option<String>,
    expect: Value,
}

fn check(arguments: &Value) -> Result<Check, AwsError> {
    let port = arguments["port"].as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
    let port = port.ok_or_else(|| AwsError::Invalid("`port` has to be from 1 to 65535".to_owned()))?;
    let path = text(arguments, "http_path").map(str::to_owned);
    // It is put behind an address: it must not be able to become a part of another one.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~?=&%+,:".contains(&byte);
    if let Some(path) = path.as_ref().filter(|path| !path.starts_with('/') || !path.bytes().all(plain)) {
        return Err(AwsError::Invalid(format!(
            "`http_path` begins with a / and has letters, digits and -_.~/?=&%+,: only, which {:?} does not",
            path.chars().take(80).collect::<String>()
        )));
    }
    Ok(Check { port, path, expect: arguments["expect_status"].clone() })
}

/// What is asked of an address, as `wait` takes it.
fn asked(address: &str, check: &Check) -> Value {
    let place = match address.contains(':') {
        true => format!("[{address}]:{}", check.port),
        false => format!("{address}:{}", check.port),
    };
    match &check.path {
        Some(path) => json!({ "http": format!("http://{place}{path}"), "expect_status": check.expect }),
        None => json!({ "tcp": place }),
    }
}

async fn look(context: &Context, instances: &[Instance], check: &Check) -> Vec<(bool, String)> {
    let quiet = context.quiet();
    let mut looks = tokio::task::JoinSet::new();
    for (at, one) in instances.iter().enumerate() {
        let address = one.address.clone().filter(|_| one.state == "running");
        let (quiet, asked, said) = (quiet.clone(), address.map(|address| asked(&address, check)), one.said());
        looks.spawn(async move {
            let seen = match asked {
                Some(asked) => wait::holds(&quiet, &asked, LOOK).await.unwrap_or_else(|why| (false, why)),
                None => (false, said),
            };
            (at, seen)
        });
    }
    let mut seen = vec![(false, "it was not looked at".to_owned()); instances.len()];
    while let Some(ended) = looks.join_next().await {
        if let Ok((at, found)) = ended
            && let Some(place) = seen.get_mut(at)
        {
            *place = found;
        }
    }
    seen
}

async fn watch(context: &Context, call: &Call) -> Result<Report, AwsError> {
    let within = call.arguments["within"].as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    // A little before the step's own end, so that what was last seen is told.
    let limit = within.unwrap_or(call.timeout).min(call.timeout.saturating_sub(Duration::from_millis(500)));
    let deadline = Instant::now() + limit;
    let (check, list) = (check(&call.arguments)?, named(&call.arguments)?);
    let wanted = call.arguments["looks"].as_i64().unwrap_or(DEFAULT_LOOKS).clamp(1, 20);
    let cloud = Cloud::open(&context.inventory, needed(&call.arguments, "cloud")?).await?;
    let (mut pace, mut in_a_row) = (Pace::new(), 0);
    loop {
        let instances = match cloud.instances(&list).await {
            Err(error) if error.is_not_found() => Vec::new(),
            looked => looked?,
        };
        let seen = look(context, &instances, &check).await;
        let all = instances.len() == list.len() && seen.iter().all(|(holds, _)| *holds);
        in_a_row = if all { in_a_row + 1 } else { 0 };
        let words = || {
            let told: Vec<String> =
                instances.iter().zip(&seen).map(|(one, (_, what))| format!("{}: {what}", one.id)).collect();
            told.join("; ")
        };
        if in_a_row >= wanted {
            let addresses: Vec<&str> = instances.iter().filter_map(|one| one.address.as_deref()).collect();
            let map = instances.iter().zip(&seen).map(|(one, (_, what))| (one.id.clone(), json!(what)));
            let outputs = json!({ "addresses": addresses, "seen": Value::Object(map.collect()) });
            return Ok(Report::done(format!("all {} are healthy: {}", list.len(), words()), outputs));
        }
        if let Some(gone) = instances.iter().find(|one| one.is_gone()) {
            return Ok(Report::failed(format!("{}: it will not get healthy any more", gone.said())));
        }
        if !pace.wait(deadline).await {
            let states = told(&list, &instances);
            return Ok(Report::failed(format!("not healthy in time: {}; {states}", words()))
                .with_outputs(json!({ "addresses": [], "seen": map_of(&instances, |one| Some(one.state.as_str())) })));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_cannot_lead_to_another_address() {
        let good = json!({ "port": 80, "http_path": "/health?deep=1" });
        assert_eq!(
            asked("10.0.0.1", &check(&good).ok().unwrap()),
            json!({ "http": "http://10.0.0.1:80/health?deep=1", "expect_status": null })
        );
        assert_eq!(asked("fd00::1", &check(&json!({ "port": 80 })).ok().unwrap()), json!({ "tcp": "[fd00::1]:80" }));
        for path in ["@evil", "health", "/a b", "/\r\nHost: x", "/a#b", "/ä", "/a@b"] {
            assert!(check(&json!({ "port": 80, "http_path": path })).is_err(), "{path:?}");
        }
        for port in [json!(0), json!(65536), json!("80"), json!(null)] {
            assert!(check(&json!({ "port": port })).is_err(), "{port}");
        }
    }
}
