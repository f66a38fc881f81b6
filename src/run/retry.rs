//! When a task may be tried again, and how long to wait before. The jitter derives from the run and the attempt, so that a
//! replay comes to the same moment.

use super::{RunState, Status, Task, TaskState, Time};
use crate::ids::Digest;
use crate::playbook::{Retry, Step};
use crate::spec::Effect;

/// An undo of our own is safe to repeat, so a passing trouble does not leave a run stuck.
const UNDO: Retry = Retry { attempts: 3, delay: 1.0, backoff: 2.0, max_delay: 10.0 };

/// How often a task is tried.
fn policy(run: &RunState, task: &Task, step: &Step) -> Retry {
    if run.is_own_undo(task) { UNDO } else { step.retry }
}

/// Whether a task that did not succeed may be tried again now, without asking anybody.
pub(super) fn may_retry(run: &RunState, task: &Task, step: &Step, state: &TaskState) -> bool {
    let left = state.counted < policy(run, task, step).attempts.max(state.allowed);
    match state.status {
        Status::Ready => true,
        Status::NoEffect { retryable } => retryable && left,
        Status::Failed { retryable } => retryable && left,
        _ => false,
    }
}

/// Whether a failed attempt should be looked into first, as a negative probe would allow another try.
pub(super) fn may_probe(run: &RunState, task: &Task, step: &Step, state: &TaskState) -> bool {
    let effect = state.intent.as_ref().map(|intent| intent.effect);
    state.status == (Status::Failed { retryable: false })
        && effect == Some(Effect::Probed)
        && !state.looked
        && state.counted < policy(run, task, step).attempts.max(state.allowed)
}

/// How many seconds are still to be waited before a task's next attempt.
pub(super) fn wait_before(run: &RunState, task: &Task, step: &Step, state: &TaskState, now: Time) -> f64 {
    let Some(ended) = state.ended.filter(|_| state.status != Status::Ready && state.counted > 0) else { return 0.0 };
    let retry = policy(run, task, step);
    let exponent = i32::try_from(state.counted - 1).unwrap_or(i32::MAX);
    let delay = (retry.delay * retry.backoff.powi(exponent)).min(retry.max_delay) * jitter(run, task, state.attempt);
    // A clock that was set back must not make a retry wait for days.
    (delay - now.seconds_since(ended)).clamp(0.0, delay.max(0.0))
}

/// Between one half and one.
fn jitter(run: &RunState, task: &Task, attempt: u32) -> f64 {
    let digest = Digest::of(format!("{} {task} {attempt}", run.run).as_bytes());
    let number = u32::from_str_radix(digest.short().get(..8).unwrap_or("0"), 16).unwrap_or(0);
    0.5 + f64::from(number) / f64::from(u32::MAX) / 2.0
}
