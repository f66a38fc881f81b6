//! From a text to a playbook, and what is filled in from it.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use playbook::diagnostic::Span;
use playbook::document;
use playbook::ids::Digest;
use playbook::playbook::{Expression, Scope, Template, decide_condition, load_as_of, render};
use serde_json::json;

use super::texts::{commands, large, plan, read, source, specs};

criterion::criterion_group!(parts, whole_files, single_texts);

fn whole_files(bench: &mut Criterion) {
    let specs = specs();
    let text = large(2_000);
    let mut group = bench.benchmark_group("2,000 steps");
    group.throughput(Throughput::Bytes(text.len() as u64)).sample_size(10);
    let source = source(text.clone());
    group.bench_function("parse", |run| run.iter(|| document::parse(black_box(&source)).is_ok()));
    // What was compiled is kept for the process; another text each time keeps one round from living on the one before.
    let mut round = 0_u32;
    group.bench_function("lint", |run| {
        run.iter_batched(
            || {
                round += 1;
                self::source(text.replace("part-", &format!("part-{round}-")))
            },
            |source| load_as_of(&source, &specs, jiff::civil::date(2026, 1, 1)).diagnostics.len(),
            criterion::BatchSize::LargeInput,
        );
    });
    group.bench_function("digest", |run| run.iter(|| Digest::of(black_box(text.as_bytes()))));
    group.finish();

    let book = read(commands(1_000));
    let mut group = bench.benchmark_group("1,000 steps");
    group.sample_size(10);
    group.bench_function("plan", |run| run.iter(|| plan(black_box(book.clone())).steps.len()));
    group.finish();
}

fn single_texts(bench: &mut Criterion) {
    let scope = Scope {
        inputs: json!({ "cluster": "orders", "limit": 10 }),
        steps: json!({ "roles": { "outputs": { "primary": "pg1", "lag": 3 }, "outcome": "done" } }),
        ..Scope::default()
    };
    let span = Span::default();
    let template = Template { source: "{{inputs.cluster}}/{{steps.roles.outputs.primary}}".to_owned(), span };
    bench.bench_function("template, rendered", |run| run.iter(|| render(black_box(&template), &scope).unwrap()));
    let mut round = 0_u32;
    bench.bench_function("template, compiled and rendered", |run| {
        run.iter(|| {
            round += 1;
            let source = format!("{{{{inputs.cluster}}}}/{{{{steps.roles.outputs.primary}}}}/{round}");
            render(&Template { source, span }, &scope).unwrap()
        });
    });
    let source = "inputs.cluster == 'orders' && steps.roles.outputs.lag < inputs.limit".to_owned();
    let condition = Expression { source, span };
    bench.bench_function("CEL, evaluated", |run| run.iter(|| decide_condition(black_box(&condition), &scope).unwrap()));
}
