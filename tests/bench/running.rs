//! The brain of a run, and the start of a command without a recorder.

use std::hint::black_box;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use playbook::actions::{Call, Context, Table};
use playbook::inventory::Inventory;
use playbook::outcome::Outcome;
use playbook::run::{Record, RunState, Time, decide};
use playbook::spec::Effect;
use playbook::value::Value;
use serde_json::json;

use super::keeping::{history, run};

criterion::criterion_group!(parts, brain, start);

/// Two records a step, and the one that starts the run.
const STEPS: usize = 5_000;

fn brain(bench: &mut Criterion) {
    let records: Vec<Record> = history(STEPS);
    let mut group = bench.benchmark_group("10,000 records");
    group.throughput(Throughput::Elements(records.len() as u64)).sample_size(10);
    group.bench_function("fold", |bench| bench.iter(|| RunState::replay(&run(), black_box(&records)).unwrap().seq));
    group.finish();

    let half = RunState::replay(&run(), records.get(..STEPS).unwrap()).unwrap();
    bench.bench_function("decide, half-way through 5,000 steps", |bench| {
        bench.iter(|| decide(black_box(&half), Time(2_000)).word());
    });
}

fn start(bench: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let table = Table::builtin();
    let shell = Arc::clone(table.get("shell").unwrap());
    let context =
        Context { inventory: Arc::new(Inventory::default()), spool: std::env::temp_dir(), output: Arc::new(|_, _| {}) };
    let call = Call {
        key: "bench".to_owned(),
        attempt: "bench".to_owned(),
        arguments: json!({ "argv": ["true"] }),
        before: Value::Null,
        outputs: Value::Null,
        timeout: Duration::from_secs(10),
        kill_on_timeout: true,
        effect: Effect::Read,
        age: None,
    };
    let mut group = bench.benchmark_group("`true`");
    group.bench_function("started by a reading step", |bench| {
        bench.iter(|| assert_eq!(runtime.block_on(shell.run(&context, &call)).outcome, Outcome::Done));
    });
    group.bench_function("started by the standard library", |bench| {
        bench.iter(|| {
            let mut command = Command::new("true");
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap().status
        });
    });
    group.finish();
}
