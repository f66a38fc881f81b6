//! Pairs of links to the same place: look at both ways, prefer the other one, put back what was. Routes are changed by `ip` on
//! their host, under a revert that the host itself carries out unless the runner comes back and confirms. It never changes a
//! route that it could not put back exactly, and never one that a routing daemon owns.

mod applied;
mod by_hand;
mod change;
mod desired;
mod foresee;
mod host;
mod path;
mod restore;
mod route;
mod status;
mod switch;

use std::sync::Arc;

pub use restore::Restore;
pub use status::Status;
pub use switch::Switch;

use super::command::{CommandError, Ended};
use super::{Action, ActionError};
use crate::inventory::{Inventory, Link};
use crate::outcome::Report;
use crate::value::{Value, is_unknown};

/// Why links could not be looked at or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LinkError {
    /// The arguments, the inventory or the host's routes make no sense here.
    #[error("{0}")]
    Invalid(String),
    /// Nothing was sent, as the host does not answer.
    #[error("{0}")]
    Unreachable(String),
    /// It must not be done here; nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// It was tried and failed.
    #[error("{0}")]
    Failed(String),
    /// It was sent, and no answer came.
    #[error("{0}")]
    Lost(String),
}

impl From<LinkError> for ActionError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Unreachable(text) | LinkError::Lost(text) => ActionError::Unreachable(text),
            LinkError::Invalid(text) | LinkError::Refused(text) | LinkError::Failed(text) => ActionError::Invalid(text),
        }
    }
}

impl From<LinkError> for Report {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Invalid(text) | LinkError::Unreachable(text) | LinkError::Refused(text) => {
                Report::no_effect(text)
            }
            LinkError::Failed(text) => Report::failed(text),
            LinkError::Lost(text) => Report::unknown(text),
        }
    }
}

impl From<CommandError> for LinkError {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Unreachable(text) => LinkError::Unreachable(text),
            CommandError::Lost(text) => LinkError::Lost(text),
            CommandError::Invalid(text) => LinkError::Invalid(text),
        }
    }
}

/// The actions of this room, for the table.
pub fn all() -> Vec<Arc<dyn Action>> {
    vec![Arc::new(Status), Arc::new(Switch), Arc::new(Restore)]
}

/// The pair of links that a step is about; `None` while its name is not known yet.
fn link<'a>(inventory: &'a Inventory, arguments: &'a Value) -> Result<Option<(&'a str, &'a Link)>, LinkError> {
    match arguments.get("link") {
        Some(value) if is_unknown(value) => Ok(None),
        Some(Value::String(name)) => match inventory.link(name) {
            Ok(link) => Ok(Some((name, link))),
            Err(error) => Err(LinkError::Invalid(error.to_string())),
        },
        _ => Err(LinkError::Invalid("`link` is missing or no text".to_owned())),
    }
}

/// The same once it has to be known.
fn needed_link<'a>(inventory: &'a Inventory, arguments: &'a Value) -> Result<(&'a str, &'a Link), LinkError> {
    link(inventory, arguments)?.ok_or_else(|| LinkError::Invalid("which link is not known yet".to_owned()))
}

/// Where routes are switched, for a person.
fn place(link: &Link) -> &str {
    link.host.as_deref().unwrap_or("this host")
}

/// What a script printed, in sections that begin with `=== NAME` lines; an output that was cut short says nothing for sure.
fn sections(ended: &Ended, host: &str) -> Result<Vec<(String, String)>, LinkError> {
    if ended.output.stdout.truncated {
        return Err(LinkError::Invalid(format!("{host} prints more than can be read: has it thousands of routes?")));
    }
    let mut all: Vec<(String, String)> = Vec::new();
    for line in ended.output.stdout.text.lines() {
        match (line.strip_prefix("=== "), all.last_mut()) {
            (Some(name), _) => all.push((name.trim().to_owned(), String::new())),
            (None, Some((_, text))) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    Ok(all)
}

/// A section by its name.
fn section<'a>(all: &'a [(String, String)], name: &str) -> &'a str {
    all.iter().find(|(found, _)| found == name).map_or("", |(_, text)| text.trim())
}
