//! `k8s.rollout_restart`, and `k8s.rollout_undo` for what is no deployment, on a real API server with its real controllers.

use serde_json::Value;

use crate::failover::{expect, playbook, status};
use crate::kubernetes::{apply, kubectl, kubernetes_or_left_out, object, until, until_ready};
use crate::lab::Lab;

const RESTART: &str = "name: restart-web
version: 1.0.0
title: New pods of the same release
inputs:
  cluster: { type: cluster, default: lab }
locks: [\"cluster/{{inputs.cluster}}/deployment/web\"]
steps:
  - id: restart
    uses: k8s.rollout_restart
    with: { cluster: \"{{inputs.cluster}}\", workload: deployment/web }
";

fn pods(lab: &Lab) -> Vec<String> {
    let names = kubectl(lab, &["get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].metadata.uid}"]);
    let mut names: Vec<String> = names.split(' ').map(str::to_owned).collect();
    names.sort();
    names
}

fn template(lab: &Lab) -> Value {
    object(lab, "deployment/web").unwrap()["spec"]["template"].clone()
}

#[test]
fn a_restart_brings_new_pods_of_the_same_release_and_its_undo_the_template_from_before() {
    let lab = kubernetes_or_left_out!();
    let (before, old) = (template(&lab), pods(&lab));
    let book = lab.dir.join("restart-web.yaml");
    std::fs::write(&book, RESTART).unwrap();
    let book = book.to_str().unwrap();
    let said = expect(&lab, 0, &["run", book, "-C"]);
    assert!(said.contains("prediction proved") && said.contains("in 3 new pods"), "{said}");
    assert_eq!((template(&lab), pods(&lab)), (before.clone(), old.clone()));
    std::fs::write(book, RESTART.replace("  - id: restart\n", "  - id: restart\n    verify: [{ expr: \"1 == 2\" }]\n"))
        .unwrap();
    expect(&lab, 10, &["run", book, "-y"]);
    assert_eq!(template(&lab), before);
    std::fs::write(book, RESTART).unwrap();
    let generation = || object(&lab, "deployment/web").unwrap()["metadata"]["generation"].as_i64().unwrap();
    let was = generation();
    let mut runner = playbook(&lab).args(["run", book, "-y"]).spawn().unwrap();
    until(&lab, &["get", "deployment/web", "-o", "jsonpath={.metadata.generation}"], |said| {
        said == (was + 1).to_string()
    });
    runner.kill().unwrap();
    runner.wait().unwrap();
    let id = status(&lab)["run"].as_str().unwrap().to_owned();
    expect(&lab, 0, &["resume", &id]);
    assert_eq!(generation(), was + 1, "it was restarted twice");
    until(&lab, &["get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].metadata.name}"], |said| {
        said.split(' ').count() == 3
    });
    assert!(pods(&lab).iter().all(|pod| !old.contains(pod)));
}

fn manifest(kind: &str, rest: &str, image: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: {kind}\nmetadata: {{ name: db, namespace: shop }}\nspec:\n  selector: {{ matchLabels: {{ app: db }} }}\n{rest}  \
         template:\n    metadata: {{ labels: {{ app: db }} }}\n    spec:\n      containers: [{{ name: db, image: registry.example/{image} }}]\n"
    )
}

#[test]
fn stateful_sets_and_daemon_sets_go_back_by_their_own_revisions() {
    let lab = kubernetes_or_left_out!();
    for (kind, rest, ready, count) in
        [("StatefulSet", "  serviceName: db\n  replicas: 2\n", "readyReplicas", 2), ("DaemonSet", "", "numberReady", 3)]
    {
        let workload = format!("{}/db", kind.to_lowercase());
        for release in ["db:1", "db:2"] {
            apply(&lab, &manifest(kind, rest, release));
            kubectl(&lab, &["rollout", "status", &workload, "--timeout=60s"]);
        }
        let path = format!("jsonpath={{.status.{ready}}}");
        until(&lab, &["get", &workload, "-o", &path], |said| said == count.to_string());
        let run = ["run", "rollback-k8s", "-y", "-i", "cluster=lab", "-i", "schema=compatible", "-i"];
        let asked = format!("workload={workload}");
        let said = expect(&lab, 0, &[&run[..], &[&asked]].concat());
        assert!(said.contains(&format!("{workload} is at revision 3 (db=registry.example/db:1)")), "{said}");
        let image =
            kubectl(&lab, &["get", "pods", "-l", "app=db", "-o", "jsonpath={.items[*].spec.containers[0].image}"]);
        assert!(image.split(' ').all(|one| one == "registry.example/db:1"), "{image}");
        kubectl(&lab, &["delete", &workload, "--wait=true"]);
    }
    until_ready(&lab, "deployment/web", 3);
}
