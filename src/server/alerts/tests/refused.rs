//! What something stands in the way of: people are told once, and nothing begins behind their backs.

use super::*;

#[test]
fn a_run_that_could_not_begin_is_proposed_to_a_person_and_not_tried_again() {
    let server = Server::of("run", ALLOWED);
    server.send(&group(&[alert("orders", "firing")]));
    *server.hand.answer.lock().unwrap() = Some(Problem::new(409, 13, "database/orders is held"));
    assert!(!server.work());
    assert_eq!(server.incident().1, ["opened", "alert", "proposed", "noted"]);
    *server.hand.answer.lock().unwrap() = None;
    // What stood in the way is gone, and another alert has joined the group: a person is at work by hand by now.
    server.send(&group(&[alert("orders", "firing"), alert("stocks", "resolved")]));
    server.work();
    assert_eq!(server.begun().len(), 1);
    assert_eq!(server.incident().1, ["opened", "alert", "proposed", "noted"], "told once");
    assert!(server.became()[0].contains("not tried again"), "{:?}", server.became());
}

#[test]
fn what_fires_anew_after_a_refusal_is_tried_anew_with_no_cooldown_in_its_way() {
    let server = Server::of("run", ALLOWED);
    server.send(&group(&[alert("orders", "firing")]));
    *server.hand.answer.lock().unwrap() = Some(Problem::new(409, 13, "database/orders is held"));
    server.work();
    *server.hand.answer.lock().unwrap() = None;
    let mut later = alert("orders", "firing");
    later["startsAt"] = json!("2026-11-23T05:00:00Z");
    server.send(&group(&[later]));
    assert!(!server.work());
    assert_eq!(server.begun().len(), 2);
    assert!(server.became()[0].contains("has begun"), "{:?}", server.became());
}

#[test]
fn what_is_not_allowed_is_noted_and_starts_nothing() {
    for (mode, triggers) in [
        ("run", ""),
        ("run", "triggers: { modes: [ask], inputs: [cluster] }\n"),
        ("run", "triggers: { modes: [run] }\n"),
    ] {
        let server = Server::of(mode, triggers);
        server.send(&group(&[alert("orders", "firing")]));
        assert!(!server.work());
        assert!(server.begun().is_empty(), "{triggers}");
        assert_eq!(server.incident().1, ["opened", "alert", "noted"], "{triggers}");
        server.send(&group(&[alert("orders", "firing"), alert("stocks", "resolved")]));
        assert!(!server.work());
        assert_eq!(server.incident().1, ["opened", "alert", "noted"], "told once");
    }
}
