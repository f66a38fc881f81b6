//! `show`: the page of a playbook or of an action.

use crate::cli::args::Show;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::paste::quote;
use crate::cli::setup::{Setup, nearest};
use crate::cli::view::page;

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
    let book = setup.playbook(name)?;
    setup.screen.print_whole(&page::playbook(&book, &quote(name), width));
    Ok(Exit::Success)
}

fn no_action(setup: &Setup, name: &str) -> Failure {
    let names: Vec<&str> = setup.actions.specs().map(|spec| spec.name).collect();
    let failure = Failure::new(Exit::NotFound, format!("there is no action `{name}`"));
    let near = nearest(name, names.iter().copied());
    let failure =
        if near.is_empty() { failure } else { failure.meaning(format!("names like it: {}", near.join(", "))) };
    failure.next(format!("all actions: {}", names.join(", ")))
}
