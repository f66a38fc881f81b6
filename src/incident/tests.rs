//! The fold, the matrix and the merge, held to what must always be so.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::config::{IncidentSettings, Matrix, SeverityRule};
use crate::ids::IncidentId;
use crate::run::Time;

fn id() -> IncidentId {
    "inc-20261122-152030-k3f9".parse().unwrap()
}

fn opening() -> IncidentEvent {
    IncidentEvent::Opened(Opening::new("the orders database is down", Severity::P1, "said so"))
}

/// Chains an event to what is there, whether it makes sense or not.
fn chained(records: &[IncidentRecord], time: i64, event: IncidentEvent) -> IncidentRecord {
    let (seq, previous) =
        records.last().map_or((1, IncidentRecord::genesis(&id())), |last| (last.seq + 1, last.hash.clone()));
    let text = serde_json::to_string(&event).unwrap();
    let hash = IncidentRecord::hash_of(&previous, seq, Time(time), "ann", &text);
    IncidentRecord { seq, time: Time(time), actor: "ann".to_owned(), previous, hash, event }
}

fn of(events: Vec<IncidentEvent>) -> Vec<IncidentRecord> {
    let mut records = Vec::new();
    for (number, event) in events.into_iter().enumerate() {
        records.push(chained(&records, number as i64, event));
    }
    records
}

fn reason() -> String {
    "because".to_owned()
}

fn any_event() -> impl Strategy<Value = IncidentEvent> {
    prop_oneof![
        "[a-z数]{0,9}".prop_map(|text| IncidentEvent::Noted { text }),
        proptest::option::of("[a-z]{1,5}").prop_map(|owner| IncidentEvent::Assigned { owner, reason: reason() }),
        (0..4_usize).prop_map(|at| IncidentEvent::SeverityChanged { severity: Severity::ALL[at], reason: reason() }),
        ("[ab]", any::<bool>()).prop_map(|(fingerprint, fires)| IncidentEvent::Alert {
            source: "alertmanager".to_owned(),
            fingerprint,
            state: if fires { AlertState::Firing } else { AlertState::Resolved },
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            since: Some(Time(4)),
        }),
        "[ab]".prop_map(|playbook| IncidentEvent::Proposed {
            playbook,
            version: None,
            inputs: serde_json::Map::new(),
            why: reason(),
        }),
        Just(IncidentEvent::Resolved { reason: reason() }),
        Just(IncidentEvent::Closed { reason: reason() }),
        Just(IncidentEvent::Reopened { reason: reason() }),
        Just(opening()),
    ]
}

/// What makes sense, said once more and in another way.
fn makes_sense(standing: Standing, event: &IncidentEvent) -> bool {
    let closed = standing == Standing::Closed;
    match event {
        IncidentEvent::Opened(_) => false,
        IncidentEvent::Noted { text } => !text.is_empty(),
        IncidentEvent::Alert { .. } => true,
        IncidentEvent::Resolved { .. } => standing == Standing::Open,
        IncidentEvent::Reopened { .. } => standing != Standing::Open,
        IncidentEvent::Assigned { .. }
        | IncidentEvent::SeverityChanged { .. }
        | IncidentEvent::Proposed { .. }
        | IncidentEvent::Closed { .. } => !closed,
    }
}

proptest! {
    /// Whatever is tried: what is allowed is taken by the fold and read back the same, what is not is refused by both.
    #[test]
    fn what_is_allowed_is_what_the_fold_takes(events in proptest::collection::vec(any_event(), 0..30)) {
        let mut records = of(vec![opening()]);
        let mut incident = Incident::begin(&id(), &records[0]).unwrap();
        for event in events {
            let before = incident.clone();
            let allowed = incident.brief.allows(&event).is_ok();
            prop_assert_eq!(allowed, makes_sense(incident.brief.standing, &event), "{:?}", event);
            let record = chained(&records, 5, event);
            prop_assert_eq!(incident.apply(&record).is_ok(), allowed, "{:?}", record.event);
            if allowed {
                records.push(record);
            } else {
                prop_assert_eq!(&incident, &before);
            }
        }
        prop_assert_eq!(&Incident::replay(&id(), &records).unwrap(), &incident);
        for record in &records {
            let text = serde_json::to_string(&record.event).unwrap();
            prop_assert_eq!(&serde_json::from_str::<IncidentEvent>(&text).unwrap(), &record.event);
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&value["event"], kind(&record.event));
        }
        // Without any one of its records it makes no sense.
        for left_out in 0..records.len() - 1 {
            let mut some = records.clone();
            some.remove(left_out);
            prop_assert!(Incident::replay(&id(), &some).is_err(), "without {}", left_out + 1);
        }
    }

    /// All entries come, those of one source in their order; by time, where no clock was set back.
    #[test]
    fn a_merge_loses_nothing_and_keeps_each_order(
        times in proptest::collection::vec(proptest::collection::vec(0..50_i64, 0..12), 0..6),
        sorted in any::<bool>(),
    ) {
        let mut lists = times;
        if sorted {
            lists.iter_mut().for_each(|list| list.sort_unstable());
        }
        let mut merge = merge_of(&lists);
        let mut got: Vec<(String, u64, i64)> = Vec::new();
        while let Some(entry) = merge.next(&mut ()).unwrap() {
            got.push((entry.actor, entry.seq, entry.time.0));
        }
        prop_assert!(merge.held <= lists.len());
        prop_assert_eq!(got.len(), lists.iter().map(Vec::len).sum::<usize>());
        for (number, list) in lists.iter().enumerate() {
            let own = got.iter().filter(|(of, ..)| *of == number.to_string()).map(|(_, seq, _)| *seq);
            prop_assert!(own.eq(1..=list.len() as u64));
        }
        if sorted {
            prop_assert!(got.windows(2).all(|pair| (pair[0].2, &pair[0].0) <= (pair[1].2, &pair[1].0)));
        }
    }
}

struct List {
    begins: Time,
    left: VecDeque<Entry>,
}

impl Source<(), String> for List {
    fn begins(&self) -> Time {
        self.begins
    }

    fn next(&mut self, (): &mut ()) -> Result<Option<Entry>, String> {
        Ok(self.left.pop_front())
    }
}

fn merge_of(lists: &[Vec<i64>]) -> Merge<'static, (), String> {
    let list = |(number, times): (usize, &Vec<i64>)| {
        let entry = |(at, time): (usize, &i64)| Entry {
            of: Of::Incident,
            seq: at as u64 + 1,
            time: Time(*time),
            actor: number.to_string(),
            step: None,
            item: None,
            kind: "note",
            text: String::new(),
            detail: serde_json::Value::Null,
        };
        let left: VecDeque<Entry> = times.iter().enumerate().map(entry).collect();
        let begins = left.front().map_or(Time(0), |first| first.time);
        Box::new(List { begins, left }) as Box<dyn Source<(), String> + Send>
    };
    Merge::of(lists.iter().enumerate().map(list).collect())
}

#[test]
fn a_source_is_not_read_before_its_time() {
    struct Late(bool);
    impl Source<Vec<&'static str>, String> for Late {
        fn begins(&self) -> Time {
            Time(if self.0 { 10 } else { 0 })
        }
        fn next(&mut self, read: &mut Vec<&'static str>) -> Result<Option<Entry>, String> {
            read.push(if self.0 { "late" } else { "early" });
            if self.0 { Err("it is damaged".to_owned()) } else { Ok(None) }
        }
    }
    let mut read = Vec::new();
    let mut merge = Merge::of(vec![Box::new(Late(true)) as _, Box::new(Late(false)) as _]);
    assert_eq!(merge.next(&mut read).unwrap_err(), "it is damaged");
    assert_eq!(read, ["early", "late"]);
    assert!(merge.next(&mut read).unwrap().is_none(), "one that failed is not asked again");
}

#[test]
fn a_resolved_incident_opens_again_and_a_closed_one_takes_notes() {
    let no = String::new;
    let mut records = of(vec![
        opening(),
        IncidentEvent::Resolved { reason: no() },
        IncidentEvent::Reopened { reason: "it came back".to_owned() },
        IncidentEvent::Closed { reason: no() },
        IncidentEvent::Noted { text: "for the review".to_owned() },
    ]);
    let incident = Incident::replay(&id(), &records).unwrap();
    assert_eq!((incident.brief.standing, incident.brief.since, incident.notes), (Standing::Closed, Time(3), 1));
    records.push(chained(&records, 9, IncidentEvent::Assigned { owner: None, reason: no() }));
    let refused = Incident::replay(&id(), &records).unwrap_err().to_string();
    assert_eq!(refused, "record 6 cannot stand there: it is closed");
}

#[test]
fn the_records_of_another_incident_or_of_a_newer_form_are_refused() {
    let records = of(vec![opening()]);
    assert!(Incident::begin(&"INC-7".parse().unwrap(), &records[0]).is_err());
    let IncidentEvent::Opened(mut newer) = opening() else { unreachable!() };
    newer.format = INCIDENT_FORMAT + 1;
    let refused = Incident::begin(&id(), &of(vec![IncidentEvent::Opened(newer)])[0]).unwrap_err();
    assert!(refused.to_string().contains("newer playbook"), "{refused}");
}

#[test]
fn the_same_wish_stands_once_and_an_alert_as_it_was_said_last() {
    let proposed = |playbook: &str, why: &str| IncidentEvent::Proposed {
        playbook: playbook.to_owned(),
        version: None,
        inputs: serde_json::Map::new(),
        why: why.to_owned(),
    };
    let alert = |state| IncidentEvent::Alert {
        source: "am".to_owned(),
        fingerprint: "f".to_owned(),
        state,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        since: None,
    };
    let records = of(vec![
        opening(),
        proposed("a", "first"),
        proposed("b", "other"),
        proposed("a", "again"),
        alert(AlertState::Firing),
        alert(AlertState::Resolved),
    ]);
    let incident = Incident::replay(&id(), &records).unwrap();
    let wishes: Vec<&str> = incident.proposals.iter().map(|one| one.why.as_str()).collect();
    assert_eq!(wishes, ["other", "again"]);
    assert_eq!((incident.alerts.len(), incident.firing().count()), (1, 0));
}

#[test]
fn labels_go_before_impact_and_urgency() {
    let labels = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let rule = |pairs: &[(&str, &str)], severity| SeverityRule { labels: labels(pairs), severity };
    let settings = IncidentSettings {
        matrix: Matrix::default(),
        rules: vec![
            rule(&[("service", "/^pay/"), ("env", "production")], Severity::P0),
            rule(&[("env", "production")], Severity::P1),
        ],
        owner: None,
    };
    let low = Levels { impact: Some(Level::Low), urgency: Some(Level::Low) };
    let of = |pairs: &[(&str, &str)]| classify(&settings, &labels(pairs), &[], None, low);
    assert_eq!(of(&[("service", "payments"), ("env", "production")]).0, Severity::P0);
    assert_eq!(of(&[("env", "production")]), (Severity::P1, "a rule for env=production".to_owned()));
    assert_eq!(of(&[("service", "payments")]), (Severity::P3, "impact low, urgency low".to_owned()));
    let high = Levels { impact: Some(Level::High), urgency: None };
    let (severity, why) = classify(&settings, &labels(&[]), &[], None, high);
    assert_eq!((severity, why.as_str()), (Severity::P1, "impact high, urgency medium (nobody said)"));
    let by_service = |services: &[&str], pairs: &[(&str, &str)]| {
        let services: Vec<String> = services.iter().map(|name| (*name).to_owned()).collect();
        classify(&settings, &labels(pairs), &services, None, low)
    };
    let production = [("env", "production")];
    let (severity, why) = by_service(&["orders", "payments"], &production);
    assert_eq!((severity, why.as_str()), (Severity::P0, "a rule for env=production, service=payments"));
    assert_eq!(by_service(&["orders"], &production).0, Severity::P1);
    let said = [("env", "production"), ("service", "orders")];
    assert_eq!(by_service(&["payments"], &said).0, Severity::P1, "a label that was given counts");
    assert_eq!(by_service(&["payments"], &[]).0, Severity::P3, "no rule fits");
    // What it brings with itself goes behind a rule and before the matrix.
    let own = || Some((Severity::P2, "its own label".to_owned()));
    assert_eq!(classify(&settings, &labels(&production), &[], own(), low).0, Severity::P1);
    assert_eq!(classify(&settings, &labels(&[]), &[], own(), low), own().unwrap());
}

#[test]
fn who_opens_an_incident_and_says_how_severe_it_is_is_right() {
    let settings = IncidentSettings { owner: Some("dba".to_owned()), ..IncidentSettings::default() };
    let said = Said {
        title: "the orders database is down".to_owned(),
        severity: None,
        levels: Levels { impact: Some(Level::High), urgency: None },
        labels: BTreeMap::new(),
        services: vec!["orders".to_owned()],
        owner: None,
    };
    let opening = said.clone().opening(&settings, "ann");
    assert_eq!(
        (opening.severity, opening.owner.as_deref(), opening.impact),
        (Severity::P1, Some("dba"), Some(Level::High))
    );
    let sure = Said { severity: Some(Severity::P3), owner: Some("bob".to_owned()), ..said };
    let opening = sure.opening(&settings, "ann");
    assert_eq!(
        (opening.severity, opening.why.as_str(), opening.owner.as_deref()),
        (Severity::P3, "ann said so", Some("bob"))
    );
}

#[test]
fn every_event_has_a_sentence() {
    let records = of(vec![
        opening(),
        IncidentEvent::Assigned { owner: Some("bob".to_owned()), reason: String::new() },
        IncidentEvent::SeverityChanged { severity: Severity::P0, reason: "payments too".to_owned() },
    ]);
    let told: Vec<String> = records.iter().map(|record| entry(record).text).collect();
    assert_eq!(
        told,
        [
            "the incident is opened, P1 (said so): the orders database is down",
            "the incident is owned by bob from now on",
            "the incident is P0: payments too",
        ]
    );
    assert_eq!(entry(&records[2]).detail, serde_json::json!({ "severity": "P0", "reason": "payments too" }));
}
