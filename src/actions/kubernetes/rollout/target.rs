//! A workload that is rolled out: found by what a person calls it, read with its revisions and its pods. It changes nothing.

use super::progress::{Kind, Progress};
use super::revisions::{self, Revision};
use crate::actions::Context;
use crate::actions::by_hand::word;
use crate::actions::kubernetes::KubernetesError;
use crate::actions::kubernetes::client::cluster::Cluster;
use crate::actions::kubernetes::client::place::{Place, Selector};
use crate::actions::kubernetes::look::workload::Workload;
use crate::actions::kubernetes::objects::label;
use crate::value::Value;

/// A workload of an open cluster.
pub(super) struct Target {
    /// The object at its cluster.
    workload: Workload,
    /// What it is.
    pub(super) kind: Kind,
}

/// A workload as it was at one moment.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// The object.
    pub(super) object: Value,
    /// Its revisions, the newest first.
    pub(super) revisions: Vec<Revision>,
    /// What its template says.
    pub(super) digest: String,
    /// How far its rollout is.
    pub(super) progress: Progress,
}

impl Seen {
    /// The revision that it is at, where its controller has kept it.
    pub(super) fn current(&self) -> Option<&Revision> {
        revisions::current(&self.object, &self.revisions)
    }

    /// The images of its template.
    pub(super) fn images(&self) -> Vec<String> {
        revisions::images(self.object.pointer("/spec/template").unwrap_or(&Value::Null))
    }

    /// What it is at, for a person.
    pub(super) fn words(&self) -> String {
        let images = || format!("a template that its controller has not kept yet ({})", self.images().join(", "));
        self.current().map_or_else(images, Revision::words)
    }

    /// A revision by the name of the object that keeps it.
    pub(super) fn named(&self, name: &str) -> Option<&Revision> {
        self.revisions.iter().find(|revision| revision.name == name)
    }
}

impl Target {
    /// Enters the cluster, and finds out what kind the workload is.
    pub(super) async fn open(context: &Context, arguments: &Value) -> Result<Self, KubernetesError> {
        Self::of(Workload::open(context, arguments, "workload").await?)
    }

    /// The same of a workload that was found.
    pub(super) fn of(workload: Workload) -> Result<Self, KubernetesError> {
        let resource = &workload.place.resource;
        let kind = Kind::of(&resource.kind).filter(|_| resource.group == "apps").ok_or_else(|| {
            KubernetesError::Invalid(format!(
                "a {} is not rolled out: only deployments, stateful sets and daemon sets have revisions",
                resource.word()
            ))
        })?;
        Ok(Self { workload, kind })
    }

    /// The cluster.
    pub(super) fn cluster(&self) -> &Cluster {
        &self.workload.cluster
    }

    /// Where it is.
    pub(super) fn at(&self) -> &Place {
        &self.workload.place
    }

    /// The namespace that it lies in.
    pub(super) fn namespace(&self) -> &str {
        &self.workload.namespace
    }

    /// What kubectl is told to mean it: `-n shop deployment/web`.
    pub(super) fn for_kubectl(&self) -> String {
        format!("-n {} {}", word(self.namespace()), word(&self.at().word()))
    }

    /// The object as it is now.
    pub(super) async fn object(&self) -> Result<Value, KubernetesError> {
        self.workload.read().await
    }

    /// The object with its revisions.
    pub(super) async fn look(&self) -> Result<Seen, KubernetesError> {
        let object = self.object().await?;
        let revisions = self.revisions(&object).await?;
        let (digest, progress) = (revisions::digest_of(&object), Progress::of(&object, self.kind));
        Ok(Seen { object, revisions, digest, progress })
    }

    /// Its revisions. Not chosen by its labels: those of a template may change from one revision to the next.
    pub(super) async fn revisions(&self, object: &Value) -> Result<Vec<Revision>, KubernetesError> {
        let resource = self.cluster().resource(self.kind.revisions()).await?;
        let kept = self.cluster().list(&resource, Some(self.namespace()), &Selector::all()).await?;
        Ok(revisions::revisions(self.kind, object, &kept))
    }

    /// Its pods of one revision, by what they say in their label; all of them where no revision is given.
    pub(super) async fn pods(&self, object: &Value, hash: Option<&str>) -> Result<Vec<Value>, KubernetesError> {
        let mut pods = self.workload.pods(object).await?;
        if let Some(hash) = hash {
            pods.retain(|pod| label(pod, self.kind.pod_label()) == Some(hash));
        }
        Ok(pods)
    }
}
