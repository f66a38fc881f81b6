//! What every store must keep, tested on each of them; and what only the one on disk can show: kills, damage, permissions.

mod callers;
mod contract;
#[path = "../../../tests/it/journal_faults/disk.rs"]
mod disk;
mod halt;
mod hooks;
mod incidents;
mod kill;
mod outbox;
mod postponed;
mod power;
mod random;
mod reading;
mod room;
mod sqlite;
mod tamper;

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::ids::Digest;
use crate::run::{Phase, Question, QuestionKind, StopKind, Task, Verdict};
use crate::spec::Effect;

/// A run's id.
fn run(name: &str) -> RunId {
    name.parse().unwrap()
}

/// A process, told apart by its id.
fn holder(pid: u32) -> Holder {
    Holder {
        user: "ann".to_owned(),
        host: "runner".to_owned(),
        boot: "boot".to_owned(),
        namespace: String::new(),
        pid,
        started: 7,
        serves: false,
    }
}

/// The event that starts a run with these locks.
fn started(locks: &[&str]) -> Event {
    let digest = Digest::of(b"");
    let playbook = json!({
        "name": "db-failover", "version": "1.4.0", "title": "t", "description": "", "owner": null, "reviewed": null,
        "review_every": null, "severity": [], "symptoms": [], "services": [], "recovery_time": null, "inputs": [],
        "locks": [], "steps": [], "digest": digest,
    });
    let plan = json!({
        "format": 1, "playbook": playbook, "inputs": {}, "environment": "lab", "targets": [], "locks": locks,
        "steps": [], "digest": digest, "facts_digest": digest,
    });
    Event::RunStarted {
        plan: std::sync::Arc::new(serde_json::from_value(plan).unwrap()),
        locks: locks.iter().map(|lock| lock.parse().unwrap()).collect(),
        incident: Some("INC-7".to_owned()),
        format: 1,
        tool: "0.1.0".to_owned(),
        overrides: Vec::new(),
        approved: Vec::new(),
    }
}

fn note(message: &str) -> Event {
    Event::Note { message: message.to_owned() }
}

/// That a step, or a part of its undo, is about to begin.
fn intent(step: &str, phase: Phase) -> Event {
    let task = Task { phase, ..Task::of(&step.parse().unwrap()) };
    Event::Intent {
        task,
        attempt: 1,
        arguments: json!({}),
        before: json!(null),
        key: "k".to_owned(),
        effect: Effect::Idempotent,
        timeout: 1.0,
        reverts_after: None,
    }
}

fn ended() -> Event {
    Event::RunEnded { verdict: Verdict::Succeeded, summary: "traffic flows".to_owned() }
}

fn waits() -> Event {
    let task = Task::of(&"promote".parse().unwrap());
    let kind = QuestionKind::UnknownOutcome;
    Event::WaitStarted { question: Question { task, kind, message: "did it?".to_owned(), deadline: None } }
}

fn stopped() -> Event {
    Event::Stopped { kind: StopKind::Paused, because: "lunch".to_owned() }
}

/// Begins a run under process 1.
fn begin(journal: &mut dyn Journal, name: &str, locks: &[&str]) -> Lease {
    journal.begin(&run(name), started(locks), &holder(1), "ann", Time(1000)).unwrap().0
}

fn append(journal: &mut dyn Journal, lease: &Lease, event: Event) -> Result<Vec<Record>, JournalError> {
    journal.append(lease, "runner", Time(2000), vec![event], &[])
}

/// That a run's chain is whole and has so many records.
#[track_caller]
fn assert_whole(journal: &mut dyn Journal, name: &str, records: u64) {
    let verification = journal.verify(&run(name)).unwrap();
    assert_eq!(verification.broken, None);
    assert_eq!(verification.records, records);
    let read = journal.records(&run(name), 0).unwrap();
    assert!(read.iter().map(|record| record.seq).eq(1..=records));
    assert_eq!(read.last().map(|record| record.hash.clone()), verification.head);
}
