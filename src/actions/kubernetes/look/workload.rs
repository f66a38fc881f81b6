//! One object of a cluster that a step names as `deployment/web`, and how it is read: how many replicas it has, how many of
//! them are ready, who set that number. It changes nothing.

use crate::actions::Context;
use crate::actions::kubernetes::client::cluster::Cluster;
use crate::actions::kubernetes::client::place::{Place, Selector};
use crate::actions::kubernetes::objects::{count, said, text};
use crate::actions::kubernetes::surroundings::blockers;
use crate::actions::kubernetes::surroundings::controllers::owners_of;
use crate::actions::kubernetes::surroundings::read::held_up;
use crate::actions::kubernetes::{KubernetesError, needed, text as argument};
use crate::inventory::is_namespace;
use crate::value::{Value, is_unknown};

/// An object at its cluster.
pub(in crate::actions::kubernetes) struct Workload {
    pub(in crate::actions::kubernetes) cluster: Cluster,
    pub(in crate::actions::kubernetes) place: Place,
    pub(in crate::actions::kubernetes) namespace: String,
}

/// Whether all that says which object it is about is known by now.
pub(in crate::actions::kubernetes) fn is_known(arguments: &Value, name: &str) -> bool {
    !["cluster", "namespace", name].iter().any(|name| arguments.get(name).is_some_and(is_unknown))
}

/// A kind and a name, as a person writes an object: `deployment/web`.
fn kind_and_name<'a>(arguments: &'a Value, name: &str) -> Result<(&'a str, &'a str), KubernetesError> {
    let given = needed(arguments, name)?;
    given.split_once('/').filter(|(kind, object)| !kind.is_empty() && !object.is_empty()).ok_or_else(|| {
        let given = said(given);
        KubernetesError::Invalid(format!("{name}: write it as KIND/NAME, such as deployment/web; it is {given:?}"))
    })
}

/// The namespace that is meant: the one that is given, else the cluster's own.
pub(in crate::actions::kubernetes) fn namespace_of(
    cluster: &Cluster,
    given: Option<&str>,
) -> Result<String, KubernetesError> {
    let namespace = given.unwrap_or(cluster.namespace());
    if !is_namespace(namespace) {
        return Err(KubernetesError::Invalid(format!("{namespace:?} is no namespace")));
    }
    Ok(namespace.to_owned())
}

impl Workload {
    /// Enters the cluster, and finds the kind of what the argument of this name says.
    pub(in crate::actions::kubernetes) async fn open(
        context: &Context,
        arguments: &Value,
        name: &str,
    ) -> Result<Self, KubernetesError> {
        let cluster = Cluster::open(&context.inventory, needed(arguments, "cluster")?).await?;
        Self::of(cluster, arguments, name).await
    }

    /// The same at a cluster that is open.
    pub(in crate::actions::kubernetes) async fn of(
        cluster: Cluster,
        arguments: &Value,
        name: &str,
    ) -> Result<Self, KubernetesError> {
        let (kind, object) = kind_and_name(arguments, name)?;
        let namespace = namespace_of(&cluster, argument(arguments, "namespace"))?;
        let place = Place::of(&cluster.resource(kind).await?, &namespace, object);
        Ok(Self { cluster, place, namespace })
    }

    /// Reads it; it has to be there.
    pub(in crate::actions::kubernetes) async fn read(&self) -> Result<Value, KubernetesError> {
        self.cluster.get(&self.place).await?.ok_or_else(|| {
            KubernetesError::Gone(format!("{} has no {}", self.cluster.place(), self.place.with_namespace()))
        })
    }

    /// What holds its pods up, in words; nothing where nothing is seen. What it cannot see it leaves out: it explains, and
    /// decides nothing.
    pub(in crate::actions::kubernetes) async fn blockers(
        &self,
        object: &Value,
        since: Option<&str>,
    ) -> Vec<blockers::Blocker> {
        let Ok(pods) = self.pods(object).await else { return Vec::new() };
        held_up(&self.cluster, &self.namespace, object, &pods, since).await.unwrap_or_default()
    }

    /// Its pods.
    pub(in crate::actions::kubernetes) async fn pods(&self, object: &Value) -> Result<Vec<Value>, KubernetesError> {
        let selector = Selector::of_workload(object.pointer("/spec/selector").unwrap_or(&Value::Null))?;
        self.cluster.list(&self.cluster.resource("Pod.v1.").await?, Some(&self.namespace), &selector).await
    }
}

/// How many replicas it is told to have; one where it does not say.
pub(in crate::actions::kubernetes) fn replicas(object: &Value) -> i64 {
    object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1)
}

/// How many of them are ready, as its controller counted.
pub(in crate::actions::kubernetes) fn ready(object: &Value) -> i64 {
    count(object, "/status/readyReplicas")
}

/// How many pods there are.
pub(in crate::actions::kubernetes) fn existing(object: &Value) -> i64 {
    count(object, "/status/replicas")
}

/// Whether its controller has seen what it is told now: before that, its counts are of an earlier time.
pub(in crate::actions::kubernetes) fn is_observed(object: &Value) -> bool {
    let generation = count(object, "/metadata/generation");
    object.pointer("/status/observedGeneration").and_then(Value::as_i64).is_none_or(|seen| seen >= generation)
}

/// Which object it is: one of the same name that came later has another.
pub(in crate::actions::kubernetes) fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid").unwrap_or_default()
}

/// Who set its number of replicas, where the cluster keeps that.
pub(in crate::actions::kubernetes) fn set_by(object: &Value) -> Option<String> {
    let owners = owners_of(object, &["spec", "replicas"]);
    (!owners.is_empty()).then(|| owners.join(", "))
}

/// The images of its pods.
pub(in crate::actions::kubernetes) fn images(object: &Value) -> Vec<String> {
    let at = ["/spec/template/spec/containers", "/spec/containers"];
    let containers = at.iter().find_map(|at| object.pointer(at).and_then(Value::as_array));
    containers.into_iter().flatten().filter_map(|one| one.get("image")?.as_str()).map(said).collect()
}
