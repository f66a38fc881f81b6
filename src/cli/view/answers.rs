//! What a person can answer, and what each answer leads to.

use super::approval;
use crate::run::{Question, QuestionKind, RunState, SkipHow, Status, Task};

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The flag of `resolve`, or the verb of its own.
    pub flag: &'static str,
    /// What it leads to.
    pub leads_to: String,
}

pub(super) fn choice(flag: &'static str, leads_to: impl Into<String>) -> Choice {
    Choice { flag, leads_to: leads_to.into() }
}

/// The answers that make sense, the likeliest first.
pub fn choices(state: &RunState, question: &Question) -> Vec<Choice> {
    let step = question.task.doing();
    let undo = match state.point_of_no_return() {
        Some(point) => format!("everything after {point}, the point of no return, is undone; then the run waits again"),
        None => format!("{step} and everything before it is undone, back to the start"),
    };
    let abandon = choice("--abandon", "everything stays as it is now and the run ends; its locks are freed");
    match question.kind {
        QuestionKind::UnknownOutcome if question.task.is_undo() => vec![
            choice("--took-effect", "you looked and it is undone: the rollback goes on"),
            choice("--retry", "it is undone once more"),
            abandon,
        ],
        QuestionKind::UnknownOutcome => vec![
            choice(
                "--took-effect",
                format!("you looked and its effect is there: {step} counts as done, the run goes on"),
            ),
            choice(
                "--did-not",
                format!(
                    "you looked and it is not there: {step} counts as not done, and is tried again if its retries allow"
                ),
            ),
            choice("--retry", "it runs once more; only where running twice does no harm"),
            choice("--undo", undo),
            abandon,
        ],
        QuestionKind::StepFailed => vec![
            choice("--retry", format!("{step} is tried again, after you mended what stopped it")),
            choice("--took-effect", format!("you did it by hand: {step} counts as done, the run goes on")),
            choice("--undo", undo),
            abandon,
        ],
        QuestionKind::UndoFailed => vec![
            choice("--retry", "the undo is tried again, after you mended what stopped it"),
            choice("--took-effect", "you undid it by hand: the rollback goes on"),
            abandon,
        ],
        QuestionKind::BehindPointOfNoReturn => vec![
            choice("--retry", format!("the run goes forward again, from after {step}")),
            choice("--abandon", "everything stays as it is now and the run ends as incomplete; its locks are freed"),
        ],
        QuestionKind::Approval => approval::choices(state, question),
        QuestionKind::InvariantBroken => vec![
            choice("--retry", "it is looked at once more, after you mended what breaks it"),
            choice("--go-on", "the run goes on although it does not hold"),
            choice("--undo", undo),
            abandon,
        ],
        QuestionKind::WrongIdentity => {
            vec![choice("--retry", "it is looked at once more, after the run can talk to who it is meant to"), abandon]
        }
    }
}

/// The skips that answer a question about a step or about its undo, with the flag of `skip`.
pub fn skips(state: &RunState, question: &Question) -> Vec<Choice> {
    let task = &question.task;
    let (undo, step) = (task.is_undo(), task.doing());
    let words = match question.kind {
        QuestionKind::UndoFailed | QuestionKind::UnknownOutcome if undo => [
            ("--done-by-hand", "you undid it by hand: the rollback goes on".to_owned()),
            ("--not-needed", format!("what {step} did stays as it is, and the rollback goes on")),
        ],
        QuestionKind::UnknownOutcome | QuestionKind::StepFailed if !undo && state.rollback.is_none() => {
            let with: Vec<String> = state.skipped_with(task).iter().map(ToString::to_string).collect();
            let begun = state.tasks.get(task).is_some_and(crate::run::TaskState::may_have_effect);
            let stays = if begun { "; what of it has happened stays, unless the run is rolled back" } else { "" };
            let with = if with.is_empty() { String::new() } else { format!(", and {} with it", with.join(", ")) };
            [
                (
                    "--done-by-hand",
                    format!("you did it by hand: {step} counts as done once what must hold after it does"),
                ),
                ("--not-needed", format!("the run goes on without it: {step} counts as skipped{with}{stays}")),
            ]
        }
        _ => return Vec::new(),
    };
    let how = |flag: &str| if flag == "--not-needed" { SkipHow::NotNeeded } else { SkipHow::DoneByHand };
    let nothing = serde_json::json!({});
    let possible = |flag: &str| state.may_skip(task, how(flag), &nothing).is_ok();
    words.into_iter().filter(|(flag, _)| possible(flag)).map(|(flag, leads_to)| choice(flag, leads_to)).collect()
}

/// The item that a question is about and can be given up as a whole, and what that leads to: where its block has more left than
/// what is asked about.
pub fn giving_up(state: &RunState, question: &Question) -> Option<(Task, String)> {
    let item = question.task.item.as_ref()?;
    let step = state.playbook().step(&question.task.step)?;
    let each = state.playbook().each_around(step.group.as_ref())?;
    let whole = Task::at(&each.id, Some(item));
    state.may_skip(&whole, SkipHow::NotNeeded, &serde_json::json!({})).ok()?;
    if !state.skip_answers(&whole) || !state.is_item(&whole) {
        return None;
    }
    let leads_to = if !state.goes_back_for(&whole) {
        format!("{item} is given up: what is left of its block is not done, and the run goes on with the others")
    } else if state.undo_left_of(&whole).len() > 1 {
        format!("{item} is given up: whatever is left to be undone there stays as it is, and the rollback goes on")
    } else {
        return None;
    };
    Some((whole, leads_to))
}

/// The items of which the same is asked as of the one that a question is about, where they are several.
pub fn alike<'a>(state: &'a RunState, question: &'a Question) -> Vec<&'a str> {
    if question.kind != QuestionKind::UndoFailed {
        return Vec::new();
    }
    let of = &question.task;
    let stuck = state.tasks.iter().filter(|(task, undo)| {
        let failed = matches!(undo.status, Status::Failed { .. } | Status::NoEffect { .. });
        task.step == of.step && task.phase == of.phase && failed && !undo.passed
    });
    let names: Vec<&str> = stuck.filter_map(|(task, _)| Some(task.item.as_ref()?.as_str())).collect();
    if names.len() > 1 { names } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::view::samples::{self, Story};
    use crate::run::Answer;

    fn flag(answer: Answer) -> &'static str {
        match answer {
            Answer::TookEffect => "--took-effect",
            Answer::DidNot => "--did-not",
            Answer::Retry => "--retry",
            Answer::Undo => "--undo",
            Answer::Abandon => "--abandon",
            Answer::GoOn => "--go-on",
        }
    }

    #[test]
    fn every_answer_that_leads_somewhere_is_offered_and_no_other() {
        let story: Story = samples::waiting();
        let kinds = [
            QuestionKind::UnknownOutcome,
            QuestionKind::StepFailed,
            QuestionKind::UndoFailed,
            QuestionKind::BehindPointOfNoReturn,
            QuestionKind::InvariantBroken,
            QuestionKind::WrongIdentity,
        ];
        for kind in kinds {
            let task: Task = if kind == QuestionKind::UndoFailed { "hold/undo" } else { "promote" }.parse().unwrap();
            let question = Question { task, kind, message: String::new(), deadline: None };
            let mut offered: Vec<&str> = choices(&story.state, &question).iter().map(|choice| choice.flag).collect();
            let mut taken: Vec<&str> = kind.answers().iter().map(|answer| flag(*answer)).collect();
            offered.sort_unstable();
            taken.sort_unstable();
            assert_eq!(offered, taken, "{kind:?}");
        }
    }
}
