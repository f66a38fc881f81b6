//! The items of a large `for_each` off a terminal: a line a batch with its counts, one for each item that failed, at once
//! and with what it printed last, and a sign of life where nothing is said for long. Never a line for each that goes well.

use std::collections::{BTreeMap, VecDeque};

use crate::cli::text::{Ink, Line};
use crate::ids::StepId;
use crate::outcome::Outcome;
use crate::plan::Item;
use crate::playbook::Group;
use crate::run::{Event, Record, RunState, Settlement, Task, Time};
use crate::value::format_seconds;

use super::batches::{batch, batches_over};
use super::crowd::{Crowd, Crowds, group_of, steps_of};
use super::plain::stamped;

/// So many lines that a command printed last are told where it fails.
const LAST_LINES: usize = 5;
/// So many seconds may pass without a word.
pub const SILENCE: f64 = 30.0;

/// What was said of the crowds of a run.
#[derive(Default)]
pub struct Many {
    crowds: Crowds,
    /// Whether what was there before the first record that is shown is counted: a run may be gone on with.
    knows: bool,
    /// How many batches of each are told.
    told: BTreeMap<StepId, usize>,
    /// What those in hand printed last.
    printed: BTreeMap<Task, VecDeque<Line>>,
    /// The crowd that the run is with.
    with: Option<StepId>,
    /// When something was said last.
    said: Option<Time>,
    /// The newest sign of life, ready to be given: the run's state is not at hand when it is due.
    alive: String,
}

impl Many {
    /// Whether a task is one of a crowd: what it prints is kept, and its records are counted.
    pub fn has(&self, state: &RunState, step: &StepId) -> bool {
        group_of(state, step).is_some_and(|group| self.crowds.get(&group.id).is_some())
    }

    /// Keeps what a command of a crowd printed; what is left over is given back.
    pub fn keep(&mut self, task: &Task, lines: Vec<Line>) -> Option<Vec<Line>> {
        let Some(kept) = self.printed.get_mut(task) else { return Some(lines) };
        for line in lines {
            kept.push_back(line);
            if kept.len() > LAST_LINES {
                kept.pop_front();
            }
        }
        None
    }

    /// Takes a record. `None` where it is none of a crowd's and is told like any other; else the lines that it is worth,
    /// of which `line` makes the record's own.
    pub fn take(
        &mut self,
        record: &Record,
        state: &RunState,
        line: impl Fn(&Record, &RunState) -> Option<Line>,
    ) -> Option<Vec<Line>> {
        if std::mem::replace(&mut self.knows, true) {
            self.crowds.take(record, state);
        } else {
            self.crowds = Crowds::of(state);
            self.told =
                state.entered.iter().map(|(task, entered)| (task.step.clone(), batches_over(entered))).collect();
        }
        let (step, item) = crate::timeline::about(&record.event)?;
        let group = group_of(state, step)?;
        self.crowds.get(&group.id)?;
        self.with = Some(group.id.clone());
        if item.is_none() {
            // That a batch is over is told; the next one begins with it.
            return matches!(record.event, Event::BatchBegan { .. }).then(Vec::new);
        }
        let mut lines = Vec::new();
        match &record.event {
            Event::Intent { task, .. } => {
                self.printed.insert(task.clone(), VecDeque::new());
            }
            Event::Outcome { task, report, .. } if report.outcome == Outcome::Done => {
                self.printed.remove(task);
            }
            Event::Outcome { task, report, .. } => {
                let kept = self.printed.remove(task).unwrap_or_default();
                // That the item failed is told by a record of its own, unless it is an undo or not known.
                if task.is_undo() || report.outcome == Outcome::Unknown {
                    lines.extend(line(record, state));
                }
                lines.extend(kept);
            }
            Event::Settled { settlement: Settlement::Ended { report }, .. } if report.outcome == Outcome::Done => {}
            Event::StepSkipped { .. } | Event::Verified { passed: true, .. } => {}
            Event::StepRefused { .. } | Event::Verified { passed: false, .. } => {}
            Event::Checked { found, .. } if found.iter().all(|found| found.condition.held) => {}
            _ => lines.extend(line(record, state)),
        }
        lines.extend(self.batch_line(record, state, group));
        Some(lines)
    }

    /// The line of a batch that has come to its end with this record.
    fn batch_line(&mut self, record: &Record, state: &RunState, group: &Group) -> Option<Line> {
        let crowd = self.crowds.get(&group.id)?;
        let entered = state.entered.get(&crowd.task)?;
        let over = batches_over(entered);
        let told = self.told.get(&group.id).copied().unwrap_or(0);
        self.alive = alive(crowd, state);
        if over <= told || state.rollback.is_some() {
            return None;
        }
        self.told.insert(group.id.clone(), over);
        let of = batch(entered).of;
        let begun = began(state, group, entered.batch(over - 1)).unwrap_or(record.time);
        let taken = format_seconds(record.time.seconds_since(begun).max(0.0));
        let text = format!("{}: batch {over} of {of} is over in {taken}; {}", group.id, crowd.words());
        let (mark, ink) = if crowd.counts.failed > 0 { ("·", Ink::Warn) } else { ("✓", Ink::Good) };
        Some(stamped(record.time).with(ink, mark).with(ink, " ").with(ink, text))
    }

    /// Something was said.
    pub fn spoke(&mut self, now: Time) {
        self.said = Some(now);
    }

    /// How a crowd stands that was undone: of that no batch is told.
    pub fn standing(&self, state: &RunState) -> Option<Line> {
        let crowd = self.crowds.get(self.with.as_ref()?)?;
        let text = format!("  {}: {}", crowd.task, crowd.words());
        state.rollback.is_some().then(|| Line::new().with(Ink::Warn, text))
    }

    /// A sign of life, where nothing was said for long although something is in hand.
    pub fn sign_of_life(&mut self, now: Time) -> Option<Line> {
        let crowd = self.crowds.get(self.with.as_ref()?)?;
        let silent = now.seconds_since(self.said?) >= SILENCE;
        if !silent || crowd.counts.in_hand == 0 {
            return None;
        }
        let (slowest, since) = crowd.in_hand().next()?;
        let long = format_seconds(now.seconds_since(since).max(0.0));
        let text = format!("  {}, {slowest} for {long}", self.alive);
        self.said = Some(now);
        Some(Line::new().with(Ink::Dim, text))
    }
}

/// When the first of some items was begun: the pause before them is no part of their time.
fn began(state: &RunState, group: &Group, items: &[Item]) -> Option<Time> {
    let tasks = items.iter().flat_map(|item| steps_of(state, group).map(|step| Task::at(&step.id, Some(&item.id))));
    tasks.filter_map(|task| state.tasks.get(&task)).map(|doing| doing.started).min()
}

fn alive(crowd: &Crowd, state: &RunState) -> String {
    let entered = state.entered.get(&crowd.task).filter(|_| state.rollback.is_none());
    let batch = entered.map(batch).map(|batch| format!("batch {} of {}, ", batch.number, batch.of));
    format!("{}: {}{}", crowd.task, batch.unwrap_or_default(), crowd.words())
}
