//! `inventory`: what playbooks act on, as it is read. It changes nothing, and shows references to secrets alone.

mod check;
mod graph;
mod list;
mod show;

use crate::cli::args::{Inventory as Arguments, InventoryVerb};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::cli::view::count;
use crate::inventory::{Host, Inventory, InventoryError, Read};

/// Does what was asked with the inventory.
///
/// # Errors
/// When it cannot be read, or has no such host or group.
pub fn inventory(setup: &Setup, args: &Arguments) -> Result<Exit, Failure> {
    let Some(read) = setup.read_inventory()? else {
        return Err(Failure::new(
            Exit::NotFound,
            "there is no inventory: none was named, and ./inventory.yaml is not there",
        )
        .next(
            "name one or several with --inventory FILE or $PLAYBOOK_INVENTORY: our YAML, Ansible's INI or YAML, an \
                   ssh_config, a folder, or exec:COMMAND (docs/inventory.md)",
        ));
    };
    match &args.what {
        InventoryVerb::List(args) => list::list(setup, &read, args),
        InventoryVerb::Show(args) => show::show(setup, &read, args),
        InventoryVerb::Graph(args) => graph::graph(setup, &read, args),
        InventoryVerb::Check(args) => check::check(setup, &read, args),
    }
}

/// The hosts that a pattern means; all of them without one.
fn chosen(read: &Read, pattern: Option<&str>) -> Result<Vec<String>, Failure> {
    read.inventory.select(pattern.unwrap_or(crate::inventory::ALL)).map_err(unknown)
}

fn unknown(error: InventoryError) -> Failure {
    Failure::new(Exit::Invalid, error.to_string())
        .next("playbook inventory list     (all hosts)")
        .next("playbook inventory graph     (all groups)")
}

/// Where a host is: `deploy@10.0.0.1:2222 through bastion`.
fn place(host: &Host) -> String {
    let user = host.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
    let address = if host.address.contains(':') { format!("[{}]", host.address) } else { host.address.clone() };
    let port = if host.port == 22 { String::new() } else { format!(":{}", host.port) };
    let jump = host.jump.as_ref().map(|jump| format!(" through {jump}")).unwrap_or_default();
    format!("{user}{address}{port}{jump}")
}

/// The groups of a host without the one that all are in, the innermost first.
fn groups<'i>(inventory: &'i Inventory, host: &str) -> Vec<&'i str> {
    inventory.groups_of(host).into_iter().rev().filter(|group| *group != crate::inventory::ALL).collect()
}

/// `2 notes (playbook inventory check --offline)`, if there are any.
fn about_notes(setup: &Setup, read: &Read) -> Line {
    match read.notes.len() {
        0 => Line::new(),
        several => {
            let command = setup.paste.command("inventory check --offline");
            Line::new().with(Ink::Warn, format!(", {} ({command})", count(several, "note")))
        }
    }
}
