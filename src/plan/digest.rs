//! What a plan is known by: one digest over what was asked for, another over what was found.

use std::collections::BTreeMap;

use super::{Narrowing, PlannedStep};
use crate::ids::Digest;
use crate::playbook::Playbook;
use crate::spec::{ActionSpec, Specs};
use crate::value::Value;

/// The digest of playbook, inputs, targets, the specs of the actions that are used, and what it all was narrowed to.
pub(super) fn of_content<'a>(
    playbook: &Playbook,
    inputs: &Value,
    environment: &str,
    targets: &[String],
    narrowing: &Narrowing,
    specs: impl Iterator<Item = &'a ActionSpec>,
) -> Digest {
    let mut head = format!("{}\n{inputs}\n{environment}\n{}\n", playbook.digest, targets.join(" "));
    if !narrowing.is_none() {
        // It is plain data as well.
        head.push_str(&format!("{narrowing:?}\n"));
    }
    let mut written = BTreeMap::new();
    let names: Vec<&str> = specs
        .map(|spec| {
            // A spec is plain data: its debug form names every part of it. A thousand steps have a handful of them.
            written.entry(spec.name).or_insert_with(|| format!("{spec:?}\n"));
            spec.name
        })
        .collect();
    let specs = names.into_iter().filter_map(|name| written.get(name));
    Digest::of_parts([&head].into_iter().chain(specs).map(String::as_bytes))
}

/// The digest of what some actions say about themselves.
pub(super) fn of_specs<'a>(specs: impl Iterator<Item = &'a ActionSpec>) -> Digest {
    Digest::of(specs.map(|spec| format!("{spec:?}\n")).collect::<String>().as_bytes())
}

/// The digest of the facts that keep their value while nobody acts.
pub(super) fn of_facts(playbook: &Playbook, steps: &[PlannedStep], specs: &Specs) -> Digest {
    let mut text = String::new();
    for planned in steps {
        let Some(step) = playbook.step(&planned.id) else { continue };
        let Some(spec) = specs.get(&step.action) else { continue };
        for field in spec.facts.iter().filter(|field| field.stable) {
            let value = planned.prediction.facts.get(field.name).unwrap_or(&Value::Null);
            let item = planned.item.as_ref().map_or_else(String::new, |item| format!("@{item}"));
            text.push_str(&format!("{}{item}.{} = {value}\n", step.id, field.name));
        }
    }
    Digest::of(text.as_bytes())
}
