//! A place inside of an object, as people write it: `spec.replicas`, `.status.conditions[type=Ready].status`,
//! `metadata.annotations['example.org/owner']`. It reads, and never evaluates anything.

use crate::value::Value;

/// One part of the way.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Field(String),
    Item(usize),
    /// The first item of a list whose field is this.
    Where(String, String),
}

/// A place inside of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path(Vec<Part>);

impl Path {
    /// Reads one; says what is wrong with it otherwise.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("`{}` is no path into an object: {why}", text.escape_debug());
        let mut parts = Vec::new();
        let mut rest = text.trim().trim_start_matches('$');
        while !rest.is_empty() {
            if let Some(inside) = rest.strip_prefix('[') {
                let (inside, after) = inside.split_once(']').ok_or_else(|| wrong("a `[` is not closed"))?;
                parts.push(
                    bracket(inside).ok_or_else(|| wrong("in brackets stands a number, 'a name', or field=value"))?,
                );
                rest = after;
            } else {
                let field = rest.strip_prefix('.').unwrap_or(rest);
                let end = field.find(['.', '[']).unwrap_or(field.len());
                let (name, after) = field.split_at(end);
                if name.is_empty() {
                    return Err(wrong("a part of it is empty"));
                }
                parts.push(Part::Field(name.to_owned()));
                rest = after;
            }
        }
        if parts.is_empty() { Err(wrong("it is empty")) } else { Ok(Self(parts)) }
    }

    /// What stands there; null where nothing does.
    pub(super) fn of(&self, object: &Value) -> Value {
        let mut at = object;
        for part in &self.0 {
            let next = match part {
                Part::Field(name) => at.get(name),
                Part::Item(index) => at.get(index),
                Part::Where(field, value) => at
                    .as_array()
                    .and_then(|items| items.iter().find(|item| item.get(field).is_some_and(|found| is(found, value)))),
            };
            match next {
                Some(next) => at = next,
                None => return Value::Null,
            }
        }
        at.clone()
    }
}

/// Whether a value is what a person writes for it.
pub(super) fn is(found: &Value, written: &str) -> bool {
    found.as_str().map_or_else(|| found.to_string(), str::to_owned) == written
}

fn bracket(inside: &str) -> Option<Part> {
    let inside = inside.trim();
    if let Ok(index) = inside.parse() {
        return Some(Part::Item(index));
    }
    let bare = |text: &str| text.trim().trim_matches(['\'', '"']).to_owned();
    if let Some(name) = inside.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        return Some(Part::Field(name.to_owned()));
    }
    // `?(@.type=="Ready")` is how kubectl writes the same.
    let rule = inside.trim_start_matches("?(@.").trim_end_matches(')');
    let (field, value) = rule.split_once("==").or_else(|| rule.split_once('='))?;
    (!field.trim().is_empty()).then(|| Part::Where(bare(field), bare(value)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn places_are_found_as_people_and_kubectl_write_them() {
        let object = json!({ "metadata": { "annotations": { "example.org/owner": "shop" } }, "spec": { "replicas": 3 },
            "status": { "conditions": [{ "type": "Ready", "status": "True" }, { "type": "Old", "status": "False" }], "n": [1, 2] } });
        for (path, found) in [
            ("spec.replicas", json!(3)),
            (".spec.replicas", json!(3)),
            ("$.spec.replicas", json!(3)),
            ("metadata.annotations['example.org/owner']", json!("shop")),
            ("status.conditions[type=Old].status", json!("False")),
            (".status.conditions[?(@.type==\"Ready\")].status", json!("True")),
            ("status.n[1]", json!(2)),
            ("status.n[9]", json!(null)),
            ("status.conditions[type=None].status", json!(null)),
            ("spec.replicas.more", json!(null)),
        ] {
            assert_eq!(Path::read(path).unwrap().of(&object), found, "{path}");
        }
        for bad in ["", ".", "$", "a..b", "a[", "a[x]", "a[=b]"] {
            assert!(Path::read(bad).is_err(), "{bad:?}");
        }
        assert!(is(&json!(3), "3") && is(&json!("3"), "3") && is(&json!(true), "true") && !is(&json!(null), ""));
    }
}
