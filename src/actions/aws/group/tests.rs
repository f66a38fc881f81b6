//! `asg.scale` against a group that is as strict as the API's reference, and against faults at each of its requests.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::{scale, undo};
use crate::actions::aws::AwsError;
use crate::actions::aws::api::Cloud;
use crate::actions::aws::api::strict::{At, Fault, Launches, Strict};
use crate::actions::{Call, Context};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Outcome, Report};
use crate::spec::{Effect, Prediction};
use crate::value::Value;

const MINUTES: Duration = Duration::from_secs(600);

fn context() -> (Context, Arc<Mutex<String>>) {
    let said = Arc::new(Mutex::new(String::new()));
    let heard = Arc::clone(&said);
    let output = Arc::new(move |_: bool, bytes: &[u8]| heard.lock().unwrap().push_str(&String::from_utf8_lossy(bytes)));
    (Context { inventory: Arc::new(Inventory::default()), spool: "/nowhere".into(), output }, said)
}

fn arguments(more: Value) -> Value {
    let mut all = json!({ "cloud": "test", "group": "web" });
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    all
}

fn call(before: Value, more: Value) -> Call {
    Call {
        key: "k".into(),
        attempt: "a".into(),
        arguments: arguments(more),
        before,
        outputs: Value::Null,
        timeout: MINUTES,
        kill_on_timeout: true,
        effect: Effect::Probed,
        age: None,
    }
}

async fn foresee(cloud: &Cloud, more: Value) -> Result<Prediction, AwsError> {
    scale::foresee(cloud, &Inventory::default(), &arguments(more)).await
}

/// One attempt of a call that was prepared before.
async fn attempt(cloud: &Cloud, call: &Call) -> Report {
    let done = scale::scale(&context().0, cloud, call, Instant::now() + MINUTES).await;
    done.unwrap_or_else(Report::from)
}

async fn probe(cloud: &Cloud, call: &Call) -> Finding {
    scale::probe(&context().0, cloud, call, Instant::now() + MINUTES).await
}

async fn restore(cloud: &Cloud, call: &Call) -> Report {
    undo::restore(cloud, call, "aws autoscaling", Instant::now() + MINUTES).await
}

/// Looks first, as the engine does, and acts on what was seen.
async fn run(strict: &Strict, more: Value) -> (Report, Call) {
    let cloud = strict.cloud().await;
    let seen = foresee(&cloud, more.clone()).await.unwrap();
    assert_eq!(seen.refusals, Vec::<String>::new());
    let call = call(seen.facts, more);
    (attempt(&cloud, &call).await, call)
}

#[tokio::test(start_paused = true)]
async fn it_grows_waits_until_all_serve_and_shrinks_back() {
    let strict = Strict::of(2, 1, 6);
    strict.with(|real| (real.target_group, real.lag) = (true, 2));
    let (report, call) = run(&strict, json!({ "by": 2 })).await;
    assert_eq!(report.outcome, Outcome::Done, "{}", report.message);
    assert_eq!(report.outputs["added"], json!(["i-3", "i-4"]), "{}", report.message);
    assert_eq!((report.outputs["desired"].as_i64(), report.outputs["healthy"].as_i64()), (Some(4), Some(4)));
    let cloud = strict.cloud().await;
    assert!(matches!(probe(&cloud, &call).await, Finding::Ended(report) if report.outcome == Outcome::Done));
    let back = restore(&cloud, &call).await;
    assert_eq!(back.outcome, Outcome::Done, "{}", back.message);
    assert!(
        back.message.contains("(Default) it may end 2 of i-1, i-2, i-3, i-4: i-3, i-4 came with this step"),
        "{}",
        back.message
    );
    assert_eq!(strict.with(|real| (real.desired, real.set.clone())), (2, vec![4, 2]));
    assert_eq!(restore(&cloud, &call).await.outcome, Outcome::Done, "safe to run twice");
    assert_eq!(strict.with(|real| real.set.len()), 2);
}

#[tokio::test(start_paused = true)]
async fn what_the_lab_lets_pass_is_refused_before_anything_is_sent() {
    let strict = Strict::of(2, 1, 3);
    let cloud = strict.cloud().await;
    let above = foresee(&cloud, json!({ "by": 2 })).await.unwrap();
    assert!(above.refusals[0].contains("its maximum is 3"), "{:?}", above.refusals);
    let mut other = arguments(json!({ "by": 1 }));
    other["group"] = json!("shop");
    let unknown = scale::foresee(&cloud, &Inventory::default(), &other).await.unwrap_err();
    assert!(matches!(&unknown, AwsError::Invalid(text) if text.contains("no scaling group `shop`")), "{unknown}");
    for hostile in ["", "a:b", "web\u{1b}[2J", &"x".repeat(256)] {
        other["group"] = json!(hostile);
        let error = scale::foresee(&cloud, &Inventory::default(), &other).await.unwrap_err().to_string();
        assert!(error.contains("no name of a scaling group") && !error.contains('\u{1b}'), "{error}");
    }
    // Where our look was too old, the API's own words are told, and nothing was done.
    let facts = foresee(&cloud, json!({ "by": 1 })).await.unwrap().facts;
    strict.with(|real| real.max = 2);
    let report = attempt(&cloud, &call(facts, json!({ "by": 1 }))).await;
    assert_eq!(report.outcome, Outcome::NoEffect);
    assert!(report.message.contains("above max value 2"), "{}", report.message);
    assert_eq!(strict.with(|real| real.set.clone()), Vec::<i64>::new());
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_leaves_no_room_is_refused_and_one_of_another_kind_is_not() {
    for (limit, spot, refused) in [(6, false, false), (5, false, true), (5, true, false)] {
        let strict = Strict::of(2, 1, 6);
        strict.with(|real| real.limit = Some((limit, spot)));
        let seen = foresee(&strict.cloud().await, json!({ "by": 1 })).await.unwrap();
        let said = seen.refusals.join("\n");
        assert_eq!(said.contains(&format!("4 of {limit} vCPUs")), refused, "{limit} {spot}: {seen:?}");
        assert!(refused || seen.notes.join("\n").contains("vCPUs"), "{seen:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_else_acts_and_what_cannot_be_seen_is_in_the_plan() {
    let strict = Strict::of(2, 1, 6);
    strict.with(|real| {
        real.policies =
            "<member><PolicyName>cpu50</PolicyName><PolicyType>TargetTrackingScaling</PolicyType></member>".to_owned();
        real.suspended = "<member><ProcessName>Launch</ProcessName></member>".to_owned();
    });
    strict.fault(At::All("DescribeInstanceRefreshes"), Fault::Says(403, "AccessDenied", "no \u{9b}2J"));
    let cloud = strict.cloud().await;
    let seen = foresee(&cloud, json!({ "by": 1 })).await.unwrap();
    let said = seen.refusals.join("\n");
    assert!(
        said.contains("cpu50") && said.contains("AlarmNotification") && said.contains("scaling-processes Launch"),
        "{said}"
    );
    let notes = seen.notes.join("\n");
    assert!(notes.contains("being replaced cannot be seen") && !notes.contains('\u{9b}'), "{notes}");
    let allowed = foresee(&cloud, json!({ "by": 1, "others": "allow" })).await.unwrap();
    assert!(!allowed.refusals.join("\n").contains("cpu50") && allowed.notes.join("\n").contains("allowed: "));
}

#[tokio::test(start_paused = true)]
async fn what_holds_it_up_is_named_and_what_will_not_pass_is_not_waited_for() {
    for (text, word, waits) in [
        (
            "We currently do not have sufficient m5.large capacity in the Availability Zone you requested",
            "no such instances left",
            true,
        ),
        ("You have requested more vCPU capacity than your current vCPU limit of 32 allows", "quota is used up", false),
        (
            "The image id 'ami-0123' does not exist. Launching EC2 instance failed.",
            "the image of the launch template",
            false,
        ),
        ("There are not enough free addresses in subnet 'subnet-1'", "no address left", true),
    ] {
        let strict = Strict::of(2, 1, 6);
        strict.with(|real| real.launches = Launches::Fail(text));
        let begun = Instant::now();
        let (report, call) = run(&strict, json!({ "to": 4 })).await;
        assert_eq!(report.outcome, Outcome::Failed, "{text}");
        assert!(report.message.contains(word) && report.message.contains(text), "{}", report.message);
        assert_eq!(begun.elapsed() >= MINUTES, waits, "{text}: {:?}", begun.elapsed());
        let back = restore(&strict.cloud().await, &call).await;
        assert_eq!((back.outcome, strict.with(|real| real.desired)), (Outcome::Done, 2));
        assert!(back.message.contains("none of them came with this step"), "{}", back.message);
    }
}

#[tokio::test(start_paused = true)]
async fn instances_that_stay_pending_are_waited_for_and_told() {
    let strict = Strict::of(2, 1, 6);
    strict.with(|real| real.launches = Launches::Hang);
    let (report, _) = run(&strict, json!({ "to": 3 })).await;
    assert_eq!(report.outcome, Outcome::Failed);
    assert!(
        report.message.contains("2 serve after 600 s") && report.message.contains("i-3 is Pending"),
        "{}",
        report.message
    );
    assert!(!report.message.contains("image"), "what failed before the step holds nothing up: {}", report.message);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_has_set_is_left_and_told() {
    let strict = Strict::of(2, 1, 6);
    let cloud = strict.cloud().await;
    let facts = foresee(&cloud, json!({ "by": 1 })).await.unwrap().facts;
    strict.with(|real| real.desired = 5);
    let ours = call(facts.clone(), json!({ "by": 1 }));
    let report = attempt(&cloud, &ours).await;
    assert_eq!((report.outcome, strict.with(|real| real.set.len())), (Outcome::NoEffect, 0));
    assert!(
        matches!(probe(&cloud, &ours).await, Finding::CannotTell { evidence } if evidence.contains("somebody else"))
    );
    let back = restore(&cloud, &ours).await;
    assert_eq!(back.outcome, Outcome::Failed, "never told as put back");
    assert!(
        back.message.contains("left as it is") && back.message.contains("--desired-capacity 2"),
        "{}",
        back.message
    );
    assert_eq!(strict.with(|real| (real.desired, real.set.len())), (5, 0));
    // Another group under the same name is not the one that was looked at.
    let mut facts = facts;
    facts["arn"] = json!("arn:aws:autoscaling:another");
    strict.with(|real| real.desired = 2);
    let report = attempt(&cloud, &call(facts, json!({ "by": 1 }))).await;
    assert!(report.outcome == Outcome::NoEffect && report.message.contains("another group"), "{}", report.message);
}

#[tokio::test(start_paused = true)]
async fn being_asked_too_often_is_waited_out_and_told_where_it_lasts() {
    let throttled = Fault::Says(400, "Throttling", "Rate exceeded");
    let strict = Strict::of(2, 1, 6);
    strict.fault(At::Next("SetDesiredCapacity"), throttled.clone());
    strict.fault(At::Next("DescribeAutoScalingGroups"), throttled.clone());
    let (report, _) = run(&strict, json!({ "by": 1 })).await;
    assert_eq!((report.outcome, strict.with(|real| real.set.clone())), (Outcome::Done, vec![3]));
    let strict = Strict::of(2, 1, 6);
    strict.fault(At::All("SetDesiredCapacity"), throttled);
    let (report, _) = run(&strict, json!({ "by": 1 })).await;
    assert_eq!(report.outcome, Outcome::NoEffect);
    assert!(report.message.contains("asks too often") && report.message.contains("Throttling"), "{}", report.message);
    let times = strict.with(|real| real.asked.iter().filter(|action| *action == "SetDesiredCapacity").count());
    assert_eq!(times, 5, "it is bounded");
}

#[tokio::test(start_paused = true)]
async fn credentials_that_expire_leave_no_doubt_before_and_are_told_after() {
    let expired = Fault::Says(403, "ExpiredToken", "The security token included in the request is expired");
    let strict = Strict::of(2, 1, 6);
    strict.fault(At::All("SetDesiredCapacity"), expired.clone());
    let (report, _) = run(&strict, json!({ "by": 1 })).await;
    assert_eq!((report.outcome, strict.with(|real| real.set.len())), (Outcome::NoEffect, 0));
    // In the middle: it was told, and nobody sees what came of it.
    let strict = Strict::of(2, 1, 6);
    let cloud = strict.cloud().await;
    let facts = foresee(&cloud, json!({ "by": 1 })).await.unwrap().facts;
    let before = strict.with(|real| real.asked.len());
    strict.fault(At::Number(before + 2), expired.clone());
    let ours = call(facts, json!({ "by": 1 }));
    let report = attempt(&cloud, &ours).await;
    assert_eq!(
        (report.outcome, strict.with(|real| real.set.clone())),
        (Outcome::Unknown, vec![3]),
        "{}",
        report.message
    );
    assert!(
        report.message.contains("cannot be seen") && report.message.contains("aws sso login"),
        "{}",
        report.message
    );
    strict.fault(At::Next("DescribeAutoScalingGroups"), expired);
    assert!(matches!(probe(&cloud, &ours).await, Finding::CannotTell { .. }));
    assert!(matches!(probe(&cloud, &ours).await, Finding::Ended(report) if report.outcome == Outcome::Done));
    assert_eq!(strict.with(|real| (real.set.clone(), real.most)), (vec![3], 3));
}

/// Goes on with a call as the engine does after its runner was killed: it looks, and acts again only where it certainly did
/// nothing.
async fn go_on(cloud: &Cloud, ours: &Call) -> Report {
    for _ in 0..5 {
        match probe(cloud, ours).await {
            Finding::Ended(report) if report.outcome != Outcome::Unknown => return report,
            Finding::DidNot { .. } => {
                let report = attempt(cloud, ours).await;
                if report.outcome == Outcome::Done {
                    return report;
                }
            }
            other => panic!("it waits for a person: {other:?}"),
        }
    }
    panic!("it never ended");
}

/// How many requests a whole step sends.
async fn requests() -> (usize, usize) {
    let strict = Strict::of(2, 1, 6);
    let cloud = strict.cloud().await;
    foresee(&cloud, json!({ "by": 2 })).await.unwrap();
    let first = strict.with(|real| real.asked.len());
    let (report, _) = run(&strict, json!({ "by": 2 })).await;
    assert_eq!(report.outcome, Outcome::Done);
    (first, strict.with(|real| real.asked.len()) - first)
}

#[tokio::test(start_paused = true)]
async fn killed_or_unanswered_at_any_request_it_never_has_an_instance_too_many() {
    let (first, all) = requests().await;
    let mut unanswered = 0;
    for number in first..all {
        for fault in [Fault::Dies(false), Fault::Dies(true), Fault::LostBefore, Fault::LostAfter] {
            let strict = Strict::of(2, 1, 6);
            let cloud = strict.cloud().await;
            let facts = foresee(&cloud, json!({ "by": 2 })).await.unwrap().facts;
            let ours = call(facts, json!({ "by": 2 }));
            strict.fault(At::Number(number), fault.clone());
            let ended = tokio::select! {
                report = attempt(&cloud, &ours) => Some(report),
                () = strict.dies.notified() => None,
            };
            let ended = match ended {
                Some(report) if report.outcome == Outcome::Done => report,
                Some(report) => {
                    assert_eq!(report.outcome, Outcome::Unknown, "{number} {fault:?}: {}", report.message);
                    unanswered += 1;
                    go_on(&cloud, &ours).await
                }
                None => go_on(&cloud, &ours).await,
            };
            assert_eq!(ended.outcome, Outcome::Done, "{number} {fault:?}: {}", ended.message);
            let (desired, most) = strict.with(|real| (real.desired, real.most));
            assert_eq!((desired, most), (4, 4), "{number} {fault:?}");
            assert_eq!(undone(&strict, &ours).await, 2, "{number} {fault:?}");
        }
    }
    assert_eq!(unanswered, 2, "the change itself, before and after; a look is asked again");
}

/// Undoes it with the runner killed at each of its requests; what is desired then.
async fn undone(strict: &Strict, ours: &Call) -> i64 {
    let cloud = strict.cloud().await;
    for carried_out in [false, true] {
        let next = strict.with(|real| real.asked.len());
        strict.fault(At::Number(next + 1), Fault::Dies(carried_out));
        tokio::select! {
            report = restore(&cloud, ours) => assert_eq!(report.outcome, Outcome::Done),
            () = strict.dies.notified() => {}
        }
    }
    assert_eq!(restore(&cloud, ours).await.outcome, Outcome::Done);
    strict.with(|real| {
        real.faults.clear();
        real.desired
    })
}
