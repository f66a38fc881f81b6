//! What each store must keep of incidents: chains, what makes no sense, runs that say where they belong, damage, old files.

use std::path::Path;

use super::*;
use crate::ids::IncidentId;
use crate::incident::{IncidentEvent, IncidentRecord, Opening, Severity, Standing};

fn id(name: &str) -> IncidentId {
    name.parse().unwrap()
}

fn opening(title: &str) -> Opening {
    Opening::new(title, Severity::P1, "said so")
}

fn noted(text: &str) -> IncidentEvent {
    IncidentEvent::Noted { text: text.to_owned() }
}

fn over(reason: &str) -> IncidentEvent {
    IncidentEvent::Resolved { reason: reason.to_owned() }
}

fn add(journal: &mut dyn Kept, of: &IncidentId, event: IncidentEvent) -> Result<IncidentRecord, JournalError> {
    journal.append_to(of, "bob", Time(2000), event)
}

/// Does the same with each store.
fn each_store(work: impl Fn(&mut dyn Kept)) {
    work(&mut MemoryJournal::new());
    let folder = tempfile::tempdir().unwrap();
    work(&mut SqliteJournal::open(folder.path()).unwrap());
}

/// The start of a run that belongs to an incident.
fn started_in(incident: &IncidentId) -> Event {
    let Event::RunStarted { plan, locks, format, tool, overrides, approved, .. } = started(&[]) else { unreachable!() };
    Event::RunStarted { plan, locks, incident: Some(incident.to_string()), format, tool, overrides, approved }
}

#[test]
fn an_incident_is_opened_told_and_ended() {
    each_store(|journal| {
        let incident = journal.open(opening("down"), "ann", Time(1_795_360_830_000)).unwrap();
        assert!(incident.as_str().starts_with("inc-20261122-"), "{incident}");
        assert_eq!(add(journal, &incident, noted("it is the disk")).unwrap().seq, 2);
        add(journal, &incident, over("it answers")).unwrap();
        let known = journal.incident(&incident).unwrap();
        assert_eq!((known.brief.standing, known.brief.since, known.notes), (Standing::Resolved, Time(2000), 1));
        let rows = journal.incidents().unwrap();
        assert_eq!((rows.len(), &rows[0].brief, &rows[0].damaged), (1, &known.brief, &None));
        let records = journal.records_of(&incident, 1).unwrap();
        assert_eq!(records.iter().map(|record| record.seq).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(journal.some_records_of(&incident, 0, 2).unwrap().len(), 2);
        let verified = journal.verify_incident(&incident).unwrap();
        assert_eq!((verified.records, verified.head, verified.broken), (3, Some(known.brief.head), None));
    });
}

#[test]
fn what_makes_no_sense_is_not_written() {
    each_store(|journal| {
        let incident = id("inc-1");
        assert!(matches!(add(journal, &incident, noted("x")), Err(JournalError::NoSuchIncident(_))));
        assert!(matches!(journal.incident(&incident), Err(JournalError::NoSuchIncident(_))));
        assert!(matches!(journal.verify_incident(&incident), Err(JournalError::NoSuchIncident(_))));
        let unnamed = journal.open_as(&incident, opening(" "), "ann", Time(1));
        assert!(matches!(unnamed, Err(JournalError::NotNow { .. })), "{unnamed:?}");
        journal.open_as(&incident, opening("down"), "ann", Time(1)).unwrap();
        assert!(matches!(journal.open_as(&incident, opening("b"), "ann", Time(2)), Err(JournalError::NotNow { .. })));
        add(journal, &incident, over("")).unwrap();
        let twice = add(journal, &incident, over("")).unwrap_err();
        assert_eq!(twice.to_string(), "nothing was added to incident inc-1: it is resolved already");
        add(journal, &incident, noted("and the journal works on")).unwrap();
        assert_eq!(journal.verify_incident(&incident).unwrap().records, 3);
    });
}

#[test]
fn its_runs_are_those_that_say_so() {
    each_store(|journal| {
        let (ours, elsewhere) = (id("inc-1"), id("INC-7"));
        journal.open_as(&ours, opening("down"), "ann", Time(1)).unwrap();
        assert_eq!(journal.runs_of(&ours).unwrap(), []);
        for (name, of) in [("r2", &ours), ("r1", &ours), ("r3", &elsewhere)] {
            journal.begin(&run(name), started_in(of), &holder(1), "ann", Time(1000)).unwrap();
        }
        let names = |journal: &mut dyn Kept, of: &IncidentId| -> Vec<String> {
            journal.runs_of(of).unwrap().iter().map(|row| row.run.to_string()).collect()
        };
        assert_eq!(names(journal, &ours), ["r1", "r2"]);
        assert_eq!(names(journal, &elsewhere), ["r3"], "also of one that is none of ours");
        let all = still(journal.runs().unwrap());
        assert!(all.contains(&still(journal.runs_of(&elsewhere).unwrap())[0]), "with all that the list of runs has");
    });
}

#[test]
fn a_dying_store_has_either_all_of_an_opening_or_nothing() {
    for writes in 0..4 {
        let mut journal = MemoryJournal::new();
        let (incident, mut view) = (id("inc-1"), journal.reopen());
        view.fail_after(Some(writes));
        let opened = view.open_as(&incident, opening("down"), "ann", Time(1)).is_ok();
        let began = opened && view.begin(&run("r1"), started_in(&incident), &holder(1), "ann", Time(2)).is_ok();
        assert_eq!((opened, began), (writes > 0, writes > 1));
        assert_eq!(journal.incidents().unwrap().len(), usize::from(opened));
        assert_eq!(journal.runs_of(&incident).unwrap().len(), usize::from(began));
        if opened {
            assert_eq!(journal.verify_incident(&incident).unwrap().broken, None);
        }
    }
}

#[test]
fn two_that_append_at_once_make_one_chain() {
    let folder = tempfile::tempdir().unwrap();
    let incident = id("inc-1");
    SqliteJournal::open(folder.path()).unwrap().open_as(&incident, opening("down"), "ann", Time(1)).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut journal = SqliteJournal::open(folder.path()).unwrap();
                (0..10).for_each(|number| drop(add(&mut journal, &incident, noted(&number.to_string())).unwrap()));
            });
        }
    });
    let verified = SqliteJournal::open(folder.path()).unwrap().verify_incident(&incident).unwrap();
    assert_eq!((verified.records, verified.broken), (41, None));
}

#[test]
fn damage_is_found_and_hides_no_other() {
    for query in [
        "UPDATE incident_records SET event = replace(event, 'disk', 'disc') WHERE seq = 2 AND incident = 'inc-1'",
        "UPDATE incident_records SET actor = 'eve' WHERE seq = 2 AND incident = 'inc-1'",
        "UPDATE incident_records SET time = time + 1 WHERE seq = 3 AND incident = 'inc-1'",
        "DELETE FROM incident_records WHERE seq = 2 AND incident = 'inc-1'",
        "DELETE FROM incident_records WHERE seq = 3 AND incident = 'inc-1'",
        "DELETE FROM incident_records WHERE incident = 'inc-1'",
        "DELETE FROM incidents WHERE incident = 'inc-1'",
        "UPDATE incidents SET severity = 'P3' WHERE incident = 'inc-1'",
        "UPDATE incidents SET standing = 'open' WHERE incident = 'inc-1'",
        "UPDATE incidents SET severity = 'P9' WHERE incident = 'inc-1'",
        "UPDATE incidents SET owner = CAST(x'ff' AS TEXT) WHERE incident = 'inc-1'",
        "UPDATE incident_records SET event = CAST(x'ff' AS TEXT) WHERE seq = 2 AND incident = 'inc-1'",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = SqliteJournal::open(folder.path()).unwrap();
        for name in ["inc-1", "inc-2"] {
            journal.open_as(&id(name), opening("down"), "ann", Time(1)).unwrap();
            add(&mut journal, &id(name), noted("it is the disk")).unwrap();
            add(&mut journal, &id(name), over("it answers")).unwrap();
        }
        assert_eq!(journal.verify_incident(&id("inc-1")).unwrap().broken, None);
        journal.connection.execute_batch(&format!("PRAGMA foreign_keys = OFF; {query}")).unwrap();
        assert!(journal.verify_incident(&id("inc-1")).unwrap().broken.is_some(), "{query}");
        assert_eq!(journal.verify_incident(&id("inc-2")).unwrap().broken, None, "{query}");
        assert!(journal.incidents().unwrap().iter().any(|row| row.incident == id("inc-2")), "{query}");
        assert_eq!(journal.incident(&id("inc-2")).unwrap().notes, 1);
    }
}

/// Rows without how long their leases were idle, which is another moment later.
fn still(mut rows: Vec<RunRow>) -> Vec<RunRow> {
    rows.iter_mut().for_each(|row| row.lease.idle = None);
    rows
}

fn old(folder: &Path) {
    let old = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/journals/format-2.sqlite3");
    std::fs::copy(old, SqliteJournal::file_in(folder)).unwrap();
}

#[test]
fn a_file_of_form_2_is_read_as_it_is_and_brought_up_when_it_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    old(folder.path());
    let mut read = SqliteJournal::open_read_only(folder.path()).unwrap().unwrap();
    let runs = still(read.runs().unwrap());
    assert!(!runs.is_empty() && read.incidents().unwrap().is_empty());
    assert!(matches!(read.incident(&id("inc-1")), Err(JournalError::NoSuchIncident(_))));
    assert!(matches!(read.verify_incident(&id("inc-1")), Err(JournalError::NoSuchIncident(_))));
    drop(read);
    let mut journal = SqliteJournal::open(folder.path()).unwrap();
    assert_eq!(still(journal.runs().unwrap()), runs);
    let incident = journal.open(opening("down"), "ann", Time(1)).unwrap();
    assert_eq!(journal.incidents().unwrap()[0].incident, incident);
    for row in runs {
        assert_eq!(journal.verify(&row.run).unwrap().broken, None);
    }
}
