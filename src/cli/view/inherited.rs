//! What a run has from another one whose place it takes: before it begins, and until its end.

use serde_json::{Value, json};

use crate::cli::text::{Ink, Line};
use crate::cli::visible;
use crate::outcome::Outcome;
use crate::run::{InheritMode, Inheritance};

use super::{heading, paragraph};

/// So many steps are told one by one.
const MOST: usize = 20;

/// What it has, what is tried again, and what stands of the other run that this one does not undo.
pub fn lines(inheritance: &Inheritance, width: usize) -> Vec<Line> {
    let Inheritance { from, playbook, version, mode, .. } = inheritance;
    let title = match mode {
        InheritMode::TakeOver => format!("Takes over run {from} of {playbook}@{version}"),
        InheritMode::Continue => format!("Goes on from run {from} of {playbook}@{version}"),
    };
    let mut lines = vec![heading(&title)];
    if *mode == InheritMode::Continue {
        let named = |outcome: Outcome| {
            let steps = inheritance.steps.iter().filter(move |step| step.outcome == outcome);
            some(steps.map(|step| step.task.to_string()).collect())
        };
        let done = named(Outcome::Done);
        let text = if done.is_empty() {
            "nothing of it counts as done".to_owned()
        } else {
            format!("done there, and not done again: {done}")
        };
        lines.extend(paragraph(&text, 2, width, Ink::Plain));
        let tried = named(Outcome::Failed);
        if !tried.is_empty() {
            let text = format!("failed there, and tried again; a rollback covers what is left of both: {tried}");
            lines.extend(paragraph(&text, 2, width, Ink::Plain));
        }
        let not_needed = some(inheritance.not_needed.iter().map(ToString::to_string).collect());
        if !not_needed.is_empty() {
            lines.extend(paragraph(&format!("not needed, as was said there: {not_needed}"), 2, width, Ink::Plain));
        }
    }
    if inheritance.stands.is_empty() {
        if *mode == InheritMode::TakeOver {
            lines.extend(paragraph("nothing of it stands", 2, width, Ink::Plain));
        }
        return lines;
    }
    lines.extend(paragraph("what stands of it, and is not undone by this run:", 2, width, Ink::Warn));
    for one in inheritance.stands.iter().take(MOST) {
        let whose = if one.run == *from { String::new() } else { format!(" (of run {})", one.run) };
        let what = if one.what.is_empty() { String::new() } else { format!(": {}", visible::line(&one.what)) };
        lines.extend(paragraph(&format!("{}{whose}, {}{what}", one.task, one.how.words()), 4, width, Ink::Plain));
    }
    if let Some(more) = inheritance.stands.len().checked_sub(MOST).filter(|more| *more > 0) {
        lines.extend(paragraph(&format!("… and {more} more"), 4, width, Ink::Plain));
    }
    lines
}

fn some(names: Vec<String>) -> String {
    super::groups::some(&names)
}

/// For programs.
pub fn json(inheritance: &Inheritance) -> Value {
    let Inheritance { from, playbook, version, mode, reason, stands, not_needed, .. } = inheritance;
    let steps = inheritance.steps.iter().map(|step| json!({ "task": step.task, "outcome": step.outcome }));
    json!({
        "from": from, "playbook": playbook, "version": version, "mode": mode, "reason": reason,
        "steps": steps.collect::<Vec<_>>(), "not_needed": not_needed, "stands": stands,
    })
}
