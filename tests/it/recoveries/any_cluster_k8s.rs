//! The Kubernetes recoveries on a cluster that is not the lab's: of any version, with real nodes. Whoever has one marks a
//! namespace of it for this, names it by KUBECONFIG, and runs the tests; without that they are left out, and it is said. The
//! same goes over the lab's cluster, so that it is no test that never runs.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::failover::said;
use crate::kubernetes::kubernetes_or_left_out;

/// The namespace that may be worked in, and the label by which it says so.
const NAMESPACE: &str = "playbook-test";
const MARK: &str = "playbook/test-cluster";

/// A cluster, and a workload of this test's own in it.
struct Given {
    folder: tempfile::TempDir,
    kubectl: PathBuf,
    kubeconfig: PathBuf,
    workload: String,
}

impl Given {
    fn new(kubectl: PathBuf, kubeconfig: PathBuf) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let workload = format!("web-{}", std::process::id());
        std::fs::write(folder.path().join("config.yaml"), "").unwrap();
        let file = serde_json::to_string(&kubeconfig).unwrap();
        let inventory =
            format!("environment: lab\nclusters:\n  any: {{ kubeconfig: {file}, namespace: {NAMESPACE} }}\n");
        std::fs::write(folder.path().join("inventory.yaml"), inventory).unwrap();
        Self { folder, kubectl, kubeconfig, workload }
    }

    fn ask(&self, arguments: &[&str], stdin: &str) -> Output {
        let mut command = Command::new(&self.kubectl);
        command.arg("--kubeconfig").arg(&self.kubeconfig).args(["--request-timeout", "20s", "--cache-dir"]);
        command.arg(self.folder.path().join("kubectl")).args(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    fn kubectl(&self, arguments: &[&str]) -> String {
        let output = self.ask(&[&["-n", NAMESPACE], arguments].concat(), "");
        assert!(output.status.success(), "kubectl {}\n{}", arguments.join(" "), said(&output));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn is_marked(&self) -> bool {
        let label = format!("jsonpath={{.metadata.labels.{}}}", MARK.replace('.', "\\."));
        let output = self.ask(&["get", "namespace", NAMESPACE, "-o", &label], "");
        String::from_utf8_lossy(&output.stdout) == "yes"
    }

    fn field(&self, path: &str) -> String {
        self.kubectl(&["get", "deployment", &self.workload, "-o", &format!("jsonpath={{{path}}}")])
    }

    fn playbook(&self, code: i32, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_playbook"));
        let within = |name: &str| self.folder.path().join(name);
        command.current_dir(env!("CARGO_MANIFEST_DIR")).env("NO_COLOR", "1").stdin(Stdio::null());
        command.env("PLAYBOOK_CONFIG", within("config.yaml")).env("PLAYBOOK_STATE", within("state"));
        command.env("PLAYBOOK_INVENTORY", within("inventory.yaml"));
        let workload = format!("workload=deployment/{}", self.workload);
        let output = command.args(arguments).args(["-i", "cluster=any", "-i", &workload]).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "playbook {}\n{}", arguments.join(" "), said(&output));
        said(&output)
    }

    /// The workload, with an image that does nothing and is had from wherever this cluster gets its images.
    fn deploy(&self) {
        let image = std::env::var("PLAYBOOK_TEST_IMAGE").unwrap_or_else(|_| "registry.k8s.io/pause:3.9".to_owned());
        let name = &self.workload;
        let manifest = serde_json::json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name, "namespace": NAMESPACE },
            "spec": {
                "replicas": 2, "selector": { "matchLabels": { "app": name } },
                "template": {
                    "metadata": { "labels": { "app": name }, "annotations": { "release": "one" } },
                    "spec": { "terminationGracePeriodSeconds": 1, "containers": [{ "name": "web", "image": image }] },
                },
            },
        });
        let output = self.ask(&["apply", "-f", "-"], &manifest.to_string());
        assert!(output.status.success(), "{}", said(&output));
        self.until(".status.readyReplicas", "2");
    }

    fn until(&self, path: &str, good: &str) {
        let deadline = Instant::now() + Duration::from_secs(120);
        while self.field(path) != good {
            assert!(Instant::now() < deadline, "{path} of {} is {}, and never {good}", self.workload, self.field(path));
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn release(&self) -> String {
        self.field(".spec.template.metadata.annotations.release")
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        self.ask(&["-n", NAMESPACE, "delete", "deployment", &self.workload, "--ignore-not-found", "--wait=false"], "");
    }
}

/// What is shipped, and the way back of each.
fn the_recoveries_work(given: &Given) {
    given.deploy();
    let quick = ["-i", "replicas=5", "-i", "stable_for=0s"];
    let told = given.playbook(0, &[&["run", "scale-out-k8s", "-C"], &quick[..]].concat());
    assert!(told.contains("proved"), "{told}");
    assert_eq!(given.field(".spec.replicas"), "2", "a dry-run changed something");
    given.playbook(0, &[&["run", "scale-out-k8s", "-y"], &quick[..]].concat());
    assert_eq!(given.field(".status.readyReplicas"), "5");
    // Nobody listens there: the check fails, and the number comes back.
    let fails = ["-i", "replicas=6", "-i", "stable_for=0s", "-i", "check=http://127.0.0.1:1/"];
    given.playbook(10, &[&["run", "scale-out-k8s", "-y"], &fails[..]].concat());
    assert_eq!(given.field(".spec.replicas"), "5");

    let second = r#"{"spec":{"template":{"metadata":{"annotations":{"release":"two"}}}}}"#;
    given.kubectl(&["patch", "deployment", &given.workload, "-p", second]);
    given.until(".status.updatedReplicas", "5");
    given.kubectl(&["rollout", "status", "deployment", &given.workload, "--timeout=120s"]);
    let told = given.playbook(0, &["run", "rollback-k8s", "-C", "-i", "schema=compatible"]);
    assert!(told.contains("proved"), "{told}");
    assert_eq!(given.release(), "two", "a dry-run changed something");
    let business = ["-i", "schema=compatible", "-i", "business_url=http://127.0.0.1:1/"];
    given.playbook(10, &[&["run", "rollback-k8s", "-y"], &business[..]].concat());
    assert_eq!(given.release(), "two", "its undo left another release");
    given.playbook(0, &["run", "rollback-k8s", "-y", "-i", "schema=compatible"]);
    assert_eq!(given.release(), "one");
}

/// kubectl of whoever runs this, or the one that was built for the lab.
fn a_kubectl() -> Option<PathBuf> {
    let works = |program: &Path| {
        let output = Command::new(program).args(["version", "--client"]).output();
        output.is_ok_and(|output| output.status.success())
    };
    let built = Command::new("fixtures/lab/kubernetes").arg("where").output().unwrap();
    let built = PathBuf::from(String::from_utf8(built.stdout).unwrap().trim()).join("kubectl");
    [PathBuf::from("kubectl"), built].into_iter().find(|program| works(program))
}

fn left_out(why: &str) {
    let line = format!("\nLEFT OUT: the recoveries on a cluster of your own: {why} (docs/lab.md).\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

#[test]
fn the_recoveries_work_on_a_cluster_of_your_own() {
    let Some(kubeconfig) = std::env::var_os("KUBECONFIG").filter(|path| !path.is_empty()) else {
        return left_out("KUBECONFIG names none");
    };
    let Some(kubectl) = a_kubectl() else { return left_out("there is no kubectl") };
    let given = Given::new(kubectl, kubeconfig.into());
    if !given.is_marked() {
        return left_out(&format!("its namespace {NAMESPACE} is not labelled {MARK}=yes, or is not there"));
    }
    the_recoveries_work(&given);
}

#[test]
fn the_same_works_on_the_labs_cluster_once_it_is_marked() {
    let lab = kubernetes_or_left_out!();
    let given = Given::new(lab.env("LAB_KUBECTL").into(), lab.env("LAB_KUBECONFIG").into());
    assert!(!given.is_marked(), "what nobody marked is taken for a test cluster");
    given.ask(&["create", "namespace", NAMESPACE], "");
    assert!(!given.is_marked(), "a namespace without the label is taken for a test cluster's");
    given.ask(&["label", "namespace", NAMESPACE, &format!("{MARK}=yes")], "");
    assert!(given.is_marked());
    the_recoveries_work(&given);
}
