//! The contract, on each store.

use super::*;

/// A store that can be opened several times, as by several processes.
pub(super) trait Store {
    fn view(&self) -> Box<dyn Journal>;
}

pub(super) struct OnDisk(pub(super) tempfile::TempDir);

impl Store for OnDisk {
    fn view(&self) -> Box<dyn Journal> {
        Box::new(SqliteJournal::open(self.0.path()).unwrap())
    }
}

impl Store for MemoryJournal {
    fn view(&self) -> Box<dyn Journal> {
        Box::new(self.reopen())
    }
}

/// One test for each store.
macro_rules! on_every_store {
    ($($name:ident),* $(,)?) => {
        mod on_disk {
            $(#[test] fn $name() { super::$name(&super::OnDisk(tempfile::tempdir().unwrap())); })*
        }
        mod in_memory {
            $(#[test] fn $name() { super::$name(&super::MemoryJournal::new()); })*
        }
    };
}

on_every_store![
    a_run_is_written_and_read_back,
    a_run_begins_once_and_with_its_start,
    nothing_follows_the_end,
    a_lock_has_one_holder_until_its_run_ends,
    a_taken_run_is_lost_to_its_holder,
    of_two_takers_one_wins,
    a_released_lease_writes_no_more,
    requests_reach_the_holder_once,
    the_list_of_runs_follows_the_records,
    unknown_runs_are_named,
    what_cannot_be_read_back_is_not_written,
    a_renewed_lease_is_fresh,
    records_come_back_as_they_were_handed_out,
    a_run_takes_the_place_of_another_in_one_write,
    a_run_that_went_on_keeps_its_place,
];

fn a_run_is_written_and_read_back(store: &dyn Store) {
    let mut journal = store.view();
    let (lease, first) = journal.begin(&run("r1"), started(&["db/a"]), &holder(1), "ann", Time(1000)).unwrap();
    assert_eq!(lease, Lease { run: run("r1"), epoch: 1 });
    assert!(matches!(first[0].event, Event::RunStarted { .. }));
    assert!(matches!(first[1].event, Event::LeaseTaken { reason: LeaseReason::Start, .. }));
    assert_eq!(first[0].previous, Record::genesis(&run("r1")));
    assert_eq!((first[0].actor.as_str(), first[0].time, first[0].epoch), ("ann", Time(1000), 1));
    let more = journal.append(&lease, "runner", Time(2000), vec![note("a"), note("b")], &[]).unwrap();
    assert_eq!((more[0].seq, more[1].seq), (3, 4));
    assert_eq!(more[1].previous, more[0].hash);
    let mut other = store.view();
    assert_eq!(other.records(&run("r1"), 0).unwrap().len(), 4);
    assert_eq!(other.records(&run("r1"), 2).unwrap(), more);
    assert_eq!(other.records(&run("r1"), 4).unwrap(), []);
    assert_whole(&mut *other, "r1", 4);
}

fn a_run_begins_once_and_with_its_start(store: &dyn Store) {
    let mut journal = store.view();
    let wrong = journal.begin(&run("r1"), note("x"), &holder(1), "ann", Time(1)).unwrap_err();
    assert!(matches!(wrong, JournalError::Store { .. }), "{wrong}");
    assert!(matches!(journal.records(&run("r1"), 0), Err(JournalError::NoSuchRun(_))));
    let lease = begin(&mut *journal, "r1", &[]);
    let again = journal.begin(&run("r1"), started(&[]), &holder(2), "bob", Time(1)).unwrap_err();
    assert!(again.to_string().contains("already"), "{again}");
    assert!(append(&mut *journal, &lease, started(&[])).is_err());
    assert_whole(&mut *journal, "r1", 2);
}

fn nothing_follows_the_end(store: &dyn Store) {
    let mut journal = store.view();
    let lease = begin(&mut *journal, "r1", &[]);
    let both = journal.append(&lease, "runner", Time(2), vec![ended(), note("late")], &[]);
    assert!(both.is_err());
    assert_whole(&mut *journal, "r1", 2);
    append(&mut *journal, &lease, ended()).unwrap();
    assert!(append(&mut *journal, &lease, note("late")).unwrap_err().to_string().contains("has ended"));
    assert!(journal.take(&run("r1"), 1, &holder(2), LeaseReason::Resume, "bob", Time(3)).is_err());
    assert_whole(&mut *journal, "r1", 3);
}

fn a_lock_has_one_holder_until_its_run_ends(store: &dyn Store) {
    let mut journal = store.view();
    let lease = begin(&mut *journal, "r1", &["db/b", "db/a", "db/a"]);
    let mut other = store.view();
    let refused = other.begin(&run("r2"), started(&["db/c", "db/b"]), &holder(2), "bob", Time(3)).unwrap_err();
    let JournalError::Locked(row) = refused else { panic!("{refused}") };
    let expected = LockRow {
        resource: "db/b".parse().unwrap(),
        run: run("r1"),
        playbook: "db-failover".to_owned(),
        incident: Some("INC-7".to_owned()),
        since: Time(1000),
    };
    assert_eq!(row, expected);
    // All or nothing: `db/c` was free, and is still.
    assert!(matches!(other.records(&run("r2"), 0), Err(JournalError::NoSuchRun(_))));
    assert_eq!(other.locks().unwrap().iter().map(|lock| lock.resource.as_str()).collect::<Vec<_>>(), ["db/a", "db/b"]);
    // A lock stays with the run, whoever holds that.
    journal.release(&lease).unwrap();
    assert_eq!(other.locks().unwrap().len(), 2);
    let (lease, _) = other.take(&run("r1"), 1, &holder(2), LeaseReason::Resume, "bob", Time(4)).unwrap();
    append(&mut *other, &lease, ended()).unwrap();
    assert_eq!(other.locks().unwrap(), []);
    begin(&mut *other, "r2", &["db/c", "db/b"]);
    assert_whole(&mut *other, "r1", 4);
    assert_whole(&mut *other, "r2", 2);
}

fn a_taken_run_is_lost_to_its_holder(store: &dyn Store) {
    let (mut first, mut second) = (store.view(), store.view());
    let lease = begin(&mut *first, "r1", &[]);
    first.check(&lease).unwrap();
    let (newer, records) = second.take(&run("r1"), 1, &holder(2), LeaseReason::TakeOver, "bob", Time(5)).unwrap();
    assert_eq!((newer.epoch, records[0].epoch, records[0].seq), (2, 2, 3));
    assert_eq!(records[0].event, Event::LeaseTaken { holder: holder(2), reason: LeaseReason::TakeOver });
    for lost in [append(&mut *first, &lease, note("late")).map(|_| ()), first.check(&lease), first.renew(&lease)] {
        assert!(matches!(lost, Err(JournalError::LeaseLost { ours: 1, held: 2, .. })), "{lost:?}");
    }
    // Giving back what was lost changes nothing for the new holder.
    first.release(&lease).unwrap();
    second.check(&newer).unwrap();
    append(&mut *second, &newer, note("ours")).unwrap();
    let info = first.lease(&run("r1")).unwrap();
    assert_eq!((info.epoch, info.holder, info.released), (2, holder(2), false));
    assert_whole(&mut *first, "r1", 4);
}

fn of_two_takers_one_wins(store: &dyn Store) {
    let (mut first, mut second) = (store.view(), store.view());
    begin(&mut *first, "r1", &[]);
    first.take(&run("r1"), 1, &holder(2), LeaseReason::Resume, "ann", Time(2)).unwrap();
    let slower = second.take(&run("r1"), 1, &holder(3), LeaseReason::Resume, "bob", Time(2));
    assert!(matches!(slower, Err(JournalError::LeaseLost { ours: 1, held: 2, .. })), "{slower:?}");
    assert_whole(&mut *first, "r1", 3);
}

fn a_released_lease_writes_no_more(store: &dyn Store) {
    let mut journal = store.view();
    let lease = begin(&mut *journal, "r1", &[]);
    journal.release(&lease).unwrap();
    assert!(journal.lease(&run("r1")).unwrap().released);
    assert!(matches!(append(&mut *journal, &lease, note("x")), Err(JournalError::LeaseLost { .. })));
    assert!(matches!(journal.check(&lease), Err(JournalError::LeaseLost { .. })));
    assert!(matches!(journal.renew(&lease), Err(JournalError::LeaseLost { .. })));
    assert_whole(&mut *journal, "r1", 2);
}

fn requests_reach_the_holder_once(store: &dyn Store) {
    let (mut runner, mut person) = (store.view(), store.view());
    let lease = begin(&mut *runner, "r1", &[]);
    begin(&mut *runner, "r2", &[]);
    assert_eq!(runner.requests(&run("r1")).unwrap(), []);
    let first = person.ask(&run("r1"), &RequestKind::Cancel, "bob", "wrong cluster", Time(9)).unwrap();
    let second = runner.ask(&run("r1"), &RequestKind::Pause, "eve", "", Time(10)).unwrap();
    let other = person.ask(&run("r2"), &RequestKind::Abort, "bob", "", Time(11)).unwrap();
    let open = runner.requests(&run("r1")).unwrap();
    assert_eq!(open.iter().map(|request| request.id).collect::<Vec<_>>(), [first, second]);
    assert_eq!(open[0].request, RequestKind::Cancel);
    assert_eq!((open[0].by.as_str(), open[0].reason.as_str(), open[0].at), ("bob", "wrong cluster", Time(9)));
    let answer = Event::Requested { request: RequestKind::Cancel, reason: "wrong cluster".to_owned() };
    // The request of another run is not marked, even if its number is named.
    runner.append(&lease, "bob", Time(12), vec![answer], &[first, other]).unwrap();
    assert_eq!(runner.requests(&run("r1")).unwrap().len(), 1);
    assert_eq!(person.requests(&run("r2")).unwrap().len(), 1);
    runner.append(&lease, "runner", Time(13), vec![], &[second]).unwrap();
    assert_eq!(runner.requests(&run("r1")).unwrap(), []);
    assert_eq!(runner.requests(&run("r1")).unwrap(), []);
    // One that comes after many fruitless looks is seen at the next look.
    let late =
        person.ask(&run("r1"), &RequestKind::Rollback { to: None, despite_halt: false }, "bob", "", Time(14)).unwrap();
    assert_eq!(runner.requests(&run("r1")).unwrap()[0].id, late);
    // So is one that the holder's own process asks.
    runner.append(&lease, "runner", Time(14), vec![], &[late]).unwrap();
    assert_eq!(runner.requests(&run("r1")).unwrap(), []);
    let late = runner.ask(&run("r1"), &RequestKind::Pause, "bob", "", Time(14)).unwrap();
    assert_eq!(runner.requests(&run("r1")).unwrap()[0].id, late);
    // Without the lease nothing is marked.
    runner.release(&lease).unwrap();
    assert!(runner.append(&lease, "runner", Time(15), vec![], &[late]).is_err());
    assert_eq!(person.requests(&run("r1")).unwrap().len(), 1);
}

fn the_list_of_runs_follows_the_records(store: &dyn Store) {
    let mut journal = store.view();
    let lease = begin(&mut *journal, "r1", &[]);
    journal.begin(&run("r2"), started(&[]), &holder(2), "bob", Time(1500)).unwrap();
    let rows = journal.runs().unwrap();
    assert_eq!(rows.iter().map(|row| row.run.as_str()).collect::<Vec<_>>(), ["r2", "r1"]);
    assert_eq!((rows[1].playbook.as_str(), rows[1].version.as_str()), ("db-failover", "1.4.0"));
    assert_eq!((rows[1].started, rows[1].updated), (Time(1000), Time(1000)));
    assert_eq!((rows[0].lease.epoch, &rows[0].lease.holder), (1, &holder(2)));
    let mut after = |event| {
        append(&mut *journal, &lease, event).unwrap();
        let row = journal.runs().unwrap().into_iter().find(|row| row.run == run("r1")).unwrap();
        (row.updated, row.verdict, row.waiting, row.stopped)
    };
    let wait = Some(QuestionKind::UnknownOutcome);
    assert_eq!(after(waits()), (Time(2000), None, wait, false));
    assert_eq!(after(stopped()), (Time(2000), None, wait, true));
    assert_eq!(after(Event::Resumed { reason: String::new() }), (Time(2000), None, wait, false));
    let task = Task::of(&"promote".parse().unwrap());
    let answered = Event::Answered { task, answer: crate::run::Answer::DidNot, reason: String::new() };
    assert_eq!(after(answered), (Time(2000), None, None, false));
    assert_eq!(after(ended()), (Time(2000), Some(Verdict::Succeeded), None, false));
}

fn unknown_runs_are_named(store: &dyn Store) {
    let mut journal = store.view();
    let nobody = run("nobody");
    let lease = Lease { run: nobody.clone(), epoch: 1 };
    let missing = [
        journal.records(&nobody, 0).map(|_| ()),
        journal.lease(&nobody).map(|_| ()),
        journal.verify(&nobody).map(|_| ()),
        journal.ask(&nobody, &RequestKind::Pause, "bob", "", Time(1)).map(|_| ()),
        journal.take(&nobody, 1, &holder(1), LeaseReason::Resume, "bob", Time(1)).map(|_| ()),
        journal.append(&lease, "bob", Time(1), vec![note("x")], &[]).map(|_| ()),
        journal.check(&lease),
        journal.renew(&lease),
    ];
    for result in missing {
        assert!(matches!(&result, Err(JournalError::NoSuchRun(run)) if *run == nobody), "{result:?}");
    }
    assert_eq!(journal.runs().unwrap(), []);
}

fn what_cannot_be_read_back_is_not_written(store: &dyn Store) {
    let mut journal = store.view();
    let lease = begin(&mut *journal, "r1", &[]);
    let intent = |timeout| Event::Intent {
        task: Task::of(&"promote".parse().unwrap()),
        attempt: 1,
        arguments: json!({}),
        before: json!(null),
        key: "k".to_owned(),
        effect: crate::spec::Effect::Probed,
        timeout,
        reverts_after: None,
    };
    let refused = append(&mut *journal, &lease, intent(f64::NAN)).unwrap_err();
    assert!(refused.to_string().contains("read back"), "{refused}");
    append(&mut *journal, &lease, intent(30.0)).unwrap();
    assert_whole(&mut *journal, "r1", 3);
}

fn a_renewed_lease_is_fresh(store: &dyn Store) {
    let mut journal = store.view();
    let lease = begin(&mut *journal, "r1", &[]);
    journal.renew(&lease).unwrap();
    let idle = journal.lease(&run("r1")).unwrap().idle.unwrap();
    assert!(idle < Duration::from_secs(60), "{idle:?}");
}

fn records_come_back_as_they_were_handed_out(store: &dyn Store) {
    let mut journal = store.view();
    let (lease, mut handed) = journal.begin(&run("r1"), started(&[]), &holder(1), "ann", Time(1)).unwrap();
    let texts = ["", "\u{0}", "line\nline", "数据库", "\u{fffd}", "'; DROP TABLE records; --"];
    for text in texts {
        handed.extend(journal.append(&lease, text, Time(-5), vec![note(text)], &[]).unwrap());
    }
    assert_eq!(store.view().records(&run("r1"), 0).unwrap(), handed);
    assert_whole(&mut *journal, "r1", 8);
}

/// How `r1` gives its place, as it was seen.
fn handover(expected: u64, seen: u64) -> Handover {
    let ended = Event::RunEnded { verdict: Verdict::Abandoned, summary: "taken over".to_owned() };
    Handover { from: run("r1"), expected, seen, ended, inherited: note("from r1"), limits: Vec::new() }
}

fn a_run_takes_the_place_of_another_in_one_write(store: &dyn Store) {
    let (mut first, mut second) = (store.view(), store.view());
    let old = begin(&mut *first, "r1", &["db/a", "db/b"]);
    let (lease, records) =
        second.begin_over(&run("r2"), started(&["db/a", "db/c"]), &handover(1, 2), &holder(2), "bob", Time(3)).unwrap();
    assert_eq!(records.len(), 3);
    assert_eq!((records[2].event.clone(), records[2].actor.as_str()), (note("from r1"), "bob"));
    let held: Vec<String> = second.locks().unwrap().iter().map(|row| format!("{} {}", row.resource, row.run)).collect();
    assert_eq!(held, ["db/a r2", "db/c r2"], "nothing of the old run's is left, and nothing is free between");
    // Whoever held the old run writes no more.
    assert!(matches!(append(&mut *first, &old, note("late")), Err(JournalError::LeaseLost { ours: 1, held: 2, .. })));
    assert!(matches!(first.check(&old), Err(JournalError::LeaseLost { .. })));
    let last = first.records(&run("r1"), 2).unwrap();
    assert!(matches!(last[0].event, Event::LeaseTaken { reason: LeaseReason::TakeOver, .. }));
    assert!(matches!(last[1].event, Event::RunEnded { verdict: Verdict::Abandoned, .. }));
    assert!(first.lease(&run("r1")).unwrap().released);
    second.check(&lease).unwrap();
    assert_whole(&mut *first, "r1", 4);
    assert_whole(&mut *first, "r2", 3);
    // What has ended gives its place no more.
    let again = second.begin_over(&run("r3"), started(&[]), &handover(2, 4), &holder(2), "bob", Time(4));
    assert!(again.unwrap_err().to_string().contains("has ended"));
    assert!(matches!(second.records(&run("r3"), 0), Err(JournalError::NoSuchRun(_))));
}

fn a_run_that_went_on_keeps_its_place(store: &dyn Store) {
    let mut journal = store.view();
    let lease = begin(&mut *journal, "r1", &["db/a"]);
    begin(&mut *journal, "r9", &["db/c"]);
    let over = |over: Handover, locks: &[&str]| {
        let mut other = store.view();
        other.begin_over(&run("r2"), started(locks), &over, &holder(2), "bob", Time(3)).unwrap_err()
    };
    // A third run holds one of the locks; it was seen under another lease; it wrote since; it is not there.
    assert!(matches!(over(handover(1, 2), &["db/a", "db/c"]), JournalError::Locked(row) if row.run == run("r9")));
    assert!(matches!(over(handover(7, 2), &["db/a"]), JournalError::LeaseLost { ours: 7, held: 1, .. }));
    append(&mut *journal, &lease, note("it goes on")).unwrap();
    assert!(matches!(over(handover(1, 2), &["db/a"]), JournalError::WentOn(from) if from == run("r1")));
    let nobody = Handover { from: run("nobody"), ..handover(1, 2) };
    assert!(matches!(over(nobody, &["db/a"]), JournalError::NoSuchRun(_)));
    // Nothing of all that was written.
    append(&mut *journal, &lease, note("it still goes on")).unwrap();
    assert_whole(&mut *journal, "r1", 4);
    assert!(matches!(journal.records(&run("r2"), 0), Err(JournalError::NoSuchRun(_))));
    assert_eq!(journal.locks().unwrap().len(), 2);
}

#[test]
fn the_idle_time_follows_the_boot_clock() {
    let mut journal = MemoryJournal::new();
    let lease = begin(&mut journal, "r1", &[]);
    journal.advance(Duration::from_secs(40));
    assert_eq!(journal.lease(&run("r1")).unwrap().idle, Some(Duration::from_secs(40)));
    journal.renew(&lease).unwrap();
    assert_eq!(journal.lease(&run("r1")).unwrap().idle, Some(Duration::ZERO));
    journal.reboot();
    assert_eq!(journal.lease(&run("r1")).unwrap().idle, None);
}

#[test]
fn a_dying_disk_keeps_what_it_acknowledged() {
    for survives in 0..5 {
        let mut journal = MemoryJournal::new();
        let lease = begin(&mut journal, "r1", &[]);
        let mut dying = journal.reopen();
        dying.fail_after(Some(survives));
        let written = (0..5).take_while(|_| append(&mut dying, &lease, note("x")).is_ok()).count();
        assert_eq!(written as u64, survives);
        assert!(matches!(dying.records(&run("r1"), 0), Err(JournalError::Store { .. })));
        assert!(matches!(dying.check(&lease), Err(JournalError::Store { .. })));
        assert!(matches!(append(&mut dying, &lease, note("x")), Err(JournalError::Store { .. })));
        assert_whole(&mut dying.reopen(), "r1", 2 + survives);
    }
}

#[test]
fn an_unacknowledged_write_is_there_afterwards() {
    let mut journal = MemoryJournal::new();
    let lease = begin(&mut journal, "r1", &[]);
    journal.fail(Some(Failure::Unacknowledged(2)));
    append(&mut journal, &lease, note("acknowledged")).unwrap();
    assert!(append(&mut journal, &lease, note("not")).is_err());
    assert_whole(&mut journal.reopen(), "r1", 4);
}
