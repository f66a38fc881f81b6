//! `service.reload`: a service reads its files anew, without an outage.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::act::{difference, foresee, lines_by_hand, outputs, ready, recalled, tell, until};
use super::target::{Target, Verb};
use super::{facts, input};
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, Prediction, UndoSpec};
use crate::value::Value;

/// `service.reload`.
#[derive(Debug, Clone, Copy)]
pub struct Reload;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "service.reload",
    summary: "Lets a service read its files anew, without an outage.",
    details: "By the inventory's `reload`, or `systemctl reload`. Its configuration's `test`, where there is one, comes first: \
        one that is not good is not loaded. A service that does not run is not reloaded, but started. Afterwards it has to run \
        still; whether it does its work is for `verify` to say (`facts.healthy`), or for a step with service.status.",
    inputs: vec![input()],
    outputs: super::outputs(),
    facts: facts(),
    effect: Effect::Idempotent,
    fidelity: Fidelity::Probed,
    proves: "Whether it runs and is healthy, that nobody else manages it, and that its configuration passes its test; not what \
        it makes of the new one.",
    undo: UndoSpec::Nothing,
    resource: Some("service/{service}"),
    settle_seconds: 0.0,
    timeout_seconds: 30.0,
    open_inputs: false,
});

#[async_trait]
impl Action for Reload {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        lines_by_hand(inventory, arguments, Verb::Reload)
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        let (target, seen, mut prediction) = foresee(context, arguments, Verb::Reload).await?;
        if seen.running == Some(false) {
            prediction.refusals.push(stands_still(&target, &seen.state));
        }
        prediction.outputs = outputs(&seen, &prediction.facts);
        prediction.changes.push(difference(&target, &seen, "its files read anew, the same main process"));
        Ok(prediction)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        let (target, seen, argv) = match ready(context, &call.arguments, Verb::Reload).await {
            Ok(ready) => ready,
            Err(report) => return report,
        };
        if seen.running == Some(false) {
            return Report::no_effect(stands_still(&target, &seen.state));
        }
        if let Err(report) = tell(context, call, &target, &argv).await {
            return report;
        }
        // Whoever chokes on what it read is gone a moment later.
        let deadline = Instant::now() + Duration::from_secs(2);
        match until(context, &target, deadline, |now| now.running != Some(false)).await {
            Ok((now, true)) => Report::done(
                format!("{} read its files anew; it is {}", target.place(), now.state),
                outputs(&now, &call.before),
            ),
            Ok((now, false)) => Report::failed(format!(
                "{} was told to reload and does not run any more: {}. Look at its own log; service-restart starts it again",
                target.place(),
                now.state
            )),
            Err(error) => Report::unknown(format!("it was told to reload, and cannot be looked at: {error}")),
        }
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        let cannot = |evidence: String| Finding::CannotTell { evidence };
        match Target::find(context, &call.arguments) {
            Ok(target) => {
                let found = recalled(context, call, &target, Verb::Reload).await;
                found.unwrap_or_else(|| cannot("nobody can see of a service when it read its files".to_owned()))
            }
            Err(error) => cannot(error.to_string()),
        }
    }
}

fn stands_still(target: &Target, state: &str) -> String {
    format!(
        "{} is {state}: there is nothing that could reload; start it (service.start, or the playbook service-restart)",
        target.place()
    )
}
