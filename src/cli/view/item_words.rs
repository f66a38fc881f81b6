//! What one item of a `for_each` said, and what stands on it: for the summary, which tells items together that say the same.

use crate::cli::reporter::{reason, steps_of};
use crate::ids::ItemId;
use crate::outcome::{CommandOutput, Outcome, Stream};
use crate::playbook::{Group, Step};
use crate::run::{RunState, Task, TaskState};
use crate::value::format_size;

use super::changed;

/// So many lines of what one printed are shown.
const LINES: usize = 4;
/// So many columns of one of these.
const COLUMNS: usize = 300;

/// What one step said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Which; nothing where there is one step alone.
    pub step: String,
    /// What it said.
    pub text: String,
    /// How much more there is.
    pub more: String,
}

impl Said {
    /// A sentence of ours, or of an action.
    pub fn sentence(step: &str, text: String) -> (Self, String) {
        (Self { step: step.to_owned(), text: text.clone(), more: String::new() }, text)
    }
}

/// What the steps said of an item, each with what two of them are compared by. Of one that failed it is why it did, and of one
/// that cannot be put back, why not: nothing else is worth reading then.
pub fn said(
    state: &RunState,
    group: &Group,
    item: &ItemId,
    because: Option<&str>,
    change: &dyn Fn(&str) -> String,
) -> Vec<(Said, String)> {
    let mut all = Vec::new();
    all.extend(because.map(|because| Said::sentence("", change(&reason(state, group, item, because)))));
    for step in steps_of(state, group) {
        let undo = changed::failed_undo(state, &Task::at(&step.id, Some(item)));
        let word = format!("undo of {}", step.id.local());
        all.extend(undo.map(|undo| Said::sentence(&word, change(undo.message()))));
    }
    if all.is_empty() {
        all.extend(steps_of(state, group).filter_map(|step| of_step(state, group, step, item, change)));
    }
    all
}

fn of_step(
    state: &RunState,
    group: &Group,
    step: &Step,
    item: &ItemId,
    change: &dyn Fn(&str) -> String,
) -> Option<(Said, String)> {
    let report = state.tasks.get(&Task::at(&step.id, Some(item)))?.report.as_ref()?;
    let name = if group.count > 1 { step.id.local().to_owned() } else { String::new() };
    let (text, more, rest) = match report.printed() {
        Some(output) if report.outcome == Outcome::Done => printed(&output),
        _ => (report.message.clone(), String::new(), String::new()),
    };
    if text.is_empty() && rest.is_empty() {
        return None;
    }
    let text = change(&text);
    let key = format!("{text}\n{}", change(&rest));
    Some((Said { step: name, text, more }, key))
}

/// What a command printed: what is shown of it, how much more there is, and the whole to be compared.
fn printed(output: &CommandOutput) -> (String, String, String) {
    let stream = if output.stdout.text.trim().is_empty() { &output.stderr } else { &output.stdout };
    let all: Vec<&str> = stream.text.trim_end().lines().collect();
    let shown: Vec<String> = all.iter().take(LINES).map(|line| line.chars().take(COLUMNS).collect()).collect();
    let cut = all.len() > LINES || all.iter().take(LINES).any(|line| line.chars().count() > COLUMNS);
    let more =
        if cut || stream.truncated { format!("… {} in all", format_size(size(stream))) } else { String::new() };
    // Where not all of it is here, its digest says whether it is the same.
    let digest = if stream.truncated { stream.sha256.as_str() } else { "" };
    // The mark of a name that is left out is ours.
    (shown.join("\n").replace('\0', "\u{2400}"), more, format!("{}{}{digest}", output.stdout.text, output.stderr.text))
}

fn size(stream: &Stream) -> i64 {
    i64::try_from(stream.bytes).unwrap_or(i64::MAX)
}

/// What stands on an item that did not come to its end, what of it is undone again, and what was not done.
pub fn stands(state: &RunState, group: &Group, item: &ItemId, is_half_done: bool) -> String {
    let (mut stands, mut undone, mut open) = (Vec::new(), Vec::new(), Vec::new());
    for step in steps_of(state, group) {
        let (task, name) = (Task::at(&step.id, Some(item)), step.id.local());
        if !state.is_passed_for(&task) {
            open.push(name);
        }
        let doing = state.tasks.get(&task).filter(|doing| step.effect.changes() && doing.may_have_effect());
        match doing {
            Some(_) if state.is_undone(&task) && state.needs_no_undo(&task).is_none() => undone.push(name),
            Some(doing) => stands.push(format!("{name} ({})", standing(state, &task, doing))),
            None => {}
        }
    }
    let mut said = match (stands.as_slice(), undone.as_slice()) {
        ([], []) => vec!["nothing was changed".to_owned()],
        ([], undone) => vec![format!("undone again: {}", undone.join(", "))],
        (stands, []) => vec![format!("stands: {}", stands.join(", "))],
        (stands, undone) => {
            vec![format!("stands: {}", stands.join(", ")), format!("undone again: {}", undone.join(", "))]
        }
    };
    if is_half_done && !open.is_empty() {
        said.push(format!("not done: {}", open.join(", ")));
    }
    said.join("; ")
}

fn standing(state: &RunState, task: &Task, doing: &TaskState) -> &'static str {
    let (_, _, word) = changed::standing(state, task, doing);
    if word.is_empty() { "done" } else { word }
}
