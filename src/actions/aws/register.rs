//! `ec2.register`: registers EC2 instances in a target group, and waits until they are healthy there.

use std::sync::LazyLock;

use async_trait::async_trait;

use super::{by_hand, target};
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, Prediction, UndoSpec};
use crate::value::Value;

/// `ec2.register`.
#[derive(Debug, Clone, Copy)]
pub struct Register;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "ec2.register",
    summary: "Registers EC2 instances in a target group, and waits until they are healthy there.",
    details: "Those that are registered already stay as they are. The health is the load balancer's own look; register nothing whose own health check was not seen to hold (ec2.healthy). Where no load balancer uses the group, nobody looks at their health, and being registered is enough.",
    inputs: target::inputs(),
    outputs: target::outputs(),
    facts: target::facts(),
    effect: Effect::Idempotent,
    fidelity: Fidelity::Probed,
    proves: "What is registered and healthy now; AWS has no dry-run for this, so not that these credentials may do it.",
    undo: UndoSpec::Restores {
        how: "It takes out those that it put in, and waits until they are drained.",
        from_observation: true,
    },
    resource: Some("target_group/{cloud}/{target_group}"),
    settle_seconds: 1.0,
    timeout_seconds: 360.0,
    open_inputs: false,
});

#[async_trait]
impl Action for Register {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        by_hand::target(inventory, arguments, true)
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        target::foresee(context, arguments, true).await
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        target::act(context, call, true).await
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        target::settled(context, call, true).await
    }

    async fn undo(&self, context: &Context, call: &Call) -> Report {
        target::put_back(context, call, true).await
    }
}
