//! What stands around a workload, in the versions of 1.20 and of today.

use serde_json::json;

use super::*;

fn workload() -> Value {
    json!({ "metadata": { "name": "web", "namespace": "shop" },
        "spec": { "replicas": 3, "template": { "metadata": { "labels": { "app": "web" } },
            "spec": { "containers": [{ "name": "web", "resources": { "requests": { "cpu": "1" } } }] } } } })
}

fn listed(version: &str) -> Listed {
    Listed {
        quotas: vec![
            json!({ "metadata": { "name": "team" }, "status": { "hard": { "requests.cpu": "5" }, "used": { "requests.cpu": "3" } } }),
        ],
        budgets: vec![
            json!({ "metadata": { "name": "web" }, "spec": { "selector": { "matchLabels": { "app": "web" } } },
                "status": { "disruptionsAllowed": 0, "currentHealthy": 2, "desiredHealthy": 2 } }),
            json!({ "metadata": { "name": "all" }, "spec": { "selector": {} }, "status": { "disruptionsAllowed": 1 } }),
            json!({ "metadata": { "name": "other" }, "spec": { "selector": { "matchLabels": { "app": "db" } } } }),
        ],
        budgets_version: version.to_owned(),
        unseen: Vec::new(),
        autoscalers: vec![
            json!({ "metadata": { "name": "web", "namespace": "shop" },
                "spec": { "scaleTargetRef": { "kind": "Deployment", "name": "web" }, "minReplicas": 2, "maxReplicas": 9 },
                "status": { "currentReplicas": 3, "desiredReplicas": 3 } }),
            json!({ "metadata": { "name": "db" }, "spec": { "scaleTargetRef": { "kind": "StatefulSet", "name": "web" }, "maxReplicas": 9 } }),
        ],
    }
}

#[test]
fn an_empty_budget_takes_all_today_and_nothing_in_the_old_version() {
    let names = |version: &str| {
        let around = Around::of(&workload(), "Deployment", &listed(version));
        around.budgets.into_iter().map(|budget| budget.name).collect::<Vec<_>>()
    };
    assert_eq!(names("v1"), ["web", "all"]);
    assert_eq!(names("v1beta1"), ["web"]);
}

#[test]
fn what_does_not_fit_names_the_quota_and_its_numbers() {
    let around = Around::of(&workload(), "Deployment", &listed("v1"));
    assert_eq!(around.more_pods(), Some(2));
    assert_eq!(around.too_many(2), None);
    assert_eq!(
        around.too_many(3).unwrap(),
        "quota team leaves room for 2 pods more, and 3 are wanted: requests.cpu: 3 of 5 are used, one more pod asks for 1"
    );
}

#[test]
fn an_autoscaler_is_read_alike_in_all_its_versions() {
    let around = Around::of(&workload(), "Deployment", &listed("v1"));
    assert_eq!(around.autoscalers.len(), 1, "one of another kind is not its");
    let scaler = &around.autoscalers[0];
    assert_eq!((scaler.min, scaler.max, scaler.desired, scaler.active), (2, 9, 3, true));
    assert!(scaler.changes(5) && !scaler.changes(0));
    assert_eq!(scaler.command, "`kubectl -n shop patch hpa web -p '{\"spec\":{\"minReplicas\":N}}'`");
    // autoscaling/v1 keeps conditions in an annotation, and has no word on the least: one is the default.
    let old = json!({ "metadata": { "name": "web" }, "spec": { "scaleTargetRef": { "kind": "Deployment", "name": "web" }, "maxReplicas": 4 } });
    assert_eq!(autoscaler(&old, "Deployment", "web").unwrap().min, 1);
}

#[test]
fn an_autoscaler_that_cannot_act_says_why_and_one_of_keda_names_its_own_means() {
    let mut one = listed("v1").autoscalers.remove(0);
    one["status"]["conditions"] = json!([{ "type": "ScalingActive", "status": "False", "reason": "FailedGetResourceMetric", "message": "no metrics \u{1b}[31m" }]);
    let scaler = autoscaler(&one, "Deployment", "web").unwrap();
    assert_eq!(scaler.problem.as_deref(), Some("no metrics <U+001B>[31m"));
    one["status"]["conditions"][0]["reason"] = json!("ScalingDisabled");
    assert!(!autoscaler(&one, "Deployment", "web").unwrap().active);
    one["metadata"]["labels"] = json!({ "scaledobject.keda.sh/name": "web" });
    assert!(autoscaler(&one, "Deployment", "web").unwrap().command.contains("annotate scaledobject web"));
}

#[test]
fn what_is_around_is_told_in_sentences() {
    let notes = Around::of(&workload(), "Deployment", &listed("v1")).notes().join("\n");
    for words in [
        "autoscaler web keeps it between 2 and 9, wants 3 now",
        "disruption budget web: 2 of its pods are healthy, 2 have to be, 0 may be taken away now",
        "quota team leaves room for 2 pods more",
    ] {
        assert!(notes.contains(words), "{notes}");
    }
}
