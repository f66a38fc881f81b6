//! What a launch makes of AWS's documented answers, most of which moto never gives: capacity, limits, tokens, throttling,
//! what is not visible yet, a reply that is lost.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::api::replay::{ACCOUNT, Answer, Replay, ec2_error, query_error};
use super::launch;
use crate::actions::{Call, Context};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Outcome, Report};
use crate::spec::{Effect, Fidelity, Prediction};
use crate::value::Value;

fn says(text: &str) -> Answer {
    Answer::Says(200, text.to_owned())
}

fn template() -> Answer {
    says(
        "<DescribeLaunchTemplateVersionsResponse><launchTemplateVersionSet><item><launchTemplateId>lt-1</launchTemplateId>\
         <versionNumber>7</versionNumber><launchTemplateData><imageId>ami-1</imageId><instanceType>m7g.large</instanceType>\
         </launchTemplateData></item></launchTemplateVersionSet></DescribeLaunchTemplateVersionsResponse>",
    )
}

fn vcpus() -> Answer {
    says(
        "<DescribeInstanceTypesResponse><instanceTypeSet><item><instanceType>m7g.large</instanceType><vCpuInfo><defaultVCpus>2\
         </defaultVCpus></vCpuInfo></item></instanceTypeSet></DescribeInstanceTypesResponse>",
    )
}

fn quota(limit: f64) -> Answer {
    says(&json!({ "Quota": { "QuotaCode": "L-1216C47A", "Value": limit } }).to_string())
}

fn list(ids: &[&str], state: &str, key: &str) -> String {
    let one = |id: &&str| {
        format!(
            "<item><instanceId>{id}</instanceId><instanceState><code>16</code><name>{state}</name></instanceState>\
             <instanceType>m7g.large</instanceType><privateIpAddress>10.0.0.1</privateIpAddress><cpuOptions><coreCount>2</coreCount>\
             <threadsPerCore>1</threadsPerCore></cpuOptions><tagSet><item><key>playbook:key</key><value>{key}</value></item></tagSet></item>"
        )
    };
    ids.iter().map(one).collect()
}

/// What a look at instances answers.
fn seen(ids: &[&str], state: &str) -> Answer {
    let items = list(ids, state, "run-launch");
    says(&format!(
        "<DescribeInstancesResponse><reservationSet><item><instancesSet>{items}</instancesSet></item></reservationSet></DescribeInstancesResponse>"
    ))
}

fn launched(ids: &[&str]) -> Answer {
    let items = list(ids, "pending", "run-launch");
    says(&format!("<RunInstancesResponse><instancesSet>{items}</instancesSet></RunInstancesResponse>"))
}

fn would() -> Answer {
    ec2_error(412, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
}

fn arguments() -> Value {
    json!({ "cloud": "test", "template": "shop", "version": "$Default", "count": 2 })
}

fn call() -> Call {
    Call {
        key: "run-launch".to_owned(),
        attempt: "run-launch-1".to_owned(),
        arguments: arguments(),
        before: json!({ "template_id": "lt-1", "template_version": 7 }),
        outputs: Value::Null,
        timeout: Duration::from_secs(60),
        kill_on_timeout: false,
        effect: Effect::Keyed,
        age: None,
    }
}

async fn planned(answers: Vec<Answer>) -> Prediction {
    let (replay, cloud) = Replay::open(answers).await;
    let prediction = launch::foresee(&cloud, &arguments()).await.unwrap();
    assert_eq!(replay.left(), 0, "{:?}", replay.asked());
    assert!(replay.asked().iter().all(|asked| !asked.contains("RunInstances") || asked.contains("DryRun=true")));
    prediction
}

async fn ran(answers: Vec<Answer>) -> (Report, Vec<String>) {
    let (replay, cloud) = Replay::open(answers).await;
    let report = launch::launch(&cloud, &call(), tokio::time::Instant::now() + Duration::from_secs(60)).await;
    let launches = replay.asked().into_iter().filter(|asked| asked.contains("Action=RunInstances")).collect();
    (report.unwrap_or_else(Report::from), launches)
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_that_aws_takes_is_proved_and_one_that_it_does_not_is_told_as_what_it_is() {
    let good = planned(vec![template(), vcpus(), quota(64.0), seen(&["i-9"], "running"), seen(&[], ""), would()]).await;
    assert_eq!((good.fidelity, good.refusals.len()), (Fidelity::Proved, 0), "{good:?}");
    let counted = ["vcpus_needed", "vcpus_used", "vcpus_limit"].map(|name| good.facts[name].as_i64());
    assert_eq!(counted, [Some(4), Some(2), Some(64)]);
    assert_eq!((&good.facts["account"], &good.facts["template_version"]), (&json!(ACCOUNT), &json!(7)));
    for (status, code, word) in [
        (403, "UnauthorizedOperation", "these credentials may not do this"),
        (400, "InvalidSubnetID.NotFound", "InvalidSubnetID.NotFound"),
        (500, "InsufficientInstanceCapacity", "no machine of this type"),
        (400, "VcpuLimitExceeded", "Service Quotas"),
    ] {
        let no = ec2_error(status, code, "no");
        let bad = planned(vec![template(), vcpus(), quota(64.0), seen(&[], ""), seen(&[], ""), no]).await;
        assert!(bad.refusals.len() == 1 && bad.refusals[0].contains(word), "{code}: {:?}", bad.refusals);
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_without_room_is_seen_before_and_one_that_may_not_be_asked_for_is_said() {
    let full = planned(vec![template(), vcpus(), quota(5.0), seen(&["i-9"], "running"), seen(&[], ""), would()]).await;
    assert!(full.refusals[0].contains("2 of 5 vCPUs"), "{:?}", full.refusals);
    let denied = Answer::Says(400, json!({ "__type": "AccessDeniedException", "message": "no" }).to_string());
    let open = planned(vec![template(), vcpus(), denied, seen(&[], ""), would()]).await;
    assert!(open.refusals.is_empty() && open.notes[0].contains("is not known"), "{open:?}");
    assert!(open.facts["vcpus_limit"].is_null());
}

#[tokio::test(start_paused = true)]
async fn a_launch_waits_through_throttling_and_through_what_is_not_visible_yet() {
    let not_yet = || ec2_error(400, "InvalidInstanceID.NotFound", "The instance ID 'i-1' does not exist");
    let (report, launches) = ran(vec![
        seen(&[], ""),
        template(),
        ec2_error(503, "RequestLimitExceeded", "Request limit exceeded."),
        launched(&["i-1", "i-2"]),
        not_yet(),
        seen(&["i-1"], "running"),
        seen(&["i-1", "i-2"], "pending"),
        seen(&["i-1", "i-2"], "running"),
    ])
    .await;
    assert_eq!((report.outcome, launches.len()), (Outcome::Done, 2), "{}", report.message);
    assert_eq!(report.outputs["instances"], json!(["i-1", "i-2"]));
    let token = |asked: &str| asked.split('&').find(|part| part.starts_with("ClientToken=")).unwrap().to_owned();
    assert_eq!(token(&launches[0]), token(&launches[1]), "a request that is sent again is the same request");
    assert!(token(&launches[0]).len() <= "ClientToken=".len() + 64);
    let first = &launches[0];
    assert!(
        first.contains("LaunchTemplate.Version=7") && first.contains("MinCount=2") && first.contains("run-launch"),
        "{first}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_launch_that_is_refused_did_nothing_and_says_what_to_do() {
    for (status, code, word) in [
        (500, "InsufficientInstanceCapacity", "another zone"),
        (400, "VcpuLimitExceeded", "Service Quotas"),
        (400, "IdempotentParameterMismatch", "already launched with other parameters"),
        (403, "UnauthorizedOperation", "may not do this"),
        (400, "RequestExpired", "Log in again"),
    ] {
        let (report, launches) = ran(vec![seen(&[], ""), template(), ec2_error(status, code, "no")]).await;
        assert_eq!((report.outcome, launches.len()), (Outcome::NoEffect, 1), "{code}: {}", report.message);
        assert!(report.message.contains(word), "{code}: {}", report.message);
    }
    let throttled = (0..5).map(|_| ec2_error(503, "RequestLimitExceeded", "slow"));
    let (report, launches) = ran([seen(&[], ""), template()].into_iter().chain(throttled).collect()).await;
    assert_eq!((report.outcome, launches.len()), (Outcome::NoEffect, 5), "{}", report.message);
    let (report, _) = ran(vec![query_error(403, "ExpiredToken", "old")]).await;
    assert_eq!(report.outcome, Outcome::NoEffect, "{}", report.message);
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_is_unknown_and_never_sent_again_by_itself() {
    for lost in [Answer::Nothing, ec2_error(500, "InternalError", "oops"), ec2_error(503, "Unavailable", "busy")] {
        let (report, launches) = ran(vec![seen(&[], ""), template(), lost]).await;
        assert_eq!((report.outcome, launches.len()), (Outcome::Unknown, 1), "{}", report.message);
    }
    let (report, launches) = ran(vec![seen(&[], ""), template(), Answer::Closed]).await;
    assert_eq!((report.outcome, launches.len()), (Outcome::NoEffect, 1), "nothing was sent: {}", report.message);
}

#[tokio::test(start_paused = true)]
async fn what_an_attempt_before_launched_is_taken_and_not_made_again() {
    let running = || seen(&["i-1", "i-2"], "running");
    let (report, launches) = ran(vec![running(), running(), running()]).await;
    assert_eq!((report.outcome, launches.len()), (Outcome::Done, 0), "{}", report.message);
    // The first of them is visible before the second is.
    let (report, launches) =
        ran(vec![seen(&["i-1"], "running"), seen(&["i-1"], "running"), running(), running()]).await;
    assert_eq!((report.outcome, launches.len()), (Outcome::Done, 0), "{}", report.message);
    // Under a key whose instances were ended nothing is launched: AWS would answer with the ended ones.
    let (report, launches) = ran(vec![seen(&["i-1", "i-2"], "terminated"), seen(&["i-1", "i-2"], "terminated")]).await;
    assert_eq!((report.outcome, launches.len()), (Outcome::Failed, 0), "{}", report.message);
}

#[tokio::test(start_paused = true)]
async fn an_undo_ends_what_carries_its_tag_and_nothing_else() {
    let (replay, cloud) = Replay::open([
        seen(&["i-1"], "pending"),
        seen(&["i-1", "i-2"], "running"),
        says("<TerminateInstancesResponse></TerminateInstancesResponse>"),
        seen(&["i-1", "i-2"], "shutting-down"),
    ])
    .await;
    let report = launch::terminate(&cloud, &call()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done, "{}", report.message);
    let ended = replay.asked().into_iter().find(|asked| asked.contains("TerminateInstances")).unwrap();
    assert!(ended.contains("InstanceId.1=i-1&InstanceId.2=i-2") && !ended.contains("InstanceId.3"), "{ended}");

    // What a filter gave although it carries another tag is not ended.
    let other = list(&["i-3"], "running", "somebody-else");
    let other = says(&format!(
        "<DescribeInstancesResponse><reservationSet><item><instancesSet>{other}</instancesSet></item></reservationSet></DescribeInstancesResponse>"
    ));
    let (replay, cloud) = Replay::open((0..40).map(|_| other.clone())).await;
    let report = launch::terminate(&cloud, &call()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done);
    assert!(replay.asked().iter().all(|asked| !asked.contains("Terminate")), "{}", report.message);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_sees_nothing_cannot_tell() {
    let (_, cloud) = Replay::open([seen(&[], "")]).await;
    let finding = launch::found_at(&cloud, &call()).await.unwrap();
    assert!(matches!(finding, Finding::CannotTell { .. }), "it may not be visible yet: {finding:?}");
    let running = || seen(&["i-1", "i-2"], "running");
    let (_, cloud) = Replay::open([running(), running(), running()]).await;
    let finding = launch::found_at(&cloud, &call()).await.unwrap();
    assert!(matches!(finding, Finding::TookEffect { .. }), "{finding:?}");
}

#[tokio::test]
async fn a_cloud_that_the_inventory_lacks_is_said_before_anything_is_sent() {
    use crate::actions::Action as _;
    let context =
        Context { inventory: Arc::new(Inventory::default()), spool: std::env::temp_dir(), output: Arc::new(|_, _| {}) };
    let report = launch::Launch.run(&context, &call()).await;
    assert_eq!(report.outcome, Outcome::NoEffect);
    assert!(report.message.contains("no cloud `test`"), "{}", report.message);
}
