//! What a run changed, and whether it stands: as each step reported it, not as it was foreseen. What was done for many items
//! is counted, as what became of each is told of the items.

use std::collections::BTreeMap;

use crate::cli::text::{Ink, Line, wrap};
use crate::cli::visible;
use crate::ids::StepId;
use crate::run::{RunState, Status, Task, TaskState};

use super::{heading, items};

/// What was changed, and whether it stands: as each step reported it, not as it was foreseen.
pub fn lines(state: &RunState, width: usize) -> Vec<Line> {
    let changing = |task: &&Task| state.playbook().step(&task.step).is_some_and(|step| step.effect.changes());
    let steps = state.order.iter().filter(changing).filter_map(|task| Some((task, state.doing(task)?)));
    let mut touched: Vec<(&Task, &TaskState)> =
        steps.filter(|(task, doing)| doing.may_have_effect() || state.is_undone(task)).collect();
    // What people did instead of the run is no less of a change.
    let by_hand = state.tasks.iter().filter(|(task, _)| state.is_done_by_hand(task) && changing(task));
    touched.extend(by_hand.filter(|(task, _)| !task.is_undo() && !state.order.contains(task)));
    if touched.is_empty() {
        return Vec::new();
    }
    let told = alike(state, &touched);
    let column = told.iter().map(|told| told.name().chars().count()).max().unwrap_or(0) + 6;
    let mut lines = vec![heading("What was changed")];
    for told in told {
        let text = told.text();
        let clean = visible::line(&text);
        let mut texts = wrap(&clean, width.saturating_sub(column)).into_iter();
        let head = Line::plain("  ").with(told.ink, told.mark).with(Ink::Plain, format!(" {}", told.name()));
        lines.push(head.pad_to(column).with(Ink::Plain, texts.next().unwrap_or_default()));
        lines.extend(texts.map(|text| Line::new().pad_to(column).with(Ink::Plain, text)));
    }
    lines.push(Line::new());
    lines
}

/// What was done in one or, of a `for_each`, for several items, of which the same is to be said.
struct Told<'a> {
    tasks: Vec<&'a Task>,
    mark: &'static str,
    ink: Ink,
    text: String,
    /// Whether its items are told below, and only counted here.
    counted: bool,
}

impl Told<'_> {
    fn name(&self) -> String {
        match self.tasks.as_slice() {
            // Which they are is told of each item below.
            [first, ..] if self.counted => first.step.to_string(),
            tasks => tasks.iter().map(|task| task.to_string()).collect(),
        }
    }

    fn text(&self) -> String {
        let count = match (self.counted, self.tasks.len()) {
            (true, 1) => "for 1 item",
            (true, many) => &format!("for {many} items"),
            (false, _) => "",
        };
        [count, &self.text].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(": ")
    }
}

/// Of a step with many items those that stand the same way are counted in one line: what became of each is told below.
fn alike<'a>(state: &RunState, touched: &[(&'a Task, &TaskState)]) -> Vec<Told<'a>> {
    let mut list: Vec<Told<'a>> = Vec::new();
    let mut known: BTreeMap<(&StepId, &str), usize> = BTreeMap::new();
    for (task, doing) in touched {
        let (mark, ink, word) = standing(state, task, doing);
        if task.item.is_some() && items::tells(state, &task.step) {
            let place = *known.entry((&task.step, word)).or_insert_with(|| {
                list.push(Told { tasks: Vec::new(), mark, ink, text: word.to_owned(), counted: true });
                list.len() - 1
            });
            if let Some(told) = list.get_mut(place) {
                told.tasks.push(task);
            }
            continue;
        }
        let undo = failed_undo(state, task).map(TaskState::message);
        let message = if state.is_undone(task) { "" } else { undo.unwrap_or(doing.message()) };
        let text = [word, message].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(": ");
        list.push(Told { tasks: vec![task], mark, ink, text, counted: false });
    }
    list
}

/// The part of the undo of what a task did that failed, or that could not even be begun (a host that does not answer).
pub fn failed_undo<'a>(state: &'a RunState, task: &Task) -> Option<&'a TaskState> {
    let parts = state.playbook().step(&task.step).map_or(0, RunState::undo_parts);
    let mut undos = (0..parts).filter_map(|part| state.tasks.get(&task.undo(part)));
    let in_trouble =
        |undo: &TaskState| matches!(undo.status, Status::Failed { .. } | Status::Doubtful | Status::NoEffect { .. });
    undos.find(|undo| !undo.passed && in_trouble(undo))
}

/// Whether what a step did stands: a mark and words.
pub fn standing(state: &RunState, task: &Task, doing: &TaskState) -> (&'static str, Ink, &'static str) {
    match doing.status {
        _ if state.is_undone(task) && state.needs_no_undo(task).is_some() => {
            ("✓", Ink::Warn, "stands: a person said that it needs no undo")
        }
        _ if state.is_undone(task) => ("↩", Ink::Dim, "undone"),
        _ if failed_undo(state, task).is_some() => ("✗", Ink::Bad, "its undo failed"),
        Status::Done if doing.verified == Some(false) => ("✗", Ink::Bad, "done, but what must hold after it does not"),
        Status::Done => ("✓", Ink::Good, ""),
        Status::Unknown | Status::Doubtful => ("?", Ink::Warn, "not known whether it took effect"),
        Status::InFlight => ("?", Ink::Warn, "under way"),
        Status::Failed { .. } => ("✗", Ink::Bad, "failed; part of it may have happened"),
        Status::Ready | Status::NoEffect { .. } => ("?", Ink::Warn, "an earlier try may have changed something"),
    }
}
