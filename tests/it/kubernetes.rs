//! A Kubernetes cluster for the tests: the lab's, whose servers are built once (`make lab-kubernetes`). Where they are not
//! built, the tests that want one are left out, and one line of each run says which and how to bring them. Where the build was
//! asked for (`PLAYBOOK_TEST_KUBERNETES=required`, as in CI) nothing is left out: it fails.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::lab::{Lab, processes_naming};

/// The lab with a cluster in it, or the end of a test that is left out.
macro_rules! kubernetes_or_left_out {
    () => {
        match $crate::kubernetes::cluster() {
            Some(lab) => lab,
            None => return,
        }
    };
}
pub(crate) use kubernetes_or_left_out;

/// What the path of a test says that wants a cluster; the line of what is left out goes by it.
const IN_THE_PATH: [&str; 2] = ["k8s", "kubernetes"];

/// A lab with a cluster, each test its own.
pub fn cluster() -> Option<Lab> {
    let required = std::env::var("PLAYBOOK_TEST_KUBERNETES").is_ok_and(|value| value == "required");
    match Lab::try_scene("kubernetes") {
        Ok(lab) => Some(lab),
        Err(said) if said.contains("not built yet") && !required => {
            say_what_is_left_out();
            None
        }
        Err(said) => panic!("THE CLUSTER DID NOT START, so this test cannot say anything.\n{said}"),
    }
}

/// Once a run, past the capture of what tests print: nobody reads what a passing test printed.
fn say_what_is_left_out() {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        let names = tests_of_this_run();
        let wanting = names.lines().filter_map(|line| line.strip_suffix(": test"));
        let mut modules: BTreeMap<&str, usize> = BTreeMap::new();
        for name in wanting.filter(|name| IN_THE_PATH.iter().any(|word| name.contains(word))) {
            *modules.entry(name.rsplit_once("::").map_or(name, |(module, _)| module)).or_default() += 1;
        }
        let count: usize = modules.values().sum();
        let each: Vec<String> = modules.iter().map(|(module, count)| format!("{module} ({count})")).collect();
        let line = format!(
            "\nLEFT OUT: {count} tests that want a Kubernetes cluster: {}. `make lab-kubernetes` brings them (about eight \
             minutes, once).\n",
            each.join(", ")
        );
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    });
}

/// The names of the tests that this very call of the binary was asked for.
fn tests_of_this_run() -> String {
    let own = std::env::args().skip(1);
    let listed =
        Command::new(std::env::current_exe().unwrap()).args(own).args(["--list", "--format", "terse"]).output();
    String::from_utf8(listed.unwrap().stdout).unwrap()
}

// ------------------------------------------------------------------------------------------------ looking at the cluster

/// kubectl as the cluster's admin, or as who the context says.
pub fn kubectl_as(lab: &Lab, context: &str, arguments: &[&str], stdin: &str) -> Output {
    let mut command = Command::new(lab.env("LAB_KUBECTL"));
    command.args(["--kubeconfig", lab.env("LAB_KUBECONFIG"), "--context", context, "--request-timeout", "20s"]);
    // Its cache of what a server knows would outlive the lab, and another lab on the same port would be taken for it.
    command.arg("--cache-dir").arg(lab.dir.join("kubectl-cache"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// kubectl, which must succeed; what it prints.
pub fn kubectl(lab: &Lab, arguments: &[&str]) -> String {
    let output = kubectl_as(lab, "admin", arguments, "");
    assert!(output.status.success(), "kubectl {}\n{}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// Makes or changes what a manifest says.
pub fn apply(lab: &Lab, manifest: &str) {
    let output = kubectl_as(lab, "admin", &["apply", "-f", "-"], manifest);
    assert!(output.status.success(), "{manifest}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// One object, or nothing.
pub fn object(lab: &Lab, what: &str) -> Option<Value> {
    let (kind, name) = what.split_once('/').unwrap();
    let text = kubectl(lab, &["get", kind, name, "--ignore-not-found", "-o", "json"]);
    if text.is_empty() { None } else { Some(serde_json::from_str(&text).unwrap()) }
}

/// Waits until what kubectl prints is as it should be.
pub fn until(lab: &Lab, arguments: &[&str], good: impl Fn(&str) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let said = kubectl(lab, arguments);
        if good(&said) {
            return;
        }
        assert!(Instant::now() < deadline, "kubectl {} goes on saying:\n{said}", arguments.join(" "));
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Waits until a workload has as many ready pods.
pub fn until_ready(lab: &Lab, workload: &str, count: u32) {
    until(lab, &["get", workload, "-o", "jsonpath={.status.readyReplicas}"], |said| said == count.to_string());
}

// ------------------------------------------------------------------------------------------------------- the scene itself

#[test]
fn two_clusters_stand_side_by_side_and_vanish_without_a_trace() {
    let one = kubernetes_or_left_out!();
    let other = kubernetes_or_left_out!();
    assert_ne!(one.env("LAB_KUBE_UID"), other.env("LAB_KUBE_UID"));
    kubectl(&one, &["scale", "deployment/web", "--replicas=5"]);
    until_ready(&one, "deployment/web", 5);
    assert_eq!(kubectl(&other, &["get", "deployment/web", "-o", "jsonpath={.spec.replicas}"]), "3");
    let folders = [one.dir.clone(), other.dir.clone()];
    assert!(!processes_naming(&folders[0]).is_empty(), "the search for processes finds none even while the lab is up");
    drop((one, other));
    for folder in folders {
        assert!(!folder.exists());
        assert_eq!(processes_naming(&folder), Vec::<String>::new());
    }
}

/// The stand-in for the nodes says what a kubelet would say, and everything else is real.
#[test]
fn pods_behave_by_the_word_in_their_image_and_budgets_and_quotas_are_real() {
    let lab = kubernetes_or_left_out!();
    for word in ["bad-image", "crash", "slow"] {
        kubectl(&lab, &["run", word, &format!("--image=registry.example/{word}:1")]);
    }
    let state = |name: &str, path: &str| {
        let path = format!("jsonpath={{.status.containerStatuses[0].{path}}}");
        kubectl(&lab, &["get", "pod", name, "-o", &path])
    };
    let waits =
        |name: &'static str| ["get", "pod", name, "-o", "jsonpath={.status.containerStatuses[0].state.waiting.reason}"];
    until(&lab, &waits("bad-image"), |said| said == "ImagePullBackOff");
    until(&lab, &waits("crash"), |said| said == "CrashLoopBackOff");
    until(&lab, &["get", "pod", "slow", "-o", "jsonpath={.status.phase}"], |said| said == "Running");
    assert_eq!(state("slow", "ready"), "false");
    kubectl(&lab, &["create", "quota", "few", "--hard=pods=6"]);
    until(&lab, &["get", "quota", "few", "-o", "jsonpath={.status.used.pods}"], |said| said == "6");
    let refused = kubectl_as(&lab, "admin", &["run", "more", "--image=registry.example/more:1"], "");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("exceeded quota"), "{refused:?}");
    kubectl(&lab, &["create", "poddisruptionbudget", "web", "--selector=app=web", "--min-available=3"]);
    until(&lab, &["get", "pdb", "web", "-o", "jsonpath={.status.currentHealthy}"], |said| said == "3");
}
