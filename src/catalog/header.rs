//! The head of a playbook's file: its name, version and title, without the checks that a run asks for.

use std::sync::Arc;

use crate::diagnostic::Source;
use crate::document;
use crate::playbook::is_playbook_name;

/// What the head says, as far as it can be read.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub name: Option<String>,
    pub version: Option<String>,
    pub title: Option<String>,
}

pub(super) fn read(source: &Arc<Source>) -> Result<Head, (Head, String)> {
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
