//! Kubernetes clusters in the inventory: how each is entered, and which one it has to be. It never talks to one, and holds no
//! secret: those stand in the kubeconfig, or a program of the cluster's own gets them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::check::{check_names, check_text};
use super::lookup::find;
use super::{Inventory, InventoryError};

/// A Kubernetes cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cluster {
    /// The kubeconfig that says how it is entered; `KUBECONFIG`, or `~/.kube/config`, where absent.
    pub kubeconfig: Option<PathBuf>,
    /// The context in it; its `current-context` where absent, which anybody may change under our hands.
    pub context: Option<String>,
    /// Whether we run in that very cluster, as the service account of our pod.
    pub in_cluster: bool,
    /// The namespace of steps that do not name one; the context's where absent.
    pub namespace: Option<String>,
    /// The uid of its namespace `kube-system`, which nobody can move or copy: a cluster with another one is never touched.
    pub uid: Option<String>,
}

impl Inventory {
    /// A Kubernetes cluster by its name.
    ///
    /// # Errors
    /// When there is none.
    pub fn cluster(&self, name: &str) -> Result<&Cluster, InventoryError> {
        find("cluster", name, &self.clusters)
    }
}

/// A name that Kubernetes takes for a namespace.
pub fn is_namespace(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = name.as_bytes();
    name.len() <= 63 && bytes.iter().copied().all(plain) && edge(bytes.first()) && edge(bytes.last())
}

/// What is wrong with the clusters.
pub(super) fn problems(inventory: &Inventory, found: &mut Vec<String>) {
    check_names("clusters", inventory.clusters.keys(), found);
    for (name, cluster) in &inventory.clusters {
        let place = format!("clusters.{name}");
        if cluster.in_cluster && (cluster.kubeconfig.is_some() || cluster.context.is_some()) {
            found.push(format!(
                "{place}: with `in_cluster: true` we are the service account of our pod, and no kubeconfig is read: leave out \
                 `kubeconfig` and `context`, or `in_cluster`"
            ));
        }
        if let Some(context) = &cluster.context {
            check_text(&format!("{place}.context"), context, found);
        }
        if let Some(namespace) = cluster.namespace.as_deref().filter(|namespace| !is_namespace(namespace)) {
            found.push(format!(
                "{place}.namespace: `{}` is no namespace: lower-case letters, digits and hyphens (at most 63)",
                namespace.escape_debug()
            ));
        }
        check_uid(inventory, &place, cluster, found);
    }
}

/// In production nobody acts on a cluster that could be another one: a context's name says little, and is easily changed.
fn check_uid(inventory: &Inventory, place: &str, cluster: &Cluster, found: &mut Vec<String>) {
    let is_uid = |uid: &str| {
        uid.len() == 36 && uid.bytes().all(|b| b == b'-' || b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let how = "kubectl get namespace kube-system -o 'jsonpath={.metadata.uid}'";
    match &cluster.uid {
        Some(uid) if !is_uid(uid) => {
            found.push(format!("{place}.uid: it is the uid of its namespace kube-system, as this prints it: {how}"));
        }
        None if inventory.environment == "production" => found.push(format!(
            "{place}.uid: in production it has to be there, so that no other cluster is ever taken for this one. It is what \
             this prints: {how}"
        )),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::problems;

    const GOOD: &str = "{ kubeconfig: k, context: lab, namespace: web, uid: 0b9c6c2e-2b0f-4f6e-9f57-0f5a3c1d2e3f }";

    fn told(environment: &str, cluster: &str) -> String {
        let text = format!("environment: {environment}\nclusters:\n  blue: {cluster}\n");
        problems(&serde_saphyr::from_str(&text).unwrap()).join("\n")
    }

    #[test]
    fn a_cluster_has_to_hold_together() {
        for environment in ["lab", "production"] {
            assert_eq!(told(environment, GOOD), "");
        }
        assert_eq!(told("lab", "{}"), "");
        for (environment, cluster, place) in [
            ("production", "{}", "clusters.blue.uid: in production"),
            ("lab", "{ uid: blue }", "clusters.blue.uid"),
            ("lab", "{ uid: 0B9C6C2E-2B0F-4F6E-9F57-0F5A3C1D2E3F }", "clusters.blue.uid"),
            ("lab", "{ in_cluster: true, context: lab }", "leave out"),
            ("lab", "{ in_cluster: true, kubeconfig: k }", "leave out"),
            ("lab", "{ context: '' }", "clusters.blue.context: it is empty"),
            ("lab", "{ context: --all }", "begins with a hyphen"),
            ("lab", "{ namespace: Web }", "is no namespace"),
            ("lab", "{ namespace: ../x }", "is no namespace"),
            ("lab", "{ namespace: '' }", "is no namespace"),
        ] {
            let found = told(environment, cluster);
            assert!(found.contains(place), "{cluster}: {found}");
        }
    }
}
