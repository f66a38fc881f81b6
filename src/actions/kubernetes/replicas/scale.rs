//! `k8s.scale`: a workload gets another number of replicas, in stages that each have to be healthy. The way there is in `climb.rs`.

use std::sync::LazyLock;

use async_trait::async_trait;
use serde_json::json;

use super::climb::{Climb, set};
use super::stages::{Whose, Wish};
use crate::actions::by_hand::value;
use crate::actions::kubernetes::client::place::Mode;
use crate::actions::kubernetes::kubectl;
use crate::actions::kubernetes::look::workload::{Workload, existing, is_known, ready, replicas, set_by, uid};
use crate::actions::kubernetes::rollout::progress::{Kind, stands_still};
use crate::actions::kubernetes::surroundings::around::Around;
use crate::actions::kubernetes::surroundings::read::around;
use crate::actions::kubernetes::{KubernetesError, cluster_fact, cluster_inputs};
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Change, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value, counted};

/// How often a dry-run is asked anew because the object changed meanwhile.
const TRIES: usize = 8;

/// `k8s.scale`.
#[derive(Debug, Clone, Copy)]
pub struct Scale;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "k8s.scale",
    summary: "Gives a workload of a Kubernetes cluster another number of replicas, in stages that each have to be healthy.",
    details: "A deployment, a stateful set, a replica set, or any kind with a scale. Each stage adds a `batch`; the next one begins \
        when its replicas are ready and stayed so for `stable_for`. More than `max_failures` that do not get ready within \
        `batch_timeout` end it, with what holds them up: an image, a crash, a quota, no node. It never has more than `max`, and \
        never fewer than it had, unless `allow_shrink` says so.\n\nEvery change is conditional on the version of the object that \
        was read. Somebody else's number is never overwritten: not by a stage, and not by the undo. A runner that was killed goes \
        on from what it finds, on the same stages.\n\nAn autoscaler, Argo CD, Flux or an operator that would change it back is \
        refused, with that controller's own command; `despite_controller: true` goes on all the same.",
    inputs: inputs(),
    outputs: vec![
        FieldSpec::required("previous", Type::Integer, "how many replicas it had before"),
        FieldSpec::required("replicas", Type::Integer, "how many it has now"),
        FieldSpec::required("ready", Type::Integer, "how many of them are ready").volatile(),
        FieldSpec::required("changed", Type::Boolean, "whether anything had to be changed"),
    ],
    facts: vec![
        cluster_fact(),
        FieldSpec::optional("uid", Type::String, "the workload: its uid, which no other of its name has").identity(),
        FieldSpec::required("replicas", Type::Integer, "how many replicas it is told to have"),
        FieldSpec::required("ready", Type::Integer, "how many of them are ready").volatile(),
        FieldSpec::optional("set_by", Type::String, "who set that number, where the cluster keeps it"),
        FieldSpec::required("paused", Type::Boolean, "whether its rollouts are paused"),
        FieldSpec::optional("autoscaler", Type::String, "the autoscaler that sets its number, if any"),
        FieldSpec::optional(
            "room",
            Type::Integer,
            "how many more pods the quotas leave room for; null where none counts them",
        )
        .volatile(),
    ],
    effect: Effect::Idempotent,
    fidelity: Fidelity::Proved,
    proves: "The API itself took the change in a dry run, with its admission and our rights; quotas, autoscalers and other \
        controllers were looked at. Not that the nodes have room, nor that the pods get ready.",
    undo: UndoSpec::Restores {
        how: "It restores the number that it found, unless somebody else changed it since.",
        from_observation: true,
    },
    resource: Some("cluster/{cluster}/{workload}"),
    settle_seconds: 0.0,
    timeout_seconds: 900.0,
    open_inputs: false,
});

fn inputs() -> Vec<FieldSpec> {
    [
        cluster_inputs(),
        vec![
            FieldSpec::required("workload", Type::String, "the workload, as KIND/NAME: deployment/web"),
            FieldSpec::optional("replicas", Type::Integer, "how many it is to have"),
            FieldSpec::optional(
                "by",
                Type::String,
                "instead: how many more than `from`, as a number (5) or a share of it (50%)",
            ),
            FieldSpec::optional("from", Type::Integer, "what `by` counts from: what a step before read"),
            FieldSpec::required("max", Type::Integer, "the ceiling: more is refused, whoever asks"),
            FieldSpec::optional(
                "batch",
                Type::String,
                "how many a stage adds: a number, or a share of all that are added",
            )
            .or(json!("25%")),
            FieldSpec::optional(
                "stable_for",
                Type::Duration,
                "how long the replicas of a stage stay ready before the next",
            )
            .or(json!(5.0)),
            FieldSpec::optional("batch_timeout", Type::Duration, "how long a stage has to get ready").or(json!(120.0)),
            FieldSpec::optional("max_failures", Type::Integer, "how many new replicas may stay unready, in all")
                .or(json!(0)),
            FieldSpec::optional("allow_shrink", Type::Boolean, "whether it may have fewer than now").or(json!(false)),
            FieldSpec::optional("despite_controller", Type::Boolean, "go on although somebody would change it back")
                .or(json!(false)),
        ],
    ]
    .concat()
}

#[async_trait]
impl Action for Scale {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        let workload = value(arguments, "workload");
        let count = match arguments.get("by").filter(|by| !by.is_null()) {
            Some(_) => format!("<{} more than {}>", value(arguments, "by"), value(arguments, "from")),
            None => value(arguments, "replicas"),
        };
        let replicas = format!("--replicas={count}");
        let namespace = kubectl::namespace(inventory, arguments);
        let words = |more: &[&'_ str]| -> Vec<String> {
            namespace.iter().cloned().chain(more.iter().map(|word| (*word).to_owned())).collect()
        };
        let commands = [
            words(&["get", &workload]),
            words(&["get", "hpa,resourcequota"]),
            words(&["scale", &workload, &replicas]),
            words(&["rollout", "status", &workload]),
        ];
        let commands: Vec<Vec<&str>> =
            commands.iter().map(|words| words.iter().map(String::as_str).collect()).collect();
        let commands: Vec<&[&str]> = commands.iter().map(Vec::as_slice).collect();
        let good = format!(
            "good: no autoscaler and room in the quota; then all are ready. Never more than {}; better in steps",
            value(arguments, "max")
        );
        kubectl::lines(inventory, arguments, &commands, &good)
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        if !is_known(arguments, "workload") {
            return Ok(Prediction::unknown("which workload is not known yet"));
        }
        let wish = Wish::read(arguments)?;
        let workload = Workload::open(context, arguments, "workload").await?;
        Ok(foresee(&workload, wish.as_ref(), goes_on(arguments)).await?)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        match Climb::begin(context, call).await {
            Ok(climb) => climb.go().await,
            Err(error) => Report::from(error),
        }
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        let look = async {
            let climb = Climb::begin(context, call).await?;
            let found = climb.workload.read().await?;
            Ok::<_, KubernetesError>((climb, found))
        };
        match look.await {
            Err(error) => Finding::CannotTell { evidence: error.to_string() },
            Ok((climb, found)) => {
                let seen = format!("it is told to have {}, {} are ready", replicas(&found), ready(&found));
                match climb.whose(&found) {
                    Whose::AsFound if climb.wish.target != climb.from => Finding::DidNot { evidence: seen },
                    _ if climb.is_there(&found) => {
                        Finding::TookEffect { evidence: seen, outputs: climb.outputs(&found, true) }
                    }
                    // Half of the way: told again it goes on from there.
                    _ => Finding::CannotTell { evidence: seen },
                }
            }
        }
    }

    async fn undo(&self, context: &Context, call: &Call) -> Report {
        match Climb::begin(context, call).await {
            Ok(climb) => climb.back().await,
            Err(error) => Report::failed(format!("{error}; it stands as the step left it")),
        }
    }
}

fn goes_on(arguments: &Value) -> bool {
    arguments.get("despite_controller").and_then(Value::as_bool).unwrap_or(false)
}

/// What is there, what would be refused, and what the API says to a dry run.
async fn foresee(
    workload: &Workload,
    wish: Option<&Wish>,
    despite_controller: bool,
) -> Result<Prediction, KubernetesError> {
    let found = workload.read().await?;
    if !workload.place.resource.subresources.iter().any(|below| below == "scale") {
        return Err(KubernetesError::Invalid(format!(
            "{} cannot be scaled: its kind has no scale",
            workload.place.word()
        )));
    }
    let kind = &workload.place.resource.kind;
    let stands_around = around(&workload.cluster, &workload.namespace, &found, kind).await?;
    let from = replicas(&found);
    let mut prediction = Prediction::probed(facts(workload, &found, &stands_around));
    let place = workload.place.with_namespace();
    prediction.notes.push(format!("{place} has {}, {} of them ready", counted(from, "replica"), ready(&found)));
    prediction.notes.extend(stands_around.notes());
    prediction.notes.extend(Kind::of(kind).and_then(|kind| stands_still(&found, kind, &place)));
    let Some(wish) = wish else {
        prediction.fidelity = Fidelity::Unknown;
        return Ok(prediction);
    };
    prediction.outputs = json!({ "previous": from, "replicas": wish.target, "changed": wish.target != from });
    prediction.refusals.extend(wish.refusal(&place, from));
    if wish.target == from {
        return Ok(prediction);
    }
    let stages = wish.stages(from);
    prediction.changes.push(Change {
        what: place.clone(),
        before: Some(counted(from, "replica")),
        after: Some(counted(wish.target, "replica")),
    });
    if stages.len() > 1 {
        let all: Vec<String> = stages.iter().take(12).map(ToString::to_string).collect();
        let rest = if stages.len() > 12 { format!(", … {}", wish.target) } else { String::new() };
        prediction.notes.push(format!("in {} stages: {}{rest}", stages.len(), all.join(", ")));
    }
    hindrances(&stands_around, wish, from, despite_controller, &mut prediction);
    rehearse(workload, wish, &mut prediction).await?;
    Ok(prediction)
}

/// Who would change it back, and whether the quotas have room.
fn hindrances(around: &Around, wish: &Wish, from: i64, despite_controller: bool, prediction: &mut Prediction) {
    let mut others: Vec<String> =
        around.reverting().map(crate::actions::kubernetes::surroundings::controllers::Controller::sentence).collect();
    for autoscaler in around.autoscalers.iter().filter(|one| one.changes(wish.target)) {
        others.push(format!(
            "{}: it would change {} back. Let it want that many itself: {} with N = {}",
            autoscaler.sentence(),
            counted(wish.target, "replica"),
            autoscaler.command,
            wish.target
        ));
    }
    if despite_controller {
        prediction.notes.extend(others.into_iter().map(|text| format!("goes on despite this: {text}")));
    } else {
        prediction.refusals.extend(others);
    }
    if wish.target > from {
        prediction.refusals.extend(around.too_many(wish.target - from - wish.max_failures));
    }
}

/// Lets the API say whether it would take it.
async fn rehearse(workload: &Workload, wish: &Wish, prediction: &mut Prediction) -> Result<(), KubernetesError> {
    for _ in 0..TRIES {
        let now = workload.read().await?;
        match set(workload, &now, wish.target, Mode::DryRun).await {
            Ok(()) => {
                prediction.fidelity = Fidelity::Proved;
                return Ok(());
            }
            // Its controller writes to it all the time.
            Err(KubernetesError::Conflict(_)) => {}
            Err(KubernetesError::Refused { text, .. }) => {
                prediction.fidelity = Fidelity::Proved;
                prediction.refusals.push(text);
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
    prediction.notes.push("it changes so often that no dry run of it came through".to_owned());
    Ok(())
}

fn facts(workload: &Workload, found: &Value, around: &Around) -> Value {
    json!({
        "cluster_uid": workload.cluster.uid(),
        "uid": uid(found),
        "replicas": replicas(found),
        "ready": ready(found).min(existing(found)),
        "set_by": set_by(found),
        "paused": crate::actions::kubernetes::objects::is_set(found, "/spec/paused"),
        "autoscaler": around.autoscalers.first().map(|one| one.name.clone()),
        "room": around.more_pods(),
    })
}
