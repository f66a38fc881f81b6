//! What an incident's timeline tells of deliveries, and that what is damaged hides nothing before it and nothing of others.

use super::*;
use crate::engine::holder;
use crate::incident::{IncidentEvent, Opening, Severity};
use crate::journal::{
    Claim, Incidents as _, Journal as _, Outbox as _, Pace, SqliteJournal, Subject, Turn, Undelivered,
};
use crate::run::Event;
use crate::run::samples::started;

/// An incident with three notes and a run of it that has ended.
struct Stage {
    folder: tempfile::TempDir,
    journal: SqliteJournal,
    incident: IncidentId,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = SqliteJournal::open(folder.path()).unwrap();
        let incident: IncidentId = "INC-7".parse().unwrap();
        journal.open_as(&incident, Opening::new("down", Severity::P1, "it is"), "ann", Time(1000)).unwrap();
        for number in 1..=3 {
            let note = IncidentEvent::Noted { text: format!("note {number}") };
            journal.append_to(&incident, "ann", Time(1000 + number * 1000), note).unwrap();
        }
        let (lease, _) = journal.begin(&run(), started("INC-7"), &holder::this_process(), "ann", Time(2500)).unwrap();
        let note = Event::Note { message: "on its way".to_owned() };
        journal.append(&lease, "ann", Time(3500), vec![note], &[]).unwrap();
        Self { folder, journal, incident }
    }

    fn damage(&self, how: &str) {
        let connection = rusqlite::Connection::open(SqliteJournal::file_in(self.folder.path())).unwrap();
        connection.execute_batch(how).unwrap();
    }

    fn entries(&mut self) -> Vec<Entry> {
        let mut timeline = IncidentTimeline::of(&mut self.journal, &self.incident).unwrap();
        std::iter::from_fn(|| timeline.next(&mut self.journal).unwrap()).collect()
    }

    /// Each entry as its kind, those of the run alone or all others.
    fn kinds(&mut self, of_run: bool) -> Vec<&'static str> {
        let all = self.entries().into_iter().filter(|entry| matches!(entry.of, Of::Run(_)) == of_run);
        all.map(|entry| entry.kind).collect()
    }
}

fn run() -> RunId {
    "r-1".parse().unwrap()
}

#[test]
fn what_is_told_of_an_incident_ends_at_the_record_that_is_damaged() {
    for damage in [
        "UPDATE incident_records SET event = 'nonsense' WHERE seq = 3",
        "UPDATE incident_records SET hash = 'x' WHERE seq = 3",
        "UPDATE incident_records SET previous = 'x' WHERE seq = 3",
        "DELETE FROM incident_records WHERE seq = 3",
    ] {
        let mut stage = Stage::new();
        let whole = stage.kinds(true);
        stage.damage(damage);
        assert_eq!(stage.kinds(false), ["opened", "noted", "damaged"], "{damage}");
        assert_eq!(stage.kinds(true), whole, "{damage}");
        let entries = stage.entries();
        let damaged = entries.iter().find(|entry| entry.kind == "damaged").unwrap();
        assert!(damaged.seq == 3 && damaged.time >= Time(2000) && damaged.text.contains("INC-7"), "{damaged:?}");
    }
}

#[test]
fn an_incident_whose_opening_is_damaged_says_so_first_and_tells_its_runs() {
    let mut stage = Stage::new();
    stage.damage("UPDATE incident_records SET event = 'nonsense' WHERE seq = 1");
    assert_eq!(stage.kinds(false), ["damaged"]);
    assert_eq!(stage.entries()[0].kind, "damaged");
    assert_eq!(stage.kinds(true).last(), Some(&"note"));
}

#[test]
fn an_incident_whose_opening_is_damaged_still_tells_to_whom_it_was_delivered() {
    let mut stage = Stage::new();
    stage.damage(
        "INSERT INTO outbox_log (target, subject, what, from_seq, to_seq, at, ended, attempts)
         VALUES ('ops', 'incident:INC-7', 'told', 1, 4, 1500, 1500, 1);
         UPDATE incident_records SET event = 'nonsense' WHERE seq = 1",
    );
    assert_eq!(stage.kinds(false), ["damaged", "delivery"]);
    let entries = stage.entries();
    let times: Vec<Time> = entries.iter().map(|entry| entry.time).collect();
    assert!(entries[0].kind == "damaged" && times.is_sorted(), "{times:?}");
    assert_eq!(entries[1].text, "records 1 to 4 of the incident were delivered to ops");
}

#[test]
fn what_a_run_tells_ends_at_its_record_that_is_damaged() {
    let mut stage = Stage::new();
    stage.damage("UPDATE records SET hash = 'x' WHERE seq = 3");
    assert_eq!(stage.kinds(true), ["run_started", "lease_taken", "damaged"]);
}

#[test]
fn what_was_delivered_given_up_and_put_back_stands_between_the_rest() {
    let mut stage = Stage::new();
    let outbox = &mut stage.journal;
    outbox.know("ops", Time(0)).unwrap();
    let subject = Subject::Run(run());
    let claim = Claim { target: "ops".to_owned(), subject: subject.clone(), by: "me".to_owned(), until: Time(99_000) };
    assert_eq!(outbox.claim(&claim, 0, None, Pace::FREE, Time(2600)).unwrap(), Turn::Now);
    assert!(outbox.told(&claim, 1, None, false, Time(2600)).unwrap());
    assert!(outbox.told(&claim, 2, None, false, Time(4600)).unwrap());
    let gone = Undelivered { why: "410".to_owned(), again: None, quiet_until: None };
    assert!(outbox.undelivered(&claim, &gone, Time(4700)).unwrap());
    outbox.put_back(None, None, "bob", Time(4800)).unwrap();
    let entries = stage.entries();
    let times: Vec<Time> = entries.iter().map(|entry| entry.time).collect();
    assert!(times.is_sorted(), "{times:?}");
    let told: Vec<&Entry> = entries.iter().filter(|entry| entry.kind == "delivery").collect();
    assert!(told.iter().all(|entry| entry.of == Of::Delivery("ops".to_owned())));
    let texts: Vec<&str> = told.iter().map(|entry| entry.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "records 1 to 2 of run r-1 were delivered to ops, the last 2 s later",
            "run r-1 was given up for ops at record 3, after 1 attempt: 410",
            "run r-1 was put back for ops, from record 3 on",
        ]
    );
    assert_eq!(told[2].actor, "bob");
    assert_eq!(
        told[1].detail,
        json!({ "what": "given_up", "run": "r-1", "from": 3, "to": 3, "until_ms": 4700, "attempts": 1, "why": "410" })
    );
}

#[test]
fn many_deliveries_are_read_some_at_a_time() {
    let mut stage = Stage::new();
    stage.damage(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
         INSERT INTO outbox_log (target, subject, what, from_seq, to_seq, at, ended, attempts)
         SELECT 'ops', 'run:r-1', 'told', i, i, 3000 + i, 3000 + i, 1 FROM n",
    );
    assert_eq!(stage.kinds(false).iter().filter(|kind| **kind == "delivery").count(), 1000);
}
