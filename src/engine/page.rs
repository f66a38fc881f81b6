//! What a page says: what is asked, how the service is, until when an answer counts, and how one is given.

use crate::notify::PageText;
use crate::playbook::OnTimeout;
use crate::run::{Question, QuestionKind, RunState, Task};
use crate::value::told;

/// The page about a question.
pub(super) fn of(state: &RunState, question: &Question) -> PageText {
    PageText {
        run: state.run.to_string(),
        playbook: state.playbook().name.clone(),
        step: question.task.to_string(),
        question: word(question.kind).to_owned(),
        // It goes to mail, chat and pagers: what another machine printed must not hide or command anything there.
        text: told(&text(state, question), true),
    }
}

fn word(kind: QuestionKind) -> &'static str {
    match kind {
        QuestionKind::UnknownOutcome => "unknown_outcome",
        QuestionKind::StepFailed => "step_failed",
        QuestionKind::UndoFailed => "undo_failed",
        QuestionKind::BehindPointOfNoReturn => "behind_point_of_no_return",
        QuestionKind::Approval => "approval",
        QuestionKind::InvariantBroken => "invariant_broken",
        QuestionKind::WrongIdentity => "wrong_identity",
    }
}

/// What becomes of it without an answer: an approval says so itself.
fn default_words(state: &RunState, question: &Question) -> &'static str {
    let approval = state.brakes.approvals.get(&question.task).filter(|_| question.kind == QuestionKind::Approval);
    match approval.map(|approving| approving.asking.on_timeout) {
        Some(OnTimeout::Abandon) => "the run is ended, and what was done stays",
        _ => "it is rolled back",
    }
}

fn text(state: &RunState, question: &Question) -> String {
    let book = state.playbook();
    let mut text = format!("{} {} needs a person: {}\n", book.name, state.run, question.message);
    if let Some(service) = state.service.map(|(service, _)| service) {
        text.push_str(&format!("The service is {}.\n", service.word()));
    }
    match question.deadline {
        // The moment, not how long that is: a page that is repeated says the same and is still right.
        Some(deadline) => {
            let by = jiff::Timestamp::from_millisecond(deadline.0)
                .map_or_else(|_| deadline.to_string(), |at| at.strftime("%H:%M:%S UTC").to_string());
            let default = default_words(state, question);
            text.push_str(&format!("If nobody answers until {by} {default}.\n"));
        }
        None => text.push_str("It waits until somebody answers.\n"),
    }
    if question.kind == QuestionKind::Approval {
        text.push_str(&wanted(state, &question.task));
    }
    text.push_str(&format!("playbook status {}\n", state.run));
    text
}

/// Who has to say that a step may begin, and how: whoever is paged need not look it up.
fn wanted(state: &RunState, task: &Task) -> String {
    let Some(approving) = state.brakes.approvals.get(task) else { return String::new() };
    let asking = &approving.asking;
    let roles = if asking.roles.is_empty() { "anybody".to_owned() } else { asking.roles.join(" or ") };
    let on = if asking.targets.is_empty() { String::new() } else { format!(" on {}", asking.targets.join(", ")) };
    let run = &state.run;
    format!(
        "{task} waits to begin{on}; {} of {roles} may let it, not yet given: {}.\n\
         playbook approve {run} {task} --reason \"…\"\nplaybook reject {run} {task} --reason \"…\"\n",
        if asking.min == 1 { "one person".to_owned() } else { format!("{} people", asking.min) },
        approving.missing(),
    )
}
