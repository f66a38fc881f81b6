//! Objects of a real cluster: applied and patched, with what others own, with the undo, and with somebody else at work.

use serde_json::Value;

use super::nodes_k8s::write;
use crate::failover::expect;
use crate::kubernetes::{apply, kubectl, kubernetes_or_left_out, object};
use crate::lab::Lab;

fn book(lab: &Lab, uses: &str, with: &str, more: &str) -> String {
    let head = "name: object\nversion: 1.0.0\ntitle: T\nowner: team\nsteps:\n";
    let step = format!("  - id: act\n    uses: {uses}\n    with:\n      cluster: lab\n{with}");
    write(lab, "object", &format!("{head}{step}{more}"))
}

const FAILS: &str = "  - { id: fails, run: exit 1, effect: idempotent, rollback: none, because: nothing }\n";

/// What a step must not leave behind: all that people say of an object, without what the cluster keeps for itself.
fn world(lab: &Lab, what: &str) -> Option<Value> {
    let mut found = object(lab, what)?;
    let metadata = found["metadata"].as_object_mut().unwrap();
    for own in ["managedFields", "resourceVersion", "generation"] {
        metadata.remove(own);
    }
    found.as_object_mut().unwrap().remove("status");
    Some(found)
}

const SETTINGS: &str = "      manifest:\n        apiVersion: v1\n        kind: ConfigMap\n        metadata: { name: settings, labels: { mode: calm } }\n        data: { limit: \"5\" }\n";

/// The same object as somebody else makes it.
fn settings(key: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: settings }}\ndata: {{ {key}: \"{value}\" }}\n")
}

/// One cluster for what takes a moment each.
#[test]
fn what_is_applied_is_put_back_and_what_others_own_is_theirs() {
    let lab = kubernetes_or_left_out!();
    an_object_is_made_and_its_undo_removes_it(&lab);
    kubectl(&lab, &["delete", "configmap", "settings"]);
    what_is_there_is_changed_and_put_back(&lab);
    kubectl(&lab, &["delete", "configmap", "settings"]);
    fields_of_others_are_a_conflict_that_names_them(&lab);
}

fn an_object_is_made_and_its_undo_removes_it(lab: &Lab) {
    let told = expect(lab, 0, &["run", &book(lab, "k8s.apply", SETTINGS, ""), "-C"]);
    assert!(told.contains("configmap/settings") && told.contains("proved"), "{told}");
    assert_eq!(object(lab, "configmap/settings"), None);
    expect(lab, 10, &["run", &book(lab, "k8s.apply", SETTINGS, FAILS), "-y"]);
    assert_eq!(object(lab, "configmap/settings"), None, "the undo left it");
    expect(lab, 0, &["run", &book(lab, "k8s.apply", SETTINGS, ""), "-y"]);
    assert_eq!(object(lab, "configmap/settings").unwrap()["data"]["limit"], "5");
    let told = expect(lab, 0, &["run", &book(lab, "k8s.apply", SETTINGS, ""), "-y"]);
    assert!(told.contains("so already"), "{told}");
}

fn what_is_there_is_changed_and_put_back(lab: &Lab) {
    apply(lab, &settings("other", "1"));
    let before = world(lab, "configmap/settings");
    expect(lab, 10, &["run", &book(lab, "k8s.apply", SETTINGS, FAILS), "-y"]);
    assert_eq!(world(lab, "configmap/settings"), before);
    expect(lab, 0, &["run", &book(lab, "k8s.apply", SETTINGS, ""), "-y"]);
    assert_eq!(object(lab, "configmap/settings").unwrap()["data"], serde_json::json!({ "other": "1", "limit": "5" }));
}

fn fields_of_others_are_a_conflict_that_names_them(lab: &Lab) {
    apply(lab, &settings("limit", "9"));
    for arguments in [&["-C"][..], &["-y"]] {
        let book = book(lab, "k8s.apply", SETTINGS, "");
        let told = expect(lab, 1, &[&["run", &book], arguments].concat());
        assert!(told.contains(".data.limit") && told.contains("force: true"), "{told}");
    }
    assert_eq!(object(lab, "configmap/settings").unwrap()["data"]["limit"], "9");
    let forced = format!("{SETTINGS}      force: true\n");
    expect(lab, 0, &["run", &book(lab, "k8s.apply", &forced, ""), "-y"]);
    assert_eq!(object(lab, "configmap/settings").unwrap()["data"]["limit"], "5");
}

fn other(lab: &Lab, arguments: &str) -> String {
    let (kubectl, config) = (lab.env("LAB_KUBECTL"), lab.env("LAB_KUBECONFIG"));
    format!(
        "  - {{ id: other, run: {}, effect: idempotent, rollback: none, because: nothing }}\n",
        serde_json::to_string(&format!("{kubectl} --kubeconfig {config} {arguments}")).unwrap()
    )
}

#[test]
fn what_somebody_else_changed_since_is_not_put_back() {
    let lab = kubernetes_or_left_out!();
    let theirs = other(&lab, r#"patch configmap settings -p '{"data":{"limit":"7"}}'"#) + FAILS;
    // One that was made by the step, and one that was there.
    for there in [false, true] {
        if there {
            kubectl(&lab, &["delete", "configmap", "settings"]);
            apply(&lab, &settings("other", "1"));
        }
        let told = expect(&lab, 11, &["run", &book(&lab, "k8s.apply", SETTINGS, &theirs), "-y"]);
        assert!(told.contains("somebody else since") && told.contains("not touched"), "{told}");
        assert_eq!(object(&lab, "configmap/settings").unwrap()["data"]["limit"], "7");
    }
}

#[test]
fn a_patch_of_each_form_is_undone() {
    let lab = kubernetes_or_left_out!();
    let world = || {
        let mut found = world(&lab, "deployment/web").unwrap();
        // Each revision has a number, which a controller counts up: going back is a new one.
        found["metadata"]["annotations"].as_object_mut().unwrap().remove("deployment.kubernetes.io/revision");
        found
    };
    let before = world();
    for (form, patch) in [
        ("merge", "{ metadata: { annotations: { who: us } }, spec: { replicas: 4, paused: true } }"),
        (
            "strategic",
            "{ spec: { template: { spec: { containers: [{ name: web, image: registry.example/web:2.0 }] } } } }",
        ),
        (
            "json",
            "[{ op: replace, path: /spec/replicas, value: 4 }, { op: add, path: /metadata/labels/tier, value: front }]",
        ),
    ] {
        let with = format!("      object: deployment/web\n      type: {form}\n      patch: {patch}\n");
        let told = expect(&lab, 0, &["run", &book(&lab, "k8s.patch", &with, ""), "-C"]);
        assert!(told.contains("proved"), "{told}");
        assert_eq!(world(), before, "{form}: the dry-run changed it");
        expect(&lab, 10, &["run", &book(&lab, "k8s.patch", &with, FAILS), "-y"]);
        assert_eq!(world(), before, "{form}");
    }
}

#[test]
fn what_must_not_be_changed_is_refused() {
    let lab = kubernetes_or_left_out!();
    let patch = |object: &str, patch: &str| format!("      object: {object}\n      patch: {patch}\n");
    kubectl(&lab, &["annotate", "deployment/web", "argocd.argoproj.io/tracking-id=shop:apps/Deployment:shop/web"]);
    for (with, words) in [
        (patch("secret/any", "{ data: { a: b } }"), "would stand in the plan and the journal"),
        (patch("deployment/none", "{ spec: { replicas: 1 } }"), "has no deployment/none"),
        (patch("deployments/web", "{ spec: { replicas: 1 } }"), "argocd app set shop"),
        (patch("web", "{ spec: { replicas: 1 } }"), "KIND/NAME"),
        (patch("deploymnet/web", "{ spec: { replicas: 1 } }"), "did you mean"),
        (patch("deployment/web", "{ metadata: { resourceVersion: \"1\" } }"), "resourceVersion"),
    ] {
        let told = expect(&lab, 1, &["run", &book(&lab, "k8s.patch", &with, ""), "-C"]);
        assert!(told.contains(words), "{words}: {told}");
    }
    let despite = patch("deployment/web", "{ spec: { replicas: 4 } }") + "      despite_controller: true\n";
    expect(&lab, 0, &["run", &book(&lab, "k8s.patch", &despite, ""), "-y"]);
}
