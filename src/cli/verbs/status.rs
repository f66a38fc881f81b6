//! `status`: how a run stands. It opens with the service, as that is what people ask for first.

use crate::cli::args::{Format, Status};
use crate::cli::clock;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::follow::exit_of;
use crate::cli::reporter::{Block, Crowds, Entry, entries, group_of};
use crate::cli::runs::{self, Doing};
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::cli::view::run_json::Standing;
use crate::cli::view::{end, halted, heading, narrowed};
use crate::run::{RunState, Time};
use crate::value::format_seconds;

/// So many lines are given to the items of one `for_each` that is under way: what became of each is told below.
const ROOM: usize = 9;

/// Shows how a run stands.
///
/// # Errors
/// When there is no such run, or its records are damaged.
pub fn status(setup: &Setup, args: &Status) -> Result<Exit, Failure> {
    let (mut journal, mut state) = match runs::open(setup, &args.run) {
        Ok(found) => found,
        Err(failure) => {
            let halt = setup.existing_journal()?.map(|mut journal| journal.halted()).transpose()?.flatten();
            let width = setup.screen.text_width();
            let banner = halt.map(|halt| halted::banner(&halted::seen(&halt), clock::now(), &setup.paste, width));
            setup.screen.warn(&banner.unwrap_or_default());
            return Err(failure);
        }
    };
    let halt = journal.halted()?;
    // A run that nobody drives has not seen the halt, or its end.
    state.halted = halt.as_ref().filter(|_| state.ended.is_none()).map(halted::seen);
    let lease = journal.lease(&state.run)?;
    let doing = Doing::of_state(&state, &lease);
    let retried = runs::retried(journal.as_mut(), &state)?;
    if args.output == Format::Json {
        let exit = exit_of(&state, doing).code();
        let standing = Standing { state: &state, doing, exit, folder: &setup.state, paste: &setup.paste };
        let mut json = standing.json("status");
        json["retried_by"] = serde_json::json!(retried);
        setup.screen.json(&json);
        return Ok(Exit::Success);
    }
    let now = clock::now();
    let width = setup.screen.text_width();
    let mut lines =
        halt.as_ref().map(|halt| halted::banner(&halted::seen(halt), now, &setup.paste, width)).unwrap_or_default();
    let service = end::service_line(&state, now);
    lines.push(service.unwrap_or_else(|| Line::plain("service: no step has said what it is")));
    if doing == Doing::Running {
        let holder = &lease.holder;
        let who = format!("driven by process {} of {} on {}", holder.pid, holder.user, holder.host);
        lines.push(Line::new().with(Ink::Dim, who));
    }
    lines.push(Line::new());
    lines.push(heading("Steps"));
    lines.extend(steps(setup, &state, now, width));
    lines.push(Line::new());
    lines.extend(end::lines(&state, doing, now, &setup.paste, width));
    lines.extend(narrowed::retried(&retried));
    setup.screen.print_whole(&lines);
    Ok(Exit::Success)
}

fn steps(setup: &Setup, state: &RunState, now: Time, width: usize) -> Vec<Line> {
    let crowds = Crowds::of(state);
    let entries = entries(state, &crowds, now);
    let long = |entry: &Entry| entry.name.len() + 2 * entry.depth;
    let column = entries.iter().map(long).max().unwrap_or(0) + 6;
    let mut lines = Vec::new();
    for entry in &entries {
        let (glyph, ink) = entry.row.mark.glyph();
        let time = entry.row.seconds.map(format_seconds).unwrap_or_default();
        let line = Line::plain(" ".repeat(2 + 2 * entry.depth))
            .with(ink, glyph)
            .with(Ink::Plain, format!(" {}", entry.name))
            .pad_to(column)
            .with(Ink::Plain, format!("{time:>9}  "));
        lines.push(line.with(Ink::Dim, &entry.row.message));
        let found = group_of(state, &entry.task.step).zip(crowds.get(&entry.task.step));
        if let Some((group, crowd)) = found.filter(|_| entry.crowded && state.ended.is_none()) {
            let rest = setup.paste.command(format!("timeline {}", state.run));
            let (current, said) = Default::default();
            let block = Block { state, group, crowd, current: &current, said: &said, rest, now };
            lines.extend(block.lines(4 + 2 * entry.depth, width, ROOM, "⠋"));
        }
    }
    lines
}
