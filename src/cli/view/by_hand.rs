//! A playbook as a person does it without the runner: a text for a shell, read line by line and never run as a whole.

use crate::actions::Table;
use crate::cli::visible;
use crate::inventory::Inventory;
use crate::plan::{Decided, Plan, PlannedStep};
use crate::playbook::{InputSpec, Rollback, Step, fill_secrets};
use crate::spec::UndoSpec;
use crate::value::unknown;

/// The text.
pub fn text(plan: &Plan, actions: &Table, inventory: &Inventory) -> String {
    let book = &plan.playbook;
    let mut lines = vec![
        comment(&format!("{}@{} by hand: {}", book.name, book.version, book.title)),
        comment(&format!(
            "environment {}. Paste step by step, and look before you go on; <…> is to be filled in.",
            plan.environment
        )),
    ];
    if !plan.locks.is_empty() {
        let locks: Vec<&str> = plan.locks.iter().map(crate::ids::Resource::as_str).collect();
        lines.push(comment(&format!("Nobody else may work on: {}", locks.join(", "))));
    }
    for (number, (step, planned)) in plan.each_step().enumerate() {
        lines.push(String::new());
        lines.push(comment(&format!("{}. {}: {}", number + 1, planned.name(), step.title)));
        lines.extend(of_step(step, planned, book.inputs_of(&step.id), actions, inventory));
    }
    // A script keeps its line ends, or it would be another one when it is pasted.
    let shown = lines
        .iter()
        .flat_map(|line| if line.is_empty() { vec![String::new()] } else { visible::lines(line).collect() });
    shown.map(|line| line + "\n").collect()
}

fn of_step(
    step: &Step,
    planned: &PlannedStep,
    inputs: &[InputSpec],
    actions: &Table,
    inventory: &Inventory,
) -> Vec<String> {
    let mut lines = Vec::new();
    if step.point_of_no_return {
        lines.push("# POINT OF NO RETURN: what comes now is not undone.".to_owned());
    }
    match &planned.runs {
        Decided::Yes => {}
        Decided::No { why } => return vec![comment(&format!("not done: {why}"))],
        Decided::Undecided { why } => lines.push(comment(&format!("only if it applies: {why}"))),
    }
    let when = if step.effect.changes() { "before it" } else { "of what it shows" };
    lines.extend(step.require.iter().map(|need| comment(&format!("must hold {when}: {}", need.source))));
    let action = actions.get(&step.action);
    // Typed as it is, a reference would be taken for the secret.
    let mut named = |reference: &str| Ok(unknown(format!("the secret {reference}")));
    let arguments = fill_secrets(step, inputs, &planned.arguments, &mut named);
    let arguments = arguments.unwrap_or_else(|_| planned.arguments.clone());
    lines.extend(action.map(|action| action.by_hand(inventory, &arguments)).unwrap_or_default());
    lines
        .extend(step.verify.iter().map(|verify| comment(&format!("must hold after it: {}", verify.expression.source))));
    match (&step.rollback, action.map(|action| action.spec().undo)) {
        _ if !step.effect.changes() => {}
        (Rollback::None { because }, _) => lines.push(comment(&format!("it is not undone: {because}"))),
        (Rollback::Action, Some(UndoSpec::Restores { how, .. })) => lines.push(comment(&format!("to undo it: {how}"))),
        (Rollback::Action, _) => {}
        (Rollback::Steps(steps), _) => {
            for undo in steps {
                lines.push(comment(&format!("to undo it: {} ({})", undo.title, undo.action)));
            }
        }
    }
    lines
}

fn comment(text: &str) -> String {
    format!("# {}", text.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::view::samples;

    #[test]
    fn every_step_is_there_and_nothing_of_it_runs_by_itself() {
        let text = text(&samples::plan(), &Table::builtin(), &Inventory::default());
        insta::assert_snapshot!(text);
    }
}
