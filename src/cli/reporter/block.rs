//! The block of a `for_each` with many items: a bar, the batch, the slowest in hand by name and the failed by name, in so
//! many lines as there is room for. Pure.

use std::collections::BTreeMap;

use crate::cli::text::{Ink, Line, shorten};
use crate::cli::visible;
use crate::ids::ItemId;
use crate::playbook::Group;
use crate::run::{RunState, Task, Time};
use crate::value::format_seconds;

use super::batches::{batch, pause_left, pause_words};
use super::crowd::{Crowd, steps_of};
use super::frame::Hint;

/// So many that failed are named on the screen; the others are found by `status`.
const FAILED: usize = 6;
/// So many in hand are named.
const IN_HAND: usize = 8;
/// The widest bar.
const BAR: usize = 40;

/// What a block is made from.
pub struct Block<'a> {
    /// The run.
    pub state: &'a RunState,
    /// The group.
    pub group: &'a Group,
    /// Its items, counted.
    pub crowd: &'a Crowd,
    /// What is about to be begun, looked into or checked.
    pub current: &'a BTreeMap<Task, Hint>,
    /// The last line that each command printed.
    pub said: &'a BTreeMap<Task, String>,
    /// The command that shows the rest.
    pub rest: String,
    /// Now.
    pub now: Time,
}

impl Block<'_> {
    /// The lines: at most `room` of them, and none where nothing is in hand and nothing failed.
    pub fn lines(&self, indent: usize, width: usize, room: usize, spin: &str) -> Vec<Line> {
        let counts = self.crowd.counts;
        let active = counts.in_hand > 0 || counts.waiting > 0 && self.crowd.since.is_some();
        if room == 0 || !active && counts.failed == 0 {
            return Vec::new();
        }
        let mut lines = Vec::new();
        if active && self.state.ended.is_none() {
            lines.push(self.bar(indent, width));
        }
        let left = room.saturating_sub(lines.len());
        let (in_hand, failed) = shares(left, counts.in_hand, counts.failed);
        lines.extend(self.in_hand(indent, in_hand, spin));
        lines.extend(self.failed(indent, width, failed));
        lines
    }

    fn bar(&self, indent: usize, width: usize) -> Line {
        let (all, counts) = (self.crowd.all.max(1), self.crowd.counts);
        let over = counts.done + counts.skipped + counts.undone + counts.failed;
        let mut words = format!("  {:>3} %", over * 100 / all);
        let entered = self.state.entered.get(&self.crowd.task);
        if let Some(entered) = entered.filter(|_| self.state.rollback.is_none()) {
            words.push_str(&format!("  {}", batch(entered).words()));
            let pause = self.group.each().map_or(0.0, |each| each.pause);
            let may = (entered.max_failures as usize).saturating_sub(counts.failed);
            match pause_left(entered, pause, self.now).filter(|_| counts.in_hand == 0) {
                Some(left) => words.push_str(&format!(", {}", pause_words(left))),
                None if may > 0 => words.push_str(&format!(", {may} more may fail")),
                None => {}
            }
        }
        // The words are worth more than a long bar.
        let long = BAR.min(width.saturating_sub(indent + words.len())).max(8);
        let part = |count: usize| count * long / all;
        // One that failed is seen, however many there are.
        let bad = part(counts.failed).max(usize::from(counts.failed > 0)).min(long);
        let good = part(over).saturating_sub(bad);
        let hand = part(over + counts.in_hand).saturating_sub(good + bad);
        let rest = long.saturating_sub(good + bad + hand);
        Line::plain(" ".repeat(indent))
            .with(Ink::Good, "━".repeat(good))
            .with(Ink::Bad, "━".repeat(bad))
            .with(Ink::Warn, "╍".repeat(hand))
            .with(Ink::Dim, "─".repeat(rest))
            .with(Ink::Plain, words)
    }

    /// The slowest of those in hand.
    fn in_hand(&self, indent: usize, most: usize, spin: &str) -> Vec<Line> {
        let shown: Vec<(&ItemId, Time)> = self.crowd.in_hand().take(most).collect();
        let column = shown.iter().map(|(item, _)| item.as_str().len()).max().unwrap_or(0).min(40) + indent + 3;
        let mut lines: Vec<Line> = Vec::new();
        for (item, since) in &shown {
            let time = format_seconds(self.now.seconds_since(*since).max(0.0));
            let line = Line::plain(" ".repeat(indent)).with(Ink::Warn, spin).with(Ink::Plain, format!(" {item}"));
            let line = line.pad_to(column).with(Ink::Plain, format!("{time:>8}  "));
            lines.push(line.with(Ink::Dim, self.newest(item)));
        }
        lines
    }

    /// The newest word about an item in hand: which step, and what it printed last.
    fn newest(&self, item: &ItemId) -> String {
        let tasks: Vec<Task> = steps_of(self.state, self.group).map(|step| Task::at(&step.id, Some(item))).collect();
        let undo = |task: &Task| (0..2).map(|part| task.undo(part)).find(|undo| self.state.tasks.contains_key(undo));
        let undone = tasks.iter().find_map(undo);
        let known = |task: &&Task| self.state.tasks.contains_key(task) || self.current.contains_key(*task);
        let Some(task) = undone.as_ref().or_else(|| tasks.iter().rfind(known)) else { return String::new() };
        let many = tasks.len() > 1 || task.is_undo();
        let step = match (many, task.is_undo()) {
            (false, _) => String::new(),
            (true, false) => format!("{}: ", task.step.local()),
            (true, true) => format!("undo of {}: ", task.step.local()),
        };
        let said = self.said.get(task).map(String::as_str);
        let hint = self.current.get(task).map(|hint| hint.words_at(self.now));
        let message = || self.state.tasks.get(task).map(|known| known.message().to_owned());
        let words = match (hint, said) {
            (Some(hint), _) => hint,
            (None, Some(said)) => said.to_owned(),
            (None, None) => message().unwrap_or_default(),
        };
        format!("{step}{words}").trim_end_matches([':', ' ']).to_owned()
    }

    fn failed(&self, indent: usize, width: usize, most: usize) -> Vec<Line> {
        let entered = self.state.entered.get(&self.crowd.task);
        let all = self.crowd.counts.failed;
        // The line that says how many more there are takes the place of one of them.
        let named = if all > most { most.saturating_sub(1) } else { most };
        let shown: Vec<&ItemId> = self.crowd.failed().take(named).collect();
        let column = shown.iter().map(|item| item.as_str().len()).max().unwrap_or(0).min(40) + indent + 4;
        let mut lines: Vec<Line> = Vec::new();
        for item in &shown {
            let because = entered.and_then(|entered| entered.failed.get(*item)).map_or("", String::as_str);
            let text = visible::line(&reason(self.state, self.group, item, because)).into_owned();
            let line = Line::plain(" ".repeat(indent)).with(Ink::Bad, "✗").with(Ink::Plain, format!(" {item}"));
            lines.push(line.pad_to(column).with(Ink::Bad, shorten(&text, width.saturating_sub(column))));
        }
        if all > named && most > 0 {
            let more = format!("{} more failed: {}", all - shown.len(), self.rest);
            let more = if shown.is_empty() { more.replacen(" more", "", 1) } else { format!("and {more}") };
            lines.push(Line::plain(" ".repeat(indent)).with(Ink::Bad, more));
        }
        lines
    }
}

/// How many lines those in hand get and how many those that failed: a failure is never pushed out by what goes well.
fn shares(room: usize, in_hand: usize, failed: usize) -> (usize, usize) {
    let (in_hand, failed) = (in_hand.min(IN_HAND), failed.min(FAILED));
    let for_failed = failed.min(room.div_ceil(2).max(room.saturating_sub(in_hand)));
    (in_hand.min(room - for_failed), for_failed)
}

/// Why an item failed, without what stands beside it anyway: its own name.
pub fn reason(state: &RunState, group: &Group, item: &ItemId, because: &str) -> String {
    for step in steps_of(state, group) {
        let task = Task::at(&step.id, Some(item)).to_string();
        if let Some(rest) = because.strip_prefix(&task) {
            let rest = rest.trim_start();
            let rest = rest.strip_prefix("failed: ").unwrap_or(rest);
            return if group.count > 1 { format!("{}: {rest}", step.id.local()) } else { rest.to_owned() };
        }
    }
    because.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_not_pushed_out_of_a_low_window() {
        assert_eq!(shares(10, 50, 0), (8, 0));
        assert_eq!(shares(10, 50, 3), (7, 3));
        assert_eq!(shares(4, 50, 200), (2, 2));
        assert_eq!(shares(1, 50, 200), (0, 1));
        assert_eq!(shares(20, 2, 200), (2, 6));
        assert_eq!(shares(0, 50, 200), (0, 0));
    }
}
