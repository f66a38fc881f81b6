//! The inputs of a playbook: how they are declared, and how what was given is held to that.

use std::collections::BTreeMap;
use std::sync::Arc;

use regex::Regex;

use crate::diagnostic::{Diagnostic, Severity, Source};
use crate::document::{self, Entry, Node, NodeKind};
use crate::ids::is_identifier;
use crate::value::{Type, Value, contains_unknown};

use super::given::Given;
use super::reader::Reader;
use super::sensitive::not_written_out;
use super::words::{self, check_keys};
use super::{InputSpec, Nested, Playbook};
use crate::diagnostic::nearest;

/// The words that name a type, and what they mean. `choice` and `list` need more than the word.
pub(super) const TYPES: &[&str] = &[
    "string",
    "integer",
    "number",
    "boolean",
    "duration",
    "size",
    "choice",
    "list",
    "ip",
    "cidr",
    "identifier",
    "host",
    "database",
    "proxy",
    "backup",
    "service",
    "link",
    "pooler",
];

/// What is wrong with an input that was given, or was not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InputError {
    /// The input.
    pub name: String,
    /// What is wrong and what to do, for a person.
    pub message: String,
}

pub(super) fn read_inputs_section(reader: &mut Reader<'_>, node: &Node) -> Vec<InputSpec> {
    let Some(entries) = node.entries() else {
        reader.wrong_form(node, "inputs", "a mapping from names to declarations");
        return Vec::new();
    };
    entries.iter().filter_map(|entry| read_input(reader, entry)).collect()
}

fn read_input(reader: &mut Reader<'_>, entry: &Entry) -> Option<InputSpec> {
    let name = entry.key.value.clone();
    if !is_identifier(&name) {
        let message = format!("`{name}` is no name of an input");
        let help = "a name is a lower-case letter, then lower-case letters, digits and underscores";
        reader.faults.error("bad-name", entry.key.span, message, Some(help.to_owned()));
    }
    let Some(fields) = entry.value.entries() else {
        let help = Some(format!("write `{name}: {{ type: string }}`"));
        let message = format!("`{name}` is declared by a mapping, not {}", entry.value.describe());
        reader.faults.error("wrong-form", entry.value.span, message, help);
        return None;
    };
    check_keys(&mut reader.faults, fields, &words::INPUT);
    // With a type that cannot be read the input is still there, for whoever names it.
    let kind = read_type(reader, &entry.value, entry).unwrap_or(Type::Any);
    let get = |key: &str| entry.value.get(key);
    let required = get("required").and_then(|node| reader.boolean(node, "required")).unwrap_or(false);
    let sensitive = get("sensitive").and_then(|node| reader.boolean(node, "sensitive")).unwrap_or(false);
    if sensitive {
        check_sensitive(reader, &entry.value, &kind);
    }
    let pattern = get("pattern").and_then(|node| read_pattern(reader, node, &kind));
    let min = get("min").and_then(|node| read_bound(reader, node, "min", &kind));
    let max = get("max").and_then(|node| read_bound(reader, node, "max", &kind));
    if let (Some(low), Some(high), Some(node)) = (min, max, get("max"))
        && low > high
    {
        reader.faults.error("out-of-range", node.span, "`max` is less than `min`", None);
    }
    let description = get("description").and_then(|node| reader.text(node, "description")).unwrap_or_default();
    let mut spec = InputSpec { name, kind, default: None, required, sensitive, pattern, min, max, description };
    if let Some(node) = get("default").filter(|node| !node.scalar().is_some_and(document::Scalar::is_null)) {
        if required {
            let help = Some("leave out `required` or `default`".to_owned());
            reader.faults.error("required-default", node.span, "an input that is required needs no default", help);
        }
        spec.default = read_default(reader, node, &spec);
    }
    Some(spec)
}

/// A secret is a text, and nothing of it is known that could be held to a pattern or a length.
fn check_sensitive(reader: &mut Reader<'_>, node: &Node, kind: &Type) {
    if let (Some(word), false) = (node.get("type"), matches!(kind, Type::String | Type::Any)) {
        let message = format!("`sensitive` goes with `type: string`, not with a {kind}");
        reader.faults.error("wrong-key", word.span, message, Some("write `type: string`".to_owned()));
    }
    for key in ["pattern", "min", "max"] {
        if let Some(extra) = node.get(key) {
            let message = format!("`{key}` has no meaning for a sensitive input: what is given is a reference");
            reader.faults.error("wrong-key", extra.span, message, Some(format!("leave out `{key}`")));
        }
    }
}

fn read_type(reader: &mut Reader<'_>, node: &Node, entry: &Entry) -> Option<Type> {
    let Some(word_node) = node.get("type") else {
        let help = Some(format!("say what it is, for example `type: string`; there are {}", TYPES.join(", ")));
        reader.faults.error("missing-key", entry.key.span, format!("`{}` has no `type`", entry.key.value), help);
        return None;
    };
    let word = reader.text(word_node, "type")?;
    let only_with = |reader: &mut Reader<'_>, key: &str, owner: &str| {
        if let Some(extra) = node.get(key)
            && word != owner
        {
            let message = format!("`{key}` goes with `type: {owner}`, not with `type: {word}`");
            reader.faults.error("wrong-key", extra.span, message, None);
        }
    };
    only_with(reader, "options", "choice");
    only_with(reader, "items", "list");
    match word.as_str() {
        "choice" => {
            let options = node.get("options").map(|options| reader.texts(options, "options")).unwrap_or_default();
            if options.is_empty() {
                let help = Some("write `options: [one, other]`".to_owned());
                reader.faults.error("missing-key", word_node.span, "a choice needs its `options`", help);
                return None;
            }
            Some(Type::Choice(options.into_iter().map(|(text, _)| text).collect()))
        }
        "list" => {
            let item = match node.get("items") {
                Some(items) => {
                    let Some(item) = reader.text(items, "items") else {
                        // It is a list all the same: its default and its uses are not wrong for that.
                        return Some(Type::List(Box::new(Type::Any)));
                    };
                    simple_type(&item).or_else(|| unknown_type(reader, items, &item))?
                }
                None => Type::String,
            };
            Some(Type::List(Box::new(item)))
        }
        other => simple_type(other).or_else(|| unknown_type(reader, word_node, other)),
    }
}

fn unknown_type(reader: &mut Reader<'_>, node: &Node, word: &str) -> Option<Type> {
    let near = match word {
        "int" => Some("integer"),
        "float" | "double" => Some("number"),
        "bool" => Some("boolean"),
        "str" | "text" => Some("string"),
        "array" => Some("list"),
        "enum" => Some("choice"),
        "bytes" => Some("size"),
        _ => nearest(word, TYPES.iter().copied()),
    };
    let help = near.map_or_else(|| format!("there are {}", TYPES.join(", ")), |near| format!("did you mean `{near}`?"));
    reader.faults.error("unknown-type", node.span, format!("there is no type `{word}` here"), Some(help));
    None
}

/// A type that its word alone describes.
pub(super) fn simple_type(word: &str) -> Option<Type> {
    Some(match word {
        "string" => Type::String,
        "integer" => Type::Integer,
        "number" => Type::Number,
        "boolean" => Type::Boolean,
        "duration" => Type::Duration,
        "size" => Type::Size,
        "ip" => Type::Ip,
        "cidr" => Type::Cidr,
        "identifier" => Type::Identifier,
        "host" | "database" | "proxy" | "backup" | "service" | "link" | "pooler" => Type::Reference(word.to_owned()),
        _ => return None,
    })
}

fn read_pattern(reader: &mut Reader<'_>, node: &Node, kind: &Type) -> Option<String> {
    let pattern = reader.text(node, "pattern")?;
    if !is_text(kind) && !matches!(kind, Type::List(item) if is_text(item)) {
        reader.faults.error("wrong-key", node.span, format!("a `pattern` is for texts, not for a {kind}"), None);
        return None;
    }
    if let Err(error) = whole(&pattern) {
        let message = format!("this is no regular expression: {}", last_line(&error.to_string()));
        reader.faults.error("bad-pattern", node.span, message, None);
        return None;
    }
    Some(pattern)
}

/// `min` and `max` are written as the input itself is: `max: 1MiB`. For texts and lists they count.
fn read_bound(reader: &mut Reader<'_>, node: &Node, what: &str, kind: &Type) -> Option<f64> {
    let bound_kind = match kind {
        Type::Integer | Type::Number | Type::Duration | Type::Size => kind.clone(),
        Type::String | Type::List(_) | Type::Identifier => Type::Integer,
        _ => {
            reader.faults.error("wrong-key", node.span, format!("`{what}` has no meaning for a {kind}"), None);
            return None;
        }
    };
    reader.typed(node, what, &bound_kind)?.as_f64()
}

fn read_default(reader: &mut Reader<'_>, node: &Node, spec: &InputSpec) -> Option<Value> {
    let value = match (&node.kind, &spec.kind) {
        (NodeKind::Sequence(items), Type::List(item)) => {
            Value::Array(items.iter().map(|node| reader.typed(node, "default", item)).collect::<Option<_>>()?)
        }
        _ => reader.typed(node, "default", &spec.kind)?,
    };
    if let (true, Some(why)) = (spec.sensitive, value.as_str().and_then(not_written_out)) {
        let message = format!("the default of `{}`, which is sensitive, is no reference: {why}", spec.name);
        reader.faults.error("sensitive-default", node.span, message, None);
        return None;
    }
    if let Err(message) = hold(spec, &value) {
        reader.faults.error("bad-default", node.span, format!("the default of `{}` {message}", spec.name), None);
    }
    Some(value)
}

fn is_text(kind: &Type) -> bool {
    matches!(
        kind,
        Type::String | Type::Identifier | Type::Reference(_) | Type::Ip | Type::Cidr | Type::Choice(_) | Type::Any
    )
}

fn whole(pattern: &str) -> Result<Regex, regex::Error> {
    Regex::new(&format!("^(?:{pattern})$"))
}

pub(super) fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or(text).trim_start_matches("error: ")
}

/// Holds a value to `pattern`, `min` and `max`; what it breaks, as the end of a sentence.
fn hold(spec: &InputSpec, value: &Value) -> Result<(), String> {
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
