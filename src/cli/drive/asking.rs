//! Asking something of a run, wherever runs live: of the server that owns the state, or of the process that drives the run, in
//! whose place this one acts where there is none.

use super::{Drive, say_state};
use crate::cli::args::Output;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::runs;
use crate::cli::setup::Setup;
use crate::cli::there;
use crate::journal::{Journal, Store};
use crate::run::{RequestKind, RunState};

/// What became of what was asked.
pub enum Asked {
    /// Whoever drives the run has taken it up, and goes on.
    TakenUp {
        /// Who asked, as the records name them; whoever this process belongs to, where absent.
        by: Option<String>,
    },
    /// It was done, and the run rests like this.
    Rests(Box<RunState>),
    /// It is done elsewhere, and whoever asked has seen enough.
    Left,
}

/// Asks for something, and then for whatever `more` says where the run stands still again. With `wait` a person who is awaited
/// then is waited for.
///
/// # Errors
/// When it makes no sense for the run as it stands, or cannot be written down.
pub fn ask(
    setup: &Setup,
    (output, wait): (Output, bool),
    (journal, state): (Box<dyn Store>, RunState),
    (request, reason): (RequestKind, &str),
    more: impl FnMut(&RunState) -> Option<RequestKind>,
) -> Result<Asked, Failure> {
    if let Some(client) = setup.server()? {
        say_state(setup);
        return there::request(setup, &client, output, &state, (request, reason), more);
    }
    let run = state.run.clone();
    let inventory = runs::inventory(setup, &state)?;
    let mut drive = Drive::new(setup, output, inventory, journal as Box<dyn Journal>, wait)?;
    drive.know(state);
    say_state(setup);
    let result = drive.request_all(&run, request, reason, more);
    drive.end();
    Ok(result?.map_or(Asked::TakenUp { by: None }, |state| Asked::Rests(Box::new(state))))
}

/// Goes on with a run that nobody drives, and shows how it came out.
///
/// # Errors
/// When somebody drives it, or the journal cannot be written.
pub fn resume(
    setup: &Setup,
    (output, wait): (Output, bool),
    (journal, state): (Box<dyn Store>, RunState),
    (reason, take_over): (&str, bool),
) -> Result<Exit, Failure> {
    let run = state.run.clone();
    if let Some(client) = setup.server()? {
        say_state(setup);
        return there::resume(setup, &client, (output, wait), state, (reason, take_over));
    }
    let inventory = runs::inventory(setup, &state)?;
    let mut drive = Drive::new(setup, output, inventory, journal as Box<dyn Journal>, wait)?;
    drive.know(state);
    say_state(setup);
    let result = drive.resume(&run, reason, take_over);
    drive.end();
    result
}
