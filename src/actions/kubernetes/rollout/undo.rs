//! `k8s.rollout_undo`: a workload goes back to a revision that it keeps, and is watched until that serves.
//!
//! What it goes back to is settled before anything is sent, by name and by what its template says: numbers move with every
//! rollout, and "the one before" is another one after.

use std::sync::LazyLock;
use std::time::Instant;

use async_trait::async_trait;
use serde_json::json;

use super::back::{self, Told, before};
use super::progress::stands_still;
use super::put::{Put, Way, put};
use super::revisions::{self, Revision, change, digest_of};
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

/// `k8s.rollout_undo`.
#[derive(Debug, Clone, Copy)]
pub struct RolloutUndo;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "k8s.rollout_undo",
    summary: "Takes a deployment, stateful set or daemon set back to an earlier revision, and watches it until that serves.",
    details: "Without `revision` it is the one before. The revision's template is put back, only if nobody changed the workload \
        since it was read; then the rollout is watched to its end, and its progress is told. What holds it up (an image that \
        cannot be had, a container that ends again and again, a quota, an admission webhook) is named as soon as it is seen; \
        where that is something that waiting does not mend, the step fails after `give_up_after`.\n\nA workload that somebody \
        else manages and would change back (Argo CD, Flux, an operator) is refused with that one's own command, unless \
        `despite_controller` says so.",
    inputs: inputs(),
    outputs: back::outputs(),
    facts: [back::facts(), target_facts()].concat(),
    effect: Effect::Probed,
    fidelity: Fidelity::Proved,
    proves: "The revision is there, its images are named, and the API takes the change in its own dry-run: our account may do \
        it, and admission does not refuse it; whether its pods come up is not known before.",
    undo: UndoSpec::Restores {
        how: "It puts back the template that was there before, if nobody rolled out anything else since.",
        from_observation: true,
    },
    resource: Some("cluster/{cluster}/{workload}"),
    settle_seconds: 1.0,
    timeout_seconds: 300.0,
    open_inputs: false,
});

fn inputs() -> Vec<FieldSpec> {
    let mut list = back::workload_inputs();
    list.push(FieldSpec::optional("revision", Type::Integer, "the revision's number; the one before where absent"));
    list.extend(back::inputs());
    list
}

fn target_facts() -> Vec<FieldSpec> {
    let images = Type::List(Box::new(Type::String));
    vec![
        FieldSpec::optional("target", Type::String, "the name of the revision that it goes back to"),
        FieldSpec::optional("target_revision", Type::Integer, "its number"),
        FieldSpec::optional("target_template", Type::String, "what its template says, as a short hash"),
        FieldSpec::optional("target_images", images, "its images"),
    ]
}

#[async_trait]
impl Action for RolloutUndo {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        let start = kubectl::prefix(inventory, arguments);
        let place =
            kubectl::namespace(inventory, arguments).iter().map(|part| format!(" {}", word(part))).collect::<String>();
        let workload = word(&value(arguments, "workload"));
        let to = match arguments.get("revision").filter(|revision| !revision.is_null()) {
            Some(_) => format!(" --to-revision={}", word(&value(arguments, "revision"))),
            None => String::new(),
        };
        vec![
            format!("{start}{place} rollout history {workload}"),
            format!("{start}{place} rollout undo {workload}{to}"),
            format!("{start}{place} rollout status {workload} --timeout=5m"),
            comment("good: it says that it was successfully rolled out"),
        ]
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        let asked = ["cluster", "namespace", "workload", "revision", "despite_controller"];
        if asked.iter().any(|name| arguments.get(name).is_some_and(is_unknown)) {
            return Ok(Prediction::unknown("which workload goes back to which revision is not known yet"));
        }
        let workload = Target::open(context, arguments).await?;
        Ok(foresee(&workload, arguments).await?)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        let begun = Instant::now();
        match Target::open(context, &call.arguments).await {
            Ok(workload) => go_back(&workload, context, call, begun).await,
            Err(error) => Report::from(error),
        }
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        let begun = Instant::now();
        match Target::open(context, &call.arguments).await {
            Ok(workload) => look_after(&workload, context, call, begun).await,
            Err(error) => Finding::CannotTell { evidence: error.to_string() },
        }
    }

    async fn undo(&self, context: &Context, call: &Call) -> Report {
        let begun = Instant::now();
        match Target::open(context, &call.arguments).await {
            Ok(workload) => {
                let ours = before(call, "target_template");
                let is_ours = |object: &Value| Some(digest_of(object)) == ours;
                back::to_the_recorded(&workload, context, call, begun, is_ours).await
            }
            Err(error) => back::not_undone(error),
        }
    }
}

/// What is there, what it would go back to, who stands in the way, and what the API says to it.
pub(super) async fn foresee(workload: &Target, arguments: &Value) -> Result<Prediction, KubernetesError> {
    let seen = workload.look().await?;
    let around = around(workload.cluster(), workload.namespace(), &seen.object, workload.kind.name()).await?;
    let mut prediction = Prediction::probed(back::facts_of(workload, &seen));
    prediction.refusals.extend(back::in_the_way(workload, &seen, &around, arguments));
    prediction.notes.push(format!("{} is at {}; {}", workload.at().word(), seen.words(), seen.progress.sentence()));
    prediction.notes.extend(around.notes());
    let number = arguments.get("revision").and_then(Value::as_i64);
    let target = match revisions::target(&seen.object, &seen.revisions, number) {
        Ok(target) => target,
        Err(why) => {
            prediction.refusals.push(format!("{}: {why}", workload.at().with_namespace()));
            return Ok(prediction);
        }
    };
    if let Some(facts) = prediction.facts.as_object_mut() {
        facts.insert("target".to_owned(), json!(target.name));
        facts.insert("target_revision".to_owned(), json!(target.number));
        facts.insert("target_template".to_owned(), json!(target.digest));
        facts.insert("target_images".to_owned(), json!(target.images()));
    }
    prediction.changes.push(Change {
        what: workload.at().with_namespace(),
        before: Some(seen.words()),
        after: Some(format!("the template of {}", target.words())),
    });
    prediction.outputs = json!({ "images": target.images(), "left_images": seen.images() });
    if prediction.refusals.is_empty() {
        back::rehearse(workload, |object| way(workload, object, &seen.digest, target), &mut prediction).await?;
    }
    Ok(prediction)
}

fn way(workload: &Target, object: &Value, from: &str, target: &Revision) -> Way {
    let now = digest_of(object);
    if now == target.digest {
        Way::Already
    } else if now == from {
        Way::Change(change(workload.kind, object, &target.template, target.cause.as_deref()))
    } else {
        Way::Other
    }
}

/// Goes back to what was settled when it was looked at, whatever "the one before" would be by now.
async fn go_back(workload: &Target, context: &Context, call: &Call, begun: Instant) -> Report {
    let seen = match workload.look().await {
        Ok(seen) => seen,
        Err(error) => return Report::from(error),
    };
    let (Some(name), Some(digest), Some(from)) =
        (before(call, "target"), before(call, "target_template"), before(call, "template"))
    else {
        return Report::no_effect("nobody has settled which revision it goes back to: nothing was changed");
    };
    let Some(target) = seen.named(&name).filter(|revision| revision.digest == digest).cloned() else {
        return Report::no_effect(format!("the revision {name} is not kept any more: nothing was changed"));
    };
    if let Some(why) = stands_still(&seen.object, workload.kind, &workload.for_kubectl()) {
        return Report::no_effect(format!("{}: {why}", workload.at().with_namespace()));
    }
    match put(workload, |object| way(workload, object, &from, &target), Mode::Real).await {
        Ok(Put::Changed(_) | Put::Already) => {}
        Ok(Put::Other(object)) => {
            let images = revisions::images(object.pointer("/spec/template").unwrap_or(&Value::Null)).join(", ");
            return Report::no_effect(format!(
                "somebody else changed {} since it was looked at ({images} now): nothing was changed",
                workload.at().with_namespace()
            ));
        }
        Err(error) => return Report::from(error),
    }
    let told = Told { what: format!("was told to go back to {}", target.words()) };
    match watch(workload, &digest, back::patience(call, begun), &context.output).await {
        End::Complete(seen) => told.done(workload, &seen, call),
        other => told.not_done(workload, other),
    }
}

/// What became of an attempt whose outcome is missing: the rollout goes on without us, so it is watched to its end.
async fn look_after(workload: &Target, context: &Context, call: &Call, begun: Instant) -> Finding {
    let seen = match workload.look().await {
        Ok(seen) => seen,
        Err(error) => return Finding::CannotTell { evidence: error.to_string() },
    };
    let (Some(digest), Some(from)) = (before(call, "target_template"), before(call, "template")) else {
        return Finding::CannotTell { evidence: "nobody has settled which revision it goes back to".to_owned() };
    };
    if seen.digest == from {
        return Finding::DidNot { evidence: format!("{} is still at {}", workload.at().word(), seen.words()) };
    }
    let told = Told { what: "was told to go back".to_owned() };
    match watch(workload, &digest, back::patience(call, begun), &context.output).await {
        End::Complete(seen) => {
            let report = told.done(workload, &seen, call);
            Finding::TookEffect { evidence: report.message, outputs: report.outputs }
        }
        End::Replaced(seen) => Finding::CannotTell {
            evidence: format!(
                "somebody else rolled out {} since; see `kubectl rollout history {}`",
                seen.images().join(", "),
                workload.for_kubectl()
            ),
        },
        other => Finding::Ended(told.not_done(workload, other)),
    }
}

#[cfg(all(test, feature = "kube"))]
#[path = "undo_tests.rs"]
mod tests;
