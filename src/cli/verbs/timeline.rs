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
use crate::cli::visible;
use crate::ids::RunId;
use crate::journal::{Checkpoint, Key, Store, Stored};
use crate::timeline::{Entry, Timeline, entry};

/// Shows a timeline.
///
/// # Errors
/// When there is no such run, or its records are damaged; what can be read is shown before.
pub fn timeline(setup: &Setup, args: &Args) -> Result<Exit, Failure> {
    let (mut journal, run) = runs::find(setup, &args.run)?;
    let signed = args.checkpoint.as_ref().map(|file| checkpoint(setup, journal.as_mut(), &run, file)).transpose()?;
    match args.output {
        Output::Json if args.only.is_some() => Err(whole_or_nothing(setup, &run)),
        Output::Json => whole(setup, journal.as_mut(), &run, signed),
        Output::Human | Output::Jsonl => told(setup, journal.as_mut(), &run, signed, args),
    }
}

/// Writes the signed end of the chain; the record that it ends with.
fn checkpoint(setup: &Setup, journal: &mut dyn Store, run: &RunId, file: &Path) -> Result<u64, Failure> {
    let stored = journal.stored(run)?;
    // What does not fit is not signed as if it did.
    runs::sound(journal, run)?;
    sign(setup, run, &stored, file)?;
    Ok(stored.last().map_or(0, |last| last.seq))
}

/// All of it for programs, with what it takes to verify it. It is gone over twice, so that no more than some records are in
/// memory: nothing is printed of what cannot be read, and what is broken is told first.
fn whole(setup: &Setup, journal: &mut dyn Store, run: &RunId, until: Option<u64>) -> Result<Exit, Failure> {
    let mut timeline = Timeline::default();
    let mut last = 0;
    runs::each(journal, run, |record| {
        // What is exported is what is signed.
        let wanted = until.is_none_or(|until| record.seq <= until);
        let goes_on = wanted && timeline.take(run, &record, entry);
        timeline.entries.clear();
        last = if goes_on { record.seq } else { last };
        Ok(goes_on)
    })?;
    let screen = &setup.screen;
    let head = visible::json(&view::head(run, &timeline));
    screen.data(head.strip_suffix("]}").unwrap_or(&head));
    let (mut again, mut started) = (Timeline::default(), None);
    // What was written meanwhile is left for the next time.
    runs::each_stored(journal, run, |stored| {
        if stored.seq > last {
            return Ok(false);
        }
        let record = stored.clone().read(run)?;
        let first = started.is_none();
        let started = *started.get_or_insert(record.time);
        again.take(run, &record, entry);
        for entry in again.entries.drain(..) {
            let text = visible::json(&view::record(run, &entry, &stored, started));
            screen.data(&if first { text } else { format!(",{text}") });
        }
        Ok(true)
    })?;
    screen.data("]}\n");
    match timeline.broken {
        Some(fault) => Err(fault.into()),
        None => Ok(Exit::Success),
    }
}

/// Record by record, with no more in memory than is shown.
fn told(setup: &Setup, journal: &mut dyn Store, run: &RunId, until: Option<u64>, args: &Args) -> Result<Exit, Failure> {
    let wanted = view::Wanted { full: args.full, only: args.only.clone() };
    let about = |entry: &Entry| args.only.as_ref().is_none_or(|only| is_about(entry, only));
    let (screen, lines) = (&setup.screen, args.output == Output::Jsonl);
    let mut timeline = Timeline::default();
    let (mut started, mut found) = (None, false);
    let read = runs::each(journal, run, |record| {
        if until.is_some_and(|until| record.seq > until) {
            return Ok(false);
        }
        let started = *started.get_or_insert(record.time);
        let goes_on = timeline.take(run, &record, |record, state| {
            let entry = entry(record, state);
            if lines { entry } else { wanted.keep(entry) }
        });
        found |= timeline.entries.last().is_some_and(about);
        if lines {
            let entries = timeline.entries.drain(..).filter(about);
            entries.for_each(|entry| screen.json(&run_json::entry(run, &entry, started)));
        }
        Ok(goes_on)
    });
    if !found && args.only.is_some() && read.is_ok() {
        return Err(nothing_about(setup, run));
    }
    if !lines {
        screen.print_whole(&view::lines(&timeline, &wanted, screen.text_width()));
    }
    read?;
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
    let checkpoint = Checkpoint::of(run, stored, clock::now().rfc3339(), &key)?;
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
