//! Inventories of Ansible in its INI form. Sections, ranges, quoting and the types of values are Ansible's; what it would take
//! for an error is one here, with the line.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::draft::{Draft, Layer};
use super::python;
use super::ranges::expand;
use super::{Source, Whose, shell};
use crate::inventory::{ALL, UNGROUPED};

/// What the lines of a section are.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Hosts,
    Children,
    Vars,
}

/// Where a group was only named that nothing has declared yet.
struct Pending {
    line: usize,
    said: String,
}

/// Reads a file.
///
/// # Errors
/// What is wrong, with its line.
pub(super) fn read(text: &str, source: &Arc<Source>, draft: &mut Draft) -> Result<(), String> {
    let (mut group, mut kind) = (UNGROUPED.to_owned(), Kind::Hosts);
    let mut declared: BTreeMap<String, Option<Pending>> = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let (number, line) = (number + 1, line.trim());
        if line.is_empty() || line.starts_with([';', '#']) {
            continue;
        }
        let at = |why: String| format!("line {number}: {why}");
        if let Some((name, next)) = section(line).map_err(at)? {
            (group, kind) = (name, next);
            if kind == Kind::Vars {
                let said = format!("[{group}:vars] is about a group that is not there");
                declared.entry(group.clone()).or_insert(Some(Pending { line: number, said }));
            } else {
                declared.insert(group.clone(), None);
            }
            draft.group(&group);
            continue;
        }
        match kind {
            Kind::Hosts => hosts(line, &group, source, draft).map_err(at)?,
            Kind::Vars => {
                let (name, value) = line.split_once('=').ok_or_else(|| at("NAME=VALUE is wanted here".to_owned()))?;
                let pair = (name.trim(), python::value(value.trim()));
                draft.set(Whose::Group, &group, Layer::Inventory, pair, source);
            }
            Kind::Children => {
                let child = line.split('#').next().unwrap_or_default().trim();
                if child.is_empty() || child.contains([':', ']']) || child.contains(char::is_whitespace) {
                    return Err(at(format!("the name of a group is wanted here, and `{}` is none", shown(line))));
                }
                let said = format!("[{group}:children] names `{}`, a group that is not there", shown(child));
                declared.entry(child.to_owned()).or_insert(Some(Pending { line: number, said }));
                draft.child(&group, child);
            }
        }
    }
    let missing =
        declared.into_iter().filter(|(name, _)| name != ALL && name != UNGROUPED).find_map(|(_, pending)| pending);
    missing.map_or(Ok(()), |pending| Err(format!("line {}: {}", pending.line, pending.said)))
}

fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

/// `[name]`, `[name:children]`, `[name:vars]`, with a comment behind it.
fn section(line: &str) -> Result<Option<(String, Kind)>, String> {
    let Some((inner, behind)) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) else { return Ok(None) };
    let behind = behind.trim_start();
    if !behind.is_empty() && !behind.starts_with('#') {
        // A host may begin with a range.
        return match line.ends_with(']') && !behind.contains('[') {
            true => Err(format!("the section `{}` cannot be read", shown(line))),
            false => Ok(None),
        };
    }
    let (name, kind) = match inner.split_once(':') {
        None => (inner, Kind::Hosts),
        Some((name, "hosts")) => (name, Kind::Hosts),
        Some((name, "children")) => (name, Kind::Children),
        Some((name, "vars")) => (name, Kind::Vars),
        // `[a:c]` by itself is a host.
        Some((_, kind)) => {
            return Err(format!(
                "the section [{}] is of no kind that there is (children, vars): {}",
                shown(inner),
                shown(kind)
            ));
        }
    };
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Err(format!("the section [{}] has no name, or spaces in it", shown(inner)));
    }
    Ok(Some((name.to_owned(), kind)))
}

fn hosts(line: &str, group: &str, source: &Arc<Source>, draft: &mut Draft) -> Result<(), String> {
    let words = shell::words(line, true).map_err(str::to_owned)?;
    let Some((pattern, pairs)) = words.split_first() else { return Ok(()) };
    if pattern == "---" {
        return Err("`---` begins a YAML file: name it so that it ends in .yaml".to_owned());
    }
    let mut vars = Vec::new();
    for pair in pairs {
        // What stands there may be a password.
        let name = pair
            .split_once('=')
            .ok_or_else(|| "behind a host, NAME=VALUE is wanted (a value with spaces in quotes)".to_owned())?;
        vars.push((name.0, python::value(name.1)));
    }
    let (names, port) = expand(pattern)?;
    for host in names {
        draft.host(&host, group)?;
        let port = port.map(|port| ("ansible_port", port.into()));
        for (name, value) in port.into_iter().chain(vars.iter().map(|(name, value)| (*name, value.clone()))) {
            draft.set(Whose::Host, &host, Layer::Inventory, (name, value), source);
        }
    }
    Ok(())
}
