//! The pods of a node, and how they are asked to leave: which ones, which budgets hold them, one eviction. A pod is only ever
//! evicted, never deleted, so that a disruption budget is always asked.

use serde_json::json;

use crate::actions::kubernetes::KubernetesError;
use crate::actions::kubernetes::client::cluster::Cluster;
use crate::actions::kubernetes::client::place::{Mode, Place, Resource, Selector};
use crate::actions::kubernetes::client::wire::Request;
use crate::actions::kubernetes::objects::{annotation, controlled_by, items, said, text};
use crate::actions::kubernetes::surroundings::around::{Budget, budget, budget_takes};
use crate::value::Value;

/// What may be done with pods that do not come back, or not with their data.
#[derive(Debug, Clone, Default)]
pub(super) struct Allowed {
    /// Pods of a DaemonSet are left where they are: it puts them there whether a node is cordoned or not.
    pub(super) ignore_daemonsets: bool,
    /// Pods that nobody makes anew.
    pub(super) bare_pods: bool,
    /// Pods with data in an `emptyDir`, which goes with them.
    pub(super) empty_dir_data: bool,
    /// How long a pod has to end, in seconds; its own where absent.
    pub(super) grace_seconds: Option<i64>,
}

/// A pod that is to leave.
#[derive(Debug, Clone)]
pub(super) struct Pod {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: String,
    /// It was asked to leave already, by us or by somebody else.
    pub(super) is_ending: bool,
    labels: Value,
}

impl Pod {
    fn of(object: &Value) -> Self {
        let own = |pointer: &str| text(object, pointer).unwrap_or_default().to_owned();
        Self {
            namespace: own("/metadata/namespace"),
            name: own("/metadata/name"),
            uid: own("/metadata/uid"),
            is_ending: object.pointer("/metadata/deletionTimestamp").is_some(),
            labels: object.pointer("/metadata/labels").cloned().unwrap_or(Value::Null),
        }
    }

    /// As a person names it.
    pub(super) fn word(&self) -> String {
        format!("{}/{}", said(&self.namespace), said(&self.name))
    }
}

/// What stands on a node.
#[derive(Debug, Default)]
pub(super) struct Pods {
    /// What has to leave.
    pub(super) leave: Vec<Pod>,
    /// What stays, and why.
    pub(super) stay: Vec<String>,
    /// What nobody said may be ended, and how it is said.
    pub(super) undecided: Vec<String>,
}

impl Pods {
    /// Reads them, of all namespaces.
    pub(super) async fn on(cluster: &Cluster, node: &str, allowed: &Allowed) -> Result<Self, KubernetesError> {
        let pods = cluster.resource("Pod.v1.").await?;
        let found = cluster.list(&pods, None, &Selector::fields(format!("spec.nodeName={node}"))).await?;
        Ok(Self::sort(&found, allowed))
    }

    /// What is to be done with each, as `kubectl drain` decides it.
    pub(super) fn sort(found: &[Value], allowed: &Allowed) -> Self {
        let mut pods = Self::default();
        for object in found {
            let pod = Pod::of(object);
            let owner = controlled_by(object);
            let is_over = matches!(text(object, "/status/phase"), Some("Succeeded" | "Failed"));
            if annotation(object, "kubernetes.io/config.mirror").is_some() {
                pods.stay.push(format!("{} (its kubelet runs it from a file)", pod.word()));
            } else if is_over || pod.is_ending {
                pods.leave.push(pod);
            } else if owner.is_some_and(|(kind, ..)| kind == "DaemonSet") {
                if allowed.ignore_daemonsets {
                    pods.stay.push(format!("{} (of a DaemonSet)", pod.word()));
                } else {
                    pods.undecided
                        .push(format!("{} is of a DaemonSet (`ignore_daemonsets: true` leaves it)", pod.word()));
                }
            } else if owner.is_none() && !allowed.bare_pods {
                let why = format!("{} has no controller: nobody makes it anew (`bare_pods: true` ends it)", pod.word());
                pods.undecided.push(why);
            } else if has_empty_dir(object) && !allowed.empty_dir_data {
                let why = format!(
                    "{} has data in an emptyDir, which goes with it (`empty_dir_data: true` ends it)",
                    pod.word()
                );
                pods.undecided.push(why);
            } else {
                pods.leave.push(pod);
            }
        }
        pods
    }
}

fn has_empty_dir(pod: &Value) -> bool {
    items(pod, "/spec/volumes").iter().any(|volume| volume.get("emptyDir").is_some())
}

/// What the API said to an eviction.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said {
    /// The pod ends.
    Yes,
    /// It is not there any more.
    Gone,
    /// Not now: a budget, or the API is busy.
    NotNow(String),
}

/// How pods of a cluster are evicted.
pub(super) struct Eviction {
    pods: Resource,
    /// `policy/v1`, or `policy/v1beta1` before 1.22.
    version: String,
}

impl Eviction {
    /// Asks in which version the cluster takes evictions: it is said where pods are said, as `policy/v1` came before they did.
    pub(super) async fn of(cluster: &Cluster) -> Result<Self, KubernetesError> {
        let pods = cluster.resource("Pod.v1.").await?;
        let core = cluster.ask(&Request::look("/api/v1".to_owned(), "say what it serves".to_owned())).await?;
        let below = items(&core, "/resources").iter().find(|entry| text(entry, "/name") == Some("pods/eviction"));
        let Some(below) = below else {
            return Err(KubernetesError::Invalid(format!(
                "{} takes no evictions, and pods are never deleted without asking their disruption budgets",
                cluster.place()
            )));
        };
        let version = match text(below, "/version") {
            Some(version) => format!("policy/{version}"),
            None => "policy/v1beta1".to_owned(),
        };
        Ok(Self { pods, version })
    }

    /// Evicts a pod, or asks whether it would be.
    pub(super) async fn ask(
        &self,
        cluster: &Cluster,
        pod: &Pod,
        grace_seconds: Option<i64>,
        mode: Mode,
    ) -> Result<Said, KubernetesError> {
        let mut options = json!({ "preconditions": { "uid": pod.uid } });
        if let Some(seconds) = grace_seconds {
            options["gracePeriodSeconds"] = seconds.into();
        }
        // Versions before 1.22 read the dry-run of an eviction here, later ones in the address too.
        if mode == Mode::DryRun {
            options["dryRun"] = json!(["All"]);
        }
        let body = json!({
            "apiVersion": self.version,
            "kind": "Eviction",
            "metadata": { "name": pod.name, "namespace": pod.namespace },
            "deleteOptions": options,
        });
        let at = Place::of(&self.pods, &pod.namespace, &pod.name).below("eviction");
        match cluster.create(&at, &body, mode).await {
            Ok(_) => Ok(Said::Yes),
            // A conflict is that of the uid: another pod has its name now.
            Err(KubernetesError::Gone(_) | KubernetesError::Conflict(_)) => Ok(Said::Gone),
            Err(KubernetesError::TooMany(text)) => Ok(Said::NotNow(text)),
            Err(error) => Err(error),
        }
    }
}

/// The disruption budgets of the namespaces whose pods are to leave.
#[derive(Debug, Default)]
pub(super) struct Budgets {
    version: String,
    found: Vec<Value>,
    /// Why some could not be read.
    pub(super) unread: Option<String>,
}

impl Budgets {
    /// Reads them. Where they may not be read, the API still holds to them.
    pub(super) async fn of(cluster: &Cluster, pods: &[Pod]) -> Self {
        let mut budgets = Self::default();
        let resource = match cluster.resource("PodDisruptionBudget.policy").await {
            Ok(resource) => resource,
            Err(error) => return Self { unread: Some(error.to_string()), ..budgets },
        };
        budgets.version = resource.version.clone();
        let mut namespaces: Vec<&str> = pods.iter().map(|pod| pod.namespace.as_str()).collect();
        namespaces.sort_unstable();
        namespaces.dedup();
        for namespace in namespaces {
            match cluster.list(&resource, Some(namespace), &Selector::all()).await {
                Ok(list) => budgets.found.extend(list),
                Err(error) => budgets.unread = Some(error.to_string()),
            }
        }
        budgets
    }

    /// Those that a pod falls under.
    pub(super) fn holding(&self, pod: &Pod) -> Vec<Budget> {
        let its = |one: &&Value| {
            text(one, "/metadata/namespace") == Some(&pod.namespace) && budget_takes(one, &self.version, &pod.labels)
        };
        self.found.iter().filter(its).map(budget).collect()
    }

    /// Why a pod does not leave, for a person: its budgets with their numbers, or what the API said.
    pub(super) fn why(&self, pod: &Pod, said: &str) -> String {
        let holding = self.holding(pod);
        if holding.is_empty() {
            return said.to_owned();
        }
        holding.iter().map(Budget::sentence).collect::<Vec<_>>().join("; ")
    }

    /// Budgets that let some of these pods go now, and not all at once.
    pub(super) fn narrow(&self, pods: &[Pod]) -> Vec<String> {
        let mut notes = Vec::new();
        for one in &self.found {
            let namespace = text(one, "/metadata/namespace");
            let its = pods.iter().filter(|pod| {
                namespace == Some(&pod.namespace) && !pod.is_ending && budget_takes(one, &self.version, &pod.labels)
            });
            let (count, read) = (its.count() as i64, budget(one));
            if read.allowed > 0 && read.allowed < count {
                notes.push(format!(
                    "{count} pods that are to leave fall under one budget, and go one after the other: {}",
                    read.sentence()
                ));
            }
        }
        notes
    }

    /// A budget that never lets this pod go while all of its pods are well, and why.
    pub(super) fn never(&self, pod: &Pod) -> Option<String> {
        let own = self.found.iter().filter(|one| text(one, "/metadata/namespace") == Some(&pod.namespace));
        let mut taking = own.filter(|one| budget_takes(one, &self.version, &pod.labels));
        let stuck = taking.find(|one| {
            let number = |name: &str| one.pointer(name).and_then(Value::as_i64);
            number("/status/disruptionsAllowed") == Some(0)
                && number("/status/desiredHealthy") >= number("/status/expectedPods")
        })?;
        Some(format!("{} can never be evicted: {}", pod.word(), budget(stuck).sentence()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, more: Value) -> Value {
        let mut pod = json!({
            "metadata": { "namespace": "shop", "name": name, "uid": name, "labels": { "app": "web" },
                "ownerReferences": [{ "kind": "ReplicaSet", "name": "web-1", "uid": "x", "controller": true }] },
            "status": { "phase": "Running" },
        });
        for (pointer, value) in more.as_object().unwrap() {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            if pod.pointer(parent).is_none() {
                pod[parent.trim_start_matches('/')] = json!({});
            }
            pod.pointer_mut(parent).unwrap()[key] = value.clone();
        }
        pod
    }

    #[test]
    fn pods_are_sorted_as_kubectl_sorts_them() {
        let daemon = json!([{ "kind": "DaemonSet", "name": "log", "uid": "x", "controller": true }]);
        let found = [
            pod("web", json!({})),
            pod("log", json!({ "/metadata/ownerReferences": daemon })),
            pod("bare", json!({ "/metadata/ownerReferences": [] })),
            pod("data", json!({ "/spec/volumes": [{ "emptyDir": {} }] })),
            pod("mirror", json!({ "/metadata/annotations": { "kubernetes.io/config.mirror": "x" } })),
            pod("over", json!({ "/metadata/ownerReferences": [], "/status/phase": "Succeeded" })),
            pod(
                "ending",
                json!({ "/metadata/ownerReferences": [], "/metadata/deletionTimestamp": "2026-01-01T00:00:00Z" }),
            ),
        ];
        let names = |pods: &Pods| pods.leave.iter().map(|pod| pod.name.clone()).collect::<Vec<_>>();
        let strict = Pods::sort(&found, &Allowed::default());
        assert_eq!(names(&strict), ["web", "over", "ending"]);
        assert_eq!(strict.stay, ["shop/mirror (its kubelet runs it from a file)"]);
        for (found, word) in strict.undecided.iter().zip(["ignore_daemonsets", "bare_pods", "empty_dir_data"]) {
            assert!(found.contains(word), "{found}");
        }
        assert_eq!(strict.undecided.len(), 3);
        let all = Allowed { ignore_daemonsets: true, bare_pods: true, empty_dir_data: true, grace_seconds: None };
        let loose = Pods::sort(&found, &all);
        assert_eq!(names(&loose), ["web", "bare", "data", "over", "ending"]);
        assert!(loose.undecided.is_empty() && loose.stay.len() == 2, "{loose:?}");
    }

    fn budgets(version: &str, status: Value) -> Budgets {
        let found = json!({ "metadata": { "namespace": "shop", "name": "web" },
            "spec": { "selector": { "matchLabels": { "app": "web" } } }, "status": status });
        Budgets { version: version.to_owned(), found: vec![found], unread: None }
    }

    #[test]
    fn a_budget_is_named_with_its_numbers_in_either_version() {
        let web = Pod::of(&pod("web", json!({})));
        for version in ["v1", "v1beta1"] {
            let tight = budgets(
                version,
                json!({ "disruptionsAllowed": 0, "currentHealthy": 3, "desiredHealthy": 3, "expectedPods": 3 }),
            );
            assert!(tight.why(&web, "no").contains("budget web: 3 of its pods are healthy, 3 have to be"));
            assert!(tight.never(&web).is_some_and(|why| why.starts_with("shop/web can never be evicted")));
            let busy = budgets(
                version,
                json!({ "disruptionsAllowed": 0, "currentHealthy": 2, "desiredHealthy": 2, "expectedPods": 3 }),
            );
            assert_eq!(busy.never(&web), None, "once the third is back it may go");
        }
        let wide = |allowed: i64| budgets("v1", json!({ "disruptionsAllowed": allowed, "desiredHealthy": 1 }));
        let three = [web.clone(), web.clone(), web.clone()];
        assert!(wide(2).narrow(&three)[0].starts_with("3 pods"), "they go one after the other");
        assert!(wide(3).narrow(&three).is_empty() && wide(0).narrow(&three).is_empty());
        let mut other = web.clone();
        other.namespace = "other".to_owned();
        let tight = budgets("v1", json!({ "disruptionsAllowed": 0, "desiredHealthy": 3, "expectedPods": 3 }));
        assert!(
            tight.never(&other).is_none() && tight.why(&other, "busy") == "busy",
            "budgets hold in their namespace"
        );
    }

    #[cfg(feature = "kube")]
    #[tokio::test]
    async fn an_eviction_is_asked_for_in_the_version_that_the_cluster_takes() {
        // Before 1.22 it is v1beta1, also where budgets are v1 already.
        for (version, spoken) in
            [(json!("v1"), "policy/v1"), (json!("v1beta1"), "policy/v1beta1"), (Value::Null, "policy/v1beta1")]
        {
            let kind = |name: &str| json!({ "name": name, "kind": "Pod", "namespaced": true, "version": version });
            let blocked =
                json!({ "reason": "TooManyRequests", "message": "would violate the pod's disruption budget" });
            let cluster = Cluster::replay(vec![
                ("GET /api", 200, json!({ "versions": ["v1"] })),
                ("GET /api/v1", 200, json!({ "resources": [kind("pods"), kind("pods/eviction")] })),
                ("POST /api/v1/namespaces/shop/pods/web/eviction", 201, json!({})),
                ("POST /api/v1/namespaces/shop/pods/held/eviction", 429, blocked),
                ("POST /api/v1/namespaces/shop/pods/gone/eviction", 404, json!({})),
                (
                    "POST /api/v1/namespaces/shop/pods/other/eviction",
                    409,
                    json!({ "message": "the UID does not match" }),
                ),
            ]);
            let eviction = Eviction::of(&cluster).await.unwrap();
            for (name, expected) in [("web", Said::Yes), ("gone", Said::Gone), ("other", Said::Gone)] {
                let pod = Pod::of(&pod(name, json!({})));
                assert_eq!(eviction.ask(&cluster, &pod, Some(7), Mode::DryRun).await.unwrap(), expected, "{name}");
            }
            let held = Pod::of(&pod("held", json!({})));
            let said = eviction.ask(&cluster, &held, None, Mode::Real).await.unwrap();
            assert!(matches!(&said, Said::NotNow(text) if text.contains("disruption budget")), "{said:?}");
            let told = cluster.asked().told();
            assert!(told[0].contains("dryRun=All") && told[0].contains(r#""dryRun":["All"]"#), "{}", told[0]);
            assert!(told[0].contains(r#""gracePeriodSeconds":7"#) && told[0].contains(r#""uid":"web""#), "{}", told[0]);
            assert!(told[0].contains(&format!(r#""apiVersion":"{spoken}""#)), "{spoken}: {}", told[0]);
            assert!(!told[3].contains("dryRun") && !told[3].contains("gracePeriod"), "{}", told[3]);
        }
    }
}
