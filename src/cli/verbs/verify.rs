//! `verify`: recompute a run's hash chain, and replay its records.

use crate::cli::args::Verify;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::runs;
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::journal::Journal;

/// Verifies a run's journal.
///
/// # Errors
/// When there is no such run, or the chain or the order of the records is broken.
pub fn verify(setup: &Setup, args: &Verify) -> Result<Exit, Failure> {
    let (mut journal, run) = runs::find(setup, &args.run)?;
    let found = journal.verify(&run)?;
    if let Some((seq, why)) = found.broken {
        return Err(runs::broken(&run, seq, &why));
    }
    runs::state(&mut journal, &run)?;
    let head = found.head.as_ref().map_or("none".to_owned(), |head| head.as_str().to_owned());
    setup.screen.print_whole(&[
        Line::new()
            .with(Ink::Good, "✓ ")
            .with(Ink::Plain, format!("run {run}: {} records, each follows on the one before it", found.records)),
        Line::plain(format!("  head {head}")),
    ]);
    Ok(Exit::Success)
}
