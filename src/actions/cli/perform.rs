//! One attempt at a device's prompt, from the first prompt to the report. Where the lines arm a revert, the confirmation is
//! part of the same attempt: nobody waits for anything while the device counts.

use std::time::{Duration, Instant};

use serde_json::json;

use super::ask::{Ask, Check, Revert};
use super::talk::{Stop, Talk, Wanted};
use crate::actions::OutputSink;
use crate::actions::command::{Cut, Wire};
use crate::outcome::{CommandOutput, Outcome, Report};
use crate::value::format_seconds;

/// The pause between two looks of a check.
const PAUSE: Duration = Duration::from_millis(250);
/// The lines behind which a device hangs up.
const LEAVES: [&str; 4] = ["exit", "quit", "logout", "bye"];

/// What became of a part of an attempt, and in words.
type Ended = Result<String, (Outcome, String)>;

/// Sends the lines, and says what became of them.
pub(super) fn perform(ask: &Ask, wire: &mut dyn Wire, live: OutputSink, limit: Duration, reads: bool) -> Report {
    let until = Instant::now() + limit;
    let mut talk = Talk::new(wire, &ask.patterns, live, until);
    let ended = begin(ask, &mut talk).and_then(|()| all(ask, &mut talk, until));
    let ended = ended.map(|said| if reads { format!("{} answered", ask.host) } else { said });
    let (stdout, transcript) = talk.finish();
    let (outcome, message) = match ended {
        Ok(message) => (Outcome::Done, message),
        // What only reads changed nothing, however it ended.
        Err((Outcome::Unknown, message)) if reads => (Outcome::Failed, message),
        Err(ended) => ended,
    };
    let printed = stdout.text.trim_end_matches('\n').to_owned();
    let report = Report { outcome, message, outputs: json!({ "stdout": printed }), output: None };
    report.with_output(CommandOutput { stdout: transcript, ..CommandOutput::default() })
}

/// The prompt is there and no pager stops what is printed: nothing was changed so far.
pub(super) fn begin(ask: &Ask, talk: &mut Talk<'_>) -> Result<(), (Outcome, String)> {
    let no_effect =
        |stop: Stop| (Outcome::NoEffect, format!("{}: {}; nothing was sent", ask.host, before_any_line(&stop)));
    if let Err(stop) = talk.greet() {
        let (outcome, message) = no_effect(stop);
        let printed = talk.take_printed().text;
        let last = printed.lines().rev().find(|line| !line.trim().is_empty());
        return Err((outcome, last.map_or(message.clone(), |last| format!("{message}. It printed: {}", short(last)))));
    }
    for line in &ask.pager_off {
        match talk.say(line, &mut Wanted::of(&[])) {
            // A device that does not know the line has no such pager, or another one: then its stops are answered.
            Ok(()) | Err(Stop::Refused(_)) => {}
            Err(stop) => return Err(no_effect(stop)),
        }
    }
    let _ = talk.take_printed();
    Ok(())
}

fn all(ask: &Ask, talk: &mut Talk<'_>, until: Instant) -> Ended {
    // The earliest moment from which the device may count.
    let armed = Instant::now();
    let mut wanted = Wanted::of(&ask.expect);
    say_all(ask, talk, &ask.lines, "lines", &mut wanted).map_err(|ended| with_revert(ask, ended))?;
    let count = lines_of(ask.lines.len());
    if let Some(missing) = wanted.missing() {
        let message = format!("{}: it took the {count}, but nothing that it printed matches `{missing}`", ask.host);
        return Err(with_revert(ask, (Outcome::Failed, message)));
    }
    match &ask.revert {
        None => Ok(format!("{} took the {count}", ask.host)),
        Some(revert) => confirm(ask, revert, talk, armed, until),
    }
}

/// Sends lines one by one, and stops at the first that is not taken.
fn say_all(
    ask: &Ask,
    talk: &mut Talk<'_>,
    lines: &[String],
    what: &str,
    wanted: &mut Wanted<'_>,
) -> Result<(), (Outcome, String)> {
    for (place, line) in lines.iter().enumerate() {
        let last = place + 1 == lines.len();
        match talk.say(line, wanted) {
            Ok(()) => {}
            Err(Stop::Cut(Cut::Closed)) if last && LEAVES.contains(&line.trim()) => {}
            Err(stop) => {
                let rest = match lines.len() - place - 1 {
                    0 => String::new(),
                    rest => format!(", the {rest} behind it {} not sent", if rest == 1 { "was" } else { "were" }),
                };
                let (outcome, why) = stopped(&stop);
                let place = format!("line {} of {} of `{what}`, `{}`", place + 1, lines.len(), line.trim());
                return Err((outcome, format!("{}: {why} {place}{}{rest}", ask.host, said(&stop))));
            }
        }
    }
    Ok(())
}

/// Checks and confirms while the device still counts.
fn confirm(ask: &Ask, revert: &Revert, talk: &mut Talk<'_>, armed: Instant, until: Instant) -> Ended {
    // A confirmation that comes too late would confirm nothing and look as if it had.
    let latest = armed + revert.after.mul_f64(0.9);
    if let Some(check) = &revert.check {
        hold(ask, check, talk, latest.min(until)).map_err(|ended| with_revert(ask, ended))?;
    }
    if Instant::now() >= latest {
        let message = format!("{}: the lines and their check took too long to be confirmed in time", ask.host);
        return Err(with_revert(ask, (Outcome::Failed, message)));
    }
    say_all(ask, talk, &revert.confirm, "confirm", &mut Wanted::of(&[])).map_err(|ended| with_revert(ask, ended))?;
    Ok(format!("{} took the {}, and they are confirmed", ask.host, lines_of(ask.lines.len())))
}

/// Looks until what is expected was printed.
fn hold(ask: &Ask, check: &Check, talk: &mut Talk<'_>, latest: Instant) -> Result<(), (Outcome, String)> {
    let until = latest.min(Instant::now() + check.within);
    loop {
        let mut wanted = Wanted::of(&check.expect);
        // That the lines were taken is known: whatever becomes of the check, part of them has happened.
        let looked = say_all(ask, talk, &check.lines, "check", &mut wanted);
        let missing = match looked {
            Ok(()) => match wanted.missing() {
                None => return Ok(()),
                Some(missing) => format!("nothing that its check printed matched `{missing}`"),
            },
            // The very line that was cut may be our own: how that ends, only the device knows.
            Err((Outcome::Unknown, message)) => return Err((Outcome::Unknown, message)),
            Err((_, message)) => message,
        };
        if Instant::now() + PAUSE >= until {
            let within = format_seconds(check.within.as_secs_f64());
            let message =
                format!("{}: it took the lines, and within {within} {missing}; they were not confirmed", ask.host);
            return Err((Outcome::Failed, message));
        }
        std::thread::sleep(PAUSE);
    }
}

/// What is said of an attempt that went wrong while the device may be counting: nobody can tell before that is over what
/// there will be.
fn with_revert(ask: &Ask, (outcome, message): (Outcome, String)) -> (Outcome, String) {
    match &ask.revert {
        None => (outcome, message),
        Some(revert) => {
            let after = format_seconds(revert.after.as_secs_f64());
            (
                outcome,
                format!("{message}. What it took it takes back by itself, {after} after it was armed at the latest"),
            )
        }
    }
}

fn lines_of(count: usize) -> String {
    if count == 1 { "line".to_owned() } else { format!("{count} lines") }
}

/// What a stop means for the line that was sent, and how the sentence begins.
fn stopped(stop: &Stop) -> (Outcome, &'static str) {
    match stop {
        Stop::Refused(_) => (Outcome::Failed, "it did not take"),
        Stop::Asks(_) => (Outcome::Failed, "it asks something instead of taking"),
        Stop::Silent(_) => (Outcome::Unknown, "no prompt came back in time behind"),
        Stop::Cut(_) => (Outcome::Unknown, "the terminal was lost behind"),
    }
}

/// What the device said, as the sentence goes on.
fn said(stop: &Stop) -> String {
    match stop {
        Stop::Refused(text) => format!(": {text}"),
        Stop::Asks(question) => format!(": \"{question}\". Nobody answered, and its terminal was closed"),
        Stop::Silent(last) if last.is_empty() => String::new(),
        Stop::Silent(last) => format!(" (the last that it printed is \"{}\")", short(last)),
        Stop::Cut(Cut::Closed) => " (it hung up)".to_owned(),
        Stop::Cut(Cut::Lost(why)) => format!(" ({why})"),
        Stop::Cut(Cut::TimeUp) => " (it took no more bytes in time)".to_owned(),
    }
}

fn before_any_line(stop: &Stop) -> String {
    match stop {
        Stop::Refused(text) => text.clone(),
        Stop::Asks(question) => format!("it asks \"{}\" before it shows a prompt", short(question)),
        Stop::Silent(last) if last.is_empty() => "it let us in and showed no prompt".to_owned(),
        Stop::Silent(last) => format!(
            "it let us in and showed no prompt that is known: the last line is \"{}\". If that is its prompt, say so with \
             `prompt: '^…$'`",
            short(last)
        ),
        Stop::Cut(_) => format!("it let us in and then no more{}", said(stop)),
    }
}

fn short(text: &str) -> String {
    text.chars().take(120).collect()
}

#[cfg(test)]
#[path = "perform_tests.rs"]
mod tests;
