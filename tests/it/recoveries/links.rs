//! `link-failover` and `link-failback` between network namespaces: two routed links, cut while a TCP stream runs over them.

use std::collections::BTreeMap;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::failing_at;
use crate::failover::{expect, playbook, run, said};
use crate::lab::{Lab, processes_naming};

/// Runs a program at a place of the lab: `site`, `r1`, `r2`, `remote`.
pub(super) fn at(lab: &Lab, place: &str) -> Command {
    let mut command = Command::new(lab.env("LAB_IN"));
    command.arg(place).stdin(Stdio::null());
    command
}

fn output_at(lab: &Lab, place: &str, words: &[&str]) -> String {
    let output = at(lab, place).args(words).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Lets something go wrong with a link, or mends it.
pub(super) fn fault(lab: &Lab, words: &[&str]) {
    let output = Command::new(lab.env("LAB_FAULT")).args(words).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "fault {words:?}: {}", said(&output));
}

/// Every route at both ends: what a recovery must not change, but for the metric that it means to.
pub(super) fn world(lab: &Lab) -> String {
    ["site", "remote"]
        .map(|place| format!("{place}:\n{}", output_at(lab, place, &["ip", "-4", "route", "show", "table", "main"])))
        .concat()
}

/// The device that packets to the remote leave the site by.
pub(super) fn active(lab: &Lab) -> String {
    let text = output_at(lab, "site", &["ip", "-4", "route", "get", "10.30.0.1"]);
    text.split_once(" dev ").unwrap().1.split(' ').next().unwrap().to_owned()
}

/// What the newest run's steps gave, by step.
pub(super) fn outputs(lab: &Lab) -> BTreeMap<String, Value> {
    let output = run(lab, &["timeline", "--output", "json"]);
    let timeline: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}"));
    let records = timeline["records"].as_array().unwrap().iter().filter(|record| record["kind"] == "outcome");
    records.map(|record| (record["step"].as_str().unwrap().to_owned(), record["detail"]["outputs"].clone())).collect()
}

pub(super) fn wait_until(what: &str, seconds: u64, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while !holds() {
        assert!(Instant::now() < deadline, "waited {seconds} s in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A TCP connection from the site to the remote over which a line goes every 20 ms and comes back.
struct Stream<'a> {
    lab: &'a Lab,
    child: Child,
}

impl<'a> Stream<'a> {
    fn start(lab: &'a Lab) -> Self {
        let (script, log) = (lab.env("LAB_STREAM"), lab.dir.join("stream.log"));
        let child = at(lab, "site").args(["perl", script, "client"]).arg(log).arg("90").spawn().unwrap();
        let stream = Self { lab, child };
        wait_until("the stream runs", 10, || stream.answers().len() > 20);
        stream
    }

    /// The lines that came back: number, when it was sent, when it came.
    fn answers(&self) -> Vec<(u32, f64, f64)> {
        let text = std::fs::read_to_string(self.lab.dir.join("stream.log")).unwrap_or_default();
        let whole = text.lines().filter(|line| line.split(' ').count() == 3);
        let parsed = whole.filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?))
        });
        parsed.collect()
    }
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_link_is_cut_under_a_stream_and_the_stream_goes_on_over_the_other() {
    let Some(lab) = Lab::in_namespaces("link") else { return };
    let before = world(&lab);
    let stream = Stream::start(&lab);
    fault(&lab, &["cut", "primary"]);
    let cut = Instant::now();
    let said = expect(&lab, 0, &["run", "link-failover", "-y"]);
    assert_eq!(active(&lab), "wan2", "{said}");
    let seen = stream.answers().len();
    wait_until("the same connection goes on", 30, || stream.answers().len() > seen + 50);
    // Measured by the run, and told in its timeline.
    let switch = outputs(&lab)["switch"].clone();
    assert!(switch["packets_lost"].as_u64().unwrap() >= 1, "what was sent before the switch was lost: {switch}");
    let recovery = switch["recovery_seconds"].as_f64().unwrap();
    assert!((0.0..5.0).contains(&recovery), "{switch}");
    let timeline = expect(&lab, 0, &["timeline"]);
    assert!(timeline.contains("after the change") && timeline.contains("pings were lost"), "{timeline}");
    // Measured by the stream itself.
    let answers = stream.answers();
    let gap = answers.windows(2).map(|pair| pair[1].2 - pair[0].2).fold(0.0, f64::max);
    assert!(answers.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1), "a line of the stream is missing");
    println!(
        "the stream stood still for {gap:.1} s of {:.1} s since the cut; from the change to the first answer {recovery} s, {} of {} pings lost",
        cut.elapsed().as_secs_f64(),
        switch["packets_lost"],
        switch["packets_sent"]
    );
    assert!(gap < 30.0, "{gap}");

    // Back: refused while the primary is dead, and then everything is as it was.
    let failed = expect(&lab, 1, &["run", "link-failback", "-y"]);
    assert!(failed.contains("primary_alive"), "{failed}");
    fault(&lab, &["mend", "primary"]);
    let seen = stream.answers().len();
    expect(&lab, 0, &["run", "link-failback", "-y", "-i", "packets=5"]);
    wait_until("the same connection goes on", 30, || stream.answers().len() > seen + 50);
    assert_eq!(world(&lab), before);
}

#[test]
fn a_backup_that_is_no_better_leaves_everything_as_it_was() {
    let Some(lab) = Lab::in_namespaces("link") else { return };
    let before = world(&lab);
    for (words, why) in [
        (&["cut", "backup"][..], "outputs.backup_alive"),
        (&["oneway", "backup"], "outputs.backup_alive"),
        (&["loss", "backup", "60"], "outputs.backup_loss <= inputs.max_loss"),
        (&["small", "backup", "1000"], "outputs.backup_mtu"),
    ] {
        fault(&lab, words);
        let said = expect(&lab, 1, &["run", "link-failover", "-y"]);
        assert!(said.contains(why) || words[0] == "loss", "{words:?}: {said}");
        assert_eq!(world(&lab), before, "{words:?}");
    }
    assert_eq!(run(&lab, &["run", "link-failover", "--dry-run"]).status.code(), Some(1));
    fault(&lab, &["cut", "primary"]);
    // All probes are answered, and nothing behind them: only the switch itself can show that.
    fault(&lab, &["deaf", "backup"]);
    let said = expect(&lab, 10, &["run", "link-failover", "-y", "-i", "within=2s"]);
    assert!(said.contains("answered over wan2 within 2 s; the routes are as they were"), "{said}");
    assert_eq!(world(&lab), before);
}

#[test]
fn a_carrier_proves_nothing_and_each_direction_counts() {
    let Some(lab) = Lab::in_namespaces("link") else { return };
    let path = lab.dir.join("look.yaml");
    std::fs::write(&path, "name: look\nversion: 1.0.0\ntitle: Look\nowner: t\nsteps:\n  - { id: look, uses: link.status, with: { link: uplink } }\n").unwrap();
    let look = || {
        expect(&lab, 0, &["run", path.to_str().unwrap(), "-y"]);
        outputs(&lab)["look"].clone()
    };
    let well = look();
    for way in ["primary", "backup"] {
        assert_eq!(well[format!("{way}_alive")], true, "{well}");
        assert_eq!(well[format!("{way}_mtu")], 1500, "{well}");
        assert!(well[format!("{way}_round_trip")].as_f64().unwrap() < 100.0, "{well}");
    }
    fault(&lab, &["oneway", "primary"]);
    fault(&lab, &["small", "backup", "1400"]);
    let ill = look();
    assert_eq!((&ill["primary_alive"], &ill["primary_carrier"]), (&Value::from(false), &Value::from(true)), "{ill}");
    assert_eq!(ill["backup_mtu"], 1400, "{ill}");
    assert_eq!((&ill["active"], &ill["end_to_end"]), (&Value::from("primary"), &Value::from(false)), "{ill}");
    assert!(ill["primary_problem"].as_str().unwrap().contains("seen from remote"), "{ill}");
    // A probe that has no route over its own link would be answered over the other one: it says nothing.
    output_at(&lab, "site", &["ip", "route", "del", "10.20.2.0/24"]);
    let lost = look();
    assert_eq!(lost["backup_alive"], false, "{lost}");
    assert!(
        lost["backup_problem"].as_str().unwrap().contains("ip route add 10.20.2.2 via 10.10.2.1 dev wan2"),
        "{lost}"
    );
}

#[test]
fn a_dry_run_changes_nothing_and_its_word_comes_true() {
    let Some(lab) = Lab::in_namespaces("link") else { return };
    let before = (world(&lab), processes(&lab));
    let file = lab.dir.join("plan.json");
    expect(&lab, 0, &["run", "link-failover", "--dry-run"]);
    expect(&lab, 0, &["plan", "link-failover", "-o", file.to_str().unwrap()]);
    wait_until("what looked is gone", 10, || processes(&lab) == before.1);
    assert_eq!(world(&lab), before.0);
    assert!(!lab.dir.join("home/.local").exists(), "a look left something on the host");
    let plan: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let switch = &plan["plan"]["steps"][1]["prediction"];
    expect(&lab, 0, &["run", "--plan", file.to_str().unwrap(), "-y"]);
    let now = output_at(&lab, "site", &["ip", "-4", "route", "show", "exact", "10.30.0.0/24"]);
    let now: Vec<String> = now.lines().map(|line| line.trim().replacen("10.30.0.0/24 ", "", 1)).collect();
    assert_eq!(switch["changes"][0]["after"].as_str().unwrap(), now.join("; "));
    let came = &outputs(&lab)["switch"];
    for (name, predicted) in switch["outputs"].as_object().unwrap() {
        assert_eq!(predicted, &came[name], "{name}");
    }
    let by_hand = expect(&lab, 0, &["show", "link-failback", "--by-hand"]);
    for word in ["ip route replace 10.30.0.0/24 via 10.10.1.1 dev wan1", "ping -c 5 -I wan1 10.20.1.2"] {
        assert!(by_hand.contains(word), "{word}: {by_hand}");
    }
    // Once more: nothing to do is said, not done again.
    let again = run(&lab, &["run", "link-failover", "-y"]);
    assert_eq!(again.status.code(), Some(1), "{}", said(&again));
}

fn processes(lab: &Lab) -> Vec<String> {
    let mut list = processes_naming(&lab.dir);
    list.retain(|line| !line.contains("sshd"));
    list.sort();
    list
}

#[test]
fn every_changing_step_is_undone() {
    let Some(lab) = Lab::in_namespaces("link") else { return };
    let folder = tempfile::tempdir().unwrap();
    let undone = |name: &str, step: &str, before: &str| {
        let path = failing_at(folder.path(), name, step);
        let said = expect(&lab, 10, &["run", path.to_str().unwrap(), "-y", "-i", "ignore_hold_down=true"]);
        assert_eq!(world(&lab), before, "{name}, {step}: {said}");
    };
    let before = world(&lab);
    undone("link-failover", "switch", &before);
    expect(&lab, 0, &["run", "link-failover", "-y"]);
    let switched = world(&lab);
    assert_ne!(switched, before);
    undone("link-failback", "restore", &switched);
    expect(&lab, 0, &["run", "link-failback", "-y", "-i", "packets=5"]);
    assert_eq!(world(&lab), before, "what the host remembers was lost by the undo");
}

#[test]
fn what_would_flap_or_belongs_to_a_daemon_is_left_alone() {
    let Some(lab) = Lab::in_namespaces("link") else { return };
    let inventory = std::fs::read_to_string(lab.inventory()).unwrap();
    // As the lab's user wrote it: replaced, not rewritten in place.
    let held = lab.dir.join("config-inventory.yaml");
    std::fs::write(&held, inventory.replace("hold_down_seconds: 0", "hold_down_seconds: 300")).unwrap();
    let held_run =
        |words: &[&str]| -> Output { playbook(&lab).env("PLAYBOOK_INVENTORY", &held).args(words).output().unwrap() };
    output_at(
        &lab,
        "site",
        &["ip", "route", "replace", "10.30.0.0/24", "via", "10.10.1.1", "dev", "wan1", "proto", "bgp", "metric", "100"],
    );
    let owned = world(&lab);
    let output = held_run(&["run", "link-failover", "-y"]);
    assert!(matches!(output.status.code(), Some(1)) && said(&output).contains("vtysh"), "{}", said(&output));
    assert_eq!(world(&lab), owned);
    output_at(
        &lab,
        "site",
        &[
            "ip",
            "route",
            "replace",
            "10.30.0.0/24",
            "via",
            "10.10.1.1",
            "dev",
            "wan1",
            "src",
            "10.40.0.1",
            "metric",
            "100",
        ],
    );
    // Whatever is switched, a target with a route of its own goes on to answer: that proves nothing.
    output_at(&lab, "site", &["ip", "route", "add", "10.30.0.1/32", "via", "10.10.1.1"]);
    let output = held_run(&["run", "link-failover", "--dry-run"]);
    assert_eq!(output.status.code(), Some(0), "before the switch they are on the same device: {}", said(&output));
    let output = held_run(&["run", "link-failover", "-y", "-i", "within=1s"]);
    assert_eq!(output.status.code(), Some(10), "{}", said(&output));
    output_at(&lab, "site", &["ip", "route", "replace", "10.30.0.1/32", "via", "10.10.2.1"]);
    let output = held_run(&["run", "link-failover", "--dry-run"]);
    assert!(output.status.code() == Some(1) && said(&output).contains("more specific route"), "{}", said(&output));
    output_at(&lab, "site", &["ip", "route", "del", "10.30.0.1/32"]);
    let output = held_run(&["run", "link-failover", "-y"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let output = held_run(&["run", "link-failback", "-y", "-i", "packets=5"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("-i ignore_hold_down=true"), "{}", said(&output));
    assert_eq!(active(&lab), "wan2");
    let output = held_run(&["run", "link-failback", "-y", "-i", "packets=5", "-i", "ignore_hold_down=true"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn two_labs_of_links_stand_side_by_side_and_leave_nothing_when_their_owner_is_killed() {
    let links = || String::from_utf8(Command::new("ip").args(["-o", "link"]).output().unwrap().stdout).unwrap();
    let names =
        |text: &str| text.lines().filter_map(|line| line.split(": ").nth(1).map(str::to_owned)).collect::<Vec<_>>();
    let before = names(&links());
    let (Some(one), Some(two)) = (Lab::in_namespaces("link"), Lab::in_namespaces("link")) else { return };
    fault(&one, &["cut", "primary"]);
    assert!(at(&two, "site").args(["ping", "-c", "1", "-W", "2", "10.30.0.1"]).output().unwrap().status.success());
    let dir = std::env::temp_dir().join(format!("pblab-{}-links", std::process::id()));
    let mut owner = Command::new("sleep").arg("600").spawn().unwrap();
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/lab/lab");
    let mut up = Command::new(script);
    up.args(["up", "link", "--port-base", "0", "--owner-pid", &owner.id().to_string(), "--dir"]).arg(&dir);
    let output = up.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(processes_naming(&dir).len() >= 6, "{:?}", processes_naming(&dir));
    owner.kill().unwrap();
    owner.wait().unwrap();
    wait_until("the lab takes itself down", 30, || !dir.exists() && processes_naming(&dir).is_empty());
    let dirs = [one.dir.clone(), two.dir.clone()];
    drop((one, two));
    for dir in dirs {
        assert!(!dir.exists());
        assert_eq!(processes_naming(&dir), Vec::<String>::new());
    }
    assert_eq!(names(&links()), before);
    assert!(!status_of_namespaces().contains("wan1"));
}

fn status_of_namespaces() -> String {
    String::from_utf8(Command::new("ip").args(["netns", "list"]).output().unwrap().stdout).unwrap()
}
