//! Text → playbook: reads the head and the steps, and has lint look at the whole.

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Source, Span};
use crate::document::{self, Node};
use crate::ids::Digest;
use crate::spec::Specs;

use super::faults::Faults;
use super::inputs::read_inputs_section;
use super::level::{Level, count, read_level};
use super::places::Places;
use super::reader::Reader;
use super::step::{Defaults, read_retry};
use super::words::{self, check_keys};
use super::{Playbook, Template, brakes, idle, lint, order, recovers, review, triggers};

/// The most steps: far above what anybody can follow at night, and what lint reads in a moment.
pub(super) const MAX_STEPS: usize = 5_000;

/// Says which day it is; asked only where a playbook names one, as that may take reading every time zone that there is.
pub type Today<'a> = &'a dyn Fn() -> jiff::civil::Date;

/// What reading a playbook came to.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The playbook; `None` where there is an error among the diagnostics.
    pub playbook: Option<Playbook>,
    /// All that there is to say about it, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a playbook and checks all that can be checked without a target: its form, names, types, and what the steps say
/// about each other.
pub fn load(source: &Arc<Source>, specs: &Specs) -> Loaded {
    load_and_review(source, specs, None)
}

/// The same, and whether somebody answers for it and its review is not overdue on a day. Only `lint` asks for that: in the
/// night in which it runs, nobody wants to hear of it.
pub fn load_as_of(source: &Arc<Source>, specs: &Specs, today: Today<'_>) -> Loaded {
    load_and_review(source, specs, Some(today))
}

fn load_and_review(source: &Arc<Source>, specs: &Specs, today: Option<Today<'_>>) -> Loaded {
    #[cfg(test)]
    super::counts::count("file");
    let root = match document::parse(source) {
        Ok(root) => root,
        Err(diagnostics) => return Loaded { playbook: None, diagnostics },
    };
    let mut reader = Reader { specs, faults: Faults::new(source) };
    let playbook = read_playbook(&mut reader, &root, source);
    if let (Some(playbook), Some(today)) = (&playbook, today) {
        review::check(&mut reader.faults, playbook, &root, today);
    }
    let playbook = playbook.filter(|_| !reader.faults.has_errors());
    Loaded { playbook, diagnostics: reader.faults.into_list() }
}

fn read_playbook(reader: &mut Reader<'_>, root: &Node, source: &Arc<Source>) -> Option<Playbook> {
    let Some(entries) = root.entries() else {
        let message = format!("a playbook is a mapping with `name`, `version` and `steps`, not {}", root.describe());
        reader.faults.error("wrong-form", root.span, message, None);
        return None;
    };
    check_keys(&mut reader.faults, entries, &words::PLAYBOOK);
    let name = required(reader, root, "name").unwrap_or_default();
    let version = required(reader, root, "version").unwrap_or_default();
    check_head(reader, root, &name, &version);
    idle::no_template(reader, root, "title");
    let inputs = root.get("inputs").map(|node| read_inputs_section(reader, node)).unwrap_or_default();
    let locks = read_locks(reader, root);
    let defaults = read_defaults(reader, root);
    let level = read_steps(reader, root, defaults);
    let text = |reader: &mut Reader<'_>, key: &str| root.get(key).and_then(|node| reader.text(node, key));
    let texts = |reader: &mut Reader<'_>, key: &str| {
        let list = root.get(key).map(|node| reader.texts(node, key)).unwrap_or_default();
        list.into_iter().map(|(text, _)| text).collect()
    };
    order::check(&mut reader.faults, &level);
    brakes::check_approvals(&mut reader.faults, &level);
    let checks = brakes::read_checks(reader, root, defaults);
    let budgets = brakes::read_budgets(reader, root);
    let places: Vec<Span> = level.drafts.iter().map(|draft| draft.id).collect();
    let title = text(reader, "title").unwrap_or_else(|| name.clone());
    let playbook = Playbook {
        places: Places::default(),
        title,
        name,
        version,
        description: text(reader, "description").unwrap_or_default(),
        owner: text(reader, "owner"),
        reviewed: text(reader, "reviewed"),
        review_every: root.get("review_every").and_then(|node| reader.duration(node, "review_every", 1.0)),
        severity: texts(reader, "severity"),
        symptoms: texts(reader, "symptoms"),
        services: texts(reader, "services"),
        recovery_time: read_objective(reader, root),
        recovers: recovers::read(reader, root, &inputs),
        triggers: triggers::read(reader, root, &inputs),
        inputs,
        locks,
        max_targets: root.get("max_targets").and_then(|node| count(reader, node, "max_targets", 1)),
        checks: checks.iter().map(|draft| draft.check.clone()).collect(),
        budgets: budgets.iter().map(|draft| draft.budget.clone()).collect(),
        steps: level.steps,
        groups: level.groups.into_iter().map(|draft| draft.group).collect(),
        digest: Digest::of(source.text.as_bytes()),
    };
    lint::check(&mut reader.faults, &playbook, &places, root, reader.specs);
    brakes::lint_checks(&mut reader.faults, &checks, reader.specs);
    brakes::check_budgets(&mut reader.faults, &budgets, &playbook);
    triggers::check(&mut reader.faults, &playbook, root);
    Some(playbook)
}

fn required(reader: &mut Reader<'_>, root: &Node, key: &str) -> Option<String> {
    match root.get(key) {
        Some(node) => reader.text(node, key),
        None => {
            let end = Span { start: root.span.start, end: root.span.start };
            reader.faults.error("missing-key", end, format!("a playbook needs a `{key}`"), None);
            None
        }
    }
}

fn check_head(reader: &mut Reader<'_>, root: &Node, name: &str, version: &str) {
    if let (Some(node), false) = (root.get("name"), is_playbook_name(name)) {
        let help = Some("lower-case letters, digits, hyphens and underscores, such as `db-failover`".to_owned());
        reader.faults.error("bad-name", node.span, format!("`{name}` is no name of a playbook"), help);
    }
    if let (Some(node), false) = (root.get("version"), is_version(version)) {
        let help = Some("numbers with dots between them, such as `1.4.0`".to_owned());
        reader.faults.error("bad-version", node.span, format!("`{version}` is no version"), help);
    }
    if let Some(node) = root.get("reviewed")
        && let Some(text) = reader.text(node, "reviewed")
        && text.parse::<jiff::civil::Date>().is_err()
    {
        let help = Some("write year, month and day: 2026-11-01".to_owned());
        reader.faults.error("wrong-type", node.span, format!("`{text}` is no date"), help);
    }
}

/// Whether a text can be the name of a playbook: it is safe as part of a file's name.
pub(crate) fn is_playbook_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

pub(super) fn is_version(text: &str) -> bool {
    let number = |part: &str| (1..=9).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    text.split('.').count() <= 4 && text.split('.').all(number)
}

fn read_locks(reader: &mut Reader<'_>, root: &Node) -> Vec<Template> {
    let Some(node) = root.get("locks") else { return Vec::new() };
    let Some(items) = node.items() else {
        reader.wrong_form(node, "locks", "a list of resources such as \"database/{{inputs.cluster}}\"");
        return Vec::new();
    };
    let mut locks = Vec::new();
    for lock in items.iter().filter_map(|item| reader.template(item, "locks")).collect::<Vec<_>>() {
        let written_out = !super::template::is_template(&lock.source);
        let wrong = match written_out.then(|| lock.source.parse::<crate::ids::Resource>()) {
            Some(Err(error)) => Some(error.to_string()),
            None if !lock.source.contains('/') => Some(format!("`{}` is no resource: KIND/NAME", lock.source)),
            _ => None,
        };
        if let Some(message) = wrong {
            reader.faults.error("bad-lock", lock.span, message, None);
        }
        locks.push(lock);
    }
    locks
}

fn read_defaults(reader: &mut Reader<'_>, root: &Node) -> Defaults {
    let Some(node) = root.get("defaults") else { return Defaults::default() };
    let Some(entries) = node.entries() else {
        reader.wrong_form(node, "defaults", "a mapping with `timeout` and `retry`");
        return Defaults::default();
    };
    check_keys(&mut reader.faults, entries, &words::DEFAULTS);
    Defaults {
        timeout: node.get("timeout").and_then(|node| reader.duration(node, "timeout", 0.001)),
        retry: node.get("retry").and_then(|node| read_retry(reader, node)),
    }
}

fn read_objective(reader: &mut Reader<'_>, root: &Node) -> Option<f64> {
    let node = root.get("objective")?;
    let Some(entries) = node.entries() else {
        reader.wrong_form(node, "objective", "a mapping with `recovery_time`");
        return None;
    };
    check_keys(&mut reader.faults, entries, &words::OBJECTIVE);
    node.get("recovery_time").and_then(|node| reader.duration(node, "recovery_time", 0.001))
}

fn read_steps(reader: &mut Reader<'_>, root: &Node, defaults: Defaults) -> Level {
    let mut level = Level::default();
    let Some(node) = root.get("steps") else {
        let start = Span { start: root.span.start, end: root.span.start };
        reader.faults.error("missing-key", start, "a playbook needs `steps`", None);
        return level;
    };
    match node.items() {
        Some(items) if items.len() > MAX_STEPS => too_many(reader, node, items.len()),
        Some(items) if !items.is_empty() => {
            read_level(reader, items, None, defaults, &mut level);
            if level.drafts.len() > MAX_STEPS {
                too_many(reader, node, level.drafts.len());
            }
        }
        Some(_) => {
            reader.faults.error("wrong-form", node.span, "a playbook has at least one step", None);
        }
        None => reader.wrong_form(node, "steps", "a list of steps"),
    }
    level
}

fn too_many(reader: &mut Reader<'_>, node: &Node, found: usize) {
    let message = format!("a playbook has at most {MAX_STEPS} steps, and this has {found}");
    reader.faults.error("too-many-steps", node.span, message, None);
}
