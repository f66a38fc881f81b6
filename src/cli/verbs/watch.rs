//! `watch`: follow a run of another process to its end. Ctrl-C ends the watching, never the run.

use crate::cli::args::Watch;
use crate::cli::drive::show;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::follow::{exit_of, follow};
use crate::cli::runs;
use crate::cli::setup::Setup;

/// Follows a run; returns the run's code.
///
/// # Errors
/// When there is no such run, or its records are damaged.
pub fn watch(setup: &Setup, args: &Watch) -> Result<Exit, Failure> {
    let (mut journal, run) = runs::find(setup, &args.run)?;
    let Some((state, doing)) = follow(setup, args.output, journal.as_mut(), (&run, None))? else {
        return Ok(Exit::Interrupted);
    };
    let exit = exit_of(&state, doing);
    show(setup, args.output, &state, doing, exit);
    Ok(exit)
}
