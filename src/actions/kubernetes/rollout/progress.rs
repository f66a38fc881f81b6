//! How far a rollout is: what a Deployment, a StatefulSet or a DaemonSet says of itself, read as `kubectl rollout status`
//! reads it. Pure.

use crate::actions::kubernetes::objects::{condition, count, is_set, text};
use crate::value::Value;

/// The kinds that are rolled out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Its revisions are replica sets.
    Deployment,
    /// Its revisions are controller revisions.
    StatefulSet,
    /// Its revisions are controller revisions.
    DaemonSet,
}

impl Kind {
    /// A kind by its name as the API has it.
    pub(crate) fn of(name: &str) -> Option<Self> {
        [Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet].into_iter().find(|kind| kind.name() == name)
    }

    /// Its name in the API.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Deployment => "Deployment",
            Kind::StatefulSet => "StatefulSet",
            Kind::DaemonSet => "DaemonSet",
        }
    }

    /// The name of its revisions' kind.
    pub(crate) fn revisions(self) -> &'static str {
        match self {
            Kind::Deployment => "ReplicaSet.apps",
            Kind::StatefulSet | Kind::DaemonSet => "ControllerRevision.apps",
        }
    }

    /// The label by which a pod says of which revision it is.
    pub(crate) fn pod_label(self) -> &'static str {
        match self {
            Kind::Deployment => "pod-template-hash",
            Kind::StatefulSet | Kind::DaemonSet => "controller-revision-hash",
        }
    }
}

/// How far a rollout is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Whether its controller has seen the newest template.
    pub(crate) seen: bool,
    /// How many pods there are to be.
    pub(crate) wanted: i64,
    /// How many are of the newest revision.
    pub(crate) updated: i64,
    /// How many serve, of whichever revision.
    pub(crate) available: i64,
    /// How many of earlier revisions are left.
    pub(crate) old: i64,
    /// Whether its controller has given up waiting for progress.
    pub(crate) gave_up: bool,
    /// How many pods a declared partition keeps at the earlier revision.
    pub(crate) kept: i64,
}

impl Progress {
    /// Reads it out of a workload.
    pub(crate) fn of(workload: &Value, kind: Kind) -> Self {
        let status = |name: &str| count(workload, &format!("/status/{name}"));
        let replicas = workload.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
        let seen = status("observedGeneration") >= count(workload, "/metadata/generation");
        let progressing = condition(workload, "Progressing").and_then(|one| text(one, "/reason"));
        let gave_up = seen && progressing == Some("ProgressDeadlineExceeded");
        let nothing = Self { seen, wanted: replicas, updated: 0, available: 0, old: 0, gave_up, kept: 0 };
        match kind {
            Kind::Deployment => Self {
                updated: status("updatedReplicas"),
                available: status("availableReplicas"),
                old: (status("replicas") - status("updatedReplicas")).max(0),
                ..nothing
            },
            Kind::StatefulSet => {
                let kept = count(workload, "/spec/updateStrategy/rollingUpdate/partition").clamp(0, replicas);
                let same = text(workload, "/status/currentRevision") == text(workload, "/status/updateRevision");
                // A set that is through says so by its revision alone, and may leave out how many are updated.
                let updated =
                    if same { status("replicas").max(status("updatedReplicas")) } else { status("updatedReplicas") };
                Self {
                    updated: updated.min(replicas),
                    available: status("readyReplicas"),
                    old: if same { 0 } else { (status("replicas") - updated - kept).max(0) },
                    kept,
                    ..nothing
                }
            }
            Kind::DaemonSet => {
                let (wanted, updated) = (status("desiredNumberScheduled"), status("updatedNumberScheduled"));
                let old = (status("currentNumberScheduled") - updated).max(0);
                Self { wanted, updated, available: status("numberAvailable"), old, ..nothing }
            }
        }
    }

    /// Whether all that is to be of the newest revision is, serves, and nothing of an earlier one is left.
    pub(crate) fn is_complete(&self) -> bool {
        let new = self.wanted - self.kept;
        self.seen && self.updated >= new && self.available >= self.wanted && self.old == 0
    }

    /// One line for a person.
    pub(crate) fn sentence(&self) -> String {
        if !self.seen {
            return "its controller has not seen it yet".to_owned();
        }
        let mut words = format!("{} of {} pods are new, {} serve", self.updated, self.wanted, self.available);
        if self.old > 0 {
            words.push_str(&format!(", {} old ones are left", self.old));
        }
        if self.kept > 0 {
            words.push_str(&format!(", its partition keeps {} at the earlier revision", self.kept));
        }
        words
    }
}

/// Why a rollout of this workload would not go on by itself, if so, with the command that helps.
pub(crate) fn stands_still(workload: &Value, kind: Kind, place: &str) -> Option<String> {
    if kind == Kind::Deployment && is_set(workload, "/spec/paused") {
        return Some(format!(
            "its rollout is paused, by somebody: nothing would come of it. `kubectl rollout resume {place}` lets it go on"
        ));
    }
    if text(workload, "/spec/updateStrategy/type") == Some("OnDelete") {
        return Some(
            "its update strategy is OnDelete: its pods are replaced only when somebody deletes them, so that a rollout would change \
             nothing that serves"
                .to_owned(),
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(generation: i64, status: Value) -> Progress {
        Progress::of(
            &json!({ "metadata": { "generation": generation }, "spec": { "replicas": 3 }, "status": status }),
            Kind::Deployment,
        )
    }

    #[test]
    fn a_deployment_is_through_once_the_new_serve_and_the_old_are_gone() {
        let status = |updated: i64, all: i64, available: i64| json!({ "observedGeneration": 2, "replicas": all, "updatedReplicas": updated, "availableReplicas": available });
        assert!(deployment(2, status(3, 3, 3)).is_complete());
        assert!(!deployment(3, status(3, 3, 3)).is_complete(), "its controller has not seen the newest template");
        assert!(!deployment(2, status(2, 3, 3)).is_complete());
        assert!(!deployment(2, status(3, 4, 3)).is_complete(), "an old one is left");
        assert!(!deployment(2, status(3, 3, 2)).is_complete());
        assert_eq!(deployment(2, status(2, 4, 3)).sentence(), "2 of 3 pods are new, 3 serve, 2 old ones are left");
        let late = json!({ "observedGeneration": 2, "conditions": [{ "type": "Progressing", "reason": "ProgressDeadlineExceeded" }] });
        assert!(deployment(2, late.clone()).gave_up);
        assert!(!deployment(3, late).gave_up, "that was said of the template before");
    }

    #[test]
    fn a_stateful_set_is_through_once_its_revision_is_current() {
        let set = |current: &str, updated: i64, ready: i64, partition: i64| {
            let object = json!({ "metadata": { "generation": 2 }, "spec": { "replicas": 3, "updateStrategy": { "rollingUpdate": { "partition": partition } } },
                "status": { "observedGeneration": 2, "replicas": 3, "updatedReplicas": updated, "readyReplicas": ready, "currentRevision": current, "updateRevision": "new" } });
            Progress::of(&object, Kind::StatefulSet)
        };
        assert!(set("new", 3, 3, 0).is_complete());
        assert!(set("new", 0, 3, 0).is_complete());
        assert!(!set("old", 2, 3, 0).is_complete());
        assert!(!set("new", 3, 2, 0).is_complete());
        assert!(set("old", 1, 3, 2).is_complete(), "its partition keeps the other two");
    }

    #[test]
    fn a_daemon_set_is_through_on_every_node() {
        let set = |updated: i64, available: i64| {
            let object = json!({ "metadata": { "generation": 1 }, "status": { "observedGeneration": 1, "desiredNumberScheduled": 3,
                "currentNumberScheduled": 3, "updatedNumberScheduled": updated, "numberAvailable": available } });
            Progress::of(&object, Kind::DaemonSet)
        };
        assert!(set(3, 3).is_complete() && !set(2, 3).is_complete() && !set(3, 2).is_complete());
    }

    #[test]
    fn what_would_not_move_says_so() {
        let paused = json!({ "spec": { "paused": true } });
        assert!(
            stands_still(&paused, Kind::Deployment, "deployment/web")
                .unwrap()
                .contains("kubectl rollout resume deployment/web")
        );
        let by_hand = json!({ "spec": { "updateStrategy": { "type": "OnDelete" } } });
        assert!(stands_still(&by_hand, Kind::StatefulSet, "x").unwrap().contains("OnDelete"));
        assert_eq!(stands_still(&json!({}), Kind::DaemonSet, "x"), None);
    }
}
