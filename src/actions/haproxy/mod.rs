//! HAProxy through its runtime socket: which servers of a backend take connections. What is set here lives in the running
//! process alone; a restart of HAProxy reads its file again.

mod server_state;
mod servers;
mod socket;
mod whose;

use std::sync::Arc;

pub use server_state::ServerState;
pub(crate) use servers::{Server, servers};

use super::Action;
use crate::inventory::{Inventory, Proxy};

/// Why a proxy could not be asked or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HaproxyError {
    /// The arguments or the inventory make no sense, or HAProxy says that it knows no such thing.
    #[error("{0}")]
    Invalid(String),
    /// Nothing was sent, as nobody answers.
    #[error("{0}")]
    Unreachable(String),
    /// It was sent, and no answer came.
    #[error("{0}")]
    Lost(String),
}

/// The actions of this room, for the table.
pub fn all() -> Vec<Arc<dyn Action>> {
    vec![Arc::new(ServerState)]
}

/// A proxy of the inventory.
pub(crate) fn proxy<'a>(inventory: &'a Inventory, name: &str) -> Result<&'a Proxy, HaproxyError> {
    inventory.proxies.get(name).ok_or_else(|| {
        let known: Vec<&str> = inventory.proxies.keys().map(String::as_str).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        HaproxyError::Invalid(format!("the inventory has no proxy `{name}`; it has {known}"))
    })
}

/// A name that may stand in a line to the socket: there `;` begins another command, and a blank another word.
fn safe<'a>(kind: &str, name: &'a str) -> Result<&'a str, HaproxyError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    if !name.is_empty() && name.len() <= 100 && name.bytes().all(plain) {
        Ok(name)
    } else {
        Err(HaproxyError::Invalid(format!("{name:?} is no {kind} name: letters, digits and . _ - only")))
    }
}
