//! `playbook trigger`: what an alert from a file has done, with the routes of a configuration and playbooks that allow it or not.

use serde_json::{Value, json};

use crate::processes::{Place, until};

const STEPS: &str = "  - id: write\n    run: echo \"$WHO\" >> WORLD/log\n    env: { WHO: \"{{inputs.cluster}}\" }\n    \
                     effect: idempotent\n    rollback: none\n    because: a test\n";
const INPUTS: &str = "inputs: { cluster: { type: identifier, required: true } }\n";
const ALL: &str = "triggers: { modes: [dry_run, ask, run], inputs: [cluster] }\n";

/// A place whose only route leads to `heal` in a mode, and where an alert about `orders` lies in `alert.json`.
fn place(triggers: &str, mode: &str) -> Place {
    let place = Place::new();
    place.book_with("heal", &format!("{triggers}{INPUTS}"), STEPS);
    let config = json!({
        "playbooks": ["."],
        "hooks": { "monitoring": { "kind": "alertmanager", "secrets": ["env:NEVER_SET"] } },
        "triggers": [
            { "name": "other", "match": { "labels": { "alertname": "WebDown" } }, "playbook": "heal", "mode": "run",
              "inputs": { "cluster": "web" } },
            { "name": "down", "match": { "labels": { "alertname": "PrimaryDown" } }, "playbook": "heal", "mode": mode,
              "inputs": { "cluster": "{{labels.cluster}}" } },
        ],
    });
    std::fs::write(place.path("config.yaml"), config.to_string()).unwrap();
    write(&place, &alert());
    place
}

fn alert() -> Value {
    serde_json::from_str(include_str!("../../fixtures/alerts/primary-down.json")).unwrap()
}

fn write(place: &Place, alert: &Value) {
    std::fs::write(place.path("alert.json"), alert.to_string()).unwrap();
}

const FROM: [&str; 3] = ["trigger", "--from-alert", "alert.json"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&FROM[..], more].concat()
}

#[test]
fn the_routing_alone_shows_why_and_starts_nothing() {
    let place = place(ALL, "run");
    let said = place.expect(0, &with(&["--dry-run"]));
    for text in [
        "monitoring (alertmanager): 1 alert",
        "was not proved",
        "1. PrimaryDown firing since 2026-11-23 04:05:00 UTC",
        "not route other to heal: its label `alertname` is `PrimaryDown`, and has to be `WebDown`",
        "route down: heal@1.0.0, which is run (run)",
        "cluster = orders   from the alert",
    ] {
        assert!(said.contains(text), "{text} is missing:\n{said}");
    }
    assert!(place.log().is_empty() && !place.path("state").exists());
    let json = place.json(&with(&["--dry-run", "--output", "json"]));
    assert_eq!(
        (json["exit"].as_u64(), json["alerts"][0]["taken"]["inputs"]["cluster"].as_str()),
        (Some(0), Some("orders"))
    );
}

#[test]
fn a_route_that_runs_runs_and_asks_for_a_yes_like_any_other_run() {
    let place = place(ALL, "run");
    let said = place.expect(77, &FROM);
    assert!(said.contains("playbook trigger --from-alert alert.json -y"), "{said}");
    assert!(place.log().is_empty());
    place.expect(0, &with(&["-y"]));
    assert_eq!(place.log(), ["orders"]);
}

#[test]
fn a_person_is_asked_with_the_command_that_does_it() {
    let place = place(ALL, "ask");
    let said = place.expect(12, &FROM);
    assert!(said.contains("run heal -i cluster=orders"), "{said}");
    assert!(place.log().is_empty());
    let looked = place.expect(0, &with(&["--mode", "dry_run"]));
    assert!(looked.contains("Dry-run"), "{looked}");
    assert!(place.log().is_empty());
}

#[test]
fn a_playbook_that_does_not_allow_it_is_not_started() {
    for (triggers, text) in [
        ("", "people alone"),
        ("triggers: { modes: [ask], inputs: [cluster] }\n", "allow ask"),
        ("triggers: { modes: [run] }\n", "none may"),
    ] {
        let place = place(triggers, "run");
        let said = place.expect(77, &with(&["-y"]));
        let flat = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(text), "{text} is missing:\n{said}");
        assert!(place.log().is_empty(), "{triggers}");
    }
}

#[test]
fn what_an_alert_lacks_or_says_wrongly_starts_nothing() {
    let place = place(ALL, "run");
    let mut odd = alert();
    odd["alerts"][0]["labels"]["cluster"] = json!("a; touch x");
    write(&place, &odd);
    let said = place.expect(65, &with(&["-y"]));
    assert!(said.contains("cluster"), "{said}");
    odd["alerts"][0]["labels"].as_object_mut().unwrap().shift_remove("cluster");
    write(&place, &odd);
    let said = place.expect(65, &with(&["-y"]));
    assert!(said.contains("labels.cluster"), "{said}");
    odd["alerts"][0]["labels"]["alertname"] = json!("Other");
    write(&place, &odd);
    let said = place.expect(66, &with(&["-y"]));
    assert!(said.contains("no route takes it"), "{said}");
    odd["alerts"][0]["status"] = json!("resolved");
    write(&place, &odd);
    place.expect(0, &with(&["-y"]));
    assert!(place.log().is_empty());
    std::fs::write(place.path("alert.json"), "{").unwrap();
    place.expect(65, &with(&["-y"]));
    place.expect(66, &["trigger", "--from-alert", "not-there.json"]);
    place.expect(66, &with(&["--source", "nobody"]));
}

#[test]
fn a_brake_binds_what_an_alert_starts_and_a_person_is_told_how_they_pass_it() {
    let place = place(ALL, "run");
    let text = place.read("config.yaml");
    let mut config: Value = serde_json::from_str(&text).unwrap();
    config["freeze"] = json!([{ "name": "year-end", "from": "2020-01-01T00:00:00Z", "to": "2120-01-01T00:00:00Z",
        "because": "the books are closed" }]);
    std::fs::write(place.path("config.yaml"), config.to_string()).unwrap();
    let said = place.expect(77, &with(&["-y"]));
    assert!(said.contains("year-end") && said.contains("run heal -i cluster=orders"), "{said}");
    assert!(!said.contains("--override"), "no alert passes a brake:\n{said}");
    assert!(place.log().is_empty());
    place.expect(64, &with(&["-y", "--override", "freeze", "--reason", "x"]));
}

#[test]
fn one_alert_that_cannot_be_served_does_not_keep_the_next_from_it() {
    let place = place(ALL, "run");
    let mut two = alert();
    let mut other = two["alerts"][0].clone();
    other["labels"]["cluster"] = json!("stocks");
    other["fingerprint"] = json!("other");
    two["alerts"][0]["labels"]["cluster"] = json!("no; way");
    two["alerts"].as_array_mut().unwrap().push(other);
    write(&place, &two);
    place.expect(65, &with(&["-y"]));
    assert_eq!(place.log(), ["stocks"]);
}

/// The shipped playbooks that say that an alert may start them, by the routes of the documented example.
#[test]
fn the_documented_route_leads_to_the_shipped_playbook() {
    let page = include_str!("../../docs/triggers.md");
    let example = page.split("```yaml\n").nth(2).unwrap().split_once("```").unwrap().0;
    let place = Place::new();
    std::fs::write(place.path("config.yaml"), example).unwrap();
    std::fs::write(place.path("alert.json"), alert().to_string()).unwrap();
    let member = |port: u16| json!({ "host": "db", "address": "127.0.0.1", "port": port, "data_directory": "/d", "bin_directory": "/b", "slot": "s" });
    let inventory = json!({
        "environment": "lab",
        "hosts": { "db": { "address": "127.0.0.1" } },
        "databases": { "orders": { "system_identifier": "1", "user": "p", "dbname": "orders",
            "members": { "pg1": member(1), "pg2": member(2) } } },
    });
    std::fs::write(place.path("inventory.yaml"), inventory.to_string()).unwrap();
    let books = concat!(env!("CARGO_MANIFEST_DIR"), "/playbooks");
    let json =
        place.json(&with(&["--dry-run", "--output", "json", "--playbooks", books, "--inventory", "inventory.yaml"]));
    let taken = &json["alerts"][0]["taken"];
    assert_eq!((taken["playbook"].as_str(), taken["mode"].as_str()), (Some("db-failover"), Some("run")), "{json}");
    assert_eq!(json["exit"], 0, "{json}");
}

#[test]
fn the_same_is_not_begun_again_at_once() {
    let place = place(ALL, "run");
    place.expect(0, &with(&["-y"]));
    let run = place.status()["run"].as_str().unwrap().to_owned();
    let said = place.expect(77, &with(&["-y"]));
    assert!(said.contains(&run) && said.contains("begins nothing more until"), "{said}");
    let mut other = alert();
    other["alerts"][0]["labels"]["cluster"] = json!("stocks");
    write(&place, &other);
    place.expect(0, &with(&["-y"]));
    assert_eq!(place.log(), ["orders", "stocks"]);
    // What could not begin counts for nothing.
    other["alerts"][0]["labels"]["cluster"] = json!("web");
    write(&place, &other);
    place.expect(77, &FROM);
    place.expect(0, &with(&["-y"]));
    assert_eq!(place.log(), ["orders", "stocks", "web"]);
}

#[test]
fn a_step_waits_until_the_alert_that_began_its_run_is_over() {
    let place = place(ALL, "run");
    let steps = STEPS.trim_end().to_owned() + "\n    verify: [{ expr: \"run.alerts != 'firing'\", within: 60s }]\n";
    place.book_with("heal", &format!("{ALL}{INPUTS}"), &steps);
    let mut runner = place.start(&with(&["-y"]));
    until("the step", || (place.log() == ["orders"]).then_some(()));
    assert!(place.status()["verdict"].is_null(), "it waits");
    let mut over = alert();
    over["alerts"][0]["status"] = json!("resolved");
    over["alerts"][0]["endsAt"] = json!("2026-11-23T04:09:00Z");
    std::fs::write(place.path("over.json"), over.to_string()).unwrap();
    let said = place.expect(0, &["trigger", "--from-alert", "over.json"]);
    assert!(said.contains("is over, and the run knows it"), "{said}");
    runner.expect(0);
    // Nobody's alert: nothing is waited for.
    place.expect(0, &["run", "heal", "-y", "-i", "cluster=a"]);
}

#[test]
fn only_a_verification_waits_for_alerts() {
    let place = place(ALL, "run");
    let steps = STEPS.replace("    effect:", "    if: \"run.alerts != 'firing'\"\n    effect:");
    let book = place.book_with("heal", &format!("{ALL}{INPUTS}"), &steps);
    let said = place.expect(65, &["lint", &book]);
    assert!(said.contains("run.alerts") && said.contains("verify"), "{said}");
}
