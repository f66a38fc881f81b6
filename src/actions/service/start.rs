//! `service.start`: a service that does not run is started.

use std::sync::LazyLock;
use std::time::Instant;

use async_trait::async_trait;

use super::act::{difference, foresee, lines_by_hand, outputs, ready, recalled, tell, until};
use super::target::{Target, Verb};
use super::{facts, input};
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, Prediction, UndoSpec};
use crate::value::Value;

/// `service.start`.
#[derive(Debug, Clone, Copy)]
pub struct Start;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "service.start",
    summary: "Starts a service that does not run.",
    details: "By the inventory's `start`, or `systemctl start`; one that runs is left alone. Its configuration's `test`, where \
        there is one, comes first. It is done once it runs.",
    inputs: vec![input()],
    outputs: super::outputs(),
    facts: facts(),
    effect: Effect::Idempotent,
    fidelity: Fidelity::Probed,
    proves: "Whether it runs, that nobody else manages it, and that its configuration passes its test.",
    undo: UndoSpec::Restores { how: "It stops it again, if it did not run before.", from_observation: true },
    resource: Some("service/{service}"),
    settle_seconds: 1.0,
    timeout_seconds: 60.0,
    open_inputs: false,
});

#[async_trait]
impl Action for Start {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        lines_by_hand(inventory, arguments, Verb::Start)
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        let (target, seen, mut prediction) = foresee(context, arguments, Verb::Start).await?;
        prediction.outputs = serde_json::json!({ "running": true });
        if seen.running != Some(true) {
            prediction.changes.push(difference(&target, &seen, "running"));
        }
        Ok(prediction)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        bring(context, call, Verb::Start).await
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        seen_to_be(context, call, Verb::Start).await
    }

    async fn undo(&self, context: &Context, call: &Call) -> Report {
        match call.before["running"].as_bool() {
            Some(false) => bring(context, call, Verb::Stop).await,
            _ => Report::done("it ran before, and is left running", Value::Null),
        }
    }
}

/// Starts or stops it, where it is not so already.
pub(super) async fn bring(context: &Context, call: &Call, verb: Verb) -> Report {
    let deadline = Instant::now() + call.timeout;
    let runs = verb == Verb::Start;
    let (target, seen, argv) = match ready(context, &call.arguments, verb).await {
        Ok(ready) => ready,
        Err(report) => return report,
    };
    if seen.running == Some(runs) {
        return Report::done(format!("{} is {} already", target.place(), seen.state), outputs(&seen, &call.before));
    }
    if let Err(report) = tell(context, call, &target, &argv).await {
        return report;
    }
    match until(context, &target, deadline, |now| now.running == Some(runs)).await {
        Ok((now, true)) => Report::done(format!("{} is {}", target.place(), now.state), outputs(&now, &call.before)),
        Ok((now, false)) => {
            Report::failed(format!("{} was told to {}, and is {}", target.place(), verb.word(), now.state))
        }
        Err(error) => Report::unknown(format!("it was told to {}, and cannot be looked at: {error}", verb.word())),
    }
}

/// Whether it is so now.
pub(super) async fn seen_to_be(context: &Context, call: &Call, verb: Verb) -> Finding {
    let cannot = |evidence: String| Finding::CannotTell { evidence };
    let target = match Target::find(context, &call.arguments) {
        Ok(target) => target,
        Err(error) => return cannot(error.to_string()),
    };
    if let Some(found @ Finding::StillRunning { .. }) = recalled(context, call, &target, verb).await {
        return found;
    }
    match target.state(context).await {
        Ok(now) if now.running == Some(verb == Verb::Start) => {
            Finding::TookEffect { evidence: now.state.clone(), outputs: outputs(&now, &call.before) }
        }
        Ok(now) if now.running.is_some() => Finding::DidNot { evidence: now.state },
        Ok(now) => cannot(now.state),
        Err(error) => cannot(error.to_string()),
    }
}
