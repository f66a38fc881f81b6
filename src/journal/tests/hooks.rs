//! Deliveries and claims: that each is there once, whoever brings it and whoever is killed meanwhile.

use std::sync::{Arc, Barrier};

use super::super::hooks::KEPT_BODY;
use super::*;

const MINUTE: i64 = 60_000;

fn open(folder: &tempfile::TempDir) -> SqliteJournal {
    SqliteJournal::open(folder.path()).unwrap()
}

fn claim(name: &str, scope: &str, id: &str) -> Firing {
    Firing {
        claim: Digest::of(name.as_bytes()),
        scope: Digest::of(scope.as_bytes()),
        cooldown: 600.0,
        run: run(id),
        source: "m".to_owned(),
        fingerprint: format!("fp-{name}"),
    }
}

#[test]
fn a_delivery_is_new_once_and_is_there_until_it_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = open(&folder);
    let Accepted::New(first) = journal.accept("m", "d1", b"{}", Time(1000)).unwrap() else { panic!("it is new") };
    let copy = journal.accept("m", "d1", b"{}", Time(2000)).unwrap();
    assert_eq!(copy, Accepted::Known { number: first, again: false });
    assert!(matches!(journal.accept("other", "d1", b"{}", Time(3000)), Ok(Accepted::New(_))), "another's delivery");
    // Another process, after the first was killed.
    drop(journal);
    let mut journal = open(&folder);
    let open: Vec<String> = journal.pending(10).unwrap().into_iter().map(|row| row.source).collect();
    assert_eq!(open, ["m", "other"]);
    journal.done(first, "nothing fits it", Time(4000)).unwrap();
    journal.done(first, "twice", Time(5000)).unwrap();
    let rows = journal.received(10).unwrap();
    assert_eq!(rows[1].done, Some((Time(4000), "nothing fits it".to_owned())), "the first word counts");
    assert_eq!(journal.pending(10).unwrap().len(), 1);
    assert_eq!(journal.accept("m", "d1", b"{}", Time(9000)).unwrap(), Accepted::Known { number: first, again: false });
}

#[test]
fn what_is_sent_again_for_want_of_an_answer_is_told_from_what_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = open(&folder);
    journal.accept("m", "d1", b"{}", Time(0)).unwrap();
    let mut again = |minutes: i64| match journal.accept("m", "d1", b"{}", Time(minutes * MINUTE)).unwrap() {
        Accepted::Known { again, .. } => again,
        other => panic!("{other:?}"),
    };
    // Alertmanager tries again within its `group_interval`, and repeats after its `repeat_interval`.
    let seen: Vec<bool> = [1, 4, 8, 13, 253, 254].into_iter().map(&mut again).collect();
    assert_eq!(seen, [false, false, false, true, true, false]);
}

/// Somebody else may write for long; whoever sends alerts tries again then.
fn as_a_sender(journal: &mut SqliteJournal, delivery: &str) -> Accepted {
    let mut tries = (0..10).map(|_| journal.accept("m", delivery, b"{}", Time(1000)));
    tries.find_map(Result::ok).expect("it is taken in the end")
}

#[test]
fn a_thousand_deliveries_of_which_32_bring_each_are_a_thousand() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(&folder));
    let (copies, deliveries) = (32, 1000);
    let barrier = Arc::new(Barrier::new(copies));
    let threads: Vec<_> = (0..copies)
        .map(|thread| {
            let (path, barrier) = (folder.path().to_path_buf(), Arc::clone(&barrier));
            std::thread::spawn(move || {
                let mut journal = SqliteJournal::open(&path).unwrap();
                barrier.wait();
                let mut new = 0;
                for place in 0..deliveries {
                    // Each begins elsewhere, and in the end all have brought the same.
                    let number = (place + thread * 31) % deliveries;
                    let accepted = as_a_sender(&mut journal, &format!("d{number}"));
                    new += usize::from(matches!(accepted, Accepted::New(_)));
                }
                new
            })
        })
        .collect();
    let new: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert_eq!(new, deliveries);
    assert_eq!(open(&folder).pending(usize::MAX).unwrap().len(), deliveries);
}

#[test]
fn what_is_too_much_at_once_is_to_be_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = open(&folder);
    let fill = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MOST_PENDING}) \
         INSERT INTO hook_deliveries (source, delivery, received, seen, body) SELECT 'm', 'd' || i, 0, 0, x'' FROM n"
    );
    journal.connection.execute(&fill, []).unwrap();
    assert_eq!(journal.accept("m", "new", b"{}", Time(1)).unwrap(), Accepted::Full);
    assert!(matches!(journal.accept("m", "d5", b"{}", Time(1)).unwrap(), Accepted::Known { .. }));
    let first = journal.pending(1).unwrap().remove(0).number;
    journal.done(first, "x", Time(2)).unwrap();
    assert!(matches!(journal.accept("m", "new", b"{}", Time(1)).unwrap(), Accepted::New(_)));
}

#[test]
fn a_firing_begins_one_run_whoever_is_killed_in_between() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = open(&folder);
    assert_eq!(journal.claim_firing(&claim("a", "s", "r1"), Time(0)).unwrap(), Claimed::New);
    drop(journal);
    let mut journal = open(&folder);
    let again = journal.claim_firing(&claim("a", "s", "r2"), Time(1)).unwrap();
    assert_eq!(again, Claimed::Before(run("r1")), "it begins under the name that it has");
    begin(&mut journal, "r1", &[]);
    // Another firing of it, a little later and then long after.
    let cooling = journal.claim_firing(&claim("b", "s", "r3"), Time(599_999)).unwrap();
    assert_eq!(cooling, Claimed::Cooling { run: run("r1"), until: Time(600_000) });
    assert_eq!(journal.claim_firing(&claim("c", "other", "r4"), Time(599_999)).unwrap(), Claimed::New);
    assert_eq!(journal.claim_firing(&claim("b", "s", "r3"), Time(600_000)).unwrap(), Claimed::New);
    // What could not begin frees its firing; what has begun does not.
    journal.free_firing(&claim("b", "s", "r3").claim).unwrap();
    assert_eq!(journal.claim_firing(&claim("b", "s", "r5"), Time(600_001)).unwrap(), Claimed::New);
    begin(&mut journal, "r5", &[]);
    journal.free_firing(&claim("b", "s", "r5").claim).unwrap();
    assert_eq!(journal.claim_firing(&claim("b", "s", "r6"), Time(600_002)).unwrap(), Claimed::Before(run("r5")));
}

#[test]
fn a_run_that_never_began_holds_no_other_back_for_long() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = open(&folder);
    journal.claim_firing(&claim("a", "s", "r1"), Time(0)).unwrap();
    // It may be about to begin: whoever claimed it looks at its targets, or asks for a yes.
    assert!(matches!(journal.claim_firing(&claim("b", "s", "r2"), Time(119_000)).unwrap(), Claimed::Cooling { .. }));
    assert_eq!(journal.claim_firing(&claim("b", "s", "r2"), Time(120_000)).unwrap(), Claimed::New);
    assert_eq!(journal.claim_firing(&claim("a", "s", "r3"), Time(120_001)).unwrap(), Claimed::Before(run("r1")));
}

#[test]
fn what_was_refused_begins_nothing_more_and_holds_no_other_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = open(&folder);
    let (one, other) = (claim("a", "s", "r1"), claim("b", "s", "r2"));
    journal.claim_firing(&one, Time(0)).unwrap();
    journal.refuse_firing(&one.claim, Time(1)).unwrap();
    drop(journal);
    let mut journal = open(&folder);
    assert_eq!(journal.claim_firing(&one, Time(2)).unwrap(), Claimed::Refused);
    assert_eq!(journal.resolved("m", "fp-a", Time(2)).unwrap(), Vec::new(), "it began nothing");
    assert_eq!(journal.claim_firing(&other, Time(2)).unwrap(), Claimed::New);
    begin(&mut journal, "r2", &[]);
    journal.refuse_firing(&other.claim, Time(3)).unwrap();
    assert_eq!(journal.claim_firing(&other, Time(4)).unwrap(), Claimed::Before(run("r2")), "it has begun");
}

#[test]
fn two_who_claim_one_firing_at_once_have_one_run() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(&folder));
    let barrier = Arc::new(Barrier::new(8));
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            let (path, barrier) = (folder.path().to_path_buf(), Arc::clone(&barrier));
            std::thread::spawn(move || {
                let mut journal = SqliteJournal::open(&path).unwrap();
                barrier.wait();
                let own = format!("r{thread}");
                match journal.claim_firing(&claim("a", "s", &own), Time(0)).unwrap() {
                    Claimed::New => own,
                    Claimed::Before(run) => run.to_string(),
                    other => panic!("{other:?}"),
                }
            })
        })
        .collect();
    let runs: std::collections::BTreeSet<String> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(runs.len(), 1, "{runs:?}");
}

#[test]
fn a_run_knows_whether_its_alerts_are_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = open(&folder);
    assert_eq!(journal.alerts_of(&run("r1")).unwrap(), None);
    journal.claim_firing(&claim("a", "s", "r1"), Time(0)).unwrap();
    assert_eq!(journal.alerts_of(&run("r1")).unwrap(), Some(AlertsOf { alerts: 1, resolved: None }));
    assert_eq!(journal.resolved("m", "fp-b", Time(5)).unwrap(), Vec::new());
    assert_eq!(journal.resolved("m", "fp-a", Time(7)).unwrap(), [run("r1")]);
    assert_eq!(journal.resolved("m", "fp-a", Time(9)).unwrap(), Vec::new(), "it knows it already");
    assert_eq!(journal.alerts_of(&run("r1")).unwrap(), Some(AlertsOf { alerts: 1, resolved: Some(Time(7)) }));
}

#[test]
fn what_was_done_long_ago_is_forgotten_and_what_is_open_never() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = open(&folder);
    for (name, done) in [("old", true), ("open", false), ("new", true)] {
        let at = Time(if name == "new" { 40 * 24 * 60 * MINUTE } else { 0 });
        let body = vec![b'x'; KEPT_BODY + 1];
        let Accepted::New(number) = journal.accept("m", name, &body, at).unwrap() else { panic!("{name}") };
        if done {
            journal.done(number, "x", at).unwrap();
        }
    }
    let now = Time(41 * 24 * 60 * MINUTE);
    for (name, over) in [("over", Some(0)), ("just over", Some(now.0 - MINUTE)), ("firing", None)] {
        journal.claim_firing(&claim(name, name, "r1"), Time(0)).unwrap();
        if let Some(over) = over {
            journal.resolved("m", &format!("fp-{name}"), Time(over)).unwrap();
        }
    }
    assert_eq!(journal.prune(now).unwrap(), 1);
    let rows = journal.received(10).unwrap();
    let left: Vec<(&str, bool)> = rows.iter().map(|row| (row.delivery.as_str(), row.body.is_empty())).collect();
    assert_eq!(left, [("new", true), ("open", false)], "a long body is kept as long as it is needed");
    let mut again = |name| journal.claim_firing(&claim(name, name, "r2"), now).unwrap();
    assert_eq!(again("over"), Claimed::New);
    assert_eq!(again("just over"), Claimed::Before(run("r1")));
    assert_eq!(again("firing"), Claimed::Before(run("r1")), "an alert that fires for six weeks begins one run");
}
