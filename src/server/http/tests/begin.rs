//! A run is asked for twice, at the same time, with other words, or by somebody who was killed: it begins once.

use super::*;
use crate::journal::{AskedKey, ClaimedKey, Keys as _};

fn ask(rig: &Rig, token: &str, key: &str, body: &Value) -> Reply {
    let body = body.to_string();
    rig.say(&format!(
        "POST /v1/runs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Idempotency-Key: {key}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

#[test]
fn what_is_asked_twice_begins_once() {
    let rig = Rig::new();
    let (token, body) = (rig.admin(), json!({ "playbook": "db-failover" }));
    let first = ask(&rig, &token, "k1", &body);
    assert_eq!(first.status, 201, "{first:?}");
    let again = ask(&rig, &token, "k1", &body);
    assert_eq!((again.status, &again.json()["new"]), (200, &json!(false)), "{again:?}");
    assert_eq!(again.json()["run"], first.json()["run"]);
    ask(&rig, &token, "k1", &json!({ "playbook": "db-failover", "inputs": { "cluster": "b" } })).problem(422);
    assert_eq!(rig.runner.begun(), 1);
    let sent = json!({ "playbook": "db-failover", "idempotency_key": "k2" });
    assert_eq!(rig.post("/v1/runs", &token, &sent).status, 201);
    assert_eq!(rig.post("/v1/runs", &token, &sent).status, 200);
    let another = rig.token("another", &[Role::Admin], 600.0);
    assert_eq!(ask(&rig, &another, "k1", &body).status, 201, "the keys of one caller are nobody else's");
    ask(&rig, &token, "", &body).problem(400);
    assert_eq!(rig.runner.begun(), 3);
}

#[test]
fn what_is_asked_at_the_same_time_begins_once() {
    let rig = Rig::new();
    let (token, body) = (rig.admin(), json!({ "playbook": "db-failover" }));
    *rig.runner.takes.lock().unwrap() = Duration::from_millis(100);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..16).map(|_| scope.spawn(|| ask(&rig, &token, "k", &body).status)).collect();
        asking.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(rig.runner.begun(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 201, 409].contains(status)), "{statuses:?}");
}

#[test]
fn a_server_that_was_killed_between_key_and_run_begins_that_run() {
    let rig = Rig::new();
    let (token, body) = (rig.admin(), json!({ "playbook": "db-failover" }));
    let key = AskedKey {
        caller: "token admin".to_owned(),
        key: "k".to_owned(),
        asked: Digest::of(body.to_string().as_bytes()),
    };
    let run = new_run_id().unwrap();
    assert_eq!(rig.journal().claim_key(&key, &run, WallClock.now()).unwrap(), ClaimedKey::New);
    let begun = ask(&rig, &token, "k", &body);
    assert_eq!((begun.status, &begun.json()["run"]), (201, &json!(run)), "{begun:?}");
    let again = ask(&rig, &token, "k", &body);
    assert_eq!((again.status, &again.json()["run"]), (200, &json!(run)), "{again:?}");
    assert_eq!(rig.runner.begun(), 1);
}

#[test]
fn what_was_refused_can_be_asked_again() {
    let rig = Rig::new();
    let (token, body) = (rig.admin(), json!({ "playbook": "db-failover" }));
    *rig.runner.refusal.lock().unwrap() = Some(Problem::new(409, 13, "database/orders is held"));
    ask(&rig, &token, "k", &body).problem(409);
    *rig.runner.refusal.lock().unwrap() = None;
    assert_eq!(ask(&rig, &token, "k", &body).status, 201);
    *rig.runner.refusal.lock().unwrap() = Some(Problem::new(409, 13, "database/orders is held"));
    ask(&rig, &token, "m", &body).problem(409);
    *rig.runner.refusal.lock().unwrap() = None;
    let other = json!({ "playbook": "db-failover", "limit": "web1" });
    assert_eq!(ask(&rig, &token, "m", &other).status, 201, "the key of what was refused is free");
    assert_eq!(rig.runner.begun(), 2);
}

#[test]
fn a_dry_run_begins_nothing() {
    let rig = Rig::new();
    let token = rig.admin();
    let plan = ask(&rig, &token, "k", &json!({ "playbook": "db-failover", "dry_run": true }));
    assert_eq!((plan.status, &plan.json()["environment"]), (200, &json!("lab")), "{plan:?}");
    assert_eq!(rig.runner.begun(), 0);
    assert!(rig.journal().runs().unwrap().is_empty());
}

#[test]
fn a_fault_is_told_and_ends_nothing_else() {
    let rig = Rig::new();
    let token = rig.admin();
    let reply = rig.post("/v1/runs", &token, &json!({ "playbook": "a-fault" }));
    reply.problem(500);
    assert_eq!(rig.get("/v1/runs", &token).status, 200);
}

#[test]
fn whoever_hangs_up_stops_nothing() {
    let rig = Rig::new();
    let token = rig.admin();
    *rig.runner.takes.lock().unwrap() = Duration::from_millis(300);
    let mut stream = rig.connect();
    let body = json!({ "playbook": "db-failover" }).to_string();
    let request = format!(
        "POST /v1/runs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nIdempotency-Key: k\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let begun = std::time::Instant::now();
    while rig.runner.asked.lock().unwrap().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(10), "it never began");
        std::thread::yield_now();
    }
    drop(stream);
    while rig.runner.begun() == 0 {
        assert!(begun.elapsed() < Duration::from_secs(10), "it was given up");
        std::thread::yield_now();
    }
}
