//! `incident resolve`, `close` and `reopen`. An incident whose runs have not ended is not over by itself: they are named, and
//! whoever says that it is says why. It never touches those runs.

use crate::cli::args::{Format, IncidentEnd};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::incidents::{self, OfIncident};
use crate::cli::paste::quote;
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::cli::view::{count, incident as view};
use crate::ids::IncidentId;
use crate::incident::{IncidentEvent, Standing};

use super::change::append;

/// The service is well again.
///
/// # Errors
/// When it is not open, or runs of it have not ended and no reason is given.
pub fn resolve(setup: &Setup, args: &IncidentEnd) -> Result<Exit, Failure> {
    end(setup, args, "resolve", |reason| IncidentEvent::Resolved { reason })
}

/// Nothing is left to be done.
///
/// # Errors
/// As `resolve`.
pub fn close(setup: &Setup, args: &IncidentEnd) -> Result<Exit, Failure> {
    end(setup, args, "close", |reason| IncidentEvent::Closed { reason })
}

/// It was not over.
///
/// # Errors
/// When it is open.
pub fn reopen(setup: &Setup, args: &IncidentEnd) -> Result<Exit, Failure> {
    let (mut journal, row) = incidents::find_ended(setup, &args.incident)?;
    let reason = args.reason.clone().unwrap_or_default();
    append(setup, journal.as_mut(), &row.incident, IncidentEvent::Reopened { reason }, args.output)
}

fn end(
    setup: &Setup,
    args: &IncidentEnd,
    verb: &str,
    event: impl FnOnce(String) -> IncidentEvent,
) -> Result<Exit, Failure> {
    let (mut journal, row) = incidents::find(setup, &args.incident)?;
    let runs = incidents::runs_of(journal.as_mut(), &row.incident)?;
    let open: Vec<&OfIncident> = runs.iter().filter(|run| run.is_open()).collect();
    let reason = args.reason.as_deref().map(str::trim).unwrap_or_default();
    if open.is_empty() || row.brief.standing == Standing::Closed {
        return append(setup, journal.as_mut(), &row.incident, event(reason.to_owned()), args.output);
    }
    if reason.is_empty() {
        return Err(still_open(&row.incident, &open, verb, args.output));
    }
    let (number, have) = (count(open.len(), "run"), have(open.len()));
    setup.screen.warn(&[Line::new().with(Ink::Warn, format!("{number} {have} not ended; nothing is done to that:"))]);
    setup.screen.warn(&open.iter().map(|run| view::run_line(run, &setup.paste)).collect::<Vec<_>>());
    let names: Vec<&str> = open.iter().map(|run| run.row.run.as_str()).collect();
    // Who reads the timeline later is to know what was open then.
    let reason = format!("{reason} (not ended: {})", names.join(", "));
    append(setup, journal.as_mut(), &row.incident, event(reason), args.output)
}

fn have(number: usize) -> &'static str {
    if number == 1 { "has" } else { "have" }
}

fn still_open(incident: &IncidentId, open: &[&OfIncident], verb: &str, output: Format) -> Failure {
    let told: Vec<String> =
        open.iter().map(|run| format!("{} of {} ({})", run.row.run, run.row.playbook, run.doing.word())).collect();
    let (number, have) = (count(open.len(), "run"), have(open.len()));
    let what = format!("{number} of incident {incident} {have} not ended: {}", told.join(", "));
    let failure = Failure::new(Exit::NotAllowed, what).meaning("the incident is as it was");
    let failure = open
        .iter()
        .filter_map(|run| run.next())
        .fold(failure, |failure, next| failure.next(format!("playbook {next}")));
    let json = if output == Format::Json { " --output json" } else { "" };
    let again = format!("playbook incident {verb} {} --reason \"…\"{json}", quote(incident.as_str()));
    failure.next(format!("{again}     (all the same, and says why)"))
}
