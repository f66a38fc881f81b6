//! Which host is in which group, groups within groups counted in. It is made once for an inventory and asked often: a host's
//! groups, and a group's hosts, are found without looking at the others. No group is ever walked twice, so neither circles
//! nor a thousand ways to the same host cost anything.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, OnceLock};

use super::group::{ALL, UNGROUPED};
use super::{Inventory, Variables};

/// The tree of an inventory, made when it is first asked for. A copy of the inventory may be changed, so it starts without.
#[derive(Default)]
pub struct Planted(OnceLock<Arc<Tree>>);

impl Planted {
    /// The same for an inventory that is the same.
    pub(super) fn shared(&self) -> Self {
        let shared = OnceLock::new();
        if let Some(tree) = self.0.get() {
            // It is empty until here.
            let _ = shared.set(Arc::clone(tree));
        }
        Self(shared)
    }
}

impl Clone for Planted {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl std::fmt::Debug for Planted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// It follows from the rest.
impl PartialEq for Planted {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// A group in the tree.
#[derive(Default)]
struct Node {
    name: String,
    parents: Vec<usize>,
    children: Vec<usize>,
    depth: usize,
    priority: i64,
    /// Whether the way down to it has an end: it is in no circle and below none.
    measured: bool,
}

/// Who is in what.
pub(super) struct Tree {
    groups: Vec<Node>,
    numbers: HashMap<String, usize>,
    /// The groups that name a host themselves.
    of_host: HashMap<String, Vec<usize>>,
    /// All hosts that can be chosen, in the inventory's order.
    hosts: Vec<String>,
}

impl Tree {
    pub(super) fn of(inventory: &Inventory) -> Self {
        let groups: Vec<Node> = inventory
            .groups
            .iter()
            .filter(|(name, _)| *name != ALL && *name != UNGROUPED)
            .map(|(name, group)| Node { name: name.clone(), priority: group.priority(), ..Node::default() })
            .collect();
        let numbers = groups.iter().enumerate().map(|(number, node)| (node.name.clone(), number)).collect();
        let mut tree = Self { groups, numbers, of_host: HashMap::new(), hosts: Vec::new() };
        for (name, group) in &inventory.groups {
            let Some(&number) = tree.numbers.get(name) else { continue };
            for host in &group.hosts {
                let own = tree.of_host.entry(host.clone()).or_default();
                if own.last() != Some(&number) {
                    own.push(number);
                }
            }
            let children: Vec<usize> =
                group.children.iter().filter_map(|child| tree.numbers.get(child).copied()).collect();
            for &child in &children {
                if let Some(node) = tree.groups.get_mut(child) {
                    node.parents.push(number);
                }
            }
            if let Some(node) = tree.groups.get_mut(number) {
                node.children = children;
            }
        }
        tree.measure();
        let mut hosts: Vec<(usize, &String)> = inventory
            .hosts
            .iter()
            .filter(|(_, host)| !host.only_a_way)
            .map(|(name, host)| (host.place, name))
            .collect();
        hosts.sort();
        tree.hosts = hosts.into_iter().map(|(_, name)| name.clone()).collect();
        tree
    }

    /// How deep each group lies: one deeper than the deepest that it is in.
    fn measure(&mut self) {
        let mut open: Vec<usize> = self.groups.iter().map(|node| node.parents.len()).collect();
        let mut next: VecDeque<usize> = (0..open.len()).filter(|number| open.get(*number) == Some(&0)).collect();
        while let Some(number) = next.pop_front() {
            let Some(node) = self.groups.get_mut(number) else { continue };
            node.measured = true;
            let depth = node.depth + 1;
            for child in node.children.clone() {
                if let Some(node) = self.groups.get_mut(child) {
                    node.depth = node.depth.max(depth);
                }
                if let Some(left) = open.get_mut(child) {
                    *left -= 1;
                    if *left == 0 {
                        next.push_back(child);
                    }
                }
            }
        }
    }

    /// A group that is within itself, if there is one.
    pub(super) fn circle(&self) -> Option<&str> {
        // What is only below a circle was not measured either. It has a parent like that, and so on, up into the circle.
        let unmeasured = |number: &usize| self.groups.get(*number).is_some_and(|node| !node.measured);
        let mut number = (0..self.groups.len()).find(unmeasured)?;
        let mut seen = BTreeSet::new();
        while seen.insert(number) {
            number = self.groups.get(number)?.parents.iter().copied().find(unmeasured)?;
        }
        self.groups.get(number).map(|node| node.name.as_str())
    }

    /// The first group that lies deeper.
    pub(super) fn deeper_than(&self, depth: usize) -> Option<&str> {
        self.groups.iter().find(|node| node.depth >= depth).map(|node| node.name.as_str())
    }

    /// All hosts that can be chosen.
    pub(super) fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// The groups that stand in no other.
    pub(super) fn tops(&self) -> Vec<&str> {
        self.groups.iter().filter(|node| node.parents.is_empty()).map(|node| node.name.as_str()).collect()
    }

    /// A group and all that are in it, each once, itself first, what stands further up first.
    fn below(&self, number: usize) -> Vec<usize> {
        self.walk(number, |node| &node.children)
    }

    fn walk(&self, from: usize, next: impl Fn(&Node) -> &Vec<usize>) -> Vec<usize> {
        let mut seen = BTreeSet::from([from]);
        let mut order = vec![from];
        let mut at = 0;
        while let Some(node) = order.get(at).and_then(|number| self.groups.get(*number)) {
            let more: Vec<usize> = next(node).iter().copied().filter(|other| seen.insert(*other)).collect();
            order.extend(more);
            at += 1;
        }
        order
    }

    /// The hosts of a group, those of the groups in it counted in, each once; none if there is no such group.
    pub(super) fn hosts_in<'i>(&'i self, inventory: &'i Inventory, group: &str) -> Option<Vec<&'i str>> {
        match group {
            ALL => return Some(self.hosts.iter().map(String::as_str).collect()),
            UNGROUPED => {
                let alone = self.hosts.iter().filter(|host| !self.of_host.contains_key(*host));
                return Some(alone.map(String::as_str).collect());
            }
            _ => {}
        }
        let number = *self.numbers.get(group)?;
        let mut seen = BTreeSet::new();
        let below = self.below(number).into_iter().filter_map(|number| self.groups.get(number));
        let groups = below.filter_map(|node| inventory.groups.get(&node.name));
        Some(groups.flat_map(|group| &group.hosts).map(String::as_str).filter(|host| seen.insert(*host)).collect())
    }

    /// The groups that a host is in, `all` first, each before those that win over it.
    pub(super) fn groups_of(&self, host: &str) -> Vec<&str> {
        let own = self.of_host.get(host).map(Vec::as_slice).unwrap_or_default();
        let mut seen: BTreeSet<usize> = BTreeSet::new();
        for &number in own {
            if !seen.contains(&number) {
                seen.extend(self.walk(number, |node| &node.parents));
            }
        }
        let mut nodes: Vec<&Node> = seen.into_iter().filter_map(|number| self.groups.get(number)).collect();
        nodes.sort_by(|a, b| (a.depth, a.priority, &a.name).cmp(&(b.depth, b.priority, &b.name)));
        let alone = own.is_empty().then_some(UNGROUPED);
        [ALL].into_iter().chain(alone).chain(nodes.into_iter().map(|node| node.name.as_str())).collect()
    }
}

/// Where a variable of a host was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin<'i> {
    /// At a group.
    Group(&'i str),
    /// At the host itself.
    Host,
}

impl Inventory {
    pub(super) fn tree(&self) -> &Tree {
        self.tree.0.get_or_init(|| Arc::new(Tree::of(self)))
    }

    /// The variables of a host: those of its groups (`all` first, then from the outermost to the innermost, equally deep ones
    /// by name), the later over the earlier, and its own over them all.
    pub fn vars(&self, host: &str) -> crate::value::Value {
        let mut merged = Variables::new();
        for (_, vars) in self.layers(host) {
            merged.extend(vars.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        crate::value::Value::Object(merged)
    }

    /// The variables that a host gets, the later over the earlier, with where they are said.
    pub fn layers<'i>(&'i self, host: &str) -> Vec<(Origin<'i>, &'i Variables)> {
        let names = self.tree().groups_of(host);
        let found = |name: &&'i str| Some((*name, self.groups.get(*name)?));
        let groups: Vec<(&str, &super::Group)> = names.iter().filter_map(found).collect();
        // As Ansible has it: what files beside an inventory say of any group goes before what the inventory says of groups.
        let written = groups.iter().map(|(name, group)| (Origin::Group(name), &group.vars));
        let files = groups.iter().map(|(name, group)| (Origin::Group(name), &group.file_vars));
        let own = self.hosts.get(host).map(|host| (Origin::Host, &host.vars));
        written.chain(files).chain(own).filter(|(_, vars)| !vars.is_empty()).collect()
    }

    /// The groups that a host is in, `all` first, the innermost last.
    pub fn groups_of(&self, host: &str) -> Vec<&str> {
        self.tree().groups_of(host)
    }

    /// The groups that are in no other but `all`.
    pub fn top_groups(&self) -> Vec<&str> {
        self.tree().tops()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn inventory(groups: Value) -> Inventory {
        let host = |own: Value| json!({ "address": "10.0.0.1", "vars": own });
        serde_json::from_value(json!({
            "environment": "lab",
            "hosts": { "b": host(json!({ "own": "b" })), "a": host(json!({})), "c": host(json!({})) },
            "groups": groups,
        }))
        .unwrap()
    }

    fn problems(groups: Value) -> Vec<String> {
        super::super::check::problems(&inventory(groups))
    }

    #[test]
    fn inner_groups_win_over_outer_ones_and_the_host_over_all() {
        let inventory = inventory(json!({
            "all": { "vars": { "own": "all", "top": "all", "mid": "all", "low": "all", "only": "all" } },
            "outer": { "children": ["inner"], "vars": { "top": "outer", "mid": "outer", "low": "outer", "own": "outer" } },
            "inner": { "hosts": ["b", "a"], "vars": { "mid": "inner", "low": "inner" } },
            "aside": { "hosts": ["a"], "vars": { "mid": "aside", "low": "aside" } },
            "beside": { "hosts": ["a"], "vars": { "mid": "beside" } },
            "deep": { "children": ["outer"] },
            "ungrouped": { "vars": { "low": "ungrouped" } },
        }));
        assert_eq!(inventory.groups_of("a"), ["all", "aside", "beside", "deep", "outer", "inner"]);
        let vars = inventory.vars("b");
        assert_eq!(vars, json!({ "own": "b", "top": "outer", "mid": "inner", "low": "inner", "only": "all" }));
        assert_eq!(inventory.vars("a")["mid"], "inner", "`inner` is deeper than those beside it");
        assert_eq!(inventory.vars("c")["low"], "ungrouped");
        assert_eq!(inventory.vars("nobody")["low"], "ungrouped");
        assert_eq!(inventory.hosts_of("deep").unwrap(), ["b", "a"]);
        assert_eq!(inventory.hosts_of("all").unwrap(), ["b", "a", "c"], "in the order of the file");
        assert_eq!(inventory.top_groups(), ["aside", "beside", "deep"]);
        assert!(super::super::check::problems(&inventory).is_empty());
    }

    #[test]
    fn equally_deep_groups_win_by_name_unless_one_says_otherwise() {
        let groups = |priority: i64| {
            let first = json!({ "hosts": ["a"], "vars": { "x": 1, "ansible_group_priority": priority } });
            inventory(json!({ "a1": first, "a2": { "hosts": ["a"], "vars": { "x": 2 } } })).vars("a")["x"].clone()
        };
        assert_eq!((groups(1), groups(10)), (json!(2), json!(1)));
    }

    #[test]
    fn groups_that_do_not_fit_are_told() {
        for (groups, word) in [
            (
                json!({ "g": { "children": ["h"] }, "h": { "children": ["i"] }, "i": { "children": ["h", "j"] }, "j": ["a"] }),
                "in a circle",
            ),
            (json!({ "g": { "children": ["g"] } }), "groups.g.children: it leads in a circle"),
            (json!({ "g": { "children": ["hh"] }, "h": ["a"] }), "no group `hh` in this inventory: did you mean `h`?"),
            (json!({ "g": ["a"], "h": ["g"] }), "`g` is a group: write `h: { children: [g] }`"),
            (json!({ "g": ["a", "a"] }), "`a` stands there twice"),
            (json!({ "all": ["a"] }), "groups.all: it is always there"),
            (json!({ "g": { "children": ["all"] } }), "`all` is in no group"),
            (json!({ "g": [] }), "it has no hosts"),
            (json!({ "a": ["b"] }), "a host has the same name"),
            (
                json!({ "g": { "hosts": ["a"], "vars": { "http-port": 1 } } }),
                "groups.g.vars.http-port: a variable's name",
            ),
        ] {
            let found = problems(groups.clone());
            assert!(found.len() == 1 && found[0].contains(word), "{groups}: {found:?}");
        }
        let chain = |length: usize| {
            let group = |number: usize| match number + 1 == length {
                true => json!(["a"]),
                false => json!({ "children": [format!("g{}", number + 1)] }),
            };
            let groups: serde_json::Map<_, _> =
                (0..length).map(|number| (format!("g{number}"), group(number))).collect();
            problems(Value::Object(groups))
        };
        assert_eq!(chain(32), Vec::<String>::new());
        assert!(chain(33)[0].contains("more than 32 groups"), "{:?}", chain(33));
    }

    #[test]
    fn a_copy_that_is_changed_knows_it() {
        let inventory = inventory(json!({ "g": ["a"] }));
        assert_eq!(inventory.select("g").unwrap(), ["a"]);
        let mut copy = inventory.clone();
        copy.groups.get_mut("g").unwrap().hosts.push("c".to_owned());
        assert_eq!(copy.select("g").unwrap(), ["a", "c"]);
        assert_eq!(inventory.anew().select("g").unwrap(), ["a"]);
    }
}
