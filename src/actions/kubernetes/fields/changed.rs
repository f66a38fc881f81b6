//! One object that a step changes field by field, for `k8s.apply` and `k8s.patch`: what the API says would become of it, the
//! change, and the way back. It changes an object only while it is as it was looked at, and puts back only what is still as
//! the step left it.

use serde_json::json;

use super::difference::{Field, Stands, back, between, dotted, stands, too_much};
use super::told::Told;
use crate::actions::kubernetes::client::cluster::Cluster;
use crate::actions::kubernetes::client::place::{Mode, Patch, Place};
use crate::actions::kubernetes::objects::{items, said, text};
use crate::actions::kubernetes::surroundings::controllers::controllers;
use crate::actions::kubernetes::{KubernetesError, MANAGER, cluster_fact};
use crate::outcome::{Finding, Report};
use crate::spec::{Change, Fidelity, FieldSpec, Prediction};
use crate::value::{Type, Value, counted};

/// How often a change is begun anew because something else of the object changed meanwhile (its status, mostly).
const TRIES: usize = 8;
/// The most fields that are told.
const TOLD: usize = 30;
/// How much of a value is told.
const TOLD_LETTERS: usize = 120;

/// The facts of every step that changes an object.
pub(super) fn facts() -> Vec<FieldSpec> {
    vec![
        cluster_fact(),
        FieldSpec::optional("object_uid", Type::String, "the object: its uid, which no other one of its name has")
            .identity(),
        FieldSpec::required("exists", Type::Boolean, "whether it is there"),
        FieldSpec::required(
            "fields",
            Type::Any,
            "each field that becomes another: where, what is there, what is there then",
        ),
    ]
}

/// The outputs of every step that changes an object.
pub(super) fn outputs() -> Vec<FieldSpec> {
    vec![
        FieldSpec::required("object", Type::String, "which object, as `deployment/web`"),
        FieldSpec::required("changed", Type::Boolean, "whether it is another one than before"),
        FieldSpec::required("created", Type::Boolean, "whether it was not there before"),
        FieldSpec::optional("uid", Type::String, "its uid").volatile(),
        FieldSpec::required("fields", Type::Any, "each field that became another, with both values").volatile(),
    ]
}

/// The object, at its cluster.
pub(super) struct Target {
    pub(super) cluster: Cluster,
    pub(super) at: Place,
    pub(super) told: Told,
    /// Whether it is changed although another controller would change it back.
    pub(super) despite_controller: bool,
}

fn uid(object: &Value) -> Option<&str> {
    text(object, "/metadata/uid")
}

impl Target {
    /// Nothing of a secret may stand in a plan or the journal, and both hold what is changed.
    pub(super) fn hold_secrets_back(&self) -> Result<(), KubernetesError> {
        if self.at.resource.group.is_empty() && self.at.resource.kind == "Secret" {
            return Err(KubernetesError::Invalid(
                "a Secret is not changed by this action: what stands in it would stand in the plan and the journal for good. \
                 Use a `run:` step with kubectl, with the data from a file of the runner"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// What would become of it.
    pub(super) async fn foresee(&self) -> Result<Prediction, KubernetesError> {
        let found = self.cluster.get(&self.at).await?;
        let mut prediction = Prediction::probed(json!({
            "cluster_uid": self.cluster.uid(),
            "object_uid": found.as_ref().and_then(uid),
            "exists": found.is_some(),
            "fields": [],
        }));
        if found.is_none() && !self.told.creates() {
            return Err(KubernetesError::Gone(format!("{} has no {}", self.cluster.place(), self.at.with_namespace())));
        }
        for other in found.iter().flat_map(controllers) {
            let reverts = other.reverts && !self.despite_controller;
            if reverts { &mut prediction.refusals } else { &mut prediction.notes }.push(other.sentence());
        }
        match self.rehearse(found).await {
            Ok((found, after)) => self.told_in(&mut prediction, found.as_ref(), &after),
            Err(KubernetesError::Refused { text, .. }) => prediction.refusals.push(text),
            Err(KubernetesError::Conflict(text)) => prediction.refusals.push(owned_by_others(&text)),
            Err(error) => return Err(error),
        }
        Ok(prediction)
    }

    /// The object, and what the API would make of it.
    async fn rehearse(&self, found: Option<Value>) -> Result<(Option<Value>, Value), KubernetesError> {
        let mut found = found;
        for _ in 0..TRIES {
            match self.cluster.patch(&self.at, &self.told.on(found.as_ref()), Mode::DryRun).await {
                Ok(after) => return Ok((found, after)),
                Err(KubernetesError::Conflict(text)) if !is_of_fields(&text) => {}
                Err(error) => return Err(error),
            }
            found = self.cluster.get(&self.at).await?;
        }
        Err(self.restless())
    }

    fn told_in(&self, prediction: &mut Prediction, found: Option<&Value>, after: &Value) {
        prediction.fidelity = Fidelity::Proved;
        let Some(found) = found else {
            prediction.changes.push(Change { what: self.at.word(), before: None, after: Some("made".to_owned()) });
            prediction.outputs = json!({ "object": self.at.word(), "changed": true, "created": true, "fields": [] });
            return;
        };
        let fields = between(found, after);
        prediction.refusals.extend(too_much(&fields));
        for field in fields.iter().take(TOLD) {
            let short = |side: &Option<Value>| side.as_ref().map(shortened);
            let what = format!("{} {}", self.at.word(), said(&dotted(&field.at)));
            prediction.changes.push(Change { what, before: short(&field.before), after: short(&field.after) });
        }
        if fields.len() > TOLD {
            prediction.notes.push(format!("{} become others in all", counted(fields.len(), "field")));
        }
        if fields.is_empty() {
            prediction.notes.push("it is so already".to_owned());
        }
        prediction.outputs = json!({ "object": self.at.word(), "changed": !fields.is_empty(), "created": false });
        if too_much(&fields).is_none() {
            prediction.facts["fields"] = json!(fields);
        }
    }

    /// Changes it, if it is as it was looked at.
    pub(super) async fn change(&self, before: &Value) -> Result<Report, KubernetesError> {
        let expected = fields_of(before);
        let existed = before.get("exists").and_then(Value::as_bool).unwrap_or(false);
        for _ in 0..TRIES {
            let found = self.cluster.get(&self.at).await?;
            if self.is_so_already(found.as_ref(), existed, before, &expected)? {
                return Ok(self.report(found.as_ref(), false, &[]));
            }
            match self.cluster.patch(&self.at, &self.told.on(found.as_ref()), Mode::Real).await {
                Ok(after) => {
                    let fields = found.as_ref().map_or(Vec::new(), |found| between(found, &after));
                    return Ok(self.report(Some(&after), !existed, &fields));
                }
                Err(KubernetesError::Conflict(text)) if is_of_fields(&text) => {
                    return Err(KubernetesError::Conflict(owned_by_others(&text)));
                }
                Err(KubernetesError::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(self.restless())
    }

    /// Whether nothing is to be done; an error where it is not as it was looked at.
    fn is_so_already(
        &self,
        found: Option<&Value>,
        existed: bool,
        before: &Value,
        expected: &[Field],
    ) -> Result<bool, KubernetesError> {
        let word = self.at.word();
        let other = |what: &str| Err(KubernetesError::Invalid(format!("{word} {what}: nothing was changed")));
        match (found, existed) {
            (None, false) => Ok(false),
            (Some(found), false) if self.is_ours(found) => Ok(false),
            (Some(_), false) => other("was made by somebody else since it was looked at"),
            (None, true) => other("was removed by somebody since it was looked at"),
            (Some(found), true) if uid(found) != before.get("object_uid").and_then(Value::as_str) => {
                other("is another one than was looked at (it was removed and made anew)")
            }
            (Some(found), true) => match stands(found, expected) {
                Stands::After => Ok(true),
                Stands::Before => Ok(false),
                Stands::Between(names) => {
                    other(&format!("was changed by somebody else since it was looked at ({})", told(&names)))
                }
            },
        }
    }

    fn report(&self, object: Option<&Value>, created: bool, fields: &[Field]) -> Report {
        let changed = created || !fields.is_empty();
        let said = match (created, changed) {
            (true, _) => "it is made".to_owned(),
            (false, true) => {
                let names: Vec<String> = fields.iter().map(|field| dotted(&field.at)).collect();
                format!("changed: {}", told(&names))
            }
            (false, false) => "it is so already".to_owned(),
        };
        // What would fill the journal was refused by the plan; a webhook may still have added to it.
        let kept = if too_much(fields).is_some() { Value::Null } else { json!(fields) };
        let outputs = json!({
            "object": self.at.word(), "changed": changed, "created": created, "uid": object.and_then(uid), "fields": kept,
        });
        Report::done(format!("{}: {said}", self.at.with_namespace()), outputs)
    }

    /// What became of an attempt that gave no answer.
    pub(super) async fn look(&self, before: &Value) -> Finding {
        let existed = before.get("exists").and_then(Value::as_bool).unwrap_or(false);
        let found = match self.cluster.get(&self.at).await {
            Ok(found) => found,
            Err(error) => return Finding::CannotTell { evidence: error.to_string() },
        };
        let fields = fields_of(before);
        match (&found, existed) {
            (None, _) => Finding::DidNot { evidence: "it is not there".to_owned() },
            (Some(object), false) if self.is_ours(object) => Finding::TookEffect {
                evidence: "it is there, and was made by us".to_owned(),
                outputs: self.report(found.as_ref(), true, &[]).outputs,
            },
            (Some(_), false) => Finding::CannotTell { evidence: "it is there, and somebody else made it".to_owned() },
            (Some(object), true) => match stands(object, &fields) {
                Stands::After => Finding::TookEffect {
                    evidence: "it is as it should be".to_owned(),
                    outputs: self.report(found.as_ref(), false, &fields).outputs,
                },
                Stands::Before => Finding::DidNot { evidence: "it is as it was".to_owned() },
                Stands::Between(names) => Finding::CannotTell {
                    evidence: format!("it is neither as it was nor as it should be ({})", told(&names)),
                },
            },
        }
    }

    /// Puts back what was there, where it is still what the step left.
    pub(super) async fn put_back(&self, before: &Value, outputs: &Value) -> Result<String, KubernetesError> {
        if before.get("exists").and_then(Value::as_bool) != Some(true) {
            return self.remove(outputs).await;
        }
        let mut fields = fields_of(outputs);
        if fields.is_empty() && outputs.get("changed").is_none_or(Value::is_null) {
            // No account of the attempt: what the API had said that it would become.
            fields = fields_of(before);
        }
        if fields.is_empty() {
            return Ok("nothing of it was changed".to_owned());
        }
        for _ in 0..TRIES {
            let Some(found) = self.cluster.get(&self.at).await? else {
                return Err(self.not_ours("was removed by somebody since"));
            };
            if uid(&found) != before.get("object_uid").and_then(Value::as_str) {
                return Err(self.not_ours("is another one now (it was removed and made anew)"));
            }
            match stands(&found, &fields) {
                Stands::Before => return Ok("it is as it was".to_owned()),
                Stands::Between(names) => {
                    let what = format!("was changed by somebody else since ({})", told(&names));
                    return Err(self.not_ours(&what));
                }
                Stands::After => {}
            }
            match self.cluster.patch(&self.at, &Patch::Json(back(&found, &fields)), Mode::Real).await {
                Ok(_) => return Ok(format!("{} put back", counted(fields.len(), "field"))),
                Err(KubernetesError::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(self.restless())
    }

    /// Removes what the step made, if nobody else has put anything of theirs into it.
    async fn remove(&self, outputs: &Value) -> Result<String, KubernetesError> {
        let made = outputs.get("uid").and_then(Value::as_str);
        if outputs.get("created") == Some(&Value::Bool(false)) {
            return Ok("it was not made by this step".to_owned());
        }
        for _ in 0..TRIES {
            let Some(found) = self.cluster.get(&self.at).await? else { return Ok("it is not there".to_owned()) };
            if text(&found, "/metadata/deletionTimestamp").is_some() {
                return Ok("it is being removed".to_owned());
            }
            if made.is_some() && made != uid(&found) {
                return Ok("it is gone, and another one has its name: that one is not touched".to_owned());
            }
            if others_say(&found) || (made.is_none() && !self.is_ours(&found)) {
                return Err(self.not_ours("was changed by somebody else since, or made by them"));
            }
            let held = json!({ "uid": uid(&found), "resourceVersion": text(&found, "/metadata/resourceVersion") });
            match self.cluster.delete(&self.at, &held, Mode::Real).await {
                Ok(()) => return Ok("what was made is removed".to_owned()),
                Err(KubernetesError::Gone(_)) => return Ok("it is not there".to_owned()),
                Err(KubernetesError::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(self.restless())
    }

    fn is_ours(&self, object: &Value) -> bool {
        managers(object).any(|entry| text(entry, "/manager") == Some(MANAGER)) && !others_say(object)
    }

    fn not_ours(&self, what: &str) -> KubernetesError {
        KubernetesError::Invalid(format!("{} {what}: it is not touched", self.at.with_namespace()))
    }

    fn restless(&self) -> KubernetesError {
        KubernetesError::Conflict(format!(
            "{} changed each time before it could be written ({TRIES} tries): somebody else is at work on it",
            self.at.with_namespace()
        ))
    }
}

fn fields_of(facts: &Value) -> Vec<Field> {
    facts.get("fields").and_then(|fields| serde_json::from_value(fields.clone()).ok()).unwrap_or_default()
}

fn managers(object: &Value) -> impl Iterator<Item = &Value> {
    items(object, "/metadata/managedFields").iter()
}

/// Whether somebody but us has said what an object is to be. Its status, marks in its metadata, and what the cluster's own
/// controllers count say nothing of that.
fn others_say(object: &Value) -> bool {
    let says = |entry: &&Value| {
        let fields = entry.get("fieldsV1").and_then(Value::as_object);
        fields.into_iter().flatten().any(|(name, _)| name != "f:metadata" && name != "f:status")
    };
    let theirs = |entry: &Value| !matches!(text(entry, "/manager"), Some(MANAGER | "kube-controller-manager"));
    managers(object).filter(says).any(theirs)
}

/// Whether a conflict is about whose fields they are, and not about when it was read.
fn is_of_fields(text: &str) -> bool {
    text.contains("Apply failed with")
}

fn owned_by_others(text: &str) -> String {
    format!("{text}. Leave those fields out of the manifest, or take them over with `force: true`")
}

fn told(names: &[String]) -> String {
    let more = names.len().saturating_sub(TOLD);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", said(&names[..names.len().min(TOLD)].join(", ")))
}

fn shortened(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let short: String = text.chars().take(TOLD_LETTERS).collect();
    let dots = if short.len() < text.len() { "…" } else { "" };
    format!("{}{dots}", said(&short))
}
