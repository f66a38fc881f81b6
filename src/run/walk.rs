//! Going forward: what the steps and groups that are not dealt with ask for next. One step at a time, but for the steps of a
//! `parallel` and the items of a batch, which are under way together; when one of them fails, the others finish first.

use super::decide::{Decision, ask_about_unknown, record, settle, under_way};
use super::failed::{self, Failure};
use super::order::look;
use super::{Entered, Event, RunState, SkipReason, Status, Task, TaskState, Time, retry, undo};
use crate::plan::Item;
use crate::playbook::{Child, Group, GroupKind, OnItemFailure, Step};

/// How many items of a batch are asked for at the same time; the others follow as these come to their end.
pub(super) const MOST_AT_ONCE: usize = 256;

/// What a part of the playbook asks for.
pub(super) enum Next {
    /// It is dealt with.
    Over,
    /// A record that stands in nobody's way.
    Now(Decision),
    /// Something to be done at a target, possibly beside others.
    Work(Vec<Decision>),
    /// Something that waits until all that is under way has come to its end.
    Rest(Decision),
}

/// What the run asks for; nothing once all is dealt with.
pub(super) fn next(run: &RunState, now: Time) -> Next {
    let book = run.playbook();
    sequence(run, book.children(None, run.dealt_with..book.steps.len()), None, now)
}

/// One behind the other.
fn sequence<'a>(
    run: &RunState,
    children: impl Iterator<Item = Child<'a>>,
    item: Option<&crate::ids::ItemId>,
    now: Time,
) -> Next {
    for child in children {
        match one(run, child, item, now) {
            Next::Over => {}
            other => return other,
        }
    }
    Next::Over
}

/// All at once.
pub(super) fn together(parts: impl Iterator<Item = Next>) -> Next {
    let (mut work, mut rest, mut over) = (Vec::new(), None, true);
    for part in parts {
        match part {
            Next::Over => continue,
            Next::Now(decision) => return Next::Now(decision),
            Next::Work(decisions) => work.extend(decisions),
            // What is in doubt is asked about, and what undoes is begun, before anything is passed over.
            Next::Rest(decision) => match &rest {
                Some(first) if !failed::passes_over(first) || failed::passes_over(&decision) => {}
                _ => rest = Some(decision),
            },
        }
        over = false;
    }
    match rest {
        _ if over => Next::Over,
        Some(decision) if work.is_empty() => Next::Rest(decision),
        _ => Next::Work(work),
    }
}

fn one(run: &RunState, child: Child<'_>, item: Option<&crate::ids::ItemId>, now: Time) -> Next {
    let task = RunState::task_of(child, item);
    if run.skipped.contains_key(&task) {
        return Next::Over;
    }
    match child {
        Child::Step(step) => of_step(run, step, task, now),
        Child::Group(group) => of_group(run, group, task, now),
    }
}

fn of_step(run: &RunState, step: &Step, task: Task, now: Time) -> Next {
    match run.tasks.get(&task) {
        Some(state) if state.passed => checkpoint(run, step.checkpoint.as_ref(), &task),
        Some(state) => go_on(run, step, task, state, now),
        None => match missing(run, &step.needs, &task) {
            Some(skipped) => Next::Now(skipped),
            None => Next::Work(vec![Decision::Prepare { task, wait: 0.0 }]),
        },
    }
}

fn of_group(run: &RunState, group: &Group, task: Task, now: Time) -> Next {
    let own = run.tasks.get(&task);
    if own.is_some_and(|state| state.passed) {
        return checkpoint(run, group.checkpoint.as_ref(), &task);
    }
    if RunState::has_entry(group) && !run.entered.contains_key(&task) {
        return match own {
            None => match missing(run, &group.needs, &task) {
                Some(skipped) => Next::Now(skipped),
                None => Next::Work(vec![Decision::Enter { task }]),
            },
            Some(state) if state.status == Status::Ready => Next::Work(vec![Decision::Enter { task }]),
            Some(state) => {
                let because = format!("{task} failed: {}", state.message());
                failed::group(run, group, Failure { task, because }, now)
            }
        };
    }
    let inner = match &group.kind {
        GroupKind::Forward { of } if !run.is_failed(&Task::at(of, task.item.as_ref())) => Next::Over,
        GroupKind::Nested(_) | GroupKind::Forward { .. } => {
            sequence(run, run.playbook().level(Some(group)), task.item.as_ref(), now)
        }
        GroupKind::Parallel => {
            let children = run.playbook().level(Some(group));
            together(children.map(|child| one(run, child, task.item.as_ref(), now)))
        }
        GroupKind::Each(_) => rounds(run, group, &task, now),
    };
    match inner {
        Next::Over => checkpoint(run, group.checkpoint.as_ref(), &task),
        other => other,
    }
}

/// The batch of a `for_each` in which something is left to be done; no further one once too many items failed.
fn rounds(run: &RunState, group: &Group, task: &Task, now: Time) -> Next {
    let Some(entered) = run.entered.get(task) else { return Next::Over };
    if let Some(name) = run.owed_to_a_batch(group, task) {
        return Next::Now(record(Event::CheckpointReached { name: name.clone(), step: task.step.clone() }));
    }
    // Those that failed in this very batch do not count yet: the others in it are under way, or about to be.
    if entered.failed_earlier() > entered.max_failures as usize {
        let because = failed::of_items(task, entered);
        return failed::group(run, group, Failure { task: task.clone(), because }, now);
    }
    if entered.is_through() {
        return Next::Over;
    }
    let batch = entered.batch_at(entered.dealt_with);
    if entered.begun <= batch {
        if let Some(why) = entered.too_few_beside(batch) {
            let because = format!("{task} failed: {why}");
            return failed::group(run, group, Failure { task: task.clone(), because }, now);
        }
        if let Some(wait) = pause_before(group, entered, batch, now) {
            let batch = u32::try_from(batch).unwrap_or(u32::MAX);
            return Next::Work(vec![Decision::BetweenBatches { task: task.clone(), batch, wait }]);
        }
    }
    // No more than that are asked for at once: a batch of ten thousand is not gone through at each record of it.
    let mut asked = 0;
    let parts = entered.open().map(|item| round(run, group, entered, item, now)).take_while(|part| {
        let goes_on = asked < MOST_AT_ONCE;
        asked += usize::from(!matches!(part, Next::Over));
        goes_on
    });
    together(parts)
}

/// What an item of the batch in hand asks for.
fn round(run: &RunState, group: &Group, entered: &Entered, item: &Item, now: Time) -> Next {
    look();
    if entered.failed.contains_key(&item.id) {
        return match entered.on_item_failure {
            Some(OnItemFailure::Rollback) => undo::of_item(run, group, &item.id, now),
            _ => Next::Over,
        };
    }
    if run.skipped.contains_key(&Task::at(&group.id, Some(&item.id))) {
        return Next::Over;
    }
    match sequence(run, run.playbook().level(Some(group)), Some(&item.id), now) {
        // The item is at rest: the others need not be waited for to say that it failed.
        Next::Rest(decision) if failed::is_of_item(&decision) => Next::Now(decision),
        other => other,
    }
}

/// How long it is to be waited before a batch: from the last record of the one before it on, by that record's time. A clock
/// that was set back does not make it longer than it is.
fn pause_before(group: &Group, entered: &Entered, batch: usize, now: Time) -> Option<f64> {
    let pause = group.each()?.pause;
    let rested = entered.rested.filter(|_| batch > 0 && pause > 0.0)?;
    Some((pause - now.seconds_since(rested)).clamp(0.0, pause))
}

fn checkpoint(run: &RunState, name: Option<&String>, task: &Task) -> Next {
    match name.filter(|name| !run.has_checkpoint(Some(name), task)) {
        Some(name) => Next::Now(record(Event::CheckpointReached { name: name.clone(), step: task.step.clone() })),
        None => Next::Over,
    }
}

/// A step that is needed and not done skips what needs it.
fn missing(run: &RunState, needs: &[crate::ids::StepId], task: &Task) -> Option<Decision> {
    let needed = needs.iter().find(|needed| !run.is_done(&run.beside(task, needed)))?;
    Some(record(Event::StepSkipped { task: task.clone(), reason: SkipReason::Needs { step: needed.clone() } }))
}

/// A step that was begun and is not passed.
fn go_on(run: &RunState, step: &Step, task: Task, state: &TaskState, now: Time) -> Next {
    let prepare = |task: Task| {
        let wait = retry::wait_before(run, &task, step, state, now);
        Next::Work(vec![Decision::Prepare { task, wait }])
    };
    match state.status {
        Status::InFlight => Next::Work(vec![under_way(run, &task, state, now)]),
        Status::Unknown => Next::Work(vec![settle(run, &task, state, now)]),
        Status::Doubtful => Next::Rest(ask_about_unknown(run, &task, state, now)),
        Status::Done if state.verified.is_none() => Next::Work(vec![Decision::Verify { task }]),
        // What is done and does not hold is not run again for `once` and `probed`: it took effect.
        // What a person has done by hand is not done over by the run.
        Status::Done if run.is_done_by_hand(&task) => Next::Rest(failed::ask(run, Failure::of(task, state), now)),
        Status::Done if verify_again(step, state) => prepare(task),
        Status::Done => failed::step(run, step, Failure::of(task, state), now),
        _ if retry::may_retry(run, &task, step, state) => prepare(task),
        _ if retry::may_probe(run, &task, step, state) => Next::Work(vec![settle(run, &task, state, now)]),
        Status::Ready | Status::NoEffect { .. } | Status::Failed { .. } => {
            failed::step(run, step, Failure::of(task, state), now)
        }
    }
}

fn verify_again(step: &Step, state: &TaskState) -> bool {
    use crate::spec::Effect;
    state.verified == Some(false)
        && matches!(step.effect, Effect::Read | Effect::Idempotent | Effect::Keyed)
        && state.counted < step.retry.attempts.max(state.allowed)
}
