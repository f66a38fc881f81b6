//! What a change makes of an object, field by field: told in a plan, and kept so that the undo puts back just that. Pure: it
//! reads objects, and talks to no cluster. It never counts what the API keeps for itself as a difference.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::value::Value;

/// The most fields that one step may change, and how much their values may hold: all of it stands in the journal.
const MOST: usize = 200;
const MOST_BYTES: usize = 64 << 10;

/// One field that becomes another: where it is (a JSON pointer), and what is there. Absent where there is nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Field {
    /// Where, as a JSON pointer: `/spec/replicas`.
    pub(super) at: String,
    /// What was there; absent where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "present")]
    pub(super) before: Option<Value>,
    /// What is there then.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "present")]
    pub(super) after: Option<Value>,
}

/// A null that is there is another thing than nothing.
mod present {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::value::Value;

    pub(super) fn serialize<S: Serializer>(value: &Option<Value>, serializer: S) -> Result<S::Ok, S::Error> {
        value.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
        Value::deserialize(deserializer).map(Some)
    }
}

/// What is different: lists as a whole, as their order and keys mean different things in different kinds.
pub(super) fn between(before: &Value, after: &Value) -> Vec<Field> {
    let mut found = Vec::new();
    walk("", before, after, &mut found);
    found
}

/// What the API writes itself, and what says which object it is.
fn is_its_own(at: &str) -> bool {
    const OWN: [&str; 9] = [
        "/status",
        "/apiVersion",
        "/kind",
        "/metadata/managedFields",
        "/metadata/resourceVersion",
        "/metadata/generation",
        "/metadata/creationTimestamp",
        "/metadata/uid",
        "/metadata/selfLink",
    ];
    OWN.contains(&at)
}

fn walk(at: &str, before: &Value, after: &Value, found: &mut Vec<Field>) {
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        if before != after {
            found.push(Field { at: at.to_owned(), before: Some(before.clone()), after: Some(after.clone()) });
        }
        return;
    };
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let below = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        if is_its_own(&below) {
            continue;
        }
        match (old.get(name), new.get(name)) {
            (Some(old), Some(new)) => walk(&below, old, new, found),
            (old, new) => found.push(Field { at: below, before: old.cloned(), after: new.cloned() }),
        }
    }
}

/// Why so much is not kept, where it is too much.
pub(super) fn too_much(fields: &[Field]) -> Option<String> {
    let bytes = serde_json::to_string(fields).map_or(usize::MAX, |text| text.len());
    (fields.len() > MOST || bytes > MOST_BYTES).then(|| {
        format!(
            "it would change {} fields ({bytes} bytes with what is there now), and a step keeps at most {MOST} ({MOST_BYTES} \
             bytes): change it in several steps",
            fields.len()
        )
    })
}

/// How an object stands to a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stands {
    /// It is as it was before it.
    Before,
    /// The change is there.
    After,
    /// Part of it, or something else: these fields are neither one thing nor the other, or differ in which they are.
    Between(Vec<String>),
}

/// How an object stands to a change.
pub(super) fn stands(object: &Value, fields: &[Field]) -> Stands {
    let is = |field: &Field, side: &Option<Value>| object.pointer(&field.at) == side.as_ref();
    if fields.iter().all(|field| is(field, &field.after)) {
        return Stands::After;
    }
    if fields.iter().all(|field| is(field, &field.before)) {
        return Stands::Before;
    }
    let neither = fields.iter().filter(|field| !is(field, &field.after));
    Stands::Between(neither.map(|field| dotted(&field.at)).collect())
}

/// The JSON patch that puts back what was there, on the very object that was read.
pub(super) fn back(object: &Value, fields: &[Field]) -> Value {
    let version = object.pointer("/metadata/resourceVersion").cloned().unwrap_or(Value::Null);
    let mut operations = vec![json!({ "op": "replace", "path": "/metadata/resourceVersion", "value": version })];
    for field in fields {
        operations.push(match &field.before {
            Some(value) => json!({ "op": "add", "path": field.at, "value": value }),
            None => json!({ "op": "remove", "path": field.at }),
        });
    }
    Value::Array(operations)
}

/// A pointer as people write it: `spec.replicas`.
pub(super) fn dotted(at: &str) -> String {
    at.trim_start_matches('/')
        .split('/')
        .map(|part| part.replace("~1", "/").replace("~0", "~"))
        .collect::<Vec<_>>()
        .join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_put_back_and_the_apis_own_are_left_out() {
        let before = json!({ "metadata": { "resourceVersion": "1", "uid": "u", "labels": { "a": "1" } },
            "spec": { "replicas": 3, "list": [1, 2], "gone": null }, "status": { "x": 1 } });
        let after = json!({ "metadata": { "resourceVersion": "2", "uid": "u", "labels": { "a": "1" }, "annotations": { "x/y": "z" } },
            "spec": { "replicas": 5, "list": [1, 3] }, "status": { "x": 2 } });
        let fields = between(&before, &after);
        let names: Vec<String> = fields.iter().map(|field| dotted(&field.at)).collect();
        assert_eq!(names, ["metadata.annotations", "spec.gone", "spec.list", "spec.replicas"]);
        assert_eq!((stands(&before, &fields), stands(&after, &fields)), (Stands::Before, Stands::After));
        let kept: Vec<Field> = serde_json::from_value(serde_json::to_value(&fields).unwrap()).unwrap();
        assert_eq!(kept, fields, "a null that was there is not taken for nothing after the journal");
        let patch = back(&after, &fields);
        assert_eq!(patch[0], json!({ "op": "replace", "path": "/metadata/resourceVersion", "value": "2" }));
        assert_eq!(patch[1], json!({ "op": "remove", "path": "/metadata/annotations" }));
        assert_eq!(patch[4], json!({ "op": "add", "path": "/spec/replicas", "value": 3 }));
        let mut other = after.clone();
        other["spec"]["replicas"] = 7.into();
        assert_eq!(stands(&other, &fields), Stands::Between(vec!["spec.replicas".to_owned()]));
    }

    #[test]
    fn a_name_with_a_slash_stays_one_part() {
        let fields = between(&json!({ "a": { "b/c~d": 1 } }), &json!({ "a": { "b/c~d": 2 } }));
        assert_eq!((fields[0].at.as_str(), dotted(&fields[0].at).as_str()), ("/a/b~1c~0d", "a.b/c~d"));
    }

    #[test]
    fn what_would_fill_the_journal_is_refused() {
        let big = between(&json!({}), &json!({ "data": "x".repeat(MOST_BYTES) }));
        assert!(too_much(&big).is_some() && too_much(&between(&json!({}), &json!({ "a": 1 }))).is_none());
    }
}
