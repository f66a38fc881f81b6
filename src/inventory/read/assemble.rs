//! From all that was read to one inventory. Our own files say what they say; what the others say is made ours here. A name that two
//! files use for different things is a problem that names both.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::draft::{Draft, Layer};
use super::reach::{self, Heard};
use super::{Environment, Gathered, Note, Read, Source, Whose};
use crate::inventory::{Group, Host, Inventory, InventoryError, Origin, check, group};

/// Where a variable says which environment an inventory without our own file is of.
const ENVIRONMENT: &str = "playbook_environment";

/// Puts everything together.
///
/// # Errors
/// When it does not fit: all problems.
pub(super) fn assemble(gathered: Gathered, name: &str, environment: Environment) -> Result<Read, InventoryError> {
    let Gathered { ours, ssh, mut draft, sources, .. } = gathered;
    let foreign = !(draft.hosts.is_empty() && draft.groups.is_empty() && ssh.is_empty());
    let mut problems = std::mem::take(&mut draft.problems);
    let (mut inventory, own_groups) = if foreign || ours.len() > 1 {
        let own_groups = merged_groups(&ours, &mut draft, &mut problems);
        (merged(ours, &mut problems), own_groups)
    } else {
        // One file of ours by itself means what it says.
        (ours.into_iter().next().map(|(_, inventory)| inventory).unwrap_or_default(), BTreeSet::new())
    };
    problems.append(&mut draft.problems);
    if foreign || !own_groups.is_empty() || sources.len() > 1 {
        take_groups(&mut inventory, &mut draft, &own_groups);
        take_hosts(&mut inventory, &mut draft, &mut problems);
        take_ssh(&mut inventory, &mut draft, &ssh, &mut problems);
        reach_all(&mut inventory, &mut draft, &ssh);
        clean(&mut inventory, &mut draft, &own_groups);
    }
    if inventory.environment.is_empty()
        && let Some(said) = inventory
            .groups
            .get(group::ALL)
            .and_then(|all| all.vars.get(ENVIRONMENT).or(all.file_vars.get(ENVIRONMENT)))
    {
        inventory.environment = said.as_str().unwrap_or_default().to_owned();
    }
    let open = inventory.environment.is_empty() && foreign;
    if open && environment == Environment::Open {
        inventory.environment = "none".to_owned();
    }
    if open && environment == Environment::Needed {
        problems.push(format!(
            "nothing names the `environment`, which decides how careful a run has to be: set `{ENVIRONMENT}` to lab, staging or \
             production for the group `all`, or give a file with the line `environment: staging` as one more --inventory"
        ));
        inventory.environment = "none".to_owned();
        problems.extend(check::problems(&inventory));
        inventory.environment = String::new();
    } else {
        problems.extend(check::problems(&inventory));
    }
    if !problems.is_empty() {
        problems.sort();
        problems.dedup();
        return Err(InventoryError::Inconsistent { path: PathBuf::from(name), problems });
    }
    let mut notes = std::mem::take(&mut draft.notes);
    notes.sort();
    notes.dedup();
    Ok(Read { inventory, notes, sources, said: std::mem::take(&mut draft.said) })
}

/// Our files' groups and variables among the others'. Which groups are ours is given back.
fn merged_groups(ours: &[(Arc<Source>, Inventory)], draft: &mut Draft, problems: &mut Vec<String>) -> BTreeSet<String> {
    let mut own = BTreeSet::new();
    for (source, inventory) in ours {
        problems.append(&mut group::own_problems(inventory));
        for (name, host) in &inventory.hosts {
            for (variable, value) in &host.vars {
                draft.hosts.entry(name.clone()).or_default().place = host.place;
                draft.set(Whose::Host, name, Layer::Inventory, (variable, value.clone()), source);
            }
        }
        for (name, group) in &inventory.groups {
            own.insert(name.clone());
            draft.group(name);
            for host in &group.hosts {
                draft.member(name, host);
            }
            group.children.iter().for_each(|child| draft.lies_in(name, child));
            for (variable, value) in &group.vars {
                draft.set(Whose::Group, name, Layer::Inventory, (variable, value.clone()), source);
            }
        }
    }
    own
}

/// Our files as one.
fn merged(ours: Vec<(Arc<Source>, Inventory)>, problems: &mut Vec<String>) -> Inventory {
    let mut whole = Inventory::default();
    let mut from: BTreeMap<String, Arc<Source>> = BTreeMap::new();
    for (source, inventory) in ours {
        let Inventory {
            environment,
            server,
            hosts,
            groups: _,
            databases,
            proxies,
            backups,
            services,
            applications,
            links,
            poolers,
            clusters,
            clouds,
            contacts,
            secrets: _,
            tree: _,
        } = inventory;
        let mut one = |key: &str, whole: &mut String, said: String| {
            if said.is_empty() {
                return;
            }
            if let Some(other) = from.get(key).filter(|_| !whole.is_empty() && *whole != said) {
                problems.push(twice(key, other, &source));
            }
            from.insert(key.to_owned(), Arc::clone(&source));
            *whole = said;
        };
        one("environment", &mut whole.environment, environment);
        let mut own_server = whole.server.take().unwrap_or_default();
        one("server", &mut own_server, server.unwrap_or_default());
        whole.server = Some(own_server).filter(|server| !server.is_empty());
        let mut joiner = Joiner { from: &mut from, problems, source: &source };
        // Variables are merged one by one, and where a host stands in its file makes it no other.
        joiner.join("hosts", &mut whole.hosts, hosts, |a, b| {
            Host { vars: b.vars.clone(), place: b.place, ..a.clone() } == *b
        });
        joiner.join("databases", &mut whole.databases, databases, PartialEq::eq);
        joiner.join("proxies", &mut whole.proxies, proxies, PartialEq::eq);
        joiner.join("backups", &mut whole.backups, backups, PartialEq::eq);
        joiner.join("services", &mut whole.services, services, PartialEq::eq);
        joiner.join("applications", &mut whole.applications, applications, PartialEq::eq);
        joiner.join("links", &mut whole.links, links, PartialEq::eq);
        joiner.join("poolers", &mut whole.poolers, poolers, PartialEq::eq);
        joiner.join("clusters", &mut whole.clusters, clusters, PartialEq::eq);
        joiner.join("clouds", &mut whole.clouds, clouds, PartialEq::eq);
        joiner.join("contacts", &mut whole.contacts, contacts, PartialEq::eq);
    }
    whole
}

struct Joiner<'j> {
    from: &'j mut BTreeMap<String, Arc<Source>>,
    problems: &'j mut Vec<String>,
    source: &'j Arc<Source>,
}

impl Joiner<'_> {
    fn join<T>(
        &mut self,
        kind: &str,
        whole: &mut BTreeMap<String, T>,
        more: BTreeMap<String, T>,
        same: impl Fn(&T, &T) -> bool,
    ) {
        for (name, one) in more {
            let place = format!("{kind}.{}", name.escape_debug());
            match whole.get(&name) {
                Some(there) if same(there, &one) => continue,
                Some(_) => {
                    if let Some(other) = self.from.get(&place) {
                        self.problems.push(twice(&place, other, self.source));
                    }
                }
                None => {
                    whole.insert(name, one);
                }
            }
            self.from.insert(place, Arc::clone(self.source));
        }
    }
}

fn twice(place: &str, one: &Source, other: &Source) -> String {
    format!("{place} is said twice and differently, in {} and in {}: leave one of them out", one.name, other.name)
}

fn take_groups(inventory: &mut Inventory, draft: &mut Draft, own: &BTreeSet<String>) {
    for (name, group) in std::mem::take(&mut draft.groups) {
        let is_ours = own.contains(&name);
        let made = Group {
            hosts: group.hosts,
            children: group.children,
            vars: group.vars,
            file_vars: group.file_vars,
            foreign: !is_ours,
        };
        inventory.groups.insert(name, made);
    }
    // What a list of ours names twice was said of its own file.
    inventory.groups.retain(|name, group| {
        let builtin = name == group::ALL || name == group::UNGROUPED;
        !(builtin && group.vars.is_empty() && group.file_vars.is_empty())
    });
}

/// The hosts of other tools. One that our own file reaches is not reached otherwise.
fn take_hosts(inventory: &mut Inventory, draft: &mut Draft, problems: &mut Vec<String>) {
    for (name, host) in std::mem::take(&mut draft.hosts) {
        let mut vars = host.vars;
        vars.extend(host.file_vars);
        if let Some(ours) = inventory.hosts.get_mut(&name) {
            if let Some(word) = vars.keys().find(|word| reach::is_about_reaching(word)) {
                let source = draft.said.get(&(Whose::Host, name.clone(), word.clone()));
                problems.push(format!(
                    "hosts.{}: a file of ours says how it is reached, and {} too (`{word}`): leave one of them out",
                    name.escape_debug(),
                    source.map_or("another", |source| source.name.as_str()),
                ));
            }
            ours.vars = vars;
            continue;
        }
        let made = Host { address: name.clone(), vars, place: host.place, foreign: true, ..Host::default() };
        inventory.hosts.insert(name, made);
    }
}

/// The hosts of a configuration of ssh. One that an inventory of Ansible's names too is reached as ssh would reach it.
fn take_ssh(
    inventory: &mut Inventory,
    draft: &mut Draft,
    ssh: &[(Arc<Source>, super::ssh_config::SshConfig)],
    problems: &mut Vec<String>,
) {
    let mut from: BTreeMap<&str, &Arc<Source>> = BTreeMap::new();
    for (source, config) in ssh {
        for name in &config.names {
            if let Some(other) = from.insert(name, source) {
                problems.push(twice(&format!("Host {name}"), other, source));
            }
            match inventory.hosts.get(name) {
                None => {
                    let made = Host { address: name.clone(), place: draft.place, foreign: true, ..Host::default() };
                    draft.place += 1;
                    inventory.hosts.insert(name.clone(), made);
                }
                Some(host) if host.foreign => {}
                Some(_) => problems.push(format!(
                    "hosts.{name}: a file of ours says how it is reached, and {} too: leave one of them out",
                    source.name
                )),
            }
        }
    }
}

/// Works out how each host of another tool is reached.
fn reach_all(inventory: &mut Inventory, draft: &mut Draft, ssh: &[(Arc<Source>, super::ssh_config::SshConfig)]) {
    let mut reached = Vec::new();
    for (name, _) in inventory.hosts.iter().filter(|(_, host)| host.foreign) {
        let here = Path::new(".");
        let mut heard: BTreeMap<&str, Heard<'_>> = BTreeMap::new();
        for (origin, vars) in inventory.layers(name) {
            let (whose, owner) = match origin {
                Origin::Group(group) => (Whose::Group, group),
                Origin::Host => (Whose::Host, name.as_str()),
            };
            for (variable, value) in vars.iter().filter(|(variable, _)| variable.starts_with("ansible_")) {
                let source = draft.said.get(&(whose, owner.to_owned(), variable.clone()));
                let folder = source.map_or(here, |source| source.folder.as_path());
                let untrusted = source.is_some_and(|source| source.untrusted);
                heard.insert(variable, Heard { value, whose, owner, folder, untrusted });
            }
        }
        let (mut asked, notes) = reach::asked(&heard);
        let configured = ssh.iter().find(|(_, config)| config.names.contains(name));
        if let Some((source, config)) = configured {
            let mut more = config.resolve(name, &source.folder);
            for note in std::mem::take(&mut more.notes) {
                draft.notes.push(Note { about: format!("host {name}"), text: note });
            }
            if let Some(why) = &more.refused {
                draft.notes.push(Note { about: format!("host {name}"), text: why.clone() });
            }
            asked = asked.or(more);
        }
        draft.notes.extend(notes.into_iter().map(|(about, text)| Note { about, text }));
        reached.push((name.clone(), asked));
    }
    for (name, asked) in reached {
        let Some(mut host) = inventory.hosts.remove(&name) else { continue };
        asked.apply(&mut host, &mut inventory.hosts);
        inventory.hosts.insert(name, host);
    }
    break_circles(inventory, draft);
    // The tree was made without those that are only a way.
    *inventory = inventory.clone();
}

/// A way that leads in a circle refuses the hosts on it; a circle in our own file is a problem of it.
fn break_circles(inventory: &mut Inventory, draft: &mut Draft) {
    let mut circles = Vec::new();
    for (name, _) in inventory.hosts.iter().filter(|(_, host)| host.foreign && host.jump.is_some()) {
        let mut seen = BTreeSet::from([name.as_str()]);
        let mut next = inventory.hosts.get(name).and_then(|host| host.jump.as_deref());
        while let Some(current) = next {
            if !seen.insert(current) {
                circles.push(name.clone());
                break;
            }
            next = inventory.hosts.get(current).and_then(|host| host.jump.as_deref());
        }
    }
    for name in circles {
        let why = "the way to it leads in a circle".to_owned();
        draft.note(format!("host {name}"), why.clone());
        if let Some(host) = inventory.hosts.get_mut(&name) {
            host.jump = None;
            host.refused = Some(why);
        }
    }
}

/// Takes what is secret out of the variables of others: runs write variables down.
fn clean(inventory: &mut Inventory, draft: &mut Draft, own: &BTreeSet<String>) {
    let Draft { said, notes, .. } = draft;
    let untrusted = |whose: Whose, owner: &str, name: &str| {
        said.get(&(whose, owner.to_owned(), name.to_owned())).is_some_and(|source| source.untrusted)
    };
    for (name, host) in inventory.hosts.iter_mut().filter(|(_, host)| host.foreign) {
        let note = |variable: &str, text: &str| {
            notes.push(Note {
                about: format!("host {}", name.escape_debug()),
                text: format!("{}: {text}", variable.escape_debug()),
            });
        };
        reach::cleaned(&mut host.vars, |variable| untrusted(Whose::Host, name, variable), note);
    }
    for (name, group) in inventory.groups.iter_mut().filter(|(name, _)| !own.contains(*name)) {
        for vars in [&mut group.vars, &mut group.file_vars] {
            let note = |variable: &str, text: &str| {
                notes.push(Note {
                    about: format!("group {}", name.escape_debug()),
                    text: format!("{}: {text}", variable.escape_debug()),
                });
            };
            reach::cleaned(vars, |variable| untrusted(Whose::Group, name, variable), note);
        }
    }
}
