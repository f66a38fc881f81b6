//! What inventories of other tools say, gathered from all of their files before any of it is made ours. Where two files say
//! different things about the same, neither wins: that is a problem which names both.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::ranges::MOST_HOSTS;
use super::{Note, Said, Source, Whose};
use crate::inventory::{ALL, UNGROUPED, Variables};
use crate::value::Value;

/// Whether a variable stands in an inventory itself or in a file beside it (`group_vars/`, `host_vars/`), which goes before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Layer {
    Inventory,
    Beside,
}

#[derive(Debug, Default)]
pub(super) struct HostDraft {
    pub(super) place: usize,
    pub(super) vars: Variables,
    pub(super) file_vars: Variables,
}

#[derive(Debug, Default)]
pub(super) struct GroupDraft {
    pub(super) hosts: Vec<String>,
    known: BTreeSet<String>,
    known_children: BTreeSet<String>,
    pub(super) children: Vec<String>,
    pub(super) vars: Variables,
    pub(super) file_vars: Variables,
}

/// Everything that was read by now.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) hosts: BTreeMap<String, HostDraft>,
    pub(super) groups: BTreeMap<String, GroupDraft>,
    pub(super) notes: Vec<Note>,
    pub(super) problems: Vec<String>,
    pub(super) said: Said,
    /// The place of the next host.
    pub(super) place: usize,
    layers: HashMap<(Whose, String, String), Layer>,
}

impl Draft {
    pub(super) fn note(&mut self, about: impl Into<String>, text: impl Into<String>) {
        self.notes.push(Note { about: about.into(), text: text.into() });
    }

    /// A group, made where it is not there.
    pub(super) fn group(&mut self, name: &str) -> &mut GroupDraft {
        self.groups.entry(name.to_owned()).or_default()
    }

    /// A host in a group, both made where they are not there.
    ///
    /// # Errors
    /// When there are too many.
    pub(super) fn host(&mut self, name: &str, group: &str) -> Result<(), String> {
        if !self.hosts.contains_key(name) {
            if self.hosts.len() >= MOST_HOSTS {
                return Err(format!("it has more than {MOST_HOSTS} hosts"));
            }
            self.hosts.insert(name.to_owned(), HostDraft { place: self.place, ..HostDraft::default() });
            self.place += 1;
        }
        self.member(group, name);
        Ok(())
    }

    /// Puts a host into a group, whether it is there or not.
    pub(super) fn member(&mut self, group: &str, host: &str) {
        let is_named = group != ALL && group != UNGROUPED;
        let group = self.group(group);
        if is_named && group.known.insert(host.to_owned()) {
            group.hosts.push(host.to_owned());
        }
    }

    /// A group in another one, made where it is not there.
    pub(super) fn child(&mut self, parent: &str, child: &str) {
        self.group(child);
        // All groups are in `all`, and `ungrouped` is in no other: nothing has to say so.
        if parent != ALL && child != UNGROUPED {
            self.lies_in(parent, child);
        }
    }

    /// Puts a group into another one, whether it is there or not.
    pub(super) fn lies_in(&mut self, parent: &str, child: &str) {
        let parent = self.group(parent);
        if parent.known_children.insert(child.to_owned()) {
            parent.children.push(child.to_owned());
        }
    }

    /// A variable of a host or a group that is there.
    pub(super) fn set(
        &mut self,
        whose: Whose,
        owner: &str,
        layer: Layer,
        (name, value): (&str, Value),
        source: &Arc<Source>,
    ) {
        let vars = match (whose, layer) {
            (Whose::Host, Layer::Inventory) => self.hosts.get_mut(owner).map(|host| &mut host.vars),
            (Whose::Host, Layer::Beside) => self.hosts.get_mut(owner).map(|host| &mut host.file_vars),
            (Whose::Group, Layer::Inventory) => self.groups.get_mut(owner).map(|group| &mut group.vars),
            (Whose::Group, Layer::Beside) => self.groups.get_mut(owner).map(|group| &mut group.file_vars),
        };
        let Some(vars) = vars else { return };
        let before = vars.insert(name.to_owned(), value.clone());
        let key = (whose, owner.to_owned(), name.to_owned());
        // What a file beside says is what counts, whichever was read first.
        let hides = self.layers.get(&key).is_some_and(|said| *said > layer);
        let other = self.said.get(&key).filter(|other| !Arc::ptr_eq(other, source));
        if let (Some(before), Some(other)) = (before, other)
            && before != value
            && self.layers.get(&key) == Some(&layer)
        {
            self.problems.push(format!(
                "{whose} {}: `{}` is said twice and differently, in {} and in {}: leave one of them out",
                owner.escape_debug(),
                name.escape_debug(),
                other.name,
                source.name
            ));
        }
        if !hides {
            self.layers.insert(key.clone(), layer);
            self.said.insert(key, Arc::clone(source));
        }
    }
}
