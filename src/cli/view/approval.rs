//! What somebody who is asked to approve has to know: what would begin, on what, who may say yes, and who has.

use serde_json::{Value, json};

use crate::cli::clock;
use crate::cli::text::{Ink, Line};
use crate::playbook::{Approval, OnTimeout, Playbook};
use crate::run::{Approving, Question, QuestionKind, RunState};
use crate::value::format_seconds;

use super::answers::{Choice, choice};
use super::groups::some;
use super::paragraph;

/// What is asked.
pub fn lines(state: &RunState, question: &Question, width: usize) -> Vec<Line> {
    let Some(approving) = state.brakes.approvals.get(&question.task) else { return Vec::new() };
    let asking = &approving.asking;
    let mut lines = Vec::new();
    let plan = state.plan.digest.short();
    let on = if asking.targets.is_empty() { "this machine".to_owned() } else { some(&asking.targets) };
    let text = format!("{} would begin ({}), on {on}, by plan {plan}.", question.task, asking.message);
    lines.extend(paragraph(&text, 2, width, Ink::Plain));
    let text = format!("Started by {}. It wants {}.", state.brakes.requester, wanted(approving));
    lines.extend(paragraph(&text, 2, width, Ink::Plain));
    for given in &approving.given {
        let reason = if given.reason.is_empty() { String::new() } else { format!(": {}", given.reason) };
        let text = format!("Approved by {} at {} UTC{reason}.", given.by, clock::time_of_day(given.at));
        lines.extend(paragraph(&text, 2, width, Ink::Good));
    }
    lines
}

/// Who has to say yes, for a sentence.
pub fn wanted(approving: &Approving) -> String {
    let asking = &approving.asking;
    let (people, left) = match asking.min {
        1 => ("the yes of one person".to_owned(), String::new()),
        all => (format!("the yes of {all} people"), format!(" ({} more)", approving.missing())),
    };
    let roles =
        if asking.roles.is_empty() { String::new() } else { format!(" with the role {}", asking.roles.join(" or ")) };
    let other = if asking.prevent_self_approval { ", not of who started the run" } else { "" };
    format!("{people}{roles}{other}{left}")
}

/// What becomes of it without an answer, for a sentence that begins with it.
pub fn default_words(on: OnTimeout) -> &'static str {
    match on {
        OnTimeout::Rollback => "everything is undone",
        OnTimeout::Abandon => "the run is ended, and what was done stays",
        OnTimeout::Page => "people are paged again",
    }
}

/// The ways to answer.
pub fn choices(state: &RunState, question: &Question) -> Vec<Choice> {
    let step = &question.task;
    let more = state.brakes.approvals.get(step).map_or(0, Approving::missing);
    let leads = if more > 1 {
        format!("your yes to {step}; {} more must say it too", more - 1)
    } else {
        format!("{step} begins")
    };
    vec![
        choice("approve", leads),
        choice("reject", format!("{step} does not begin, and counts as failed without having changed anything")),
    ]
}

/// What an approval asks for, in a line of a plan or a page. Where nothing is said of its end, that hangs on whether it
/// stands behind the point of no return.
pub fn words(approval: &Approval, behind: bool) -> String {
    let roles = if approval.roles.is_empty() { "anybody".to_owned() } else { approval.roles.join(" or ") };
    let people = if approval.min > 1 { format!("{} people ({roles})", approval.min) } else { roles };
    let other = if approval.prevent_self_approval { ", not by who starts the run" } else { "" };
    let only = approval.condition.as_ref().map_or(String::new(), |condition| format!(", if `{}`", condition.source));
    let default = if behind { OnTimeout::Page } else { OnTimeout::Rollback };
    let then = match approval.on_timeout.unwrap_or(default) {
        // What pages has no end: its time only says how long an approval holds.
        OnTimeout::Page => "; it waits until somebody answers".to_owned(),
        on => format!("; after {} without it {}", format_seconds(approval.timeout), default_words(on)),
    };
    format!("waits for the approval of {people}{other}{only}{then}")
}

/// Whether a step stands behind the point of no return.
pub fn is_behind(book: &Playbook, place: usize) -> bool {
    book.steps.iter().position(|step| step.point_of_no_return).is_some_and(|crossed| crossed < place)
}

/// What is asked, for programs; null where it is no approval.
pub fn json(state: &RunState, question: &Question) -> Value {
    let Some(approving) = state.brakes.approvals.get(&question.task) else { return Value::Null };
    if question.kind != QuestionKind::Approval {
        return Value::Null;
    }
    let asking = &approving.asking;
    let given = approving.given.iter();
    let given = given.map(|given| json!({ "by": given.by, "at": given.at.rfc3339(), "reason": given.reason }));
    json!({
        "roles": asking.roles, "min": asking.min, "missing": approving.missing(),
        "prevent_self_approval": asking.prevent_self_approval, "requester": state.brakes.requester,
        "on_timeout": asking.on_timeout, "targets": asking.targets, "subject": asking.subject,
        "given": given.collect::<Vec<_>>(),
    })
}
