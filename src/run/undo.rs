//! What is to be undone next: in the reverse order of intents, done, failed and unknown steps alike, back to the start, a
//! checkpoint or the point of no return.

use super::decide::{ask_about_unknown, settle};
use super::{Decision, Event, Question, QuestionKind, RunState, Status, Task, TaskState, Time, retry, verdict};
use crate::playbook::Step;

/// What is to be undone next, or how the run ends when nothing is left.
pub(super) fn next(run: &RunState, now: Time) -> Decision {
    if let Some(decision) = crossing(run, now) {
        return decision;
    }
    let to = run.rollback.as_ref().and_then(|rollback| rollback.to.as_deref());
    let kept = run.kept(to);
    for task in run.order.iter().skip(kept).rev() {
        let Some((step, planned)) = run.planned(task) else { continue };
        let Some(state) = run.doing(task) else { continue };
        if !step.effect.changes() || run.is_undone(task) {
            continue;
        }
        if let Some(decision) = doubt(run, step, task, planned.undo_covers_unknown, state, now) {
            return decision;
        }
        if state.may_have_effect()
            && let Some(decision) = undo(run, step, task, now)
        {
            return decision;
        }
    }
    finish(run, to, kept)
}

/// Whether the point of no return was crossed at all decides how far the undo goes: it is never taken for granted.
fn crossing(run: &RunState, now: Time) -> Option<Decision> {
    let task = run.point_of_no_return()?;
    let state = run.doing(task)?;
    match state.status {
        Status::Unknown => Some(settle(run, task, state, now)),
        Status::Doubtful => Some(ask_about_unknown(run, task, state, now)),
        _ => None,
    }
}

/// A step whose outcome is unknown is looked into before it is undone; where nothing can be seen, it is undone without
/// asking if its undo works from observation.
fn doubt(run: &RunState, step: &Step, task: &Task, covered: bool, state: &TaskState, now: Time) -> Option<Decision> {
    match state.status {
        Status::Unknown => Some(settle(run, task, state, now)),
        Status::Doubtful if !covered && RunState::undo_parts(step) > 0 => {
            Some(ask_about_unknown(run, task, state, now))
        }
        _ => None,
    }
}

/// The next part of a step's undo that is not done.
fn undo(run: &RunState, step: &Step, doing: &Task, now: Time) -> Option<Decision> {
    for part in 0..RunState::undo_parts(step) {
        let task = doing.undo(part);
        let Some(state) = run.tasks.get(&task) else {
            return Some(Decision::Prepare { task, wait: 0.0 });
        };
        if state.passed {
            continue;
        }
        let by = run.step_of(&task).unwrap_or(step);
        return Some(match state.status {
            Status::Unknown => settle(run, &task, state, now),
            Status::Doubtful => ask_about_unknown(run, &task, state, now),
            _ if retry::may_retry(run, &task, by, state) => {
                Decision::Prepare { wait: retry::wait_before(run, &task, by, state, now), task }
            }
            _ if retry::may_probe(run, &task, by, state) => settle(run, &task, state, now),
            _ => stuck(task, state),
        });
    }
    None
}

fn stuck(task: Task, state: &TaskState) -> Decision {
    Decision::Record(Box::new(Event::WaitStarted {
        question: Question {
            message: format!("{task} failed, so the run is stuck half-way back: {}", state.message()),
            task,
            kind: QuestionKind::UndoFailed,
            deadline: None,
        },
    }))
}

/// Nothing is left to undo.
fn finish(run: &RunState, to: Option<&str>, kept: usize) -> Decision {
    let behind = run.point_of_no_return().filter(|_| {
        let checkpoint = to.and_then(|name| run.checkpoints.iter().rev().find(|point| point.name == name));
        checkpoint.is_none_or(|point| point.position < kept)
    });
    let event = match behind {
        Some(step) => Event::WaitStarted {
            question: Question {
                task: step.clone(),
                kind: QuestionKind::BehindPointOfNoReturn,
                message: if run.doing(step).is_some_and(|state| state.passed) {
                    format!(
                        "everything after {step}, the point of no return, is undone; {step} and what came before it \
                         stand"
                    )
                } else {
                    format!(
                        "{step}, the point of no return, failed, and part of it may have happened: what came before it \
                         stands, and trying again runs {step} once more"
                    )
                },
                deadline: None,
            },
        },
        None => verdict::rolled_back(run, to),
    };
    Decision::Record(Box::new(event))
}
