//! What values look like to an editor, which has typed them by YAML's own rules before we see them: `1.10` may be a number
//! there, and yet a text to us.

use serde_json::{Value, json};

use crate::spec::ActionSpec;
use crate::value::Type;

use super::refer;

const DURATION: &str = "^([0-9]*\\.?[0-9]*(ms|s|m|h|d))+$";
const SIZE: &str = "^[0-9]*\\.?[0-9]* *(B|KiB|K|MiB|M|GiB|G|TiB|T|kB|KB|MB|GB|TB)?$";

/// The values that are named in more than one place.
pub(super) fn definitions() -> Vec<(&'static str, Value)> {
    vec![
        ("text", json!({ "type": ["string", "number", "boolean"] })),
        ("texts", json!({ "anyOf": [refer("text"), { "type": "array", "items": refer("text") }] })),
        ("identifier", json!({ "type": "string", "pattern": "^[a-z][a-z0-9_]{0,63}$" })),
        ("identifiers", json!({ "anyOf": [refer("identifier"), { "type": "array", "items": refer("identifier") }] })),
        ("boolean", typed(&Type::Boolean)),
        ("duration", typed(&Type::Duration)),
        ("some", json!({ "type": ["integer", "string"], "minimum": 1, "pattern": "^0*[1-9][0-9]*%?$|\\{\\{" })),
        ("amount", json!({ "type": ["integer", "string"], "minimum": 0, "pattern": "^[0-9]+%?$|\\{\\{" })),
        // A condition is CEL; `true` alone is one too.
        ("condition", json!({ "type": ["string", "boolean", "number"] })),
        ("template", json!({ "type": "string", "pattern": "\\{\\{" })),
        (
            "computed",
            json!({ "type": "object", "properties": { "expr": refer("condition") }, "required": ["expr"],
                "additionalProperties": false }),
        ),
    ]
}

/// A value of a declared type, as it is written.
fn typed(kind: &Type) -> Value {
    let written = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    match kind {
        Type::String => refer("text"),
        Type::Integer => json!({ "type": ["integer", "string"], "pattern": "^[+-]?[0-9]+$" }),
        Type::Number => json!({ "type": ["number", "string"], "pattern": "^[+-]?[0-9.]+([eE][+-]?[0-9]+)?$" }),
        Type::Boolean => json!({ "enum": [true, false, "true", "false"] }),
        Type::Duration => written(DURATION),
        Type::Size => json!({ "type": ["integer", "string"], "pattern": SIZE, "minimum": 0 }),
        Type::Choice(options) => {
            // An option such as `1` or `true` is no text to an editor.
            let mut all: Vec<Value> = options.iter().map(|option| json!(option)).collect();
            all.extend(
                options.iter().filter_map(|option| Type::Any.parse(option).ok()).filter(|value| !value.is_string()),
            );
            json!({ "enum": all })
        }
        Type::List(item) => {
            json!({ "anyOf": [refer("text"), { "type": "array", "items": argument(item) }] })
        }
        Type::Ip | Type::Cidr => json!({ "type": "string" }),
        Type::Identifier | Type::Reference(_) => {
            json!({ "type": ["string", "number", "boolean"], "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$" })
        }
        Type::Any => json!({}),
    }
}

/// An argument of a declared type: a value, a template, or `{expr: CEL}`.
fn argument(kind: &Type) -> Value {
    match kind {
        Type::Any => json!({}),
        _ => json!({ "anyOf": [typed(kind), refer("template"), refer("computed")] }),
    }
}

/// The arguments of an action.
pub(super) fn arguments(spec: &ActionSpec) -> Value {
    let mut properties = serde_json::Map::new();
    for field in &spec.inputs {
        let mut value = argument(&field.kind);
        value["description"] = json!(field.description);
        if let Some(default) = &field.default {
            value["default"] = default.clone();
        }
        properties.insert(field.name.to_owned(), value);
    }
    let required: Vec<&str> = spec.inputs.iter().filter(|field| field.required).map(|field| field.name).collect();
    let mut arguments = json!({ "type": "object", "properties": properties, "additionalProperties": spec.open_inputs });
    if !required.is_empty() {
        arguments["required"] = json!(required);
    }
    arguments
}
