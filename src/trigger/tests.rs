//! Whether only what is proved is taken, and what the routes make of it. The signatures are those of published examples, or
//! made here by the rules that each sender documents.

mod admission;
mod hostile;

use proptest::prelude::*;
use ring::hmac;
use serde_json::{Value, json};

use super::*;
use crate::config::{Config, Hook, HookFields, HookKind, HookProof};
use crate::incident::AlertState;

fn now(text: &str) -> jiff::Timestamp {
    text.parse().unwrap()
}

fn hook(kind: HookKind) -> Hook {
    Hook {
        fields: Some(HookFields { all_labels: Some("/labels".to_owned()), ..HookFields::default() }),
        ..Hook::of_kind(kind)
    }
}

fn source(kind: HookKind, secrets: &[&str]) -> Source {
    Source::of("monitoring", &hook(kind), secrets).unwrap()
}

fn headers(all: &[(&str, &str)]) -> Headers {
    Headers::new(all.iter().map(|(name, value)| (*name, value.as_bytes())))
}

fn signed(secret: &[u8], message: &[u8]) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message);
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn alertmanager(status: &str) -> Value {
    json!({
        "version": "4", "groupKey": "{}:{alertname=\"PrimaryDown\"}", "truncatedAlerts": 0, "status": status,
        "receiver": "playbook", "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {},
        "externalURL": "http://am:9093",
        "alerts": [{
            "status": status, "labels": { "alertname": "PrimaryDown", "cluster": "orders", "severity": "P0" },
            "annotations": { "summary": "the primary of orders is down" },
            "startsAt": "2026-11-23T04:05:00.5Z",
            "endsAt": if status == "firing" { "0001-01-01T00:00:00Z" } else { "2026-11-23T04:09:00Z" },
            "generatorURL": "http://prom:9090/graph?g0.expr=x", "fingerprint": "1b2c3d4e5f607182",
        }],
    })
}

fn pagerduty(kind: &str) -> Value {
    json!({ "event": {
        "id": "01DEN4HPBQAAAG05V5QQYBRZMF", "event_type": kind, "resource_type": "incident",
        "occurred_at": "2026-11-23T04:05:13.414Z",
        "data": {
            "id": "PGR0VU2", "type": "incident", "html_url": "https://acme.pagerduty.com/incidents/PGR0VU2", "number": 2,
            "status": "triggered", "incident_key": "d3640fbd41094207a1c11e58e46b1662",
            "created_at": "2026-11-23T04:05:13Z", "title": "orders is down", "urgency": "high",
            "service": { "id": "PF9KMXH", "summary": "orders" }, "priority": { "id": "P1", "summary": "P1" },
        },
    } })
}

#[test]
fn alertmanager_proves_itself_by_a_token() {
    let body = alertmanager("firing").to_string();
    let at = now("2026-11-23T04:05:30Z");
    let of = |all: &[(&str, &str)]| {
        source(HookKind::Alertmanager, &["old-token", "new-token"]).receive(&headers(all), body.as_bytes(), at)
    };
    for token in ["Bearer old-token", "bearer new-token"] {
        let delivery = of(&[("authorization", token)]).unwrap();
        let alert = &delivery.alerts[0];
        assert_eq!((alert.fingerprint.as_str(), alert.status), ("1b2c3d4e5f607182", AlertState::Firing));
        assert_eq!(alert.title, "the primary of orders is down");
        assert_eq!(alert.starts_at, Some(now("2026-11-23T04:05:00.5Z")));
        assert_eq!(alert.ends_at, None);
    }
    let twice = [("Authorization", "Bearer old-token"), ("Authorization", "Bearer x")];
    for wrong in [&[("Authorization", "Bearer old-toke")][..], &[("Authorization", "Basic old-token")], &[], &twice] {
        assert!(matches!(of(wrong), Err(TriggerError::Unproved { .. })), "{wrong:?}");
    }
    let bare = Source::unproved("m", &hook(HookKind::Alertmanager));
    let error = bare.receive(&headers(&[("Authorization", "Bearer ")]), body.as_bytes(), at).unwrap_err();
    assert!(matches!(error, TriggerError::Unproved { .. }), "{error}");
}

#[test]
fn a_user_and_a_password_are_one_proof() {
    let hook = Hook { user: Some("alerts".to_owned()), ..hook(HookKind::Alertmanager) };
    assert_eq!(hook.proof(), HookProof::Basic);
    let source = Source::of("m", &hook, &["pass:word"]).unwrap();
    let body = alertmanager("firing").to_string();
    let of =
        |text: &str| source.receive(&headers(&[("Authorization", text)]), body.as_bytes(), now("2026-11-23T04:05:30Z"));
    assert!(of("Basic YWxlcnRzOnBhc3M6d29yZA==").is_ok());
    for wrong in ["Basic YWxlcnQ6cGFzczp3b3Jk", "Basic YWxlcnRzOng=", "Basic YWxlcnRz", "Basic !", "Bearer pass:word"] {
        assert!(of(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn grafana_signs_the_body_or_the_time_and_the_body() {
    let body = alertmanager("firing").to_string().into_bytes();
    let at = now("2026-11-23T04:05:30Z");
    let seconds = at.as_second().to_string();
    let plain = Source::of("g", &hook(HookKind::Grafana), &["s1", "s2"]).unwrap();
    let header = |value: &str| headers(&[("X-Grafana-Alerting-Signature", value)]);
    assert!(plain.receive(&header(&signed(b"s2", &body)), &body, at).is_ok());
    assert!(plain.receive(&header(&signed(b"s3", &body)), &body, at).is_err());
    let hook = Hook {
        signature_header: Some("X-Sig".to_owned()),
        timestamp_header: Some("X-At".to_owned()),
        ..hook(HookKind::Grafana)
    };
    let timed = Source::of("g", &hook, &["s1"]).unwrap();
    let of = |seconds: &str| {
        let sign = signed(b"s1", &[seconds.as_bytes(), b":", &body].concat());
        timed.receive(&headers(&[("x-sig", &sign), ("x-at", seconds)]), &body, at)
    };
    assert!(of(&seconds).is_ok());
    for (moved, fits) in [(-300, true), (-301, false), (300, true), (301, false)] {
        let result = of(&(at.as_second() + moved).to_string());
        assert_eq!(result.is_ok(), fits, "{moved}: {result:?}");
    }
    assert!(matches!(of("soon"), Err(TriggerError::Unproved { .. })));
    // A signature of the body alone says nothing of the time.
    let bare = signed(b"s1", &body);
    assert!(timed.receive(&headers(&[("x-sig", &bare), ("x-at", &seconds)]), &body, at).is_err());
}

#[test]
fn pagerduty_signs_once_for_each_secret() {
    let body = pagerduty("incident.triggered").to_string();
    let at = now("2026-11-23T04:06:00Z");
    let source = source(HookKind::Pagerduty, &["new", "old"]);
    let of =
        |signature: &str, at| source.receive(&headers(&[("X-PagerDuty-Signature", signature)]), body.as_bytes(), at);
    let (right, wrong) = (signed(b"old", body.as_bytes()), signed(b"other", body.as_bytes()));
    let delivery = of(&format!("v1={wrong},v1={right}"), at).unwrap();
    assert_eq!(delivery.id, "01DEN4HPBQAAAG05V5QQYBRZMF");
    let alert = &delivery.alerts[0];
    assert_eq!((alert.fingerprint.as_str(), alert.labels["service"].as_str()), ("PGR0VU2", "orders"));
    assert_eq!(alert.labels["priority"], "P1");
    for bad in [format!("v1={wrong}"), format!("v0={right}"), right.clone(), "v1=".to_owned(), String::new()] {
        assert!(matches!(of(&bad, at), Err(TriggerError::Unproved { .. })), "{bad}");
    }
    let changed = body.replace("orders", "stocks");
    let sign = format!("v1={right}");
    assert!(source.receive(&headers(&[("X-PagerDuty-Signature", &sign)]), changed.as_bytes(), at).is_err());
    assert!(matches!(of(&sign, now("2026-11-23T06:00:00Z")), Err(TriggerError::Stale { .. })), "an old one, kept");
    let acknowledged = source.read(pagerduty("incident.acknowledged").to_string().as_bytes()).unwrap();
    assert!(acknowledged.alerts.is_empty() && acknowledged.notes.len() == 1);
    let resolved = source.read(pagerduty("incident.resolved").to_string().as_bytes()).unwrap();
    assert_eq!(resolved.alerts[0].status, AlertState::Resolved);
}

/// The example that the libraries of Standard Webhooks are tested with.
#[test]
fn standard_webhooks_are_proved_as_their_own_libraries_do() {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let body = br#"{"test": 2432232314}"#;
    let source = source(HookKind::StandardWebhooks, &["whsec_c3RpbGwgYW5vdGhlciBzZWNyZXQ=", secret]);
    let of = |signature: &str, at: &str, id: &str| {
        let all = [("webhook-id", id), ("webhook-timestamp", at), ("webhook-signature", signature)];
        source.receive(&headers(&all), body, jiff::Timestamp::from_second(1_614_265_400).unwrap())
    };
    let (sign, at, id) =
        ("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", "1614265330", "msg_p5jXN8AQM9LWM0D4loKWxJek");
    assert_eq!(of(sign, at, id).unwrap().id, id);
    assert!(of(&format!("v1a,AAAA v1,AAAA {sign}"), at, id).is_ok(), "one of a list");
    for (sign, at, id) in [
        (sign, "1614265331", id),
        (sign, at, "msg_other"),
        ("v1,AAAA", at, id),
        ("v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", at, id),
        ("", at, id),
    ] {
        assert!(matches!(of(sign, at, id), Err(TriggerError::Unproved { .. })), "{sign} {at} {id}");
    }
    let late = jiff::Timestamp::from_second(1_614_265_330 + 301).unwrap();
    let all = [("webhook-id", id), ("webhook-timestamp", at), ("webhook-signature", sign)];
    assert!(matches!(source.receive(&headers(&all), body, late), Err(TriggerError::Stale { .. })));
    assert!(Source::of("i", &hook(HookKind::StandardWebhooks), &["whsec_no base64"]).is_err());
    let short =
        Source::of("i", &hook(HookKind::StandardWebhooks), &[secret, "whsec_c2hvcnQ="]).unwrap_err().to_string();
    assert!(short.contains("`hooks.i`") && short.contains("too short") && !short.contains("c2hvc"), "{short}");
}

#[test]
fn any_json_is_read_by_its_pointers() {
    let fields = HookFields {
        alerts: Some("/incidents".to_owned()),
        delivery: Some("/id".to_owned()),
        fingerprint: Some("/key".to_owned()),
        status: Some("/state".to_owned()),
        firing: vec!["red".to_owned()],
        resolved: vec!["green".to_owned()],
        title: Some("/what".to_owned()),
        labels: [("cluster".to_owned(), "/tags/0".to_owned())].into(),
        ..HookFields::default()
    };
    let source = Source::unproved("own", &Hook { fields: Some(fields), ..Hook::of_kind(HookKind::Json) });
    let body = |state: &str| json!({ "id": 7, "incidents": [{ "key": "k", "state": state, "what": "x", "tags": ["orders"] }] });
    let read = |body: &Value| source.read(body.to_string().as_bytes());
    let delivery = read(&body("red")).unwrap();
    assert_eq!((delivery.id.as_str(), delivery.alerts[0].labels["cluster"].as_str()), ("7", "orders"));
    assert_eq!(read(&body("green")).unwrap().alerts[0].status, AlertState::Resolved);
    assert!(read(&body("firing")).is_err(), "the words are those that were told");
    assert!(read(&json!({ "id": 7 })).is_err());
}

#[test]
fn the_same_sent_again_has_the_same_name_and_what_changed_another() {
    let source = Source::unproved("m", &hook(HookKind::Alertmanager));
    let id = |body: &Value| source.read(body.to_string().as_bytes()).unwrap().id;
    let firing = alertmanager("firing");
    assert_eq!(id(&firing), id(&firing.clone()));
    let mut two = firing.clone();
    let mut other = two["alerts"][0].clone();
    other["fingerprint"] = json!("other");
    two["alerts"].as_array_mut().unwrap().push(other);
    let mut turned = two.clone();
    turned["alerts"].as_array_mut().unwrap().reverse();
    assert_eq!(id(&two), id(&turned), "a group has no order");
    let mut later = firing.clone();
    later["alerts"][0]["startsAt"] = json!("2026-11-23T05:00:00Z");
    let all = [id(&firing), id(&two), id(&later), id(&alertmanager("resolved"))];
    assert_eq!(std::collections::BTreeSet::from(all).len(), 4);
}

#[test]
fn what_is_too_much_is_refused() {
    let source = Source::unproved("m", &hook(HookKind::Alertmanager));
    let mut many = alertmanager("firing");
    let one = many["alerts"][0].clone();
    many["alerts"] = json!(vec![one.clone(); 500]);
    assert!(source.read(many.to_string().as_bytes()).is_ok());
    many["alerts"] = json!(vec![one; 501]);
    assert!(matches!(source.read(many.to_string().as_bytes()), Err(TriggerError::TooLarge(_))));
    let mut long = alertmanager("firing");
    long["alerts"][0]["labels"]["cluster"] = json!("x".repeat(5000));
    assert!(matches!(source.read(long.to_string().as_bytes()), Err(TriggerError::TooLarge(_))));
    let mut talk = alertmanager("firing");
    talk["alerts"][0]["annotations"]["summary"] = json!("é".repeat(5000));
    talk["alerts"][0]["generatorURL"] = json!("javascript:alert(1)");
    let alert = source.read(talk.to_string().as_bytes()).unwrap().alerts.remove(0);
    assert!(alert.title.chars().count() == 2001 && alert.link.is_none());
    assert!(matches!(source.read(&vec![b' '; MAX_BODY + 1]), Err(TriggerError::TooLarge(_))));
    let deep = "[".repeat(100_000);
    assert!(matches!(source.read(deep.as_bytes()), Err(TriggerError::Malformed { .. })));
    for wrong in ["", "{}", "[]", "null", r#"{"version":"4","alerts":[1]}"#, r#"{"version":"3","alerts":[]}"#] {
        assert!(matches!(source.read(wrong.as_bytes()), Err(TriggerError::Malformed { .. })), "{wrong}");
    }
    let mut neither = alertmanager("firing");
    neither["alerts"][0]["status"] = json!("suppressed");
    assert!(source.read(neither.to_string().as_bytes()).is_err());
}

fn routes(triggers: Value) -> Result<Routes, TriggerError> {
    let triggers = serde_json::from_value(triggers).unwrap();
    Routes::of(&Config { triggers, ..Config::default() })
}

fn alert(status: &str) -> Alert {
    let source = Source::unproved("m", &hook(HookKind::Alertmanager));
    source.read(alertmanager(status).to_string().as_bytes()).unwrap().alerts.remove(0)
}

#[test]
fn the_first_route_that_fits_is_taken_and_why_not_the_others_is_told() {
    let routes = routes(json!([
        { "match": { "source": "other" }, "playbook": "a", "mode": "ask" },
        { "name": "over", "match": { "status": "resolved" }, "playbook": "b", "mode": "ask" },
        { "match": { "labels": { "severity": "P1" } }, "playbook": "c", "mode": "run" },
        { "match": { "labels": { "severity": "=~P", "cluster": "orders" } }, "playbook": "d", "mode": "run" },
        { "match": { "labels": { "site": "!=" } }, "playbook": "e", "mode": "run" },
        { "match": { "labels": { "alertname": "PrimaryDown", "severity": "=~P[01]", "site": "", "cluster": "!~test-.*" } },
          "playbook": "db-failover", "mode": "run", "cooldown": "5m",
          "inputs": { "cluster": "{{labels.cluster}}", "mode": "unplanned" } },
        { "match": {}, "playbook": "f", "mode": "ask" },
    ]))
    .unwrap();
    let routed = routes.route("m", "d1", &alert("firing"));
    let why: Vec<&str> = routed.passed.iter().map(|passed| passed.why.as_str()).collect();
    assert_eq!(
        why,
        [
            "it is for what `other` sends",
            "it is for alerts that are resolved",
            "its label `severity` is `P0`, and has to be `P1`",
            "its label `severity` is `P0`, and has to match `P`",
            "its label `site` is not there, and has to be anything but ``",
        ]
    );
    let wanted = routed.taken.unwrap().wanted.unwrap();
    assert_eq!((wanted.playbook.as_str(), wanted.route.as_str(), wanted.cooldown), ("db-failover", "6", 300.0));
    assert_eq!(wanted.inputs["cluster"], "orders");
    assert_eq!(wanted.from_alert.iter().collect::<Vec<_>>(), ["cluster"]);
    assert_eq!(routes.route("m", "d1", &alert("resolved")).taken.unwrap().playbook, "b");
}

#[test]
fn a_run_is_named_by_the_firing_and_not_by_the_delivery() {
    let routes = routes(json!([{ "match": { "labels": { "cluster": "=~.+" } }, "playbook": "x", "mode": "run",
        "inputs": { "cluster": "{{labels.cluster}}" } }]))
    .unwrap();
    let wanted = |delivery: &str, alert: &Alert| routes.route("m", delivery, alert).taken.unwrap().wanted.unwrap();
    let (first, again) = (wanted("d1", &alert("firing")), wanted("d2", &alert("firing")));
    assert_eq!(first.key, again.key, "another delivery of the same firing, as when an alert joins the group");
    let later = Alert { starts_at: Some(now("2026-11-23T09:00:00Z")), ..alert("firing") };
    assert_ne!(first.key, wanted("d3", &later).key);
    assert_eq!(first.scope, wanted("d3", &later).scope, "the cooldown goes on over both");
    let undated = Alert { starts_at: None, ..alert("firing") };
    assert_ne!(wanted("d1", &undated).key, wanted("d2", &undated).key);
    let mut other = alert("firing");
    other.labels.insert("cluster".to_owned(), "stocks".to_owned());
    assert_ne!(first.scope, wanted("d1", &other).scope);
}

#[test]
fn a_label_that_is_missing_is_told_and_not_guessed() {
    let with = |text: &str| routes(json!([{ "match": {}, "playbook": "x", "mode": "ask", "inputs": { "i": text } }]));
    let made = |text: &str| with(text).unwrap().route("m", "d", &alert("firing")).taken.unwrap().wanted;
    let error = made("{{labels.clustr}}").unwrap_err().to_string();
    assert!(error.contains("`labels.clustr` is not there") && error.contains("cluster"), "{error}");
    assert_eq!(made("{{default labels.site \"a\"}}").unwrap().inputs["i"], "a");
    assert_eq!(made("{{source}}/{{alert.fingerprint}}").unwrap().inputs["i"], "m/1b2c3d4e5f607182");
    assert!(made("{{labels}}").is_err());
    for wrong in ["{{inputs.x}}", "{{labels.a", "{{#if labels.a}}x{{/if}}"] {
        assert!(matches!(with(wrong), Err(TriggerError::Unusable(_))), "{wrong}");
    }
}
