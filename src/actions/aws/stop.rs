//! `ec2.stop`: stops EC2 instances, and waits until they are stopped.

use std::sync::LazyLock;

use async_trait::async_trait;

use super::seen::Verb;
use super::{by_hand, power};
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, Prediction, UndoSpec};
use crate::value::Value;

/// `ec2.stop`.
#[derive(Debug, Clone, Copy)]
pub struct Stop;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "ec2.stop",
    summary: "Stops EC2 instances, and waits until they are stopped.",
    details: "What lies on instance store volumes is lost, and a public address that is no elastic one as well. An instance of a scaling group is refused: its group would replace it.",
    inputs: power::inputs(),
    outputs: power::outputs(),
    facts: power::facts(),
    effect: Effect::Idempotent,
    fidelity: Fidelity::Proved,
    proves: "AWS's own dry-run says that these credentials may do it; which state each instance is in.",
    undo: UndoSpec::Restores { how: "It starts those that ran before.", from_observation: true },
    resource: Some("cloud/{cloud}"),
    settle_seconds: 1.0,
    timeout_seconds: 300.0,
    open_inputs: false,
});

#[async_trait]
impl Action for Stop {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        by_hand::power(inventory, arguments, Verb::Stop)
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        power::foresee(context, arguments, Verb::Stop).await
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        power::act(context, call, Verb::Stop).await
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        power::settled(context, call, Verb::Stop).await
    }

    async fn undo(&self, context: &Context, call: &Call) -> Report {
        power::put_back(context, call).await
    }
}
