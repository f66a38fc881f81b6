//! Nodes of a real cluster: cordoned, drained, given back; with budgets that hold, with the runner killed, with somebody else
//! at work.

use std::process::Stdio;

use crate::failover::{expect, playbook, run, said, status};
use crate::kubernetes::{apply, kubectl, kubernetes_or_left_out, object, until, until_ready};
use crate::lab::Lab;

/// A playbook of one step on node1.
fn book(lab: &Lab, uses: &str, with: &str) -> String {
    let text = format!(
        "$schema: x\nname: node\nversion: 1.0.0\ntitle: T\nowner: team\nsteps:\n  - id: act\n    uses: {uses}\n    with: {{ cluster: \
         lab, node: node1{with} }}\n    timeout: 20s\n"
    );
    write(lab, "node", &text)
}

pub fn write(lab: &Lab, name: &str, text: &str) -> String {
    let path = lab.dir.join(format!("{name}.yaml"));
    std::fs::write(&path, text.replace("$schema: x\n", "")).unwrap();
    path.display().to_string()
}

/// The same with a step behind it that fails, so that it is undone.
fn failing(book: &str) -> String {
    let text = std::fs::read_to_string(book).unwrap();
    let path = book.replace(".yaml", "-failing.yaml");
    std::fs::write(
        &path,
        format!("{text}  - {{ id: fails, run: exit 1, effect: idempotent, rollback: none, because: nothing }}\n"),
    )
    .unwrap();
    path
}

fn is_cordoned(lab: &Lab, node: &str) -> bool {
    kubectl(lab, &["get", "node", node, "-o", "jsonpath={.spec.unschedulable}"]) == "true"
}

fn pods_on(lab: &Lab, node: &str) -> Vec<String> {
    let field = format!("--field-selector=spec.nodeName={node}");
    let names = kubectl(lab, &["get", "pods", "-A", &field, "-o", "jsonpath={.items[*].metadata.name}"]);
    names.split_whitespace().map(str::to_owned).collect()
}

/// All pods on node1: the others take none for now.
fn all_on_node1(lab: &Lab) {
    kubectl(lab, &["cordon", "node2", "node3"]);
    kubectl(lab, &["delete", "pods", "--all"]);
    until_ready(lab, "deployment/web", 3);
    until(lab, &["get", "pods", "-o", "jsonpath={.items[*].spec.nodeName}"], |said| said == "node1 node1 node1");
    kubectl(lab, &["uncordon", "node2", "node3"]);
}

#[test]
fn a_node_is_cordoned_and_only_its_own_cordon_is_lifted() {
    let lab = kubernetes_or_left_out!();
    let cordon = book(&lab, "k8s.cordon", "");
    let told = expect(&lab, 0, &["run", &cordon, "-C"]);
    assert!(told.contains("takes new pods") && told.contains("proved"), "{told}");
    assert!(!is_cordoned(&lab, "node1"), "a dry-run cordoned it");
    expect(&lab, 0, &["run", &cordon, "-y"]);
    assert!(is_cordoned(&lab, "node1"));
    // Cordoned before: the undo leaves it so.
    expect(&lab, 10, &["run", &failing(&cordon), "-y"]);
    assert!(is_cordoned(&lab, "node1"));
    expect(&lab, 0, &["run", &book(&lab, "k8s.uncordon", ""), "-y"]);
    assert!(!is_cordoned(&lab, "node1"));
    assert!(object(&lab, "node/node1").unwrap()["metadata"]["annotations"].get("playbook/cordoned").is_none());
    let cordon = failing(&book(&lab, "k8s.cordon", ""));
    expect(&lab, 10, &["run", &cordon, "-y"]);
    assert!(!is_cordoned(&lab, "node1"), "it was not given back");
    let uncordon = failing(&book(&lab, "k8s.uncordon", ""));
    kubectl(&lab, &["cordon", "node1"]);
    expect(&lab, 10, &["run", &uncordon, "-y"]);
    assert!(is_cordoned(&lab, "node1"), "the undo of an uncordon cordons it again");
}

#[test]
fn a_cordon_that_somebody_else_set_since_is_not_lifted() {
    let lab = kubernetes_or_left_out!();
    a_reader_may_look_and_not_act(&lab);
    let text = std::fs::read_to_string(book(&lab, "k8s.cordon", "")).unwrap();
    let (k, c) = (lab.env("LAB_KUBECTL"), lab.env("LAB_KUBECONFIG"));
    for (name, other, left, words) in [
        (
            "theirs",
            format!("{k} --kubeconfig {c} uncordon node1 && {k} --kubeconfig {c} cordon node1"),
            true,
            "it stays so",
        ),
        ("lifted", format!("{k} --kubeconfig {c} uncordon node1"), false, "somebody uncordoned it already"),
    ] {
        let other =
            format!("  - {{ id: other, run: \"{other}\", effect: idempotent, rollback: none, because: nothing }}\n");
        let book = failing(&write(&lab, name, &format!("{text}{other}")));
        let told = expect(&lab, 10, &["run", &book, "-y"]);
        assert!(told.contains(words), "{told}");
        assert_eq!(is_cordoned(&lab, "node1"), left, "{told}");
        kubectl(&lab, &["uncordon", "node1"]);
    }
}

#[test]
fn a_node_is_drained_and_given_back() {
    let lab = kubernetes_or_left_out!();
    all_on_node1(&lab);
    kubectl(&lab, &["create", "poddisruptionbudget", "web", "--selector=app=web", "--min-available=2"]);
    until(&lab, &["get", "pdb", "web", "-o", "jsonpath={.status.disruptionsAllowed}"], |said| said == "1");
    let drain = book(&lab, "k8s.drain", "");
    let before = pods_on(&lab, "node1");
    let told = expect(&lab, 0, &["run", &drain, "-C"]);
    assert!(told.contains("proved") && told.contains("evicted"), "{told}");
    assert!(told.contains("3 pods that are to leave fall under one budget"), "{told}");
    assert_eq!((pods_on(&lab, "node1"), is_cordoned(&lab, "node1")), (before, false), "a dry-run evicted a pod");
    expect(&lab, 0, &["run", &drain, "-y"]);
    assert_eq!(pods_on(&lab, "node1"), Vec::<String>::new());
    assert!(is_cordoned(&lab, "node1"));
    until_ready(&lab, "deployment/web", 3);
    kubectl(&lab, &["uncordon", "node1"]);
    expect(&lab, 10, &["run", &failing(&drain), "-y"]);
    assert!(!is_cordoned(&lab, "node1"), "the undo did not give it back");
}

#[test]
fn a_budget_that_holds_is_named_with_its_numbers() {
    let lab = kubernetes_or_left_out!();
    all_on_node1(&lab);
    kubectl(&lab, &["create", "poddisruptionbudget", "web", "--selector=app=web", "--min-available=3"]);
    until(&lab, &["get", "pdb", "web", "-o", "jsonpath={.status.currentHealthy}"], |said| said == "3");
    let drain = book(&lab, "k8s.drain", "");
    let told = expect(&lab, 1, &["run", &drain, "-C"]);
    let numbers = "disruption budget web: 3 of its pods are healthy, 3 have to be, 0 may be taken away now";
    assert!(told.contains(numbers), "{told}");
    let before = pods_on(&lab, "node1");
    let told = expect(&lab, 1, &["run", &drain, "-y"]);
    assert!(told.contains(numbers), "{told}");
    assert_eq!((pods_on(&lab, "node1"), is_cordoned(&lab, "node1")), (before, false));
}

/// One that lets one go, and then none for as long as its successor is not ready: the drain runs out of time half-way.
#[test]
fn a_drain_that_is_held_up_half_way_says_by_what_and_gives_the_node_back() {
    let lab = kubernetes_or_left_out!();
    all_on_node1(&lab);
    kubectl(&lab, &["create", "poddisruptionbudget", "web", "--selector=app=web", "--min-available=2"]);
    until(&lab, &["get", "pdb", "web", "-o", "jsonpath={.status.disruptionsAllowed}"], |said| said == "1");
    // No room elsewhere: what is evicted finds no place, so the second one has to wait for ever.
    kubectl(&lab, &["cordon", "node2", "node3"]);
    let text = std::fs::read_to_string(book(&lab, "k8s.drain", "")).unwrap().replace("timeout: 20s", "timeout: 5s");
    let told = expect(&lab, 10, &["run", &write(&lab, "short", &text), "-y"]);
    let numbers = "(held by disruption budget web: 2 of its pods are healthy, 2 have to be";
    assert!(told.contains(numbers), "{told}");
    assert!(!is_cordoned(&lab, "node1"), "{told}");
    until_ready(&lab, "deployment/web", 3);
}

#[test]
fn what_does_not_come_up_elsewhere_has_to_be_declared() {
    let lab = kubernetes_or_left_out!();
    kubectl(&lab, &["cordon", "node2", "node3"]);
    kubectl(&lab, &["run", "bare", "--image=registry.example/bare:1"]);
    apply(&lab, DAEMON_AND_DATA);
    until_ready(&lab, "deployment/data", 1);
    until(&lab, &["get", "daemonset/log", "-o", "jsonpath={.status.numberReady}"], |said| said == "3");
    until(&lab, &["get", "pod/bare", "-o", "jsonpath={.status.phase}"], |said| said == "Running");
    kubectl(&lab, &["uncordon", "node2", "node3"]);
    let before = pods_on(&lab, "node1");
    let told = expect(&lab, 1, &["run", &book(&lab, "k8s.drain", ""), "-y"]);
    for word in ["ignore_daemonsets", "bare_pods", "empty_dir_data"] {
        assert!(told.contains(word), "{word}: {told}");
    }
    assert_eq!((pods_on(&lab, "node1"), is_cordoned(&lab, "node1")), (before, false));
    let all = ", ignore_daemonsets: true, bare_pods: true, empty_dir_data: true";
    expect(&lab, 0, &["run", &book(&lab, "k8s.drain", all), "-y"]);
    let left = pods_on(&lab, "node1");
    assert!(left.len() == 1 && left[0].starts_with("log-"), "{left:?}");
    assert_eq!(object(&lab, "pod/bare"), None);
}

const DAEMON_AND_DATA: &str = r#"
apiVersion: apps/v1
kind: DaemonSet
metadata: { name: log }
spec:
  selector: { matchLabels: { app: log } }
  template:
    metadata: { labels: { app: log } }
    spec: { containers: [{ name: log, image: registry.example/log:1 }] }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: data }
spec:
  selector: { matchLabels: { app: data } }
  template:
    metadata: { labels: { app: data } }
    spec:
      containers: [{ name: data, image: registry.example/data:1 }]
      volumes: [{ name: scratch, emptyDir: {} }]
"#;

#[test]
fn a_drain_whose_runner_is_killed_goes_on() {
    let lab = kubernetes_or_left_out!();
    // Pods that do not listen: they end after their grace period, so there is a half-way.
    let image = ["set", "image", "deployment/web", "web=registry.example/deaf:1"];
    kubectl(&lab, &image);
    kubectl(&lab, &["rollout", "status", "deployment/web"]);
    kubectl(
        &lab,
        &["patch", "deployment", "web", "-p", r#"{"spec":{"template":{"spec":{"terminationGracePeriodSeconds":3}}}}"#],
    );
    kubectl(&lab, &["rollout", "status", "deployment/web"]);
    all_on_node1(&lab);
    let drain = failing(&book(&lab, "k8s.drain", ""));
    let mut child =
        playbook(&lab).args(["run", &drain, "-y"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until(&lab, &["get", "node", "node1", "-o", "jsonpath={.spec.unschedulable}"], |said| said == "true");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!pods_on(&lab, "node1").is_empty(), "it was over before it was killed");
    let id = status(&lab)["run"].as_str().unwrap().to_owned();
    let output = run(&lab, &["resume", &id]);
    assert_eq!(output.status.code(), Some(10), "{}", said(&output));
    let act = &status(&lab)["steps"][0];
    assert_eq!((&act["attempts"], &act["outputs"]["cordoned"]), (&2.into(), &true.into()), "{act}");
    let told = said(&output);
    assert!(told.contains("it takes new pods again"), "the cordon of the killed attempt is not known as ours: {told}");
    assert!(!is_cordoned(&lab, "node1"), "{told}");
    assert!(pods_on(&lab, "node1").is_empty(), "{told}");
}

fn a_reader_may_look_and_not_act(lab: &Lab) {
    let book = book(lab, "k8s.cordon", "").replace("node.yaml", "reader.yaml");
    let text =
        std::fs::read_to_string(lab.dir.join("node.yaml")).unwrap().replace("cluster: lab", "cluster: lab-reader");
    std::fs::write(&book, text).unwrap();
    let told = expect(lab, 1, &["run", &book, "-C"]);
    assert!(told.contains("our account may not do that"), "{told}");
    assert!(!is_cordoned(lab, "node1"));
}
