//! A cluster against canned answers: what is sent, what the API's answers mean, and what it serves.

use serde_json::{Value, json};

use super::super::place::{Mode, Patch, Place, Selector};
use super::super::wire::Replay;
use super::{Cluster, Wire};
use crate::actions::kubernetes::KubernetesError;
use crate::inventory;
use crate::outcome::{Outcome, Report};

const UID: &str = "0b9c6c2e-2b0f-4f6e-9f57-0f5a3c1d2e3f";

fn discovery() -> Vec<(&'static str, u16, Value)> {
    let group = |name: &str, versions: &[&str]| {
        let entry = |version: &&str| json!({ "groupVersion": format!("{name}/{version}"), "version": version });
        json!({ "name": name, "versions": versions.iter().map(entry).collect::<Vec<_>>(), "preferredVersion": entry(&versions[0]) })
    };
    let kind = |name: &str, kind: &str, namespaced: bool, short: &[&str]| json!({ "name": name, "kind": kind, "namespaced": namespaced, "singularName": "", "shortNames": short });
    let listing = |resources: Vec<Value>| json!({ "kind": "APIResourceList", "resources": resources });
    vec![
        ("GET /api", 200, json!({ "versions": ["v1"] })),
        (
            "GET /apis",
            200,
            json!({ "groups": [group("extensions", &["v1beta1"]), group("metrics.k8s.io", &["v1"]), group("apps", &["v1"]),
                group("policy", &["v1beta1"]), group("autoscaling", &["v1", "v2beta2"])] }),
        ),
        (
            "GET /api/v1",
            200,
            listing(vec![
                kind("pods/eviction", "Eviction", true, &[]),
                kind("pods", "Pod", true, &["po"]),
                kind("nodes", "Node", false, &["no"]),
            ]),
        ),
        (
            "GET /apis/apps/v1",
            200,
            listing(vec![
                kind("deployments", "Deployment", true, &["deploy"]),
                kind("deployments/scale", "Scale", true, &[]),
            ]),
        ),
        ("GET /apis/extensions/v1beta1", 200, listing(vec![kind("deployments", "Deployment", true, &["deploy"])])),
        (
            "GET /apis/autoscaling/v1",
            200,
            listing(vec![kind("horizontalpodautoscalers", "HorizontalPodAutoscaler", true, &["hpa"])]),
        ),
        (
            "GET /apis/autoscaling/v2beta2",
            200,
            listing(vec![kind("horizontalpodautoscalers", "HorizontalPodAutoscaler", true, &["hpa"])]),
        ),
        (
            "GET /apis/policy/v1beta1",
            200,
            listing(vec![kind("poddisruptionbudgets", "PodDisruptionBudget", true, &["pdb"])]),
        ),
        (
            "GET /apis/metrics.k8s.io/v1",
            503,
            json!({ "kind": "Status", "message": "the server is currently unable to handle it" }),
        ),
    ]
}

fn with(more: Vec<(&'static str, u16, Value)>) -> Cluster {
    Cluster::replay([discovery(), more].concat())
}

const WEB: &str = "/apis/apps/v1/namespaces/shop/deployments/web";

async fn web(cluster: &Cluster) -> Place {
    Place::of(&cluster.resource("deploy").await.unwrap(), "shop", "web")
}

fn status(reason: &str, message: &str) -> Value {
    json!({ "kind": "Status", "status": "Failure", "reason": reason, "message": message })
}

#[tokio::test]
async fn a_kind_is_found_by_whatever_people_call_it() {
    let cluster = with(vec![]);
    for word in ["Deployment", "deployments", "deployment", "deploy", "Deployment.apps", "deployments.v1.apps"] {
        let found = cluster.resource(word).await.unwrap();
        assert_eq!((found.api_version().as_str(), found.plural.as_str()), ("apps/v1", "deployments"), "{word}");
        assert_eq!(
            (found.namespaced, found.subresources.as_slice()),
            (true, ["scale".to_owned()].as_slice()),
            "{word}"
        );
    }
    let older = cluster.resource("deploy.extensions").await.unwrap();
    assert_eq!((older.api_version().as_str(), older.subresources.len()), ("extensions/v1beta1", 0));
    assert_eq!(cluster.resource("hpa").await.unwrap().api_version(), "autoscaling/v1", "the cluster's own choice");
    assert_eq!(cluster.resource("hpa.v2beta2.autoscaling").await.unwrap().api_version(), "autoscaling/v2beta2");
    let node = cluster.resource("no").await.unwrap();
    assert_eq!((node.api_version().as_str(), node.namespaced), ("v1", false));
    assert_eq!(cluster.resource("pods").await.unwrap().subresources, ["eviction"]);
    let before = cluster.asked().asked().len();
    cluster.resource("deploy").await.unwrap();
    assert_eq!(cluster.asked().asked().len(), before, "what it serves is asked once");
}

#[tokio::test]
async fn a_kind_that_is_not_served_is_answered_with_the_nearest_and_with_who_was_silent() {
    let cluster = with(vec![]);
    let error = cluster.resource("deploymnts").await.unwrap_err().to_string();
    assert!(error.contains("did you mean `deployments`") && error.contains("not told: metrics.k8s.io"), "{error}");
    for bad in ["", "a/b", "a?b", "../x", "a b"] {
        assert!(matches!(cluster.resource(bad).await, Err(KubernetesError::Invalid(_))), "{bad:?}");
    }
}

#[tokio::test]
async fn versions_are_told_in_the_order_of_the_cluster() {
    let cluster = with(vec![]);
    assert_eq!(cluster.served("autoscaling").await.unwrap(), ["v1", "v2beta2"]);
    assert_eq!(cluster.served("policy").await.unwrap(), ["v1beta1"]);
    assert_eq!(cluster.served("").await.unwrap(), ["v1"]);
    assert_eq!(cluster.served("argoproj.io").await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn an_object_is_read_and_one_that_is_not_there_is_nothing() {
    let path = format!("GET {WEB}");
    let cluster = with(vec![(path.leak(), 200, json!({ "kind": "Deployment" }))]);
    let place = web(&cluster).await;
    assert_eq!(cluster.get(&place).await.unwrap(), Some(json!({ "kind": "Deployment" })));
    let other = Place { name: "other".to_owned(), ..place };
    assert_eq!(cluster.get(&other).await.unwrap(), None);
}

#[tokio::test]
async fn a_list_is_read_page_by_page() {
    let page = |name: &str, next: &str| json!({ "metadata": { "continue": next }, "items": [{ "metadata": { "name": name } }] });
    let cluster = with(vec![
        ("GET /api/v1/namespaces/shop/pods?labelSelector=app%3Dweb&limit=250", 200, page("a", "t/1")),
        ("GET /api/v1/namespaces/shop/pods?labelSelector=app%3Dweb&limit=250&continue=t%2F1", 200, page("b", "")),
    ]);
    let pods = cluster.resource("pods").await.unwrap();
    let found = cluster.list(&pods, Some("shop"), &Selector::labels("app=web")).await.unwrap();
    assert_eq!(found.len(), 2);
    let endless = with(vec![(
        "GET /api/v1/pods",
        200,
        json!({ "metadata": { "continue": "more" }, "items": vec![json!({}); 1000] }),
    )]);
    let error = endless.list(&pods, None, &Selector::all()).await.unwrap_err().to_string();
    assert!(error.contains("more than 5000 pods"), "{error}");
}

#[tokio::test]
async fn a_dry_run_says_so_and_a_change_says_who_makes_it() {
    let path = format!("PATCH {WEB}*");
    let cluster = with(vec![(path.leak(), 200, json!({}))]);
    let place = web(&cluster).await;
    let patch = Patch::Merge(json!({ "metadata": { "resourceVersion": "7" }, "spec": { "replicas": 3 } }));
    for mode in [Mode::DryRun, Mode::Real] {
        cluster.patch(&place.below("scale"), &patch, mode).await.unwrap();
    }
    let apply = Patch::Apply { manager: "playbook".to_owned(), force: false, body: json!({}) };
    cluster.patch(&place, &apply, Mode::Real).await.unwrap();
    let merge = r#"application/merge-patch+json {"metadata":{"resourceVersion":"7"},"spec":{"replicas":3}}"#;
    assert_eq!(
        cluster.asked().told(),
        [
            format!("PATCH {WEB}/scale?fieldManager=playbook&dryRun=All {merge}"),
            format!("PATCH {WEB}/scale?fieldManager=playbook {merge}"),
            format!("PATCH {WEB}?fieldManager=playbook&force=false application/apply-patch+yaml {{}}"),
        ]
    );
}

#[tokio::test]
async fn an_eviction_and_a_deletion_are_sent_as_the_api_wants_them() {
    let cluster = with(vec![("POST /api/v1*", 201, json!({})), ("DELETE /api/v1*", 200, json!({}))]);
    let pod = Place::of(&cluster.resource("pods").await.unwrap(), "shop", "web-1");
    cluster.create(&pod.below("eviction"), &json!({ "kind": "Eviction" }), Mode::Real).await.unwrap();
    cluster.create(&pod, &json!({ "kind": "Pod" }), Mode::DryRun).await.unwrap();
    cluster.delete(&pod, &json!({ "uid": "u" }), Mode::Real).await.unwrap();
    assert_eq!(
        cluster.asked().told(),
        [
            r#"POST /api/v1/namespaces/shop/pods/web-1/eviction?fieldManager=playbook application/json {"kind":"Eviction"}"#,
            r#"POST /api/v1/namespaces/shop/pods?fieldManager=playbook&dryRun=All application/json {"kind":"Pod"}"#,
            r#"DELETE /api/v1/namespaces/shop/pods/web-1 application/json {"apiVersion":"v1","kind":"DeleteOptions","preconditions":{"uid":"u"}}"#,
        ]
    );
}

/// What the API answers to a change, and what that means for the attempt.
#[tokio::test]
async fn every_answer_to_a_change_means_what_it_says() {
    let quota = "pods \"web-2\" is forbidden: exceeded quota: small";
    for (code, reason, said, outcome, words) in [
        (403, "Forbidden", "user cannot patch", Outcome::NoEffect, "our account may not do that"),
        (403, "Forbidden", quota, Outcome::NoEffect, "exceeded quota: small"),
        (401, "Unauthorized", "Unauthorized", Outcome::NoEffect, "does not know who we are"),
        (404, "NotFound", "deployments \"web\" not found", Outcome::NoEffect, "not found"),
        (409, "Conflict", "the object has been modified", Outcome::NoEffect, "has been modified"),
        (422, "Invalid", "spec.replicas: must be positive", Outcome::NoEffect, "must be positive"),
        (
            429,
            "TooManyRequests",
            "Cannot evict pod as it would violate the pod's disruption budget",
            Outcome::NoEffect,
            "budget",
        ),
        (500, "InternalError", "etcdserver: request timed out", Outcome::Unknown, "may have happened or not"),
        (504, "Timeout", "Timeout: request did not complete", Outcome::Unknown, "may have happened or not"),
        (0, "", "", Outcome::Unknown, "may have happened or not"),
    ] {
        let path = format!("PATCH {WEB}*");
        let cluster = with(vec![(path.leak(), code, status(reason, said))]);
        let place = web(&cluster).await;
        let patch = Patch::Merge(json!({}));
        let error = cluster.patch(&place, &patch, Mode::Real).await.unwrap_err();
        let report = Report::from(error.clone());
        assert_eq!(report.outcome, outcome, "{code} {said}: {error}");
        assert!(report.message.contains(words), "{code} {said}: {error}");
        if said == quota {
            assert!(!report.message.contains("may not do that"), "a quota is no matter of rights: {error}");
        }
        // The same answer to a mere question leaves nothing in doubt.
        let error = cluster.patch(&place, &patch, Mode::DryRun).await.unwrap_err();
        assert_eq!(Report::from(error).outcome, Outcome::NoEffect, "{code} {said}");
    }
}

#[tokio::test]
async fn another_cluster_is_never_taken_for_the_one_that_is_meant() {
    let open = async |answer: (u16, Value), wanted: Option<&str>| {
        let wire = Wire::replay(Replay::of(vec![("GET /api/v1/namespaces/kube-system", answer.0, answer.1)]));
        let entry = inventory::Cluster { uid: wanted.map(str::to_owned), ..inventory::Cluster::default() };
        Cluster::over(wire, &entry).await
    };
    let named = |uid: &str| (200, json!({ "metadata": { "uid": uid } }));
    assert_eq!(open(named(UID), Some(UID)).await.unwrap().uid(), Some(UID));
    assert_eq!(open(named(UID), None).await.unwrap().uid(), Some(UID));
    let error = open(named("another"), Some(UID)).await.err().unwrap().to_string();
    assert!(error.contains("is not the cluster that the inventory means") && error.contains("another"), "{error}");
    let hidden = || (403, status("Forbidden", "cannot get resource namespaces"));
    assert_eq!(open(hidden(), None).await.unwrap().uid(), None);
    let error = open(hidden(), Some(UID)).await.err().unwrap().to_string();
    assert!(error.contains("let our account `get` the namespace kube-system"), "{error}");
    assert!(open((200, json!({})), Some(UID)).await.is_err(), "no uid is another one");
}
