//! What a run was narrowed to and what is left out of it, for people and programs; and the runs that went on where it left off.

use serde_json::{Value, json};

use crate::cli::text::{Ink, Line};
use crate::ids::{RunId, StepId};
use crate::plan::{Excluded, Plan};
use crate::run::RunState;
use crate::timeline::narrowed_words;
use crate::value::ranges;

use super::paragraph;

/// What a plan is narrowed to, and what is left out of its lists.
pub fn of_plan(plan: &Plan, width: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    for words in narrowed_words(plan) {
        lines.extend(paragraph(&words, 0, width, Ink::Warn));
    }
    if plan.narrowing.limit.is_some() && has_fixed_hosts(plan) {
        let words = "steps whose host is written out are not touched by the limit";
        lines.extend(paragraph(words, 0, width, Ink::Dim));
    }
    lines.extend(left_out(plan.groups.iter().map(|group| (&group.id, group.excluded.as_slice())), 0, width));
    lines
}

/// The same of a run.
pub fn of_run(state: &RunState, width: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    for words in narrowed_words(&state.plan) {
        lines.extend(paragraph(&words, 2, width, Ink::Plain));
    }
    let entered = state.entered.iter().map(|(task, entered)| (&task.step, entered.excluded.as_slice()));
    lines.extend(left_out(entered, 2, width));
    lines
}

/// For programs: null where it was narrowed by nothing.
pub fn json(plan: &Plan) -> Value {
    let narrowing = &plan.narrowing;
    if narrowing.is_none() {
        return Value::Null;
    }
    json!({
        "limit": narrowing.limit, "retry": narrowing.again, "text": narrowed_words(plan),
    })
}

/// The runs that were begun over what this one had left.
pub fn retried(by: &[RunId]) -> Option<Line> {
    if by.is_empty() {
        return None;
    }
    let names = by.iter().map(RunId::as_str).collect::<Vec<_>>().join(", ");
    Some(Line::plain(format!("  what it left was gone over by run {names}")))
}

fn left_out<'a>(groups: impl Iterator<Item = (&'a StepId, &'a [Excluded])>, indent: usize, width: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    for (group, excluded) in groups.filter(|(_, excluded)| !excluded.is_empty()) {
        let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
        for one in excluded {
            match reasons.iter_mut().find(|(why, _)| *why == one.why) {
                Some((_, names)) => names.push(one.id.as_str()),
                None => reasons.push((&one.why, vec![one.id.as_str()])),
            }
        }
        let names = reasons.into_iter().map(|(why, names)| format!("{} ({why})", ranges::fold_sorted(names)));
        let text = format!("not done, left out of {group}: {}", names.collect::<Vec<_>>().join(", "));
        lines.extend(paragraph(&text, indent, width, Ink::Warn));
    }
    lines
}

/// Whether a step runs on one host, whatever is limited.
fn has_fixed_hosts(plan: &Plan) -> bool {
    let fixed = |step: &crate::playbook::Step| {
        plan.playbook.each_around(step.group.as_ref()).is_none()
            && step.arguments.iter().any(|(name, _)| name == "host")
    };
    plan.playbook.steps.iter().any(fixed)
}
