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
    /// The inventory's variables of it, where it is a host; else null.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub vars: Value,
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
    /// The limit leaves nothing of it.
    #[error(
        "`--limit {pattern}` names none of the {whole} hosts that it goes over, so nothing of it would be done; name some of \
         them, or leave the limit out"
    )]
    Limited {
        /// The limit.
        pattern: String,
        /// How many hosts there are.
        whole: usize,
    },
    /// Too many of its hosts do not answer.
    #[error(
        "{found} of {of} hosts do not answer, and `unreachable_at_plan` lets {allowed} be; look at them first, or leave them out \
         with --limit: {names}"
    )]
    Silent {
        /// How many do not.
        found: usize,
        /// Of how many.
        of: usize,
        /// How many need not.
        allowed: usize,
        /// Which, and why.
        names: String,
    },
    /// Some of it are hosts, and some are not.
    #[error(
        "`--limit` cannot tell what is meant: the list of `for_each` has hosts of the inventory ({host}) and other things \
         ({other})"
    )]
    Mixed {
        /// A host.
        host: String,
        /// Something else.
        other: String,
    },
    /// One item is in it twice.
    #[error("the list of `for_each` names {0} twice")]
    Twice(String),
}

/// The items of a list. They are named by their text, or their `name` or `id`; what cannot stand in a name is a hyphen
/// there, and where nothing is left an item is named by its place, from 1.
///
/// # Errors
/// What is wrong with the list.
pub fn items_of(list: &Value, most: Option<u32>) -> Result<Vec<Item>, NoItems> {
    let Value::Array(values) = list else { return Err(NoItems::NoList(shorten(list))) };
    if values.is_empty() {
        return Err(NoItems::Empty);
    }
    hold_number(values.len(), most)?;
    let mut seen = BTreeSet::new();
    if let Some(twice) = values.iter().find(|value| !seen.insert(value.to_string())) {
        return Err(NoItems::Twice(shorten(twice)));
    }
    let names: Vec<Option<ItemId>> = values.iter().map(|value| text_of(value)?.parse().ok()).collect();
    let mut used: BTreeSet<ItemId> = BTreeSet::new();
    // Those that can be names keep theirs, whatever stands before them.
    let mut given: Vec<Option<ItemId>> =
        names.into_iter().map(|name| name.filter(|name| used.insert(name.clone()))).collect();
    for (place, (id, value)) in given.iter_mut().zip(values).enumerate() {
        if id.is_none() {
            *id = other_names(value, place + 1).find(|name| used.insert(name.clone()));
        }
    }
    let items = given.into_iter().zip(values);
    Ok(items.filter_map(|(id, value)| Some(Item { id: id?, value: value.clone(), vars: Value::Null })).collect())
}

/// Holds a list to how many items it may have.
///
/// # Errors
/// When it has more.
pub fn hold_number(found: usize, most: Option<u32>) -> Result<(), NoItems> {
    let allowed = most.map_or(MOST, |most| most as usize).min(MOST);
    if found > allowed { Err(NoItems::TooMany { found, allowed }) } else { Ok(()) }
}

/// How an item may be named whose text cannot be: by what is like it, else by its place; there is always one more.
fn other_names(value: &Value, place: usize) -> impl Iterator<Item = ItemId> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "._:-".contains(letter);
    let text: String =
        text_of(value).unwrap_or_default().chars().map(|c| if fits(c) { c } else { '-' }).take(40).collect();
    let like = text.trim_matches('-').to_owned();
    let first = if like.is_empty() { place.to_string() } else { like };
    let further = (0..).map({
        let first = first.clone();
        move |more| if more == 0 { format!("{first}-{place}") } else { format!("{first}-{place}-{more}") }
    });
    std::iter::once(first).chain(further).filter_map(|name| name.parse().ok())
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
        assert_eq!(names(json!(["web1", "web eins", "数据库"])), ["web1", "web-eins", "3"]);
        // The same name for two different things is none.
        assert_eq!(names(json!(["3", 3, "10.0.0.0/8", "a b", "a-b"])), ["3", "3-2", "10.0.0.0-8", "a-b-4", "a-b"]);
        assert_eq!(names(json!([[1], [2], "1"])), ["1-1", "2", "1"]);
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
