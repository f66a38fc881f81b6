//! `k8s.cordon`: no new pod is put on a node.

use std::sync::LazyLock;

use async_trait::async_trait;
use serde_json::json;

use super::node::{At, Turn, facts, inputs, is_known};
use crate::actions::by_hand::value;
use crate::actions::kubernetes::kubectl::lines;
use crate::actions::kubernetes::{KubernetesError, needed};
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Change, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value};

/// `k8s.cordon`.
#[derive(Debug, Clone, Copy)]
pub struct Cordon;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "k8s.cordon",
    summary: "Lets a cluster put no new pod on a node; what runs there goes on.",
    details: "The node is marked as unschedulable, as `kubectl cordon` does. An annotation (`playbook/cordoned`) says that it was \
        this step. One that is cordoned already stays as it is, and is not uncordoned by the undo.",
    inputs: inputs(),
    outputs: vec![FieldSpec::required("changed", Type::Boolean, "whether it was not cordoned before")],
    facts: facts(),
    effect: Effect::Idempotent,
    fidelity: Fidelity::Proved,
    proves: "The API takes the change in its own dry-run: our account may do it, and nothing of the cluster objects.",
    undo: UndoSpec::Restores {
        how: "It uncordons the node if this step cordoned it and nobody else cordoned it since.",
        from_observation: true,
    },
    resource: Some("node/{cluster}/{node}"),
    settle_seconds: 0.0,
    timeout_seconds: 60.0,
    open_inputs: false,
});

#[async_trait]
impl Action for Cordon {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        let node = value(arguments, "node");
        let look = ["get", "node", node.as_str()];
        lines(inventory, arguments, &[&["cordon", &node], &look], "good: it says SchedulingDisabled")
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        if !is_known(arguments) {
            return Ok(Prediction::unknown("which node is not known yet"));
        }
        let at = At::open(context, arguments).await?;
        let node = at.look().await?;
        let mut prediction = Prediction::probed(at.facts(&node));
        prediction.notes = node.notes();
        prediction.outputs = json!({ "changed": !node.is_cordoned() });
        if node.is_cordoned() {
            let who = node.cordoned_by().map_or(String::new(), |who| format!(" (by {who})"));
            prediction.notes.push(format!("it is cordoned already{who}"));
            return Ok(prediction);
        }
        prediction.changes.push(Change {
            what: format!("node {}", needed(arguments, "node")?),
            before: Some("takes new pods".to_owned()),
            after: Some("cordoned".to_owned()),
        });
        if at.rehearse(&Turn::Cordon("plan"), &mut prediction).await? {
            prediction.fidelity = Fidelity::Proved;
        }
        Ok(prediction)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        cordon(context, call).await.unwrap_or_else(Report::from)
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        let look = async { At::open(context, &call.arguments).await?.look().await };
        match look.await {
            Ok(node) if node.is_cordoned() => {
                let was = call.before.get("unschedulable").and_then(Value::as_bool).unwrap_or(false);
                Finding::TookEffect { evidence: "it is cordoned".to_owned(), outputs: json!({ "changed": !was }) }
            }
            Ok(_) => Finding::DidNot { evidence: "it is not cordoned".to_owned() },
            Err(error) => Finding::CannotTell { evidence: error.to_string() },
        }
    }

    async fn undo(&self, context: &Context, call: &Call) -> Report {
        let lift = async { At::open(context, &call.arguments).await?.lift(&call.before).await };
        match lift.await {
            Ok(said) => Report::done(said, Value::Null),
            Err(KubernetesError::Lost(text)) => Report::unknown(text),
            Err(error) => Report::failed(format!("{error}; the node may still be cordoned")),
        }
    }
}

async fn cordon(context: &Context, call: &Call) -> Result<Report, KubernetesError> {
    let at = At::open(context, &call.arguments).await?;
    let changed = at.turn(&call.before, &Turn::Cordon(mark(call)?)).await?;
    let said = if changed { "no new pod is put on it" } else { "it was cordoned already" };
    Ok(Report::done(said, json!({ "changed": changed })))
}

/// What a cordon by this step is known by again.
pub(in crate::actions::kubernetes) fn mark(call: &Call) -> Result<&str, KubernetesError> {
    let missing = || KubernetesError::Invalid("nobody has looked at the node yet: it is not touched".to_owned());
    call.before.get("mark").and_then(Value::as_str).filter(|mark| !mark.is_empty()).ok_or_else(missing)
}
