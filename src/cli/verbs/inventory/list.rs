//! `inventory list`: a line for each host.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{about_notes, chosen, groups, place};
use crate::cli::args::{Format, InventoryList};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::cli::view::count;
use crate::inventory::{ALL, Host, Inventory, Read, UNGROUPED};

/// Lists hosts.
///
/// # Errors
/// When the pattern means nothing.
pub fn list(setup: &Setup, read: &Read, args: &InventoryList) -> Result<Exit, Failure> {
    let inventory = &read.inventory;
    let names = chosen(read, args.pattern.as_deref())?;
    let hosts: Vec<(&str, &Host)> =
        names.iter().filter_map(|name| Some((name.as_str(), inventory.hosts.get(name)?))).collect();
    if args.output == Format::Json {
        setup.screen.json(&as_json(read, &hosts));
        return Ok(Exit::Success);
    }
    let widest = |widths: &mut dyn Iterator<Item = usize>| widths.max().unwrap_or(0).min(48) + 2;
    let first = widest(&mut hosts.iter().map(|(name, _)| Line::plain(name).width()));
    let second = first + widest(&mut hosts.iter().map(|(_, host)| Line::plain(place(host)).width()));
    let lines: Vec<Line> = hosts
        .iter()
        .map(|(name, host)| {
            let line = Line::new().with(Ink::Bold, name).pad_to(first).with(Ink::Plain, place(host)).pad_to(second);
            let line = line.with(Ink::Dim, groups(inventory, name).join(", "));
            match &host.refused {
                Some(why) => line.with(Ink::Warn, format!("  not connected to: {why}")),
                None => line,
            }
        })
        .collect();
    setup.screen.print(&lines);
    let mut text = count(hosts.len(), "host");
    let all = inventory.hosts_of(ALL).map_or(0, |all| all.len());
    if hosts.len() < all {
        // Writing to a String cannot fail.
        let _ = write!(text, " of {all}");
    }
    let refused = hosts.iter().filter(|(_, host)| host.refused.is_some()).count();
    if refused > 0 {
        let _ = write!(text, ", {refused} of them not connected to");
    }
    let groups = inventory.groups.keys().filter(|name| *name != ALL && *name != UNGROUPED).count();
    let _ = write!(text, ", {}", count(groups, "group"));
    setup.screen.say(&[Line::new().with(Ink::Dim, text).followed_by(about_notes(setup, read))]);
    Ok(Exit::Success)
}

fn as_json(read: &Read, hosts: &[(&str, &Host)]) -> Value {
    let inventory = &read.inventory;
    let all: Vec<Value> = hosts.iter().map(|(name, host)| host_json(inventory, name, host)).collect();
    let groups: serde_json::Map<String, Value> = inventory
        .groups
        .iter()
        .map(|(name, group)| (name.clone(), json!({ "hosts": group.hosts, "children": group.children })))
        .collect();
    let notes: Vec<Value> = read.notes.iter().map(|note| json!({ "about": note.about, "text": note.text })).collect();
    json!({
        "v": 1, "type": "inventory", "environment": inventory.environment, "sources": read.sources, "hosts": all,
        "groups": groups, "notes": notes,
    })
}

/// A host for a program. A password is its reference.
pub(super) fn host_json(inventory: &Inventory, name: &str, host: &Host) -> Value {
    json!({
        "name": name, "address": host.address, "port": host.port, "user": host.user, "identity_file": host.identity_file,
        "password": host.password.as_ref().map(|password| &password.0), "known_hosts": host.known_hosts, "jump": host.jump,
        "groups": groups(inventory, name), "vars": inventory.vars(name), "refused": host.refused,
    })
}
