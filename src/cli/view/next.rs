//! What comes next, at the end of each screen about a run: commands ready to paste, each with what it does.

use crate::cli::paste::Paste;
use crate::cli::reporter::group_of;
use crate::cli::runs::Doing;
use crate::cli::text::{Ink, Line};
use crate::run::{QuestionKind, RunState, Verdict};

use super::{halted, paragraph};

/// What comes next: commands, each with what it does.
pub fn next(state: &RunState, doing: Doing, paste: &Paste) -> Vec<(String, &'static str)> {
    let run = &state.run;
    let command = |verb: &str| paste.command(format!("{verb} {run}"));
    let told = (command("timeline"), "what happened, record by record");
    let back = if state.point_of_no_return().is_some() {
        "undo back to the point of no return, then wait"
    } else {
        "undo what it did and end"
    };
    if state.halted.is_some() && state.ended.is_none() {
        return halted_next(state, doing, paste);
    }
    match doing {
        Doing::Ended => again(state, paste).into_iter().chain([told]).collect(),
        Doing::Damaged => vec![told],
        Doing::Running => {
            let block =
                (format!("{} --finish-items", command("pause")), "the same, but first the blocks of the items in hand");
            let mut next = vec![
                (command("watch"), "follow it"),
                (command("pause"), "let what is under way come to its end, and wait"),
            ];
            next.extend(is_in_a_block(state).then_some(block));
            next.push((command("cancel"), back));
            next
        }
        // The answers stand above.
        Doing::Waiting | Doing::Stuck if state.stopped.is_some() => {
            let yes = state.question.as_ref().is_some_and(|question| question.kind == QuestionKind::Approval);
            let what = if yes { "it is paused: an answer alone does not move it" } else { "wait for the answer again" };
            vec![(command("resume"), what), told]
        }
        // The answers stand above.
        Doing::Waiting | Doing::Stuck => vec![(command("status"), "this screen again"), told],
        Doing::Stopped | Doing::Interrupted if state.rollback.is_some() => {
            vec![(command("resume"), "go on undoing"), told]
        }
        Doing::Stopped | Doing::Interrupted => vec![
            (command("resume"), "go on from here"),
            (command("cancel"), back),
            (command("abort"), "leave everything as it is and end"),
            told,
        ],
    }
}

/// Whether items of a list go through several steps just now.
fn is_in_a_block(state: &RunState) -> bool {
    let mut tasks = state.in_flight().filter(|(task, _)| task.item.is_some() && !task.is_undo());
    tasks.any(|(task, _)| group_of(state, &task.step).is_some_and(|group| group.count > 1))
}

/// Runs over what this one has left undone of its lists.
fn again(state: &RunState, paste: &Paste) -> Vec<(String, &'static str)> {
    let retry = |which: &str| paste.command(format!("retry {} {which}", state.run));
    let failed = match state.failed_items() {
        (0, 0) => None,
        (0, _) => Some((retry("--failed"), "a new run, only over what was left out")),
        (_, 0) => Some((retry("--failed"), "a new run, only over what failed")),
        _ => Some((retry("--failed"), "a new run, only over what failed or was left out")),
    };
    let succeeded = matches!(state.ended, Some((Verdict::Succeeded, ..)));
    let remaining = || (retry("--remaining"), "a new run, over all that is not done");
    let left = (!succeeded && state.remaining_items() > 0).then(remaining);
    failed.into_iter().chain(left).collect()
}

/// The same while everything is halted: nothing else begins anything.
fn halted_next(state: &RunState, doing: Doing, paste: &Paste) -> Vec<(String, &'static str)> {
    let run = &state.run;
    let mut next = vec![(paste.command(halted::LIFT), "everything on this state goes on")];
    if matches!(doing, Doing::Interrupted | Doing::Stopped) {
        next.push((paste.command(format!("resume {run}")), "go on with this one, once that is lifted"));
    }
    if state.touched() && !state.despite_halt {
        let undo = format!("rollback {run} --despite-halt --reason \"…\"");
        next.push((paste.command(undo), "undo this one all the same"));
    }
    next.push((paste.command(format!("timeline {run}")), "what happened, record by record"));
    next
}

/// Commands with what they do: in two columns where that fits, else each with its words below. A command is never broken.
pub fn commands(list: &[(String, &'static str)], width: usize) -> Vec<Line> {
    let command = |command: &str| Line::plain("  ").with(Ink::Plain, command);
    let column = list.iter().map(|(text, _)| Line::plain(text).width()).max().unwrap_or(0) + 4;
    if list.iter().all(|(_, what)| column + what.len() <= width) {
        return list.iter().map(|(text, what)| command(text).pad_to(column).with(Ink::Dim, what)).collect();
    }
    list.iter().flat_map(|(text, what)| [vec![command(text)], paragraph(what, 6, width, Ink::Dim)].concat()).collect()
}
