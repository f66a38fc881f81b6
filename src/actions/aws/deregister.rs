//! `ec2.deregister`: takes EC2 instances out of a target group, and waits until they are drained.

use std::sync::LazyLock;

use async_trait::async_trait;

use super::{by_hand, target};
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, Prediction, UndoSpec};
use crate::value::Value;

/// `ec2.deregister`.
#[derive(Debug, Clone, Copy)]
pub struct Deregister;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "ec2.deregister",
    summary: "Takes EC2 instances out of a target group, and waits until they are drained.",
    details: "The load balancer sends them nothing new, and lets what is under way come to its end (the group's deregistration delay, 5 minutes unless it says otherwise): give the step that long.",
    inputs: target::inputs(),
    outputs: target::outputs(),
    facts: target::facts(),
    effect: Effect::Idempotent,
    fidelity: Fidelity::Probed,
    proves: "What is registered and healthy now; AWS has no dry-run for this, so not that these credentials may do it.",
    undo: UndoSpec::Restores {
        how: "It registers those again that it took out, and waits until they are healthy.",
        from_observation: true,
    },
    resource: Some("target_group/{cloud}/{target_group}"),
    settle_seconds: 1.0,
    timeout_seconds: 360.0,
    open_inputs: false,
});

#[async_trait]
impl Action for Deregister {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        by_hand::target(inventory, arguments, false)
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        target::foresee(context, arguments, false).await
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        target::act(context, call, false).await
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        target::settled(context, call, false).await
    }

    async fn undo(&self, context: &Context, call: &Call) -> Report {
        target::put_back(context, call, false).await
    }
}
