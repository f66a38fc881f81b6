//! The shipped `scale-out-k8s` on a real cluster: ten and a hundred replicas in stages, what stands in the way, somebody else at
//! work, and the runner killed in the middle of it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::failing_at;
use crate::failover::{expect, playbook, run, said, status};
use crate::kubernetes::{apply, kubectl, kubernetes_or_left_out, object, until_ready};
use crate::lab::Lab;

const WEB: [&str; 4] = ["-i", "workload=deployment/web", "-i", "stable_for=0s"];

/// Runs the shipped playbook, or another one in its place.
fn ends(lab: &Lab, code: i32, book: &str, more: &[&str]) -> String {
    let cluster =
        if more.iter().any(|word| word.starts_with("cluster=")) { [].as_slice() } else { &["-i", "cluster=lab"] };
    expect(lab, code, &[&["run", book][..], &WEB, cluster, more].concat())
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// What the recovery must leave as it was: what is told, what is there, and who is said to have set it.
fn world(lab: &Lab) -> (Value, Value) {
    let web = object(lab, "deployment/web").unwrap();
    (web["spec"].clone(), web["status"]["readyReplicas"].clone())
}

fn replicas(lab: &Lab) -> i64 {
    kubectl(lab, &["get", "deployment/web", "-o", "jsonpath={.spec.replicas}"]).parse().unwrap()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

const AUTOSCALER: &str = "apiVersion: autoscaling/v1\nkind: HorizontalPodAutoscaler\nmetadata: { name: web-grows, namespace: shop }\n\
    spec: { minReplicas: 2, maxReplicas: 5, scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: web } }\n";

fn quota(pods: u32) -> String {
    format!(
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {{ name: small, namespace: shop }}\nspec: {{ hard: {{ pods: \"{pods}\" }} }}\n"
    )
}

fn quota_is_counted(lab: &Lab) {
    crate::kubernetes::until(lab, &["get", "resourcequota", "small", "-o", "jsonpath={.status.used.pods}"], |said| {
        said == "3"
    });
}

#[test]
fn ten_replicas_come_in_batches_and_the_dry_run_said_so() {
    let lab = kubernetes_or_left_out!();
    let before = world(&lab);
    let told = ends(&lab, 0, "scale-out-k8s", &["-C", "-i", "replicas=10"]);
    assert!(told.contains("3 replicas → 10 replicas") && told.contains("in 4 stages: 5, 7, 9, 10"), "{told}");
    assert!(told.contains("prediction proved"), "{told}");
    assert_eq!(world(&lab), before, "a dry-run changed something");
    let told = ends(&lab, 0, "scale-out-k8s", &["-y", "-i", "replicas=10"]);
    assert!(told.contains("stage 2 of 4") && told.contains("has 10 replicas, 10 ready"), "{told}");
    assert_eq!((replicas(&lab), world(&lab).1), (10, 10.into()));
    // Told again there is nothing to do; fewer are never made.
    ends(&lab, 0, "scale-out-k8s", &["-y", "-i", "replicas=10"]);
    let told = ends(&lab, 1, "scale-out-k8s", &["-y", "-i", "replicas=9"]);
    assert!(told.contains("it is never shrunk"), "{told}");
    let told = ends(&lab, 1, "scale-out-k8s", &["-C", "-i", "by=50%", "-i", "ceiling=14"]);
    assert!(told.contains("15 replicas") && told.contains("above the ceiling of 14"), "{told}");
    ends(&lab, 0, "scale-out-k8s", &["-y", "-i", "by=20%", "-i", "ceiling=14"]);
    assert_eq!(replicas(&lab), 12);
}

#[test]
fn a_hundred_replicas_come_by_a_plan_with_the_least_rights() {
    let lab = kubernetes_or_left_out!();
    let told =
        ends(&lab, 0, "scale-out-k8s", &["-y", "-i", "cluster=lab-plugin", "-i", "replicas=100", "-i", "batch=40"]);
    assert!(told.contains("stage 3 of 3: 100 of 100 replicas ready"), "{told}");
    assert_eq!(world(&lab).1, 100);
    let told =
        ends(&lab, 1, "scale-out-k8s", &["-C", "-i", "cluster=lab-reader", "-i", "replicas=101", "-i", "ceiling=200"]);
    assert!(told.contains("our account may not do that") && told.contains("reader"), "{told}");
}

#[test]
fn each_changing_step_that_fails_is_undone() {
    let lab = kubernetes_or_left_out!();
    let before = world(&lab);
    let book = failing_at(&lab.dir, "scale-out-k8s", "scale");
    ends(&lab, 10, path(&book), &["-y", "-i", "replicas=8"]);
    assert_eq!(world(&lab), before);
    // And by the business probe, the last step.
    let told = ends(&lab, 10, "scale-out-k8s", &["-y", "-i", "replicas=5", "-i", "check=http://127.0.0.1:9/"]);
    assert!(told.contains("has 3 replicas again"), "{told}");
    assert_eq!(world(&lab), before);
}

#[test]
fn a_stage_that_does_not_get_ready_is_undone_and_says_what_holds_it_up() {
    let lab = kubernetes_or_left_out!();
    kubectl(&lab, &["cordon", "node1", "node2", "node3"]);
    let told = ends(&lab, 10, "scale-out-k8s", &["-y", "-i", "replicas=6", "-i", "batch_timeout=4s"]);
    assert!(told.contains("did not get ready in time") && told.contains("no node takes it"), "{told}");
    assert_eq!(replicas(&lab), 3);
    kubectl(&lab, &["uncordon", "node1", "node2", "node3"]);
    // What waiting does not mend is not waited for until the end.
    kubectl(&lab, &["create", "deployment", "ill", "--image=registry.example/web:bad-image", "--replicas=0"]);
    let words =
        ["run", "scale-out-k8s", "-y", "-i", "cluster=lab", "-i", "workload=deployment/ill", "-i", "replicas=4"];
    let begun = Instant::now();
    let told = expect(&lab, 10, &words);
    assert!(told.contains("bad-image") && begun.elapsed() < Duration::from_secs(60), "{told}");
    assert_eq!(object(&lab, "deployment/ill").unwrap()["spec"]["replicas"], 0);
}

#[test]
fn a_quota_that_is_too_small_is_seen_before_and_one_that_comes_later_stops_it() {
    let lab = kubernetes_or_left_out!();
    apply(&lab, &quota(5));
    quota_is_counted(&lab);
    let told = ends(&lab, 1, "scale-out-k8s", &["-C", "-i", "replicas=9"]);
    assert!(told.contains("quota small leaves room for 2 pods more"), "{told}");
    ends(&lab, 1, "scale-out-k8s", &["-y", "-i", "replicas=9"]);
    assert_eq!(replicas(&lab), 3, "nothing was changed");
    kubectl(&lab, &["delete", "resourcequota", "small"]);
    let mut runner = begin(
        &lab,
        "scale-out-k8s",
        &["-i", "replicas=60", "-i", "batch=3", "-i", "stable_for=300ms", "-i", "batch_timeout=15s"],
    );
    until_more_than(&lab, 3);
    apply(&lab, &quota(8));
    assert_eq!(runner.wait().unwrap().code(), Some(10));
    assert_eq!(replicas(&lab), 3);
    let status = status(&lab).to_string();
    assert!(status.contains("exceeded quota: small"), "{status}");
}

#[test]
fn an_autoscaler_is_seen_and_refused_with_its_own_command() {
    let lab = kubernetes_or_left_out!();
    apply(&lab, AUTOSCALER);
    for dry in ["-C", "-y"] {
        let told = ends(&lab, 1, "scale-out-k8s", &[dry, "-i", "replicas=8"]);
        assert!(told.contains("web-grows") && told.contains("kubectl -n shop patch hpa web-grows"), "{told}");
    }
    assert_eq!(replicas(&lab), 3);
    let told = ends(&lab, 0, "scale-out-k8s", &["-C", "-i", "replicas=8", "-i", "despite_controller=true"]);
    assert!(told.contains("goes on despite this"), "{told}");
}

/// A run that is under way.
fn begin(lab: &Lab, book: &str, more: &[&str]) -> Child {
    let words = [&["run", book, "-y", "-i", "cluster=lab", "--output", "jsonl"][..], &WEB[..2], more].concat();
    playbook(lab).args(words).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

fn until_more_than(lab: &Lab, count: i64) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while replicas(lab) <= count {
        assert!(Instant::now() < deadline, "it never grew");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn somebody_elses_number_is_left_alone_by_the_stages_and_by_the_undo() {
    let lab = kubernetes_or_left_out!();
    let mut runner = begin(&lab, "scale-out-k8s", &["-i", "replicas=40", "-i", "batch=2", "-i", "stable_for=500ms"]);
    until_more_than(&lab, 3);
    kubectl(&lab, &["scale", "deployment/web", "--replicas=20"]);
    assert_eq!(runner.wait().unwrap().code(), Some(11), "an undo that could not be made is no success");
    assert_eq!(replicas(&lab), 20);
    let told = said(&run(&lab, &["status"])).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("left as it is") && told.contains("scale deployment/web --replicas=3"), "{told}");
}

#[test]
fn a_runner_killed_in_any_stage_goes_on_and_never_overshoots() {
    let lab = kubernetes_or_left_out!();
    for (round, stage) in [(0, 5_i64), (1, 9)] {
        kubectl(&lab, &["scale", "deployment/web", "--replicas=3"]);
        until_ready(&lab, "deployment/web", 3);
        let most = Most::watch(&lab);
        let mut runner = begin(&lab, "scale-out-k8s", &["-i", "by=8", "-i", "batch=2", "-i", "stable_for=300ms"]);
        let mut lines = BufReader::new(runner.stdout.take().unwrap()).lines();
        assert!(lines.by_ref().map_while(Result::ok).any(|line| {
            let record: Value = serde_json::from_str(&line).unwrap();
            record["kind"] == "intent" && record["step"] == "scale"
        }));
        until_more_than(&lab, stage - 1);
        runner.kill().unwrap();
        runner.wait().unwrap();
        let at = replicas(&lab);
        assert!((stage..11).contains(&at), "round {round}: it was killed at {at}");
        let id = status(&lab)["run"].as_str().unwrap().to_owned();
        expect(&lab, 0, &["resume", &id]);
        assert_eq!((replicas(&lab), most.seen()), (11, 11), "round {round}");
    }
    // A killed run that is rolled back goes the whole way back, whatever stage it had reached.
    kubectl(&lab, &["scale", "deployment/web", "--replicas=3"]);
    until_ready(&lab, "deployment/web", 3);
    let mut runner = begin(&lab, "scale-out-k8s", &["-i", "by=8", "-i", "batch=2", "-i", "stable_for=300ms"]);
    until_more_than(&lab, 4);
    runner.kill().unwrap();
    runner.wait().unwrap();
    let id = status(&lab)["run"].as_str().unwrap().to_owned();
    expect(&lab, 0, &["rollback", &id]);
    assert_eq!((replicas(&lab), world(&lab).1), (3, 3.into()));
}

/// The most replicas that the deployment was ever told to have, watched from beside.
struct Most {
    watch: Child,
    file: PathBuf,
}

impl Most {
    fn watch(lab: &Lab) -> Self {
        let file = lab.dir.join("most");
        let mut command = Command::new(lab.env("LAB_KUBECTL"));
        command.args([
            "--kubeconfig",
            lab.env("LAB_KUBECONFIG"),
            "--context",
            "admin",
            "get",
            "deployment/web",
            "--watch",
        ]);
        command
            .args(["-o", "jsonpath={.spec.replicas}{\"\\n\"}"])
            .arg("--cache-dir")
            .arg(lab.dir.join("kubectl-cache"));
        let to = std::fs::File::create(&file).unwrap();
        let watch = command.stdin(Stdio::null()).stdout(to).stderr(Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::fs::metadata(&file).unwrap().len() == 0 {
            assert!(Instant::now() < deadline, "kubectl does not watch");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { watch, file }
    }

    fn seen(&self) -> i64 {
        let text = std::fs::read_to_string(&self.file).unwrap();
        text.lines().filter_map(|line| line.parse().ok()).max().unwrap()
    }
}

impl Drop for Most {
    fn drop(&mut self) {
        let _ = self.watch.kill();
        let _ = self.watch.wait();
    }
}
