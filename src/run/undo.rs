//! What is to be undone next: in the reverse order of intents, done, failed and unknown steps alike, back to the start, a
//! checkpoint or the point of no return. One task at a time, but for the items of a batch of a `for_each`: they are undone
//! side by side, as they were done, each in the reverse order of its own intents, and the batch before them only then.

use std::collections::BTreeSet;

use super::decide::{ask_about_unknown, settle, under_way};
use super::order::look;
use super::walk::{MOST_AT_ONCE, Next, together};
use super::{Decision, Event, Question, QuestionKind, RunState, Status, Task, TaskState, Time, retry, verdict};
use crate::ids::ItemId;
use crate::playbook::{Group, Step};

/// What is to be undone next, or how the run ends when nothing is left.
pub(super) fn next(run: &RunState, now: Time) -> Next {
    if let Some(decision) = crossing(run, now) {
        return of(decision);
    }
    let to = run.rollback.as_ref().and_then(|rollback| rollback.to.as_deref());
    let kept = run.kept(to);
    match at_once(run, run.owed_back(kept), now) {
        // The last word has the order itself: what is kept at hand only says where to look.
        Next::Over => {
            let left = (kept..run.order.len()).rev();
            let owed = |place: &usize| run.order.get(*place).is_some_and(|task| is_owed(run, task));
            match at_once(run, left.filter(owed), now) {
                Next::Over => Next::Rest(finish(run, to, kept)),
                other => other,
            }
        }
        other => other,
    }
}

/// What an item of a `for_each` that failed has still to be undone.
pub(super) fn of_item(run: &RunState, group: &Group, item: &ItemId, now: Time) -> Next {
    for place in places_of_item(run, group, item) {
        let Some(task) = run.order.get(place) else { continue };
        match one(run, task, now) {
            Next::Over => {}
            other => return other,
        }
    }
    Next::Over
}

/// Whether anything of an item is still to be undone.
pub(super) fn item_owes(run: &RunState, group: &Group, item: &ItemId) -> bool {
    let places = places_of_item(run, group, item);
    places.into_iter().filter_map(|place| run.order.get(place)).any(|task| is_owed(run, task))
}

/// Where the tasks of an item stand in the order of intents, the last one first; but for those that a point of no return
/// keeps. What is being undone already when another item crosses it is brought to its end.
fn places_of_item(run: &RunState, group: &Group, item: &ItemId) -> Vec<usize> {
    let kept = run.kept(None);
    let steps = run.playbook().steps.get(group.range()).unwrap_or_default();
    let places = steps.iter().filter_map(|step| run.place_in_order(&Task::at(&step.id, Some(item))));
    let is_begun = |place: usize| run.order.get(place).is_some_and(|task| run.tasks.contains_key(&task.undo(0)));
    let mut places: Vec<usize> = places.filter(|place| *place >= kept || is_begun(*place)).collect();
    places.sort_unstable_by(|one, other| other.cmp(one));
    places
}

/// Whether something of what a task did, or may have done, has to be undone.
pub(super) fn is_owed(run: &RunState, task: &Task) -> bool {
    look();
    let (Some((step, _)), Some(state)) = (run.planned(task), run.doing(task)) else { return false };
    if !step.effect.changes() || run.is_undone(task) || run.is_left(task) {
        return false;
    }
    state.status == Status::Unknown || state.may_have_effect() && RunState::undo_parts(step) > 0
}

/// What can be undone at the same time of what stands at these places, the last one first: one task, or the last one of each
/// item of one batch. What lies before a task that belongs to something else waits for that.
fn at_once(run: &RunState, places: impl Iterator<Item = usize>, now: Time) -> Next {
    let mut batch = None;
    let mut seen: BTreeSet<&ItemId> = BTreeSet::new();
    let mut parts = Vec::new();
    for task in places.filter_map(|place| run.order.get(place)) {
        let own = run.batch_around(task);
        match (&batch, own) {
            (None, own) => batch = Some(own),
            (Some(first), own) if first.is_some() && *first == own => {}
            _ => break,
        }
        if task.item.as_ref().is_some_and(|item| seen.contains(item)) {
            continue;
        }
        match one(run, task, now) {
            Next::Over => continue,
            part => parts.push(part),
        }
        match &task.item {
            Some(item) if batch.as_ref().is_some_and(Option::is_some) => seen.insert(item),
            _ => break,
        };
        if seen.len() >= MOST_AT_ONCE {
            break;
        }
    }
    together(parts.into_iter())
}

/// What has to be done next for one task to be undone.
fn one(run: &RunState, task: &Task, now: Time) -> Next {
    look();
    let Some((step, planned)) = run.planned(task) else { return Next::Over };
    let Some(state) = run.doing(task).filter(|_| is_owed(run, task)) else { return Next::Over };
    if state.is_in_flight() {
        return of(under_way(run, task, state, now));
    }
    if let Some(decision) = doubt(run, step, task, planned.undo_covers_unknown, state, now) {
        return of(decision);
    }
    undo(run, step, task, now).map_or(Next::Over, of)
}

/// A question is only asked once all that is under way has come to its end.
fn of(decision: Decision) -> Next {
    match decision {
        Decision::Record(_) => Next::Rest(decision),
        work => Next::Work(vec![work]),
    }
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
            Status::InFlight => under_way(run, &task, state, now),
            Status::Unknown => settle(run, &task, state, now),
            Status::Doubtful => ask_about_unknown(run, &task, state, now),
            _ if retry::may_retry(run, &task, by, state) => {
                Decision::Prepare { wait: retry::wait_before(run, &task, by, state, now), task }
            }
            _ if retry::may_probe(run, &task, by, state) => settle(run, &task, state, now),
            _ => stuck(run, task, state),
        });
    }
    None
}

/// An undo failed for good. An item that is put back by itself may be stuck where the run as a whole does not go back.
fn stuck(run: &RunState, task: Task, state: &TaskState) -> Decision {
    let so = match &task.item {
        Some(item) if run.rollback.is_none() => format!("so {item} is not put back and the run is stuck"),
        _ => "so the run is stuck half-way back".to_owned(),
    };
    Decision::Record(Box::new(Event::WaitStarted {
        question: Question {
            message: format!("{task} failed, {so}: {}", state.message()),
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
