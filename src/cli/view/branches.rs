//! A step of a plan that may not run: both of its branches. What happens if it runs is what the plan shows of any step;
//! here is the other one, and what it means for the steps behind it.

use serde_json::{Value, json};

use crate::cli::text::{Ink, Line};
use crate::plan::{Plan, PlannedStep, Then, otherwise};
use crate::playbook::{OnFailure, Step};

use super::paragraph;

/// Why it cannot be told whether a step runs; what is foreseen of it if it does follows on that.
pub fn if_it_runs(step: &Step, why: &str, width: usize) -> Vec<Line> {
    let mut lines = paragraph(&format!("? whether it runs cannot be told yet: {why}"), 4, width, Ink::Warn);
    let condition = step.condition.as_ref().map(|condition| format!(" ({})", condition.source)).unwrap_or_default();
    lines.extend(paragraph(&format!("▸ if it runs{condition}:"), 4, width, Ink::Bold));
    lines
}

/// The other branch.
pub fn if_skipped(plan: &Plan, step: &Step, width: usize) -> Vec<Line> {
    let mut lines = vec![Line::plain("    ").with(Ink::Bold, "▸ if it does not:")];
    lines.extend(skipped(plan, step).into_iter().flat_map(|(ink, text)| paragraph(&text, 6, width, ink)));
    lines
}

fn skipped(plan: &Plan, step: &Step) -> Vec<(Ink, String)> {
    let what = if step.effect.changes() { "it is skipped and changes nothing" } else { "it is skipped" };
    let mut all = vec![(Ink::Plain, format!("↷ {what}"))];
    if step.point_of_no_return {
        all.push((Ink::Plain, "▲ the point of no return is not crossed here".to_owned()));
    }
    if let Some(service) = step.service {
        all.push((Ink::Plain, format!("service stays as it was, and does not become {}", service.word())));
    }
    if let Some(name) = &step.checkpoint {
        all.push((Ink::Warn, format!("⚑ checkpoint {name} is not reached")));
    }
    for found in otherwise(plan, &step.id) {
        let (ink, text) = match found.then {
            Then::Skipped => (Ink::Plain, format!("↷ {} is skipped too: {}", found.step, found.why)),
            Then::Decides => (Ink::Plain, format!("? {} decides by {} whether it runs", found.step, found.why)),
            Then::Default => (Ink::Dim, format!("= {} takes its default for {}", found.step, found.why)),
            Then::Fails => {
                let end = plan.playbook.step(&found.step).map(fails).unwrap_or_default();
                (Ink::Bad, format!("✗ {} fails: {} is not there then{end}", found.step, found.why))
            }
        };
        all.push((ink, text));
    }
    all
}

fn fails(step: &Step) -> String {
    match &step.on_failure {
        None => String::new(),
        Some(OnFailure::Rollback) => "; everything is undone".to_owned(),
        Some(OnFailure::RollbackTo(name)) => format!("; back to checkpoint {name}"),
        Some(OnFailure::Pause) => "; a person is called".to_owned(),
        Some(OnFailure::Continue) => "; the run goes on, with exceptions".to_owned(),
        Some(OnFailure::Step(to)) => format!("; the run goes on at {to}"),
    }
}

/// The other branch for programs: what becomes of other steps if this one is skipped. Null where it is decided.
pub fn json(plan: &Plan, step: &Step, planned: &PlannedStep) -> Value {
    if !matches!(planned.runs, crate::plan::Decided::Undecided { .. }) {
        return Value::Null;
    }
    let steps: Vec<Value> = otherwise(plan, &step.id)
        .into_iter()
        .map(|found| json!({ "step": found.step, "then": found.then.word(), "why": found.why }))
        .collect();
    json!({ "skipped": true, "changes": [], "checkpoint_reached": step.checkpoint.as_ref().map(|_| false), "steps": steps })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::Table;
    use crate::cli::text::Look;
    use crate::diagnostic::Source;
    use crate::plan::Planner;
    use crate::spec::{Prediction, Specs};

    /// What `size` looks for cannot be known before `free` has acted.
    const BOOK: &str = r#"
name: grow
version: 1.0.0
title: Grow a volume where freeing space was not enough
steps:
  - { id: free, run: clear-cache, rollback: none, because: the application fills it again }
  - { id: size, run: df-percent, effect: read, outputs: { used: { regex: '([0-9]+)', type: integer } } }
  - id: grow
    name: The volume gets larger
    if: steps.size.outputs.used > 80
    run: grow-volume
    effect: idempotent
    rollback: none
    because: a volume does not shrink
    outputs: { device: { regex: '(/dev/.*)' } }
    service: up
    checkpoint: volume_grown
  - { id: settle, needs: [grow], run: wait-for-volume, effect: read }
  - { id: note, if: steps.grow.outcome == 'done', argv: [note, grown], effect: read }
  - { id: tell, argv: [tell, "{{default steps.grow.outputs.device 'nothing'}}"], effect: read }
  - { id: mount, argv: [mount, "{{steps.grow.outputs.device}}"], rollback: none, because: a test, on_failure: pause }
"#;

    fn plan() -> Plan {
        let specs = Specs::of(Table::builtin().specs());
        let book = crate::playbook::load(&Source::new("x.yaml", BOOK), &specs);
        let mut planner = Planner::new(book.playbook.unwrap(), serde_json::json!({}), "lab", &specs);
        while planner.look_up().unwrap().is_some() {
            planner.answer(Prediction::unknown("what a command changes cannot be foreseen"));
        }
        planner.finish()
    }

    #[test]
    fn a_step_that_may_not_run_shows_both_branches() {
        let look = Look { color: false, unicode: true, width: None };
        let lines = super::super::plan::lines(&plan(), 80);
        insta::assert_snapshot!(lines.iter().map(|line| line.render(&look) + "\n").collect::<String>());
    }

    #[test]
    fn programs_get_both_branches_too() {
        let whole = super::super::plan_json::json(&plan(), 0);
        let grow = whole["steps"].as_array().unwrap().iter().find(|step| step["id"] == "grow").unwrap();
        insta::assert_json_snapshot!(grow);
        assert_eq!(whole["steps"][0]["otherwise"], Value::Null);
    }
}
