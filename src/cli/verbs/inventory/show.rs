//! `inventory show`: one host or group, with where each of its variables comes from.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{groups, list::host_json, place, unknown};
use crate::cli::args::{Format, InventoryShow};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line, wrap};
use crate::cli::view::count;
use crate::inventory::{Group, Host, Origin, Read, Whose};

/// How wide the words before what is shown are.
const COLUMN: usize = 15;

/// Shows a host or a group.
///
/// # Errors
/// When there is neither.
pub fn show(setup: &Setup, read: &Read, args: &InventoryShow) -> Result<Exit, Failure> {
    let inventory = &read.inventory;
    let json = args.output == Format::Json;
    if let Some(host) = inventory.hosts.get(&args.name) {
        if json {
            let mut shown = host_json(inventory, &args.name, host);
            shown["from"] =
                from(read, &args.name).into_iter().map(|(name, (_, place))| (name.to_owned(), place)).collect();
            setup.screen.json(&shown);
        } else {
            setup.screen.print_whole(&host_lines(setup, read, &args.name, host));
        }
        return Ok(Exit::Success);
    }
    let hosts = inventory.hosts_of(&args.name).map_err(unknown)?;
    let empty = Group::default();
    let group = inventory.groups.get(&args.name).unwrap_or(&empty);
    if json {
        let mut vars = group.vars.clone();
        vars.extend(group.file_vars.clone());
        setup.screen.json(&json!({ "name": args.name, "hosts": hosts, "children": group.children, "vars": vars }));
    } else {
        setup.screen.print_whole(&group_lines(setup, read, &args.name, group, &hosts));
    }
    Ok(Exit::Success)
}

/// Each variable of a host with the value that counts, and where that stands.
fn from<'r>(read: &'r Read, host: &'r str) -> BTreeMap<&'r str, (&'r Value, String)> {
    let mut found = BTreeMap::new();
    for (origin, vars) in read.inventory.layers(host) {
        let (whose, owner) = match origin {
            Origin::Group(group) => (Whose::Group, group),
            Origin::Host => (Whose::Host, host),
        };
        for (name, value) in vars {
            found.insert(name.as_str(), (value, origin_text(read, whose, owner, name)));
        }
    }
    found
}

fn origin_text(read: &Read, whose: Whose, owner: &str, name: &str) -> String {
    let who = if whose == Whose::Host { "the host itself".to_owned() } else { format!("group {owner}") };
    match read.source(whose, owner, name) {
        Some(source) => format!("{who}, {source}"),
        None => who,
    }
}

/// A word and what it is, over as many lines as that needs.
fn item(word: &str, text: &str, width: usize) -> Vec<Line> {
    let clean = crate::cli::visible::line(text);
    let mut texts = wrap(&clean, width.saturating_sub(COLUMN)).into_iter();
    let first = Line::new()
        .with(Ink::Dim, format!("  {word}"))
        .pad_to(COLUMN)
        .with(Ink::Plain, texts.next().unwrap_or_default());
    let rest = texts.map(|text| Line::new().pad_to(COLUMN).with(Ink::Plain, text));
    [first].into_iter().chain(rest).collect()
}

fn host_lines(setup: &Setup, read: &Read, name: &str, host: &Host) -> Vec<Line> {
    let width = setup.screen.text_width();
    let inventory = &read.inventory;
    let mut lines = vec![Line::new().with(Ink::Bold, name)];
    lines.extend(item("at", &place(host), width));
    if let Some(why) = &host.refused {
        lines.extend(item("refused", &format!("it is not connected to: {why}"), width));
    }
    let mut way = host.jump.as_deref();
    for _ in 0..8 {
        let Some(jump) = way.and_then(|jump| inventory.hosts.get_key_value(jump)) else { break };
        lines.extend(item("through", &format!("{} ({})", jump.0, place(jump.1)), width));
        way = jump.1.jump.as_deref();
    }
    let key = host.identity_file.as_ref().map_or("ssh-agent".to_owned(), |file| file.display().to_string());
    match &host.password {
        Some(password) if host.identity_file.is_none() => lines.extend(item("password", &password.0, width)),
        Some(password) => {
            lines.extend(item("key", &key, width));
            lines.extend(item("password", &password.0, width));
        }
        None => lines.extend(item("key", &key, width)),
    }
    let known = host.known_hosts.as_ref().map_or("~/.ssh/known_hosts".to_owned(), |file| file.display().to_string());
    lines.extend(item("known_hosts", &known, width));
    lines.extend(item("groups", &groups(inventory, name).join(", "), width));
    let found = from(read, name);
    lines.extend(item("variables", &if found.is_empty() { "none".to_owned() } else { found.len().to_string() }, width));
    let shown = found.into_iter().map(|(name, (value, place))| (name, value, place)).collect::<Vec<_>>();
    lines.extend(variables(&shown, width));
    lines.extend(notes(read, &[format!("host {name}")], width));
    lines
}

fn variables(shown: &[(&str, &Value, String)], width: usize) -> Vec<Line> {
    let texts: Vec<String> = shown.iter().map(|(_, value, _)| value.to_string()).collect();
    let widest = |widths: &mut dyn Iterator<Item = usize>, most: usize| widths.max().unwrap_or(0).min(most) + 2;
    let first = 4 + widest(&mut shown.iter().map(|(name, _, _)| Line::plain(name).width()), 32);
    let second = first + widest(&mut texts.iter().map(|text| Line::plain(text).width()), width / 3);
    let line = |((name, _, place), text): (&(&str, &Value, String), &String)| {
        Line::plain("    ")
            .with(Ink::Bold, name)
            .pad_to(first)
            .with(Ink::Plain, text)
            .with(Ink::Plain, "  ")
            .pad_to(second)
            .with(Ink::Dim, place)
    };
    shown.iter().zip(&texts).map(line).collect()
}

fn group_lines(setup: &Setup, read: &Read, name: &str, group: &Group, hosts: &[&str]) -> Vec<Line> {
    let width = setup.screen.text_width();
    let mut lines =
        vec![Line::new().with(Ink::Bold, name).with(Ink::Dim, format!("  a group of {}", count(hosts.len(), "host")))];
    let parents: Vec<&str> = read
        .inventory
        .groups
        .iter()
        .filter(|(_, other)| other.children.iter().any(|child| child == name))
        .map(|(parent, _)| parent.as_str())
        .collect();
    if !parents.is_empty() {
        lines.extend(item("lies in", &parents.join(", "), width));
    }
    if !group.children.is_empty() {
        lines.extend(item("groups", &group.children.join(", "), width));
    }
    lines.extend(item("hosts", &hosts.join(" "), width));
    let vars: BTreeMap<&str, &Value> =
        group.vars.iter().chain(&group.file_vars).map(|(name, value)| (name.as_str(), value)).collect();
    lines.extend(item(
        "variables",
        &if vars.is_empty() { "none of its own".to_owned() } else { vars.len().to_string() },
        width,
    ));
    let shown: Vec<(&str, &Value, String)> = vars
        .into_iter()
        .map(|(variable, value)| {
            (variable, value, read.source(Whose::Group, name, variable).unwrap_or_default().to_owned())
        })
        .collect();
    lines.extend(variables(&shown, width));
    lines.extend(notes(read, &[format!("group {name}")], width));
    lines
}

fn notes(read: &Read, about: &[String], width: usize) -> Vec<Line> {
    let notes = read.notes.iter().filter(|note| about.contains(&note.about));
    notes.flat_map(|note| item("note", &note.text, width)).collect()
}
