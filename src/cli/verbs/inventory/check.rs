//! `inventory check`: what is not taken over, and which hosts answer with their pinned key. It changes nothing on them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{chosen, place};
use crate::actions::{ActionError, Context};
use crate::cli::args::{Format, InventoryCheck};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line, wrap};
use crate::cli::view::count;
use crate::inventory::{Host, Inventory, Note, Read};
use crate::playbook::complete_arguments;

/// What a look may take beyond connecting.
const LOOK: Duration = Duration::from_secs(10);

/// Checks the inventory.
///
/// # Errors
/// When the pattern means nothing, or the system gives us no runtime.
pub fn check(setup: &Setup, read: &Read, args: &InventoryCheck) -> Result<Exit, Failure> {
    let inventory = &read.inventory;
    let names = chosen(read, args.pattern.as_deref())?;
    let mut found: BTreeMap<&str, String> = BTreeMap::new();
    for name in &names {
        if let Some(why) = inventory.hosts.get(name).and_then(|host| offline(name, host)) {
            found.insert(name, why);
        }
    }
    let tried: Vec<&String> = names.iter().filter(|name| !args.offline && !found.contains_key(name.as_str())).collect();
    let unreached = reach(setup, inventory, &tried)?;
    found.extend(tried.iter().filter_map(|name| Some((name.as_str(), unreached.get(name.as_str())?.clone()))));
    let exit = if found.is_empty() { Exit::Success } else { Exit::Failed };
    if args.output == Format::Json {
        setup.screen.json(&as_json(read, args, (names.len(), tried.len()), &found, exit));
    } else {
        setup.screen.print_whole(&lines(setup, read, args, &names, &found));
    }
    Ok(exit)
}

/// What the files alone tell against a host.
fn offline(name: &str, host: &Host) -> Option<String> {
    if let Some(why) = &host.refused {
        return Some(format!("{name} is not connected to: {why}"));
    }
    let files = [("key", &host.identity_file), ("known_hosts file", &host.known_hosts)];
    files.into_iter().find_map(|(kind, file)| {
        let file = file.as_ref()?;
        let error = std::fs::File::open(file).err()?;
        Some(format!("{name} ({}): the {kind} {} cannot be read: {error}", place(host), file.display()))
    })
}

/// Tries to reach hosts, so many at a time; why those were not reached that were not.
fn reach(setup: &Setup, inventory: &Inventory, names: &[&String]) -> Result<BTreeMap<String, String>, Failure> {
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let Some(action) = setup.actions.get("ssh") else {
        return Err(Failure::new(Exit::Usage, "this binary was built without ssh, so it can reach no host")
            .next("playbook inventory check --offline     (the files alone)"));
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Fault, format!("the runtime cannot be started: {error}")))?;
    let shared = Arc::new(inventory.clone());
    let found = runtime.block_on(async {
        let room = Arc::new(Semaphore::new(setup.forks));
        let mut looks = JoinSet::new();
        for name in names {
            let (name, room, inventory) = ((*name).clone(), Arc::clone(&room), Arc::clone(&shared));
            let action = action.clone();
            looks.spawn(async move {
                // It is never closed.
                let _held = room.acquire().await;
                let limit = LOOK + connecting(&inventory, &name);
                let context = Context { inventory, spool: std::env::temp_dir(), output: Arc::new(|_, _| {}) };
                let arguments = match complete_arguments(action.spec(), json!({ "host": name, "argv": ["true"] })) {
                    Ok(arguments) => arguments,
                    Err(error) => return (name, Some(error.to_string())),
                };
                let why = match tokio::time::timeout(limit, action.plan(&context, &arguments)).await {
                    Err(_) => Some(format!("{name} does not answer within {} s", limit.as_secs())),
                    Ok(Err(ActionError::Unreachable(why) | ActionError::Invalid(why))) => Some(why),
                    Ok(Ok(prediction)) => (!prediction.refusals.is_empty()).then(|| prediction.refusals.join("; ")),
                };
                (name, why)
            });
        }
        let mut found = BTreeMap::new();
        while let Some(look) = looks.join_next().await {
            match look {
                Ok((name, Some(why))) => _ = found.insert(name, why),
                Ok((_, None)) => {}
                Err(error) => tracing::warn!(%error, "a look failed"),
            }
        }
        found
    });
    runtime.shutdown_background();
    Ok(found)
}

/// How long connecting may take, with the hosts on the way.
fn connecting(inventory: &Inventory, name: &str) -> Duration {
    let mut seconds = 0.0;
    let mut next = Some(name);
    for _ in 0..8 {
        let Some(host) = next.and_then(|name| inventory.hosts.get(name)) else { break };
        seconds += host.connect_timeout_seconds;
        next = host.jump.as_deref();
    }
    Duration::try_from_secs_f64(seconds).unwrap_or(LOOK)
}

fn as_json(
    read: &Read,
    args: &InventoryCheck,
    (hosts, tried): (usize, usize),
    found: &BTreeMap<&str, String>,
    exit: Exit,
) -> Value {
    let failed: Vec<Value> = found.iter().map(|(host, why)| json!({ "host": host, "why": why })).collect();
    let notes: Vec<Value> = read.notes.iter().map(|note| json!({ "about": note.about, "text": note.text })).collect();
    json!({
        "v": 1, "type": "inventory_check", "exit": exit.code(), "hosts": hosts, "tried": tried, "offline": args.offline,
        "found": failed, "notes": notes,
    })
}

/// Whether a note has to be told: what is about a host that nobody asked for has not, and what refuses a host is told as such.
fn is_told(read: &Read, note: &Note, names: &[String]) -> bool {
    let Some(name) = note.about.strip_prefix("host ") else { return true };
    let refused = read.inventory.hosts.get(name).and_then(|host| host.refused.as_deref());
    names.iter().any(|one| one == name) && refused != Some(note.text.as_str())
}

fn lines(
    setup: &Setup,
    read: &Read,
    args: &InventoryCheck,
    names: &[String],
    found: &BTreeMap<&str, String>,
) -> Vec<Line> {
    let width = setup.screen.text_width();
    let mut lines = Vec::new();
    let mut say = |mark: &str, ink: Ink, text: &str| {
        let clean = crate::cli::visible::line(text);
        for (number, text) in wrap(&clean, width.saturating_sub(2)).into_iter().enumerate() {
            let head = if number == 0 { Line::new().with(ink, mark) } else { Line::new() };
            lines.push(head.pad_to(2).with(Ink::Plain, text));
        }
    };
    let notes: Vec<&Note> = read.notes.iter().filter(|note| is_told(read, note, names)).collect();
    for note in &notes {
        say("?", Ink::Warn, &format!("{}: {}", note.about, note.text));
    }
    for name in names {
        if let Some(why) = found.get(name.as_str()) {
            say("✗", Ink::Bad, why);
        }
    }
    let hosts = count(names.len(), "host");
    let notes = match notes.len() {
        0 => String::new(),
        several => format!(", {}", count(several, "note")),
    };
    let (mark, ink) = if found.is_empty() { ("✓ ", Ink::Good) } else { ("✗ ", Ink::Bad) };
    let text = match (args.offline, found.len()) {
        (true, 0) => format!("{hosts}, nothing in the files speaks against them{notes}; none was tried"),
        (true, several) => format!("{hosts}, {several} of them could not be connected to{notes}; none was tried"),
        (false, 0) => format!("{hosts}, and all of them answer with their pinned key{notes}"),
        (false, several) => format!("{hosts}: {} answer, {several} do not{notes}", names.len() - several),
    };
    lines.push(Line::new().with(ink, mark).with(Ink::Bold, text));
    lines
}
