//! `timeline`: what happened in a run, record by record; and its signed end.

use crate::cli::args::{Output, Timeline as Args};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::runs;
use std::path::Path;

use crate::cli::clock;
use crate::cli::paste::quote;
use crate::cli::setup::Setup;
use crate::cli::text::Line;
use crate::cli::view::timeline_fold::is_about;
use crate::cli::view::{run_json, timeline as view};
use crate::ids::RunId;
use crate::journal::{Checkpoint, Journal, JournalError, Key, Stored};
use crate::run::{Record, Time};
use crate::timeline::{Entry, Timeline};

/// Shows a timeline.
///
/// # Errors
/// When there is no such run, or its records are damaged; what can be read is shown before.
pub fn timeline(setup: &Setup, args: &Args) -> Result<Exit, Failure> {
    let (mut journal, run) = runs::find(setup, &args.run)?;
    // One look: what is shown, exported and signed is the same.
    let stored = journal.stored(&run)?;
    let records = stored.iter().cloned().map(|stored| stored.read(&run)).collect::<Result<Vec<Record>, JournalError>>();
    let records = records.map_err(|error| Failure::from(error).naming(&run))?;
    if let Some(file) = &args.checkpoint {
        // What does not fit is not signed as if it did.
        runs::state(&mut journal, &run)?;
        sign(setup, &run, &stored, file)?;
    }
    let timeline = Timeline::of(&run, &records);
    let screen = &setup.screen;
    let about = |entry: &&Entry| args.only.as_ref().is_none_or(|only| is_about(entry, only));
    if args.only.is_some() && !timeline.entries.iter().any(|entry| about(&entry)) {
        return Err(nothing_about(setup, &run));
    }
    match args.output {
        Output::Human => {
            let wanted = view::Wanted { full: args.full, only: args.only.clone() };
            screen.print_whole(&view::lines(&timeline, &wanted, screen.text_width()));
        }
        Output::Json if args.only.is_some() => return Err(whole_or_nothing(setup, &run)),
        Output::Json => screen.json(&view::json(&run, &timeline, &stored)),
        Output::Jsonl => {
            let started = timeline.entries.first().map_or(Time(0), |entry| entry.time);
            timeline.entries.iter().filter(about).for_each(|entry| screen.json(&run_json::entry(&run, entry, started)));
        }
    }
    match timeline.broken {
        Some(fault) => Err(fault.into()),
        None => Ok(Exit::Success),
    }
}

fn nothing_about(setup: &Setup, run: &RunId) -> Failure {
    Failure::new(Exit::NotFound, format!("nothing in run {run} is about that"))
        .meaning("--only takes a step (restart), a step for an item (restart@web7) or an item (@web7)")
        .next(setup.paste.command(format!("status {run}     (its steps)")))
}

fn whole_or_nothing(setup: &Setup, run: &RunId) -> Failure {
    Failure::new(Exit::Usage, "--only cannot be given with --output json".to_owned())
        .meaning("that output is whole, so that it can be verified without the journal")
        .next(setup.paste.command(format!("timeline {run} --only … --output jsonl")))
}

/// Writes the signed end of the chain.
fn sign(setup: &Setup, run: &RunId, stored: &[Stored], file: &Path) -> Result<(), Failure> {
    let key = Key::of(&setup.state)?;
    let checkpoint = Checkpoint::of(run, stored, clock::rfc3339(clock::now()), &key)?;
    let text = serde_json::to_string_pretty(&checkpoint).unwrap_or_default();
    std::fs::write(file, text + "\n").map_err(|error| {
        let what = format!("the checkpoint cannot be written to {}: {error}", file.display());
        Failure::new(Exit::Invalid, what).meaning("the run and its journal are as they were")
    })?;
    let verify = setup.paste.command(format!("verify --checkpoint {}", quote(&file.to_string_lossy())));
    setup.screen.say(&[
        Line::plain(format!("checkpoint of {} records of run {run} in {}", checkpoint.records, file.display())),
        Line::plain(format!("signed with the key {}", checkpoint.key)),
        Line::plain("keep it, and note the key, where whoever can write the journal cannot reach them; to check:"),
        Line::plain(format!("  {verify}")),
    ]);
    Ok(())
}
