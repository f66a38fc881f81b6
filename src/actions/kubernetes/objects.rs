//! Reading objects of the API as they come: every version of them is JSON, and what is missing is missing. Whatever is read
//! here may be written by anybody who may write to the cluster: texts are bounded, and what a terminal obeys is told by number.

use crate::value::{Value, told};

/// How much of a text from the cluster is repeated.
const MOST: usize = 300;

/// A text of the cluster's for a person: one line, bounded, with nothing in it that a terminal obeys.
pub(super) fn said(text: &str) -> String {
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut shown = told(&one_line.chars().take(MOST).collect::<String>(), false);
    if one_line.chars().count() > MOST {
        shown.push_str(" …");
    }
    shown
}

/// What stands at a path of an object, where it is a text.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer).and_then(Value::as_str)
}

/// What stands at a path of an object, where it is a number; nothing there counts as none.
pub(super) fn count(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

/// What stands at a path of an object, where it is a list; nothing there is an empty one.
pub(super) fn items<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Whether what stands at a path is said to be so.
pub(super) fn is_set(object: &Value, pointer: &str) -> bool {
    object.pointer(pointer).and_then(Value::as_bool).unwrap_or(false)
}

/// The name of an object, as it is told to a person.
pub(super) fn name(object: &Value) -> String {
    said(text(object, "/metadata/name").unwrap_or("(no name)"))
}

/// A label of an object.
pub(super) fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.pointer("/metadata/labels")?.get(key)?.as_str()
}

/// An annotation of an object.
pub(super) fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.pointer("/metadata/annotations")?.get(key)?.as_str()
}

/// A condition of an object, by its type.
pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    items(object, "/status/conditions").iter().find(|condition| text(condition, "/type") == Some(kind))
}

/// The owner that controls an object, as `(kind, name, uid)`.
pub(super) fn controlled_by(object: &Value) -> Option<(&str, &str, &str)> {
    let owner = items(object, "/metadata/ownerReferences").iter().find(|owner| is_set(owner, "/controller"))?;
    Some((text(owner, "/kind")?, text(owner, "/name")?, text(owner, "/uid").unwrap_or("")))
}

/// Whether a label selector takes what has these labels. One that is not there takes nothing; an empty one takes all, which
/// some old kinds read the other way round: that is for their reader to say.
pub(super) fn selects(selector: Option<&Value>, labels: &Value) -> bool {
    let Some(selector) = selector.filter(|selector| selector.is_object()) else { return false };
    let has = |key: &str| labels.get(key).and_then(Value::as_str);
    let by_label = selector.get("matchLabels").and_then(Value::as_object);
    let matches = by_label.into_iter().flatten().all(|(key, value)| has(key).is_some() && has(key) == value.as_str());
    matches && items(selector, "/matchExpressions").iter().all(|one| expression(one, has))
}

fn expression<'a>(one: &Value, has: impl Fn(&str) -> Option<&'a str>) -> bool {
    let is = text(one, "/key").and_then(has);
    let among = || items(one, "/values").iter().any(|value| value.as_str().is_some() && value.as_str() == is);
    match text(one, "/operator") {
        Some("In") => is.is_some() && among(),
        Some("NotIn") => !among(),
        Some("Exists") => is.is_some(),
        Some("DoesNotExist") => is.is_none(),
        // A word that we do not know may take it: what stands around is told rather once too often.
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_selector_takes_what_the_api_says_it_takes() {
        let labels = json!({ "app": "web", "tier": "front" });
        for (selector, takes) in [
            (json!({ "matchLabels": { "app": "web" } }), true),
            (json!({ "matchLabels": { "app": "web", "zone": "a" } }), false),
            (json!({}), true),
            (json!({ "matchExpressions": [{ "key": "tier", "operator": "In", "values": ["front", "back"] }] }), true),
            (json!({ "matchExpressions": [{ "key": "tier", "operator": "NotIn", "values": ["front"] }] }), false),
            (json!({ "matchExpressions": [{ "key": "zone", "operator": "NotIn", "values": ["a"] }] }), true),
            (json!({ "matchExpressions": [{ "key": "zone", "operator": "Exists" }] }), false),
            (json!({ "matchExpressions": [{ "key": "zone", "operator": "DoesNotExist" }] }), true),
        ] {
            assert_eq!(selects(Some(&selector), &labels), takes, "{selector}");
        }
        assert!(!selects(None, &labels) && !selects(Some(&Value::Null), &labels));
    }

    #[test]
    fn what_a_terminal_obeys_is_told_by_its_number() {
        assert_eq!(said("a\u{1b}[2Jb\r\nc\u{202e}"), "a<U+001B>[2Jb c<U+202E>");
        assert!(said(&"x".repeat(10_000)).chars().count() < MOST + 10);
    }
}
