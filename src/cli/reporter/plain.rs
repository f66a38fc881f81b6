//! A run off a terminal: one line a record, with its time, and what commands print.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::many::Many;
use super::{Reporter, interrupt_words};
use crate::cli::clock;
use crate::cli::paste::Paste;
use crate::cli::screen::Screen;
use crate::cli::text::{Ink, Line};
use crate::cli::view::halted::LIFT;
use crate::engine::Observer;
use crate::outcome::Outcome;
use crate::run::{Decision, Event, LeaseReason, Record, RunState, Task, Time};
use crate::timeline;
use crate::value::format_seconds;

/// How much of a line that a command has not ended yet is kept.
const LINE_BYTES: usize = 64 * 1024;

/// Shows a run as lines.
pub struct Plain {
    screen: Screen,
    paste: Paste,
    printed: Arc<Mutex<Printed>>,
}

/// What commands have printed and not ended yet.
#[derive(Default)]
struct Printed {
    partial: BTreeMap<Task, Vec<u8>>,
    /// Those that may be under way beside others: each line says whose it is.
    beside: BTreeSet<Task>,
    /// Those that are too many for a line each.
    many: Many,
    /// Whether somebody looks whether a sign of life is due.
    watched: bool,
}

impl Plain {
    /// Lines on stderr.
    pub fn new(screen: Screen, paste: Paste) -> Self {
        Self { screen, paste, printed: Arc::default() }
    }

    fn printed(&self) -> MutexGuard<'_, Printed> {
        locked(&self.printed)
    }

    fn say(&self, printed: &mut Printed, lines: &[Line]) {
        if !lines.is_empty() {
            printed.many.spoke(clock::now());
            self.screen.say(lines);
        }
    }

    /// Looks from now on whether a sign of life is due, until the run is over.
    fn watch(&self) {
        let (printed, screen): (Weak<Mutex<Printed>>, Screen) = (Arc::downgrade(&self.printed), self.screen);
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(Duration::from_secs(1));
                let Some(printed) = printed.upgrade() else { return };
                let now = clock::now();
                if let Some(line) = locked(&printed).many.sign_of_life(now) {
                    screen.say(&[stamped(now).followed_by(line)]);
                }
            }
        });
    }
}

fn locked(printed: &Mutex<Printed>) -> MutexGuard<'_, Printed> {
    printed.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Printed {
    /// The lines of a command that are complete, or all that there is.
    fn lines(&mut self, task: &Task, bytes: &[u8], all: bool) -> Vec<Line> {
        let partial = self.partial.entry(task.clone()).or_default();
        partial.extend_from_slice(bytes);
        let end = partial.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let end = if all || partial.len() > LINE_BYTES { partial.len() } else { end };
        let complete: Vec<u8> = partial.drain(..end).collect();
        if partial.is_empty() {
            self.partial.remove(task);
        }
        let whose = if self.beside.contains(task) { format!("{task} ") } else { String::new() };
        let text = String::from_utf8_lossy(&complete).into_owned();
        let shown = text.lines().map(|line| {
            Line::plain("                        ").with(Ink::Plain, format!("{whose}| ")).with(Ink::Dim, line)
        });
        shown.collect()
    }
}

/// The line of a record; none where it says nothing to a person who follows.
pub(super) fn line(record: &Record, state: &RunState) -> Option<Line> {
    let (mark, ink) = match &record.event {
        Event::LeaseTaken { reason: LeaseReason::Start, .. } => return None,
        Event::RunStarted { .. }
        | Event::Inherited { .. }
        | Event::LeaseTaken { .. }
        | Event::Note { .. }
        | Event::Resumed { .. } => (" ", Ink::Plain),
        Event::Intent { task, .. }
            if state.step_of(task).is_some_and(|step| step.point_of_no_return) && !task.is_undo() =>
        {
            ("▲", Ink::Warn)
        }
        Event::Intent { .. } | Event::ReadAgain { .. } => ("·", Ink::Plain),
        Event::Outcome { task, report, .. } => match report.outcome {
            Outcome::Done if task.is_undo() => ("↩", Ink::Warn),
            Outcome::Done => ("✓", Ink::Good),
            Outcome::Unknown => ("?", Ink::Warn),
            Outcome::NoEffect | Outcome::Failed => ("✗", Ink::Bad),
        },
        Event::GroupEntered { .. } | Event::BatchBegan { .. } => ("·", Ink::Plain),
        Event::ItemFailed { .. } => ("✗", Ink::Bad),
        Event::StepSkipped { .. } => ("↷", Ink::Dim),
        Event::SkippedByPerson { .. } => ("↷", Ink::Warn),
        Event::StepRefused { .. } | Event::Verified { passed: false, .. } => ("✗", Ink::Bad),
        Event::Verified { .. } | Event::Approved { break_glass: false, .. } => ("✓", Ink::Good),
        Event::Checked { found, .. } if found.iter().all(|found| found.condition.held) => ("✓", Ink::Good),
        Event::Checked { .. } | Event::Rejected { .. } => ("✗", Ink::Bad),
        Event::CheckpointReached { .. } => ("⚑", Ink::Good),
        Event::RollbackStarted { .. } => ("↩", Ink::Warn),
        Event::Halted { .. } => ("■", Ink::Bad),
        Event::HaltLifted { .. } => ("✓", Ink::Good),
        Event::RunEnded { .. } => ("─", Ink::Bold),
        _ => ("?", Ink::Warn),
    };
    let text = timeline::entry(record, state).text;
    Some(stamped(record.time).with(ink, mark).with(ink, " ").with(ink, text))
}

/// A line that begins with a time.
pub(super) fn stamped(time: Time) -> Line {
    Line::new().with(Ink::Dim, time.rfc3339()).with(Ink::Plain, " ")
}

/// The line of a wait that nobody would see otherwise.
fn wait_line(decision: &Decision, now: Time) -> Option<Line> {
    let (text, wait) = match decision {
        Decision::Prepare { task, wait } => (format!("{task} is tried again"), *wait),
        Decision::Settle { task, wait } => (format!("what became of {task} is looked into"), *wait),
        Decision::BetweenBatches { task, batch, wait } => {
            let text =
                format!("  pause: batch {} of {task} begins at {}", batch + 1, now.plus_seconds(*wait).rfc3339());
            return (*wait > 0.05).then(|| stamped(now).with(Ink::Dim, text));
        }
        _ => return None,
    };
    (wait > 0.05).then(|| stamped(now).with(Ink::Dim, format!("  {text} in {}", format_seconds(wait))))
}

impl Observer for Plain {
    fn record(&self, record: &Record, state: &RunState) {
        let mut lines = Vec::new();
        let mut printed = self.printed();
        if let Event::Outcome { task, .. } | Event::Settled { task, .. } = &record.event {
            let last = printed.lines(task, b"", true);
            lines.extend(printed.many.keep(task, last).unwrap_or_default());
        }
        if let Event::Intent { task, .. } = &record.event
            && state.runs_beside_others(task)
        {
            printed.beside.insert(task.clone());
        }
        if let Event::Outcome { task, .. } = &record.event {
            printed.beside.remove(task);
        }
        match printed.many.take(record, state, line) {
            Some(counted) => lines.extend(counted),
            None => {
                if matches!(record.event, Event::RunEnded { .. }) {
                    lines.extend(printed.many.standing(state).map(|line| stamped(record.time).followed_by(line)));
                }
                lines.extend(line(record, state));
            }
        }
        if matches!(record.event, Event::GroupEntered { .. }) && !std::mem::replace(&mut printed.watched, true) {
            self.watch();
        }
        self.say(&mut printed, &lines);
    }

    fn decision(&self, decision: &Decision, state: &RunState) {
        let mut printed = self.printed();
        if decision.task().is_some_and(|task| task.item.is_some() && printed.many.has(state, &task.step)) {
            return;
        }
        if *decision == Decision::Halted {
            let text =
                format!("  stands still and goes on by itself once that is lifted: {}", self.paste.command(LIFT));
            // A command to paste is never broken.
            self.say(&mut printed, &[stamped(clock::now()).with(Ink::Bad, text)]);
        }
        if let Some(line) = wait_line(decision, clock::now()) {
            self.say(&mut printed, &[line]);
        }
    }

    fn output(&self, task: &Task, _stderr: bool, bytes: &[u8]) {
        let mut printed = self.printed();
        let lines = printed.lines(task, bytes, false);
        if let Some(lines) = printed.many.keep(task, lines) {
            self.say(&mut printed, &lines);
        }
    }
}

impl Reporter for Plain {
    fn interrupted(&self, times: u32) {
        self.screen.say(&[stamped(clock::now()).with(Ink::Warn, format!("  {}", interrupt_words(times)))]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::text::Look;
    use crate::cli::view::samples::{self, Story};

    fn shown(story: &Story) -> String {
        let look = Look { color: false, unicode: true, width: None };
        let mut state = RunState::begin(&samples::run_id(), &story.records[0]).unwrap();
        let mut text = String::new();
        for record in &story.records {
            if record.seq > 1 {
                state.apply(record).unwrap();
            }
            text.extend(line(record, &state).map(|line| line.render(&look) + "\n"));
        }
        text
    }

    #[test]
    fn a_success_in_plain_lines() {
        insta::assert_snapshot!(shown(&samples::succeeded()));
    }

    #[test]
    fn a_rollback_in_plain_lines() {
        insta::assert_snapshot!(shown(&samples::rolled_back()));
    }
}
