//! Every kind of drift, and what is none.

use serde_json::json;

use super::*;
use crate::plan::{Planner, Requirement};
use crate::spec::{ActionSpec, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::Type;

fn specs() -> Specs {
    Specs::of(&[ActionSpec {
        name: "look",
        summary: "",
        details: "",
        inputs: vec![FieldSpec::optional("who", Type::String, "")],
        outputs: vec![],
        facts: vec![
            FieldSpec::optional("role", Type::String, ""),
            FieldSpec::optional("lag", Type::Integer, "").volatile(),
        ],
        effect: Effect::Read,
        fidelity: Fidelity::Probed,
        proves: "",
        undo: UndoSpec::Nothing,
        resource: None,
        settle_seconds: 0.0,
        timeout_seconds: 1.0,
        open_inputs: false,
    }])
}

/// A plan of two steps that both looked.
fn plan() -> Plan {
    let text = "name: p\nversion: 1.0.0\ntitle: t\nsteps:\n  - { id: one, uses: look }\n  - { id: two, uses: look }\n";
    let loaded = crate::playbook::load(&crate::diagnostic::Source::new("p.yaml", text), &specs());
    let book = loaded.playbook.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
    let mut planner = Planner::new(book, json!({}), "lab", &specs());
    while planner.look_up().unwrap().is_some() {
        planner.answer(Prediction::probed(json!({ "role": "primary", "lag": 5 })));
    }
    let mut plan = planner.finish();
    plan.steps[0].requirements = vec![Requirement { source: "facts.lag < 9".to_owned(), decided: Decided::Yes }];
    plan.steps[0].arguments = json!({ "who": "pg1" });
    plan
}

fn after(change: impl Fn(&mut Plan)) -> Vec<Drift> {
    between(|_| {}, change)
}

fn between(before: impl Fn(&mut Plan), change: impl Fn(&mut Plan)) -> Vec<Drift> {
    let (mut then, mut now) = (plan(), plan());
    before(&mut then);
    change(&mut now);
    drift(&then, &now, &specs())
}

fn undecided() -> Decided {
    Decided::Undecided { why: "who knows".to_owned() }
}

fn no() -> Decided {
    Decided::No { why: "lag = 10".to_owned() }
}

#[test]
fn the_same_world_is_no_drift() {
    assert_eq!(after(|_| {}), []);
}

#[test]
fn a_stable_fact_is_drift_once_for_all_steps_that_read_it() {
    let found = after(|plan| {
        plan.steps[0].prediction.facts["role"] = json!("standby");
        plan.steps[1].prediction.facts["role"] = json!("standby");
    });
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].what, DriftKind::Fact("role".to_owned()));
    assert_eq!((found[0].was_text(), found[0].is_text()), ("primary".to_owned(), "standby".to_owned()));
    assert_eq!(found[0].steps.iter().map(StepId::as_str).collect::<Vec<_>>(), ["one", "two"]);
}

#[test]
fn what_moves_by_itself_is_no_drift() {
    assert_eq!(after(|plan| plan.steps[0].prediction.facts["lag"] = json!(7)), []);
}

#[test]
fn a_fact_that_cannot_be_read_any_more_is_drift_and_says_why() {
    let found = after(|plan| plan.steps[0].prediction = Prediction::unknown("no answer within 15 s"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].is_text(), "not known (no answer within 15 s)");
}

#[test]
fn an_unknown_that_became_known_is_no_drift() {
    let silent = |plan: &mut Plan| plan.steps[0].prediction = Prediction::unknown("no answer");
    assert_eq!(between(silent, |_| {}), []);
    let open = |plan: &mut Plan| plan.steps[0].arguments = json!({ "who": unknown("two has not run") });
    assert_eq!(between(open, |_| {}), []);
}

#[test]
fn an_argument_that_is_another_one_or_unknown_is_drift() {
    for is in [json!("pg2"), unknown("nobody knows"), Value::Null] {
        let found = after(|plan| plan.steps[0].arguments = json!({ "who": is }));
        assert_eq!(found.len(), 1, "{is}");
        assert_eq!(found[0].what, DriftKind::Argument("who".to_owned()));
    }
    let gone = after(|plan| plan.steps[0].arguments = json!({}));
    assert_eq!(gone[0].is_text(), "none");
}

#[test]
fn decisions_drift_where_they_turn_or_open_again() {
    let cases = [
        (Decided::Yes, no(), true),
        (Decided::Yes, undecided(), true),
        (no(), Decided::Yes, true),
        (no(), undecided(), true),
        (undecided(), no(), true),
        (undecided(), Decided::Yes, false),
        (undecided(), undecided(), false),
        (Decided::Yes, Decided::Yes, false),
        (no(), Decided::No { why: "lag = 11".to_owned() }, false),
    ];
    for (was, is, drifts) in cases {
        let found = between(
            |plan| plan.steps[0].requirements[0].decided = was.clone(),
            |plan| plan.steps[0].requirements[0].decided = is.clone(),
        );
        assert_eq!(found.len(), usize::from(drifts), "requirement {was:?} → {is:?}: {found:?}");
        let found = between(|plan| plan.steps[1].runs = was.clone(), |plan| plan.steps[1].runs = is.clone());
        assert_eq!(found.len(), usize::from(drifts), "runs {was:?} → {is:?}: {found:?}");
    }
}

#[test]
fn a_refusal_that_came_or_went_is_drift_and_other_words_are_not() {
    let refuse = |words: &'static str| {
        move |plan: &mut Plan| {
            plan.steps[1].prediction.refusals = vec![words.to_owned()];
            plan.steps[1].requirements = vec![Requirement { source: words.to_owned(), decided: no() }];
        }
    };
    assert_eq!(after(refuse("it is paused"))[0].what, DriftKind::Refusal);
    assert_eq!(between(refuse("it is paused"), |_| {}).len(), 1);
    assert_eq!(between(refuse("lag is 5"), refuse("lag is 6")), []);
}

#[test]
fn targets_and_locks_are_compared() {
    let found = after(|plan| plan.targets.push("database/other".to_owned()));
    assert_eq!((&found[0].what, found[0].steps.len()), (&DriftKind::Targets, 0));
    let found = after(|plan| plan.locks.push("database/other".parse().unwrap()));
    assert_eq!(found[0].what, DriftKind::Locks);
}
