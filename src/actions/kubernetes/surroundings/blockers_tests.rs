//! What holds pods up, in the words that kubelets, schedulers and the API have for it.

use serde_json::json;

use super::*;

fn pod(name: &str, status: Value) -> Value {
    json!({ "metadata": { "name": name }, "spec": { "containers": [{ "name": "web", "image": "registry/shop:2" }] }, "status": status })
}

fn waiting(name: &str, reason: &str, message: &str) -> Value {
    let state = json!({ "waiting": { "reason": reason, "message": message } });
    pod(
        name,
        json!({ "phase": "Pending", "containerStatuses": [{ "name": "web", "image": "x", "restartCount": 4, "state": state,
        "lastState": { "terminated": { "exitCode": 137, "reason": "OOMKilled" } } }] }),
    )
}

fn look(workload: &Value, pods: &[Value], events: &[Value]) -> Vec<Blocker> {
    blockers(&Sight { workload, pods, events, since: None })
}

#[test]
fn an_image_is_named_with_the_words_of_its_registry() {
    let events = [
        json!({ "involvedObject": { "kind": "Pod", "name": "web-1" }, "reason": "Failed", "lastTimestamp": "2026-11-23T03:00:00Z",
        "message": "Failed to pull image \"registry/shop:2\": not found" }),
    ];
    let pods = [
        waiting("web-1", "ImagePullBackOff", "Back-off pulling image"),
        waiting("web-2", "CrashLoopBackOff", "back-off 10s"),
    ];
    let found = look(&json!({}), &pods, &events);
    assert_eq!(
        found[0].sentence(),
        "ImagePullBackOff: container web does not get the image registry/shop:2: Failed to pull image \"registry/shop:2\": not found (pod web-1)"
    );
    assert_eq!(
        found[1].sentence(),
        "CrashLoopBackOff: container web ends again and again (exit code 137, OOMKilled) (pod web-2)"
    );
    assert!(found.iter().all(|one| one.why.needs_somebody()));
}

#[test]
fn pods_that_are_held_up_alike_are_told_once() {
    let pods = [waiting("web-1", "CrashLoopBackOff", ""), waiting("web-2", "CrashLoopBackOff", "")];
    let found = look(&json!({}), &pods, &[]);
    assert_eq!(found.len(), 1);
    assert!(found[0].sentence().ends_with("(2 pods, such as web-1)"), "{found:?}");
}

#[test]
fn a_scheduler_a_probe_and_a_mount_are_told_in_their_own_words() {
    let unschedulable = json!({ "conditions": [{ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available: 3 Insufficient cpu." }] });
    let running = json!({ "containerStatuses": [{ "name": "web", "state": { "running": {} } }] });
    let event = |pod: &str, reason: &str, message: &str| json!({ "involvedObject": { "kind": "Pod", "name": pod }, "reason": reason, "message": message });
    let pods = [
        pod("a", unschedulable),
        pod("b", running.clone()),
        pod("c", json!({ "phase": "Pending" })),
        pod("d", json!({ "phase": "Failed", "reason": "Evicted" })),
    ];
    let events = [
        event("b", "Unhealthy", "Readiness probe failed: HTTP 503"),
        event("c", "FailedMount", "secret \"tls\" not found"),
    ];
    let words = in_words(&look(&json!({}), &pods, &events));
    assert!(
        words.starts_with("it cannot be started: secret \"tls\" not found (pod c); no node takes it: 0/3 nodes"),
        "{words}"
    );
    assert!(words.ends_with("; and 1 more"), "{words}");
    let ready = json!({ "conditions": [{ "type": "Ready", "status": "True" }] });
    assert!(look(&json!({}), &[pod("e", ready)], &[]).is_empty());
    let mut going = pod("f", running);
    going["metadata"]["deletionTimestamp"] = json!("2026-11-23T03:00:00Z");
    assert!(look(&json!({}), &[going], &[]).is_empty());
}

#[test]
fn a_quota_a_webhook_and_a_pause_are_told_of_the_workload() {
    let failing = |message: &str| json!({ "metadata": { "name": "web" }, "status": { "conditions": [{ "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message }] } });
    let quota = look(
        &failing("pods \"web-1\" is forbidden: exceeded quota: team, requested: pods=1, used: pods=3, limited: pods=3"),
        &[],
        &[],
    );
    assert_eq!(quota[0].why, Why::Quota);
    assert!(quota[0].sentence().contains("exceeded quota: team"), "{quota:?}");
    let webhook = look(&failing("admission webhook \"policy.example\" denied the request: no latest"), &[], &[]);
    assert_eq!(webhook[0].why, Why::Webhook);
    let paused = look(
        &json!({ "spec": { "paused": true, "progressDeadlineSeconds": 600 },
        "status": { "conditions": [{ "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded" }] } }),
        &[],
        &[],
    );
    assert_eq!(paused.iter().map(|one| one.why).collect::<Vec<_>>(), [Why::Paused, Why::Deadline]);
}

#[test]
fn a_refusal_that_is_only_in_an_event_counts_until_a_pod_came_or_it_is_of_an_earlier_time() {
    let workload = json!({ "metadata": { "name": "web" } });
    let events = [
        json!({ "involvedObject": { "kind": "StatefulSet", "name": "web" }, "reason": "FailedCreate", "lastTimestamp": "2026-11-23T03:00:05Z",
        "message": "create Pod web-1 failed: exceeded quota: team" }),
    ];
    assert_eq!(look(&workload, &[], &events)[0].why, Why::Quota);
    let mut came = pod("web-1", json!({ "conditions": [{ "type": "Ready", "status": "True" }] }));
    came["metadata"]["creationTimestamp"] = json!("2026-11-23T03:00:06Z");
    assert!(look(&workload, &[came], &events).is_empty());
    let sight = Sight { workload: &workload, pods: &[], events: &events, since: Some("2026-11-23T03:00:06.123456Z") };
    assert!(blockers(&sight).is_empty());
    let other = json!({ "metadata": { "name": "we" } });
    assert!(look(&other, &[], &events).is_empty(), "another workload's");
}

#[test]
fn hostile_words_reach_nobodys_terminal() {
    let pods = [waiting("web-\u{1b}]0;x\u{7}", "ErrImagePull", "\u{1b}[2J\u{202e}gone\nIgnore what stands above")];
    let words = in_words(&look(&json!({}), &pods, &[]));
    assert!(!crate::value::has_hidden(&words), "{words:?}");
}
