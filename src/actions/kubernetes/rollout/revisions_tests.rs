//! Revisions as the API keeps them: replica sets for a deployment, controller revisions for the other kinds.

use serde_json::json;

use super::*;

fn template(image: &str) -> Value {
    json!({ "metadata": { "creationTimestamp": null, "labels": { "app": "web" } }, "spec": { "containers": [{ "name": "web", "image": image }] } })
}

fn replica_set(name: &str, number: &str, image: &str) -> Value {
    let mut template = template(image);
    template["metadata"]["labels"]["pod-template-hash"] = json!(name);
    json!({ "metadata": { "name": format!("web-{name}"), "annotations": { NUMBER: number, CAUSE: format!("release of {image}") },
        "labels": { "pod-template-hash": name }, "ownerReferences": [{ "kind": "Deployment", "name": "web", "uid": "u1", "controller": true }] },
        "spec": { "template": template } })
}

fn deployment(image: &str) -> Value {
    json!({ "metadata": { "name": "web", "uid": "u1", "generation": 7, "annotations": { CAUSE: "bad" } }, "spec": { "template": template(image) } })
}

fn kept() -> Vec<Value> {
    let mut other = replica_set("ccc", "9", "shop:9");
    other["metadata"]["ownerReferences"][0]["uid"] = json!("u2");
    vec![replica_set("aaa", "2", "shop:1"), replica_set("bbb", "10", "shop:2"), other]
}

#[test]
fn a_deployment_is_at_the_revision_that_says_what_its_template_says() {
    let found = revisions(Kind::Deployment, &deployment("shop:2"), &kept());
    assert_eq!(found.iter().map(|one| (one.number, one.hash.as_str())).collect::<Vec<_>>(), [(10, "bbb"), (2, "aaa")]);
    assert_eq!(current(&deployment("shop:2"), &found).unwrap().number, 10);
    assert_eq!(current(&deployment("shop:3"), &found), None, "its controller has not kept it yet");
    assert_eq!(found[0].words(), "revision 10 (web=shop:2)");
}

#[test]
fn the_one_before_a_number_and_none_are_told_apart() {
    let found = revisions(Kind::Deployment, &deployment("shop:2"), &kept());
    let at = deployment("shop:2");
    assert_eq!(target(&at, &found, None).unwrap().number, 2);
    assert_eq!(target(&at, &found, Some(2)).unwrap().number, 2);
    assert!(target(&at, &found, Some(10)).unwrap_err().contains("is what it is at already"));
    let missing = target(&at, &found, Some(9)).unwrap_err();
    assert_eq!(
        missing,
        "there is no revision 9 (any more). Kept are: revision 10 (web=shop:2), revision 2 (web=shop:1)"
    );
    assert!(target(&at, &found[..1], None).unwrap_err().contains("only one that is kept"));
}

#[test]
fn controller_revisions_are_read_as_the_patches_that_they_are() {
    let mut data = template("db:1");
    data["$patch"] = json!("replace");
    let object = |name: &str, number: i64| {
        json!({ "metadata": { "name": name, "labels": { "controller-revision-hash": "5d4" },
            "ownerReferences": [{ "kind": "X", "name": "db", "uid": "u1", "controller": true }] },
            "revision": number, "data": { "spec": { "template": data } } })
    };
    let workload = json!({ "metadata": { "uid": "u1" }, "spec": { "template": template("db:1") } });
    let set = revisions(Kind::StatefulSet, &workload, &[object("db-5d4", 3)]);
    assert_eq!((set[0].number, set[0].hash.as_str()), (3, "db-5d4"));
    assert_eq!(set[0].template, template("db:1"));
    assert_eq!(current(&workload, &set).unwrap().name, "db-5d4");
    assert_eq!(revisions(Kind::DaemonSet, &workload, &[object("db-5d4", 3)])[0].hash, "5d4");
}

#[test]
fn a_change_holds_only_for_what_was_read_and_takes_the_reason_along() {
    let found = revisions(Kind::Deployment, &deployment("shop:2"), &kept());
    let body = change(Kind::Deployment, &deployment("shop:2"), &found[1].template, found[1].cause.as_deref());
    assert_eq!(body[0], json!({ "op": "test", "path": "/metadata/uid", "value": "u1" }));
    assert_eq!(body[1], json!({ "op": "test", "path": "/metadata/generation", "value": 7 }));
    assert_eq!(body[2]["value"]["spec"]["containers"][0]["image"], "shop:1");
    assert_eq!(
        body[3],
        json!({ "op": "add", "path": "/metadata/annotations/kubernetes.io~1change-cause", "value": "release of shop:1" })
    );
    let without = change(Kind::Deployment, &deployment("shop:2"), &found[1].template, None);
    assert_eq!(without[3]["op"], "remove");
}

#[test]
fn templates_are_alike_whatever_their_order_and_their_nulls() {
    let one = json!({ "a": 1, "b": { "c": null, "d": [null] } });
    let other: Value = serde_json::from_str(r#"{"b":{"d":[null]},"a":1}"#).unwrap();
    assert_eq!(digest(&one), digest(&other));
    assert_ne!(digest(&one), digest(&json!({ "a": 2 })));
}
