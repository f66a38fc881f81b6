//! The shipped `rollback-k8s` on a real API server with its real controllers: it goes back, names what holds it up, leaves what
//! others did, and returns to what was recorded.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::failing_at;
use crate::failover::{expect, playbook, run, said, status};
use crate::kubernetes::{kubectl, kubernetes_or_left_out, object, until, until_ready};
use crate::lab::Lab;

const RUN: [&str; 8] =
    ["-i", "cluster=lab", "-i", "workload=deployment/web", "-i", "schema=compatible", "-i", "patience=1s"];

/// What it said, without the line ends of a screen.
fn ends(lab: &Lab, code: i32, book: &str, more: &[&str]) -> String {
    one_line(&expect(lab, code, &[&["run", book][..], &RUN, more].concat()))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn image(lab: &Lab) -> String {
    kubectl(lab, &["get", "deployment/web", "-o", "jsonpath={.spec.template.spec.containers[0].image}"])
}

/// A release, rolled out as far as it goes.
fn release(lab: &Lab, image: &str) {
    kubectl(lab, &["set", "image", "deployment/web", &format!("web=registry.example/{image}")]);
    let seen = "jsonpath={.metadata.generation} {.status.observedGeneration}";
    until(lab, &["get", "deployment/web", "-o", seen], |said| said.split_once(' ').is_some_and(|(a, b)| a == b));
    if !image.contains("bad") && !image.contains("crash") && !image.contains("slow") {
        kubectl(lab, &["rollout", "status", "deployment/web", "--timeout=30s"]);
    }
}

/// The number by which a release is kept.
fn revision_of(lab: &Lab, image: &str) -> String {
    let kept: Value = serde_json::from_str(&kubectl(lab, &["get", "rs", "-o", "json"])).unwrap();
    let is_it =
        |set: &&Value| set["spec"]["template"]["spec"]["containers"][0]["image"] == format!("registry.example/{image}");
    let found = kept["items"].as_array().unwrap().iter().find(is_it).unwrap();
    found["metadata"]["annotations"]["deployment.kubernetes.io/revision"].as_str().unwrap().to_owned()
}

/// What must be as before when a run is undone: all that the workload is told, and what is said of it by others. Its number
/// moves with each rollout.
fn world(lab: &Lab) -> Value {
    let found = object(lab, "deployment/web").unwrap();
    let mut annotations = found["metadata"]["annotations"].clone();
    annotations.as_object_mut().unwrap().remove("deployment.kubernetes.io/revision");
    serde_json::json!([found["spec"], annotations, found["metadata"]["labels"]])
}

#[test]
fn it_goes_back_as_its_dry_run_said_and_the_dry_run_changes_nothing() {
    let lab = kubernetes_or_left_out!();
    release(&lab, "web:2.0");
    kubectl(&lab, &["autoscale", "deployment/web", "--min=3", "--max=6"]);
    kubectl(&lab, &["create", "poddisruptionbudget", "web", "--selector=app=web", "--min-available=2"]);
    let before = (world(&lab), object(&lab, "deployment/web").unwrap()["metadata"]["generation"].clone());
    let said = ends(&lab, 0, "rollback-k8s", &["-C"]);
    for words in [
        "revision 2 (web=registry.example/web:2.0) → the template of revision 1 (web=registry.example/web:1.0)",
        "prediction proved",
        "autoscaler web keeps it between 3 and 6",
        "disruption budget web:",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let after = (world(&lab), object(&lab, "deployment/web").unwrap()["metadata"]["generation"].clone());
    assert_eq!(before, after);
    let said = ends(&lab, 0, "rollback-k8s", &["-y"]);
    assert_eq!(image(&lab), "registry.example/web:1.0");
    assert!(said.contains("deployment recovered in"), "{said}");
    until_ready(&lab, "deployment/web", 3);
}

#[test]
fn what_was_done_is_undone_when_it_fails_and_a_revision_that_is_not_there_is_refused() {
    let lab = kubernetes_or_left_out!();
    kubectl(&lab, &["annotate", "deployment/web", "kubernetes.io/change-cause=the first"]);
    release(&lab, "web:2.0");
    kubectl(&lab, &["annotate", "--overwrite", "deployment/web", "kubernetes.io/change-cause=the second"]);
    let before = world(&lab);
    let book = failing_at(&lab.dir, "rollback-k8s", "go_back");
    let said = ends(&lab, 10, book.to_str().unwrap(), &["-y"]);
    assert!(said.contains("again, and serves"), "{said}");
    assert_eq!(world(&lab), before);
    let said = ends(&lab, 1, "rollback-k8s", &["-y", "-i", "revision=99"]);
    assert!(said.contains("there is no revision 99") && said.contains("web=registry.example/web:1.0"), "{said}");
    let current = revision_of(&lab, "web:2.0");
    let said = ends(&lab, 1, "rollback-k8s", &["-y", "-i", &format!("revision={current}")]);
    assert!(said.contains("is what it is at already"), "{said}");
    // A schema that somebody says no to, and one that nobody was asked about.
    let said = ends(&lab, 1, "rollback-k8s", &["-y", "-i", "schema_url=http://127.0.0.1:1/"]);
    assert!(said.contains("schema"), "{said}");
    let asking = ["run", "rollback-k8s", "-y", "--no-wait", "-i", "cluster=lab", "-i", "workload=deployment/web"];
    let said = one_line(&expect(&lab, 12, &asking));
    assert!(said.contains("NOBODY HAS CHECKED"), "{said}");
    assert_eq!(world(&lab), before);
}

#[test]
fn what_holds_it_up_is_named_within_seconds_and_the_release_from_before_comes_back() {
    let lab = kubernetes_or_left_out!();
    for (bad, words) in [
        ("bad-image:1", ["ImagePullBackOff", "does not get the image registry.example/bad-image:1"]),
        ("crash:1", ["CrashLoopBackOff", "exit code 1"]),
    ] {
        release(&lab, bad);
        release(&lab, "web:2.0");
        let before = world(&lab);
        let begun = Instant::now();
        let said = ends(&lab, 10, "rollback-k8s", &["-y", "-i", &format!("revision={}", revision_of(&lab, bad))]);
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
        for words in words {
            assert!(said.contains(words), "{words}: {said}");
        }
        assert_eq!(world(&lab), before, "{bad}");
    }
    // From the broken one back to the one that worked: what is undone then is not waited for, as it never came up.
    release(&lab, "crash:1");
    let book = failing_at(&lab.dir, "rollback-k8s", "go_back");
    let said = ends(&lab, 10, book.to_str().unwrap(), &["-y"]);
    assert!(said.contains("had not come up before either"), "{said}");
    ends(&lab, 0, "rollback-k8s", &["-y"]);
    // No room for one pod more, which a rollout needs.
    release(&lab, "web:3.0");
    kubectl(&lab, &["create", "quota", "few", "--hard=pods=3"]);
    until(&lab, &["get", "quota", "few", "-o", "jsonpath={.status.used.pods}"], |said| said == "3");
    let said = ends(&lab, 0, "rollback-k8s", &["-C"]);
    assert!(said.contains("quota few leaves room for 0 pods more"), "{said}");
    let said = ends(&lab, 10, "rollback-k8s", &["-y"]);
    assert!(said.contains("a quota refuses its pods") && said.contains("exceeded quota: few"), "{said}");
    assert_eq!(image(&lab), "registry.example/web:3.0");
}

#[test]
fn who_else_manages_it_who_may_not_and_what_stands_still_are_refused_with_what_helps() {
    let lab = kubernetes_or_left_out!();
    release(&lab, "web:2.0");
    let before = image(&lab);
    kubectl(&lab, &["rollout", "pause", "deployment/web"]);
    let said = ends(&lab, 1, "rollback-k8s", &["-y"]);
    assert!(said.contains("kubectl rollout resume -n shop deployment/web"), "{said}");
    kubectl(&lab, &["rollout", "resume", "deployment/web"]);
    let reader = ["run", "rollback-k8s", "-C", "-i", "cluster=lab-reader", "-i", "workload=deployment/web"];
    let said = one_line(&expect(&lab, 1, &reader));
    assert!(said.contains("our account may not do that"), "{said}");
    kubectl(&lab, &["annotate", "deployment/web", "argocd.argoproj.io/tracking-id=shop:apps/Deployment:shop/web"]);
    let said = ends(&lab, 1, "rollback-k8s", &["-C"]);
    assert!(said.contains("argocd app set shop --sync-policy none"), "{said}");
    ends(&lab, 1, "rollback-k8s", &["-y"]);
    assert_eq!(image(&lab), before);
    ends(&lab, 0, "rollback-k8s", &["-y", "-i", "despite_controller=true"]);
    assert_eq!(image(&lab), "registry.example/web:1.0");
}

/// Starts a run, and reads it until the step has its intent.
fn begun(lab: &Lab, book: &str, more: &[&str], step: &str) -> std::process::Child {
    let words = [&["run", book, "-y", "--output", "jsonl"][..], &RUN, more].concat();
    let mut runner = playbook(lab).args(words).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(runner.stdout.take().unwrap()).lines();
    assert!(lines.by_ref().map_while(Result::ok).any(|line| {
        let record: Value = serde_json::from_str(&line).unwrap();
        record["kind"] == "intent" && record["step"] == step
    }));
    // Whoever reads a run to its end must not close its output before.
    std::thread::spawn(move || lines.for_each(drop));
    runner
}

#[test]
fn a_runner_killed_half_way_is_resumed_and_goes_back_once() {
    let lab = kubernetes_or_left_out!();
    release(&lab, "web:2.0");
    for round in 0..3_u64 {
        let (to, from) = if round % 2 == 0 { ("web:1.0", "web:2.0") } else { ("web:2.0", "web:1.0") };
        assert_eq!(image(&lab), format!("registry.example/{from}"));
        let mut runner = begun(&lab, "rollback-k8s", &[], "go_back");
        if round > 0 {
            until(&lab, &["get", "deployment/web", "-o", "jsonpath={..image}"], |said| said.contains(to));
        }
        runner.kill().unwrap();
        runner.wait().unwrap();
        let id = status(&lab)["run"].as_str().unwrap().to_owned();
        let said = expect(&lab, 0, &["resume", &id]);
        assert_eq!(image(&lab), format!("registry.example/{to}"), "round {round}: {said}");
        kubectl(&lab, &["rollout", "status", "deployment/web", "--timeout=30s"]);
    }
}

#[test]
fn what_somebody_else_rolls_out_meanwhile_is_left_as_it_is() {
    let lab = kubernetes_or_left_out!();
    release(&lab, "slow:1");
    release(&lab, "web:2.0");
    let mut runner =
        begun(&lab, "rollback-k8s", &["-i", &format!("revision={}", revision_of(&lab, "slow:1"))], "go_back");
    until(&lab, &["get", "deployment/web", "-o", "jsonpath={..image}"], |said| said.contains("slow"));
    release(&lab, "web:3.0");
    assert_eq!(runner.wait().unwrap().code(), Some(11));
    let said = said(&run(&lab, &["status"]));
    assert!(one_line(&said).contains("somebody else rolled out"), "{said}");
    assert_eq!(image(&lab), "registry.example/web:3.0");
}
