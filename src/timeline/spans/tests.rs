//! What spans come of which records. The records are made up: which may follow on which is held elsewhere.

use super::*;
use crate::outcome::Report;
use crate::run::{Answer, SkipReason, samples};
use crate::spec::Effect;
use crate::value::Value;

const RUN: &str = "r-1";

/// A run that is told step by step.
struct Told {
    state: RunState,
    spans: Spans,
    seq: u64,
    all: Vec<Span>,
}

impl Told {
    fn new() -> Self {
        let began = samples::started("INC-7");
        let state = RunState::begin(&RUN.parse().unwrap(), &record(1, 0, began)).unwrap();
        Self { state, spans: Spans::default(), seq: 1, all: Vec::new() }
    }

    /// Something happens so many seconds after the beginning.
    fn at(&mut self, seconds: i64, event: Event) -> &mut Self {
        self.seq += 1;
        let record = record(self.seq, seconds, event);
        self.all.extend(self.spans.take(&record, &self.state));
        self
    }

    fn ended(&mut self, seconds: i64, verdict: Verdict) -> &[Span] {
        self.at(seconds, Event::RunEnded { verdict, summary: "as it is".to_owned() });
        &self.all
    }
}

fn record(seq: u64, seconds: i64, event: Event) -> Record {
    let run: RunId = RUN.parse().unwrap();
    let (previous, hash) = (Record::genesis(&run), Record::genesis(&run));
    Record {
        seq,
        time: Time(1_800_000_000_000 + seconds * 1000),
        epoch: 1,
        actor: "ann".to_owned(),
        previous,
        hash,
        event,
    }
}

fn task(name: &str) -> Task {
    name.parse().unwrap()
}

fn intent(name: &str, attempt: u32) -> Event {
    Event::Intent {
        task: task(name),
        attempt,
        arguments: Value::Null,
        before: Value::Null,
        key: "k".to_owned(),
        effect: Effect::Probed,
        timeout: 10.0,
        reverts_after: None,
    }
}

fn outcome(name: &str, report: Report) -> Event {
    Event::Outcome { task: task(name), attempt: 1, report }
}

fn settled(name: &str, settlement: Settlement) -> Event {
    Event::Settled { task: task(name), attempt: 1, settlement, evidence: "seen".to_owned() }
}

fn done() -> Report {
    Report::done("", Value::Null)
}

/// Name, result, class of error, seconds.
fn short(spans: &[Span]) -> Vec<(&str, &'static str, &str, i64)> {
    let one = |span: &'_ Span| (span.result.word(), span.error.unwrap_or(""), (span.end.0 - span.start.0) / 1000);
    spans.iter().map(|span| (span.name.as_str(), one(span).0, one(span).1, one(span).2)).collect()
}

#[test]
fn a_run_with_its_attempts_and_what_was_undone() {
    let mut told = Told::new();
    told.at(1, intent("a@web1", 1)).at(3, outcome("a@web1", done()));
    told.at(3, intent("b", 1)).at(4, outcome("b", Report::failed("exit code 1")));
    told.at(4, Event::RollbackStarted { to: None, because: "b failed".to_owned() });
    told.at(4, intent("a@web1/undo", 1)).at(6, outcome("a@web1/undo", done()));
    let spans = told.ended(7, Verdict::RolledBack);
    assert_eq!(
        short(spans),
        [
            ("a", "success", "", 2),
            ("b", "failure", "failed", 1),
            ("undo a", "success", "", 2),
            ("RUN db-failover", "failure", "rolled_back", 7),
        ]
    );
    let [a, b, undo, run] = spans else { panic!("{spans:?}") };
    assert!([a, b, undo].iter().all(|span| span.parent.as_ref() == Some(&run.id)));
    assert_eq!(undo.links, [Link { trace: trace_of(&RUN.parse().unwrap()), span: a.id.clone() }]);
    assert_eq!(b.message.as_deref(), Some("exit code 1"));
    let attributes: BTreeMap<_, _> = undo.attributes.iter().cloned().collect();
    assert_eq!(attributes["cicd.pipeline.task.name"], "a".into());
    assert_eq!(attributes["playbook.item"], "web1".into());
    assert_eq!(attributes["playbook.attempt"], Said::Number(1));
    assert_eq!(attributes["playbook.undo"], Said::Flag(true));
    assert_eq!(run.events.iter().map(|event| event.name).collect::<Vec<_>>(), ["rollback_started"]);
}

#[test]
fn what_is_not_known_is_told_once_it_is() {
    let mut told = Told::new();
    told.at(1, intent("a", 1)).at(2, outcome("a", Report::unknown("no answer")));
    told.at(3, settled("a", Settlement::CannotTell));
    assert!(told.all.is_empty(), "nobody knows yet");
    let answer = Event::Answered { task: task("a"), answer: Answer::TookEffect, reason: "seen".to_owned() };
    told.at(60, answer);
    told.at(61, intent("b", 1)).at(62, settled("b", Settlement::DidNot));
    told.at(63, intent("b", 2)).at(64, settled("b", Settlement::Ended { report: done() }));
    told.at(65, intent("c", 1)).at(66, intent("c", 2)).at(67, outcome("c", done()));
    told.at(68, intent("d", 1));
    assert_eq!(
        short(told.ended(70, Verdict::Incomplete)),
        [
            ("a", "success", "", 59),
            ("b", "failure", "no_effect", 1),
            ("b", "success", "", 1),
            ("c", "error", "unknown", 1),
            ("c", "success", "", 1),
            ("d", "error", "unknown", 2),
            ("RUN db-failover", "failure", "incomplete", 70),
        ]
    );
    let ids: std::collections::BTreeSet<_> = told.all.iter().map(|span| span.id.clone()).collect();
    assert_eq!(ids.len(), told.all.len(), "two have one identifier");
}

#[test]
fn what_was_not_begun_and_what_was_looked_at_after_it() {
    let mut told = Told::new();
    let refused = |retryable, drift| Event::StepRefused {
        task: task("a"),
        attempt: 1,
        message: "lag is too large".to_owned(),
        retryable,
        drift,
    };
    told.at(1, refused(true, false)).at(2, refused(false, true)).at(3, refused(false, false));
    told.at(4, Event::StepSkipped { task: task("b"), reason: SkipReason::Condition { source: "false".to_owned() } });
    told.at(5, intent("c", 1)).at(6, outcome("c", done()));
    told.at(9, Event::Verified { task: task("c"), passed: false, conditions: Vec::new() });
    assert_eq!(
        short(told.ended(9, Verdict::Failed)),
        [
            ("a", "failure", "unreachable", 0),
            ("a", "failure", "drift", 0),
            ("a", "failure", "refused", 0),
            ("b", "skip", "", 0),
            ("c", "success", "", 1),
            ("verify c", "failure", "verify", 3),
            ("RUN db-failover", "failure", "failed", 9),
        ]
    );
}

#[test]
fn whoever_folds_the_same_records_tells_the_same() {
    let tell = || {
        let mut told = Told::new();
        told.at(1, intent("a", 1)).at(2, outcome("a", done())).ended(3, Verdict::Succeeded).to_vec()
    };
    assert_eq!(tell(), tell());
}

#[test]
fn a_clock_that_is_set_back_makes_no_span_end_before_it_begins() {
    let mut told = Told::new();
    told.at(100, intent("a", 1)).at(50, outcome("a", done()));
    let spans = told.ended(-10, Verdict::Succeeded);
    assert!(spans.iter().all(|span| span.end >= span.start), "{spans:?}");
}

#[test]
fn a_run_that_goes_on_for_ever_has_no_endless_span() {
    let mut told = Told::new();
    for second in 0..200 {
        told.at(second, Event::Resumed { reason: "x".repeat(9999) });
    }
    let run = told.ended(200, Verdict::Abandoned).last().cloned().unwrap();
    assert_eq!((run.events.len(), run.events_left_out), (MOST_EVENTS, 72));
    assert!(run.events.iter().all(|event| event.text.chars().count() <= LONGEST));
    assert_eq!((run.result, run.error), (SpanResult::Cancellation, None));
}

#[test]
fn a_person_who_takes_it_back_is_no_failure() {
    let mut told = Told::new();
    let by_person =
        |by_person| crate::run::Rollback { to: None, because: "enough".to_owned(), since: Time(0), by_person };
    told.state.rollback = Some(by_person(true));
    assert_eq!(told.ended(1, Verdict::RolledBack)[0].result, SpanResult::Cancellation);
    told.all.clear();
    told.state.rollback = Some(by_person(false));
    assert_eq!(told.ended(1, Verdict::RolledBack)[0].result, SpanResult::Failure);
}
