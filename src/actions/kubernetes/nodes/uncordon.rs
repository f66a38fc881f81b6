//! `k8s.uncordon`: new pods may be put on a node again.

use std::sync::LazyLock;

use async_trait::async_trait;
use serde_json::json;

use super::cordon::mark;
use super::node::{At, Turn, facts, inputs, is_known};
use crate::actions::by_hand::value;
use crate::actions::kubernetes::kubectl::lines;
use crate::actions::kubernetes::{KubernetesError, needed};
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Change, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value};

/// `k8s.uncordon`.
#[derive(Debug, Clone, Copy)]
pub struct Uncordon;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "k8s.uncordon",
    summary: "Lets a cluster put new pods on a node again.",
    details: "Whoever cordoned it: look why before (the plan says who). Pods that went elsewhere do not come back by themselves.",
    inputs: inputs(),
    outputs: vec![FieldSpec::required("changed", Type::Boolean, "whether it was cordoned before")],
    facts: facts(),
    effect: Effect::Idempotent,
    fidelity: Fidelity::Proved,
    proves: "The API takes the change in its own dry-run: our account may do it, and nothing of the cluster objects.",
    undo: UndoSpec::Restores {
        how: "It cordons the node again if it was cordoned before; pods that came meanwhile stay.",
        from_observation: true,
    },
    resource: Some("node/{cluster}/{node}"),
    settle_seconds: 0.0,
    timeout_seconds: 60.0,
    open_inputs: false,
});

#[async_trait]
impl Action for Uncordon {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        let node = value(arguments, "node");
        let look = ["get", "node", node.as_str()];
        lines(inventory, arguments, &[&look, &["uncordon", &node], &look], "good: it no longer says SchedulingDisabled")
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        if !is_known(arguments) {
            return Ok(Prediction::unknown("which node is not known yet"));
        }
        let at = At::open(context, arguments).await?;
        let node = at.look().await?;
        let mut prediction = Prediction::probed(at.facts(&node));
        prediction.notes = node.notes();
        prediction.outputs = json!({ "changed": node.is_cordoned() });
        if !node.is_cordoned() {
            prediction.notes.push("it is not cordoned".to_owned());
            return Ok(prediction);
        }
        let who = node.cordoned_by().map_or(String::new(), |who| format!(" (by {who})"));
        prediction.changes.push(Change {
            what: format!("node {}", needed(arguments, "node")?),
            before: Some(format!("cordoned{who}")),
            after: Some("takes new pods".to_owned()),
        });
        if at.rehearse(&Turn::Uncordon, &mut prediction).await? {
            prediction.fidelity = Fidelity::Proved;
        }
        Ok(prediction)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        let turned = async { At::open(context, &call.arguments).await?.turn(&call.before, &Turn::Uncordon).await };
        match turned.await {
            Ok(true) => Report::done("new pods may be put on it", json!({ "changed": true })),
            Ok(false) => Report::done("it was not cordoned", json!({ "changed": false })),
            Err(error) => Report::from(error),
        }
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        let look = async { At::open(context, &call.arguments).await?.look().await };
        match look.await {
            Ok(node) if node.is_cordoned() => Finding::DidNot { evidence: "it is cordoned".to_owned() },
            Ok(_) => {
                let was = call.before.get("unschedulable").and_then(Value::as_bool).unwrap_or(false);
                Finding::TookEffect { evidence: "it is not cordoned".to_owned(), outputs: json!({ "changed": was }) }
            }
            Err(error) => Finding::CannotTell { evidence: error.to_string() },
        }
    }

    async fn undo(&self, context: &Context, call: &Call) -> Report {
        match again(context, call).await {
            Ok(said) => Report::done(said, Value::Null),
            Err(KubernetesError::Lost(text)) => Report::unknown(text),
            Err(error) => Report::failed(format!("{error}; the node may still take new pods")),
        }
    }
}

async fn again(context: &Context, call: &Call) -> Result<String, KubernetesError> {
    if call.before.get("unschedulable") != Some(&Value::Bool(true)) {
        return Ok("it was not cordoned before, and stays so".to_owned());
    }
    let at = At::open(context, &call.arguments).await?;
    let changed = at.turn(&call.before, &Turn::Cordon(mark(call)?)).await?;
    Ok(if changed { "it is cordoned again" } else { "somebody cordoned it again already" }.to_owned())
}
