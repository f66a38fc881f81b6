//! What is given to a playbook as its inputs, held to how they are declared: on the command line, in a file, by the playbook
//! around it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::given::Given;
use super::inputs::whole;
use super::{InputSpec, Nested, Playbook};
use crate::diagnostic::{Diagnostic, Severity, Source, nearest};
use crate::document::{self, NodeKind};
use crate::value::{Type, Value, contains_unknown};

/// What is wrong with an input that was given, or was not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InputError {
    /// The input.
    pub name: String,
    /// What is wrong and what to do, for a person.
    pub message: String,
}

/// Holds a value to `pattern`, `min` and `max`; what it breaks, as the end of a sentence.
pub(super) fn hold(spec: &InputSpec, value: &Value) -> Result<(), String> {
    let texts: Vec<&str> = match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if let Some(pattern) = &spec.pattern
        && let Ok(regex) = whole(pattern)
        && let Some(text) = texts.iter().find(|text| !regex.is_match(text))
    {
        return Err(format!("is `{text}`, which does not match {pattern}"));
    }
    let (size, unit) = match value {
        Value::String(text) => (text.chars().count() as f64, " characters"),
        Value::Array(items) => (items.len() as f64, " items"),
        Value::Number(number) => (number.as_f64().unwrap_or(f64::NAN), ""),
        _ => return Ok(()),
    };
    let show = |bound: f64| match spec.kind {
        Type::Size => crate::value::format_size(bound as i64),
        Type::Duration => crate::value::format_seconds(bound),
        _ => format!("{bound}{unit}"),
    };
    if let Some(least) = spec.min.filter(|least| size < *least) {
        return Err(format!("is {}, and the least is {}", show(size), show(least)));
    }
    if let Some(most) = spec.max.filter(|most| size > *most) {
        return Err(format!("is {}, and the most is {}", show(size), show(most)));
    }
    Ok(())
}

/// The same for what was given on purpose: an empty list is never taken for "all", and seldom meant.
fn hold_given(spec: &InputSpec, value: &Value) -> Result<(), String> {
    match value {
        Value::Array(items) if items.is_empty() && spec.min != Some(0.0) => {
            Err("is an empty list, which is never taken for all: name its items (a,b), or leave it out".to_owned())
        }
        _ => hold(spec, value),
    }
}

/// Turns what was given, as text, into the inputs of a run: each of its declared type, defaults filled in, an optional one
/// that is absent null.
///
/// # Errors
/// All that is wrong: unknown names, missing ones, wrong types, patterns and bounds.
pub fn bind_inputs(playbook: &Playbook, given: &BTreeMap<String, Given>) -> Result<Value, Vec<InputError>> {
    let mut errors = Vec::new();
    let mut error = |name: &str, message: String| errors.push(InputError { name: name.to_owned(), message });
    let known = || playbook.inputs.iter().map(|input| input.name.as_str());
    for name in given.keys().filter(|name| !known().any(|known| known == *name)) {
        let help = match nearest(name, known()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if playbook.inputs.is_empty() => "it takes none".to_owned(),
            None => format!("it takes {}", known().collect::<Vec<_>>().join(", ")),
        };
        error(name, format!("`{}` has no input `{name}`; {help}", playbook.name));
    }
    let mut bound = serde_json::Map::new();
    for spec in &playbook.inputs {
        let name = &spec.name;
        let value = match given.get(name) {
            // Nothing of it is repeated: it may be the secret itself.
            Some(given) if spec.sensitive => match given.is_no_secret() {
                None => Value::from(given.text.as_str()),
                Some(why) => {
                    error(name, format!("input `{name}` is sensitive: {why}"));
                    continue;
                }
            },
            Some(Given { text, .. }) => match spec.kind.parse(text).map_err(|error| error.to_string()) {
                Ok(value) => match hold_given(spec, &value) {
                    Ok(()) => value,
                    Err(message) => {
                        error(name, format!("input `{name}` {message}"));
                        continue;
                    }
                },
                Err(message) => {
                    error(name, format!("input `{name}`: {message}"));
                    continue;
                }
            },
            None if spec.required => {
                let what = if spec.description.is_empty() { spec.kind.to_string() } else { spec.description.clone() };
                let form = if spec.sensitive { "REFERENCE (env:NAME, file:/PATH, …)" } else { "…" };
                error(name, format!("input `{name}` must be given ({what}): --input {name}={form}"));
                continue;
            }
            None => spec.default.clone().unwrap_or(Value::Null),
        };
        bound.insert(name.clone(), value);
    }
    errors.extend(super::recovers::wrong_since(playbook, &bound));
    if errors.is_empty() { Ok(Value::Object(bound)) } else { Err(errors) }
}

/// A value as an input of a nested playbook takes it: of its declared type, which also reads what is written as text.
pub(super) fn take_nested(spec: &InputSpec, value: &Value) -> Result<Value, String> {
    let name = &spec.name;
    let typed = match (value, spec.kind.accept(value)) {
        (_, Ok(typed)) => typed,
        (Value::String(text), Err(_)) => spec.kind.parse(text).map_err(|error| format!("input `{name}`: {error}"))?,
        (_, Err(error)) => return Err(format!("input `{name}`: {error}")),
    };
    hold_given(spec, &typed).map_err(|message| format!("input `{name}` {message}"))?;
    Ok(typed)
}

/// Turns what a nested playbook is given into its inputs, the same way. What is not known yet stays so.
///
/// # Errors
/// The first thing that it cannot take.
pub fn bind_nested(nested: &Nested, given: Value) -> Result<Value, InputError> {
    let fault = |name: &str, message: String| InputError { name: name.to_owned(), message };
    let mut given = match given {
        Value::Object(map) => map,
        _ => serde_json::Map::new(),
    };
    let mut bound = serde_json::Map::new();
    for spec in &nested.inputs {
        let name = &spec.name;
        let value = match given.shift_remove(name).filter(|value| !value.is_null()) {
            Some(value) if contains_unknown(&value) => value,
            Some(value) => take_nested(spec, &value).map_err(|message| fault(name, message))?,
            None if spec.required => {
                return Err(fault(name, format!("`{}` needs the input `{name}`", nested.playbook)));
            }
            None => spec.default.clone().unwrap_or(Value::Null),
        };
        bound.insert(name.clone(), value);
    }
    match given.keys().next() {
        Some(name) => Err(fault(name, format!("`{}` has no input `{name}`", nested.playbook))),
        None => Ok(Value::Object(bound)),
    }
}

/// Reads a file of inputs: a flat mapping of names to values. A list is its items, joined by commas, as on the command
/// line; what is null is not given.
///
/// # Errors
/// What is wrong with the text.
pub fn read_inputs(source: &Arc<Source>) -> Result<BTreeMap<String, String>, Vec<Diagnostic>> {
    let node = document::parse(source)?;
    let mut faults = Vec::new();
    let mut fault = |span, message: String| {
        let source = Arc::clone(source);
        let severity = Severity::Error;
        faults.push(Diagnostic { code: "wrong-form", severity, message, help: None, source, span });
    };
    let mut given = BTreeMap::new();
    let Some(entries) = node.entries() else {
        fault(node.span, format!("a file of inputs is a mapping from names to values, not {}", node.describe()));
        return Err(faults);
    };
    for entry in entries {
        let text = match &entry.value.kind {
            NodeKind::Scalar(scalar) if scalar.is_null() => continue,
            NodeKind::Scalar(scalar) => Some(scalar.text.clone()),
            NodeKind::Sequence(items) => {
                let items: Option<Vec<&str>> = items
                    .iter()
                    .map(|item| item.scalar().map(|scalar| scalar.text.as_str()).filter(|text| !text.contains(',')))
                    .collect();
                items.map(|items| items.join(","))
            }
            NodeKind::Mapping(_) => None,
        };
        match text {
            Some(text) => {
                given.insert(entry.key.value.clone(), text);
            }
            None => fault(
                entry.value.span,
                format!("`{}` is a text, a number, or a list of such without commas in them", entry.key.value),
            ),
        }
    }
    if faults.is_empty() { Ok(given) } else { Err(faults) }
}
