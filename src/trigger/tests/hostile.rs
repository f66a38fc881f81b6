//! Bodies and headers of any form: none of them ends in a panic, and none proves anything.

use super::*;

/// JSON of any form, with the words that senders use.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("alerts"),
        Just("status"),
        Just("firing"),
        Just("resolved"),
        Just("labels"),
        Just("annotations"),
        Just("fingerprint"),
        Just("startsAt"),
        Just("version"),
        Just("4"),
        Just("event"),
        Just("event_type"),
        Just("incident.triggered"),
        Just("data"),
        Just("id"),
        Just("occurred_at"),
        Just("0001-01-01T00:00:00Z"),
        Just("9999-12-31T23:59:59.999999999Z"),
        Just("\u{202e}"),
        Just(""),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..6)
                .prop_map(|entries| Value::Object(entries.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::fuzz_cases(256), ..ProptestConfig::default() })]

    #[test]
    fn no_body_ends_in_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), body in any_json(), header in "\\PC{0,60}") {
        for kind in HookKind::ALL {
            let source = source(kind, &["whsec_YSBzZWNyZXQgbm9ib2R5IGtub3dz"]);
            let _ = source.read(&bytes);
            let text = body.to_string();
            if let Ok(delivery) = source.read(text.as_bytes()) {
                prop_assert!(delivery.alerts.len() <= 500 && !delivery.id.is_empty());
                let routes = routes(json!([{ "match": { "labels": { "a": "=~.*" } }, "playbook": "x", "mode": "run",
                    "inputs": { "i": "{{labels.a}}" } }])).unwrap();
                for alert in &delivery.alerts {
                    let _ = routes.route("m", &delivery.id, alert);
                }
            }
            let all = ["Authorization", "X-PagerDuty-Signature", "webhook-id", "webhook-timestamp", "webhook-signature",
                "X-Grafana-Alerting-Signature"];
            let headers = Headers::new(all.iter().map(|name| (*name, header.as_bytes())));
            let taken = source.receive(&headers, text.as_bytes(), jiff::Timestamp::UNIX_EPOCH);
            prop_assert!(matches!(taken, Err(TriggerError::Unproved { .. })), "{kind:?} {header:?} {taken:?}");
        }
    }
}
