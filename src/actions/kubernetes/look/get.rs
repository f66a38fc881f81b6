//! `k8s.get`: an object of a cluster is read, and what a playbook names of it becomes outputs.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use async_trait::async_trait;
use serde_json::json;

use super::path::Path;
use super::workload::{Workload, images, is_known, ready, replicas, uid};
use crate::actions::by_hand::value;
use crate::actions::kubernetes::kubectl;
use crate::actions::kubernetes::objects::text;
use crate::actions::kubernetes::{KubernetesError, cluster_inputs};
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value};

/// How much of one field is kept: an output is for conditions and for people, not for whole objects.
const MOST_BYTES: usize = 8 << 10;

/// `k8s.get`.
#[derive(Debug, Clone, Copy)]
pub struct Get;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "k8s.get",
    summary: "Reads an object of a Kubernetes cluster.",
    details: "Any kind that the cluster serves, by whatever kubectl calls it: `deployment/web`, `node/n1`, `cm/settings`, \
        `certificates.cert-manager.io/front`. `fields` names what is wanted of it, each by its place: `spec.replicas`, \
        `status.conditions[type=Ready].status`, `metadata.annotations['example.org/owner']`; what is not there is null. An \
        object that is not there is no failure: `exists` says so. Of a secret the names of its fields can be read, and never \
        their contents: an output is written down.",
    inputs: [
        cluster_inputs(),
        vec![
            FieldSpec::required("object", Type::String, "the object, as KIND/NAME"),
            FieldSpec::optional("fields", Type::Any, "what is wanted of it: a mapping from names to places in it"),
        ],
    ]
    .concat(),
    outputs: vec![
        FieldSpec::required("exists", Type::Boolean, "whether it is there"),
        FieldSpec::required("fields", Type::Any, "what was wanted of it, by name").volatile(),
        FieldSpec::optional("uid", Type::String, "which object it is: one of its name that comes later has another"),
        FieldSpec::optional("api_version", Type::String, "the version in which it was read"),
        FieldSpec::optional("replicas", Type::Integer, "a workload: how many replicas it is told to have"),
        FieldSpec::optional("ready", Type::Integer, "a workload: how many of them are ready").volatile(),
        FieldSpec::optional("images", Type::List(Box::new(Type::String)), "a workload or a pod: its images"),
        FieldSpec::optional("cluster_uid", Type::String, "the cluster: the uid of its namespace kube-system"),
    ],
    facts: vec![],
    effect: Effect::Read,
    fidelity: Fidelity::Probed,
    proves: "What it reads is what is there now.",
    undo: UndoSpec::Nothing,
    resource: None,
    settle_seconds: 0.0,
    timeout_seconds: 30.0,
    open_inputs: false,
});

#[async_trait]
impl Action for Get {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        let object = value(arguments, "object");
        let namespace = kubectl::namespace(inventory, arguments);
        let mut words: Vec<&str> = namespace.iter().map(String::as_str).collect();
        words.extend(["get", &object, "-o", "yaml"]);
        kubectl::lines(inventory, arguments, &[&words], "good: it is there, and says what you expect")
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        if !is_known(arguments, "object") {
            return Ok(Prediction::unknown("which object is not known yet"));
        }
        let mut prediction = Prediction::probed(json!({}));
        prediction.outputs = look(context, arguments).await?;
        Ok(prediction)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        let object = value(&call.arguments, "object");
        match look(context, &call.arguments).await {
            Ok(found) if found["exists"] == json!(true) => Report::done(format!("{object} was read"), found),
            Ok(found) => Report::done(format!("there is no {object}"), found),
            Err(error) => Report::from(error),
        }
    }

    async fn probe(&self, _: &Context, _: &Call) -> Finding {
        Finding::DidNot { evidence: "it only reads".to_owned() }
    }
}

/// What is wanted of it, by name.
fn wanted(arguments: &Value) -> Result<BTreeMap<String, Path>, KubernetesError> {
    let Some(given) = arguments.get("fields").filter(|given| !given.is_null()) else { return Ok(BTreeMap::new()) };
    let Some(given) = given.as_object() else {
        return Err(KubernetesError::Invalid(
            "`fields` is a mapping from names to places: {replicas: spec.replicas}".to_owned(),
        ));
    };
    let read = |(name, place): (&String, &Value)| {
        let Some(place) = place.as_str() else {
            return Err(KubernetesError::Invalid(format!("fields.{name}: write where it stands, as a text")));
        };
        let path = Path::read(place).map_err(|why| KubernetesError::Invalid(format!("fields.{name}: {why}")))?;
        Ok((name.clone(), path))
    };
    given.iter().map(read).collect()
}

async fn look(context: &Context, arguments: &Value) -> Result<Value, KubernetesError> {
    let wanted = wanted(arguments)?;
    let workload = Workload::open(context, arguments, "object").await?;
    read(&workload, &wanted).await
}

async fn read(workload: &Workload, wanted: &BTreeMap<String, Path>) -> Result<Value, KubernetesError> {
    let cluster_uid = workload.cluster.uid();
    let Some(mut object) = workload.cluster.get(&workload.place).await? else {
        let fields: serde_json::Map<String, Value> = wanted.keys().map(|name| (name.clone(), Value::Null)).collect();
        return Ok(json!({ "exists": false, "fields": fields, "cluster_uid": cluster_uid }));
    };
    if workload.place.resource.group.is_empty() && workload.place.resource.kind == "Secret" {
        blind(&mut object);
    }
    let mut fields = serde_json::Map::new();
    for (name, path) in wanted {
        let found = path.of(&object);
        let size = found.to_string().len();
        if size > MOST_BYTES {
            return Err(KubernetesError::Invalid(format!(
                "fields.{name} of {} is {size} bytes, and an output holds {MOST_BYTES}: name a part of it",
                workload.place.with_namespace()
            )));
        }
        fields.insert(name.clone(), found);
    }
    let has_replicas = object.pointer("/spec/replicas").is_some();
    let images = images(&object);
    Ok(json!({
        "exists": true,
        "fields": fields,
        "uid": uid(&object),
        "api_version": text(&object, "/apiVersion").map_or_else(|| workload.place.resource.api_version(), str::to_owned),
        "replicas": has_replicas.then(|| replicas(&object)),
        "ready": has_replicas.then(|| ready(&object)),
        "images": (!images.is_empty()).then_some(images),
        "cluster_uid": cluster_uid,
    }))
}

/// Takes the contents out of a secret, also out of what `kubectl apply` remembers of it.
fn blind(secret: &mut Value) {
    for at in ["/data", "/stringData"] {
        for (_, content) in secret.pointer_mut(at).and_then(Value::as_object_mut).into_iter().flatten() {
            *content = Value::from("(hidden)");
        }
    }
    if let Some(notes) = secret.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        notes.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secrets_contents_are_not_read() {
        let mut secret = json!({ "data": { "password": "aHVudGVyMg==" }, "stringData": { "a": "hunter2" }, "metadata": {
            "annotations": { "kubectl.kubernetes.io/last-applied-configuration": "hunter2", "owner": "shop" } } });
        blind(&mut secret);
        let text = secret.to_string();
        assert!(!text.contains("hunter2") && !text.contains("aHVudGVyMg") && text.contains("password"), "{text}");
        assert_eq!(secret.pointer("/metadata/annotations/owner"), Some(&json!("shop")));
    }

    #[test]
    fn what_is_wanted_is_a_mapping_to_places() {
        let read = |fields: Value| wanted(&json!({ "fields": fields })).map(|found| found.len());
        assert_eq!(read(json!({ "a": "spec.replicas", "b": "status" })), Ok(2));
        assert_eq!(read(Value::Null), Ok(0));
        for bad in [json!(["spec"]), json!("spec"), json!({ "a": 1 }), json!({ "a": "x[" })] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }
}
