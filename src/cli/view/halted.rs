//! What is said of a halt: who, since when, why, and how it ends. Lines from data; nothing is looked up here.

use serde_json::{Value, json};

use crate::cli::clock;
use crate::cli::paste::Paste;
use crate::cli::text::{Ink, Line, shorten};
use crate::cli::visible;
use crate::journal::Halt;
use crate::run::{Halted, Time};
use crate::value::format_seconds;

use super::paragraph;

/// The command that ends it.
pub const LIFT: &str = "halt --lift --reason \"…\"";

/// How much of a reason is shown; the whole is in the record and in JSON.
const REASON: usize = 300;

/// A halt as a run has seen it.
pub fn seen(halt: &Halt) -> Halted {
    Halted { number: halt.number, by: halt.by.clone(), reason: halt.reason.clone(), since: halt.since }
}

/// Who halted everything, since when, and why: a sentence.
pub fn sentence(halt: &Halted, now: Time) -> String {
    let long = format_seconds(now.seconds_since(halt.since).max(0.0));
    let because = if halt.reason.is_empty() {
        "no reason was given".to_owned()
    } else {
        // It stands above every screen: what is too long would push away how it is lifted.
        shorten(&visible::line(&halt.reason), REASON)
    };
    let (by, since) = (visible::line(&halt.by), clock::date_and_time(halt.since));
    format!("everything on this state is halted by {by} since {since} UTC (for {long}): {because}")
}

/// What stands above everything else while it is in force.
pub fn banner(halt: &Halted, now: Time, paste: &Paste, width: usize) -> Vec<Line> {
    let mut lines = vec![Line::new().with(Ink::Bad, "■ HALTED")];
    lines.extend(paragraph(&sentence(halt, now), 2, width, Ink::Bad));
    lines.push(Line::plain("  nothing new begins, neither forward nor back, until it is lifted:"));
    lines.push(Line::plain(format!("  {}", paste.command(LIFT))));
    lines.push(Line::new());
    lines
}

/// The same for programs.
pub fn json(halt: &Halted) -> Value {
    json!({ "by": halt.by, "reason": halt.reason, "since": halt.since.rfc3339() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_without_end_or_with_commands_for_a_terminal_hides_nothing() {
        let reason = format!("a\u{1b}[2J\r\nnext: rm\u{202e}{}", "x".repeat(100_000));
        let halt = Halted { number: 1, by: "ann\u{7}".to_owned(), reason, since: Time(0) };
        let said = sentence(&halt, Time(1000));
        assert!(said.len() < 500 && said.contains("ann^G") && said.contains("a^[[2J / next: rm<U+202E>x"), "{said}");
    }
}
