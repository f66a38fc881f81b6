//! Inventories of Ansible in their YAML form, and the variables in `group_vars/` and `host_vars/` beside any of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::draft::{Draft, Layer};
use super::ranges::expand;
use super::{Source, Whose, files, yaml};
use crate::value::Value;

/// How deep groups may be written one in the other.
const DEEPEST: usize = crate::inventory::group::DEEPEST;

/// Whether a document is an inventory of Ansible's, and not one of ours: its keys are groups.
pub(super) fn is_one(document: &Value) -> bool {
    let Value::Object(groups) = document else { return false };
    let group = |value: &Value| match value {
        Value::Object(parts) => parts.keys().all(|key| ["hosts", "children", "vars"].contains(&key.as_str())),
        other => other.is_null(),
    };
    // With `hosts` or `groups` at its top it is one of ours that forgot its environment.
    let is_ours = ["environment", "hosts", "groups"].iter().any(|key| groups.contains_key(*key));
    !groups.is_empty() && !is_ours && groups.values().all(group)
}

/// Reads a document.
///
/// # Errors
/// What is wrong, with the group.
pub(super) fn read(document: &Value, source: &Arc<Source>, draft: &mut Draft) -> Result<(), String> {
    let Value::Object(groups) = document else { return Err("it is no mapping of groups".to_owned()) };
    if groups.contains_key("plugin") {
        return Err("it is the configuration of a plugin of Ansible's. Write what that finds into a file (`ansible-inventory -i FILE \
                    --list`), or name a program: --inventory 'exec:ansible-inventory -i FILE --list'"
            .to_owned());
    }
    groups.iter().try_for_each(|(name, data)| group(name, data, source, draft, 0))
}

fn group(name: &str, data: &Value, source: &Arc<Source>, draft: &mut Draft, depth: usize) -> Result<(), String> {
    let wrong = |why: &str| format!("group `{}`: {why}", name.escape_debug());
    if depth > DEEPEST {
        return Err(wrong("it lies too deep in other groups"));
    }
    let parts = match data {
        Value::Null => None,
        Value::Object(parts) => Some(parts),
        _ => return Err(wrong("it is a mapping with `hosts`, `children` and `vars`")),
    };
    draft.group(name);
    for (key, value) in parts.into_iter().flatten() {
        let entries = match value {
            Value::Null => continue,
            Value::Object(entries) => entries.clone(),
            // One name by itself is allowed.
            Value::String(one) => serde_json::Map::from_iter([(one.clone(), Value::Null)]),
            _ => return Err(wrong(&format!("`{}` is a mapping", key.escape_debug()))),
        };
        match key.as_str() {
            "vars" => {
                for (variable, value) in entries {
                    draft.set(Whose::Group, name, Layer::Inventory, (&variable, value), source);
                }
            }
            "children" => {
                for (child, data) in &entries {
                    group(child, data, source, draft, depth + 1)?;
                    draft.child(name, child);
                }
            }
            "hosts" => hosts(&entries, name, source, draft).map_err(|why| wrong(&why))?,
            _ => draft.note(format!("group {}", name.escape_debug()), format!("`{}` is not read", key.escape_debug())),
        }
    }
    Ok(())
}

fn hosts(
    entries: &serde_json::Map<String, Value>,
    group: &str,
    source: &Arc<Source>,
    draft: &mut Draft,
) -> Result<(), String> {
    for (pattern, data) in entries {
        let none = serde_json::Map::new();
        let vars = match data {
            Value::Null => &none,
            Value::Object(vars) => vars,
            _ => return Err(format!("host `{}`: its variables are a mapping", pattern.escape_debug())),
        };
        let (names, port) = expand(pattern)?;
        for host in names {
            draft.host(&host, group)?;
            let port = port.map(|port| ("ansible_port", port.into()));
            for (name, value) in port.into_iter().chain(vars.iter().map(|(name, value)| (name.as_str(), value.clone())))
            {
                draft.set(Whose::Host, &host, Layer::Inventory, (name, value), source);
            }
        }
    }
    Ok(())
}

/// Reads what `group_vars/` and `host_vars/` in a folder say of the groups and hosts that are there.
///
/// # Errors
/// What is wrong with a file, which is named.
pub(super) fn beside(folder: &Path, draft: &mut Draft) -> Result<(), String> {
    for (whose, below) in [(Whose::Group, "group_vars"), (Whose::Host, "host_vars")] {
        let folder = folder.join(below);
        for (owner, path) in owners(&folder)? {
            let is_there = match whose {
                Whose::Group => {
                    if owner == crate::inventory::ALL || owner == crate::inventory::UNGROUPED {
                        draft.group(&owner);
                    }
                    draft.groups.contains_key(&owner)
                }
                Whose::Host => draft.hosts.contains_key(&owner),
            };
            if !is_there {
                continue;
            }
            let in_file = |why: String| format!("{}: {why}", path.display());
            let text = files::text(&path).map_err(in_file)?;
            let source = Arc::new(Source::file(&path));
            if text.starts_with(yaml::VAULT) {
                draft.note(path.display().to_string(), "it is encrypted by ansible-vault, and nothing in it is read");
                continue;
            }
            let read = yaml::read(&text).map_err(in_file)?;
            note_doubled(&read, &source, draft);
            let vars = match read.value {
                Value::Null => continue,
                Value::Object(vars) => vars,
                _ => return Err(in_file("it is no mapping of variables".to_owned())),
            };
            for (name, value) in vars {
                draft.set(whose, &owner, Layer::Beside, (&name, value), &source);
            }
        }
    }
    Ok(())
}

/// Says which keys stand twice.
pub(super) fn note_doubled(read: &yaml::Read, source: &Source, draft: &mut Draft) {
    for name in &read.doubled {
        let text = format!("`{}` stands twice in one mapping, and the last one counts", name.escape_debug());
        draft.note(source.name.clone(), text);
    }
}

/// The files in such a folder, with the name of the host or group that each is about, in order. `NAME`, `NAME.yml` and so on,
/// or a folder `NAME` with files.
fn owners(folder: &Path) -> Result<Vec<(String, PathBuf)>, String> {
    let mut found = Vec::new();
    for path in files::sorted(folder)? {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if path.is_dir() {
            let owner = name.to_owned();
            let inner = files::below(&path)?.into_iter().filter(|path| is_variables(path));
            found.extend(inner.map(|path| (owner.clone(), path)));
        } else if let Some(owner) = is_variables(&path).then(|| owner(name)) {
            found.push((owner.to_owned(), path));
        }
    }
    Ok(found)
}

fn owner(name: &str) -> &str {
    [".yml", ".yaml", ".json"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name)
}

/// Whether Ansible would read it: with one of its endings, or without any.
fn is_variables(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let hidden = name.starts_with('.') || name.ends_with('~');
    !hidden && (owner(name) != name || !name.contains('.') || path.extension().is_none())
}
