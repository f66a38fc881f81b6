//! `k8s.rollout_undo` against canned answers: clusters of today and of 1.20, and what an API answers on a bad day.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use super::super::cluster::Cluster;
use super::super::place::Selector;
use super::*;
use crate::outcome::Outcome;
use crate::value::has_hidden;

const WEB: &str = "/apis/apps/v1/namespaces/shop/deployments/web";

fn listing(resources: &[(&str, &str)]) -> Value {
    let one =
        |(name, kind): &(&str, &str)| json!({ "name": name, "kind": kind, "namespaced": true, "singularName": "" });
    json!({ "kind": "APIResourceList", "resources": resources.iter().map(one).collect::<Vec<_>>() })
}

fn group(name: &str, versions: &[&str]) -> Value {
    let entry = |version: &&str| json!({ "groupVersion": format!("{name}/{version}"), "version": version });
    json!({ "name": name, "versions": versions.iter().map(entry).collect::<Vec<_>>(), "preferredVersion": entry(&versions[0]) })
}

fn template(image: &str) -> Value {
    json!({ "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [{ "name": "web", "image": image }] } })
}

fn deployment(image: &str, generation: i64, observed: i64) -> Value {
    json!({ "metadata": { "name": "web", "namespace": "shop", "uid": "u1", "generation": generation },
        "spec": { "replicas": 1, "selector": { "matchLabels": { "app": "web" } }, "template": template(image) },
        "status": { "observedGeneration": observed, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1 } })
}

fn replica_set(hash: &str, number: &str, image: &str) -> Value {
    json!({ "metadata": { "name": format!("web-{hash}"), "annotations": { "deployment.kubernetes.io/revision": number },
        "labels": { "pod-template-hash": hash }, "ownerReferences": [{ "kind": "Deployment", "name": "web", "uid": "u1", "controller": true }] },
        "spec": { "template": template(image) } })
}

type Answers = Vec<(String, u16, Value)>;

/// A cluster that serves these versions, with a budget that takes all, and an autoscaler.
fn answers(policy: &str, autoscaling: &str) -> Answers {
    let lists = |names: Vec<Value>| json!({ "items": names });
    let on = |text: &str| format!("GET {text}");
    vec![
        (on("/api"), 200, json!({ "versions": ["v1"] })),
        (
            on("/apis"),
            200,
            json!({ "groups": [group("apps", &["v1"]), group("policy", &[policy]), group("autoscaling", &[autoscaling])] }),
        ),
        (on("/api/v1"), 200, listing(&[("pods", "Pod"), ("events", "Event"), ("resourcequotas", "ResourceQuota")])),
        (on("/apis/apps/v1"), 200, listing(&[("deployments", "Deployment"), ("replicasets", "ReplicaSet")])),
        (on(&format!("/apis/policy/{policy}")), 200, listing(&[("poddisruptionbudgets", "PodDisruptionBudget")])),
        (
            on(&format!("/apis/autoscaling/{autoscaling}")),
            200,
            listing(&[("horizontalpodautoscalers", "HorizontalPodAutoscaler")]),
        ),
        (
            on(&format!("/apis/policy/{policy}/namespaces/shop/poddisruptionbudgets*")),
            200,
            lists(vec![
                json!({ "metadata": { "name": "all" }, "spec": { "selector": {} }, "status": { "currentHealthy": 1 } }),
            ]),
        ),
        (
            on(&format!("/apis/autoscaling/{autoscaling}/namespaces/shop/horizontalpodautoscalers*")),
            200,
            lists(vec![
                json!({ "metadata": { "name": "web" }, "spec": { "scaleTargetRef": { "kind": "Deployment", "name": "web" }, "maxReplicas": 4 } }),
            ]),
        ),
        (on("/api/v1/namespaces/shop/resourcequotas*"), 200, lists(vec![])),
        (on("/api/v1/namespaces/shop/pods*"), 200, lists(vec![])),
        (on("/api/v1/namespaces/shop/events*"), 200, lists(vec![])),
        (
            on("/apis/apps/v1/namespaces/shop/replicasets*"),
            200,
            lists(vec![replica_set("aaa", "1", "shop:1"), replica_set("bbb", "2", "shop:2")]),
        ),
    ]
}

async fn target(more: Answers) -> Target {
    target_of(answers("v1", "v2"), more).await
}

async fn target_of(base: Answers, more: Answers) -> Target {
    let all: Answers = [base, more].concat();
    let cluster = Cluster::replay(all.iter().map(|(on, code, body)| (on.as_str(), *code, body.clone())).collect());
    Target::of(cluster, &json!({ "workload": "deployment/web", "namespace": "shop" })).await.unwrap()
}

fn reads(bodies: &[Value]) -> Answers {
    bodies.iter().map(|body| (format!("GET {WEB}"), 200, body.clone())).collect()
}

fn changes(answers: &[(u16, Value)]) -> Answers {
    answers.iter().map(|(code, body)| (format!("PATCH {WEB}*"), *code, body.clone())).collect()
}

fn status(reason: &str, message: &str) -> Value {
    json!({ "kind": "Status", "status": "Failure", "reason": reason, "message": message })
}

fn call(before: Value) -> Call {
    Call {
        key: "run-1".to_owned(),
        attempt: "run-1-go_back-1".to_owned(),
        arguments: json!({ "give_up_after": 0.5 }),
        before,
        outputs: Value::Null,
        timeout: Duration::from_secs(5),
        kill_on_timeout: false,
        effect: Effect::Probed,
        age: None,
    }
}

fn context() -> (Context, Arc<Mutex<String>>) {
    let told = Arc::new(Mutex::new(String::new()));
    let sink = Arc::clone(&told);
    let output = Arc::new(move |_: bool, bytes: &[u8]| sink.lock().unwrap().push_str(&String::from_utf8_lossy(bytes)));
    (Context { inventory: Arc::new(Inventory::default()), spool: PathBuf::new(), output }, told)
}

fn recorded() -> Value {
    let digest = |image: &str| revisions::digest(&template(image));
    json!({ "uid": "u1", "current": "web-bbb", "template": digest("shop:2"), "images": ["web=shop:2"], "complete": true,
        "target": "web-aaa", "target_template": digest("shop:1") })
}

/// The run of one attempt against these answers to its change, where the object is read so from the change on.
async fn attempt(reading: &[Value], changing: &[(u16, Value)]) -> (Report, Target, String) {
    let target = target([reads(reading), changes(changing)].concat()).await;
    let (context, told) = context();
    let report = go_back(&target, &context, &call(recorded()), Instant::now()).await;
    let told = told.lock().unwrap().clone();
    (report, target, told)
}

#[tokio::test]
async fn clusters_of_today_and_of_yesterday_are_read_alike() {
    for (policy, autoscaling, takes_all) in
        [("v1", "v2", true), ("v1beta1", "v2beta2", false), ("v1beta1", "v1", false)]
    {
        let base = answers(policy, autoscaling);
        let target = target_of(
            base,
            [reads(&[deployment("shop:2", 4, 4)]), changes(&[(200, deployment("shop:1", 5, 4))])].concat(),
        )
        .await;
        let found = foresee(&target, &json!({})).await.unwrap();
        assert_eq!((found.fidelity, found.refusals.as_slice()), (Fidelity::Proved, &[][..]));
        assert_eq!(found.facts["target"], "web-aaa");
        let notes = found.notes.join("\n");
        assert!(notes.contains("autoscaler web keeps it between 1 and 4"), "{notes}");
        assert_eq!(notes.contains("disruption budget all"), takes_all, "{policy}: {notes}");
        let told = target.cluster.asked().told();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].contains("dryRun=All") && told[0].contains(r#""path":"/metadata/generation","value":4"#),
            "{told:?}"
        );
    }
}

#[tokio::test]
async fn a_change_of_something_else_meanwhile_is_read_and_it_is_tried_again() {
    let (old, scaled, done) = (deployment("shop:2", 4, 4), deployment("shop:2", 5, 5), deployment("shop:1", 6, 6));
    for refused in [(422, status("Invalid", "the server rejected our request")), (409, status("Conflict", "modified"))]
    {
        let reading = [old.clone(), old.clone(), scaled.clone(), done.clone()];
        let (report, target, told) = attempt(&reading, &[refused, (200, done.clone())]).await;
        assert_eq!(report.outcome, Outcome::Done, "{report:?}");
        assert_eq!(target.cluster.asked().told().len(), 2);
        assert!(told.contains("1 of 1 pods are new, 1 serve"), "{told}");
    }
}

#[tokio::test]
async fn what_the_api_says_no_to_is_told_and_what_is_lost_is_not_known() {
    let old = deployment("shop:2", 4, 4);
    for (code, reason, said, outcome, words) in [
        (422, "Invalid", "spec.template: field is immutable", Outcome::NoEffect, "field is immutable"),
        (403, "Forbidden", "cannot patch", Outcome::NoEffect, "our account may not do that"),
        (401, "Unauthorized", "expired", Outcome::NoEffect, "no longer valid"),
        (429, "TooManyRequests", "please try again later", Outcome::NoEffect, "try again later"),
        (0, "", "", Outcome::Unknown, "may have happened or not"),
    ] {
        let (report, target, _) = attempt(std::slice::from_ref(&old), &[(code, status(reason, said))]).await;
        assert_eq!(report.outcome, outcome, "{code}: {report:?}");
        assert!(report.message.contains(words), "{code}: {}", report.message);
        assert_eq!(target.cluster.asked().told().len(), 1, "a change is never sent twice by itself");
    }
    // Told what somebody else rolled out since, nothing is sent.
    let (report, target, _) = attempt(&[deployment("shop:9", 9, 9)], &[]).await;
    assert_eq!((report.outcome, target.cluster.asked().told().len()), (Outcome::NoEffect, 0));
}

#[tokio::test]
async fn a_watch_goes_on_when_the_api_is_away_for_a_while_and_a_rollout_that_is_lost_from_sight_is_unknown() {
    let done = deployment("shop:1", 5, 5);
    let mut reading = reads(&[deployment("shop:2", 4, 4), deployment("shop:2", 4, 4)]);
    let away = [(429, "TooManyRequests"), (503, "ServiceUnavailable"), (0, "")];
    reading.extend(away.iter().map(|(code, reason)| (format!("GET {WEB}"), *code, status(reason, "later"))));
    let change = changes(&[(200, done.clone())]);
    let (context, _) = context();
    let back = target([reading.clone(), reads(std::slice::from_ref(&done)), change.clone()].concat()).await;
    let report = go_back(&back, &context, &call(recorded()), Instant::now()).await;
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    let gone = target([reading, change].concat()).await;
    let hasty = Call { timeout: Duration::from_secs(2), ..call(recorded()) };
    let report = go_back(&gone, &context, &hasty, Instant::now()).await;
    assert_eq!(report.outcome, Outcome::Unknown, "{report:?}");
}

#[tokio::test]
async fn a_list_that_grew_too_old_is_begun_again_and_a_long_one_is_bounded() {
    let path = "GET /api/v1/namespaces/shop/pods";
    let page = |next: &str| json!({ "metadata": { "continue": next }, "items": [{}] });
    let old = |code: u16, body: Value| (format!("{path}?limit=250&continue=x"), code, body);
    let back = target(vec![
        (format!("{path}?limit=250"), 200, page("x")),
        old(410, status("Expired", "The provided continue parameter is too old")),
        old(200, page("")),
    ])
    .await;
    let pods = back.cluster.resource("pods").await.unwrap();
    assert_eq!(back.cluster.list(&pods, Some("shop"), &Selector::all()).await.unwrap().len(), 2);
    let back =
        target(vec![(format!("{path}?limit=250"), 200, page("x")), old(410, status("Expired", "too old"))]).await;
    let error = back.cluster.list(&pods, Some("shop"), &Selector::all()).await.unwrap_err();
    assert!(error.to_string().contains("too old"), "{error}");
}

#[tokio::test]
async fn hostile_objects_bring_nothing_to_a_terminal() {
    let evil = "shop:2\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}";
    let mut object = deployment(evil, 4, 4);
    object["metadata"]["labels"] = json!({ "argocd.argoproj.io/instance": evil });
    object["status"]["conditions"] = json!([{ "type": "ReplicaFailure", "status": "True", "message": evil }]);
    let mut base = answers("v1", "v2");
    base.retain(|(on, ..)| !on.contains("replicasets"));
    let kept = json!({ "items": [replica_set("aaa", "1", "shop:1"), replica_set("bbb", "2", evil)] });
    base.push(("GET /apis/apps/v1/namespaces/shop/replicasets*".to_owned(), 200, kept));
    let target = target_of(base, reads(&[object])).await;
    let found = foresee(&target, &json!({})).await.unwrap();
    assert_eq!(found.refusals.len(), 1, "{:?}", found.refusals);
    let told =
        found.notes.iter().chain(&found.refusals).chain(found.changes.iter().filter_map(|one| one.before.as_ref()));
    for text in told {
        assert!(!has_hidden(text), "{text:?}");
    }
}
