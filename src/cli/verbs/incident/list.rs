//! `incident list`: what is not closed, newest first.

use serde_json::{Value, json};

use crate::cli::args::{Format, IncidentList};
use crate::cli::clock;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::runs::Doing;
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::cli::view::{count, incident as view};
use crate::incident::Standing;
use crate::journal::IncidentRow;

/// Lists incidents.
///
/// # Errors
/// When the journal cannot be read.
pub fn list(setup: &Setup, args: &IncidentList) -> Result<Exit, Failure> {
    let mut rows: Vec<(IncidentRow, Vec<Doing>)> = Vec::new();
    let mut closed = 0;
    if let Some(mut journal) = setup.existing_journal()? {
        for row in journal.incidents()? {
            if !args.all && row.brief.standing == Standing::Closed && row.damaged.is_none() {
                closed += 1;
                continue;
            }
            let runs = journal.runs_of(&row.incident)?;
            rows.push((row, runs.iter().map(Doing::of_row).collect()));
        }
    }
    if args.output == Format::Json {
        setup.screen.json(&Value::Array(rows.iter().map(|(row, runs)| row_json(row, runs)).collect()));
        return Ok(Exit::Success);
    }
    if rows.is_empty() {
        let more = if closed > 0 { format!("; --all shows {closed} closed") } else { String::new() };
        setup.screen.say(&[Line::plain(format!("there are no open incidents in {}{more}", setup.kept_in()))]);
        return Ok(Exit::Success);
    }
    let first = rows.iter().map(|(row, _)| row.incident.as_str().len()).max().unwrap_or(0) + 2;
    setup.screen.print(&rows.iter().map(|(row, runs)| line(row, runs, first)).collect::<Vec<_>>());
    Ok(Exit::Success)
}

fn open(runs: &[Doing]) -> usize {
    runs.iter().filter(|doing| **doing != Doing::Ended).count()
}

fn line(row: &IncidentRow, runs: &[Doing], first: usize) -> Line {
    let brief = &row.brief;
    let done = brief.standing != Standing::Open;
    let open = open(runs);
    let told = match (runs.len(), open) {
        (0, _) => String::new(),
        (all, 0) => format!(", {}", count(all, "run")),
        (all, open) => format!(", {}, {open} not ended", count(all, "run")),
    };
    Line::new()
        .with(Ink::Bold, row.incident.as_str())
        .pad_to(first)
        .with(if done { Ink::Dim } else { view::severity_ink(brief.severity) }, brief.severity.word())
        .with(Ink::Dim, format!("  {} UTC  ", clock::date_and_time(brief.opened)))
        .with(if done { Ink::Dim } else { Ink::Warn }, format!("{:<8}", brief.standing.word()))
        .with(Ink::Plain, format!("  {}", brief.title))
        .with(Ink::Dim, brief.owner.as_ref().map(|owner| format!(", {owner}")).unwrap_or_default())
        .with(if open > 0 { Ink::Warn } else { Ink::Dim }, told)
        .with(Ink::Bad, row.damaged.as_ref().map(|why| format!(": {why}")).unwrap_or_default())
}

fn row_json(row: &IncidentRow, runs: &[Doing]) -> Value {
    let mut told = row.brief.json(&row.incident);
    told["runs"] = json!(runs.len());
    told["open_runs"] = json!(open(runs));
    told["damaged"] = json!(row.damaged);
    told
}
