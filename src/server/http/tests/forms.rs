//! What is told, in which form, and what is refused for its form.

use super::*;

#[test]
fn every_refusal_is_a_problem_document() {
    let rig = Rig::new();
    let token = rig.admin();
    let run = rig.run();
    rig.get("/nothing", &token).problem(404);
    rig.get("/v1/runs/20000101-000000-zzzz", &token).problem(404);
    rig.get("/v1/playbooks/nothing", &token).problem(404);
    rig.get("/v1/runs/NO_ID", &token).problem(400);
    rig.get("/v1/runs/%ff", &token).problem(400);
    rig.get("/v1/runs?limit=0", &token).problem(400);
    rig.get("/v1/runs?limit=1&limit=2", &token).problem(400);
    rig.get("/v1/runs?unknown=1", &token).problem(400);
    rig.ask("DELETE", "/v1/halt", Some(&token), None).problem(400);
    let other = rig.ask("PUT", "/v1/runs", Some(&token), None);
    other.problem(405);
    assert!(other.header("allow").is_some_and(|allow| allow.contains("POST")), "{other:?}");
    let sent = |body: &str| rig.ask("POST", "/v1/runs", Some(&token), Some(body));
    sent("{").problem(400);
    sent("").problem(400);
    sent("[]").problem(422);
    sent(r#"["x"]"#).problem(422);
    sent(r#"{"playbook":"db-failover","overrides":[["freeze","now"]]}"#).problem(422);
    for path in ["/v1/halt".to_owned(), format!("/v1/runs/{run}/abort")] {
        rig.ask("POST", &path, Some(&token), Some("[]")).problem(422);
    }
    sent("{}").problem(422);
    sent(r#"{"playbook":"x","more":1}"#).problem(422);
    sent(r#"{"playbook":"../../etc/x.yaml"}"#).problem(422);
    let form = format!(
        "POST /v1/runs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: text/plain\r\nContent-Length: 20\r\n\r\n{{\"playbook\":\"x\"}}    "
    );
    rig.say(&form).problem(415);
    rig.post(&format!("/v1/runs/{run}/resolve"), &token, &json!({ "task": "a", "answer": "retry", "reason": " " }))
        .problem(422);
    assert_eq!(rig.runner.asked.lock().unwrap().as_slice(), [] as [String; 0]);
}

#[test]
fn a_browser_makes_nothing_else_of_an_answer() {
    let rig = Rig::new();
    for reply in [rig.ask("GET", "/healthz", None, None), rig.ask("GET", "/nothing", None, None)] {
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{reply:?}");
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert!(reply.header("content-security-policy").is_some_and(|policy| policy.contains("default-src 'none'")));
        assert_eq!(reply.header("access-control-allow-origin"), None);
    }
    let preflight = rig.say(
        "OPTIONS /v1/runs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nOrigin: http://evil.example\r\n\
         Access-Control-Request-Method: POST\r\n\r\n",
    );
    preflight.problem(405);
    assert_eq!(preflight.header("access-control-allow-origin"), None);
}

#[test]
fn another_name_is_not_this_server() {
    let settings = Serve {
        anonymous: Some(crate::config::Anonymous::Viewer),
        hosts: vec!["runner.example".to_owned()],
        ..Serve::default()
    };
    let rig = Rig::with(Some(settings), quick());
    let to = |host: &str| rig.say(&format!("GET /v1/runs HTTP/1.1\r\n{host}Connection: close\r\n\r\n"));
    assert_eq!(to("Host: runner.example:7341\r\n").status, 200);
    assert_eq!(to("Host: [::1]:7341\r\n").status, 200);
    to("Host: evil.example\r\n").problem(421);
    to("").problem(421);
    to("Host: localhost\r\nHost: evil.example\r\n").problem(421);
    rig.say("GET http://evil.example/v1/runs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").problem(421);
}

#[test]
fn a_run_is_told_as_it_stands() {
    let rig = Rig::new();
    let token = rig.admin();
    let run = rig.run();
    let told = rig.get(&format!("/v1/runs/{run}"), &token).json();
    assert_eq!((&told["state"], &told["playbook"]), (&json!("interrupted"), &json!("db-failover")), "{told}");
    assert_eq!(told["incident"], "INC-7");
    let list = rig.get("/v1/runs?open=true&playbook=db-failover", &token).json();
    assert_eq!(list["runs"][0]["run"], run.as_str(), "{list}");
    assert_eq!(rig.get("/v1/runs?playbook=other", &token).json()["runs"], json!([]));
    let plan = rig.get(&format!("/v1/runs/{run}/plan"), &token).json();
    assert_eq!(plan["environment"], "lab", "{plan}");
    let timeline = rig.get(&format!("/v1/runs/{run}/timeline"), &token).json();
    assert_eq!(timeline["entries"][0]["kind"], "run_started", "{timeline}");
    assert_eq!(timeline["next"], Value::Null);
    assert_eq!(rig.get("/v1/locks", &token).json(), json!({ "locks": [] }));
}

#[test]
fn pages_follow_on_one_another() {
    let rig = Rig::new();
    let token = rig.admin();
    let run = new_run_id().unwrap();
    let mut journal = rig.journal();
    let lease = begin(&mut journal, &run);
    for number in 0..70 {
        journal.append(&lease, "runner", Time(2000), vec![note(&format!("n{number}"))], &[]).unwrap();
    }
    for (path, name) in [("records", "records"), ("timeline", "entries")] {
        let (mut after, mut seen) = (json!(0), Vec::new());
        while !after.is_null() {
            let page = rig.get(&format!("/v1/runs/{run}/{path}?limit=20&after={after}"), &token).json();
            let some = page[name].as_array().unwrap();
            assert!((1..=20).contains(&some.len()), "{page}");
            seen.extend(some.iter().map(|one| one["seq"].as_u64().unwrap()));
            after = page["next"].clone();
        }
        assert!(seen.iter().copied().eq(1..=72), "{path}: {seen:?}");
    }
    // What is told is what the hash is over.
    let first = rig.get(&format!("/v1/runs/{run}/records?limit=1"), &token);
    let stored = journal.stored_after(&run, 0, 1).unwrap().remove(0);
    assert!(first.body.contains(&stored.event), "{first:?}");
}

#[test]
fn runs_are_listed_in_pages() {
    let rig = Rig::new();
    let token = rig.admin();
    let mut all: Vec<String> = (0..5).map(|_| rig.run().to_string()).collect();
    all.sort();
    let (mut seen, mut before) = (Vec::new(), String::new());
    loop {
        let page = rig.get(&format!("/v1/runs?limit=2{before}"), &token).json();
        seen.extend(page["runs"].as_array().unwrap().iter().map(|row| row["run"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        before = format!("&before={next}");
    }
    seen.sort();
    assert_eq!(seen, all);
}

#[test]
fn a_halt_comes_and_goes_with_a_name() {
    let rig = Rig::new();
    let token = rig.token("ann", &[Role::Operator], 600.0);
    assert_eq!(rig.get("/v1/halt", &token).json(), json!({ "halted": null }));
    let halted = rig.post("/v1/halt", &token, &json!({ "reason": "wrong host" })).json();
    assert_eq!((&halted["halted"]["by"], &halted["halted"]["reason"]), (&json!("token ann"), &json!("wrong host")));
    assert!(rig.journal().halted().unwrap().is_some());
    rig.ask("DELETE", "/v1/halt", Some(&token), None).problem(400);
    let lifted = rig.ask("DELETE", "/v1/halt?reason=it%20was%20the%20right%20one", Some(&token), None).json();
    assert_eq!((&lifted["halted"], &lifted["lifted"]["by"]), (&Value::Null, &json!("token ann")));
    assert_eq!(rig.journal().halted().unwrap(), None);
}

#[test]
fn what_is_asked_of_a_run_reaches_the_runner() {
    let rig = Rig::new();
    let token = rig.token("ann", &[Role::Operator, Role::Approver], 600.0);
    let run = rig.run();
    let subject = Digest::of(b"x");
    for (path, body) in [
        ("approve", json!({ "task": "promote", "subject": subject, "reason": "seen" })),
        ("reject", json!({ "task": "promote", "reason": "no" })),
        ("resolve", json!({ "task": "promote@db1", "answer": "took_effect", "reason": "looked" })),
        ("skip", json!({ "task": "promote", "how": "done_by_hand", "outputs": { "a": 1 }, "reason": "by hand" })),
        ("rollback", json!({ "to": "safe" })),
        ("cancel", json!({})),
        ("abort", json!({})),
        ("pause", json!({ "reason": "lunch" })),
        ("resume", json!({})),
    ] {
        let reply = rig.post(&format!("/v1/runs/{run}/{path}"), &token, &body);
        assert_eq!(reply.status, 202, "{path}: {reply:?}");
        assert_eq!(reply.header("location"), Some(format!("/v1/runs/{run}").as_str()));
    }
    let asked =
        rig.runner.asked.lock().unwrap().join("\n").replace(run.as_str(), "RUN").replace(subject.as_str(), "SUBJECT");
    insta::assert_snapshot!(asked);
}

#[test]
fn where_files_lie_is_not_told() {
    let rig = Rig::new();
    let list = rig.get("/v1/playbooks", &rig.admin());
    assert_eq!(list.json()["playbooks"][0]["usable"], false);
    assert!(!list.body.contains("/secret"), "{list:?}");
    std::fs::write(rig.state.join("playbook.sqlite3"), "no journal").unwrap();
    let lost = rig.ask("GET", "/v1/runs", None, None);
    assert!(!lost.body.contains(rig.state.to_str().unwrap()), "{lost:?}");
}

#[test]
fn it_says_whether_it_lives_and_whether_it_is_ready() {
    let rig = Rig::new();
    assert_eq!(rig.ask("GET", "/healthz", None, None).json(), json!({ "status": "lives" }));
    assert_eq!(rig.ask("GET", "/readyz", None, None).json(), json!({ "status": "ready", "halted": false }));
    let metrics = rig.get("/metrics", &rig.admin());
    for line in [
        "playbook_runs_open{state=\"interrupted\"} 0",
        "playbook_http_requests_total{route=\"/healthz\",method=\"GET\",status=\"200\"} 1",
        "playbook_http_request_duration_seconds_count{route=\"/healthz\"} 1",
        "playbook_halted 0",
        "playbook_runs_ended{verdict=\"incomplete\"} 0",
        "playbook_incidents_open{severity=\"P0\"} 0",
        "playbook_http_connections_open 1",
    ] {
        assert!(metrics.body.lines().any(|found| found == line), "{line}\n{}", metrics.body);
    }
    assert!(metrics.body.contains("playbook_journal_write_duration_seconds_bucket"), "{}", metrics.body);
}
