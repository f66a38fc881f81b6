//! Records: what a step writes, in memory and on this disk.

use criterion::{BatchSize, Criterion};
use playbook::engine::holder::this_process;
use playbook::ids::{RunId, StepId};
use playbook::journal::{Journal, MemoryJournal, SqliteJournal};
use playbook::outcome::Report;
use playbook::run::{Event, Record, Task, Time};
use playbook::spec::Effect;
use playbook::value::Value;
use serde_json::json;

use super::texts::{commands, plan, read};

criterion::criterion_group!(parts, journal);

pub fn run() -> RunId {
    "20260101-000000-aaaa".parse().unwrap()
}

fn started(steps: usize) -> Event {
    Event::RunStarted {
        plan: std::sync::Arc::new(plan(read(commands(steps)))),
        locks: Vec::new(),
        incident: None,
        format: 1,
        tool: "bench".to_owned(),
        overrides: Vec::new(),
        approved: Vec::new(),
    }
}

fn intent(task: &Task) -> Event {
    Event::Intent {
        task: task.clone(),
        attempt: 1,
        arguments: json!({ "argv": ["true"] }),
        before: Value::Null,
        key: task.to_string(),
        effect: Effect::Idempotent,
        timeout: 60.0,
        reverts_after: None,
    }
}

fn outcome(task: &Task) -> Event {
    Event::Outcome { task: task.clone(), attempt: 1, report: Report::done("exit code 0", json!({ "exit_code": 0 })) }
}

fn task(step: usize) -> Task {
    Task::of(&format!("s{step}").parse::<StepId>().unwrap())
}

/// The records of a run whose steps are all done.
pub fn history(steps: usize) -> Vec<Record> {
    let mut journal = MemoryJournal::new();
    let (lease, mut records) = journal.begin(&run(), started(steps), &this_process(), "ann", Time(1_000)).unwrap();
    for step in 0..steps {
        let task = task(step);
        let events = vec![intent(&task), outcome(&task)];
        records.extend(journal.append(&lease, "runner", Time(1_000), events, &[]).unwrap());
    }
    records
}

/// In the build folder: where /tmp is memory, a durable write costs nothing.
fn journal(bench: &mut Criterion) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut journal = SqliteJournal::open(folder.path()).unwrap();
    let (lease, _) = journal.begin(&run(), started(1), &this_process(), "ann", Time(1_000)).unwrap();
    let task = task(0);
    bench.bench_function("a step in the journal, two commits", |bench| {
        bench.iter_batched(
            || (intent(&task), outcome(&task)),
            |(intent, outcome)| {
                journal.append(&lease, "runner", Time(1_000), vec![intent], &[]).unwrap();
                journal.append(&lease, "runner", Time(1_000), vec![outcome], &[]).unwrap();
            },
            BatchSize::SmallInput,
        );
    });
}
