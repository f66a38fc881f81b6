//! The revisions of a workload: which there are, which one runs, which one is gone back to. Deployments keep them as replica
//! sets, stateful sets and daemon sets as controller revisions. Pure. A revision's number moves when it is gone back to, so it
//! is remembered by its name and by what its template says.

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::progress::Kind;
use crate::actions::command::hexadecimal;
use crate::actions::kubernetes::objects::{annotation, controlled_by, count, items, label, said, text};
use crate::value::Value;

/// Where a deployment and its replica sets say their number.
const NUMBER: &str = "deployment.kubernetes.io/revision";
/// Where a release may say why it was made; `kubectl rollout history` shows it.
pub(super) const CAUSE: &str = "kubernetes.io/change-cause";

/// One revision of a workload.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Revision {
    /// The name of the object that keeps it.
    pub(super) name: String,
    /// Its number, as `kubectl rollout history` shows it; the highest is the newest.
    pub(super) number: i64,
    /// The pods' template, as the workload would have it.
    pub(super) template: Value,
    /// What its template says, as a short hash: alike for templates that are alike.
    pub(super) digest: String,
    /// What its pods say in their label.
    pub(super) hash: String,
    /// Why it was made, where somebody said so.
    pub(super) cause: Option<String>,
}

impl Revision {
    /// Its images: `web=registry/shop:2`.
    pub(super) fn images(&self) -> Vec<String> {
        images(&self.template)
    }

    /// For a person: `revision 3 (web=registry/shop:2)`.
    pub(super) fn words(&self) -> String {
        format!("revision {} ({})", self.number, self.images().join(", "))
    }
}

/// All revisions of a workload, the newest first. What another one of the same labels owns is not among them.
pub(super) fn revisions(kind: Kind, workload: &Value, objects: &[Value]) -> Vec<Revision> {
    let uid = text(workload, "/metadata/uid").unwrap_or("");
    let own = objects.iter().filter(|object| controlled_by(object).is_some_and(|(_, _, owner)| owner == uid));
    let mut found: Vec<Revision> = own.filter_map(|object| read(kind, object)).collect();
    found.sort_by_key(|revision| -revision.number);
    found
}

fn read(kind: Kind, object: &Value) -> Option<Revision> {
    let name = text(object, "/metadata/name")?.to_owned();
    let (number, mut template, hash) = match kind {
        Kind::Deployment => {
            let hash = label(object, "pod-template-hash").unwrap_or("").to_owned();
            (annotation(object, NUMBER)?.parse().ok()?, object.pointer("/spec/template")?.clone(), hash)
        }
        Kind::StatefulSet => (count(object, "/revision"), object.pointer("/data/spec/template")?.clone(), name.clone()),
        Kind::DaemonSet => {
            let hash = label(object, "controller-revision-hash").or_else(|| name.rsplit('-').next());
            let hash = hash.unwrap_or("").to_owned();
            (count(object, "/revision"), object.pointer("/data/spec/template")?.clone(), hash)
        }
    };
    if let Some(template) = template.as_object_mut() {
        // A revision is kept as a patch, with a word for how it is to be applied.
        template.remove("$patch");
    }
    if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove("pod-template-hash");
    }
    let cause = annotation(object, CAUSE).map(str::to_owned);
    Some(Revision { name, number, digest: digest(&template), template, hash, cause })
}

/// What a template says, as a short hash. What is null says nothing.
pub(super) fn digest(template: &Value) -> String {
    let hash = hexadecimal(&Sha256::digest(without_nulls(template).to_string()));
    hash.chars().take(16).collect()
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            // Sorted, as it is the same template in whatever order it comes.
            let mut fields: Vec<_> = map.iter().filter(|(_, value)| !value.is_null()).collect();
            fields.sort_by_key(|(name, _)| *name);
            Value::Object(fields.into_iter().map(|(name, value)| (name.clone(), without_nulls(value))).collect())
        }
        Value::Array(list) => Value::Array(list.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}

/// The images of a template: `web=registry/shop:2`.
pub(super) fn images(template: &Value) -> Vec<String> {
    let of = |list: &'static str| items(template, list).iter();
    of("/spec/initContainers")
        .chain(of("/spec/containers"))
        .map(|one| format!("{}={}", said(text(one, "/name").unwrap_or("?")), said(text(one, "/image").unwrap_or("?"))))
        .collect()
}

/// What a template of a workload says now.
pub(super) fn digest_of(workload: &Value) -> String {
    digest(workload.pointer("/spec/template").unwrap_or(&Value::Null))
}

/// The revision that a workload is at: the one that says what its template says. `None` while its controller has not
/// kept it yet.
pub(super) fn current<'a>(workload: &Value, revisions: &'a [Revision]) -> Option<&'a Revision> {
    let digest = digest_of(workload);
    revisions.iter().find(|revision| revision.digest == digest)
}

/// The revision to go back to: of this number, or the one before.
pub(super) fn target<'a>(
    workload: &Value,
    revisions: &'a [Revision],
    number: Option<i64>,
) -> Result<&'a Revision, String> {
    let now = digest_of(workload);
    let Some(number) = number else {
        return revisions.iter().find(|revision| revision.digest != now).ok_or_else(|| {
            "there is no revision to go back to: this is the only one that is kept (see its revisionHistoryLimit)"
                .to_owned()
        });
    };
    let found = revisions.iter().find(|revision| revision.number == number).ok_or_else(|| {
        let kept = revisions.iter().take(10).map(Revision::words).collect::<Vec<_>>().join(", ");
        format!("there is no revision {number} (any more). Kept are: {}", if kept.is_empty() { "none" } else { &kept })
    })?;
    if found.digest == now {
        return Err(format!("{} is what it is at already: there is nothing to go back to", found.words()));
    }
    Ok(found)
}

/// The change that puts a workload at this template: only if it is the very object that was read, and its spec was not
/// changed since. What a status says meanwhile does not count: during a rollout it changes every moment.
pub(super) fn change(kind: Kind, workload: &Value, template: &Value, cause: Option<&str>) -> Value {
    let mut operations = unchanged(workload);
    operations.push(json!({ "op": "replace", "path": "/spec/template", "value": template }));
    if kind == Kind::Deployment {
        // The reason of the release that is left would else be told of the one that is gone back to.
        let path = format!("/metadata/annotations/{}", CAUSE.replace('/', "~1"));
        match (cause, annotation(workload, CAUSE)) {
            (Some(cause), _) if workload.pointer("/metadata/annotations").is_some() => {
                operations.push(json!({ "op": "add", "path": path, "value": cause }));
            }
            (None, Some(_)) => operations.push(json!({ "op": "remove", "path": path })),
            _ => {}
        }
    }
    Value::Array(operations)
}

/// The conditions under which a change is made: the same object, and nobody changed what it is told since.
pub(super) fn unchanged(workload: &Value) -> Vec<Value> {
    ["uid", "generation"]
        .iter()
        .filter_map(|field| {
            let value = workload.get("metadata")?.get(field)?;
            Some(json!({ "op": "test", "path": format!("/metadata/{field}"), "value": value }))
        })
        .collect()
}

#[cfg(test)]
#[path = "revisions_tests.rs"]
mod tests;
