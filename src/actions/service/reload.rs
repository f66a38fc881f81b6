//! `service.reload`: a service reads its files anew, without an outage.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::json;

use super::act::{difference, foresee, lines_by_hand, outputs, ready, recalled, tell, until};
use super::start::bring;
use super::target::{Target, Verb};
use super::{facts, input};
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value};

/// `service.reload`.
#[derive(Debug, Clone, Copy)]
pub struct Reload;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "service.reload",
    summary: "Lets a service read its files anew, without an outage.",
    details: "By the inventory's `reload`, or `systemctl reload`. Its configuration's `test`, where there is one, comes first: \
        one that is not good is not loaded. A service that does not run is not reloaded, but started. Afterwards it has to run \
        still; whether it does its work is for `verify` to say (`facts.healthy`), or for a step with service.status.\n\nWith `when: undo` \
        nothing is done now: the service is reloaded when this step is undone. Before steps that change its files it lets the \
        way back end with a reload, as undo goes backwards: first the files, then this.",
    inputs: vec![
        input(),
        FieldSpec::optional(
            "when",
            Type::Choice(["now", "undo"].map(String::from).to_vec()),
            "whether now, or when it is undone",
        )
        .or(json!("now")),
    ],
    outputs: super::outputs(),
    facts: facts(),
    effect: Effect::Idempotent,
    fidelity: Fidelity::Probed,
    proves: "Whether it runs and is healthy, that nobody else manages it, and that its configuration passes its test; not what \
        it makes of the new one.",
    undo: UndoSpec::Restores {
        how: "With `when: undo` it lets the service read its files anew, or starts it if it ran before and does not any more; \
            otherwise there is nothing to put back, as what it read stands in its files.",
        from_observation: true,
    },
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
        if on_undo(arguments) {
            prediction.notes.push("nothing is done now; undone, it lets the service read its files anew".to_owned());
        } else {
            prediction.changes.push(difference(&target, &seen, "its files read anew, the same main process"));
        }
        Ok(prediction)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        if on_undo(&call.arguments) {
            let outputs = json!({
                "running": call.before["running"], "pid": call.before["pid"], "previous_pid": call.before["pid"],
            });
            return Report::done("nothing is done now; undone, it lets the service read its files anew", outputs);
        }
        reload(context, call).await
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        let cannot = |evidence: String| Finding::CannotTell { evidence };
        if on_undo(&call.arguments) {
            return Finding::DidNot { evidence: "it does nothing before it is undone".to_owned() };
        }
        match Target::find(context, &call.arguments) {
            Ok(target) => {
                let found = recalled(context, call, &target, Verb::Reload).await;
                found.unwrap_or_else(|| cannot("nobody can see of a service when it read its files".to_owned()))
            }
            Err(error) => cannot(error.to_string()),
        }
    }

    async fn undo(&self, context: &Context, call: &Call) -> Report {
        if !on_undo(&call.arguments) {
            return Report::done("there is nothing to put back: what it read stands in its files", Value::Null);
        }
        let running = async {
            let target = Target::find(context, &call.arguments).ok()?;
            target.state(context).await.ok()?.running
        };
        if call.before["running"] == true && running.await == Some(false) {
            return bring(context, call, Verb::Start).await;
        }
        reload(context, call).await
    }
}

fn on_undo(arguments: &Value) -> bool {
    arguments["when"] == "undo"
}

async fn reload(context: &Context, call: &Call) -> Report {
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
    let deadline = Instant::now() + Duration::from_secs(1);
    match until(context, &target, deadline, |now| now.running == Some(false)).await {
        Ok((now, false)) => Report::done(
            format!("{} read its files anew; it is {}", target.place(), now.state),
            outputs(&now, &call.before),
        ),
        Ok((now, true)) => Report::failed(format!(
            "{} was told to reload and does not run any more: {}. Look at its own log; service-restart starts it again",
            target.place(),
            now.state
        )),
        Err(error) => Report::unknown(format!("it was told to reload, and cannot be looked at: {error}")),
    }
}

fn stands_still(target: &Target, state: &str) -> String {
    format!(
        "{} is {state}: there is nothing that could reload; start it (service.start, or the playbook service-restart)",
        target.place()
    )
}
