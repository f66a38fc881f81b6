//! What a world's entries are found by: an action and what it acts on, a task with or without its item.

use crate::spec::ActionSpec;
use crate::value::{Type, Value, unknown};

use super::Map;

pub(super) fn place(spec: &ActionSpec, arguments: &Value) -> (String, String) {
    (spec.name.to_owned(), keys(spec, arguments).pop().unwrap_or_default())
}

/// What a step acts on, from the general to the exact: `*`, `database/orders`, `database/orders/pg1`.
pub fn keys(spec: &ActionSpec, arguments: &Value) -> Vec<String> {
    let mut keys = vec!["*".to_owned()];
    let text = |name: &str| arguments.get(name).and_then(Value::as_str);
    let target = spec.inputs.iter().find_map(|field| match (&field.kind, text(field.name)) {
        (Type::Reference(kind), Some(name)) => Some(format!("{kind}/{name}")),
        _ => None,
    });
    if let Some(mut key) = target {
        keys.push(key.clone());
        let parts = spec.inputs.iter().filter(|field| field.kind == Type::Identifier);
        for part in parts.filter_map(|field| text(field.name)) {
            key = format!("{key}/{part}");
            keys.push(key.clone());
        }
    }
    keys
}

/// What goes for a task whatever its item is: `restart/undo` for `restart@web1/undo`; nothing where it has no item.
pub(super) fn of_every_item(task: &str) -> Option<String> {
    let (step, item) = task.split_once('@')?;
    let phase = item.find('/').and_then(|place| item.get(place..)).unwrap_or_default();
    Some(format!("{step}{phase}"))
}

/// The fields that a spec declares, with what is known of each; the others are unknown, and say why.
pub(in crate::sim) fn complete(names: impl Iterator<Item = &'static str>, known: Map, what: &str) -> Map {
    let mut all = Map::new();
    for name in names {
        all.insert(name.to_owned(), unknown(format!("the world does not say `{name}` of {what}")));
    }
    all.extend(known);
    all
}
