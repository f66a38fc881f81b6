//! `incident show`: one incident on a page.

use std::collections::VecDeque;

use crate::cli::args::{Format, IncidentWhich};
use crate::cli::clock;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::incidents;
use crate::cli::setup::Setup;
use crate::cli::text::Ink;
use crate::cli::view::incident as view;
use crate::cli::view::incident_timeline::ink;
use crate::engine::IncidentTimeline;
use crate::ids::IncidentId;
use crate::incident::Entry;
use crate::journal::Store;

/// So many of the last things that happened are told.
const LAST: usize = 8;

/// Shows one.
///
/// # Errors
/// When there is no such incident, or its records make no sense.
pub fn show(setup: &Setup, args: &IncidentWhich) -> Result<Exit, Failure> {
    let (mut journal, row) = incidents::find(setup, &args.incident)?;
    let incident = journal.incident(&row.incident)?;
    let runs = incidents::runs_of(journal.as_mut(), &row.incident)?;
    if args.output == Format::Json {
        setup.screen.json(&view::json(&incident, &runs, &setup.paste));
        return Ok(Exit::Success);
    }
    let last = last(journal.as_mut(), &row.incident)?;
    let width = setup.screen.text_width();
    setup.screen.print_whole(&view::page(&incident, &runs, &last, clock::now(), &setup.paste, width));
    Ok(Exit::Success)
}

/// The last things that happened, without what is written down for each step anyway.
fn last(journal: &mut (dyn Store + 'static), incident: &IncidentId) -> Result<Vec<(Ink, Entry)>, Failure> {
    let mut last = VecDeque::with_capacity(LAST + 1);
    let mut timeline = IncidentTimeline::of(journal, incident)?;
    while let Some(entry) = timeline.next(journal)? {
        if matches!(entry.kind, "lease_taken" | "intent" | "verified" | "checked" | "batch_began") {
            continue;
        }
        if entry.kind == "delivery" && entry.detail["what"] == "told" {
            continue;
        }
        // What a command printed may be large, and is not shown here.
        last.push_back((ink(&entry), Entry { detail: serde_json::Value::Null, ..entry }));
        if last.len() > LAST {
            last.pop_front();
        }
    }
    Ok(last.into())
}
