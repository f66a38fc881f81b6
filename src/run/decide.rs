//! What is to be done next. The order of the questions is the promise: what is under way or in doubt comes first, then
//! what people asked for, then the undo, then the next step.

use super::state::Asked;
use super::{
    Event, Question, QuestionKind, RunState, SkipReason, Status, StopKind, Task, TaskState, Time, Verdict, retry, undo,
    verdict,
};
use crate::playbook::{OnFailure, Step};

/// How long a person has to answer where a safe default stands behind the question, in seconds.
const ANSWER_WITHIN: f64 = 900.0;

/// What is to be done next.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Look whether a task may begin, and write its intent, or why not.
    Prepare {
        /// Which.
        task: Task,
        /// How many seconds to wait before.
        wait: f64,
    },
    /// Its intent is durable and written under this very lease: act.
    Dispatch {
        /// Which.
        task: Task,
    },
    /// Its outcome is missing: look, read-only, what became of it.
    Settle {
        /// Which.
        task: Task,
        /// How many seconds to wait before.
        wait: f64,
    },
    /// It is done: look whether the conditions after it hold.
    Verify {
        /// Which step's.
        task: Task,
    },
    /// Write this down and go on.
    Record(Box<Event>),
    /// A person is needed.
    Wait(Box<Question>),
    /// A person stopped the run; it can be resumed.
    Stopped(StopKind),
    /// It is over.
    Finished(Verdict),
}

impl Decision {
    /// The word for it, for whoever looks for a fault.
    pub fn word(&self) -> &'static str {
        match self {
            Decision::Prepare { .. } => "prepare",
            Decision::Dispatch { .. } => "dispatch",
            Decision::Settle { .. } => "settle",
            Decision::Verify { .. } => "verify",
            Decision::Record(_) => "record",
            Decision::Wait(_) => "wait",
            Decision::Stopped(_) => "stopped",
            Decision::Finished(_) => "finished",
        }
    }
}

/// What is to be done next.
pub fn decide(run: &RunState, now: Time) -> Decision {
    if let Some((verdict, ..)) = run.ended {
        return Decision::Finished(verdict);
    }
    if let Some((task, state)) = run.in_flight() {
        return under_way(run, task, state, now);
    }
    if let Some(kind) = run.stopped {
        return Decision::Stopped(kind);
    }
    if let Some(decision) = asked(run, now) {
        return decision;
    }
    if let Some(question) = &run.question {
        return wait(question, now);
    }
    if run.rollback.is_some() { undo::next(run, now) } else { forward(run, now) }
}

/// An intent without an outcome: ours to carry out if this lease wrote it, else to be looked into.
fn under_way(run: &RunState, task: &Task, state: &TaskState, now: Time) -> Decision {
    let ours = state.intent.as_ref().is_some_and(|intent| intent.epoch == run.epoch);
    if ours { Decision::Dispatch { task: task.clone() } } else { settle(run, task, state, now) }
}

/// Looking into a missing outcome, after the time that its effect needs to show.
pub(super) fn settle(run: &RunState, task: &Task, state: &TaskState, now: Time) -> Decision {
    let since = state.ended.or(state.intent.as_ref().map(|intent| intent.at)).unwrap_or(now);
    let settle = run.step_of(task).map_or(0.0, |step| step.settle);
    let wait = (settle - now.seconds_since(since)).clamp(0.0, settle.max(0.0));
    Decision::Settle { task: task.clone(), wait }
}

fn record(event: Event) -> Decision {
    Decision::Record(Box::new(event))
}

/// What a person asked for, once nothing is under way.
fn asked(run: &RunState, now: Time) -> Option<Decision> {
    match run.asked.as_ref()? {
        Asked::Pause { because, .. } => {
            Some(record(Event::Stopped { kind: StopKind::Paused, because: because.clone() }))
        }
        Asked::Rollback { to, because } => {
            Some(record(Event::RollbackStarted { to: to.clone(), because: because.clone() }))
        }
        Asked::Abort { because } => {
            // What is in doubt is looked into before the run is left; what stays in doubt is said in the summary.
            let doubt = run.tasks.iter().find(|(_, state)| state.status == Status::Unknown);
            Some(doubt.map_or_else(
                || record(verdict::abandoned(run, because)),
                |(task, state)| settle(run, task, state, now),
            ))
        }
    }
}

fn wait(question: &Question, now: Time) -> Decision {
    match question.deadline {
        Some(deadline) if now >= deadline => record(Event::Answered {
            task: question.task.clone(),
            answer: super::Answer::Undo,
            reason: "nobody answered in time; undoing is the safe default".to_owned(),
        }),
        _ => Decision::Wait(Box::new(question.clone())),
    }
}

/// The next step, in the playbook's order.
fn forward(run: &RunState, now: Time) -> Decision {
    for step in run.playbook().steps.iter().skip(run.dealt_with) {
        if run.skipped.contains_key(&step.id) {
            continue;
        }
        if run.is_passed(&step.id) {
            if let Some(event) = checkpoint(run, step) {
                return record(event);
            }
            continue;
        }
        return match run.doing(&step.id) {
            None => begin(run, step),
            Some(state) => go_on(run, step, state, now),
        };
    }
    record(verdict::succeeded(run))
}

fn checkpoint(run: &RunState, step: &Step) -> Option<Event> {
    let name = step.checkpoint.as_ref().filter(|_| !run.has_checkpoint(step))?;
    Some(Event::CheckpointReached { name: name.clone(), step: step.id.clone() })
}

fn begin(run: &RunState, step: &Step) -> Decision {
    let missing = step.needs.iter().find(|needed| run.doing(needed).is_none_or(|state| state.word() != "done"));
    match missing {
        Some(needed) => {
            record(Event::StepSkipped { step: step.id.clone(), reason: SkipReason::Needs { step: needed.clone() } })
        }
        None => Decision::Prepare { task: Task::of(&step.id), wait: 0.0 },
    }
}

/// A step that was begun and is not passed.
fn go_on(run: &RunState, step: &Step, state: &TaskState, now: Time) -> Decision {
    let task = Task::of(&step.id);
    match state.status {
        // `under_way` has it.
        Status::InFlight => Decision::Dispatch { task },
        Status::Unknown => settle(run, &task, state, now),
        Status::Doubtful => ask_about_unknown(run, &task, state, now),
        Status::Done if state.verified.is_none() => Decision::Verify { task },
        // What is done and does not hold is not run again for `once` and `probed`: it took effect.
        Status::Done if verify_again(step, state) => {
            Decision::Prepare { wait: retry::wait_before(run, &task, step, state, now), task }
        }
        Status::Done => failed(run, step, state, now),
        _ if retry::may_retry(run, &task, step, state) => {
            Decision::Prepare { wait: retry::wait_before(run, &task, step, state, now), task }
        }
        _ if retry::may_probe(run, &task, step, state) => settle(run, &task, state, now),
        Status::Ready | Status::NoEffect { .. } | Status::Failed { .. } => failed(run, step, state, now),
    }
}

fn verify_again(step: &Step, state: &TaskState) -> bool {
    use crate::spec::Effect;
    state.verified == Some(false)
        && matches!(step.effect, Effect::Read | Effect::Idempotent | Effect::Keyed)
        && state.counted < step.retry.attempts.max(state.allowed)
}

/// A step failed for good: what its `on_failure` says, or what the point of no return makes of it.
fn failed(run: &RunState, step: &Step, state: &TaskState, now: Time) -> Decision {
    let because = format!("{} failed: {}", step.id, state.message());
    let behind = run.point_of_no_return().is_some();
    let default = if behind { OnFailure::Pause } else { OnFailure::Rollback };
    match step.on_failure.as_ref().unwrap_or(&default) {
        OnFailure::Rollback => record(Event::RollbackStarted { to: None, because }),
        OnFailure::RollbackTo(name) => record(Event::RollbackStarted { to: Some(name.clone()), because }),
        OnFailure::Continue => record(Event::FailureAccepted { step: step.id.clone(), because }),
        OnFailure::Step(target) => jump(run, step, target, because),
        OnFailure::Pause => record(Event::WaitStarted {
            question: Question {
                task: Task::of(&step.id),
                kind: QuestionKind::StepFailed,
                message: because,
                deadline: (!behind).then(|| now.plus_seconds(ANSWER_WITHIN)),
            },
        }),
    }
}

/// Goes on at a later step: what lies between is skipped, one record each, then the failure is passed over.
fn jump(run: &RunState, from: &Step, target: &crate::ids::StepId, because: String) -> Decision {
    let steps = &run.playbook().steps;
    let between = steps
        .iter()
        .skip_while(|step| step.id != from.id)
        .skip(1)
        .take_while(|step| &step.id != target)
        .find(|step| !run.skipped.contains_key(&step.id));
    match between {
        Some(step) => {
            record(Event::StepSkipped { step: step.id.clone(), reason: SkipReason::Jumped { from: from.id.clone() } })
        }
        None => record(Event::FailureAccepted {
            step: from.id.clone(),
            because: format!("{because}; going on at {target}"),
        }),
    }
}

/// Nobody can tell whether an attempt took effect.
pub(super) fn ask_about_unknown(run: &RunState, task: &Task, state: &TaskState, now: Time) -> Decision {
    let covered = run.planned(&task.step).is_some_and(|(_, planned)| planned.undo_covers_unknown);
    let safe = covered && run.point_of_no_return().is_none() && run.rollback.is_none();
    record(Event::WaitStarted {
        question: Question {
            task: task.clone(),
            kind: QuestionKind::UnknownOutcome,
            message: format!("nobody can tell whether {task} took effect: {}", state.message()),
            deadline: safe.then(|| now.plus_seconds(ANSWER_WITHIN)),
        },
    })
}
