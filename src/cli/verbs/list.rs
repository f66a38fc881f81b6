//! `list`: the playbooks, or the runs.

use serde_json::{Value, json};

use crate::cli::args::{Format, List};
use crate::cli::clock;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::runs::{self, Doing};
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::cli::there;
use crate::cli::view::halted;
use crate::journal::RunRow;
use crate::timeline::verdict_words;

/// Lists playbooks or runs.
///
/// # Errors
/// When the journal cannot be read.
pub fn list(setup: &Setup, args: &List) -> Result<Exit, Failure> {
    if args.runs { runs(setup, args.output) } else { playbooks(setup, args.output) }
}

fn playbooks(setup: &Setup, output: Format) -> Result<Exit, Failure> {
    let entries = match setup.server()? {
        Some(client) => there::books(&client)?,
        None => setup.catalog().list(),
    };
    if output == Format::Json {
        let all = entries.iter().map(|entry| {
            json!({
                "playbook": entry.name, "version": entry.version, "title": entry.title, "path": entry.path,
                "broken": entry.broken,
            })
        });
        setup.screen.json(&Value::Array(all.collect()));
        return Ok(Exit::Success);
    }
    if entries.is_empty() {
        let folders: Vec<String> = setup.folders().iter().map(|path| path.display().to_string()).collect();
        setup.screen.say(&[Line::plain(format!("there are no playbooks in {}", folders.join(", ")))]);
        return Ok(Exit::Success);
    }
    let column = |width: fn(&crate::catalog::Entry) -> usize| entries.iter().map(width).max().unwrap_or(0) + 2;
    let first = column(|entry| Line::plain(&entry.name).width());
    let second = first + column(|entry| Line::plain(&entry.version).width());
    let lines: Vec<Line> = entries
        .iter()
        .map(|entry| {
            let line =
                Line::new().with(Ink::Bold, &entry.name).pad_to(first).with(Ink::Dim, &entry.version).pad_to(second);
            match &entry.broken {
                Some(why) => line.with(Ink::Bad, format!("cannot be run: {why}")),
                None => line.with(Ink::Plain, &entry.title),
            }
        })
        .collect();
    setup.screen.print(&lines);
    Ok(Exit::Success)
}

fn runs(setup: &Setup, output: Format) -> Result<Exit, Failure> {
    let (rows, halt) = match setup.existing_journal()? {
        Some(mut journal) => (runs::rows(journal.as_mut())?, journal.halted()?),
        None => (Vec::new(), None),
    };
    if output == Format::Json {
        setup.screen.json(&Value::Array(rows.iter().map(row_json).collect()));
        return Ok(Exit::Success);
    }
    if let Some(halt) = halt {
        let width = setup.screen.text_width();
        setup.screen.warn(&halted::banner(&halted::seen(&halt), clock::now(), &setup.paste, width));
    }
    if rows.is_empty() {
        setup.screen.say(&[Line::plain(format!("there are no runs in {}", setup.kept_in()))]);
        return Ok(Exit::Success);
    }
    let first = rows.iter().map(|row| row.run.as_str().len()).max().unwrap_or(0) + 2;
    let second = first + rows.iter().map(|row| name(row).len()).max().unwrap_or(0) + 2;
    let lines: Vec<Line> = rows.iter().map(|row| row_line(row, first, second)).collect();
    setup.screen.print(&lines);
    Ok(Exit::Success)
}

fn name(row: &RunRow) -> String {
    format!("{}@{}", row.playbook, row.version)
}

fn row_line(row: &RunRow, first: usize, second: usize) -> Line {
    let doing = Doing::of_row(row);
    let ink = match doing {
        Doing::Ended => Ink::Dim,
        Doing::Running => Ink::Good,
        Doing::Stuck | Doing::Damaged => Ink::Bad,
        Doing::Waiting | Doing::Stopped | Doing::Interrupted => Ink::Warn,
    };
    let words = row.verdict.map_or(doing.word(), verdict_words);
    Line::new()
        .with(Ink::Bold, row.run.as_str())
        .pad_to(first)
        .with(Ink::Plain, name(row))
        .pad_to(second)
        .with(Ink::Dim, format!("{} UTC  ", clock::date_and_time(row.started)))
        .with(ink, words)
        .with(Ink::Bad, row.damaged.as_ref().map(|why| format!(": {why}")).unwrap_or_default())
}

/// A run in the list, for programs.
pub fn row_json(row: &RunRow) -> Value {
    json!({
        "run": row.run, "playbook": row.playbook, "version": row.version, "state": Doing::of_row(row).word(),
        "verdict": row.verdict, "started": row.started.rfc3339(), "updated": row.updated.rfc3339(),
        "damaged": row.damaged,
    })
}
