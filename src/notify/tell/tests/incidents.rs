//! What each service is sent of an incident.

use super::*;
use crate::incident::{Incident, IncidentEvent, IncidentRecord, Opening, Severity, entry};
use crate::journal::Incidents as _;
use crate::notify::text;

/// An incident with a note of somebody who would like to call everybody.
fn incident() -> (Incident, Vec<IncidentRecord>) {
    let mut journal = MemoryJournal::new();
    let id = "inc-1".parse().unwrap();
    let opening =
        Opening { services: vec!["orders".to_owned()], ..Opening::new("orders is down", Severity::P1, "it is") };
    journal.open_as(&id, opening, "ann", AT).unwrap();
    let events = [
        IncidentEvent::Noted { text: "<!channel> see https://evil.example".to_owned() },
        IncidentEvent::Assigned { owner: Some("bob".to_owned()), reason: "she sleeps".to_owned() },
        IncidentEvent::SeverityChanged { severity: Severity::P0, reason: String::new() },
        IncidentEvent::Resolved { reason: "it answers".to_owned() },
        IncidentEvent::Reopened { reason: "it does not".to_owned() },
        IncidentEvent::Closed { reason: String::new() },
    ];
    for event in events {
        journal.append_to(&id, "ann", AT, event).unwrap();
    }
    (journal.incident(&id).unwrap(), journal.records_of(&id, 0).unwrap())
}

/// Tells it all in one message.
async fn tell_all(teller: &dyn Teller, message: Option<&str>) -> Result<Option<String>, Refusal> {
    let (incident, records) = incident();
    let item = |record: &IncidentRecord| Item {
        seq: record.seq,
        moment: Moment::of_incident(record),
        record: incident_for_programs(&incident, &entry(record)),
        spans: Vec::new(),
    };
    let new: Vec<Item> = records.iter().map(item).collect();
    let moments: Vec<Moment> = records.iter().filter_map(Moment::of_incident).collect();
    let about = About::Incident(&incident);
    teller.tell(&Story { about, new: &new, moments: &moments, id: "incident:inc-1:7", message, at: AT }).await
}

#[tokio::test]
async fn a_webhook_and_a_program_get_each_record_whole() {
    let web = Web::answers(&[&answer("200 OK", "")]).await;
    let hook = super::teller(&receiver("{name: a, kind: webhook}", Some(&web.address), &[])).unwrap();
    tell_all(hook.as_ref(), None).await.unwrap();
    let asked = web.asked();
    assert_eq!(asked[0].header("webhook-id"), Some("incident:inc-1:7"));
    let body = asked[0].json();
    assert_eq!(body["type"], "playbook.incident");
    let data = &body["data"];
    assert_eq!((&data["incident"], &data["kind"], &data["seq"]), (&json!("inc-1"), &json!("opened"), &json!(1)));
    assert_eq!((&data["severity"], &data["state"], &data["owner"]), (&json!("P0"), &json!("closed"), &json!("bob")));
    assert_eq!((&data["title"], &data["services"]), (&json!("orders is down"), &json!(["orders"])));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("told").display().to_string();
    let text =
        format!("{{name: a, kind: command, command: [sh, -c, 'echo \"$PLAYBOOK_INCIDENT $PLAYBOOK_RUN\" > {file}']}}");
    let program = super::teller(&receiver(&text, None, &[])).unwrap();
    tell_all(program.as_ref(), None).await.unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "inc-1 \n");
}

#[tokio::test]
async fn slack_has_one_message_an_incident_which_is_edited_and_calls_nobody() {
    let posted = answer("200 OK", r#"{"ok":true,"channel":"C1","ts":"1.2"}"#);
    let web = Web::answers(&[&posted]).await;
    let text = "{name: a, kind: slack, channel: C1}";
    let slack = super::teller(&receiver(text, Some(&web.address), &["xoxb"])).unwrap();
    let message = tell_all(slack.as_ref(), None).await.unwrap();
    assert_eq!(tell_all(slack.as_ref(), message.as_deref()).await.unwrap(), message);
    let asked = web.asked();
    assert!(asked[0].path.ends_with("/chat.postMessage") && asked[1].path.ends_with("/chat.update"), "{asked:?}");
    assert!(asked[0].body.contains("orders is down") && asked[0].body.contains("playbook incident timeline inc-1"));
    assert!(!asked[0].body.contains("https://evil"), "{}", asked[0].body);
}

#[tokio::test]
async fn pagerduty_is_told_of_changes_and_calls_nobody() {
    let web = Web::answers(&[&answer("202 Accepted", r#"{"status":"success"}"#)]).await;
    let pagerduty = super::teller(&receiver("{name: a, kind: pagerduty}", Some(&web.address), &["R0"])).unwrap();
    tell_all(pagerduty.as_ref(), None).await.unwrap();
    let asked = web.asked();
    assert!(asked.len() == 7 && asked.iter().all(|one| one.path.ends_with("/v2/change/enqueue")), "{asked:?}");
    let first = asked[0].json();
    assert!(
        first["payload"]["summary"].as_str().unwrap().starts_with("orders is down inc-1: ann opened it"),
        "{first}"
    );
    assert_eq!(first["payload"]["custom_details"]["incident"], "inc-1");
}

#[test]
fn what_people_are_told_of_an_incident_in_both_languages() {
    let (incident, records) = incident();
    let moments: Vec<Moment> = records.iter().filter_map(Moment::of_incident).collect();
    for (language, name) in [(Language::En, "english"), (Language::Zh, "chinese")] {
        let message = text::of_incident(&incident, &moments, language);
        insta::assert_snapshot!(name, message.text(4096, |piece| piece.text.clone()));
    }
}
