//! `k8s.rollout_restart`: all pods of a workload are replaced by new ones of the same release, a few at a time.
//!
//! The template gets a mark with the run's key: told twice, it restarts once.

use std::sync::LazyLock;
use std::time::Instant;

use async_trait::async_trait;
use serde_json::{Map, json};

use super::back::{self, Told, before};
use super::put::{Put, Way, put};
use super::revisions::{digest, digest_of, unchanged};
use super::target::Target;
use super::watch::{End, watch};
use crate::actions::by_hand::{comment, value, word};
use crate::actions::kubernetes::KubernetesError;
use crate::actions::kubernetes::client::place::Mode;
use crate::actions::kubernetes::kubectl;
use crate::actions::kubernetes::surroundings::read::around;
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Change, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value, is_unknown};

/// The annotation of the pods' template that says which run restarted them.
const MARK: &str = "playbook/restarted-by";

/// `k8s.rollout_restart`.
#[derive(Debug, Clone, Copy)]
pub struct RolloutRestart;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "k8s.rollout_restart",
    summary: "Replaces all pods of a deployment, stateful set or daemon set by new ones of the same release.",
    details: "The template gets an annotation with the key of this run, as `kubectl rollout restart` gives it the time: the same \
        attempt made again restarts nothing twice. The rollout is watched to its end, as in `k8s.rollout_undo`.\n\nUndoing it \
        puts back the template as it was, which replaces the pods once more: none of them is the one that was there.",
    inputs: [back::workload_inputs(), back::inputs()].concat(),
    outputs: back::outputs(),
    facts: [
        back::facts(),
        vec![FieldSpec::required(
            "unmarked",
            Type::String,
            "what its template says but for this mark, as a short hash",
        )],
    ]
    .concat(),
    effect: Effect::Keyed,
    fidelity: Fidelity::Proved,
    proves: "The API takes the change in its own dry-run: our account may do it, and admission does not refuse it; whether new \
        pods come up is not known before.",
    undo: UndoSpec::Restores {
        how: "It puts back the template as it was, if nobody rolled out anything else since.",
        from_observation: true,
    },
    resource: Some("cluster/{cluster}/{workload}"),
    settle_seconds: 1.0,
    timeout_seconds: 300.0,
    open_inputs: false,
});

#[async_trait]
impl Action for RolloutRestart {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        let start = kubectl::prefix(inventory, arguments);
        let place =
            kubectl::namespace(inventory, arguments).iter().map(|part| format!(" {}", word(part))).collect::<String>();
        let workload = word(&value(arguments, "workload"));
        vec![
            format!("{start}{place} rollout restart {workload}"),
            format!("{start}{place} rollout status {workload} --timeout=5m"),
            comment("good: it says that it was successfully rolled out"),
        ]
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        let asked = ["cluster", "namespace", "workload", "despite_controller"];
        if asked.iter().any(|name| arguments.get(name).is_some_and(is_unknown)) {
            return Ok(Prediction::unknown("which workload is restarted is not known yet"));
        }
        let workload = Target::open(context, arguments).await?;
        Ok(foresee(&workload, arguments).await?)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        let begun = Instant::now();
        match Target::open(context, &call.arguments).await {
            Ok(workload) => restart(&workload, context, call, begun).await,
            Err(error) => Report::from(error),
        }
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        let look = async { Target::open(context, &call.arguments).await?.object().await };
        match look.await {
            // It runs again under its key, restarts nothing, and watches on.
            Ok(object) if is_marked(&object, &call.key) => {
                Finding::CannotTell { evidence: "it is under way, or done".to_owned() }
            }
            Ok(_) => Finding::DidNot { evidence: "its pods carry no mark of this attempt".to_owned() },
            Err(error) => Finding::CannotTell { evidence: error.to_string() },
        }
    }

    async fn undo(&self, context: &Context, call: &Call) -> Report {
        let begun = Instant::now();
        match Target::open(context, &call.arguments).await {
            Ok(workload) => {
                let unmarked = before(call, "unmarked");
                let is_ours = |object: &Value| Some(digest(&without_mark(object))) == unmarked;
                back::to_the_recorded(&workload, context, call, begun, is_ours).await
            }
            Err(error) => back::not_undone(error),
        }
    }
}

fn annotations(object: &Value) -> Option<&Map<String, Value>> {
    object.pointer("/spec/template/metadata/annotations").and_then(Value::as_object)
}

fn is_marked(object: &Value, key: &str) -> bool {
    annotations(object).and_then(|all| all.get(MARK)).and_then(Value::as_str) == Some(key)
}

/// A workload's template without the mark, and without what only held the mark.
fn without_mark(object: &Value) -> Value {
    let mut template = object.pointer("/spec/template").cloned().unwrap_or(Value::Null);
    if let Some(metadata) = template.get_mut("metadata").and_then(Value::as_object_mut) {
        let is_empty = metadata.get_mut("annotations").and_then(Value::as_object_mut).is_some_and(|all| {
            all.remove(MARK);
            all.is_empty()
        });
        if is_empty {
            metadata.remove("annotations");
        }
    }
    template
}

/// What marks the template with a key; nothing where it is marked so already.
fn way(object: &Value, key: &str, from: &str) -> Way {
    if is_marked(object, key) {
        return Way::Already;
    }
    if digest_of(object) != from {
        return Way::Other;
    }
    let mut operations = unchanged(object);
    let base = "/spec/template/metadata";
    if annotations(object).is_none() {
        operations.push(json!({ "op": "add", "path": format!("{base}/annotations"), "value": {} }));
    }
    let path = format!("{base}/annotations/{}", MARK.replace('/', "~1"));
    operations.push(json!({ "op": "add", "path": path, "value": key }));
    Way::Change(Value::Array(operations))
}

/// What is there, who stands in the way, and what the API says to it.
async fn foresee(workload: &Target, arguments: &Value) -> Result<Prediction, KubernetesError> {
    let seen = workload.look().await?;
    let around = around(workload.cluster(), workload.namespace(), &seen.object, workload.kind.name()).await?;
    let mut prediction = Prediction::probed(back::facts_of(workload, &seen));
    if let Some(facts) = prediction.facts.as_object_mut() {
        facts.insert("unmarked".to_owned(), json!(digest(&without_mark(&seen.object))));
    }
    prediction.refusals.extend(back::in_the_way(workload, &seen, &around, arguments));
    prediction.notes.push(format!("{}: {}", workload.at().word(), seen.progress.sentence()));
    prediction.notes.extend(around.notes());
    prediction.changes.push(Change {
        what: workload.at().with_namespace(),
        before: Some(seen.words()),
        after: Some(format!("the same, in {} new pods", seen.progress.wanted)),
    });
    prediction.outputs = json!({ "images": seen.images(), "left_images": seen.images() });
    if prediction.refusals.is_empty() {
        back::rehearse(workload, |object| way(object, "dry-run", &seen.digest), &mut prediction).await?;
    }
    Ok(prediction)
}

async fn restart(workload: &Target, context: &Context, call: &Call, begun: Instant) -> Report {
    let Some(from) = before(call, "template") else {
        return Report::no_effect("nobody has looked at it yet: nothing was changed");
    };
    let object = match put(workload, |object| way(object, &call.key, &from), Mode::Real).await {
        Ok(Put::Changed(object)) => object,
        Ok(Put::Already) => match workload.object().await {
            Ok(object) => object,
            Err(error) => {
                return Report::unknown(format!("it was restarted already, and cannot be looked at: {error}"));
            }
        },
        Ok(Put::Other(_)) => {
            return Report::no_effect(format!(
                "somebody else rolled out something on {} since it was looked at, which replaces its pods: nothing was changed",
                workload.at().with_namespace()
            ));
        }
        Err(error) => return Report::from(error),
    };
    let told = Told { what: "was told to replace its pods".to_owned() };
    match watch(workload, &digest_of(&object), back::patience(call, begun), &context.output).await {
        End::Complete(seen) => told.done(workload, &seen, call),
        other => told.not_done(workload, other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_put_once_and_taken_off_without_a_trace() {
        let plain = json!({ "metadata": { "uid": "u", "generation": 1 }, "spec": { "template": { "metadata": { "labels": {} } } } });
        let from = digest_of(&plain);
        let Way::Change(operations) = way(&plain, "run-1", &from) else { unreachable!("it is not marked") };
        assert_eq!(operations[2], json!({ "op": "add", "path": "/spec/template/metadata/annotations", "value": {} }));
        assert_eq!(operations[3]["path"], "/spec/template/metadata/annotations/playbook~1restarted-by");
        let mut marked = plain.clone();
        marked["spec"]["template"]["metadata"]["annotations"] = json!({ MARK: "run-1" });
        assert!(matches!(way(&marked, "run-1", &from), Way::Already));
        assert!(matches!(way(&marked, "run-2", &from), Way::Other));
        assert_eq!(without_mark(&marked), plain["spec"]["template"]);
    }
}
