//! What is large in records: how much that is, and what of it can be given up where the disk is full.

use crate::journal::sqlite::rows;
use crate::outcome::{CommandOutput, Report, Stream};
use crate::run::{Event, Settlement};

/// How large these events are, roughly.
pub(in crate::journal::sqlite) fn size(events: &[Event]) -> usize {
    events.iter().map(size_of).sum()
}

fn size_of(event: &Event) -> usize {
    match event {
        Event::Intent { arguments, before, .. } => arguments.to_string().len() + before.to_string().len(),
        Event::GroupEntered { .. } => rows::to_json(event).map_or(0, |text| text.len()),
        event => report(event).map_or(0, size_of_report),
    }
}

fn size_of_report(report: &Report) -> usize {
    let output = report.output.as_ref().map_or(0, |output| output.stdout.text.len() + output.stderr.text.len());
    output + if report.outputs.is_null() { 0 } else { report.outputs.to_string().len() }
}

fn report(event: &Event) -> Option<&Report> {
    match event {
        Event::Outcome { report, .. } | Event::Settled { settlement: Settlement::Ended { report }, .. } => Some(report),
        _ => None,
    }
}

/// Leaves out what commands printed: the record of how they ended is worth more. Its size and hash stay, and the recorder
/// has the text in a file of its own.
pub(in crate::journal::sqlite) fn give_up_output(events: &mut [Event]) {
    for event in events {
        if let Event::Outcome { report, .. } | Event::Settled { settlement: Settlement::Ended { report }, .. } = event
            && let Some(CommandOutput { stdout, stderr }) = &mut report.output
        {
            [stdout, stderr].into_iter().for_each(give_up);
        }
    }
}

fn give_up(stream: &mut Stream) {
    if !stream.text.is_empty() {
        "(not kept: the disk was full)".clone_into(&mut stream.text);
        stream.truncated = true;
    }
}
