//! The head of a playbook's file: its name, version and title, without the checks that a run asks for.

use std::sync::Arc;

use crate::diagnostic::Source;
use crate::document;

use super::load::is_playbook_name;

/// What the head says, as far as it can be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// Its name.
    pub name: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// What it does, in a line.
    pub title: Option<String>,
}

/// Reads the head alone: quick enough to list a folder, and no promise that the rest is right.
///
/// # Errors
/// Why it is no playbook, with what could be read of the head all the same.
pub fn read_head(source: &Arc<Source>) -> Result<Head, (Head, String)> {
    let root = match document::parse(source) {
        Ok(root) => root,
        Err(faults) => {
            let reason = faults.first().map_or_else(String::new, ToString::to_string);
            return Err((Head::default(), reason));
        }
    };
    let text = |key: &str| {
        let scalar = root.get(key).and_then(document::Node::scalar);
        scalar.filter(|scalar| !scalar.is_null()).map(|scalar| scalar.text.clone())
    };
    let head = Head { name: text("name"), version: text("version"), title: text("title") };
    let missing = match (&head.name, &head.version) {
        (None, _) => Some("it has no `name`"),
        (Some(name), _) if !is_playbook_name(name) => Some("its `name` is no name of a playbook"),
        (_, None) => Some("it has no `version`"),
        _ if root.get("steps").is_none() => Some("it has no `steps`"),
        _ => None,
    };
    match missing {
        None => Ok(head),
        Some(reason) => Err((head, format!("{}: {reason}", source.name))),
    }
}
