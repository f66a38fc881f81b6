//! `timeline`: what happened in a run, record by record.

use crate::cli::args::{Output, Timeline as Args};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::runs;
use crate::cli::setup::Setup;
use crate::cli::view::{run_json, timeline as view};
use crate::journal::Journal;
use crate::run::Time;
use crate::timeline::Timeline;

/// Shows a timeline.
///
/// # Errors
/// When there is no such run, or its records are damaged; what can be read is shown before.
pub fn timeline(setup: &Setup, args: &Args) -> Result<Exit, Failure> {
    let (mut journal, run) = runs::find(setup, &args.run)?;
    let records = journal.records(&run, 0)?;
    let timeline = Timeline::of(&run, &records);
    let screen = &setup.screen;
    match args.output {
        Output::Human => screen.print_whole(&view::lines(&timeline, screen.text_width())),
        Output::Json => screen.json(&view::json(&run, &timeline)),
        Output::Jsonl => {
            let started = timeline.entries.first().map_or(Time(0), |entry| entry.time);
            timeline.entries.iter().for_each(|entry| screen.json(&run_json::entry(&run, entry, started)));
        }
    }
    match timeline.broken {
        Some(fault) => Err(fault.into()),
        None => Ok(Exit::Success),
    }
}
