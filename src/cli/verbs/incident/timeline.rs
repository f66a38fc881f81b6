//! `incident timeline`: all that happened in an incident and in its runs, in one order. It is told as it is read, so however
//! much there is, little of it is in memory.

use crate::cli::args::{IncidentTimeline as Args, Output};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::incidents;
use crate::cli::setup::Setup;
use crate::cli::view::incident_timeline::Teller;
use crate::cli::visible;
use crate::engine::IncidentTimeline;
use crate::journal::JournalError;

/// Shows a timeline.
///
/// # Errors
/// When there is no such incident, or the journal cannot be read.
pub fn timeline(setup: &Setup, args: &Args) -> Result<Exit, Failure> {
    let (mut journal, incident) = incidents::find_any(setup, &args.incident)?;
    let screen = &setup.screen;
    match journal.incident(&incident) {
        // What does not fit is said before anything is printed that a program would take for the whole.
        Err(error @ JournalError::Corrupt(_)) if args.output == Output::Json => return Err(error.into()),
        _ => {}
    }
    let mut timeline = IncidentTimeline::of(journal.as_mut(), &incident)?;
    let mut teller = Teller::new(screen.text_width());
    let mut first = true;
    if args.output == Output::Json {
        screen.data(&format!("{{\"v\":1,\"type\":\"incident_timeline\",\"incident\":\"{incident}\",\"entries\":["));
    }
    while let Some(entry) = timeline.next(journal.as_mut())? {
        match args.output {
            Output::Human => screen.print_whole(&teller.tell(&entry)),
            Output::Jsonl => screen.json(&entry.json(&incident)),
            Output::Json => {
                let comma = if first { "" } else { "," };
                screen.data(&format!("{comma}{}", visible::json(&entry.json(&incident))));
            }
        }
        first = false;
    }
    if args.output == Output::Json {
        screen.data("]}\n");
    }
    Ok(Exit::Success)
}
