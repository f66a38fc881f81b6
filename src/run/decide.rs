//! What is to be done next. The order of the questions is the promise: what is under way or in doubt comes first, then
//! what people asked for, then the undo, then the next step.

use super::failed::ANSWER_WITHIN;
use super::state::Asked;
use super::walk::{self, Next};
use super::{
    BrokenKind, Event, Moment, Question, QuestionKind, RunState, Status, StopKind, Task, TaskState, Time, Verdict,
    brakes, halt, left, undo, verdict,
};

/// What is to be done next.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Several things at the same time; each is one of the seven below.
    Together(Vec<Decision>),
    /// Look whether a group of steps is to run, and over which items, and write that down.
    Enter {
        /// Which.
        task: Task,
    },
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
    /// Look whether identities and invariants hold, and write that down.
    Check {
        /// Before or after what.
        task: Task,
        /// When.
        moment: Moment,
    },
    /// The next batch of a `for_each` is about to begin: wait, and write down that it does.
    BetweenBatches {
        /// The `for_each`.
        task: Task,
        /// Which batch, from 0.
        batch: u32,
        /// How many seconds to wait before.
        wait: f64,
    },
    /// Write this down and go on.
    Record(Box<Event>),
    /// A person is needed.
    Wait(Box<Question>),
    /// A person stopped the run; it can be resumed.
    Stopped(StopKind),
    /// Everything is halted and nothing of it is under way: it goes on once that is lifted.
    Halted,
    /// It is over.
    Finished(Verdict),
}

impl Decision {
    /// What is to be worked on, where it is work on a task.
    pub fn task(&self) -> Option<&Task> {
        match self {
            Decision::Enter { task }
            | Decision::Prepare { task, .. }
            | Decision::Dispatch { task }
            | Decision::Settle { task, .. }
            | Decision::Verify { task }
            | Decision::BetweenBatches { task, .. }
            | Decision::Check { task, .. } => Some(task),
            _ => None,
        }
    }

    /// Whether something new would begin by it.
    pub fn begins(&self) -> bool {
        matches!(self, Decision::Enter { .. } | Decision::Prepare { .. } | Decision::BetweenBatches { .. })
    }

    /// The word for it, for whoever looks for a fault.
    pub fn word(&self) -> &'static str {
        match self {
            Decision::Together(_) => "together",
            Decision::Enter { .. } => "enter",
            Decision::Prepare { .. } => "prepare",
            Decision::Dispatch { .. } => "dispatch",
            Decision::Settle { .. } => "settle",
            Decision::Verify { .. } => "verify",
            Decision::Check { .. } => "check",
            Decision::BetweenBatches { .. } => "between_batches",
            Decision::Record(_) => "record",
            Decision::Wait(_) => "wait",
            Decision::Stopped(_) => "stopped",
            Decision::Halted => "halted",
            Decision::Finished(_) => "finished",
        }
    }
}

/// What is to be done next.
pub fn decide(run: &RunState, now: Time) -> Decision {
    let decision = unhalted(run, now);
    if run.halted.is_some() { halt::hold_back(run, decision) } else { decision }
}

fn unhalted(run: &RunState, now: Time) -> Decision {
    if let Some((verdict, ..)) = run.ended {
        return Decision::Finished(verdict);
    }
    if let Some(event) = brakes::exceeded(run, now) {
        return record(event);
    }
    let asked_for = run.asked.is_some() || run.question.is_some() || run.brakes.broken.is_some();
    if run.stopped.is_none() && run.rollback.is_none() && !asked_for {
        return forward(run, now);
    }
    if let Some(decision) = finish_items(run, now) {
        return decision;
    }
    let busy: Vec<Decision> = run.in_flight().map(|(task, state)| under_way(run, task, state, now)).collect();
    if !busy.is_empty() {
        // What goes back side by side is only gone on with where nothing else is asked for.
        let goes_back = run.stopped.is_none() && !asked_for && run.in_flight().all(|(task, _)| task.is_undo());
        return if goes_back { back(run, busy, now) } else { together(busy) };
    }
    if let Some(kind) = run.stopped {
        return Decision::Stopped(kind);
    }
    if let Some(decision) = asked(run, now) {
        return decision;
    }
    // Nobody has to answer anything before a budget takes the run back: it is there for the time that nobody answers in.
    if let Some(broken) = run.brakes.broken.as_ref().filter(|broken| broken.kind == BrokenKind::Budget) {
        return brakes::answer_to(run, broken);
    }
    if let Some(question) = &run.question {
        return wait(run, question, now);
    }
    if let Some(broken) = &run.brakes.broken {
        return brakes::answer_to(run, broken);
    }
    back(run, Vec::new(), now)
}

/// The next of the playbook, in its order.
fn forward(run: &RunState, now: Time) -> Decision {
    match walk::next(run, now) {
        Next::Over => brakes::before_end(run).unwrap_or_else(|| record(verdict::succeeded(run, now))),
        Next::Now(decision) => together(brakes::with_checkpoint(run, decision, now)),
        Next::Rest(decision) => decision,
        Next::Work(decisions) => together(brakes::hold_back(run, decisions)),
    }
}

/// What is left for the items in hand, where a person wants the run to wait behind them: no other item begins, nor anything
/// behind the list.
fn finish_items(run: &RunState, now: Time) -> Option<Decision> {
    let finishes = matches!(run.asked, Some(Asked::Pause { finish: true, .. }));
    let stands = run.stopped.is_some() || run.rollback.is_some() || run.question.is_some();
    if !finishes || stands || run.brakes.broken.is_some() {
        return None;
    }
    let decisions = match forward(run, now) {
        Decision::Together(decisions) => decisions,
        one => vec![one],
    };
    let left: Vec<Decision> = decisions.into_iter().filter(|one| left::is_of_an_item_in_hand(run, one)).collect();
    (!left.is_empty()).then(|| together(left))
}

/// What is undone next, beside what is under way already.
fn back(run: &RunState, busy: Vec<Decision>, now: Time) -> Decision {
    match undo::next(run, now) {
        Next::Work(decisions) => {
            let begins = |decision: &Decision| !busy.iter().any(|busy| busy.task() == decision.task());
            let mut all: Vec<Decision> = decisions.into_iter().filter(begins).collect();
            all.extend(busy.iter().cloned());
            together(brakes::hold_back(run, all))
        }
        Next::Now(decision) | Next::Rest(decision) if busy.is_empty() => decision,
        _ => together(busy),
    }
}

pub(super) fn together(mut decisions: Vec<Decision>) -> Decision {
    match (decisions.pop(), decisions.is_empty()) {
        (Some(only), true) => only,
        (last, _) => {
            decisions.extend(last);
            Decision::Together(decisions)
        }
    }
}

/// An intent without an outcome: ours to carry out if this lease wrote it, else to be looked into.
pub(super) fn under_way(run: &RunState, task: &Task, state: &TaskState, now: Time) -> Decision {
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

pub(super) fn record(event: Event) -> Decision {
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

fn wait(run: &RunState, question: &Question, now: Time) -> Decision {
    match question.deadline {
        Some(deadline) if now >= deadline && question.kind == QuestionKind::Approval => brakes::overdue(run, question),
        Some(deadline) if now >= deadline => record(Event::Answered {
            task: question.task.clone(),
            answer: super::Answer::Undo,
            reason: "nobody answered in time; undoing is the safe default".to_owned(),
        }),
        _ => Decision::Wait(Box::new(question.clone())),
    }
}

/// Nobody can tell whether an attempt took effect. Nobody is asked while its target may still take it back by itself: an
/// answer would be about a world that is gone a moment later.
pub(super) fn ask_about_unknown(run: &RunState, task: &Task, state: &TaskState, now: Time) -> Decision {
    // The look behind that time is owed also where the clock says that it has passed while it was waited for.
    if let Some(wait) = state.armed_for(now).filter(|_| state.status == Status::Doubtful) {
        return Decision::Settle { task: task.clone(), wait };
    }
    let covered = run.planned(task).is_some_and(|(_, planned)| planned.undo_covers_unknown);
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
