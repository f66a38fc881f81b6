//! The shipped `scale-out-ec2` against moto, whose machines are real servers on loopback: what it launches serves, and what
//! fails, is lost or is killed leaves not one instance too many.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::failing_at;
use crate::failover::{expect, playbook, run, said, status};
use crate::faults::kills;
use crate::faults::proxy::{Lose, Proxy};
use crate::lab::Lab;

/// Asks moto as AWS is asked, and gives back the XML that it answers.
pub fn ask(lab: &Lab, service: &str, version: &str, query: &str) -> String {
    let scope = format!("Credential=lab/20260101/eu-central-1/{service}/aws4_request");
    let output = Command::new("curl")
        .args(["-sS", "--max-time", "20", lab.env("LAB_AWS_ENDPOINT"), "-H"])
        .arg(format!("Authorization: AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"))
        .args(["-d", &format!("{query}&Version={version}")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// What stands in each element of a name.
pub fn each(xml: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut found: Vec<String> =
        xml.split(&open).skip(1).filter_map(|rest| Some(rest.split(&close).next()?.trim().to_owned())).collect();
    found.sort();
    found.dedup();
    found
}

/// The instances that are there (not those that ended), and the targets.
fn world(lab: &Lab) -> (Vec<String>, Vec<String>) {
    let states = ["pending", "running", "stopping", "stopped"];
    let states: Vec<String> =
        states.iter().enumerate().map(|(at, state)| format!("&Filter.1.Value.{}={state}", at + 1)).collect();
    let query = format!("Action=DescribeInstances&Filter.1.Name=instance-state-name{}", states.join(""));
    let instances = each(&ask(lab, "ec2", "2016-11-15", &query), "instanceId");
    let group = lab.env("LAB_TARGET_GROUP");
    let query = format!("Action=DescribeTargetHealth&TargetGroupArn={group}");
    (instances, each(&ask(lab, "elasticloadbalancing", "2015-12-01", &query), "Id"))
}

fn inputs(lab: &Lab, more: &[&str]) -> Vec<String> {
    let own = [
        "cloud=lab".to_owned(),
        "template=shop".to_owned(),
        format!("subnet={}", lab.env("LAB_SUBNET")),
        format!("health_port={}", lab.env("LAB_HEALTH_PORT")),
        "health_path=/health".to_owned(),
        "target_group=shop".to_owned(),
    ];
    own.into_iter().chain(more.iter().map(|one| (*one).to_owned())).flat_map(|one| ["-i".to_owned(), one]).collect()
}

fn words<'a>(book: &'a str, flags: &[&'a str], inputs: &'a [String]) -> Vec<&'a str> {
    ["run", book].into_iter().chain(flags.iter().copied()).chain(inputs.iter().map(String::as_str)).collect()
}

fn ends(lab: &Lab, code: i32, book: &str, flags: &[&str], more: &[&str]) -> String {
    let inputs = inputs(lab, more);
    expect(lab, code, &words(book, flags, &inputs))
}

/// How many more there are now than then; what was there then is there still.
fn more(before: &[String], now: &[String]) -> usize {
    assert!(before.iter().all(|id| now.contains(id)), "{before:?} {now:?}");
    now.len() - before.len()
}

#[test]
fn what_it_launches_serves_and_its_dry_run_says_so_and_changes_nothing() {
    let lab = Lab::scene("ec2");
    let before = world(&lab);
    let plan = ends(&lab, 0, "scale-out-ec2", &["-C"], &["count=2"]);
    assert_eq!(world(&lab), before, "a dry-run changes nothing");
    for word in ["proved", "AWS's own dry-run says that it would launch them", "2 more, of type t3.micro"] {
        assert!(plan.contains(word), "{word}: {plan}");
    }
    let told = ends(&lab, 0, "scale-out-ec2", &["-y"], &["count=2"]);
    let now = world(&lab);
    assert_eq!((more(&before.0, &now.0), more(&before.1, &now.1)), (2, 2), "{told}");
    let new: Vec<&String> = now.0.iter().filter(|id| !before.0.contains(id)).collect();
    assert!(new.iter().all(|id| now.1.contains(id)), "those that were launched are those that are registered");
    // The ceiling counts what was launched before; nothing is launched then.
    let refused = ends(&lab, 1, "scale-out-ec2", &["-y"], &["count=2", "ceiling=3"]);
    assert!(refused.contains("the ceiling that this step declares"), "{refused}");
    assert_eq!(world(&lab), now);
}

#[test]
fn a_step_that_fails_leaves_exactly_the_instances_of_before() {
    let lab = Lab::scene("ec2");
    let before = world(&lab);
    for step in ["launch", "healthy", "register"] {
        let book = failing_at(&lab.dir, "scale-out-ec2", step);
        let told = ends(&lab, 10, book.to_str().unwrap(), &["-y"], &["count=2"]);
        assert_eq!(world(&lab), before, "{step}: {told}");
        assert!(told.contains("terminated i-"), "it says which: {told}");
    }
    // Machines whose service is ill: they run, and are registered nowhere.
    std::fs::write(lab.dir.join("sick/all"), "").unwrap();
    let told = ends(&lab, 10, "scale-out-ec2", &["-y"], &["patience=1s"]);
    assert_eq!(world(&lab), before, "{told}");
    assert!(told.contains("not healthy in time") && told.contains("503"), "{told}");
    let records = said(&run(&lab, &["timeline"]));
    assert!(!records.contains("registered in shop"), "nothing was registered that is not healthy: {records}");
}

#[test]
fn another_account_than_the_inventorys_is_not_touched() {
    let lab = Lab::scene("ec2");
    let before = world(&lab);
    let text = std::fs::read_to_string(lab.inventory()).unwrap();
    std::fs::write(lab.inventory(), text.replace("123456789012", "210987654321")).unwrap();
    let told = ends(&lab, 1, "scale-out-ec2", &["-y"], &[]);
    assert!(told.contains("belong to the account 123456789012"), "{told}");
    assert_eq!(world(&lab), before);
}

/// A proxy on the way to moto that loses the answer to the launch, or to what is told after it.
fn through(lab: &Lab, text: &'static str) -> Proxy {
    let port = lab.env("LAB_AWS_PORT");
    let proxy = Proxy::start(port.parse().unwrap(), Some(Lose { text, later: 0 }));
    let inventory = std::fs::read_to_string(lab.inventory()).unwrap();
    let changed = inventory.replace(&format!("127.0.0.1:{port}"), &proxy.address.to_string());
    std::fs::write(lab.inventory(), changed).unwrap();
    proxy
}

#[test]
fn an_answer_that_is_lost_after_the_launch_launches_nothing_twice() {
    let lab = Lab::scene("ec2");
    let before = world(&lab);
    // moto honours no client token: it is the tag by which the first launch is found.
    let proxy = through(&lab, "DryRun=false");
    let told = ends(&lab, 0, "scale-out-ec2", &["-y"], &["count=2"]);
    let now = world(&lab);
    assert_eq!(proxy.lost(), 1, "the proxy lost nothing, so this test says nothing");
    assert_eq!((more(&before.0, &now.0), more(&before.1, &now.1)), (2, 2), "{told}");
}

#[test]
fn a_launch_whose_answer_is_lost_is_undone_all_the_same() {
    let lab = Lab::scene("ec2");
    let before = world(&lab);
    let proxy = through(&lab, "DryRun=false");
    let book = failing_at(&lab.dir, "scale-out-ec2", "register");
    let told = ends(&lab, 10, book.to_str().unwrap(), &["-y"], &["count=2"]);
    assert_eq!((proxy.lost(), world(&lab)), (1, before), "{told}");
}

#[test]
fn a_runner_killed_at_any_moment_leaves_no_instance_too_many() {
    let lab = Lab::scene("ec2");
    let inputs = inputs(&lab, &["ceiling=50"]);
    let words = words("scale-out-ec2", &["-y"], &inputs);
    let begun = Instant::now();
    expect(&lab, 0, &words);
    let (whole, rounds) = (begun.elapsed(), kills(6));
    let words = [&words[..], &["--output", "jsonl"]].concat();
    for round in 0..rounds {
        let before = world(&lab);
        let mut runner = playbook(&lab).args(&words).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        // From its first record on there is a run; then each round a little later.
        let mut lines = BufReader::new(runner.stdout.take().unwrap()).lines();
        assert!(lines.next().is_some_and(|line| line.is_ok()));
        let part = u32::try_from(round).unwrap();
        std::thread::sleep(whole * part / u32::try_from(2 * rounds).unwrap());
        runner.kill().unwrap();
        runner.wait().unwrap();
        let id = status(&lab)["run"].as_str().unwrap().to_owned();
        let told = expect(&lab, 0, &["resume", &id]);
        let now = world(&lab);
        assert_eq!(
            (more(&before.0, &now.0), more(&before.1, &now.1)),
            (1, 1),
            "round {round}: exactly one more, however often it was begun: {told}"
        );
    }
}
