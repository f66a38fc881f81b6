//! What a line says to people: one sentence, without a full stop.

use super::detail::since_begun;
use super::{brakes, narrowed};
use crate::outcome::{Outcome, Report};
use crate::run::{
    Answer, Condition, Event, Holder, InheritMode, Inheritance, LeaseReason, Question, Record, RequestKind, RunState,
    Settlement, SkipReason, StopKind, Task, Verdict,
};
use crate::value::format_seconds;

/// What happened, in one sentence.
pub(super) fn sentence(record: &Record, state: &RunState) -> String {
    match &record.event {
        Event::RunStarted { incident, overrides, .. } => started(state, incident.as_deref(), overrides),
        Event::LeaseTaken { holder, reason } => lease(holder, *reason),
        Event::GroupEntered { task, items: Some(items), batches, whole, excluded, .. } => {
            narrowed::entered(task, items, batches, *whole, excluded)
        }
        Event::GroupEntered { task, items: None, .. } => format!("{task} begins"),
        Event::BatchBegan { task, batch } => format!("{task}: batch {} begins", u64::from(*batch) + 1),
        Event::ItemFailed { task, item, because } => {
            format!("{item} failed, and what is left of {task} is not done for it: {because}")
        }
        Event::StepSkipped { task, reason } => format!("{task} is skipped: {}", skip_reason(reason)),
        Event::StepRefused { task, attempt, message, drift, .. } => {
            let drifted = if *drift { " (the world drifted from the plan)" } else { "" };
            format!("{task} was not begun{}{drifted}, nothing was changed: {message}", attempt_word(*attempt))
        }
        Event::Intent { task, attempt, reverts_after: None, .. } => begins(state, task, *attempt),
        Event::Intent { task, attempt, timeout, reverts_after: Some(after), .. } => {
            let (begins, within) = (begins(state, task, *attempt), format_seconds(timeout + after));
            format!("{begins}; armed: unless it is confirmed, its target takes it back by itself within {within}")
        }
        Event::Outcome { task, attempt, report } => ended(task, *attempt, report, since_begun(record, state, task)),
        Event::Settled { task, settlement, evidence, .. } => {
            settled(task, settlement, evidence, since_begun(record, state, task))
        }
        Event::Verified { task, passed, conditions } => verified(task, *passed, conditions),
        Event::FailureAccepted { task, because } => {
            format!("the failure of {task} is passed over and the run goes on: {because}")
        }
        Event::CheckpointReached { name, step } => format!("checkpoint {name} is reached after {step}"),
        Event::RollbackStarted { to, because } => {
            format!("rollback to {} begins: {because}", checkpoint_or_start(to.as_deref()))
        }
        Event::WaitStarted { question } => asked(record, question),
        Event::Paged { message } => format!("page: {message}"),
        Event::Answered { task, answer, reason } => {
            format!("{} answered about {task}: {} ({reason})", record.actor, answer_words(*answer))
        }
        Event::SkippedByPerson { task, how, reason, .. } => {
            let words = how.words(task.is_undo());
            format!("{} says of {task}: {words}; the run does not begin it ({reason})", record.actor)
        }
        Event::Inherited { inheritance } => inherited(&record.actor, inheritance),
        Event::Requested { request, reason } => requested(&record.actor, request, reason),
        Event::Stopped { kind: StopKind::Paused, because } => format!("the run is paused: {because}"),
        Event::Stopped { kind: StopKind::Interrupted, because } => format!("the run is interrupted: {because}"),
        Event::Resumed { reason } if reason.is_empty() => "the run goes on".to_owned(),
        Event::Resumed { reason } => format!("the run goes on: {reason}"),
        Event::Halted { by, reason, .. } => {
            let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
            format!("everything on this state is halted by {by}{why}; nothing new begins")
        }
        Event::HaltLifted { by, reason } => with(&format!("the halt is lifted by {by}, the run goes on"), reason),
        Event::Note { message } => message.clone(),
        Event::ApprovalAsked { task, asking } => brakes::asked(record, task, asking),
        Event::Approved { task, reason, roles, break_glass, complete } => {
            brakes::approved(&record.actor, task, reason, roles, *break_glass, *complete)
        }
        Event::Rejected { task, reason } => format!("{} did not approve {task}: {reason}", record.actor),
        Event::Checked { task, moment, found, .. } => brakes::checked(task, *moment, found),
        Event::BudgetExceeded { from, to, max, taken } => brakes::exceeded(from, to, *max, *taken),
        Event::ReadAgain { task, needed_by } => {
            format!("{task} reads again what {needed_by} needs: it is secret, and only the runner before knew it")
        }
        Event::RunEnded { verdict, summary } => format!("{}: {summary}", ended_words(state, *verdict)),
    }
}

fn started(state: &RunState, incident: Option<&str>, overrides: &[(String, String)]) -> String {
    // Writing to a String cannot fail.
    use std::fmt::Write as _;
    let book = state.playbook();
    let mut text = format!("{}@{} begins: {}", book.name, book.version, book.title);
    if let Some(recovery) = state.recovery() {
        let _ = write!(text, " (the recovery of a {}, counted {})", recovery.what.word(), recovery.from_words());
    }
    if let Some(incident) = incident {
        let _ = write!(text, " (incident {incident})");
    }
    for words in narrowed::words(&state.plan) {
        let _ = write!(text, "; {words}");
    }
    for (brake, why) in overrides {
        let _ = write!(text, "; the brake {brake} was passed: {why}");
    }
    text
}

fn lease(holder: &Holder, reason: LeaseReason) -> String {
    let process = format!("process {} of {} on {}", holder.pid, holder.user, holder.host);
    let who = if holder.serves { format!("the server ({process})") } else { process };
    match reason {
        LeaseReason::Start => format!("{who} drives the run"),
        LeaseReason::Resume => format!("{who} goes on with the run"),
        LeaseReason::TakeOver => format!("{who} takes the run over, as a person said that the one before is gone"),
    }
}

/// What a run has from another one.
fn inherited(actor: &str, inheritance: &Inheritance) -> String {
    let Inheritance { from, playbook, version, mode, reason, .. } = inheritance;
    let verb = match mode {
        InheritMode::TakeOver => "takes over",
        InheritMode::Continue => "goes on from",
    };
    let kept: Vec<String> = inheritance.steps.iter().map(|step| step.task.to_string()).collect();
    let kept = if kept.is_empty() { String::new() } else { format!("; it has from it: {}", kept.join(", ")) };
    let stands: Vec<String> =
        inheritance.stands.iter().map(|one| format!("{} ({})", one.task, one.how.words())).collect();
    let stands = if stands.is_empty() { String::new() } else { format!("; of it stands: {}", stands.join(", ")) };
    format!("{actor} {verb} run {from} of {playbook}@{version} ({reason}){kept}{stands}")
}

/// Why a step does not run.
pub fn skip_reason(reason: &SkipReason) -> String {
    match reason {
        SkipReason::Condition { source } => format!("its condition `{source}` does not hold"),
        SkipReason::Needs { step } => format!("{step}, which it needs, is not done"),
        SkipReason::ByPerson { who, reason } => format!("not needed, said {who}: {reason}"),
        SkipReason::Jumped { from } => format!("the run went on past it when {from} failed"),
    }
}

fn attempt_word(attempt: u32) -> String {
    if attempt > 1 { format!(" (try {attempt})") } else { String::new() }
}

fn begins(state: &RunState, task: &Task, attempt: u32) -> String {
    let again = attempt_word(attempt);
    if task.is_undo() {
        return format!("{} begins to be undone{again}", task.doing());
    }
    let Some(step) = state.step_of(task) else { return format!("{task} begins{again}") };
    let point = if step.point_of_no_return { ", the point of no return," } else { "" };
    let title = if step.title == step.id.as_str() { String::new() } else { format!(": {}", step.title) };
    format!("{task}{point} begins{again}{title}")
}

fn ended(task: &Task, attempt: u32, report: &Report, seconds: Option<f64>) -> String {
    let time = seconds.map(format_seconds).unwrap_or_default();
    let again = attempt_word(attempt);
    let (step, undo) = (task.doing(), task.is_undo());
    let head = match (report.outcome, undo) {
        (Outcome::Done, false) => format!("{step} is done in {time}{again}"),
        (Outcome::Done, true) => format!("{step} is undone in {time}{again}"),
        (Outcome::NoEffect, false) => format!("{step} changed nothing after {time}{again}"),
        (Outcome::NoEffect, true) => format!("the undo of {step} changed nothing after {time}{again}"),
        (Outcome::Failed, false) => format!("{step} failed after {time}{again}"),
        (Outcome::Failed, true) => format!("the undo of {step} failed after {time}{again}"),
        // Why it is not known is in the message: a timeout is only one of the ways.
        (Outcome::Unknown, false) => {
            format!("the outcome of {step} is not known after {time}{again}; it may have taken effect")
        }
        (Outcome::Unknown, true) => {
            format!("the outcome of the undo of {step} is not known after {time}{again}; it may have taken effect")
        }
    };
    with(&head, &report.message)
}

fn with(head: &str, message: &str) -> String {
    if message.is_empty() { head.to_owned() } else { format!("{head}: {message}") }
}

fn settled(task: &Task, settlement: &Settlement, evidence: &str, since: Option<f64>) -> String {
    // Nobody watched in between: this is no duration of the attempt.
    let when = since.map(|since| format!(" (looked into {} after it was begun)", format_seconds(since)));
    let when = when.unwrap_or_default();
    let found = match settlement {
        Settlement::Ended { report } => match report.outcome {
            Outcome::Done => "it had ended well",
            Outcome::NoEffect => "it had ended and changed nothing",
            Outcome::Failed => "it had ended and failed",
            Outcome::Unknown => "its end is not known either",
        },
        Settlement::TookEffect { .. } => "it took effect",
        Settlement::DidNot => "it did not take effect",
        Settlement::CannotTell => "nobody can tell whether it took effect",
        Settlement::RunAgain => "it may simply run again",
    };
    with(&format!("what became of {task}{when}: {found}"), evidence)
}

fn verified(step: &Task, passed: bool, conditions: &[Condition]) -> String {
    if passed {
        let all: Vec<String> = conditions.iter().map(|condition| format!("`{}`", condition.source)).collect();
        return format!("what must hold after {step} does: {}", all.join(", "));
    }
    let broken = conditions.iter().filter(|condition| !condition.held);
    let broken: Vec<String> =
        broken.map(|condition| format!("`{}` ({})", condition.source, condition.detail)).collect();
    format!("what must hold after {step} does not: {}", broken.join(", "))
}

fn checkpoint_or_start(to: Option<&str>) -> String {
    to.map_or_else(|| "the start".to_owned(), |name| format!("checkpoint {name}"))
}

fn asked(record: &Record, question: &Question) -> String {
    let default = match question.deadline {
        Some(deadline) => {
            format!("without an answer it is undone in {}", format_seconds(deadline.seconds_since(record.time)))
        }
        None => "it waits until somebody answers".to_owned(),
    };
    format!("a person is needed: {}; {default}", question.message)
}

/// What a person's answer means.
pub(super) fn answer_words(answer: Answer) -> &'static str {
    match answer {
        Answer::TookEffect => "it took effect",
        Answer::DidNot => "it did not take effect",
        Answer::Retry => "try it again",
        Answer::Undo => "undo it",
        Answer::Abandon => "leave everything as it is and end the run",
        Answer::GoOn => "go on all the same",
    }
}

fn requested(actor: &str, request: &RequestKind, reason: &str) -> String {
    let what = match request {
        RequestKind::Cancel => "to cancel the run: undo and end".to_owned(),
        RequestKind::Rollback { to, despite_halt } => {
            let despite = if *despite_halt { ", although everything is halted" } else { "" };
            format!("to roll back to {}{despite}", checkpoint_or_start(to.as_deref()))
        }
        RequestKind::Abort => "to end the run without undoing anything".to_owned(),
        RequestKind::Pause => "to pause the run".to_owned(),
        RequestKind::FinishItems => "to pause the run once the items in hand have come to their end".to_owned(),
        RequestKind::Skip { task, how, .. } => format!("to skip {task}: {}", how.words(task.is_undo())),
        RequestKind::Resolve { task, answer } => format!("to settle {task}: {}", answer_words(*answer)),
        RequestKind::Approve { task, .. } => format!("to let {task} begin"),
        RequestKind::Reject { task } => format!("not to let {task} begin"),
    };
    with(&format!("{actor} asked {what}"), reason)
}

/// How a run ended, in words: one that a person called back did not fail.
pub fn ended_words(state: &RunState, verdict: Verdict) -> &'static str {
    let by_person = state.rollback.as_ref().is_some_and(|rollback| rollback.by_person);
    match verdict {
        Verdict::RolledBack if by_person && !state.anything_failed() => "rolled back, as it was asked for",
        Verdict::RolledBackToCheckpoint if by_person && !state.anything_failed() => {
            "rolled back to a checkpoint, as it was asked for"
        }
        verdict => verdict_words(verdict),
    }
}

/// How a run with such a verdict ended, in words.
pub fn verdict_words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Succeeded => "succeeded",
        Verdict::SucceededWithExceptions => "succeeded with exceptions",
        Verdict::Failed => "failed, nothing needed undoing",
        Verdict::RolledBack => "failed and rolled back",
        Verdict::RolledBackToCheckpoint => "failed and rolled back to a checkpoint",
        Verdict::Incomplete => "incomplete: changes stand",
        Verdict::Abandoned => "abandoned: changes may stand",
    }
}
