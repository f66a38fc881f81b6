//! `completions`: what a shell completes.

use clap::CommandFactory;

use crate::cli::args::{Arguments, Completions};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::screen::Screen;

/// Prints the completions for a shell.
///
/// # Errors
/// Never; it has the form of all commands.
pub fn completions(args: &Completions, screen: &Screen) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Arguments::command(), "playbook", &mut script);
    screen.data(&String::from_utf8_lossy(&script));
    Ok(Exit::Success)
}
