//! `k8s.patch`: some fields of an object that is there become others.

use std::sync::LazyLock;

use async_trait::async_trait;

use super::apply::undone;
use super::changed::{Target, facts, outputs};
use super::told::Told;
use crate::actions::by_hand::value;
use crate::actions::kubernetes::kubectl::{lines, namespace};
use crate::actions::kubernetes::look::workload::Workload;
use crate::actions::kubernetes::{KubernetesError, cluster_inputs, text};
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value, contains_unknown};

/// `k8s.patch`.
#[derive(Debug, Clone, Copy)]
pub struct PatchObject;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "k8s.patch",
    summary: "Changes some fields of an object that is there.",
    details: "`merge` (RFC 7386): what is written replaces, null removes, a list replaces the whole list. `strategic`: lists are \
        merged by their keys, as `kubectl patch` does by default; for the cluster's own kinds alone. `json` (RFC 6902): a list of \
        operations, all or none. The patch is data and never text: a value from outside stays a value.\n\nIt is done only while \
        the fields that it changes are as they were when the step looked. An object that another controller would change \
        back (Argo CD, Flux, a parent) is refused with that controller's own command, unless `despite_controller` says so. \
        What it changes stands in the plan and the journal, so a Secret is refused.",
    inputs: [
        cluster_inputs(),
        vec![
            FieldSpec::required("object", Type::String, "KIND/NAME, such as deployment/web"),
            FieldSpec::required("patch", Type::Any, "the patch: a map, or for `json` a list of operations"),
            FieldSpec::optional(
                "type",
                Type::Choice(["merge", "strategic", "json"].map(String::from).to_vec()),
                "its form",
            )
            .or("merge".into()),
            FieldSpec::optional(
                "despite_controller",
                Type::Boolean,
                "go on where another controller may change it back",
            )
            .or(false.into()),
        ],
    ]
    .concat(),
    outputs: outputs(),
    facts: facts(),
    effect: Effect::Probed,
    fidelity: Fidelity::Proved,
    proves: "The API takes it in its own dry-run (rights, validation, quotas, webhooks that allow one), and says what becomes of \
        each field.",
    undo: UndoSpec::Restores {
        how: "It puts the fields back that it changed; where somebody else changed them since, it says so and touches nothing.",
        from_observation: true,
    },
    resource: None,
    settle_seconds: 0.0,
    timeout_seconds: 60.0,
    open_inputs: false,
});

#[async_trait]
impl Action for PatchObject {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        let (object, kind) = (value(arguments, "object"), value(arguments, "type"));
        let (form, body) = (format!("--type={kind}"), value(arguments, "patch"));
        let place = namespace(inventory, arguments);
        let place: Vec<&str> = place.iter().map(String::as_str).collect();
        let patch = [&place[..], &["patch", &object, &form, "-p", &body]].concat();
        let rehearse = [&patch[..], &["--dry-run=server", "-o", "yaml"]].concat();
        let look = [&place[..], &["get", &object, "-o", "yaml"]].concat();
        lines(
            inventory,
            arguments,
            &[&look, &rehearse, &patch],
            "good: it says patched. Keep what the first line prints: it is the way back",
        )
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        if contains_unknown(arguments) {
            return Ok(Prediction::unknown("part of the patch is not known yet"));
        }
        Ok(target(context, arguments).await?.foresee().await?)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        let change = async { target(context, &call.arguments).await?.change(&call.before).await };
        change.await.unwrap_or_else(Report::from)
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        match target(context, &call.arguments).await {
            Ok(target) => target.look(&call.before).await,
            Err(error) => Finding::CannotTell { evidence: error.to_string() },
        }
    }

    async fn undo(&self, context: &Context, call: &Call) -> Report {
        undone(async { target(context, &call.arguments).await?.put_back(&call.before, &call.outputs).await }.await)
    }
}

async fn target(context: &Context, arguments: &Value) -> Result<Target, KubernetesError> {
    let body = arguments.get("patch").cloned().unwrap_or(Value::Null);
    let told = match (text(arguments, "type").unwrap_or("merge"), &body) {
        ("json", Value::Array(_)) => Told::Json(body),
        ("json", _) => {
            return Err(KubernetesError::Invalid("`patch` of `type: json` is a list of operations".to_owned()));
        }
        ("merge", Value::Object(_)) => Told::Merge(body),
        ("strategic", Value::Object(_)) => Told::Strategic(body),
        (kind, _) => return Err(KubernetesError::Invalid(format!("`patch` of `type: {kind}` is a map"))),
    };
    let holds_itself = match &told {
        Told::Json(operations) => operations.to_string().contains("/metadata/resourceVersion"),
        Told::Merge(body) | Told::Strategic(body) => body
            .get("metadata")
            .is_some_and(|metadata| !metadata.is_object() || metadata.get("resourceVersion").is_some()),
        Told::Apply { .. } => false,
    };
    if holds_itself {
        return Err(KubernetesError::Invalid(
            "`patch` names metadata.resourceVersion: this step itself sees to it that nobody changed the object meanwhile".to_owned(),
        ));
    }
    let Workload { cluster, place, .. } = Workload::open(context, arguments, "object").await?;
    let despite_controller = arguments.get("despite_controller").and_then(Value::as_bool).unwrap_or(false);
    let target = Target { at: place, cluster, told, despite_controller };
    target.hold_secrets_back()?;
    Ok(target)
}
