use std::time::{Duration, Instant};

use super::load;
use crate::actions::Table;
use crate::diagnostic::Source;
use crate::spec::Specs;

/// A playbook of many steps of the usual kinds, of which no two texts are the same: about 260 bytes a step. `salt` keeps
/// what was compiled for one from serving another.
fn many(count: usize, salt: &str) -> String {
    let mut text = "name: x\nversion: 1.0.0\nowner: me\ninputs:\n  mode: { type: choice, options: [a, b], default: a }\n  who: { type: string, default: x }\nlocks: [\"database/orders\"]\nsteps:\n".to_string();
    text.push_str("  - { id: s0, argv: [\"true\", \"{{inputs.who}}\"], effect: read }\n");
    for step in 1..count {
        let before = step - 1;
        text.push_str(&match step % 3 {
            0 => format!(
                "  - id: s{step}\n    name: Look at the cluster, number {step} of {salt}\n    uses: postgres.status\n    with: {{ cluster: orders }}\n    needs: [s{before}]\n    require:\n      - \"inputs.mode == 'b' || outputs.primaries == {step}\"\n      - \"outputs.lag_bytes <= {step} || '{salt}' == ''\"\n    timeout: 20s\n"
            ),
            1 => format!(
                "  - id: s{step}\n    name: Do the thing number {step}\n    run: |\n      echo \"$BEFORE\"\n      touch /tmp/{salt}{step}\n    env: {{ BEFORE: \"{salt} {{{{steps.s{before}.outcome}}}}\" }}\n    effect: idempotent\n    rollback: [{{ run: rm -f /tmp/{salt}{step}, effect: idempotent }}]\n    verify: \"outputs.exit_code == 0 && {step} > 0 && '{salt}' != ''\"\n"
            ),
            _ => format!(
                "  - id: s{step}\n    name: Ask what came of it, number {step}\n    argv: [echo, \"{{{{steps.s{before}.outputs.stdout}}}}\", \"{salt}{step}\"]\n    effect: read\n    if: \"steps.s{before}.outputs.exit_code == 0 && '{salt}{step}' != ''\"\n    retry: {{ attempts: 3, delay: 1s }}\n    on_failure: continue\n"
            ),
        });
    }
    text
}

/// The same number of steps, all of them in groups: each third of them is a group of one or two.
fn grouped(count: usize, salt: &str) -> String {
    let mut text = "name: x\nversion: 1.0.0\nowner: me\ninputs:\n  hosts: { type: list, items: identifier, default: [a] }\nsteps:\n".to_string();
    let mut step = 0;
    while step < count {
        text.push_str(&format!(
            "  - id: g{step}\n    name: Both, number {step} of {salt}\n    parallel:\n      - {{ id: a{step}, argv: [echo, \"{salt}{step}\"], effect: read }}\n      - id: b{step}\n        for_each: \"{{{{inputs.hosts}}}}\"\n        run: |\n          echo \"$ITEM\" {salt}{step}\n        env: {{ ITEM: \"{{{{item}}}} {salt}{step}\" }}\n        effect: idempotent\n        rollback: [{{ argv: [rm, \"{{{{item}}}}{salt}{step}\"], effect: idempotent }}]\n  - id: c{step}\n    for_each: {{ expr: \"steps.b{step}.done.filter(x, x != '{salt}{step}')\" }}\n    needs: [g{step}]\n    steps:\n      - {{ id: d{step}, argv: [echo, \"{{{{steps.a{step}.outputs.stdout}}}}{salt}\", \"{{{{item}}}}\"], effect: read }}\n"
        ));
        step += 3;
    }
    text
}

fn time(count: usize, salt: &str) -> Duration {
    time_of(many(count, salt))
}

fn time_of(text: String) -> Duration {
    let specs = Specs::of(Table::builtin().specs());
    let source = Source::new("x.yaml", text);
    let start = Instant::now();
    let loaded = load(&source, &specs);
    let taken = start.elapsed();
    let faults: Vec<String> = loaded.diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(faults, Vec::<String>::new());
    taken
}

/// Ten times the steps take about ten times as long. A thing that looks at every pair would take a hundred times.
#[test]
fn time_grows_with_the_text_and_not_with_its_square() {
    let least = |count: usize| ["p", "q", "r"].map(|salt| time(count, &format!("{salt}{count}"))).into_iter().min();
    let (few, lots) = (least(200).unwrap(), least(2000).unwrap());
    println!("200 steps: {few:?}, 2000 steps: {lots:?}");
    assert!(lots < few * 30, "200 steps: {few:?}, 2000 steps: {lots:?}");
}

/// The same of steps in groups: a group is found, and not looked for among all of them.
#[test]
fn time_grows_with_the_groups_and_not_with_their_square() {
    let least = |count: usize| {
        let times = ["s", "t", "u"].map(|salt| time_of(grouped(count, &format!("{salt}{count}"))));
        times.into_iter().min().unwrap_or_default()
    };
    let (few, lots) = (least(201), least(2001));
    println!("201 steps: {few:?}, 2001 steps in groups: {lots:?}");
    assert!(lots < few * 30, "201 steps: {few:?}, 2001 steps in groups: {lots:?}");
}

#[test]
fn two_thousand_steps_are_half_a_megabyte() {
    let text = many(2000, "a");
    assert!((450_000..600_000).contains(&text.len()), "{} bytes", text.len());
    if let Some(path) = std::env::var_os("PLAYBOOK_TEST_WRITE_LARGE") {
        std::fs::write(path, text).unwrap();
    }
}

/// A long text whose every step is faulty is given up in time too.
#[test]
fn many_faults_cost_no_more_than_none() {
    let specs = Specs::of(Table::builtin().specs());
    let text = many(2000, "f").replace("steps.s", "steps.x");
    let start = Instant::now();
    let loaded = load(&Source::new("x.yaml", text), &specs);
    assert_eq!(loaded.diagnostics.len(), 201);
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}
