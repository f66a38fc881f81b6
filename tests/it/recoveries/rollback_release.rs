//! The shipped `rollback-release` on four shops behind HAProxy: host by host, each held to its health.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use super::failing_at;
use super::web::until;
use crate::failover::{expect, playbook, proxy_servers, status};
use crate::lab::Lab;

const RUN: [&str; 4] = ["-i", "application=shop", "-i", "patience=1s"];

fn ends(lab: &Lab, code: i32, book: &str, more: &[&str]) -> String {
    expect(lab, code, &[&["run", book][..], &RUN, more].concat())
}

/// Which release each shop's link leads to, and which it serves.
fn running(lab: &Lab) -> Vec<String> {
    (1..=4).map(|one| format!("{} {}", link(lab, one), served(lab, &format!("shop{one}")))).collect()
}

fn link(lab: &Lab, one: u8) -> String {
    let path = lab.dir.join(format!("shop-{one}/current"));
    std::fs::read_link(path).unwrap().display().to_string()
}

fn served(lab: &Lab, part: &str) -> String {
    let url = format!("http://127.0.0.1:{}/", lab.port(part));
    let output = Command::new("curl").args(["-s", "-m", "3", &url]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Links, what is served, what lies beside the links, and the proxy.
fn world(lab: &Lab) -> String {
    let beside = |one: u8| {
        let entries = std::fs::read_dir(lab.dir.join(format!("shop-{one}"))).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().display().to_string()).collect();
        names.sort();
        names.join(" ")
    };
    let beside: Vec<String> = (1..=4).map(beside).collect();
    format!("{:?}\n{}\n{}", running(lab), beside.join("\n"), proxy_servers(lab))
}

/// A shop whose release r2 says that it is ill.
fn ill(lab: &Lab, one: u8) {
    let path = lab.dir.join(format!("shop-{one}/releases/r2/answers.conf"));
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("return 200 \"well", "return 503 \"ill")).unwrap();
}

#[test]
fn a_dry_run_changes_nothing_and_the_run_does_what_it_says() {
    let lab = Lab::scene("release");
    // nginx makes its configuration for the test anew; that one file apart, nothing is written.
    ends(&lab, 0, "rollback-release", &["-C"]);
    assert_eq!(running(&lab), ["releases/r3 r3"; 4]);
    let said = ends(&lab, 0, "rollback-release", &["-y"]);
    assert!(said.contains("deployment recovered in "), "{said}");
    assert_eq!(running(&lab), ["releases/r2 r2"; 4]);
    let recovery = status(&lab)["recovery"].clone();
    assert!(recovery["of"] == "deployment" && recovery["seconds"].as_f64().unwrap() > 0.0, "{recovery}");
    let said = ends(&lab, 1, "rollback-release", &["-y", "-i", "to=r2"]);
    assert!(said.contains("nothing to switch"), "{said}");
}

#[test]
fn the_host_whose_gate_fails_goes_back_alone_and_a_later_run_goes_on() {
    let lab = Lab::scene("release");
    ill(&lab, 3);
    ends(&lab, 15, "rollback-release", &["-y"]);
    assert_eq!(running(&lab), ["releases/r2 r2", "releases/r2 r2", "releases/r3 r3", "releases/r3 r3"]);
    assert!(status(&lab)["recovery"]["seconds"].is_null());
    let path = lab.dir.join("shop-3/releases/r2/answers.conf");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("return 503 \"ill", "return 200 \"well")).unwrap();
    ends(&lab, 0, "rollback-release", &["-y", "-i", "to=r2"]);
    assert_eq!(running(&lab), ["releases/r2 r2"; 4]);
}

#[test]
fn a_batch_of_two_goes_back_whole() {
    let lab = Lab::scene("release");
    ill(&lab, 4);
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/playbooks/rollback-release.yaml");
    let pairs = std::fs::read_to_string(shipped).unwrap().replace("size: 1,", "size: 2,");
    let book = lab.dir.join("rollback-release.yaml");
    std::fs::write(&book, pairs).unwrap();
    ends(&lab, 15, book.to_str().unwrap(), &["-y"]);
    assert_eq!(running(&lab), ["releases/r2 r2", "releases/r2 r2", "releases/r3 r3", "releases/r3 r3"]);
}

#[test]
fn what_must_not_be_switched_is_refused_before_anything_is_touched() {
    let lab = Lab::scene("release");
    let said = ends(&lab, 1, "rollback-release", &["-y", "-i", "to=r1"]);
    assert!(said.contains("outputs.fits = false"), "the schema's check says no: {said}");
    let said = ends(&lab, 1, "rollback-release", &["-y", "-i", "to=r9"]);
    assert!(said.contains("no release r9"), "{said}");
    expect(&lab, 65, &["run", "rollback-release", "-y", "-i", "application=shop", "-i", "to=../r2"]);
    std::fs::write(lab.dir.join("shop-2/deploying"), "").unwrap();
    assert!(ends(&lab, 1, "rollback-release", &["-y"]).contains("somebody deploys"));
    std::fs::remove_file(lab.dir.join("shop-2/deploying")).unwrap();
    std::fs::remove_file(lab.dir.join("shop-2/current")).unwrap();
    std::fs::create_dir(lab.dir.join("shop-2/current")).unwrap();
    assert!(ends(&lab, 1, "rollback-release", &["-y", "-i", "to=r2"]).contains("is a folder and no link"));
    assert_eq!(link(&lab, 1), "releases/r3");
}

#[test]
fn each_changing_step_that_fails_is_undone() {
    let lab = Lab::scene("release");
    ends(&lab, 0, "rollback-release", &["-C"]);
    let before = world(&lab);
    for step in ["take_out", "way_back", "switch", "restart", "let_in"] {
        let folder = tempfile::tempdir().unwrap();
        let book = failing_at(folder.path(), "rollback-release", step);
        ends(&lab, 10, book.to_str().unwrap(), &["-y"]);
        until(&format!("after {step} all is as before"), || world(&lab) == before);
    }
}

#[test]
fn a_runner_killed_in_the_switch_goes_on() {
    let lab = Lab::scene("release");
    let words = [&["run", "rollback-release", "-y", "--output", "jsonl"][..], &RUN].concat();
    let mut runner = playbook(&lab).args(words).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(runner.stdout.take().unwrap()).lines();
    assert!(lines.by_ref().map_while(Result::ok).any(|line| {
        let record: serde_json::Value = serde_json::from_str(&line).unwrap();
        record["kind"] == "intent" && record["step"] == "switch"
    }));
    runner.kill().unwrap();
    runner.wait().unwrap();
    let id = status(&lab)["run"].as_str().unwrap().to_owned();
    expect(&lab, 0, &["resume", &id]);
    assert_eq!(running(&lab), ["releases/r2 r2"; 4]);
}
