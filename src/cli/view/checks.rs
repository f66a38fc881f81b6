//! Identities, invariants and budgets: what a playbook says of them, and in a plan whether each holds now.

use crate::cli::text::{Ink, Line};
use crate::plan::{Decided, Plan, PlannedCheck};
use crate::playbook::{Budget, Check, CheckKind, Playbook};
use crate::value::format_seconds;

use super::command::Command;
use super::{heading, paragraph};

/// What must hold besides what steps require.
pub fn lines(plan: &Plan, width: usize) -> Vec<Line> {
    let budgets = &plan.playbook.budgets;
    if plan.checks.is_empty() && budgets.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![Line::new(), heading("What must hold")];
    for check in &plan.checks {
        let head = format!("{}: {} ({})", check.kind.word(), check.name, when(check.kind));
        let (mark, ink, text) = match &check.decided {
            Decided::Yes => ("✓", Ink::Plain, head),
            Decided::No { why } => ("✗", Ink::Bad, format!("{head}: does not hold now ({why})")),
            Decided::Undecided { why } => ("?", Ink::Warn, format!("{head}: not known yet, {why}")),
        };
        lines.extend(paragraph(&format!("{mark} {text}"), 2, width, ink));
    }
    for budget in budgets {
        lines.extend(paragraph(&of_budget(budget), 4, width, Ink::Plain));
    }
    lines
}

/// What must hold, as a playbook has it: nobody has looked.
pub fn of_book(book: &Playbook, width: usize) -> Vec<Line> {
    if book.checks.is_empty() && book.budgets.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![Line::new(), heading("What must hold")];
    for check in &book.checks {
        lines.extend(paragraph(&head(check), 2, width, Ink::Plain));
        lines.extend(paragraph(&look(check), 6, width, Ink::Dim));
    }
    for budget in &book.budgets {
        lines.extend(paragraph(&of_budget(budget), 2, width, Ink::Plain));
    }
    lines
}

/// Which check it is, and when it is looked at.
pub fn head(check: &Check) -> String {
    let inside = check.group.as_ref().map(|group| format!(", while {group} runs")).unwrap_or_default();
    format!("{}: {} ({}{inside})", check.kind.word(), check.name, when(check.kind))
}

/// What looks, and what must be true of that.
fn look(check: &Check) -> String {
    let looks = Command::of_step(&check.step).map_or_else(|| check.step.action.clone(), |command| command.line());
    let within = match check.within {
        within if within > 0.0 => format!(", within {}", format_seconds(within)),
        _ => String::new(),
    };
    format!("{looks}; {}{within}", check.expression.source)
}

/// A budget, in a line.
pub fn of_budget(budget: &Budget) -> String {
    format!("budget: {} from {} to {}", format_seconds(budget.max), budget.from, budget.to)
}

fn when(kind: CheckKind) -> &'static str {
    match kind {
        CheckKind::Identity => "before the first change",
        CheckKind::Always => "before the first change and after each",
        CheckKind::Checkpoints => "at checkpoints",
    }
}

/// The checks that do not hold now and would stop a run.
pub fn broken(plan: &Plan) -> impl Iterator<Item = &PlannedCheck> {
    let stops =
        |check: &&PlannedCheck| matches!(check.decided, Decided::No { .. }) && check.kind != CheckKind::Checkpoints;
    plan.checks.iter().filter(stops)
}
