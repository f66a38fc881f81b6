//! One object of a cluster that a step names as `deployment/web`, and how it is read: how many replicas it has, how many of
//! them are ready, who set that number. It changes nothing.

use super::cluster::Cluster;
use super::controllers::owners_of;
use super::objects::{count, said, text};
use super::place::{Place, Selector};
use super::surroundings::held_up;
use super::{KubernetesError, blockers, needed, text as argument};
use crate::actions::Context;
use crate::inventory::is_namespace;
use crate::value::{Value, is_unknown};

/// An object at its cluster.
pub(super) struct Workload {
    pub(super) cluster: Cluster,
    pub(super) place: Place,
    pub(super) namespace: String,
}

/// Whether all that says which object it is about is known by now.
pub(super) fn is_known(arguments: &Value, name: &str) -> bool {
    !["cluster", "namespace", name].iter().any(|name| arguments.get(name).is_some_and(is_unknown))
}

impl Workload {
    /// Enters the cluster, and finds the kind of what the argument of this name says.
    pub(super) async fn open(context: &Context, arguments: &Value, name: &str) -> Result<Self, KubernetesError> {
        let given = needed(arguments, name)?;
        let Some((kind, object)) =
            given.split_once('/').filter(|(kind, object)| !kind.is_empty() && !object.is_empty())
        else {
            return Err(KubernetesError::Invalid(format!(
                "{name}: write it as KIND/NAME, such as deployment/web; it is {given:?}"
            )));
        };
        let cluster = Cluster::open(&context.inventory, needed(arguments, "cluster")?).await?;
        Self::of(cluster, argument(arguments, "namespace"), kind, object).await
    }

    /// The same at a cluster that is open.
    pub(super) async fn of(
        cluster: Cluster,
        namespace: Option<&str>,
        kind: &str,
        name: &str,
    ) -> Result<Self, KubernetesError> {
        let namespace = namespace.unwrap_or(cluster.namespace()).to_owned();
        if !is_namespace(&namespace) {
            return Err(KubernetesError::Invalid(format!("{namespace:?} is no namespace")));
        }
        let place = Place::of(&cluster.resource(kind).await?, &namespace, name);
        Ok(Self { cluster, place, namespace })
    }

    /// Reads it; it has to be there.
    pub(super) async fn read(&self) -> Result<Value, KubernetesError> {
        self.cluster.get(&self.place).await?.ok_or_else(|| {
            KubernetesError::Gone(format!("{} has no {}", self.cluster.place(), self.place.with_namespace()))
        })
    }

    /// What holds its pods up, in words; nothing where nothing is seen. What it cannot see it leaves out: it explains, and
    /// decides nothing.
    pub(super) async fn blockers(&self, object: &Value, since: Option<&str>) -> Vec<blockers::Blocker> {
        let Ok(pods) = self.pods(object).await else { return Vec::new() };
        held_up(&self.cluster, &self.namespace, object, &pods, since).await.unwrap_or_default()
    }

    async fn pods(&self, object: &Value) -> Result<Vec<Value>, KubernetesError> {
        let selector = Selector::of_workload(object.pointer("/spec/selector").unwrap_or(&Value::Null))?;
        self.cluster.list(&self.cluster.resource("Pod.v1.").await?, Some(&self.namespace), &selector).await
    }
}

/// How many replicas it is told to have; one where it does not say.
pub(super) fn replicas(object: &Value) -> i64 {
    object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1)
}

/// How many of them are ready, as its controller counted.
pub(super) fn ready(object: &Value) -> i64 {
    count(object, "/status/readyReplicas")
}

/// How many pods there are.
pub(super) fn existing(object: &Value) -> i64 {
    count(object, "/status/replicas")
}

/// Whether its controller has seen what it is told now: before that, its counts are of an earlier time.
pub(super) fn is_observed(object: &Value) -> bool {
    let generation = count(object, "/metadata/generation");
    object.pointer("/status/observedGeneration").and_then(Value::as_i64).is_none_or(|seen| seen >= generation)
}

/// Which object it is: one of the same name that came later has another.
pub(super) fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid").unwrap_or_default()
}

/// Who set its number of replicas, where the cluster keeps that.
pub(super) fn set_by(object: &Value) -> Option<String> {
    let owners = owners_of(object, &["spec", "replicas"]);
    (!owners.is_empty()).then(|| owners.join(", "))
}

/// The images of its pods.
pub(super) fn images(object: &Value) -> Vec<String> {
    let at = ["/spec/template/spec/containers", "/spec/containers"];
    let containers = at.iter().find_map(|at| object.pointer(at).and_then(Value::as_array));
    containers.into_iter().flatten().filter_map(|one| one.get("image")?.as_str()).map(said).collect()
}
