//! What stands in for the client in a binary that was built without it: it refuses, and says so.

use super::wire::{Answer, Request};
use crate::actions::kubernetes::KubernetesError;
use crate::inventory;

fn refusal(name: &str) -> KubernetesError {
    KubernetesError::Invalid(format!(
        "this binary was built without Kubernetes: it does nothing at cluster {name}. Build it with `--features kube`"
    ))
}

/// A way to nowhere: there is never one.
pub(super) enum Wire {}

impl Wire {
    /// Refuses.
    pub(super) async fn open(name: &str, _: &inventory::Cluster) -> Result<Self, KubernetesError> {
        Err(refusal(name))
    }

    /// Never asked.
    pub(super) fn namespace(&self) -> &str {
        match *self {}
    }

    /// Never asked.
    pub(super) fn place(&self) -> &str {
        match *self {}
    }

    /// Never asked.
    pub(super) async fn send(&self, _: &Request) -> Result<Answer, KubernetesError> {
        match *self {}
    }
}
