//! `ec2.status`: what instances are. It changes nothing.

use std::sync::LazyLock;

use async_trait::async_trait;
use serde_json::json;

use super::api::Cloud;
use super::power::{facts, inputs, named, seen_facts};
use super::seen::{ids, said};
use super::{AwsError, by_hand, needed};
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value, contains_unknown};

/// `ec2.status`.
#[derive(Debug, Clone, Copy)]
pub struct Status;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "ec2.status",
    summary: "Says what EC2 instances are.",
    details: "",
    inputs: inputs(),
    outputs: [facts(), vec![FieldSpec::required("running", Type::List(Box::new(Type::Identifier)), "those that run")]]
        .concat(),
    facts: facts(),
    effect: Effect::Read,
    fidelity: Fidelity::Probed,
    proves: "What AWS shows at the time of the plan.",
    undo: UndoSpec::Nothing,
    resource: None,
    settle_seconds: 0.0,
    timeout_seconds: 30.0,
    open_inputs: false,
});

#[async_trait]
impl Action for Status {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        by_hand::status(inventory, arguments)
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        if contains_unknown(arguments) {
            return Ok(Prediction::unknown("which instances are looked at is not known yet"));
        }
        let (_, outputs, facts) = look(context, arguments).await?;
        Ok(Prediction { outputs, ..Prediction::probed(facts) })
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        match look(context, &call.arguments).await {
            Ok((words, outputs, _)) => Report::done(words, outputs),
            Err(error) => Report::from(error),
        }
    }

    async fn probe(&self, _: &Context, _: &Call) -> Finding {
        Finding::DidNot { evidence: "it only reads".to_owned() }
    }
}

async fn look(context: &Context, arguments: &Value) -> Result<(String, Value, Value), AwsError> {
    let cloud = Cloud::open(&context.inventory, needed(arguments, "cloud")?).await?;
    let seen = cloud.instances(&named(arguments)?).await?;
    let running: Vec<_> = seen.iter().filter(|one| one.state == "running").cloned().collect();
    let facts = seen_facts(&cloud, &seen);
    let mut outputs = facts.clone();
    outputs["running"] = json!(ids(&running));
    Ok((said(&seen), outputs, facts))
}
