//! What two playbooks do differently: by meaning, not by line. Comments, order of keys and layout are no difference. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

#[path = "difference_brakes.rs"]
mod brakes;
#[path = "difference_groups.rs"]
mod groups;

use groups::{groups, in_its_group};

use super::{Argument, InputSpec, OnFailure, OutputSource, Playbook, Rollback, Step};
use crate::ids::StepId;
use crate::value::{Type, Value, format_seconds, format_size};

/// One thing that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What kind of thing it is.
    pub part: Part,
    /// Which one: an input's or step's name, a field of the head; empty where the part is one thing.
    pub name: String,
    /// How it differs.
    pub how: How,
    /// What of it differs; empty where it was added, removed or only moved.
    pub fields: Vec<Field>,
}

/// A part of a playbook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// A field of the head.
    Head,
    /// An input.
    Input,
    /// A lock.
    Lock,
    /// An identity or an invariant.
    Check,
    /// A budget of time.
    Budget,
    /// A step.
    Step,
    /// A group of steps.
    Group,
    /// What becomes of the rollback and the point of no return.
    WayBack,
}

/// How a thing differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// Only the second has it.
    Added,
    /// Only the first has it.
    Removed,
    /// It stands elsewhere among the others.
    Moved,
    /// Its fields differ.
    Changed,
}

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Its name, as the playbook writes it.
    pub name: String,
    /// What it was, as text; `None` where it was not there.
    pub was: Option<String>,
    /// What it is.
    pub is: Option<String>,
}

/// Several values may have one name (`require`): each is compared by itself.
type Fields = Vec<(String, String)>;

/// What `to` does differently from `from`, part by part.
pub fn differences(from: &Playbook, to: &Playbook) -> Vec<Difference> {
    let mut list = Vec::new();
    for field in compare(&head(from), &head(to)) {
        let name = field.name.clone();
        list.push(Difference { part: Part::Head, name, how: how(&field), fields: vec![field] });
    }
    let inputs = |book: &Playbook| -> Vec<(String, Fields)> {
        book.inputs.iter().map(|input| (input.name.clone(), of_input(input))).collect()
    };
    list.extend(named(Part::Input, &inputs(from), &inputs(to)));
    let locks = |book: &Playbook| -> Vec<(String, Fields)> {
        book.locks.iter().map(|lock| (lock.source.clone(), Vec::new())).collect()
    };
    list.extend(named(Part::Lock, &locks(from), &locks(to)));
    list.extend(named(Part::Check, &brakes::checks(from), &brakes::checks(to)));
    list.extend(named(Part::Budget, &brakes::budgets(from), &brakes::budgets(to)));
    let steps = |book: &Playbook| -> Vec<(String, Fields)> {
        book.steps.iter().map(|step| (step.id.to_string(), in_its_group(book, step))).collect()
    };
    list.extend(named(Part::Step, &steps(from), &steps(to)));
    list.extend(moved(from, to));
    list.extend(named(Part::Group, &groups(from), &groups(to)));
    list.extend(way_back(from, to));
    list
}

fn how(field: &Field) -> How {
    match (&field.was, &field.is) {
        (None, _) => How::Added,
        (_, None) => How::Removed,
        _ => How::Changed,
    }
}

/// Compares things by their names, those of `to` in its order, then those that are gone.
fn named(part: Part, from: &[(String, Fields)], to: &[(String, Fields)]) -> Vec<Difference> {
    let mut list = Vec::new();
    for (name, is) in to {
        let (how, fields) = match from.iter().find(|(other, _)| other == name) {
            None => (How::Added, is.iter().map(|(name, is)| field(name, None, Some(is))).collect()),
            Some((_, was)) => (How::Changed, compare(was, is)),
        };
        if how == How::Added || !fields.is_empty() {
            list.push(Difference { part, name: name.clone(), how, fields });
        }
    }
    for (name, _) in from.iter().filter(|(name, _)| !to.iter().any(|(other, _)| other == name)) {
        list.push(Difference { part, name: name.clone(), how: How::Removed, fields: Vec::new() });
    }
    list
}

fn field(name: &str, was: Option<&String>, is: Option<&String>) -> Field {
    Field { name: name.to_owned(), was: was.cloned(), is: is.cloned() }
}

fn compare(was: &Fields, is: &Fields) -> Vec<Field> {
    let mut names: Vec<&String> = Vec::new();
    for (name, _) in was.iter().chain(is) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let only = |name: &str, one: &Fields, other: &Fields| -> Vec<String> {
        let values = one.iter().filter(|(field, _)| field == name).map(|(_, value)| value.clone());
        values.filter(|value| !other.iter().any(|(field, theirs)| field == name && theirs == value)).collect()
    };
    let mut fields = Vec::new();
    for name in names {
        let (gone, new) = (only(name, was, is), only(name, is, was));
        for at in 0..gone.len().max(new.len()) {
            fields.push(field(name, gone.get(at), new.get(at)));
        }
    }
    fields
}

/// Steps that both have and that stand in another order: all but the longest row of steps that kept theirs.
fn moved(from: &Playbook, to: &Playbook) -> Vec<Difference> {
    let place = |book: &Playbook, id: &StepId| book.steps.iter().position(|step| &step.id == id);
    let common: Vec<(usize, &StepId)> =
        to.steps.iter().filter_map(|step| place(from, &step.id).map(|at| (at, &step.id))).collect();
    // Longest rising row: `best[i]` is the longest one that ends at i, and where it came from.
    let mut best: Vec<(usize, Option<usize>)> = Vec::new();
    for (at, (place, _)) in common.iter().enumerate() {
        let before = (0..at).filter(|other| common[*other].0 < *place).max_by_key(|other| best[*other].0);
        best.push((before.map_or(0, |other| best[other].0) + 1, before));
    }
    let mut kept = BTreeSet::new();
    let mut at = (0..best.len()).max_by_key(|at| best[*at].0);
    while let Some(here) = at {
        kept.insert(here);
        at = best[here].1;
    }
    let after = |book: &Playbook, id: &StepId| {
        let before = place(book, id).and_then(|at| at.checked_sub(1)).and_then(|at| book.steps.get(at));
        before.map_or("first".to_owned(), |step| format!("after {}", step.id))
    };
    let moved = common.iter().enumerate().filter(|(at, _)| !kept.contains(at));
    moved
        .map(|(_, (_, id))| Difference {
            part: Part::Step,
            name: id.to_string(),
            how: How::Moved,
            fields: vec![field("place", Some(&after(from, id)), Some(&after(to, id)))],
        })
        .collect()
}

/// What becomes of each step when a later one fails, and where the point of no return lies.
fn way_back(from: &Playbook, to: &Playbook) -> Vec<Difference> {
    let at = |book: &Playbook| book.steps.iter().find(|step| step.point_of_no_return).map(|step| step.id.to_string());
    let (was, is) = (reach(from), reach(to));
    let mut fields = Vec::new();
    if at(from) != at(to) {
        fields.push(field("point of no return", at(from).as_ref(), at(to).as_ref()));
    }
    for (id, is) in &is {
        if let Some(was) = was.get(id).filter(|was| *was != is) {
            fields.push(field(&format!("{id}, when the run fails"), Some(was), Some(is)));
        }
    }
    if fields.is_empty() {
        return Vec::new();
    }
    vec![Difference { part: Part::WayBack, name: String::new(), how: How::Changed, fields }]
}

fn reach(book: &Playbook) -> BTreeMap<&StepId, String> {
    let behind = book.steps.iter().position(|step| step.point_of_no_return).unwrap_or(usize::MAX);
    let steps = book.steps.iter().enumerate().filter(|(_, step)| step.effect.changes());
    steps
        .map(|(at, step)| {
            let text = match &step.rollback {
                _ if at >= behind => "stands: it is at or behind the point of no return",
                Rollback::None { .. } => "is left as it is",
                Rollback::Action => "is undone by its action",
                Rollback::Steps(_) => "is undone by its own steps",
            };
            (&step.id, text.to_owned())
        })
        .collect()
}

fn head(book: &Playbook) -> Fields {
    let mut fields = Vec::new();
    let mut add = |name: &str, text: Option<String>| fields.extend(text.map(|text| (name.to_owned(), text)));
    add("name", Some(book.name.clone()));
    add("version", Some(book.version.clone()));
    add("title", Some(book.title.clone()));
    add("description", Some(book.description.trim().to_owned()).filter(|text| !text.is_empty()));
    add("owner", book.owner.clone());
    add("reviewed", book.reviewed.clone());
    add("review_every", book.review_every.map(format_seconds));
    add("objective.recovery_time", book.recovery_time.map(format_seconds));
    add("recovers", book.recovers.as_ref().map(|recovers| recovers.what.word().to_owned()));
    add("recovers.since", book.recovers.as_ref().and_then(|recovers| recovers.since.clone()));
    let triggers = book.triggers.as_ref();
    add("triggers.modes", triggers.map(|triggers| triggers.modes_said()));
    add("triggers.inputs", triggers.map(|triggers| triggers.inputs.join(", ")).filter(|names| !names.is_empty()));
    add("triggers.because", triggers.and_then(|triggers| triggers.because.clone()));
    add("max_targets", book.max_targets.map(|most| most.to_string()));
    for (name, list) in [("severity", &book.severity), ("symptoms", &book.symptoms), ("services", &book.services)] {
        list.iter().for_each(|text| add(name, Some(text.clone())));
    }
    fields
}

fn of_input(input: &InputSpec) -> Fields {
    let mut fields = vec![("type".to_owned(), input.kind.to_string())];
    let mut add = |name: &str, text: Option<String>| fields.extend(text.map(|text| (name.to_owned(), text)));
    add("default", input.default.as_ref().filter(|value| !value.is_null()).map(|value| of_kind(value, &input.kind)));
    add("required", input.required.then(|| "true".to_owned()));
    add("sensitive", input.sensitive.then(|| "true".to_owned()));
    add("pattern", input.pattern.clone());
    add("min", input.min.map(|number| number.to_string()));
    add("max", input.max.map(|number| number.to_string()));
    add("description", Some(input.description.clone()).filter(|text| !text.is_empty()));
    fields
}

fn of_kind(value: &Value, kind: &Type) -> String {
    match (kind, value.as_f64(), value.as_u64()) {
        (Type::Duration, Some(seconds), _) => format_seconds(seconds),
        (Type::Size, _, Some(_)) => value.as_i64().map_or_else(|| value.to_string(), format_size),
        _ => text(value),
    }
}

fn of_step(step: &Step) -> Fields {
    let mut fields = vec![("name".to_owned(), step.title.clone()), ("uses".to_owned(), step.action.clone())];
    let mut add = |name: &str, text: Option<String>| fields.extend(text.map(|text| (name.to_owned(), text)));
    for (name, argument) in &step.arguments {
        add(&format!("with.{name}"), Some(of_argument(argument)));
    }
    add("effect", Some(word(&step.effect)));
    add("if", step.condition.as_ref().map(|condition| condition.source.clone()));
    step.needs.iter().for_each(|id| add("needs", Some(id.to_string())));
    step.require.iter().for_each(|need| add("require", Some(need.source.clone())));
    for verify in &step.verify {
        let within =
            if verify.within > 0.0 { format!(" within {}", format_seconds(verify.within)) } else { String::new() };
        add("verify", Some(format!("{}{within}", verify.expression.source)));
    }
    add("ok_if", step.ok_if.as_ref().map(|condition| condition.source.clone()));
    add("timeout", Some(format_seconds(step.timeout)));
    add("kill_on_timeout", step.kill_on_timeout.then(|| "true".to_owned()));
    let retry = step.retry;
    let (delay, most) = (format_seconds(retry.delay), format_seconds(retry.max_delay));
    let text = format!("{} attempts, {delay} apart, times {}, at most {most}", retry.attempts, retry.backoff);
    add("retry", (retry.attempts > 1).then_some(text));
    add(
        "probe",
        step.probe.as_ref().map(|probe| {
            let did_not = probe.did_not.as_ref().map_or("", |condition| condition.source.as_str());
            format!("{}; took_effect: {}; did_not: {did_not}", line_of(&probe.step), probe.took_effect.source)
        }),
    );
    add("settle", step.probe.as_ref().map(|_| format_seconds(step.settle)));
    add("key", step.key.as_ref().map(|key| key.source.clone()));
    add("covers", step.covers_partial.then(|| "partial".to_owned()));
    match &step.rollback {
        Rollback::Action => add("rollback", Some("by the action".to_owned())),
        Rollback::None { because } => add("rollback", Some(format!("none, because {because}"))),
        Rollback::Steps(steps) => steps.iter().for_each(|step| add("rollback", Some(line_of(step)))),
    }
    add("checkpoint", step.checkpoint.clone());
    add("service", step.service.map(|service| service.word().to_owned()));
    add("point_of_no_return", step.point_of_no_return.then(|| "true".to_owned()));
    add("on_failure", step.on_failure.as_ref().map(of_failure));
    for output in &step.outputs {
        let from = match &output.from {
            OutputSource::Json(path) => format!("json {path}"),
            OutputSource::Regex(pattern) => format!("regex {pattern}"),
        };
        let secret = if output.sensitive { ", sensitive" } else { "" };
        add(&format!("outputs.{}", output.name), Some(format!("{from}, {}{secret}", output.kind)));
    }
    add("sensitive", step.sensitive.then(|| "true".to_owned()));
    fields.extend(brakes::of_approval(step.approval.as_ref()));
    fields
}

fn of_failure(failure: &OnFailure) -> String {
    match failure {
        OnFailure::Rollback => "rollback".to_owned(),
        OnFailure::RollbackTo(name) => format!("rollback_to {name}"),
        OnFailure::Pause => "pause".to_owned(),
        OnFailure::Continue => "continue".to_owned(),
        OnFailure::Step(id) => format!("step {id}"),
    }
}

/// A step of a rollback or a probe, in a line.
fn line_of(step: &Step) -> String {
    let fields =
        of_step(step).into_iter().filter(|(name, _)| !matches!(name.as_str(), "name" | "rollback" | "timeout"));
    fields.map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join(", ")
}

fn of_argument(argument: &Argument) -> String {
    match argument {
        Argument::Literal(value) => text(value),
        Argument::Template(template) => template.source.clone(),
        Argument::Computed(expression) => format!("= {}", expression.source),
        Argument::List(items) => format!("[{}]", items.iter().map(of_argument).collect::<Vec<_>>().join(", ")),
        Argument::Map(entries) => {
            let entries = entries.iter().map(|(name, entry)| format!("{name}: {}", of_argument(entry)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A word as the playbook writes it.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).map(|value| text(&value)).unwrap_or_default()
}

#[cfg(test)]
#[path = "difference_tests.rs"]
mod tests;
