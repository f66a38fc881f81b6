//! `inventory graph`: the groups as a tree, drawn as `ansible-inventory --graph` draws it.

use super::unknown;
use crate::cli::args::InventoryGraph;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::inventory::{ALL, Inventory, Read, UNGROUPED};

/// How many lines are drawn: a group is drawn wherever it lies, and a few can lie in each other in a million ways.
const MOST_LINES: usize = 50_000;

/// Draws the tree.
///
/// # Errors
/// When there is no such group.
pub fn graph(setup: &Setup, read: &Read, args: &InventoryGraph) -> Result<Exit, Failure> {
    let inventory = &read.inventory;
    let name = args.group.as_deref().unwrap_or(ALL);
    if name != ALL && name != UNGROUPED && !inventory.groups.contains_key(name) {
        // The error of the look-up knows the nearest name; a host is no group.
        inventory.hosts_of(name).map_err(unknown)?;
        return Err(Failure::new(Exit::Invalid, format!("`{name}` is a host, and a group is drawn"))
            .next(format!("playbook inventory show {name}")));
    }
    let mut lines = Vec::new();
    draw(inventory, name, 0, &mut lines);
    if lines.len() >= MOST_LINES {
        lines.push(Line::new().with(Ink::Warn, format!("… only the first {MOST_LINES} lines are drawn")));
    }
    setup.screen.print(&lines);
    Ok(Exit::Success)
}

fn branch(depth: usize) -> String {
    if depth == 0 { String::new() } else { format!("{}--", "  |".repeat(depth)) }
}

fn draw(inventory: &Inventory, name: &str, depth: usize, lines: &mut Vec<Line>) {
    // An inventory is refused that is deeper; this is for one that nobody checked.
    if lines.len() >= MOST_LINES || depth > 64 {
        return;
    }
    lines.push(Line::new().with(Ink::Dim, branch(depth)).with(Ink::Bold, format!("@{name}:")));
    let alone = inventory.hosts_of(UNGROUPED).unwrap_or_default();
    let group = inventory.groups.get(name);
    let children: Vec<&str> = match name {
        ALL => [UNGROUPED].into_iter().chain(inventory.top_groups()).collect(),
        _ => group.into_iter().flat_map(|group| &group.children).map(String::as_str).collect(),
    };
    for child in children {
        draw(inventory, child, depth + 1, lines);
    }
    let hosts: Vec<&str> = match name {
        UNGROUPED => alone,
        _ => group.into_iter().flat_map(|group| &group.hosts).map(String::as_str).collect(),
    };
    let room = MOST_LINES.saturating_sub(lines.len());
    lines.extend(
        hosts.into_iter().take(room).map(|host| Line::new().with(Ink::Dim, branch(depth + 1)).with(Ink::Plain, host)),
    );
}
