//! Incidents over HTTP: opened, told, and ended with what they need for that.

use super::*;

#[test]
fn an_incident_is_opened_told_and_ended() {
    let rig = Rig::new();
    let token = rig.token("ann", &[Role::Operator], 600.0);
    let opened =
        rig.post("/v1/incidents", &token, &json!({ "title": "orders are down", "impact": "high", "urgency": "high" }));
    assert_eq!(opened.status, 201, "{opened:?}");
    let incident = opened.json()["incident"].as_str().unwrap().to_owned();
    assert_eq!((&opened.json()["severity"], &opened.json()["state"]), (&json!("P0"), &json!("open")));
    let place = format!("/v1/incidents/{incident}");
    assert_eq!(opened.header("location"), Some(place.as_str()));
    let say = |what: &str, body: Value| rig.post(&format!("{place}/{what}"), &token, &body);
    assert_eq!(say("note", json!({ "text": "looking" })).status, 200);
    assert_eq!(say("assign", json!({ "owner": "bob" })).json()["owner"], "bob");
    assert_eq!(say("severity", json!({ "severity": "P1", "reason": "half of it" })).json()["severity"], "P1");
    say("note", json!({ "text": " " })).problem(422);
    say("reopen", json!({})).problem(409);
    assert_eq!(say("resolve", json!({ "reason": "traffic flows" })).json()["state"], "resolved");
    let timeline = rig.get(&format!("{place}/timeline?limit=2&after=1"), &token).json();
    let kinds: Vec<&Value> = timeline["entries"].as_array().unwrap().iter().map(|entry| &entry["kind"]).collect();
    assert_eq!((kinds, &timeline["next"]), (vec![&json!("noted"), &json!("assigned")], &json!(3)), "{timeline}");
    assert_eq!(timeline["entries"][0]["actor"], "token ann");
    assert_eq!(rig.get("/v1/incidents?open=true", &token).json()["incidents"][0]["title"], "orders are down");
    rig.get("/v1/incidents/inc-none", &token).problem(404);
    rig.get("/v1/incidents/.x", &token).problem(400);
    rig.post("/v1/incidents", &token, &json!({ "title": "" })).problem(422);
}

#[test]
fn an_incident_whose_runs_have_not_ended_is_ended_with_a_reason_alone() {
    let rig = Rig::new();
    let token = rig.admin();
    use crate::journal::Incidents as _;
    let opening = crate::incident::Opening::new("down", crate::incident::Severity::P1, "said so");
    rig.journal().open_as(&"INC-7".parse().unwrap(), opening, "ann", WallClock.now()).unwrap();
    let run = rig.run();
    let told = rig.get("/v1/incidents/INC-7", &token).json();
    assert_eq!(told["runs"][0]["run"], run.as_str(), "{told}");
    let end = |body: Value| rig.post("/v1/incidents/INC-7/close", &token, &body);
    assert!(end(json!({})).problem(409)["title"].to_string().contains(run.as_str()));
    assert_eq!(end(json!({ "reason": "by hand" })).json()["state"], "closed");
    let timeline = rig.get("/v1/incidents/INC-7/timeline", &token).body;
    assert!(timeline.contains(&format!("not ended: {run}")) && timeline.contains("run_started"), "{timeline}");
}
