//! One picture of a run on a terminal: a pure function of what is known, the time, and the size of the window.

use std::collections::BTreeMap;

use crate::cli::clock;
use crate::cli::paste::Paste;
use crate::cli::text::{Ink, Line, shorten, wrap};
use crate::cli::view::{answers, approval, end, halted};
use crate::cli::visible;
use crate::run::{QuestionKind, RunState, Task, Time};
use crate::value::format_seconds;

use super::block::Block;
use super::crowd::{FEW, group_of};
use super::entries::{Entry, entries};
use super::header::header;
use super::mirror::Mirror;
use super::rows::Row;

const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/// What is known beyond the run's state.
#[derive(Debug, Clone, Default)]
pub struct Scene {
    /// The run, as far as it is told here.
    pub run: Mirror,
    /// The step whose target is looked at for the plan.
    pub planning: Option<String>,
    /// How many targets were looked at for it.
    pub looks: usize,
    /// The tasks that are about to be begun, looked into or checked.
    pub current: BTreeMap<Task, Hint>,
    /// The last line that each command under way printed.
    pub said: BTreeMap<Task, String>,
    /// Something to say until the end.
    pub notice: Option<&'static str>,
    /// How commands are printed.
    pub paste: Paste,
    /// Which picture of the spinner.
    pub turn: usize,
}

/// What is about to be done with a task.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hint {
    /// In words.
    pub words: &'static str,
    /// Until when nothing happens.
    pub until: Option<Time>,
}

impl Hint {
    /// How long it is until then, if it is not over.
    fn left(&self, now: Time) -> Option<f64> {
        self.until.map(|until| until.seconds_since(now)).filter(|left| *left > 0.0)
    }

    /// In words, with the time that is left.
    pub fn words_at(&self, now: Time) -> String {
        match self.left(now) {
            Some(left) => format!("{} in {}", self.words, format_seconds(left)),
            None => self.words.to_owned(),
        }
    }
}

/// The size of the window.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub rows: usize,
}

impl Scene {
    /// The picture.
    pub fn lines(&self, now: Time, window: Window) -> Vec<Line> {
        let spin = SPINNER[self.turn % SPINNER.len()];
        let Some(state) = &self.run.state else {
            let what = self.planning.as_deref().unwrap_or("the targets");
            // With a thousand hosts that takes a while, and it is seen that it goes on.
            let looks = if self.looks > FEW { format!(" ({} looks so far)", self.looks) } else { String::new() };
            let text = format!(" looking at {what}, read-only{looks}");
            return vec![Line::new().with(Ink::Warn, spin).with(Ink::Plain, text)];
        };
        let mut head = header(state, now, window.width);
        let foot = self.foot(state, now, window.width);
        let room = window.rows.saturating_sub(head.len() + foot.len() + 1).max(3);
        let (mut body, current) = self.body(state, now, Window { width: window.width, rows: room }, spin);
        scroll(&mut body, current, room);
        head.extend(body);
        head.extend(foot);
        head
    }

    /// The lines of the steps, and which of them is in hand.
    fn body(&self, state: &RunState, now: Time, room: Window, spin: &str) -> (Vec<Line>, usize) {
        let mut lines = Vec::new();
        let mut current = 0;
        let width = room.width;
        let entries = entries(state, &self.run.crowds, now);
        let column = title_column(&entries, width);
        let alone = state.in_flight().count() == 1;
        // What is left beside the lines of the steps; a block needs a few in any window.
        let plain = entries.len() + entries.iter().filter(|e| e.gate.is_some()).count();
        let plain = plain + entries.iter().filter(|e| e.checkpoint.is_some()).count();
        let mut left = room.rows.saturating_sub(plain).max(room.rows / 2);
        for mut entry in entries {
            if let Some(crossed) = entry.gate {
                let words = if crossed { "point of no return, crossed" } else { "point of no return" };
                lines
                    .push(Line::plain(" ").with(if crossed { Ink::Warn } else { Ink::Dim }, format!("▲── {words} ──")));
            }
            let ours = self.hint_of(&entry).filter(|_| state.ended.is_none());
            if let Some(hint) = ours.filter(|_| !entry.row.mark.moves() || entry.row.message.is_empty()) {
                current = lines.len();
                hinted(&mut entry.row, hint, now);
            }
            let moves = entry.row.mark.moves();
            if moves {
                current = lines.len();
            }
            let counts = Line::plain(" ".repeat(3 + 2 * entry.depth)).with(Ink::Dim, &entry.row.message);
            let apart = entry.crowded && moves && column + 11 + Line::plain(&entry.row.message).width() > width;
            if apart {
                entry.row.message.clear();
            }
            lines.push(step_line(&entry, column, spin, ours.is_some()));
            if apart {
                lines.push(counts);
                left = left.saturating_sub(1);
            }
            if entry.crowded {
                let block = self.block(state, &entry, now, width, left, spin);
                left = left.saturating_sub(block.len());
                lines.extend(block);
            } else if moves && alone && is_in_flight(state, &entry) {
                let said = self.said.iter().find(|(task, _)| task.doing() == entry.task);
                lines.extend(said.map(|(_, said)| Line::plain("     ").with(Ink::Dim, said)));
            }
            if let Some((name, reached)) = &entry.checkpoint {
                let ink = if *reached { Ink::Good } else { Ink::Dim };
                lines.push(Line::plain("   ").with(ink, format!("⚑ checkpoint {name}")));
            }
        }
        (lines, current)
    }

    /// What is about to be done with the task of a line.
    fn hint_of(&self, entry: &Entry) -> Option<&Hint> {
        if entry.crowded {
            return None;
        }
        let own = self.current.get(&entry.task);
        own.or_else(|| self.current.iter().find(|(task, _)| task.doing() == entry.task).map(|(_, hint)| hint))
    }

    /// The block below the line of a group with many items.
    fn block(&self, state: &RunState, entry: &Entry, now: Time, width: usize, room: usize, spin: &str) -> Vec<Line> {
        let found = group_of(state, &entry.task.step).zip(self.run.crowds.get(&entry.task.step));
        let Some((group, crowd)) = found else { return Vec::new() };
        let rest = self.paste.command(format!("status {}", state.run));
        let block = Block { state, group, crowd, current: &self.current, said: &self.said, rest, now };
        block.lines(3 + 2 * entry.depth, width, room, spin)
    }

    fn foot(&self, state: &RunState, now: Time, width: usize) -> Vec<Line> {
        let mut lines = Vec::new();
        if let Some(question) = state.question.as_ref().filter(|_| state.ended.is_none()) {
            lines.push(Line::new());
            let text =
                match state.brakes.approvals.get(&question.task).filter(|_| question.kind == QuestionKind::Approval) {
                    Some(approving) => {
                        format!("it wants {}: {}", approval::wanted(approving), visible::line(&question.message))
                    }
                    None => format!("a person is needed: {}", visible::line(&question.message)),
                };
            let ink = |line: String| Line::plain("   ").with(Ink::Warn, line);
            lines.extend(wrap(&text, width.saturating_sub(3)).into_iter().take(4).map(ink));
            if let Some(deadline) = question.deadline {
                let left = format_seconds(deadline.seconds_since(now));
                lines.push(
                    Line::plain("   ").with(
                        Ink::Warn,
                        format!("without an answer in {left} {}", end::default_words(state, question)),
                    ),
                );
            }
            for choice in answers::choices(state, question).iter().take(3) {
                lines.push(Line::plain("   ").with(Ink::Dim, end::resolve(state, question, choice.flag, &self.paste)));
            }
        }
        if let Some(halt) = state.halted.as_ref().filter(|_| state.ended.is_none()) {
            lines.push(Line::new());
            let room = width.saturating_sub(3);
            let ink = |line: String| Line::plain("   ").with(Ink::Bad, line);
            lines.extend(wrap(&halted::sentence(halt, now), room).into_iter().take(4).map(ink));
            let words = if state.despite_halt { "it is undone all the same; to lift the halt:" } else { "to lift it:" };
            lines.push(Line::plain("   ").with(Ink::Warn, words));
            lines.push(Line::plain("   ").with(Ink::Plain, self.paste.command(halted::LIFT)));
        }
        if let Some(notice) = self.notice {
            lines.push(Line::plain(" ").with(Ink::Warn, notice));
        }
        lines
    }
}

/// What is about to be done with a step, in its row.
fn hinted(row: &mut Row, hint: &Hint, now: Time) {
    match hint.left(now) {
        Some(_) => row.message = format!("{}; {}", hint.words_at(now), row.message),
        None if row.message.is_empty() => row.message = hint.words.to_owned(),
        None => {}
    }
}

/// Where the times begin: titles get up to half of the window.
fn title_column(entries: &[Entry], width: usize) -> usize {
    let long = |entry: &Entry| Line::plain(&entry.title).width() + 2 * entry.depth;
    let longest = entries.iter().map(long).max().unwrap_or(0);
    let room = if width < 60 { width.saturating_sub(13) } else { width / 2 };
    3 + longest.min(room.max(8))
}

/// Whether it is what the run is doing now.
fn is_in_flight(state: &RunState, entry: &Entry) -> bool {
    state.in_flight().any(|(task, _)| task.doing() == entry.task)
}

fn step_line(entry: &Entry, column: usize, spin: &str, in_hand: bool) -> Line {
    let row = &entry.row;
    let (mut glyph, ink) = row.mark.glyph();
    let mut ink = ink;
    if row.mark.moves() || (in_hand && row.mark == super::Mark::Pending) {
        glyph = spin;
        ink = Ink::Warn;
    }
    let indent = 2 * entry.depth;
    let title = shorten(&visible::line(&entry.title), column.saturating_sub(3 + indent));
    let title_ink = match row.mark {
        super::Mark::Pending if !in_hand => Ink::Dim,
        super::Mark::Skipped => Ink::Dim,
        _ => Ink::Plain,
    };
    let line = Line::plain(" ".repeat(1 + indent)).with(ink, glyph).with(Ink::Plain, " ").with(title_ink, title);
    let line = match row.seconds {
        Some(seconds) => line.pad_to(column).with(Ink::Plain, format!("{:>9}", format_seconds(seconds))),
        None => line,
    };
    if row.message.is_empty() {
        return line;
    }
    let message_ink = if matches!(row.mark, super::Mark::Failed | super::Mark::Unknown) { ink } else { Ink::Dim };
    line.pad_to(column + 9).with(Ink::Plain, "  ").with(message_ink, &row.message)
}

/// Where not everything fits, what is in hand stays in the picture.
fn scroll(lines: &mut Vec<Line>, current: usize, room: usize) {
    if lines.len() <= room {
        return;
    }
    let total = lines.len();
    let first = current.saturating_sub(room / 2).min(total - room);
    let last = first + room;
    let mut shown: Vec<Line> = lines.drain(first..last).collect();
    let more = |number: usize| Line::new().with(Ink::Dim, format!("   … {number} more"));
    if let Some(line) = shown.first_mut().filter(|_| first > 0) {
        *line = more(first + 1);
    }
    if let Some(line) = shown.last_mut().filter(|_| last < total) {
        *line = more(total - last + 1);
    }
    *lines = shown;
}

/// The picture that stays: every step, whatever the window's size.
pub fn last(scene: &Scene) -> Vec<Line> {
    let now = scene.run.state.as_ref().and_then(|state| state.ended.as_ref()).map_or_else(clock::now, |(_, at, _)| *at);
    let width = crate::cli::screen::terminal_width();
    scene.lines(now, Window { width, rows: usize::MAX / 2 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::text::Look;
    use crate::cli::view::samples::{self, Story};

    fn shown(scene: &Scene, now: Time, width: usize, rows: usize) -> String {
        let look = Look { color: false, unicode: true, width: Some(width) };
        let lines = scene.lines(now, Window { width, rows });
        assert!(lines.len() < rows, "{} lines in {rows} rows", lines.len());
        lines.iter().map(|line| line.render(&look) + "\n").collect()
    }

    fn scene(story: &Story) -> Scene {
        Scene { run: Mirror::of(story.state.clone()), ..Scene::default() }
    }

    fn middle() -> Story {
        let mut story = Story::begin();
        story
            .done("roles", "pg1 is primary, pg2 follows it")
            .done("hold", "pg1 takes no new sessions")
            .intent("promote");
        story
    }

    #[test]
    fn a_run_in_the_middle_at_80_columns() {
        let story = middle();
        let said = BTreeMap::from([("promote".parse().unwrap(), "waiting for\x1b[2J promotion".to_owned())]);
        let scene = Scene { said, ..scene(&story) };
        insta::assert_snapshot!(shown(&scene, story.now(), 80, 24));
    }

    #[test]
    fn the_same_at_40_columns() {
        let story = middle();
        insta::assert_snapshot!(shown(&scene(&story), story.now(), 40, 24));
    }

    #[test]
    fn a_question_with_its_answers() {
        let story = samples::waiting();
        insta::assert_snapshot!(shown(&scene(&story), story.now(), 80, 24));
    }

    #[test]
    fn after_a_rollback() {
        let story = samples::rolled_back();
        insta::assert_snapshot!(shown(&scene(&story), story.now(), 80, 24));
    }

    #[test]
    fn in_a_low_window_the_step_in_hand_stays_in_the_picture() {
        let story = middle();
        let text = shown(&scene(&story), story.now(), 80, 7);
        assert!(text.contains("Promote the standby"), "{text}");
        assert!(text.contains("more"), "{text}");
    }

    #[test]
    fn a_wait_before_a_retry_counts_down() {
        let mut story = Story::begin();
        story.intent("roles").outcome("roles", 1.0, crate::outcome::Report::no_effect("pg1 does not answer"));
        let now = story.now();
        let hint = Hint { words: "tried again", until: Some(now.plus_seconds(3.0)) };
        let current = BTreeMap::from([("roles".parse().unwrap(), hint)]);
        let text = shown(&Scene { current, ..scene(&story) }, now, 120, 24);
        assert!(text.contains("tried again in 3.0 s; pg1 does not answer"), "{text}");
    }

    #[test]
    fn a_thousand_hosts_on_a_small_terminal() {
        let story = samples::crowded();
        let said = BTreeMap::from([("kernel@web0413".parse().unwrap(), "读取\x1b[31m版本".to_owned())]);
        let scene = Scene { said, ..scene(&story) };
        insta::assert_snapshot!(shown(&scene, story.now(), 79, 23));
        let narrow = shown(&scene, story.now(), 40, 12);
        assert!(narrow.contains("web0007") && narrow.contains("410 of 1000 done"), "both stay: {narrow}");
    }

    #[test]
    fn a_thousand_hosts_on_a_large_terminal_without_colours_and_with_them() {
        let story = samples::crowded();
        insta::assert_snapshot!(shown(&scene(&story), story.now(), 159, 49));
        let lines = scene(&story).lines(story.now(), Window { width: 79, rows: 23 });
        let coloured = lines.iter().map(|line| line.render(&Look { color: true, unicode: true, width: Some(79) }));
        assert!(coloured.into_iter().any(|line| line.contains("\x1b[1;31m━")), "what failed is red in the bar");
    }
}
