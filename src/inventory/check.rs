//! Whether the parts of an inventory fit each other. It never stops at the first problem: at three in the morning nobody
//! wants to mend a file one error at a time.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Database, Fence, Host, Inventory, Member, Proxy, SecretRef, application, backup, cloud, cluster, group, link,
    pooler, service,
};
use crate::diagnostic::nearest;
use crate::value::{Reference, environment_problem};

/// Everything that is wrong, a sentence each; nothing where it holds together.
pub(super) fn problems(inventory: &Inventory) -> Vec<String> {
    let mut found = Vec::new();
    if inventory.environment.trim().is_empty() {
        found.push(
            "it does not name its `environment`: write `environment: lab`, `staging` or `production`, as that decides \
             how careful a run has to be"
                .to_owned(),
        );
    } else if let Some(why) = environment_problem(&inventory.environment) {
        found.push(format!("environment: `{}`: {why}", inventory.environment));
    }
    check_names("hosts", inventory.hosts.keys(), &mut found);
    check_names("databases", inventory.databases.keys(), &mut found);
    check_names("proxies", inventory.proxies.keys(), &mut found);
    for (name, host) in &inventory.hosts {
        check_host(inventory, name, host, &mut found);
    }
    group::problems(inventory, &mut found);
    for (name, database) in &inventory.databases {
        check_database(inventory, name, database, &mut found);
    }
    for (name, proxy) in &inventory.proxies {
        check_proxy(inventory, name, proxy, &mut found);
    }
    pooler::problems(inventory, &mut found);
    backup::problems(inventory, &mut found);
    service::problems(inventory, &mut found);
    application::problems(inventory, &mut found);
    link::problems(inventory, &mut found);
    cluster::problems(inventory, &mut found);
    cloud::problems(inventory, &mut found);
    found
}

fn check_host(inventory: &Inventory, name: &str, host: &Host, found: &mut Vec<String>) {
    check_text(&format!("hosts.{name}.address"), &host.address, found);
    if !(host.connect_timeout_seconds > 0.0 && host.connect_timeout_seconds <= 3600.0) {
        found.push(format!("hosts.{name}.connect_timeout_seconds: it has to be more than 0 and at most 3600"));
    }
    check_password(&format!("hosts.{name}"), host.password.as_ref(), found);
    group::check_vars(&format!("hosts.{name}.vars"), &host.vars, found);
    let Some(jump) = &host.jump else { return };
    check_reference(&format!("hosts.{name}.jump"), "host", jump, &inventory.hosts, found);
    let mut seen = BTreeSet::from([name]);
    let mut next = Some(jump.as_str());
    while let Some(current) = next {
        if !seen.insert(current) {
            found.push(format!("hosts.{name}.jump: the way leads in a circle, through `{current}` again"));
            return;
        }
        next = inventory.hosts.get(current).and_then(|host| host.jump.as_deref());
    }
}

fn check_database(inventory: &Inventory, name: &str, database: &Database, found: &mut Vec<String>) {
    let place = format!("databases.{name}");
    if database.members.is_empty() {
        found.push(format!("{place}.members: it has none, so there is nothing to act on"));
    }
    check_names(&format!("{place}.members"), database.members.keys(), found);
    check_identity(inventory, &place, database, found);
    check_text(&format!("{place}.user"), &database.user, found);
    check_text(&format!("{place}.dbname"), &database.dbname, found);
    if let Some(proxy) = &database.proxy {
        check_reference(&format!("{place}.proxy"), "proxy", proxy, &inventory.proxies, found);
    }
    if database.endpoint.as_deref().is_some_and(|endpoint| !is_address(endpoint)) {
        found.push(format!("{place}.endpoint: write it as ADDRESS:PORT"));
    }
    check_password(&place, database.password.as_ref(), found);
    for fence in &database.fence {
        if let Fence::Command { argv, probe } = fence
            && (argv.is_empty() || probe.is_empty())
        {
            found.push(format!("{place}.fence: a command fence needs both its `argv` and its `probe`"));
        }
    }
    for (member_name, member) in &database.members {
        check_member(inventory, &format!("{place}.members.{member_name}"), member, found);
    }
}

/// What stands there may be the password itself, so it is not repeated.
fn check_password(place: &str, password: Option<&SecretRef>, found: &mut Vec<String>) {
    if let Some(Err(why)) = password.map(|password| Reference::parse(&password.0)) {
        found.push(format!("{place}.password: {why}"));
    }
}

/// In production nobody acts on a cluster that could be another one.
fn check_identity(inventory: &Inventory, place: &str, database: &Database, found: &mut Vec<String>) {
    match &database.system_identifier {
        Some(text) if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) => {
            found.push(format!("{place}.system_identifier: it is a number, as pg_controldata prints it"));
        }
        None if inventory.environment == "production" => found.push(format!(
            "{place}.system_identifier: in production it has to be there, so that no other cluster is ever taken for this one. \
             On any member: psql -XAtc 'select system_identifier from pg_control_system()'"
        )),
        _ => {}
    }
}

fn check_member(inventory: &Inventory, place: &str, member: &Member, found: &mut Vec<String>) {
    if let Some(host) = &member.host {
        check_reference(&format!("{place}.host"), "host", host, &inventory.hosts, found);
    }
    check_text(&format!("{place}.address"), &member.address, found);
    for (key, address) in [("patroni", &member.patroni), ("proxy_address", &member.proxy_address)] {
        if address.as_deref().is_some_and(|address| !is_address(address)) {
            found.push(format!("{place}.{key}: write it as ADDRESS:PORT"));
        }
    }
    for (key, folder) in [("data_directory", &member.data_directory), ("bin_directory", &member.bin_directory)] {
        if !folder.is_absolute() {
            found.push(format!("{place}.{key}: it is a folder on the member's host, so write its absolute path"));
        }
    }
    for (key, command) in [("start", &member.start), ("stop", &member.stop)] {
        if command.as_ref().is_some_and(Vec::is_empty) {
            found.push(format!("{place}.{key}: the command is empty"));
        }
    }
}

fn check_proxy(inventory: &Inventory, name: &str, proxy: &Proxy, found: &mut Vec<String>) {
    if let Some(host) = &proxy.host {
        check_reference(&format!("proxies.{name}.host"), "host", host, &inventory.hosts, found);
    }
    check_text(&format!("proxies.{name}.socket"), &proxy.socket, found);
    check_text(&format!("proxies.{name}.backend"), &proxy.backend, found);
    for (server, address) in &proxy.servers {
        if !is_address(address) {
            found.push(format!("proxies.{name}.servers.{}: write it as ADDRESS:PORT", server.escape_debug()));
        }
    }
}

pub(super) fn check_text(place: &str, text: &str, found: &mut Vec<String>) {
    if text.trim().is_empty() {
        found.push(format!("{place}: it is empty"));
    } else if text.starts_with('-') {
        // A command that is given it (a fence's `{address}`) would read it as an option.
        found.push(format!("{place}: it begins with a hyphen"));
    } else if text.chars().any(|letter| letter.is_control()) {
        found.push(format!("{place}: it holds a control character"));
    }
}

pub(super) fn check_reference<T>(
    place: &str,
    kind: &str,
    name: &str,
    known: &BTreeMap<String, T>,
    found: &mut Vec<String>,
) {
    if known.contains_key(name) {
        return;
    }
    let hint = nearest(name, known.keys().map(String::as_str))
        .map(|near| format!(": did you mean `{near}`?"))
        .unwrap_or_default();
    found.push(format!("{place}: there is no {kind} `{name}` in this inventory{hint}"));
}

// Names end up in lock names, file names and messages, so they keep to an alphabet that is safe in all of them.
pub(super) fn check_names<'a>(place: &str, names: impl Iterator<Item = &'a String>, found: &mut Vec<String>) {
    for name in names {
        let starts_well = name.starts_with(|first: char| first.is_ascii_alphanumeric());
        let safe = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if !starts_well || !safe || name.len() > 64 {
            found.push(format!(
                "{place}.{}: a name is a letter or digit, then letters, digits and . _ - (at most 64)",
                name.escape_debug()
            ));
        }
    }
}

/// Whether a text is `ADDRESS:PORT`.
pub(super) fn is_address(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(address, port)| {
        !address.is_empty() && !address.contains('/') && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}
