//! `incident note`, `assign` and `severity`: what people say of an incident while it lasts.

use std::io::Read as _;

use crate::cli::args::{Format, IncidentAssign, IncidentNote, IncidentSeverity};
use crate::cli::clock;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::incidents;
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::cli::view::incident as view;
use crate::engine::holder;
use crate::ids::IncidentId;
use crate::incident::{IncidentEvent, sentence};
use crate::journal::Store;

/// So much is read of a note from standard input.
const LONGEST_NOTE: u64 = 256 * 1024;

/// Writes something down.
///
/// # Errors
/// When there is no such incident, or nothing to write.
pub fn note(setup: &Setup, args: &IncidentNote) -> Result<Exit, Failure> {
    let text = match args.text.as_str() {
        "-" => from_input()?,
        text => text.trim().to_owned(),
    };
    if text.is_empty() {
        return Err(Failure::new(Exit::Usage, "a note needs a text").meaning("nothing was written"));
    }
    change(setup, &args.incident, IncidentEvent::Noted { text }, args.output)
}

/// Says who owns it.
///
/// # Errors
/// When there is no such incident, or it is closed.
pub fn assign(setup: &Setup, args: &IncidentAssign) -> Result<Exit, Failure> {
    let owner = match (&args.owner, args.nobody) {
        (_, true) => None,
        (Some(owner), _) if owner.trim().is_empty() => {
            return Err(Failure::new(Exit::Usage, "an owner needs a name; --nobody takes it from whoever has it"));
        }
        (Some(owner), _) => Some(owner.trim().to_owned()),
        (None, _) => Some(holder::this_process().user),
    };
    let reason = args.reason.clone().unwrap_or_default();
    change(setup, &args.incident, IncidentEvent::Assigned { owner, reason }, args.output)
}

/// Says how severe it is.
///
/// # Errors
/// When there is no such incident, or it is closed.
pub fn severity(setup: &Setup, args: &IncidentSeverity) -> Result<Exit, Failure> {
    let reason = args.reason.clone().unwrap_or_default();
    change(setup, &args.incident, IncidentEvent::SeverityChanged { severity: args.severity, reason }, args.output)
}

fn change(setup: &Setup, word: &str, event: IncidentEvent, output: Format) -> Result<Exit, Failure> {
    let (mut journal, row) = incidents::find(setup, word)?;
    append(setup, journal.as_mut(), &row.incident, event, output)
}

/// Writes a record and shows what it says.
///
/// # Errors
/// When it makes no sense for the incident now, or the journal cannot be written.
pub fn append(
    setup: &Setup,
    journal: &mut dyn Store,
    incident: &IncidentId,
    event: IncidentEvent,
    output: Format,
) -> Result<Exit, Failure> {
    let by = holder::this_process().user;
    let record = journal.append_to(incident, &by, clock::now(), event)?;
    if output == Format::Json {
        let known = journal.incident(incident)?;
        let runs = incidents::runs_of(journal, incident)?;
        setup.screen.json(&view::json(&known, &runs, &setup.paste));
    } else {
        let text = format!("{incident}: {}", sentence(&record));
        setup.screen.print(&[Line::new().with(Ink::Good, "✓ ").with(Ink::Plain, text)]);
    }
    Ok(Exit::Success)
}

fn from_input() -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(LONGEST_NOTE + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failure::new(Exit::Usage, format!("standard input cannot be read: {error}")))?;
    if bytes.len() as u64 > LONGEST_NOTE {
        let what = format!("a note has at most {} KiB", LONGEST_NOTE / 1024);
        return Err(Failure::new(Exit::Usage, what).meaning("nothing was written"));
    }
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}
