//! The shipped `scale-out-asg` against the scaling group of the scene `ec2`. What its server lets pass and the real API does
//! not is tried beside the action itself, in src/actions/aws/group/tests.rs.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use super::failing_at;
use crate::failover::{expect, playbook, said, status};
use crate::faults::proxy::{Lose, Proxy};
use crate::lab::Lab;

const RUN: [&str; 4] = ["-i", "cloud=lab", "-i", "group=shop"];

fn ends(lab: &Lab, code: i32, book: &str, more: &[&str]) -> String {
    expect(lab, code, &[&["run", book][..], &RUN, more].concat())
}

/// Asks a service of the lab's cloud, as a colleague's tool would.
fn ask(lab: &Lab, service: &str, form: &str) -> String {
    let credential =
        format!("Authorization: AWS4-HMAC-SHA256 Credential=lab/20261123/eu-central-1/{service}/aws4_request");
    let output = Command::new("curl")
        .args(["-sSf", "-H", &format!("{credential}, SignedHeaders=host, Signature=0"), "--data", form])
        .arg(lab.env("LAB_AWS_ENDPOINT"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{form}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn of_groups(lab: &Lab, action: &str, more: &str) -> String {
    ask(lab, "autoscaling", &format!("Action={action}&Version=2011-01-01&AutoScalingGroupName=shop{more}"))
}

fn set(lab: &Lab, desired: u32) {
    of_groups(lab, "SetDesiredCapacity", &format!("&DesiredCapacity={desired}"));
}

fn between<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let (begin, end) = (format!("<{name}>"), format!("</{name}>"));
    text.split(&begin).skip(1).filter_map(|rest| rest.split_once(&end)).map(|(value, _)| value).collect()
}

/// What a recovery must not change: the group's number, its instances in service, and what runs in the account.
fn world(lab: &Lab) -> (String, usize, usize) {
    let group = ask(lab, "autoscaling", "Action=DescribeAutoScalingGroups&Version=2011-01-01");
    let running =
        "Action=DescribeInstances&Version=2016-11-15&Filter.1.Name=instance-state-name&Filter.1.Value.1=running";
    let running = between(&ask(lab, "ec2", running), "instanceId").len();
    let serving = between(&group, "LifecycleState").iter().filter(|state| **state == "InService").count();
    (between(&group, "DesiredCapacity").join(" "), serving, running)
}

fn is(desired: usize) -> (String, usize, usize) {
    // One instance of the scene is in no group.
    (desired.to_string(), desired, desired + 1)
}

/// Where the service of the scene's first machine answers.
fn machine(lab: &Lab) -> String {
    let form = format!("Action=DescribeInstances&Version=2016-11-15&InstanceId.1={}", lab.env("LAB_FIRST_INSTANCE"));
    between(&ask(lab, "ec2", &form), "privateIpAddress")[0].to_owned()
}

#[test]
fn it_grows_as_foreseen_also_through_a_target_group_and_a_lost_reply() {
    let lab = Lab::scene("ec2");
    let foreseen = ends(&lab, 0, "scale-out-asg", &["-C", "-i", "add=2"]);
    assert!(foreseen.contains("scaling group shop, desired capacity: 2 → 4"), "{foreseen}");
    assert_eq!(world(&lab), is(2), "the dry-run changed something");
    let url = format!("url=http://{}:{}/health", machine(&lab), lab.port("health"));
    let told = ends(&lab, 0, "scale-out-asg", &["-y", "-i", "add=2", "-i", &url]);
    assert_eq!(world(&lab), is(4));
    assert!(told.contains("shop: 4 of 4 serve, was 2; new: i-"), "{told}");
    // Undone by a person, the run's own number comes back.
    set(&lab, 2);
    let group = lab.env("LAB_TARGET_GROUP").to_owned();
    of_groups(&lab, "AttachLoadBalancerTargetGroups", &format!("&TargetGroupARNs.member.1={group}"));
    let proxy = Proxy::start(lab.port("aws"), Some(Lose { text: "SetDesiredCapacity", later: 0 }));
    let inventory = std::fs::read_to_string(lab.inventory()).unwrap();
    let through = inventory.replace(&lab.port("aws").to_string(), &proxy.address.port().to_string());
    std::fs::write(lab.inventory(), through).unwrap();
    let told = ends(&lab, 0, "scale-out-asg", &["-y"]);
    assert_eq!((proxy.lost(), world(&lab)), (1, is(3)), "{told}");
    assert!(told.contains("nobody knows"), "the lost reply is told: {told}");
}

#[test]
fn what_it_must_not_do_is_refused_with_what_helps_and_nothing_is_changed() {
    let lab = Lab::scene("ec2");
    let refused = |more: &[&str], words: &[&str]| {
        for way in ["-C", "-y"] {
            let said = ends(&lab, 1, "scale-out-asg", &[&[way][..], more].concat());
            let flat = said.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(words.iter().all(|word| flat.contains(word)), "{way} {more:?}: {said}");
        }
        assert_eq!(world(&lab), is(2), "{more:?}");
    };
    refused(&["-i", "add=3"], &["its maximum is 4", "update-auto-scaling-group", "--max-size 5"]);
    refused(&["-i", "add=2", "-i", "ceiling=3"], &["ceiling is 3"]);
    for (group, word) in [("nobody", "there is no scaling group `nobody`"), ("a:b", "no name of a scaling group")] {
        let said = expect(&lab, 1, &["run", "scale-out-asg", "-y", "-i", "cloud=lab", "-i", &format!("group={group}")]);
        assert!(said.split_whitespace().collect::<Vec<_>>().join(" ").contains(word), "{said}");
    }
    of_groups(&lab, "SuspendProcesses", "&ScalingProcesses.member.1=Launch");
    refused(&[], &["leave Launch alone", "resume-processes --auto-scaling-group-name shop --scaling-processes Launch"]);
    of_groups(&lab, "ResumeProcesses", "&ScalingProcesses.member.1=Launch");
    let policy = "&PolicyName=cpu50&PolicyType=TargetTrackingScaling&TargetTrackingConfiguration.TargetValue=50&\
                  TargetTrackingConfiguration.PredefinedMetricSpecification.PredefinedMetricType=ASGAverageCPUUtilization";
    of_groups(&lab, "PutScalingPolicy", policy);
    refused(&[], &["cpu50 (TargetTrackingScaling)", "--scaling-processes AlarmNotification", "`others: allow`"]);
    let said = ends(&lab, 0, "scale-out-asg", &["-y", "-i", "others=allow"]);
    assert_eq!(world(&lab), is(3), "{said}");
}

#[test]
fn what_fails_later_puts_the_capacity_back_unless_somebody_else_has_set_it() {
    let lab = Lab::scene("ec2");
    let book = failing_at(&lab.dir, "scale-out-asg", "grow");
    let told = ends(&lab, 10, book.to_str().unwrap(), &["-y"]);
    assert_eq!(world(&lab), is(2));
    assert!(told.contains("it may end 1 of"), "{told}");
    // The service does not answer with the new capacity.
    std::fs::write(lab.dir.join("sick/all"), "").unwrap();
    let url = format!("url=http://{}:{}/health", machine(&lab), lab.port("health"));
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/playbooks/scale-out-asg.yaml");
    let hasty = std::fs::read_to_string(shipped).unwrap().replace("timeout: 60s", "timeout: 3s");
    let book = lab.dir.join("scale-out-asg.yaml");
    std::fs::write(&book, hasty).unwrap();
    ends(&lab, 10, book.to_str().unwrap(), &["-y", "-i", &url]);
    assert_eq!(world(&lab), is(2));
    // The same while a colleague scales too.
    let words = [&["run", book.to_str().unwrap(), "-y", "-i", &url, "--output", "jsonl"][..], &RUN].concat();
    let mut runner = playbook(&lab).args(words).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(runner.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(
        lines.by_ref().any(|line| is_record(&line, "intent", "answers")),
        "it never asked whether the service answers"
    );
    set(&lab, 4);
    lines.for_each(drop);
    assert_eq!(runner.wait().unwrap().code(), Some(11));
    assert_eq!(world(&lab), is(4), "what the colleague did was undone");
    let told = expect(&lab, 0, &["status"]);
    let flat = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        flat.contains("somebody else told shop to have 4 since") && flat.contains("--desired-capacity 2"),
        "{told}"
    );
}

fn is_record(line: &str, kind: &str, step: &str) -> bool {
    let record: serde_json::Value = serde_json::from_str(line).unwrap();
    record["kind"] == kind && record["step"] == step
}

#[test]
fn a_runner_killed_at_each_of_its_records_never_makes_an_instance_too_many() {
    let lab = Lab::scene("ec2");
    let (mut at, mut resumed) = (1, 0);
    loop {
        set(&lab, 2);
        let words = [&["run", "scale-out-asg", "-y", "--output", "jsonl"][..], &RUN].concat();
        let mut runner = playbook(&lab).args(words).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(runner.stdout.take().unwrap()).lines().map_while(Result::ok);
        let came = lines.by_ref().take(at).count();
        runner.kill().unwrap();
        runner.wait().unwrap();
        let status = status(&lab);
        if status["verdict"].is_null() {
            let id = status["run"].as_str().unwrap().to_owned();
            expect(&lab, 0, &["resume", &id]);
            resumed += 1;
        }
        assert_eq!(world(&lab), is(3), "killed after record {at}");
        if came < at {
            break;
        }
        at += 1;
    }
    assert!(resumed > 5, "only {resumed} of {at} kills came in time to matter");
}
