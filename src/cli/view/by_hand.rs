//! A playbook as a person does it without the runner: a text for a shell, read line by line and never run as a whole.

use crate::actions::Table;
use crate::cli::visible;
use crate::ids::{ItemId, StepId};
use crate::inventory::Inventory;
use crate::plan::{Decided, Hand, Plan, PlannedStep, conditions};
use crate::playbook::{
    Approval, Rollback, Scope, SecretUse, Step, complete_arguments, fill_secrets, resolve_arguments,
};
use crate::spec::UndoSpec;
use crate::value::unknown;

use super::{checks, groups};

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
    lines.extend(brakes(plan, actions, inventory));
    let hand = Hand::of(plan, &|action| actions.get(action).map(|action| action.spec()));
    let sheet = Sheet { plan, hand, actions, inventory };
    let mut inside = Inside::default();
    for (step, planned) in plan.each_step() {
        let number = book.steps.iter().position(|one| one.id == step.id).unwrap_or(0) + 1;
        lines.extend(inside.go_on(plan, step, planned));
        lines.push(String::new());
        lines.push(comment(&format!("{number}. {}: {}", planned.name(), step.title)));
        lines.extend(sheet.of_step(step, planned));
    }
    // A script keeps its line ends, or it would be another one when it is pasted.
    let shown = lines
        .iter()
        .flat_map(|line| if line.is_empty() { vec![String::new()] } else { line.lines().map(with_tabs).collect() });
    shown.map(|line| line + "\n").collect()
}

/// A line that is safe to show, with its tabs: in a script they may count.
pub(super) fn with_tabs(line: &str) -> String {
    line.split('\t').map(visible::line).collect::<Vec<_>>().join("\t")
}

/// Within which groups the lines stand that were written last.
#[derive(Default)]
struct Inside<'a> {
    groups: Vec<&'a StepId>,
    item: Option<&'a ItemId>,
}

impl<'a> Inside<'a> {
    /// What is said where a step stands elsewhere than the one before it: that a group begins, or the next item.
    fn go_on(&mut self, plan: &'a Plan, step: &'a Step, planned: &'a PlannedStep) -> Vec<String> {
        let around = groups::around(&plan.playbook, step);
        let item = planned.item.as_ref();
        let mut same = around.iter().zip(&self.groups).take_while(|(group, known)| &group.id == **known).count();
        let each = around.iter().position(|group| group.each().is_some());
        let other_item = each.is_some_and(|each| each < same) && item != self.item;
        if let Some(each) = each.filter(|_| other_item) {
            same = each + 1;
        }
        let mut lines = Vec::new();
        let say = |lines: &mut Vec<String>, text: String| lines.extend([String::new(), comment(&text)]);
        for (depth, group) in around.iter().enumerate() {
            if depth >= same {
                say(
                    &mut lines,
                    format!("== {}. {}", groups::numbers(group), groups::words(group, groups::items(plan, group))),
                );
                lines.extend(asks(group.approval.as_ref()));
            }
            if let Some(item) = item.filter(|_| Some(depth) == each && (depth >= same || other_item)) {
                say(&mut lines, format!("-- for {item}"));
            }
        }
        self.groups = around.iter().map(|group| &group.id).collect();
        self.item = item;
        lines
    }
}

/// What must hold besides what steps require, with the commands that look: nobody looks by hand where it is not said.
fn brakes(plan: &Plan, actions: &Table, inventory: &Inventory) -> Vec<String> {
    let book = &plan.playbook;
    let mut lines = Vec::new();
    for check in &book.checks {
        lines.extend([String::new(), comment(&format!("must hold, {}", checks::head(check)))]);
        // Those of a nested playbook are written in words that only its place can fill in.
        let scope = Scope { inputs: plan.inputs.clone(), ..Scope::default() };
        let arguments = resolve_arguments(&check.step.arguments, &scope).ok().filter(|_| check.group.is_none());
        let by_hand = actions.get(&check.step.action).zip(arguments);
        match by_hand.map(|(action, arguments)| (complete_arguments(action.spec(), arguments.clone()), action)) {
            Some((Ok(arguments), action)) => lines.extend(action.by_hand(inventory, &arguments)),
            _ => lines.push(comment(&format!("look with {}", check.step.action))),
        }
        lines.push(comment(&format!("of what it shows: {}", check.expression.source)));
    }
    if !book.budgets.is_empty() {
        lines.push(String::new());
        lines.extend(book.budgets.iter().map(|budget| comment(&checks::of_budget(budget))));
    }
    lines
}

/// Whom to ask before a step or a group. Nothing of the runner's holds anybody here, so it is no command.
fn asks(approval: Option<&Approval>) -> Option<String> {
    let approval = approval?;
    let roles = if approval.roles.is_empty() { "anybody".to_owned() } else { approval.roles.join(" or ") };
    let other = if approval.prevent_self_approval { ", not your own" } else { "" };
    let only = approval.condition.as_ref().map_or(String::new(), |condition| format!(" if {}", condition.source));
    Some(comment(&format!("ask first{only}: the yes of {} ({roles}){other}", people(approval.min))))
}

fn people(count: u32) -> String {
    if count == 1 { "one person".to_owned() } else { format!("{count} people") }
}

/// What the lines of a step are made of.
struct Sheet<'a> {
    plan: &'a Plan,
    hand: Hand<'a>,
    actions: &'a Table,
    inventory: &'a Inventory,
}

impl Sheet<'_> {
    fn of_step(&self, step: &Step, planned: &PlannedStep) -> Vec<String> {
        let mut lines = Vec::new();
        if step.point_of_no_return {
            lines.push("# POINT OF NO RETURN: what comes now is not undone.".to_owned());
        }
        let item = planned.item.as_ref();
        match &planned.runs {
            Decided::Yes => {}
            Decided::No { why } if self.hand.never(step, item) => {
                return vec![comment(&format!("not done: {why}"))];
            }
            Decided::No { why } => lines.push(self.only_if(step, why, "; it does not hold now")),
            Decided::Undecided { why } => lines.push(self.only_if(step, why, "")),
        }
        lines.extend(asks(step.approval.as_ref()));
        let when = if step.effect.changes() { "before it" } else { "of what it shows" };
        lines.extend(step.require.iter().map(|need| comment(&format!("must hold {when}: {}", need.source))));
        let action = self.actions.get(&step.action);
        let own = match (planned.arguments.is_null(), action) {
            (true, Some(action)) => self.hand.arguments(step, item, step, action.spec()),
            _ => planned.arguments.clone(),
        };
        lines.extend(self.typed(step, step, &own));
        let verify = step.verify.iter().map(|verify| &verify.expression.source);
        lines.extend(verify.map(|source| comment(&format!("must hold after it: {source}"))));
        match (&step.rollback, action.map(|action| action.spec().undo)) {
            _ if !step.effect.changes() => {}
            (Rollback::None { because }, _) => lines.push(comment(&format!("it is not undone: {because}"))),
            (Rollback::Action, Some(UndoSpec::Restores { how, .. })) => {
                lines.push(comment(&format!("to undo it: {how}")));
            }
            (Rollback::Action, _) => {}
            (Rollback::Steps(steps), _) => {
                lines.extend(steps.iter().flat_map(|undo| self.undo(step, item, undo)));
            }
        }
        lines
    }

    /// On what it rests whether a step is done. Whoever holds the sheet sees how things are; the plan saw how they were.
    fn only_if(&self, step: &Step, why: &str, now: &str) -> String {
        let conditions: Vec<&str> = conditions(self.plan, step).iter().map(|one| one.source.as_str()).collect();
        match conditions.as_slice() {
            [] => comment(&format!("only if it applies: {why}")),
            [one] => comment(&format!("only if {one}{now}")),
            several => comment(&format!("only if {}{now}", several.join(" and "))),
        }
    }

    /// What a person types for a step, or for a part of it.
    fn typed(&self, step: &Step, part: &Step, arguments: &serde_json::Value) -> Vec<String> {
        // Typed as it is, a reference would be taken for the secret.
        let mut named = |place: SecretUse<'_>| {
            Ok(unknown(match place {
                SecretUse::Reference(reference) => format!("the secret {reference}"),
                SecretUse::Output { step, name } => format!("the secret output {name} of step {step}"),
            }))
        };
        let filled = fill_secrets(part, &step.id, &self.plan.playbook, arguments, &mut named);
        let arguments = filled.unwrap_or_else(|_| arguments.clone());
        let action = self.actions.get(&part.action);
        action.map(|action| action.by_hand(self.inventory, &arguments)).unwrap_or_default()
    }

    /// A step's undo, whole, and as comments: it is for the day on which the step has to be taken back.
    fn undo(&self, step: &Step, item: Option<&ItemId>, undo: &Step) -> Vec<String> {
        let Some(action) = self.actions.get(&undo.action) else { return Vec::new() };
        // A step of a rollback that was given no name has one of ours, which tells nobody anything.
        let ours = undo.title == undo.id.as_str() && undo.title.starts_with(&format!("{}_undo_", step.id));
        let title = if ours { String::new() } else { format!(" {}", undo.title) };
        let arguments = self.hand.arguments(step, item, undo, action.spec());
        let typed = self.typed(step, undo, &arguments);
        let mut lines = vec![comment(&format!("to undo it:{title}"))];
        // A script keeps its lines, and each of them is a comment.
        lines.extend(typed.iter().flat_map(|line| line.lines()).map(|line| {
            let line = line.strip_prefix("# ").unwrap_or(line);
            format!("#   {line}")
        }));
        lines
    }
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

    #[test]
    fn what_holds_a_run_back_is_said_by_hand_too() {
        let text = text(&samples::braked_plan(), &Table::builtin(), &Inventory::default());
        insta::assert_snapshot!(text);
    }

    #[test]
    fn groups_say_what_is_done_at_the_same_time_and_for_which_item() {
        let text = text(&samples::grouped_plan(2), &Table::builtin(), &Inventory::default());
        insta::assert_snapshot!(text);
    }
}
