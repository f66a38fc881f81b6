//! What a target was not told yet: that it is found, however many runs there were, and that none is left out.

use rusqlite::{StatementStatus, params};

use super::super::sqlite::UNTOLD;
use super::*;
use crate::ids::IncidentId;
use crate::incident::{IncidentEvent, Opening};

const TARGET: &str = "ops";

fn open(folder: &tempfile::TempDir) -> SqliteJournal {
    SqliteJournal::open(folder.path()).unwrap()
}

/// So many runs that have ended long ago and were told whole, as the tables hold them.
fn history(journal: &SqliteJournal, runs: usize) {
    let fill = format!(
        "CREATE TEMP TABLE n AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {runs}) SELECT i FROM n;
         INSERT INTO runs (run, playbook, version, started, updated, verdict, stopped, head_seq, head_hash)
         SELECT 'old-' || i, 'p', '1', 10, 10, 'succeeded', 0, 9, '' FROM n;
         INSERT INTO outbox_queue (subject) SELECT 'run:old-' || i FROM n;
         INSERT INTO outbox_deliveries (target, subject, told_seq, told_at, attempts, next_at, claimed_until)
         SELECT '{TARGET}', 'run:old-' || i, 9, 10, 0, 0, 0 FROM n;"
    );
    journal.connection.execute_batch(&fill).unwrap();
}

/// The runs of which the target was not told all, with up to where it was.
fn untold(journal: &mut SqliteJournal) -> Vec<(String, u64)> {
    let found = journal.untold(TARGET).unwrap();
    found.into_iter().map(|one| (one.subject.to_string(), one.cursor.told)).collect()
}

fn claim(name: &str) -> Claim {
    let until = Time(9_000_000);
    Claim { target: TARGET.to_owned(), subject: Subject::Run(run(name)), by: "me".to_owned(), until }
}

fn tell(journal: &mut SqliteJournal, name: &str, told: u64, to: u64) {
    let seen = (told > 0).then_some("me");
    assert_eq!(journal.claim(&claim(name), told, seen, Pace::FREE, Time(2000)).unwrap(), Turn::Now);
    assert!(journal.told(&claim(name), to, None, false, Time(2000)).unwrap());
}

/// How many steps SQLite takes to find what is due.
fn cost(journal: &SqliteJournal) -> i32 {
    let mut statement = journal.connection.prepare(UNTOLD).unwrap();
    let settled: i64 =
        journal.connection.query_row("SELECT settled FROM outbox_targets", [], |row| row.get(0)).unwrap();
    let mut rows = statement.query(params![TARGET, 0, settled]).unwrap();
    while rows.next().unwrap().is_some() {}
    drop(rows);
    statement.get_status(StatementStatus::VmStep)
}

#[test]
fn what_is_due_is_found_as_fast_after_ten_thousand_runs_as_after_ten() {
    let costs = [10, 10_000].map(|runs| {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = open(&folder);
        journal.know(TARGET, Time(0)).unwrap();
        history(&journal, runs);
        assert_eq!(untold(&mut journal), [], "all of it was told");
        let lease = begin(&mut journal, "r1", &[]);
        assert_eq!(untold(&mut journal), [("run:r1".to_owned(), 0)]);
        append(&mut journal, &lease, ended()).unwrap();
        assert_eq!(untold(&mut journal), [("run:r1".to_owned(), 0)]);
        cost(&journal)
    });
    assert!(costs[1] <= costs[0] && costs[0] < 1500, "{costs:?}");
}

#[test]
fn one_that_fails_keeps_its_place_and_holds_up_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = open(&folder);
    journal.know(TARGET, Time(0)).unwrap();
    let lease = begin(&mut journal, "r1", &[]);
    append(&mut journal, &lease, ended()).unwrap();
    history(&journal, 500);
    assert_eq!(untold(&mut journal), [("run:r1".to_owned(), 0)]);
    assert_eq!(untold(&mut journal), [("run:r1".to_owned(), 0)], "it is not passed over with those around it");
}

#[test]
fn what_was_given_up_is_out_of_the_way_is_shown_and_comes_back_when_it_is_put_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = open(&folder);
    journal.know(TARGET, Time(0)).unwrap();
    let lease = begin(&mut journal, "r1", &[]);
    append(&mut journal, &lease, ended()).unwrap();
    assert_eq!(journal.claim(&claim("r1"), 0, None, Pace::FREE, Time(2000)).unwrap(), Turn::Now);
    let gone = Undelivered { why: "410".to_owned(), again: None, quiet_until: None };
    assert!(journal.undelivered(&claim("r1"), &gone, Time(2000)).unwrap());
    history(&journal, 10_000);
    assert_eq!(untold(&mut journal), []);
    assert!(cost(&journal) < 1500, "{}", cost(&journal));
    for standings in [journal.standings().unwrap(), journal.standings_of(TARGET).unwrap()] {
        assert_eq!(standings.len(), 1);
        assert_eq!(standings[0].subject, Subject::Run(run("r1")));
        assert!(standings[0].cursor.dead_at.is_some());
    }
    assert_eq!(journal.put_back(None, None, "ann", Time(3000)).unwrap(), 1);
    assert_eq!(untold(&mut journal), [("run:r1".to_owned(), 0)]);
    tell(&mut journal, "r1", 0, 3);
    assert_eq!(untold(&mut journal), []);
    assert!(journal.standings().unwrap().is_empty());
}

#[test]
fn a_journal_of_form_6_is_brought_up_with_all_that_was_not_told() {
    let folder = tempfile::tempdir().unwrap();
    let connection = rusqlite::Connection::open(SqliteJournal::file_in(folder.path())).unwrap();
    for form in [
        include_str!("../sqlite/schema.sql"),
        include_str!("../sqlite/form-2.sql"),
        include_str!("../sqlite/form-3.sql"),
        include_str!("../sqlite/form-4.sql"),
        include_str!("../sqlite/form-5.sql"),
        include_str!("../sqlite/form-6.sql"),
        "INSERT INTO runs (run, playbook, version, started, updated, verdict, stopped, head_seq, head_hash)
         VALUES ('whole', 'p', '1', 10, 10, 'failed', 0, 9, ''), ('ended', 'p', '1', 11, 11, 'failed', 0, 9, ''),
         ('open', 'p', '1', 12, 12, NULL, 0, 9, '');
         INSERT INTO outbox_targets (target, since) VALUES ('ops', 0);
         INSERT INTO outbox_deliveries (target, subject, told_seq, told_at, attempts, next_at, claimed_until)
         VALUES ('ops', 'run:whole', 9, 10, 0, 0, 0);",
    ] {
        connection.execute_batch(form).unwrap();
    }
    connection.pragma_update(None, "application_id", 0x706c_626b).unwrap();
    connection.pragma_update(None, "user_version", 6).unwrap();
    drop(connection);
    assert_eq!(untold(&mut open(&folder)), [("run:ended".to_owned(), 0), ("run:open".to_owned(), 0)]);
}

#[test]
fn each_record_of_an_incident_is_due_until_it_was_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = open(&folder);
    journal.know(TARGET, Time(0)).unwrap();
    let incident: IncidentId = "inc-1".parse().unwrap();
    let opening = Opening::new("down", crate::incident::Severity::P1, "it is");
    journal.open_as(&incident, opening, "ann", Time(1000)).unwrap();
    history(&journal, 500);
    let of = |told| vec![("incident:inc-1".to_owned(), told)];
    assert_eq!((untold(&mut journal), untold(&mut journal)), (of(0), of(0)));
    let claim = Claim { subject: Subject::Incident(incident.clone()), ..claim("r1") };
    assert_eq!(journal.claim(&claim, 0, None, Pace::FREE, Time(2000)).unwrap(), Turn::Now);
    assert!(journal.told(&claim, 1, None, false, Time(2000)).unwrap());
    assert_eq!(untold(&mut journal), []);
    history_goes_on(&journal);
    assert_eq!(untold(&mut journal), [], "it is settled");
    let note = IncidentEvent::Noted { text: "it is the disk".to_owned() };
    journal.append_to(&incident, "ann", Time(3000), note).unwrap();
    assert_eq!(untold(&mut journal), of(1));
    let standings = journal.standings().unwrap();
    assert_eq!((standings[0].name.as_str(), standings[0].head), ("down", 2));
    let read = journal.some_records(&Subject::Incident(incident), 1, 9).unwrap();
    assert!(matches!(read.as_slice(), [News::Incident(record)] if record.seq == 2), "{read:?}");
}

/// So much comes behind that what was before is settled.
fn history_goes_on(journal: &SqliteJournal) {
    let more = "INSERT INTO outbox_queue (subject) SELECT subject FROM outbox_queue WHERE subject LIKE 'run:%'";
    journal.connection.execute_batch(more).unwrap();
}
