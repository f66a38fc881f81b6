//! Identities, invariants and budgets in a plan: whether each holds now.

use crate::cli::text::{Ink, Line};
use crate::plan::{Decided, Plan, PlannedCheck};
use crate::playbook::CheckKind;
use crate::value::format_seconds;

use super::{heading, paragraph};

/// What must hold besides what steps require.
pub fn lines(plan: &Plan, width: usize) -> Vec<Line> {
    let budgets = &plan.playbook.budgets;
    if plan.checks.is_empty() && budgets.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![Line::new(), heading("What must hold")];
    for check in &plan.checks {
        let when = match check.kind {
            CheckKind::Identity => "before the first change",
            CheckKind::Always => "before the first change and after each",
            CheckKind::Checkpoints => "at checkpoints",
        };
        let head = format!("{}: {} ({when})", check.kind.word(), check.name);
        let (mark, ink, text) = match &check.decided {
            Decided::Yes => ("✓", Ink::Plain, head),
            Decided::No { why } => ("✗", Ink::Bad, format!("{head}: does not hold now ({why})")),
            Decided::Undecided { why } => ("?", Ink::Warn, format!("{head}: not known yet, {why}")),
        };
        lines.extend(paragraph(&format!("{mark} {text}"), 2, width, ink));
    }
    for budget in budgets {
        let text = format!("budget: {} from {} to {}", format_seconds(budget.max), budget.from, budget.to);
        lines.extend(paragraph(&text, 4, width, Ink::Plain));
    }
    lines
}

/// The checks that do not hold now and would stop a run.
pub fn broken(plan: &Plan) -> impl Iterator<Item = &PlannedCheck> {
    let stops =
        |check: &&PlannedCheck| matches!(check.decided, Decided::No { .. }) && check.kind != CheckKind::Checkpoints;
    plan.checks.iter().filter(stops)
}
