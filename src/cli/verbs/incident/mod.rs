//! `incident`: a file a word. What belongs to an incident is said by whoever says it: the incident's own records, and those of
//! its runs.

pub mod belongs;
mod change;
mod end;
mod list;
mod open;
mod show;
mod timeline;
mod verify;

use crate::cli::args::{Incident, IncidentVerb};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::setup::Setup;
use crate::cli::verbs::outbox;
use crate::inventory::Secrets;

/// Does what was asked of an incident.
///
/// # Errors
/// When there is no such incident, it makes no sense for it now, or the journal cannot be read or written.
pub fn incident(setup: &Setup, args: &Incident) -> Result<Exit, Failure> {
    // Made before anything is written: a target that is new is told what begins from then on. Where a server owns the state, it
    // tells.
    let ours = writes(&args.what) && setup.server()?.is_none();
    let deliverer = ours.then(|| outbox::deliverer(setup, Secrets::default()));
    let exit = act(setup, &args.what)?;
    if let Some(deliverer) = deliverer {
        outbox::tell_now(setup, deliverer);
    }
    Ok(exit)
}

/// Whether others may have to be told of it.
fn writes(what: &IncidentVerb) -> bool {
    !matches!(what, IncidentVerb::List(_) | IncidentVerb::Show(_) | IncidentVerb::Timeline(_) | IncidentVerb::Verify(_))
}

fn act(setup: &Setup, what: &IncidentVerb) -> Result<Exit, Failure> {
    match what {
        IncidentVerb::Open(args) => open::open(setup, args),
        IncidentVerb::List(args) => list::list(setup, args),
        IncidentVerb::Show(args) => show::show(setup, args),
        IncidentVerb::Note(args) => change::note(setup, args),
        IncidentVerb::Assign(args) => change::assign(setup, args),
        IncidentVerb::Severity(args) => change::severity(setup, args),
        IncidentVerb::Resolve(args) => end::resolve(setup, args),
        IncidentVerb::Close(args) => end::close(setup, args),
        IncidentVerb::Reopen(args) => end::reopen(setup, args),
        IncidentVerb::Timeline(args) => timeline::timeline(setup, args),
        IncidentVerb::Verify(args) => verify::verify(setup, args),
    }
}
