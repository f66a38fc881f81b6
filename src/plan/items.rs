//! The items of a `for_each`: what the list comes to, and how each of them is named in records and on the screen.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::ids::ItemId;
use crate::value::Value;

/// The most items: a list that is longer was not meant.
const MOST: usize = 10_000;

/// One item of a `for_each`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// How it is named.
    pub id: ItemId,
    /// What it is.
    pub value: Value,
}

/// Why a list is none that could be gone over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoItems {
    /// It is something else.
    #[error("`for_each` goes over a list, and this is {0}")]
    NoList(String),
    /// Nothing is in it. That is never taken for "all".
    #[error("the list of `for_each` is empty; where that may well be, guard it with an `if` such as `size(…) > 0`")]
    Empty,
    /// There is more in it than it may have.
    #[error("the list of `for_each` has {found} items, and {allowed} are allowed")]
    TooMany {
        /// How many there are.
        found: usize,
        /// How many there may be.
        allowed: usize,
    },
    /// One item is in it twice.
    #[error("the list of `for_each` names {0} twice")]
    Twice(String),
}

/// The items of a list. They are named by their text, or their `name` or `id`, where that can be a name; else by their
/// place, from 1.
///
/// # Errors
/// What is wrong with the list.
pub fn items_of(list: &Value, most: Option<u32>) -> Result<Vec<Item>, NoItems> {
    let Value::Array(values) = list else { return Err(NoItems::NoList(shorten(list))) };
    let allowed = most.map_or(MOST, |most| most as usize).min(MOST);
    if values.is_empty() {
        return Err(NoItems::Empty);
    }
    if values.len() > allowed {
        return Err(NoItems::TooMany { found: values.len(), allowed });
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = values.iter().find(|value| !seen.insert(value.to_string())) {
        return Err(NoItems::Twice(shorten(twice)));
    }
    let named: Option<Vec<ItemId>> = values.iter().map(|value| text_of(value)?.parse().ok()).collect();
    let distinct = |ids: &Vec<ItemId>| ids.iter().collect::<BTreeSet<_>>().len() == ids.len();
    let ids = named.filter(distinct).unwrap_or_else(|| {
        // A number is always a name.
        (1..=values.len()).filter_map(|place| place.to_string().parse().ok()).collect()
    });
    Ok(ids.into_iter().zip(values).map(|(id, value)| Item { id, value: value.clone() }).collect())
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Object(map) => map.get("name").or_else(|| map.get("id")).filter(|v| !v.is_object()).and_then(text_of),
        _ => None,
    }
}

fn shorten(value: &Value) -> String {
    value.to_string().chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(list: Value) -> Vec<String> {
        items_of(&list, None).unwrap().into_iter().map(|item| item.id.to_string()).collect()
    }

    #[test]
    fn items_are_named_by_what_they_are_or_by_their_place() {
        assert_eq!(names(json!(["web1", "web2"])), ["web1", "web2"]);
        assert_eq!(names(json!([3, 1])), ["3", "1"]);
        assert_eq!(names(json!([{"name": "a", "port": 1}, {"id": 7}])), ["a", "7"]);
        assert_eq!(names(json!(["web1", "not a name"])), ["1", "2"]);
        // The same name for two different things is none.
        assert_eq!(names(json!(["3", 3])), ["1", "2"]);
    }

    #[test]
    fn a_list_that_is_empty_too_long_or_double_is_refused() {
        assert_eq!(items_of(&json!([]), None), Err(NoItems::Empty));
        assert_eq!(items_of(&json!([1, 2, 3]), Some(2)), Err(NoItems::TooMany { found: 3, allowed: 2 }));
        assert_eq!(items_of(&json!(["a", "b", "a"]), None), Err(NoItems::Twice("\"a\"".to_owned())));
        assert!(matches!(items_of(&json!("web1"), None), Err(NoItems::NoList(_))));
        assert!(matches!(items_of(&Value::Null, None), Err(NoItems::NoList(_))));
    }
}
