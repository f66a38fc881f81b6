//! Playbooks to measure with, and what is made of them.

use std::sync::Arc;

use playbook::actions::Table;
use playbook::diagnostic::{Severity, Source};
use playbook::plan::{Plan, Planner};
use playbook::playbook::{Playbook, load};
use playbook::spec::{Prediction, Specs};
use serde_json::json;

/// So many steps of the usual kinds, no two texts alike: about 265 bytes a step, so 2,000 are half a megabyte.
pub fn large(steps: usize) -> String {
    let mut text = HEAD.to_owned();
    for step in 0..steps {
        text.push_str(&format!(
            "  - id: step_{step}\n    name: Look at part {step} of the cluster and say how it is\n"
        ));
        text.push_str(&match step % 4 {
            0 => format!(
                "    argv: [\"echo\", \"{{{{inputs.cluster}}}}-part-{step}\", \"--limit\", \"is {{{{inputs.limit}}}}\"]\n    \
                 effect: read\n    outputs: {{ number: {{ regex: \"part-{step}-([0-9]+)\", type: integer }} }}\n"
            ),
            1 => format!(
                "    run: |\n      echo \"$CLUSTER $BEFORE\"\n    env: {{ CLUSTER: \"{{{{inputs.cluster}}}}\", BEFORE: \
                 \"{{{{steps.step_{}.outputs.number}}}}\" }}\n    effect: idempotent\n    timeout: 30s\n    ok_if: \
                 \"outputs.exit_code == 0 || outputs.exit_code == {step}\"\n    rollback: none\n    because: nothing of \
                 it stays\n",
                step - 1
            ),
            2 => format!(
                "    argv: [\"true\", \"{{{{inputs.mode}}}}-{step}\"]\n    effect: read\n    if: \"inputs.mode == \
                 'planned' && steps.step_{}.outputs.number < inputs.limit + {step}\"\n",
                step - 2
            ),
            _ => format!(
                "    argv: [\"test\", \"{step}\", \"-gt\", \"1\"]\n    effect: read\n    retry: {{ attempts: 3, delay: 1s \
                 }}\n    require: [\"outputs.exit_code == 0\", \"inputs.limit > {step} - {step}\"]\n"
            ),
        });
    }
    text
}

const HEAD: &str = "name: large
version: 1.0.0
title: Many steps
owner: bench
inputs:
  cluster: { type: string, default: orders, description: the cluster }
  limit: { type: integer, default: 10, description: the limit }
  mode: { type: choice, options: [planned, unplanned], default: planned, description: the mode }
steps:
";

/// So many commands that change something.
pub fn commands(steps: usize) -> String {
    let step = |step: usize| {
        format!("  - {{ id: s{step}, argv: [\"true\"], effect: idempotent, rollback: none, because: nothing stays }}\n")
    };
    let steps: String = (0..steps).map(step).collect();
    format!("name: many\nversion: 1.0.0\ntitle: Many\nowner: bench\nsteps:\n{steps}")
}

pub fn source(text: String) -> Arc<Source> {
    Source::new("bench.yaml", text)
}

pub fn specs() -> Specs {
    Table::builtin().told()
}

pub fn read(text: String) -> Playbook {
    let loaded = load(&source(text), &specs());
    let errors = loaded.diagnostics.iter().filter(|fault| fault.severity == Severity::Error).count();
    assert_eq!(errors, 0, "{:?}", loaded.diagnostics.first());
    loaded.playbook.unwrap()
}

/// A plan that was made without looking at anything.
pub fn plan(book: Playbook) -> Plan {
    let mut planner = Planner::new(book, json!({}), "none", &specs());
    while planner.look_up().unwrap().is_some() {
        planner.answer(Prediction::unknown("it is not looked at"));
    }
    planner.finish()
}
