//! What a `for_each` goes over: values, or hosts of the inventory by a pattern (`for_each: { hosts: web }`). Which hosts those
//! are is nobody's affair here: the inventory is asked when the plan is made.

use serde::{Deserialize, Serialize};

use crate::document::{Node, NodeKind};
use crate::value::{Type, Value, why_unknown};

use super::Argument;
use super::reader::Reader;

/// The list of a `for_each`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub enum List {
    /// Values, whatever they are.
    Values(Argument),
    /// The hosts of the inventory that a pattern names, in the inventory's order.
    Hosts(Argument),
}

/// How it is written down. A list of values stands there by itself, as it did before there were hosts.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Hosts { hosts: Argument },
    Values(Argument),
}

impl From<Argument> for List {
    fn from(values: Argument) -> Self {
        List::Values(values)
    }
}

impl From<Written> for List {
    fn from(written: Written) -> Self {
        match written {
            Written::Hosts { hosts } => List::Hosts(hosts),
            Written::Values(values) => List::Values(values),
        }
    }
}

impl From<List> for Written {
    fn from(list: List) -> Self {
        match list {
            List::Hosts(hosts) => Written::Hosts { hosts },
            List::Values(values) => Written::Values(values),
        }
    }
}

impl List {
    /// What is written there: the values, or the pattern.
    pub fn argument(&self) -> &Argument {
        match self {
            List::Values(argument) | List::Hosts(argument) => argument,
        }
    }

    /// Whether it goes over hosts of the inventory.
    pub fn is_of_hosts(&self) -> bool {
        matches!(self, List::Hosts(_))
    }
}

/// Reads `{ hosts: PATTERN }`.
pub(super) fn read(reader: &mut Reader<'_>, hosts: &Node) -> Option<List> {
    if let NodeKind::Sequence(items) = &hosts.kind
        && items.is_empty()
    {
        reader.faults.error("wrong-form", hosts.span, "`hosts` names no host", Some(HELP.to_owned()));
        return None;
    }
    if hosts.scalar().is_some_and(|scalar| !scalar.is_null() && scalar.text.trim().is_empty()) {
        reader.faults.error("wrong-form", hosts.span, "`hosts` names no host", Some(HELP.to_owned()));
        return None;
    }
    let argument = match &hosts.kind {
        NodeKind::Sequence(_) => reader.argument(hosts, "hosts", &Type::List(Box::new(Type::String)))?,
        _ => reader.argument(hosts, "hosts", &Type::String)?,
    };
    Some(List::Hosts(argument))
}

const HELP: &str = "write a group, a host or a pattern of the inventory: `hosts: web`, `hosts: \"web:!web3\"`, or `hosts: all` \
                    where every host is meant";

/// The pattern that a value is: a text, or a list of texts, which means all that any of them means.
///
/// # Errors
/// Why it is none. An empty one is never taken for "all".
pub fn pattern_of(value: &Value) -> Result<String, String> {
    let pattern = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Array(items) => {
            let texts: Option<Vec<&str>> = items.iter().map(|item| item.as_str().map(str::trim)).collect();
            texts.ok_or("`hosts` is a pattern of the inventory, and this list holds something else")?.join(",")
        }
        other => {
            let is = why_unknown(other).map_or_else(|| other.to_string(), str::to_owned);
            return Err(format!("`hosts` is a pattern of the inventory, and this is {is}"));
        }
    };
    if pattern.split([',', ':']).all(|part| part.trim().is_empty()) {
        return Err("`hosts` names no host; `all` says that every host of the inventory is meant".to_owned());
    }
    Ok(pattern)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_of_values_is_written_as_it_was_before_there_were_hosts() {
        let old = r#"{"literal":["web1","web2"]}"#;
        let list: List = serde_json::from_str(old).unwrap();
        assert_eq!(list, List::Values(Argument::Literal(json!(["web1", "web2"]))));
        assert_eq!(serde_json::to_string(&list).unwrap(), old);
        let hosts = List::Hosts(Argument::Literal(json!("web")));
        let text = serde_json::to_string(&hosts).unwrap();
        assert_eq!(text, r#"{"hosts":{"literal":"web"}}"#);
        assert_eq!(serde_json::from_str::<List>(&text).unwrap(), hosts);
    }

    #[test]
    fn nothing_is_never_taken_for_all() {
        assert_eq!(pattern_of(&json!(" web ")), Ok("web".to_owned()));
        assert_eq!(pattern_of(&json!(["web1", "web2"])), Ok("web1,web2".to_owned()));
        for nothing in [json!(""), json!(" "), json!([]), json!([""]), json!(","), json!(null), json!(3), json!([3])] {
            assert!(pattern_of(&nothing).is_err(), "{nothing}");
        }
    }
}
