//! `service.way_back`: does nothing, and undone it restarts a service. Before steps that change what a service starts from it
//! lets the way back end with a restart, as undo goes backwards: first what it starts from, then this.

use std::sync::LazyLock;

use async_trait::async_trait;
use serde_json::json;

use super::act::lines_by_hand;
use super::restart::Restart;
use super::target::{Target, Verb};
use super::{facts, input, outputs};
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, Prediction, UndoSpec};
use crate::value::Value;

/// `service.way_back`.
#[derive(Debug, Clone, Copy)]
pub struct WayBack;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "service.way_back",
    summary: "Does nothing now; undone, it restarts a service where another process of it runs than before.",
    details: "Put it before steps that change what a service starts from (its release, its configuration) and restart it: as undo goes \
        backwards, first what it starts from is put back, and then this restarts it. Where the process from before \
        still runs nothing was restarted, and it is left alone.",
    inputs: vec![input()],
    outputs: outputs(),
    facts: facts(),
    effect: Effect::Idempotent,
    fidelity: Fidelity::Probed,
    proves: "Whether it runs and is healthy.",
    undo: UndoSpec::Restores {
        how: "It restarts the service, unless the process from before still runs; one that did not run before is left as it is.",
        from_observation: true,
    },
    resource: Some("service/{service}"),
    settle_seconds: 0.0,
    timeout_seconds: 60.0,
    open_inputs: false,
});

const NOTHING: &str = "nothing is done now; undone, it restarts the service";

#[async_trait]
impl Action for WayBack {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        let mut lines = vec!["# nothing now; on the way back:".to_owned()];
        lines.extend(lines_by_hand(inventory, arguments, Verb::Restart));
        lines
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        let target = Target::find(context, arguments)?;
        let seen = target.look(context).await?;
        let mut prediction = Prediction::probed(seen.facts());
        prediction.outputs = super::act::outputs(&seen, &prediction.facts);
        prediction.notes.push(NOTHING.to_owned());
        Ok(prediction)
    }

    async fn run(&self, _: &Context, call: &Call) -> Report {
        let before = &call.before;
        Report::done(
            NOTHING,
            json!({ "running": before["running"] == true, "pid": before["pid"], "previous_pid": before["pid"] }),
        )
    }

    async fn probe(&self, _: &Context, _: &Call) -> Finding {
        Finding::DidNot { evidence: "it does nothing before it is undone".to_owned() }
    }

    async fn undo(&self, context: &Context, call: &Call) -> Report {
        if call.before["running"] == false {
            return Report::done("it did not run before, and is left as it is", Value::Null);
        }
        let target = match Target::find(context, &call.arguments) {
            Ok(target) => target,
            Err(error) => return Report::failed(error.to_string()),
        };
        match target.state(context).await {
            Ok(now) if now.running == Some(true) && now.is_another(&call.before) == Some(false) => {
                Report::done(format!("the process from before still runs: {}", now.state), Value::Null)
            }
            _ => Restart.run(context, call).await,
        }
    }
}
