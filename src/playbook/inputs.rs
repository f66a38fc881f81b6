//! The inputs of a playbook: how they are declared, and how what was given is held to that.

use regex::Regex;

use crate::document::{self, Entry, Node, NodeKind};
use crate::ids::is_identifier;
use crate::value::{Type, Value};

use super::InputSpec;
use super::bind::hold;
use super::reader::Reader;
use super::sensitive::not_written_out;
use super::words::{self, check_keys};
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
    "cluster",
    "cloud",
    "application",
];

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
        "host" | "database" | "proxy" | "backup" | "service" | "link" | "pooler" | "cluster" | "cloud"
        | "application" => Type::Reference(word.to_owned()),
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

pub(super) fn whole(pattern: &str) -> Result<Regex, regex::Error> {
    Regex::new(&format!("^(?:{pattern})$"))
}

pub(super) fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or(text).trim_start_matches("error: ")
}
