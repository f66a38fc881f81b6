//! What becomes of a run when a step fails for good: what its `on_failure` says, or that of the nearest group around it
//! that says something, or what the point of no return makes of it. An item of a `for_each` that fails is only counted.

use std::collections::HashMap;

use super::decide::{Decision, record};
use super::walk::Next;
use super::{Entered, Event, Question, QuestionKind, RunState, SkipReason, Task, TaskState, Time};
use crate::playbook::{Child, Group, OnFailure, Step};
use crate::value::{ranges, without_name};

/// How long a person has to answer where a safe default stands behind the question, in seconds.
pub(super) const ANSWER_WITHIN: f64 = 900.0;

/// So many different failures of items are told; of the others it is said how many they are.
const MOST: usize = 5;
/// About so many columns of names are told of one of them.
const COLUMNS: usize = 200;

/// What failed.
pub(super) struct Failure {
    /// The step, or the group whose items failed.
    pub task: Task,
    /// How, for a person.
    pub because: String,
}

impl Failure {
    /// Of a step.
    pub fn of(task: Task, state: &TaskState) -> Self {
        let because = format!("{task} failed: {}", state.message());
        Self { task, because }
    }
}

/// How many items failed, and which.
pub(super) fn of_items(task: &Task, entered: &Entered) -> String {
    format!(
        "{task} failed: {} of {} items failed, and {} may: {}",
        entered.failed.len(),
        entered.items.len(),
        entered.max_failures,
        alike(entered).join("; ")
    )
}

/// Why items failed: those that said the same but for their own names together, and of many different ones the first.
pub(super) fn alike(entered: &Entered) -> Vec<String> {
    let mut classes: Vec<(&str, String, Vec<&str>)> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for (item, because) in &entered.failed {
        let masked = without_name(because, item.as_str());
        let place = *known.entry(masked.clone()).or_insert_with(|| {
            classes.push((because, masked, Vec::new()));
            classes.len() - 1
        });
        if let Some((_, _, items)) = classes.get_mut(place) {
            items.push(item.as_str());
        }
    }
    let mut told: Vec<String> = classes
        .iter()
        .take(MOST)
        .map(|(first, masked, items)| match items.as_slice() {
            [] | [_] => (*first).to_owned(),
            items => {
                let names = ranges::listed(items.iter().copied(), COLUMNS);
                format!("{} ({} items: {names})", masked.replace('\0', "<item>"), items.len())
            }
        })
        .collect();
    let more: usize = classes.iter().skip(MOST).map(|(_, _, items)| items.len()).sum();
    told.extend((more > 0).then(|| format!("and {more} more")));
    told
}

/// A step failed for good.
pub(super) fn step(run: &RunState, step: &Step, failure: Failure, now: Time) -> Next {
    match &step.on_failure {
        Some(policy) => apply(run, policy, Child::Step(step), &failure.task.clone(), failure, now),
        None if run.playbook().forward_of(&step.id).is_some() => {
            let because = format!("{}; going on by its forward steps", failure.because);
            Next::Now(record(Event::FailureAccepted { task: failure.task, because }))
        }
        None => around(run, step.group.as_ref(), failure, now),
    }
}

/// A group failed as a whole: its list cannot be had, or too many of its items failed.
pub(super) fn group(run: &RunState, group: &Group, failure: Failure, now: Time) -> Next {
    match &group.on_failure {
        Some(policy) => apply(run, policy, Child::Group(group), &failure.task.clone(), failure, now),
        None => around(run, group.parent.as_ref(), failure, now),
    }
}

/// What the groups around it say; the point of no return where they say nothing.
fn around(run: &RunState, inside: Option<&crate::ids::StepId>, failure: Failure, now: Time) -> Next {
    for group in run.playbook().around(inside) {
        let own = run.group_task(group, failure.task.item.as_ref());
        if let (Some(_), Some(item)) = (group.each(), &failure.task.item) {
            // What is under way for the same item is brought to its end before the item is left.
            let event = Event::ItemFailed { task: own, item: item.clone(), because: failure.because };
            return Next::Rest(record(event));
        }
        if let Some(policy) = &group.on_failure {
            return apply(run, policy, Child::Group(group), &own, failure, now);
        }
    }
    let default = if run.point_of_no_return().is_some() { OnFailure::Pause } else { OnFailure::Rollback };
    match default {
        OnFailure::Pause => Next::Rest(ask(run, failure, now)),
        _ => Next::Rest(record(Event::RollbackStarted { to: None, because: failure.because })),
    }
}

/// Does what a policy says; `whole` is what is passed over or left by it: the step itself, or a group around it.
fn apply(run: &RunState, policy: &OnFailure, child: Child<'_>, whole: &Task, failure: Failure, now: Time) -> Next {
    let because = failure.because.clone();
    match policy {
        OnFailure::Rollback => Next::Rest(record(Event::RollbackStarted { to: None, because })),
        OnFailure::RollbackTo(name) => Next::Rest(record(Event::RollbackStarted { to: Some(name.clone()), because })),
        // What is under way in a group is brought to its end before the group is left.
        OnFailure::Continue if matches!(child, Child::Group(_)) => {
            Next::Rest(record(Event::FailureAccepted { task: whole.clone(), because }))
        }
        OnFailure::Continue => Next::Now(record(Event::FailureAccepted { task: whole.clone(), because })),
        OnFailure::Step(target) => Next::Rest(jump(run, child, whole, target, because)),
        OnFailure::Pause => Next::Rest(ask(run, failure, now)),
    }
}

/// Whether something that failed is left behind by it, and whatever stands in the same group with it.
pub(super) fn passes_over(decision: &Decision) -> bool {
    let Decision::Record(event) = decision else { return false };
    matches!(**event, Event::ItemFailed { .. } | Event::FailureAccepted { .. } | Event::StepSkipped { .. })
}

/// Whether it says that an item of a `for_each` failed.
pub(super) fn is_of_item(decision: &Decision) -> bool {
    matches!(decision, Decision::Record(event) if matches!(**event, Event::ItemFailed { .. }))
}

pub(super) fn ask(run: &RunState, failure: Failure, now: Time) -> Decision {
    let behind = run.point_of_no_return().is_some();
    record(Event::WaitStarted {
        question: Question {
            task: failure.task,
            kind: QuestionKind::StepFailed,
            message: failure.because,
            deadline: (!behind).then(|| now.plus_seconds(ANSWER_WITHIN)),
        },
    })
}

/// Goes on at a later step of the same level: what lies between is skipped, one record each, then the failure is passed over.
fn jump(run: &RunState, from: Child<'_>, whole: &Task, target: &crate::ids::StepId, because: String) -> Decision {
    let book = run.playbook();
    let level = match from {
        Child::Step(step) => step.group.as_ref(),
        Child::Group(group) => group.parent.as_ref(),
    };
    let level = level.and_then(|id| book.group(id));
    let between = book
        .level(level)
        .skip_while(|child| child.id() != from.id())
        .skip(1)
        .take_while(|child| child.id() != target)
        .map(|child| RunState::task_of(child, whole.item.as_ref()))
        .find(|task| !run.skipped.contains_key(task));
    match between {
        Some(task) => record(Event::StepSkipped { task, reason: SkipReason::Jumped { from: from.id().clone() } }),
        None => {
            record(Event::FailureAccepted { task: whole.clone(), because: format!("{because}; going on at {target}") })
        }
    }
}
