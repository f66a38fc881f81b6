//! `k8s.apply`: an object is to be as a manifest says, by server-side apply.

use std::sync::LazyLock;

use async_trait::async_trait;

use super::changed::{Target, facts, outputs};
use super::told::Told;
use crate::actions::by_hand::{comment, word};
use crate::actions::kubernetes::client::cluster::Cluster;
use crate::actions::kubernetes::client::place::Place;
use crate::actions::kubernetes::kubectl::{namespace, prefix};
use crate::actions::kubernetes::look::workload::namespace_of;
use crate::actions::kubernetes::objects::text as at;
use crate::actions::kubernetes::{KubernetesError, MANAGER, cluster_inputs, needed, text};
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value, contains_unknown};

/// `k8s.apply`.
#[derive(Debug, Clone, Copy)]
pub struct Apply;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "k8s.apply",
    summary: "Makes an object as a manifest says, or changes the one that is there to be so (server-side apply).",
    details: "What the manifest names is set, everything else stays. Fields that somebody else set to another value are a \
        conflict, which names them and whose they are; `force` takes them over. An object that another controller would \
        change back (Argo CD, Flux, a parent) is refused with that controller's own command, unless \
        `despite_controller` says so.\n\nIt is done only while those fields are as they were when the step looked. The \
        object and its fields stand in the plan and the journal, so a Secret is refused.",
    inputs: [
        cluster_inputs(),
        vec![
            FieldSpec::required(
                "manifest",
                Type::Any,
                "the object: apiVersion, kind, metadata.name and what is to be so",
            ),
            FieldSpec::optional("force", Type::Boolean, "take fields over from whoever set them").or(false.into()),
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
    effect: Effect::Idempotent,
    fidelity: Fidelity::Proved,
    proves: "The API takes it in its own dry-run (rights, validation, quotas, webhooks that allow one), and says what becomes of \
        each field.",
    undo: UndoSpec::Restores {
        how: "It removes the object if this step made it, or puts the fields back that it changed; where somebody else changed \
            them since, it says so and touches nothing.",
        from_observation: true,
    },
    resource: None,
    settle_seconds: 0.0,
    timeout_seconds: 60.0,
    open_inputs: false,
});

#[async_trait]
impl Action for Apply {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        let manifest = arguments.get("manifest").cloned().unwrap_or(Value::Null).to_string();
        let place = namespace(inventory, arguments).iter().map(|text| format!(" {}", word(text))).collect::<String>();
        let kubectl = prefix(inventory, arguments);
        let force = if arguments.get("force") == Some(&Value::Bool(true)) { " --force-conflicts" } else { "" };
        let apply = format!("--server-side --field-manager={MANAGER}{force} -f -");
        vec![
            format!("printf %s {} | {kubectl}{place} diff --server-side -f -", word(&manifest)),
            format!("printf %s {} | {kubectl}{place} apply {apply}", word(&manifest)),
            comment("good: it says serverside-applied. A conflict names whose fields they are"),
        ]
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        if contains_unknown(arguments) {
            return Ok(Prediction::unknown("part of the manifest is not known yet"));
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

/// How an undo of a changed object ended.
pub(in crate::actions::kubernetes) fn undone(ended: Result<String, KubernetesError>) -> Report {
    match ended {
        Ok(said) => Report::done(said, Value::Null),
        Err(KubernetesError::Lost(text)) => Report::unknown(text),
        Err(error) => Report::failed(format!("{error}; what this step changed may still be so")),
    }
}

async fn target(context: &Context, arguments: &Value) -> Result<Target, KubernetesError> {
    let manifest = arguments.get("manifest").filter(|manifest| manifest.is_object());
    let Some(manifest) = manifest else {
        return Err(KubernetesError::Invalid(
            "`manifest` is no object: it has apiVersion, kind, metadata.name".to_owned(),
        ));
    };
    let part = |pointer: &str| {
        let missing = || {
            KubernetesError::Invalid(format!("`manifest` has no {}", pointer.trim_start_matches('/').replace('/', ".")))
        };
        at(manifest, pointer).filter(|text| !text.is_empty()).ok_or_else(missing)
    };
    let (version, kind, name) = (part("/apiVersion")?, part("/kind")?, part("/metadata/name")?);
    for own in ["resourceVersion", "uid", "managedFields"] {
        if manifest.pointer("/metadata").and_then(|metadata| metadata.get(own)).is_some() {
            return Err(KubernetesError::Invalid(format!(
                "`manifest` names metadata.{own}, which the cluster itself writes"
            )));
        }
    }
    let cluster = Cluster::open(&context.inventory, needed(arguments, "cluster")?).await?;
    let (group, version) = version.rsplit_once('/').unwrap_or(("", version));
    let resource = cluster.resource(&format!("{kind}.{version}.{group}")).await?;
    let theirs = at(manifest, "/metadata/namespace");
    let given = text(arguments, "namespace");
    if let (Some(theirs), Some(given)) = (theirs, given)
        && theirs != given
    {
        return Err(KubernetesError::Invalid(format!(
            "`manifest` is of namespace {theirs}, and `namespace` says {given}"
        )));
    }
    let namespace = namespace_of(&cluster, theirs.or(given))?;
    let flag = |name: &str| arguments.get(name).and_then(Value::as_bool).unwrap_or(false);
    let target = Target {
        at: Place::of(&resource, &namespace, name),
        cluster,
        told: Told::Apply { manifest: manifest.clone(), force: flag("force") },
        despite_controller: flag("despite_controller"),
    };
    target.hold_secrets_back()?;
    Ok(target)
}
