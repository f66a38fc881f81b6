//! What is counted of reading and planning: each text is compiled once, and what a playbook does not use is not made.

use std::collections::BTreeMap;

use serde_json::json;

use super::taken;
use crate::actions::Table;
use crate::diagnostic::Source;
use crate::plan::Planner;
use crate::playbook::{Scope, load, render};
use crate::spec::Prediction;

const HEAD: &str = "name: x\nversion: 1.0.0\nowner: me\ninputs:\n  who: { type: string, default: x }\nsteps:\n";

/// So many steps, each with two templates of its own, an expression and a pattern. `salt` keeps what was compiled for one
/// test from serving another.
fn text(steps: usize, salt: &str) -> String {
    let step = |step: usize| {
        format!(
            "  - id: s{step}\n    argv: [echo, \"{{{{inputs.who}}}}{salt}{step}\", \"{step}{salt}{{{{inputs.who}}}}\"]\n    \
             effect: read\n    if: \"inputs.who != '{salt}{step}'\"\n    outputs: {{ x: {{ regex: \"{step}=(.*)\" }} }}\n"
        )
    };
    HEAD.to_owned() + &(0..steps).map(step).collect::<String>()
}

#[test]
fn each_text_is_compiled_once() {
    taken();
    let table = Table::builtin();
    let loaded = load(&Source::new("x.yaml", text(40, "one")), &table.told());
    assert_eq!(loaded.diagnostics.first().map(ToString::to_string), None);
    let once = BTreeMap::from([("expression", 40), ("file", 1), ("template", 80)]);
    assert_eq!(taken(), once, "no grammar for a plain path, and no machine for a pattern that is only read");

    let mut planner = Planner::new(loaded.playbook.unwrap(), json!({ "who": "x" }), "none", &table.told());
    while planner.look_up().unwrap().is_some() {
        planner.answer(Prediction::unknown("it is not looked at"));
    }
    assert_eq!(taken(), BTreeMap::new(), "a plan has nothing compiled anew");
    let plan = planner.finish();
    let template = crate::playbook::Template { source: "{{inputs.who}}one0".to_owned(), span: Default::default() };
    let scope = Scope { inputs: plan.inputs, ..Scope::default() };
    assert_eq!(render(&template, &scope).unwrap(), "xone0");
    assert_eq!(taken(), BTreeMap::new());
}

#[test]
fn what_a_playbook_does_not_use_is_not_made() {
    let table = Table::builtin();
    let loaded = load(&Source::new("x.yaml", text(3, "two")), &table.told());
    assert!(loaded.playbook.is_some());
    assert_eq!(table.made(), ["shell"]);
}

#[test]
fn what_is_more_than_a_path_goes_to_the_grammar_once() {
    taken();
    let text = text(2, "three").replace("{{inputs.who}}three1", "{{default inputs.who 'x'}}");
    assert!(load(&Source::new("x.yaml", text), &Table::builtin().told()).playbook.is_some());
    assert_eq!(taken().get("grammar"), Some(&1));
}
