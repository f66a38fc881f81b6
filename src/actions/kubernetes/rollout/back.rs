//! What the actions that roll a workload out have in common: what is recorded of it before, who stands in the way, the API's
//! own dry-run, how the end is told, and the way back to what was recorded.

use std::time::{Duration, Instant};

use serde_json::json;

use super::progress::stands_still;
use super::put::{Put, Way, put};
use super::revisions::{change, digest_of, images};
use super::target::{Seen, Target};
use super::watch::{End, Patience, watch};
use crate::actions::kubernetes::client::place::Mode;
use crate::actions::kubernetes::look::workload::uid;
use crate::actions::kubernetes::objects::text as field;
use crate::actions::kubernetes::surroundings::around::Around;
use crate::actions::kubernetes::{KubernetesError, cluster_fact, cluster_inputs};
use crate::actions::{Call, Context};
use crate::outcome::Report;
use crate::spec::{Fidelity, FieldSpec, Prediction};
use crate::value::{Type, Value, counted};

/// How long what needs somebody may hold a rollout up, where a playbook does not say, in seconds.
const GIVE_UP: f64 = 20.0;

/// The inputs by which a workload is meant.
pub(super) fn workload_inputs() -> Vec<FieldSpec> {
    let mut list = cluster_inputs();
    list.push(FieldSpec::required(
        "workload",
        Type::String,
        "kind and name: deployment/web, statefulset/db, daemonset/agent",
    ));
    list
}

/// The inputs of what rolls out.
pub(super) fn inputs() -> Vec<FieldSpec> {
    vec![
        FieldSpec::optional(
            "give_up_after",
            Type::Duration,
            "how long what waiting does not mend (no image, a crash loop, a quota) may hold it up",
        )
        .or(json!(GIVE_UP)),
        FieldSpec::optional(
            "despite_controller",
            Type::Boolean,
            "go ahead although somebody else manages it and may change it back",
        )
        .or(json!(false)),
    ]
}

fn strings() -> Type {
    Type::List(Box::new(Type::String))
}

/// What they give.
pub(super) fn outputs() -> Vec<FieldSpec> {
    vec![
        FieldSpec::optional("revision", Type::Integer, "the number of the revision that it is at now").volatile(),
        FieldSpec::required("images", strings(), "its images now: CONTAINER=IMAGE"),
        FieldSpec::required("left_images", strings(), "its images before"),
        FieldSpec::required("pods", Type::Integer, "how many of its pods serve").volatile(),
    ]
}

/// What they record before they act.
pub(super) fn facts() -> Vec<FieldSpec> {
    vec![
        cluster_fact(),
        FieldSpec::optional("uid", Type::String, "the object: one made anew under the same name has another uid")
            .identity(),
        FieldSpec::optional("revision", Type::Integer, "the number of the revision that it is at"),
        FieldSpec::optional("current", Type::String, "the name of the object that keeps that revision"),
        FieldSpec::required("template", Type::String, "what its template says, as a short hash"),
        FieldSpec::required("images", strings(), "its images: CONTAINER=IMAGE"),
        FieldSpec::required("complete", Type::Boolean, "whether its last rollout came to its end").volatile(),
    ]
}

/// These facts.
pub(super) fn facts_of(workload: &Target, seen: &Seen) -> Value {
    json!({
        "cluster_uid": workload.cluster().uid(),
        "uid": field(&seen.object, "/metadata/uid"),
        "revision": seen.current().map(|revision| revision.number),
        "current": seen.current().map(|revision| revision.name.clone()),
        "template": seen.digest,
        "images": seen.images(),
        "complete": seen.progress.is_complete(),
    })
}

/// What was recorded before it acted.
pub(super) fn before(call: &Call, name: &str) -> Option<String> {
    call.before.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// What stands against a rollout of it, each with what helps.
pub(super) fn in_the_way(workload: &Target, seen: &Seen, around: &Around, arguments: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let place = workload.at().with_namespace();
    found.extend(
        stands_still(&seen.object, workload.kind, &workload.for_kubectl()).map(|why| format!("{place}: {why}")),
    );
    if seen.current().is_none() {
        found.push(format!(
            "the controller of {place} has not kept its present template as a revision, so there would be no way back to it: \
             try again in a moment; if it stays so, see whether kube-controller-manager runs"
        ));
    }
    if arguments.get("despite_controller").and_then(Value::as_bool) != Some(true) {
        let sentence = |one: &crate::actions::kubernetes::surroundings::controllers::Controller| {
            format!("{place}: {}. With `despite_controller: true` it is done all the same", one.sentence())
        };
        found.extend(around.reverting().map(sentence));
    }
    found
}

/// How long this attempt watches.
pub(super) fn patience(call: &Call, begun: Instant) -> Patience {
    let give_up = call.arguments.get("give_up_after").and_then(Value::as_f64).unwrap_or(GIVE_UP);
    Patience { deadline: begun + call.timeout, give_up: Duration::from_secs_f64(give_up.clamp(0.0, 1e6)) }
}

/// Lets the API itself say whether it would take the change, with all of its checks.
pub(super) async fn rehearse(
    workload: &Target,
    way: impl Fn(&Value) -> Way,
    prediction: &mut Prediction,
) -> Result<(), KubernetesError> {
    match put(workload, way, Mode::DryRun).await {
        Ok(Put::Changed(_)) => prediction.fidelity = Fidelity::Proved,
        Ok(Put::Already | Put::Other(_)) => {
            prediction.notes.push("it was changed by somebody else while it was looked at".to_owned());
        }
        // A webhook that has side effects and cannot be asked without them: the change itself may still be taken.
        Err(KubernetesError::Refused { text, .. }) if text.contains("does not support dry run") => {
            prediction.notes.push(format!("the API could not try it out: {text}"));
        }
        Err(KubernetesError::Refused { text, .. }) => prediction.refusals.push(text),
        Err(error) => return Err(error),
    }
    Ok(())
}

/// How the end of a rollout is told.
pub(super) struct Told {
    /// What the workload was told, as the middle of a sentence.
    pub(super) what: String,
}

impl Told {
    /// It came to its end.
    pub(super) fn done(&self, workload: &Target, seen: &Seen, call: &Call) -> Report {
        let pods = seen.progress.available;
        let message = format!("{} is at {}; {} of it serve", workload.at().word(), seen.words(), counted(pods, "pod"));
        let outputs = json!({
            "revision": seen.current().map(|revision| revision.number),
            "images": seen.images(),
            "left_images": call.before.get("images").cloned().unwrap_or_else(|| json!([])),
            "pods": pods,
        });
        Report::done(message, outputs)
    }

    /// It did not.
    pub(super) fn not_done(&self, workload: &Target, end: End) -> Report {
        let (place, what) = (workload.at().with_namespace(), &self.what);
        let look = format!("`kubectl rollout status {}` goes on watching", workload.for_kubectl());
        match end {
            End::Held(why) => Report::failed(format!(
                "{place} {what}, and {why}. What served before serves as far as it is left; {look}"
            )),
            End::Replaced(seen) => Report::failed(format!(
                "{place} {what}, and somebody else rolled out {} meanwhile, which is what is there now",
                seen.words()
            )),
            // It was told; how far it came is not known, so it is looked at again.
            End::Blind(error) => {
                Report::unknown(format!("{place} {what}, and cannot be watched any more: {error}; {look}"))
            }
            End::Complete(_) => Report::unknown(format!("{place} {what}; {look}")),
        }
    }
}

/// Puts back the template that was recorded, if what is there is still ours.
pub(super) async fn to_the_recorded(
    workload: &Target,
    context: &Context,
    call: &Call,
    begun: Instant,
    is_ours: impl Fn(&Value) -> bool,
) -> Report {
    let seen = match workload.look().await {
        Ok(seen) => seen,
        Err(error) => return not_undone(error),
    };
    let place = workload.at().with_namespace();
    let Some(from) = before(call, "template") else {
        return Report::done("nothing was recorded, as nothing was changed", Value::Null);
    };
    if before(call, "uid").as_deref() != Some(uid(&seen.object)) {
        return Report::failed(format!(
            "{place} was made anew by somebody else since: it is left as it is ({})",
            seen.words()
        ));
    }
    let recorded = before(call, "current").and_then(|name| seen.named(&name).cloned());
    if seen.digest == from {
        return settled(workload, context, call, begun, &from).await;
    }
    let Some(recorded) = recorded.filter(|revision| revision.digest == from) else {
        return Report::failed(format!(
            "the revision that {place} was at is not kept any more, so it cannot go back to it; it is at {}. `kubectl rollout \
             history {}` shows what is kept",
            seen.words(),
            workload.for_kubectl()
        ));
    };
    let way = |object: &Value| match digest_of(object) {
        now if now == from => Way::Already,
        _ if is_ours(object) => {
            Way::Change(change(workload.kind, object, &recorded.template, recorded.cause.as_deref()))
        }
        _ => Way::Other,
    };
    match put(workload, way, Mode::Real).await {
        Ok(Put::Changed(_) | Put::Already) => settled(workload, context, call, begun, &from).await,
        Ok(Put::Other(object)) => {
            let there = images(object.pointer("/spec/template").unwrap_or(&Value::Null)).join(", ");
            Report::failed(format!(
                "somebody else rolled out {there} on {place} since: it is left as it is. To go back all the same: `kubectl rollout \
                 undo {} --to-revision={}`",
                workload.for_kubectl(),
                recorded.number
            ))
        }
        Err(error) => not_undone(error),
    }
}

/// Waits for the way back as far as it was before: a release that did not come up then is not waited for now.
async fn settled(workload: &Target, context: &Context, call: &Call, begun: Instant, digest: &str) -> Report {
    let was_complete = call.before.get("complete").and_then(Value::as_bool).unwrap_or(false);
    let patience = patience(call, begun);
    let patience = if was_complete { patience } else { Patience { give_up: Duration::ZERO, ..patience } };
    let place = workload.at().with_namespace();
    match watch(workload, digest, patience, &context.output).await {
        End::Complete(seen) => Report::done(format!("{place} is at {} again, and serves", seen.words()), Value::Null),
        End::Held(why) if !was_complete => Report::done(
            format!("{place} is at what it was at, which had not come up before either: {why}"),
            Value::Null,
        ),
        End::Held(why) => Report::failed(format!("{place} was told to return to what it was at, and {why}")),
        End::Replaced(seen) => Report::failed(format!(
            "{place} was taken to {} by somebody else meanwhile: it is left as it is",
            seen.words()
        )),
        End::Blind(error) => Report::unknown(format!("{place} was told to return to what it was at: {error}")),
    }
}

/// An undo that met this.
pub(super) fn not_undone(error: KubernetesError) -> Report {
    match error {
        KubernetesError::Lost(text) => Report::unknown(text),
        other => Report::failed(format!("{other}; it is still as this run left it")),
    }
}
