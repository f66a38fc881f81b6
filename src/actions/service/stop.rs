//! `service.stop`: a service is ended. It serves nobody until it is started again.

use std::sync::LazyLock;

use async_trait::async_trait;

use super::act::{difference, foresee, lines_by_hand};
use super::start::{bring, seen_to_be};
use super::target::Verb;
use super::{facts, input};
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, Prediction, UndoSpec};
use crate::value::Value;

/// `service.stop`.
#[derive(Debug, Clone, Copy)]
pub struct Stop;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "service.stop",
    summary: "Stops a service.",
    details: "By the inventory's `stop`, or `systemctl stop`; one that does not run is left alone. It is done once it does not \
        run any more.",
    inputs: vec![input()],
    outputs: super::outputs(),
    facts: facts(),
    effect: Effect::Idempotent,
    fidelity: Fidelity::Probed,
    proves: "Whether it runs, and that nobody else manages it.",
    undo: UndoSpec::Restores { how: "It starts it again, if it ran before.", from_observation: true },
    resource: Some("service/{service}"),
    settle_seconds: 1.0,
    timeout_seconds: 60.0,
    open_inputs: false,
});

#[async_trait]
impl Action for Stop {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        lines_by_hand(inventory, arguments, Verb::Stop)
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        let (target, seen, mut prediction) = foresee(context, arguments, Verb::Stop).await?;
        prediction.outputs = serde_json::json!({ "running": false });
        if seen.running != Some(false) {
            prediction.changes.push(difference(&target, &seen, "not running"));
        }
        Ok(prediction)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        bring(context, call, Verb::Stop).await
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        seen_to_be(context, call, Verb::Stop).await
    }

    async fn undo(&self, context: &Context, call: &Call) -> Report {
        match call.before["running"].as_bool() {
            Some(true) => bring(context, call, Verb::Start).await,
            _ => Report::done("it did not run before, and is left so", Value::Null),
        }
    }
}
