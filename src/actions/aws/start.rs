//! `ec2.start`: starts EC2 instances that are stopped, and waits until they run.

use std::sync::LazyLock;

use async_trait::async_trait;

use super::seen::Verb;
use super::{by_hand, power};
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, Prediction, UndoSpec};
use crate::value::Value;

/// `ec2.start`.
#[derive(Debug, Clone, Copy)]
pub struct Start;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "ec2.start",
    summary: "Starts EC2 instances that are stopped, and waits until they run.",
    details: "That an instance runs says nothing of the service on it: ec2.healthy does. AWS may have no capacity for its type now.",
    inputs: power::inputs(),
    outputs: power::outputs(),
    facts: power::facts(),
    effect: Effect::Idempotent,
    fidelity: Fidelity::Proved,
    proves: "AWS's own dry-run says that these credentials may do it; which state each instance is in.",
    undo: UndoSpec::Restores { how: "It stops those that were stopped before.", from_observation: true },
    resource: Some("cloud/{cloud}"),
    settle_seconds: 1.0,
    timeout_seconds: 300.0,
    open_inputs: false,
});

#[async_trait]
impl Action for Start {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        by_hand::power(inventory, arguments, Verb::Start)
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        power::foresee(context, arguments, Verb::Start).await
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        power::act(context, call, Verb::Start).await
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        power::settled(context, call, Verb::Start).await
    }

    async fn undo(&self, context: &Context, call: &Call) -> Report {
        power::put_back(context, call).await
    }
}
