//! What a line says of approvals, checks and budgets.

use crate::ids::StepId;
use crate::playbook::OnTimeout;
use crate::run::{Asking, Checking, Moment, Record, Task};
use crate::value::format_seconds;

pub(super) fn asked(record: &Record, task: &Task, asking: &Asking) -> String {
    let people = match asking.min {
        1 => "the approval of somebody".to_owned(),
        many => format!("the approvals of {many} people"),
    };
    let roles =
        if asking.roles.is_empty() { String::new() } else { format!(" with the role {}", asking.roles.join(" or ")) };
    let default = match (asking.deadline, asking.on_timeout) {
        (None, _) | (_, OnTimeout::Page) => "it waits until somebody answers".to_owned(),
        (Some(deadline), on) => {
            let then = if on == OnTimeout::Abandon { "the run is ended as it is" } else { "it is undone" };
            format!("without it {then} in {}", format_seconds(deadline.seconds_since(record.time)))
        }
    };
    format!("{task} waits for {people}{roles}: {}; {default}", asking.message)
}

pub(super) fn approved(
    who: &str,
    task: &Task,
    reason: &str,
    roles: &[String],
    break_glass: bool,
    complete: bool,
) -> String {
    let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    let roles = if roles.is_empty() { String::new() } else { format!(" ({})", roles.join(", ")) };
    match (break_glass, complete) {
        (true, _) => format!("BREAK-GLASS: {who}{roles} lets {task} begin without the approval that it wants{reason}"),
        (false, true) => format!("{who}{roles} approved {task}{reason}"),
        (false, false) => format!("{who}{roles} approved {task}, and more people must{reason}"),
    }
}

pub(super) fn checked(task: &Task, moment: Moment, found: &[Checking]) -> String {
    let when = match moment {
        Moment::Before => format!("before {task}"),
        Moment::After | Moment::Checkpoint => format!("after {task}"),
    };
    let named = |found: &Checking| match &found.item {
        Some(item) => format!("{} ({item})", found.name),
        None => found.name.clone(),
    };
    let broken: Vec<String> = found
        .iter()
        .filter(|found| !found.condition.held)
        .map(|found| format!("{}: `{}` ({})", named(found), found.condition.source, found.condition.detail))
        .collect();
    if broken.is_empty() {
        let all: Vec<String> = found.iter().map(named).collect();
        return format!("{when} it holds: {}", all.join("; "));
    }
    format!("{when} it does NOT hold: {}", broken.join("; "))
}

pub(super) fn exceeded(from: &StepId, to: &StepId, max: f64, taken: f64) -> String {
    format!("from {from} to {to} it may take {}, and {} are over", format_seconds(max), format_seconds(taken))
}
