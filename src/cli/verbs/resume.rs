//! `resume`: go on with a run that nobody drives any more.

use crate::cli::args::Resume;
use crate::cli::drive::{self, show};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::runs::{self, Doing};
use crate::cli::setup::Setup;
use crate::cli::text::Line;

/// Goes on with a run; returns the run's code.
///
/// # Errors
/// When there is no such run, or another process holds it.
pub fn resume(setup: &Setup, args: &Resume) -> Result<Exit, Failure> {
    if args.take_over && args.reason.as_deref().unwrap_or("").trim().is_empty() {
        return Err(Failure::new(Exit::Usage, "a take-over is written down with its reason: --reason TEXT"));
    }
    let (journal, state) = runs::open(setup, &args.run)?;
    let run = state.run.clone();
    runs::newest(setup, &state)?;
    if let Some((verdict, ..)) = state.ended {
        setup.screen.say(&[Line::plain(format!("run {run} has ended; there is nothing to go on with"))]);
        let exit = Exit::of_ended(&state, verdict);
        show(setup, args.output, &state, Doing::Ended, exit);
        return Ok(exit);
    }
    let how = (args.output, !args.no_wait);
    drive::resume(setup, how, (journal, state), (args.reason.as_deref().unwrap_or(""), args.take_over))
}
