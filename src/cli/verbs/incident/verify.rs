//! `incident verify`: whether the records of an incident are whole. Those of its runs have chains of their own.

use serde_json::json;

use crate::cli::args::{Format, IncidentWhich};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::incidents;
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::cli::view::count;

/// Verifies one.
///
/// # Errors
/// When there is no such incident, or its chain is broken.
pub fn verify(setup: &Setup, args: &IncidentWhich) -> Result<Exit, Failure> {
    let (mut journal, row) = incidents::find(setup, &args.incident)?;
    let incident = &row.incident;
    let found = journal.verify_incident(incident)?;
    if let Some((seq, why)) = found.broken {
        return Err(Failure::new(Exit::Invalid, format!("incident {incident} is broken at record {seq}: {why}"))
            .meaning("records from there on were changed or lost after they were written, or the disk is failing; its runs are not touched by that")
            .next(format!("playbook incident timeline {incident}     (what can still be read)")));
    }
    let head = found.head.map(|head| head.to_string());
    if args.output == Format::Json {
        setup.screen.json(&json!({
            "v": 1, "type": "incident_verification", "incident": incident, "records": found.records, "head": head,
        }));
        return Ok(Exit::Success);
    }
    let records = usize::try_from(found.records).unwrap_or(usize::MAX);
    let text = format!("incident {incident}: {}, each follows on the one before it", count(records, "record"));
    setup.screen.print_whole(&[
        Line::new().with(Ink::Good, "✓ ").with(Ink::Plain, text),
        Line::plain(format!("  head {}", head.unwrap_or_default())),
        Line::new().with(Ink::Dim, format!("  its runs: {} RUN", setup.paste.command("verify"))),
    ]);
    Ok(Exit::Success)
}
