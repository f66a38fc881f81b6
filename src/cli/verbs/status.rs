//! `status`: how a run stands. It opens with the service, as that is what people ask for first.

use crate::cli::args::{Format, Status};
use crate::cli::clock;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::follow::exit_of;
use crate::cli::reporter::row;
use crate::cli::runs::{self, Doing};
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::cli::view::run_json::Standing;
use crate::cli::view::{end, heading};
use crate::journal::Journal;
use crate::run::{RunState, Time};
use crate::value::format_seconds;

/// Shows how a run stands.
///
/// # Errors
/// When there is no such run, or its records are damaged.
pub fn status(setup: &Setup, args: &Status) -> Result<Exit, Failure> {
    let (mut journal, run) = runs::find(setup, &args.run)?;
    let state = runs::state(&mut journal, &run)?;
    let lease = journal.lease(&run)?;
    let doing = Doing::of_state(&state, &lease);
    if args.output == Format::Json {
        let exit = exit_of(&state, doing).code();
        let standing = Standing { state: &state, doing, exit, folder: &setup.state, paste: &setup.paste };
        setup.screen.json(&standing.json("status"));
        return Ok(Exit::Success);
    }
    let now = clock::now();
    let service = end::service_line(&state, now);
    let mut lines = vec![service.unwrap_or_else(|| Line::plain("service: no step has said what it is"))];
    if doing == Doing::Running {
        let holder = &lease.holder;
        let who = format!("driven by process {} of {} on {}", holder.pid, holder.user, holder.host);
        lines.push(Line::new().with(Ink::Dim, who));
    }
    lines.push(Line::new());
    lines.push(heading("Steps"));
    lines.extend(steps(&state, now));
    lines.push(Line::new());
    lines.extend(end::lines(&state, doing, now, &setup.paste, setup.screen.text_width()));
    setup.screen.print_whole(&lines);
    Ok(Exit::Success)
}

fn steps(state: &RunState, now: Time) -> Vec<Line> {
    let steps = &state.playbook().steps;
    let column = steps.iter().map(|step| step.id.as_str().len()).max().unwrap_or(0) + 6;
    steps
        .iter()
        .map(|step| {
            let row = row(state, step, now);
            let (glyph, ink) = row.mark.glyph();
            let time = row.seconds.map(format_seconds).unwrap_or_default();
            Line::plain("  ")
                .with(ink, glyph)
                .with(Ink::Plain, format!(" {}", step.id))
                .pad_to(column)
                .with(Ink::Plain, format!("{time:>9}  "))
                .with(Ink::Dim, row.message)
        })
        .collect()
}
