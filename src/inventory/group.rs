//! Groups of hosts, as they are written: hosts, other groups, variables. Only the words and whether they fit; who is in a
//! group in the end is worked out in `tree`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::check::{check_names, check_reference};
use super::tree::Tree;
use super::{Inventory, Variables};
use crate::diagnostic::nearest;

/// The group of all hosts, which is always there.
pub const ALL: &str = "all";
/// The group of the hosts that are in no other, likewise.
pub const UNGROUPED: &str = "ungrouped";
/// How many groups may lie one in the other: more is a file that was generated wrongly.
pub(super) const DEEPEST: usize = 32;

/// A name for several hosts. It is written as a list of hosts, or as a mapping of what it is made of.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Group {
    /// Its own hosts, in order.
    pub hosts: Vec<String>,
    /// Groups all of whose hosts are in it too.
    pub children: Vec<String>,
    /// Variables of all of its hosts; a host's own go before them.
    pub vars: Variables,
    /// Variables from a file of its own beside an inventory of Ansible's (`group_vars/`), which go before `vars`.
    #[serde(skip)]
    pub file_vars: Variables,
    /// Whether another tool wrote it: then it may be empty, as theirs may.
    #[serde(skip)]
    pub foreign: bool,
}

impl Group {
    /// Ansible's `ansible_group_priority`: among groups that are equally deep the higher one wins.
    pub(super) fn priority(&self) -> i64 {
        let found = self.file_vars.get("ansible_group_priority").or_else(|| self.vars.get("ansible_group_priority"));
        found.and_then(|value| value.as_i64().or_else(|| value.as_str()?.parse().ok())).unwrap_or(1)
    }
}

/// What a group is written as, where it is more than a list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct Written {
    hosts: Vec<String>,
    children: Vec<String>,
    vars: Variables,
}

impl<'de> Deserialize<'de> for Group {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Group;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of hosts, or a mapping with `hosts`, `children` and `vars`")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Group, A::Error> {
        let hosts = Vec::deserialize(SeqAccessDeserializer::new(list))?;
        Ok(Group { hosts, ..Group::default() })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Group, A::Error> {
        let Written { hosts, children, vars } = Written::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Group { hosts, children, vars, ..Group::default() })
    }
}

/// What is wrong with the groups, a sentence each.
pub(super) fn problems(inventory: &Inventory, found: &mut Vec<String>) {
    check_names("groups", inventory.groups.keys(), found);
    for (name, group) in &inventory.groups {
        let place = format!("groups.{}", name.escape_debug());
        check_vars(&format!("{place}.vars"), &group.vars, found);
        if name == ALL || name == UNGROUPED {
            if !(group.hosts.is_empty() && group.children.is_empty()) {
                let whom = if name == ALL { "every host" } else { "the hosts that are in no group" };
                found.push(format!(
                    "{place}: it is always there and stands for {whom}: give it `vars` and nothing else"
                ));
            }
            continue;
        }
        if group.hosts.is_empty() && group.children.is_empty() && !group.foreign {
            found.push(format!("{place}: it has no hosts, and an empty group is never taken for all hosts"));
        }
        members(inventory, &place, group, found);
        if inventory.hosts.contains_key(name) {
            found.push(format!("{place}: a host has the same name, so `host: {name}` could mean either"));
        }
    }
    for name in [ALL, UNGROUPED].into_iter().filter(|name| inventory.hosts.contains_key(*name)) {
        found.push(format!("hosts.{name}: that is the name of a group which is always there: call the host otherwise"));
    }
    let tree = Tree::of(inventory);
    if let Some(circle) = tree.circle() {
        found.push(format!("groups.{circle}.children: it leads in a circle: a group would be within itself"));
    } else if let Some(deep) = tree.deeper_than(DEEPEST) {
        found.push(format!("groups.{deep}: it lies within more than {DEEPEST} groups, one in the other"));
    }
}

fn members(inventory: &Inventory, place: &str, group: &Group, found: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for member in &group.hosts {
        if inventory.groups.contains_key(member) && !inventory.hosts.contains_key(member) {
            let name = place.strip_prefix("groups.").unwrap_or(place);
            found.push(format!(
                "{place}: `{member}` is a group: write `{name}: {{ children: [{member}] }}`, with `hosts:` for its own hosts"
            ));
        } else {
            check_reference(place, "host", member, &inventory.hosts, found);
        }
        if !seen.insert(member) {
            found.push(format!("{place}: `{member}` stands there twice"));
        }
    }
    for child in &group.children {
        if child == ALL || child == UNGROUPED {
            found.push(format!("{place}.children: `{child}` is in no group"));
        } else if !inventory.groups.contains_key(child) {
            found.push(format!(
                "{place}.children: there is no group `{child}` in this inventory{}",
                near(inventory, child)
            ));
        }
    }
}

/// Names that a template can say.
pub(super) fn check_vars(place: &str, vars: &Variables, found: &mut Vec<String>) {
    for name in vars.keys().filter(|name| !is_variable(name)) {
        let name = name.escape_debug();
        found.push(format!("{place}.{name}: a variable's name is a letter or _, then letters, digits and _"));
    }
}

/// Whether a name can be said in a template.
pub(super) fn is_variable(name: &str) -> bool {
    name.len() <= 128
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn near(inventory: &Inventory, name: &str) -> String {
    let near = nearest(name, inventory.groups.keys().map(String::as_str));
    near.map(|near| format!(": did you mean `{near}`?")).unwrap_or_default()
}

/// The hosts as they are written: their place in the file is kept, as that is the order in which they are worked on.
pub(super) fn hosts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, super::Host>, D::Error> {
    struct Hosts;
    impl<'de> Visitor<'de> for Hosts {
        type Value = BTreeMap<String, super::Host>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a mapping of hosts, NAME: { address: … }")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut hosts = BTreeMap::new();
            while let Some((name, mut host)) = map.next_entry::<String, super::Host>()? {
                host.place = hosts.len();
                hosts.insert(name, host);
            }
            Ok(hosts)
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(BTreeMap::new())
        }
    }
    deserializer.deserialize_map(Hosts)
}
