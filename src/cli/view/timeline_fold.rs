//! The entries of a timeline that say the same of several items of one batch, told once: where they are a thousand, what
//! went wrong would not be found among them. What is the same is decided by what a person would read, with the item's name
//! and the time that it took left out of it.

use std::collections::HashMap;

use crate::cli::reporter::{FEW, group_of};
use crate::ids::{Digest, ItemId, StepId};
use crate::run::{Entered, RunState, Task};
use crate::timeline::Entry;
use crate::value::{Value, format_seconds, ranges, without_name as mask};

/// What stands for the time that something took, where it is compared.
const TIME: &str = "\u{1}";

/// Where an entry keeps what its output is compared by.
const SAME: &str = "same";
/// So much of a line that a command printed is kept to be shown.
const LINE: usize = 2000;

/// Entries that are told together, the first of them in full.
pub struct Fold<'a> {
    /// The first of them.
    pub first: &'a Entry,
    /// The last of them.
    pub last: &'a Entry,
    /// What is told of them.
    pub text: String,
}

/// The entries, those of one batch that say the same together.
pub fn fold<'a>(entries: &'a [Entry], state: Option<&RunState>) -> Vec<Fold<'a>> {
    let places = state.map(places).unwrap_or_default();
    let mut told = Vec::new();
    let mut batch: Option<(&StepId, usize)> = None;
    let mut open: Vec<Class<'a>> = Vec::new();
    let mut known: HashMap<Digest, usize> = HashMap::new();
    for entry in entries {
        let place = state.zip(entry.step.as_ref().zip(entry.item.as_ref())).and_then(|(state, (step, item))| {
            let group = &group_of(state, step)?.id;
            places.get(&(group, item)).map(|(batch, place)| ((group, *batch), *place))
        });
        if place.is_none() || place.map(|(batch, _)| batch) != batch {
            told.extend(open.drain(..).filter_map(Class::told));
            known.clear();
            batch = place.map(|(batch, _)| batch);
        }
        let Some((item, (_, place))) = entry.item.as_ref().zip(place) else {
            told.push(Fold { first: entry, last: entry, text: entry.text.clone() });
            continue;
        };
        let found = *known.entry(key(entry, item)).or_insert_with(|| {
            open.push(Class { all: Vec::new() });
            open.len() - 1
        });
        if let Some(class) = open.get_mut(found) {
            class.all.push((place, entry));
        }
    }
    told.extend(open.drain(..).filter_map(Class::told));
    told
}

/// The batch of each item that is one of many, and its place among them.
fn places(state: &RunState) -> HashMap<(&StepId, &ItemId), (usize, usize)> {
    let many = state.entered.iter().filter(|(_, entered)| entered.items.len() > FEW);
    let of_group = |(task, entered)| {
        let (task, entered): (&'_ Task, &'_ Entered) = (task, entered);
        let items = entered.items.iter().enumerate();
        items.map(|(place, item)| ((&task.step, &item.id), (entered.batch_of(&item.id), place)))
    };
    many.flat_map(of_group).collect()
}

/// What two entries are compared by.
fn key(entry: &Entry, item: &ItemId) -> Digest {
    let output = match entry.detail.get(SAME).and_then(Value::as_str) {
        Some(same) => same.to_owned(),
        None => same(entry, item),
    };
    let text = mask(&without_time(entry, TIME), item.as_str());
    Digest::of(format!("{}\n{text}\n{output}", entry.kind).as_bytes())
}

/// What the output of two entries is compared by.
fn same(entry: &Entry, item: &ItemId) -> String {
    let output = printed(entry).map(|output| mask(&texts(output), item.as_str())).unwrap_or_default();
    Digest::of(output.as_bytes()).to_string()
}

/// What was printed, without the hashes of it: those know the item's name.
fn texts(output: &Value) -> String {
    format!("{}\n{}", output["stdout"]["text"], output["stderr"]["text"])
}

/// An entry with so many lines of what a command printed, and what the whole of it is compared by: a timeline of a thousand
/// hosts is not to be held in memory with all that they printed.
pub fn lightened(mut entry: Entry, most: usize) -> Entry {
    let same = entry.item.as_ref().map(|item| same(&entry, item));
    let whole = entry.detail.get("found").is_none();
    let detail = if whole { Some(&mut entry.detail) } else { entry.detail.get_mut("found") };
    if let Some(Value::Object(detail)) = detail {
        detail.remove("outputs");
        detail.remove("arguments");
        for name in ["stdout", "stderr"] {
            let stream = detail.get_mut("output").and_then(|output| output.get_mut(name));
            if let Some(text) = stream.and_then(|stream| stream.get_mut("text")) {
                let shown = text.as_str().unwrap_or_default().lines().take(most + 1);
                let shown: Vec<String> = shown.map(|line| line.chars().take(LINE).collect()).collect();
                *text = Value::from(shown.join("\n"));
            }
        }
    }
    if let (Some(same), Value::Object(detail)) = (same, &mut entry.detail) {
        detail.insert(SAME.to_owned(), Value::from(same));
    }
    entry
}

/// What a command printed, in a record.
fn printed(entry: &Entry) -> Option<&Value> {
    let detail = entry.detail.get("found").unwrap_or(&entry.detail);
    detail.get("output").filter(|output| !output.is_null())
}

fn seconds(entry: &Entry) -> Option<f64> {
    let detail = &entry.detail;
    detail.get("seconds").or_else(|| detail.get("seconds_since_begun")).and_then(Value::as_f64)
}

/// The sentence with something else for the time that it took.
fn without_time(entry: &Entry, instead: &str) -> String {
    match seconds(entry) {
        Some(seconds) => entry.text.replacen(&format_seconds(seconds), instead, 1),
        None => entry.text.clone(),
    }
}

struct Class<'a> {
    /// Each with the place of its item.
    all: Vec<(usize, &'a Entry)>,
}

impl<'a> Class<'a> {
    fn told(mut self) -> Option<Fold<'a>> {
        let ((_, first), (_, last)) = (*self.all.first()?, *self.all.last()?);
        let count = self.all.len();
        if count == 1 {
            return Some(Fold { first, last, text: first.text.clone() });
        }
        // They end in any order; their names are those of the list.
        self.all.sort_by_key(|(place, _)| *place);
        let items = self.all.iter().filter_map(|(_, entry)| entry.item.as_ref());
        let names = ranges::fold_sorted(items.map(|item| item.as_str()));
        let times: Vec<f64> = self.all.iter().filter_map(|(_, entry)| seconds(entry)).collect();
        let (least, most) = times.iter().fold((f64::MAX, 0.0_f64), |(a, b), time| (a.min(*time), b.max(*time)));
        let time = match (format_seconds(least), format_seconds(most)) {
            (least, most) if least == most => least,
            (least, most) => format!("{least} to {most}"),
        };
        let item = first.item.as_ref().map_or("", |item| item.as_str());
        let text = mask(&without_time(first, TIME), item).replacen(TIME, &time, 1);
        let text = text.replacen('\0', &format!("{names} ({count})"), 1).replace('\0', "<item>");
        Some(Fold { first, last, text })
    }
}

/// Whether an entry is what somebody asked for: a step, a step for an item (`restart@web7`), or an item (`@web7`).
pub fn is_about(entry: &Entry, only: &Only) -> bool {
    let step = only.step.as_ref().is_none_or(|step| entry.step.as_ref() == Some(step));
    let item = only.item.as_ref().is_none_or(|item| entry.item.as_ref() == Some(item));
    step && item
}

/// What is asked for of a timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Only {
    /// The step.
    pub step: Option<StepId>,
    /// The item.
    pub item: Option<ItemId>,
}

impl std::str::FromStr for Only {
    type Err = crate::ids::InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(item) = text.strip_prefix('@') {
            return Ok(Self { step: None, item: Some(item.parse()?) });
        }
        let task: Task = text.parse()?;
        Ok(Self { step: Some(task.step), item: task.item })
    }
}
