//! `ec2.reboot`: reboots EC2 instances.

use std::sync::LazyLock;

use async_trait::async_trait;

use super::seen::Verb;
use super::{by_hand, power};
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, Prediction, UndoSpec};
use crate::value::Value;

/// `ec2.reboot`.
#[derive(Debug, Clone, Copy)]
pub struct Reboot;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "ec2.reboot",
    summary: "Reboots EC2 instances.",
    details: "AWS takes the request and does it within a minute; the instance counts as running all the time. Whether its service came back is for ec2.healthy to say.",
    inputs: power::inputs(),
    outputs: power::outputs(),
    facts: power::facts(),
    effect: Effect::Once,
    fidelity: Fidelity::Proved,
    proves: "AWS's own dry-run says that these credentials may do it; which state each instance is in.",
    undo: UndoSpec::Nothing,
    resource: Some("cloud/{cloud}"),
    settle_seconds: 1.0,
    timeout_seconds: 60.0,
    open_inputs: false,
});

#[async_trait]
impl Action for Reboot {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        by_hand::power(inventory, arguments, Verb::Reboot)
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        power::foresee(context, arguments, Verb::Reboot).await
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        power::act(context, call, Verb::Reboot).await
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        let _ = (context, call);
        Finding::CannotTell {
            evidence: "nobody can see of an instance whether it was rebooted: look at its uptime".to_owned(),
        }
    }
}
