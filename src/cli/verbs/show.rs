//! `show`: the page of a playbook or of an action.

use crate::catalog::{self, Entry};
use crate::cli::args::{Output, Show};
use crate::cli::books::is_file_name;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::files::nearest;
use crate::cli::paste::quote;
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::cli::there;
use crate::cli::view::{by_hand, page};
use crate::client::Client;

/// Shows a page.
///
/// # Errors
/// When there is no such playbook or action.
pub fn show(setup: &Setup, args: &Show) -> Result<Exit, Failure> {
    let width = setup.screen.text_width();
    if let Some(name) = &args.action {
        let Some(action) = setup.actions.get(name) else { return Err(no_action(setup, name)) };
        setup.screen.print_whole(&page::action(action.spec(), width));
        return Ok(Exit::Success);
    }
    let name = args.name.as_deref().unwrap_or_default();
    if args.versions {
        return versions(setup, name);
    }
    if args.by_hand {
        let (chosen, inventory) = setup.chosen_here(name, &args.input, None)?;
        let made = super::plan::make(setup, chosen, std::sync::Arc::clone(&inventory), Output::Human)?;
        setup.screen.data(&by_hand::text(&made.plan, &setup.actions, &inventory));
        return Ok(Exit::Success);
    }
    let book = match setup.server()?.filter(|_| !is_file_name(name)) {
        Some(client) => there::book(&client, name)?,
        None => setup.playbook(name)?,
    };
    setup.screen.print_whole(&page::playbook(&book, &quote(name), width));
    Ok(Exit::Success)
}

/// The versions of a playbook, newest first, with the file of each where those lie here.
fn versions(setup: &Setup, name: &str) -> Result<Exit, Failure> {
    let (bare, _) = catalog::named(name);
    let entries = match setup.server()?.filter(|_| !is_file_name(name)) {
        Some(client) => there_are(&client, bare)?,
        None => {
            // A name that is not there is answered with the nearest one.
            setup.source(name)?;
            setup.catalog().list()
        }
    };
    let entries: Vec<Entry> = entries.into_iter().filter(|entry| entry.name == bare).collect();
    if entries.is_empty() {
        let what = format!("{name} is a file: versions are looked for by name");
        return Err(Failure::new(Exit::Usage, what).next("playbook list"));
    }
    let column = entries.iter().map(|entry| entry.version.len()).max().unwrap_or(0) + 4;
    let lines: Vec<Line> = entries
        .iter()
        .map(|entry| {
            let line = Line::plain("  ").with(Ink::Good, &entry.version).pad_to(column);
            let line = line.with(Ink::Plain, &entry.title);
            let has_file = !entry.path.as_os_str().is_empty();
            let line = if has_file { line.with(Ink::Dim, format!("  {}", entry.path.display())) } else { line };
            match &entry.broken {
                Some(why) => line.with(Ink::Bad, format!("  cannot be used: {why}")),
                None => line,
            }
        })
        .collect();
    setup.screen.print_whole(&lines);
    Ok(Exit::Success)
}

/// The playbooks that a server has, where one is of this name.
fn there_are(client: &Client, name: &str) -> Result<Vec<Entry>, Failure> {
    let entries = there::books(client)?;
    if entries.iter().any(|entry| entry.name == name) {
        return Ok(entries);
    }
    let what = format!("there is no playbook `{name}` in the server at {}", client.address());
    let failure = Failure::new(Exit::NotFound, what);
    let failure = match nearest(name, entries.iter().map(|entry| entry.name.as_str())).as_slice() {
        [] => failure,
        near => failure.meaning(format!("names like it: {}", near.join(", "))),
    };
    Err(failure.next("playbook list     (all that there are)"))
}

fn no_action(setup: &Setup, name: &str) -> Failure {
    let names: Vec<&str> = setup.actions.specs().map(|spec| spec.name).collect();
    let failure = Failure::new(Exit::NotFound, format!("there is no action `{name}`"));
    let near = nearest(name, names.iter().copied());
    let failure =
        if near.is_empty() { failure } else { failure.meaning(format!("names like it: {}", near.join(", "))) };
    failure.next(format!("all actions: {}", names.join(", ")))
}
