//! What a run has left undone of its lists, for a new run over that alone.

use std::sync::Arc;

use playbook::diagnostic::Span;
use playbook::engine::EndingKind;
use playbook::plan::{Again, Excluded, Which};
use playbook::playbook::{Amount, Expression};
use playbook::run::{RunState, Verdict};
use playbook::sim::Fault;

use super::fleets::{fail, fleet};
use super::harness::Simulation;

/// The items of `n1` that are left; nothing where nobody knows which those are.
fn left(state: &RunState, which: Which) -> Option<Vec<String>> {
    let Again { run, items, .. } = state.left_undone(which);
    assert_eq!(run, state.run);
    items.get(&"n1".parse().unwrap()).map(|items| items.iter().map(ToString::to_string).collect())
}

fn some(names: &[&str]) -> Option<Vec<String>> {
    Some(names.iter().map(|name| (*name).to_owned()).collect())
}

#[test]
fn what_failed_or_was_left_out_is_left_and_what_remains_is_that_and_whatever_is_not_done() {
    let simulation = Simulation::new();
    fail(&simulation, "n1_0@i3");
    let book = fleet(6, &["2"], |each| each.max_failures = Amount::Count(1));
    let ending = simulation.start(&book, None).ending();
    assert_eq!(ending.kind, EndingKind::Finished(Verdict::SucceededWithExceptions));
    let mut state = simulation.state();
    assert_eq!(left(&state, Which::Failed), some(&["i3"]));
    assert_eq!(left(&state, Which::Remaining), some(&["i3"]), "all others are done");
    assert_eq!((state.failed_items(), state.remaining_items()), ((1, 0), 0));
    let entered = state.entered.get_mut(&"n1".parse().unwrap()).unwrap();
    let out = Excluded { id: "i9".parse().unwrap(), value: "i9".into(), why: "unreachable at plan".to_owned() };
    entered.excluded.push(out);
    assert_eq!(left(&state, Which::Failed), some(&["i3", "i9"]), "what was left out is no success");
    assert_eq!(state.failed_items(), (1, 1));
}

#[test]
fn what_was_undone_again_or_never_began_remains_and_did_not_fail() {
    let simulation = Simulation::new();
    fail(&simulation, "n1_0@i3");
    let ending = simulation.start(&fleet(6, &["2"], |_| {}), None).ending();
    assert_eq!(ending.kind, EndingKind::Finished(Verdict::Incomplete));
    let state = simulation.state();
    assert_eq!(left(&state, Which::Failed), some(&["i3"]));
    assert_eq!(left(&state, Which::Remaining), some(&["i1", "i2", "i3", "i4", "i5", "i6"]));
    assert_eq!(state.remaining_items(), 5);
}

#[test]
fn a_list_that_was_never_entered_remains_as_far_as_anybody_knows_it() {
    let simulation = Simulation::new();
    for attempt in 1..=9 {
        simulation.world.fail("n0", attempt, Fault::NoEffect);
    }
    simulation.start(&fleet(3, &["1"], |_| {}), None).ending();
    let mut state = simulation.state();
    assert_eq!(left(&state, Which::Failed), some(&[]), "what never began did not fail");
    assert_eq!(left(&state, Which::Remaining), some(&["i1", "i2", "i3"]));
    // Nobody knew the list: all of it is left, or what that run itself was to go over.
    let mut plan = (*state.plan).clone();
    plan.groups[0].items = None;
    state.plan = Arc::new(plan.clone());
    assert_eq!(left(&state, Which::Remaining), None);
    let items = [("n1".parse().unwrap(), ["i2".parse().unwrap()].into())].into();
    plan.narrowing.again = Some(Again { run: "earlier".parse().unwrap(), which: Which::Failed, items });
    state.plan = Arc::new(plan);
    assert_eq!(left(&state, Which::Remaining), some(&["i2"]));
}

#[test]
fn of_a_list_that_was_skipped_nothing_is_left() {
    let simulation = Simulation::new();
    let mut book = fleet(3, &["1"], |_| {});
    book.groups[0].condition = Some(Expression { source: "false".to_owned(), span: Span::default() });
    let ending = simulation.start(&book, None).ending();
    assert_eq!(ending.kind, EndingKind::Finished(Verdict::Succeeded));
    assert_eq!(left(&simulation.state(), Which::Remaining), some(&[]));
}
