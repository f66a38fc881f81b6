//! A value that is not known yet, as planning meets it. It is marked by a key that no document and no target can produce
//! by accident, and it exists while planning only.

use super::Value;

const KEY: &str = "\u{0}unknown";

/// A value that is not known, and why.
pub fn unknown(why: impl Into<String>) -> Value {
    let mut map = serde_json::Map::new();
    map.insert(KEY.to_owned(), Value::String(why.into()));
    Value::Object(map)
}

/// Why a value is not known, if it is not.
pub fn why_unknown(value: &Value) -> Option<&str> {
    value.as_object().and_then(|map| map.get(KEY)).and_then(Value::as_str)
}

/// Whether this very value is not known.
pub fn is_unknown(value: &Value) -> bool {
    why_unknown(value).is_some()
}

/// Whether any part of a value is not known.
pub fn contains_unknown(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.contains_key(KEY) || map.values().any(contains_unknown),
        Value::Array(items) => items.iter().any(contains_unknown),
        _ => false,
    }
}
