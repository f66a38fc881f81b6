//! The lines above the steps of a run on a terminal: what runs, how long there is left, how the service is.

use crate::cli::text::{Ink, Line};
use crate::cli::view::plan::service_ink;
use crate::run::{RunState, Time};
use crate::value::format_seconds;

/// Who runs, how long there is left, and how the service is.
pub fn header(state: &RunState, now: Time, width: usize) -> Vec<Line> {
    let book = state.playbook();
    let name = Line::new().with(Ink::Bold, format!("{}@{}", book.name, book.version));
    let run = Line::new().with(Ink::Dim, format!("run {}", state.run));
    let until = state.ended.as_ref().map_or(now, |(_, at, _)| *at);
    let taken = until.seconds_since(state.started).max(0.0);
    let clock = match book.recovery_time {
        Some(objective) if taken <= objective => {
            let left = format_seconds(objective - taken);
            Line::plain(format!("objective {}: {left} left", format_seconds(objective)))
        }
        Some(objective) => {
            let over = format_seconds(taken - objective);
            Line::new().with(Ink::Bad, format!("objective {}: over by {over}", format_seconds(objective)))
        }
        None => Line::plain(format!("running for {}", format_seconds(taken))),
    };
    let mut parts = vec![clock];
    if let Some((service, since)) = state.service {
        let since = format_seconds(until.seconds_since(since));
        let word = Line::plain("service ").with(service_ink(service), service.word());
        parts.push(word.with(Ink::Plain, format!(" for {since}")));
    }
    if state.rollback.is_some() && state.ended.is_none() {
        parts.push(Line::new().with(Ink::Warn, "rolling back"));
    }
    let mut lines = joined(vec![name, run], width);
    lines.extend(joined(parts, width));
    lines
}

/// Pieces in a line, or a line each where they do not fit.
fn joined(parts: Vec<Line>, width: usize) -> Vec<Line> {
    let whole = parts.iter().map(|part| part.width() + 3).sum::<usize>();
    if whole > width + 3 {
        return parts;
    }
    let join = |line: Line, part: Line| line.with(Ink::Plain, " · ").followed_by(part);
    parts.into_iter().reduce(join).into_iter().collect()
}
