//! The steps of a plan for people: each under the group that it belongs to, and once for all items of which the same is
//! foreseen.

use std::collections::BTreeMap;

use crate::cli::text::{Ink, Line};
use crate::ids::StepId;
use crate::plan::{Decided, Plan, PlannedStep, Requirement};
use crate::playbook::{Child, Group, OnFailure, Rollback, Service, Step};
use crate::spec::{Change, Fidelity};
use crate::value::ranges;

use super::alike::{Alike, alike};
use super::approval;
use super::branches;
use super::command::{Command, undo_lines};
use super::groups::{batches, is_folded, items, numbers, some, words};
use super::paragraph;
use super::plan::{effect_word, fidelity_word, requirements, service_ink};

/// How many different predictions of one step are shown; of the others, the items are named.
const MOST: usize = 5;

/// All steps.
pub(super) fn lines(plan: &Plan, width: usize) -> Vec<Line> {
    let mut foreseen: BTreeMap<&StepId, Vec<&PlannedStep>> = BTreeMap::new();
    plan.steps.iter().for_each(|planned| foreseen.entry(&planned.id).or_default().push(planned));
    Steps { plan, foreseen }.level(None, "", width)
}

/// The steps of a plan, each with what is foreseen of it.
struct Steps<'a> {
    plan: &'a Plan,
    foreseen: BTreeMap<&'a StepId, Vec<&'a PlannedStep>>,
}

impl<'a> Steps<'a> {
    /// What stands in a group, or in the playbook itself; `why` it is not certain that the group runs is told there.
    fn level(&self, group: Option<&'a Group>, why: &str, width: usize) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut place = group.map_or(0, |group| group.first);
        for child in self.plan.playbook.level(group) {
            if group.is_none() {
                lines.push(Line::new());
            }
            match child {
                Child::Step(step) => lines.extend(self.step(place + 1, step, group, why, width)),
                Child::Group(group) => lines.extend(self.group(group, why, width)),
            }
            place += child.count();
        }
        lines
    }

    fn group(&self, group: &'a Group, why: &str, width: usize) -> Vec<Line> {
        let book = &self.plan.playbook;
        let text = format!("{}. {}", numbers(group), words(group, items(self.plan, group)));
        let mut lines = paragraph(&format!("{text:>3}"), 1, width, Ink::Bold);
        let known = self.plan.groups.iter().find(|planned| planned.id == group.id);
        let batches = group.each().zip(known).and_then(|(each, planned)| batches(each, planned));
        lines.extend(batches.into_iter().flat_map(|text| paragraph(&text, 4, width, Ink::Plain)));
        let mut rounds = self.plan.groups.iter().filter(|planned| planned.id == group.id).map(|planned| &planned.runs);
        // Of a group in a `for_each` that runs for some items and not for others, its steps say it.
        let runs = rounds.next().filter(|first| rounds.all(|other| other == *first));
        let mut inner_why = why.to_owned();
        match runs {
            Some(Decided::No { why }) => {
                lines.extend(paragraph(&format!("↷ does not run: {why}"), 4, width, Ink::Dim));
                return lines;
            }
            Some(Decided::Undecided { why: own }) => {
                if own != why {
                    lines.extend(undecided(own, width));
                }
                inner_why.clone_from(own);
            }
            _ => {}
        }
        if let Some(approval) = &group.approval {
            let words = approval::words(approval, approval::is_behind(book, group.first));
            lines.extend(paragraph(&words, 4, width, Ink::Warn));
        }
        let alone = group.count == 1 && book.step(&group.id).is_some();
        let inner = self.level(Some(group), &inner_why, width.saturating_sub(if alone { 0 } else { 2 }));
        lines.extend(inner.into_iter().map(|line| if alone { line } else { Line::plain("  ").followed_by(line) }));
        lines.extend(on_failure(group.on_failure.as_ref()));
        lines.extend(state_after(group.service, group.checkpoint.as_ref()));
        lines
    }

    fn step(&self, number: usize, step: &'a Step, group: Option<&Group>, why: &str, width: usize) -> Vec<Line> {
        let mut lines = Vec::new();
        if step.point_of_no_return {
            lines
                .push(Line::new().with(Ink::Warn, "▲ point of no return: what this step does is not undone by itself"));
        }
        // The title of a `for_each` around one step is the title of the step.
        if group.is_none_or(|group| group.id != step.id) {
            lines.push(Line::new().with(Ink::Bold, format!("{number:>2}. {}", step.title)));
        }
        if let Some(approval) = &step.approval {
            let words = approval::words(approval, approval::is_behind(&self.plan.playbook, number - 1));
            lines.extend(paragraph(&words, 4, width, Ink::Warn));
        }
        let planned = self.foreseen.get(&step.id).map(Vec::as_slice).unwrap_or_default();
        let each = group.and_then(|group| self.plan.playbook.each_around(Some(&group.id)));
        let mut classes = alike(planned, each.and_then(|each| items(self.plan, each)), |planned| {
            prediction(step, planned, why, width)
        });
        // What does not hold is never among what is only counted.
        classes.sort_by_key(|class| !class.all.iter().any(|planned| violated(planned)));
        // Nor is what is well hidden behind many that each have a fault of their own.
        if let Some(well) = classes.iter().position(|class| !class.all.iter().any(|planned| violated(planned)))
            && (MOST..classes.len()).contains(&well)
        {
            let well = classes.remove(well);
            classes.insert(MOST - 1, well);
        }
        for class in classes.iter().take(MOST) {
            lines.extend(names_of(planned, class, width));
            lines.extend(class.lines.iter().cloned());
        }
        let rest: Vec<String> =
            classes.iter().skip(MOST).flat_map(|class| &class.all).map(|one| item_of(one)).collect();
        if !rest.is_empty() {
            let text = format!(
                "… and {} more that differ: {}",
                rest.len(),
                ranges::fold_sorted(rest.iter().map(String::as_str))
            );
            lines.extend(paragraph(&text, 4, width, Ink::Warn));
        }
        // What is true of the whole group is said there.
        let doubt = planned.iter().any(|planned| is_in_doubt(planned, why));
        if planned.iter().any(|planned| !matches!(planned.runs, Decided::No { .. })) {
            let inner = if doubt { width.saturating_sub(2) } else { width };
            let after = way_back(step, inner).into_iter().chain(on_failure(step.on_failure.as_ref()));
            let after = after.chain(state_after(step.service, step.checkpoint.as_ref()));
            lines.extend(after.map(|line| if doubt { branch_line(line) } else { line }));
        }
        if doubt {
            lines.extend(branches::if_skipped(self.plan, step, width));
        }
        lines
    }
}

fn item_of(planned: &PlannedStep) -> String {
    planned.item.as_ref().map_or_else(|| planned.id.to_string(), ToString::to_string)
}

fn violated(planned: &PlannedStep) -> bool {
    planned.runs == Decided::Yes && requirements(planned).iter().any(|need| matches!(need.decided, Decided::No { .. }))
}

/// For which items the same is foreseen; nothing of a step that runs once.
fn names_of(planned: &[&PlannedStep], class: &Alike<'_>, width: usize) -> Vec<Line> {
    if class.all.iter().all(|one| one.item.is_none()) {
        return Vec::new();
    }
    let [first, others @ ..] = class.all.as_slice() else { return Vec::new() };
    let mut text = first.name();
    if !others.is_empty() {
        let names: Vec<String> = class.all.iter().map(|one| item_of(one)).collect();
        let names = if is_folded(&names) {
            format!("{}@{}", first.id, some(&names))
        } else {
            std::iter::once(text)
                .chain(names.iter().skip(1).map(|name| format!("@{name}")))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let all = if class.all.len() == planned.len() { "all alike" } else { "alike" };
        text = format!("{names}: {all}, shown for {}", item_of(first));
    }
    paragraph(&text, 4, width, Ink::Plain)
}

fn undecided(why: &str, width: usize) -> Vec<Line> {
    paragraph(&format!("? may not run, that cannot be told yet: {why}"), 4, width, Ink::Warn)
}

/// What is foreseen of a step, for one item.
fn prediction(step: &Step, planned: &PlannedStep, why: &str, width: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    let skipped = matches!(planned.runs, Decided::No { .. });
    let words = format!("{} · {}", step.action, effect_word(step.effect));
    let words = if planned.item.is_some() { words } else { format!("{} · {words}", planned.name()) };
    let ink = if planned.fidelity >= Fidelity::Probed { Ink::Good } else { Ink::Warn };
    let head = Line::plain("    ").with(Ink::Dim, words);
    if skipped {
        lines.push(head);
    } else {
        lines.push(head.with(Ink::Dim, " · prediction ").with(ink, fidelity_word(planned.fidelity)));
    }
    match &planned.runs {
        Decided::Yes => {}
        Decided::No { why } => {
            lines.extend(paragraph(&format!("↷ does not run: {why}"), 4, width, Ink::Dim));
            return lines;
        }
        // What is true of the whole group is said there.
        Decided::Undecided { why: own } if own == why => {}
        Decided::Undecided { why } => {
            lines.extend(branches::if_it_runs(step, why, width));
            lines.extend(what_it_does(step, planned, width.saturating_sub(2)).into_iter().map(branch_line));
            return lines;
        }
    }
    lines.extend(what_it_does(step, planned, width));
    lines
}

/// Whether it cannot be told if it runs, for another reason than that of its group.
fn is_in_doubt(planned: &PlannedStep, why: &str) -> bool {
    matches!(&planned.runs, Decided::Undecided { why: own } if own != why)
}

/// A line of one of two branches.
fn branch_line(line: Line) -> Line {
    Line::plain("  ").followed_by(line)
}

/// What a step does if it runs, and what must hold before.
fn what_it_does(step: &Step, planned: &PlannedStep, width: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    // What is filled in already is shown as it will be sent.
    let command = Command::of_arguments(&step.action, &planned.arguments).or_else(|| Command::of_step(step));
    if let Some(command) = command {
        lines.extend(paragraph(&command.line(), 4, width, Ink::Plain));
    }
    for need in requirements(planned) {
        lines.extend(requirement_lines(&need, width));
    }
    lines.extend(planned.prediction.changes.iter().map(change_line));
    if planned.prediction.changes.is_empty() && step.effect.changes() {
        let text =
            if planned.fidelity >= Fidelity::Probed { "= nothing to change" } else { "~ what it changes is not known" };
        lines.push(Line::plain("    ").with(Ink::Dim, text));
    }
    for note in &planned.prediction.notes {
        lines.extend(paragraph(note, 4, width, Ink::Dim));
    }
    lines
}

/// How things stand after a step or a group.
fn state_after(service: Option<Service>, checkpoint: Option<&String>) -> Vec<Line> {
    let service = service.map(|service| {
        Line::plain("    service ").with(service_ink(service), service.word()).with(Ink::Plain, " after it")
    });
    let checkpoint = checkpoint.map(|name| Line::plain("    ").with(Ink::Good, format!("⚑ checkpoint {name}")));
    service.into_iter().chain(checkpoint).collect()
}

fn requirement_lines(need: &Requirement, width: usize) -> Vec<Line> {
    let (mark, ink, why) = match &need.decided {
        Decided::Yes => ("✓", Ink::Good, ""),
        Decided::No { why } => ("✗", Ink::Bad, why.as_str()),
        Decided::Undecided { why } => ("?", Ink::Warn, why.as_str()),
    };
    let mut lines = vec![Line::plain("    ").with(ink, mark).with(Ink::Plain, format!(" {}", need.source))];
    if !why.is_empty() && why != need.source {
        lines.extend(paragraph(why, 6, width, ink));
    }
    lines
}

/// One difference: `+` comes into being, `-` goes, `~` becomes another, `=` stays.
fn change_line(change: &Change) -> Line {
    let (mark, ink) = match (&change.before, &change.after) {
        (None, Some(_)) => ("+", Ink::Good),
        (Some(_), None) => ("-", Ink::Bad),
        (Some(before), Some(after)) if before == after => ("=", Ink::Dim),
        _ => ("~", Ink::Warn),
    };
    let line = Line::plain("    ").with(ink, mark).with(Ink::Plain, format!(" {}", change.what));
    match (&change.before, &change.after) {
        (None, None) => line,
        (None, Some(after)) => line.with(Ink::Plain, format!(": {after}")),
        (Some(before), None) => line.with(Ink::Plain, format!(": {before} → gone or not known")),
        (Some(before), Some(after)) if before == after => line.with(Ink::Dim, format!(": {after}")),
        (Some(before), Some(after)) => line.with(Ink::Plain, format!(": {before} → {after}")),
    }
}

/// A template's own word for an item is none that a person has to know.
fn of_item(text: &str) -> String {
    text.replace("{{item}}", "<item>").replace("{{ item }}", "<item>")
}

fn way_back(step: &Step, width: usize) -> Vec<Line> {
    if !step.effect.changes() {
        return Vec::new();
    }
    let texts = match &step.rollback {
        Rollback::Action => vec!["↩ undone by the action itself, from what it found before".to_owned()],
        Rollback::None { because } => vec![format!("↩ not undone: {because}")],
        Rollback::Steps(_) => {
            undo_lines(step).into_iter().map(|text| format!("↩ undone by: {}", of_item(&text))).collect()
        }
    };
    texts.iter().flat_map(|text| paragraph(text, 4, width, Ink::Dim)).collect()
}

/// What happens when it fails, where that is said.
fn on_failure(policy: Option<&OnFailure>) -> Option<Line> {
    let text = match policy? {
        OnFailure::Rollback => return None,
        OnFailure::RollbackTo(name) => format!("if it fails: back to checkpoint {name}"),
        OnFailure::Pause => "if it fails: a person is called".to_owned(),
        OnFailure::Continue => "if it fails: the run goes on, with exceptions".to_owned(),
        OnFailure::Step(to) => format!("if it fails: the run goes on at {to}"),
    };
    Some(Line::plain("    ").with(Ink::Dim, text))
}
