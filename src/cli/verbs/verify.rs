//! `verify`: recompute a run's hash chain, replay its records, and compare them with a signed checkpoint. Of the journal, or of
//! an exported timeline without any journal. It says what it cannot see.

use std::path::Path;

use serde_json::Value;

use crate::cli::args::Verify;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::files::read;
use crate::cli::runs;
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::cli::view::timeline as view;
use crate::ids::RunId;
use crate::journal::{Checkpoint, JournalError, Key, PublicKey, Stored, verify_stored};
use crate::run::{Record, RunState};
use crate::timeline::Timeline;

/// Records that are whole.
struct Whole {
    run: RunId,
    records: Vec<Stored>,
}

/// Verifies a run.
///
/// # Errors
/// When there is no such run, the chain or the order of the records is broken, or a checkpoint says otherwise.
pub fn verify(setup: &Setup, args: &Verify) -> Result<Exit, Failure> {
    let checkpoint = args.checkpoint.as_deref().map(|file| checkpoint(setup, args, file)).transpose()?;
    let whole = match &args.timeline {
        Some(file) => exported(file)?,
        None => kept(setup, args, checkpoint.as_ref().map(|(checkpoint, _)| checkpoint))?,
    };
    let Whole { run, records } = &whole;
    if let Some((checkpoint, _)) = &checkpoint {
        checkpoint.compare(run, records).map_err(|(seq, why)| {
            runs::broken(run, seq, &why)
                .meaning("the chain is whole as it stands, and it is not the one that was signed")
        })?;
    }
    let head = records.last().map_or("none".to_owned(), |last| last.hash.to_string());
    let mut lines = vec![
        good(format!("run {run}: {} records, each follows on the one before it", records.len())),
        Line::plain(format!("  head {head}")),
    ];
    match checkpoint {
        Some((checkpoint, whose)) => lines.extend(signed(&checkpoint, whose, records.len() as u64)),
        None => lines.push(blind(setup, run)),
    }
    setup.screen.print_whole(&lines);
    Ok(Exit::Success)
}

fn good(text: String) -> Line {
    Line::new().with(Ink::Good, "✓ ").with(Ink::Plain, text)
}

fn blind(setup: &Setup, run: &RunId) -> Line {
    let command = setup.paste.command(format!("timeline {run} --checkpoint FILE"));
    Line::new().with(
        Ink::Dim,
        format!("  not seen by this: an end that was cut off with care, or a whole new chain; for that: {command}"),
    )
}

fn signed(checkpoint: &Checkpoint, whose: Whose, there: u64) -> Vec<Line> {
    let more = match there - checkpoint.records {
        0 => "and none came after it".to_owned(),
        more => format!("and {more} more came after it, which it does not vouch for"),
    };
    let text = format!("the first {} are those of the checkpoint of {}, {more}", checkpoint.records, checkpoint.signed);
    let key = match whose {
        Whose::Given => Line::plain(format!("  signed with the key that was given, {}", checkpoint.key)),
        Whose::State => Line::plain(format!("  signed with the key of this state, {}", checkpoint.key)),
        Whose::Unknown => Line::plain("  ").with(
            Ink::Warn,
            format!(
                "signed with a key that nothing here vouches for: compare it with what you noted: {}",
                checkpoint.key
            ),
        ),
    };
    vec![good(text), key]
}

/// The records of the journal.
fn kept(setup: &Setup, args: &Verify, checkpoint: Option<&Checkpoint>) -> Result<Whole, Failure> {
    let word = args.run.as_deref().or_else(|| checkpoint.map(|checkpoint| checkpoint.run.as_str())).unwrap_or("latest");
    let (mut journal, run) = runs::find(setup, word)?;
    runs::sound(journal.as_mut(), &run)?;
    let records = journal.stored(&run)?;
    Ok(Whole { run, records })
}

/// The records of an exported timeline, whose readable part says the same as what is chained.
fn exported(file: &Path) -> Result<Whole, Failure> {
    let source = read(file, "timeline")?;
    let invalid = |why: String| Failure::new(Exit::Invalid, format!("{} cannot be verified: {why}", file.display()));
    let exported: Value = serde_json::from_str(&source.text).map_err(|error| invalid(error.to_string()))?;
    let (run, records) = view::stored(&exported).map_err(invalid)?;
    let elsewhere = |seq: u64, why: &str| {
        let what = format!("the timeline of run {run} in {} is broken at record {seq}: {why}", file.display());
        Failure::new(Exit::Invalid, what).meaning("it was changed after it was exported, or its journal was before")
    };
    if let Some((seq, why)) = verify_stored(&run, &records).broken {
        return Err(elsewhere(seq, &why));
    }
    let read: Result<Vec<Record>, JournalError> = records.iter().cloned().map(|stored| stored.read(&run)).collect();
    let read = read?;
    RunState::replay(&run, &read).map_err(|fault| elsewhere(fault.seq, &fault.why))?;
    // The words may change from version to version; what the same version would say must be what stands there.
    let same_tool = exported["tool"] == env!("CARGO_PKG_VERSION");
    // Through text, as a number may come back from it a hair's breadth different.
    let again = view::json(&run, &Timeline::of(&run, &read), &records).to_string();
    let again: Value = serde_json::from_str(&again).map_err(|error| invalid(error.to_string()))?;
    let lists = (exported["records"].as_array(), again["records"].as_array());
    for (there, here) in lists.0.into_iter().flatten().zip(lists.1.into_iter().flatten()) {
        if same_tool && there != here {
            let seq = here["seq"].as_u64().unwrap_or_default();
            return Err(elsewhere(seq, "what it tells people is not what its event says"));
        }
    }
    if same_tool && exported != again {
        return Err(elsewhere(0, "its head does not say what its records say"));
    }
    Ok(Whole { run, records })
}

/// Whose key a checkpoint is signed with.
enum Whose {
    Given,
    State,
    Unknown,
}

fn checkpoint(setup: &Setup, args: &Verify, file: &Path) -> Result<(Checkpoint, Whose), Failure> {
    let source = read(file, "checkpoint")?;
    let refused = |why: String| Failure::new(Exit::Invalid, format!("{}: {why}", file.display()));
    let (checkpoint, key) = Checkpoint::read(&source.text).map_err(|error| refused(error.to_string()))?;
    if let Some(given) = &args.key {
        let given: PublicKey =
            given.parse().map_err(|error: JournalError| Failure::new(Exit::Usage, error.to_string()))?;
        if given != key {
            return Err(refused(format!("it is signed with the key {key}, not with the one that was given")));
        }
        return Ok((checkpoint, Whose::Given));
    }
    match Key::existing(&setup.state)?.map(|own| own.public()) {
        Some(own) if own == key => Ok((checkpoint, Whose::State)),
        Some(own) => Err(refused(format!("it is signed with the key {key}, and this state's is {own}"))
            .meaning("somebody else has signed it, or it is of another state")
            .next(format!(
                "playbook verify --checkpoint FILE --key {key}     (only if that is the key that you noted)"
            ))),
        None => Ok((checkpoint, Whose::Unknown)),
    }
}
