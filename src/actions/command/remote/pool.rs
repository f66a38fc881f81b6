//! Connections that are open and idle, kept for the next command: connecting costs more than most commands. Only one that
//! ended its command in good order is kept.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use super::connection::Connection;
use crate::inventory::Inventory;

/// How many idle connections to one host are kept.
const IDLE: usize = 4;

static POOL: LazyLock<Mutex<HashMap<String, Vec<Connection>>>> = LazyLock::new(Mutex::default);

/// An idle connection to a host, if there is one.
pub(super) fn take(inventory: &Inventory, host: &str) -> Option<Connection> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&way_to(inventory, host))?.pop()
}

/// Keeps a connection for the next command.
pub(super) fn give_back(inventory: &Inventory, host: &str, connection: Connection) {
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    let idle = pool.entry(way_to(inventory, host)).or_default();
    if idle.len() < IDLE {
        idle.push(connection);
    }
}

/// Everything that a connection depends on: another user, key file or way is another connection.
fn way_to(inventory: &Inventory, host: &str) -> String {
    let mut way = String::new();
    let mut next = Some(host);
    // A circle ends here too: connecting refuses it.
    for _ in 0..16 {
        let Some(entry) = next.and_then(|name| inventory.hosts.get(name)) else { break };
        way.push_str(&format!("{entry:?}\n"));
        next = entry.jump.as_deref();
    }
    way
}
