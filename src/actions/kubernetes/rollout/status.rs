//! `k8s.rollout_status`: which release a workload is at, which ones it could go back to, how far its rollout is, what holds it
//! up, and what stands around it. It changes nothing.

use std::sync::LazyLock;

use async_trait::async_trait;
use serde_json::json;

use super::back::workload_inputs;
use super::progress::stands_still;
use super::revisions::{self, Revision};
use super::target::{Seen, Target};
use crate::actions::by_hand::{comment, value, word};
use crate::actions::kubernetes::kubectl;
use crate::actions::kubernetes::objects::{is_set, said};
use crate::actions::kubernetes::surroundings::around::{Around, Autoscaler, Budget};
use crate::actions::kubernetes::surroundings::blockers::{self, Blocker};
use crate::actions::kubernetes::surroundings::controllers::Controller;
use crate::actions::kubernetes::surroundings::read::{around, held_up};
use crate::actions::kubernetes::{KubernetesError, cluster_fact};
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value, is_unknown};

/// `k8s.rollout_status`.
#[derive(Debug, Clone, Copy)]
pub struct RolloutStatus;

/// How many revisions are told.
const MOST: usize = 20;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "k8s.rollout_status",
    summary: "Reads which release a deployment, stateful set or daemon set is at, and what stands around it.",
    details: "The revisions that it keeps with their images, how far its rollout is and what holds it up, the autoscalers, \
        disruption budgets and quotas around it, and who else manages it (Argo CD, Flux, Helm, an operator), each with that \
        one's own command.\n\n`target_revision` is what `k8s.rollout_undo` with the same `revision` would go back to; null \
        where there is none, and `problem` says why.",
    inputs: inputs(),
    outputs: outputs(),
    facts: vec![],
    effect: Effect::Read,
    fidelity: Fidelity::Probed,
    proves: "It is what the run itself reads.",
    undo: UndoSpec::Nothing,
    resource: None,
    settle_seconds: 0.0,
    timeout_seconds: 30.0,
    open_inputs: false,
});

fn inputs() -> Vec<FieldSpec> {
    let mut list = workload_inputs();
    let revision =
        FieldSpec::optional("revision", Type::Integer, "the revision to go back to; the one before where absent");
    list.push(revision);
    list
}

fn outputs() -> Vec<FieldSpec> {
    let strings = || Type::List(Box::new(Type::String));
    vec![
        cluster_fact(),
        FieldSpec::optional(
            "revision",
            Type::Integer,
            "the number of the revision that it is at; null while it is not kept",
        ),
        FieldSpec::required("images", strings(), "its images: CONTAINER=IMAGE"),
        FieldSpec::optional("target_revision", Type::Integer, "the number of the revision to go back to"),
        FieldSpec::required("target_images", strings(), "its images"),
        FieldSpec::optional("target_cause", Type::String, "why it was made, where its release said so"),
        FieldSpec::required("revisions", strings(), "what is kept, the newest first, in words"),
        FieldSpec::optional("problem", Type::String, "why it could not go back, in words; null where it could"),
        FieldSpec::required("complete", Type::Boolean, "whether its rollout came to its end").volatile(),
        FieldSpec::required("wanted", Type::Integer, "how many pods there are to be").volatile(),
        FieldSpec::required("available", Type::Integer, "how many serve, of whichever revision").volatile(),
        FieldSpec::optional("held_up", Type::String, "what holds its pods up, in words; null where nothing does")
            .volatile(),
        FieldSpec::required("autoscalers", strings(), "the autoscalers that set its number, in words").volatile(),
        FieldSpec::required("budgets", strings(), "the disruption budgets that take its pods, in words").volatile(),
        FieldSpec::required("managed_by", strings(), "who else manages it and would change it back, in words"),
    ]
}

/// What is read at once.
struct All {
    seen: Seen,
    around: Around,
    held: Vec<Blocker>,
    target: Result<Revision, String>,
}

#[async_trait]
impl Action for RolloutStatus {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        let start = kubectl::prefix(inventory, arguments);
        let place =
            kubectl::namespace(inventory, arguments).iter().map(|part| format!(" {}", word(part))).collect::<String>();
        let workload = word(&value(arguments, "workload"));
        vec![
            format!("{start}{place} rollout status {workload} --watch=false"),
            format!("{start}{place} rollout history {workload}"),
            format!("{start}{place} get hpa,pdb,resourcequota"),
            format!("{start}{place} get {workload} -o yaml"),
            comment("its labels and annotations say who manages it (argocd, fluxcd, helm)"),
        ]
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        if ["cluster", "namespace", "workload", "revision"]
            .iter()
            .any(|name| arguments.get(name).is_some_and(is_unknown))
        {
            return Ok(Prediction::unknown("which workload is looked at is not known yet"));
        }
        let workload = Target::open(context, arguments).await?;
        let all = look(&workload, arguments).await?;
        let mut prediction = Prediction::probed(json!({}));
        prediction.outputs = told(&workload, &all);
        prediction.notes.push(sentence(&workload, &all));
        prediction.notes.extend(all.around.notes());
        prediction.notes.extend(all.around.reverting().map(Controller::sentence));
        Ok(prediction)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        let look = async {
            let workload = Target::open(context, &call.arguments).await?;
            let all = look(&workload, &call.arguments).await?;
            Ok::<_, KubernetesError>(Report::done(sentence(&workload, &all), told(&workload, &all)))
        };
        look.await.unwrap_or_else(Report::from)
    }

    async fn probe(&self, _: &Context, _: &Call) -> Finding {
        Finding::DidNot { evidence: "it changes nothing".to_owned() }
    }
}

async fn look(workload: &Target, arguments: &Value) -> Result<All, KubernetesError> {
    let seen = workload.look().await?;
    let around = around(workload.cluster(), workload.namespace(), &seen.object, workload.kind.name()).await?;
    let held = match seen.current() {
        Some(current) if !seen.progress.is_complete() => {
            let pods = workload.pods(&seen.object, Some(&current.hash)).await?;
            held_up(workload.cluster(), workload.namespace(), &seen.object, &pods, None).await?
        }
        _ => Vec::new(),
    };
    let number = arguments.get("revision").and_then(Value::as_i64);
    let target = revisions::target(&seen.object, &seen.revisions, number).cloned();
    Ok(All { seen, around, held, target })
}

fn sentence(workload: &Target, all: &All) -> String {
    let mut text =
        format!("{} is at {}: {}", workload.at().with_namespace(), all.seen.words(), all.seen.progress.sentence());
    if !all.held.is_empty() {
        text.push_str(&format!("; {}", blockers::in_words(&all.held)));
    }
    if let Some(still) = stands_still(&all.seen.object, workload.kind, &workload.for_kubectl()) {
        text.push_str(&format!(". It cannot go back: {still}"));
        return text;
    }
    match &all.target {
        Ok(target) => text.push_str(&format!(". It can go back to {}", target.words())),
        Err(why) => text.push_str(&format!(". It cannot go back: {why}")),
    }
    text
}

fn told(workload: &Target, all: &All) -> Value {
    let (seen, around, target) = (&all.seen, &all.around, all.target.as_ref().ok());
    let still = stands_still(&seen.object, workload.kind, &workload.for_kubectl());
    let problem = all.target.as_ref().err().cloned().or(still);
    json!({
        "cluster_uid": workload.cluster().uid(),
        "revision": seen.current().map(|revision| revision.number),
        "images": seen.images(),
        "target_revision": target.map(|revision| revision.number),
        "target_images": target.map(Revision::images).unwrap_or_default(),
        "target_cause": target.and_then(|revision| revision.cause.as_deref()).map(said),
        "revisions": seen.revisions.iter().take(MOST).map(Revision::words).collect::<Vec<_>>(),
        "problem": problem,
        "complete": seen.progress.is_complete() && !is_set(&seen.object, "/spec/paused"),
        "wanted": seen.progress.wanted,
        "available": seen.progress.available,
        "held_up": (!all.held.is_empty()).then(|| blockers::in_words(&all.held)),
        "autoscalers": around.autoscalers.iter().map(Autoscaler::sentence).collect::<Vec<_>>(),
        "budgets": around.budgets.iter().map(Budget::sentence).collect::<Vec<_>>(),
        "managed_by": around.reverting().map(Controller::sentence).collect::<Vec<_>>(),
    })
}
