//! What is known of one task: its attempts, the newest of which counts.

use super::Time;
use crate::outcome::{Outcome, Report};
use crate::playbook::Service;
use crate::spec::Effect;
use crate::value::Value;

/// How long a target may take to take something back once its timer has run out, in seconds.
const REVERTING: f64 = 1.0;

/// What is known of one task.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskState {
    /// The number of the newest attempt.
    pub attempt: u32,
    /// How many attempts count against the limit: those that a crash of the runner swallowed do not.
    pub counted: u32,
    /// How many more attempts a person has allowed.
    pub allowed: u32,
    /// How the newest attempt stands.
    pub status: Status,
    /// The newest intent, absent where every try was refused before one.
    pub intent: Option<Intent>,
    /// What was there before the first attempt that may have changed something: what an undo puts back.
    pub before: Value,
    /// How often it was undone to be done again: the target must not take what comes then for a double.
    pub round: u32,
    /// Whether an attempt before the newest may have changed something.
    pub earlier_effect: bool,
    /// The newest account: of the action, a probe or a person.
    pub report: Option<Report>,
    /// Whether somebody has looked, after the newest attempt, what became of it.
    pub looked: bool,
    /// Since when it is certain that nobody acts any more, and not what became of it.
    pub in_doubt: Option<Time>,
    /// Whether the conditions after it hold, once they were looked at.
    pub verified: Option<bool>,
    /// Whether the run may go on to what comes next.
    pub passed: bool,
    /// What the service was said to be once it was done.
    pub served: Option<Service>,
    /// When the first attempt began.
    pub started: Time,
    /// When the newest attempt ended.
    pub ended: Option<Time>,
    /// Where it stands in the order of intents.
    pub(super) place: Option<usize>,
}

/// How the newest attempt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It may begin again: its effect is undone, or it was swallowed by a crash.
    Ready,
    /// There is an intent and no outcome.
    InFlight,
    /// It ended without an answer; nobody has looked yet.
    Unknown,
    /// Somebody has looked and could not tell: a person decides.
    Doubtful,
    /// It certainly changed nothing.
    NoEffect {
        /// Whether trying again may help.
        retryable: bool,
    },
    /// It failed; part of it may have happened.
    Failed {
        /// Whether it may be tried again, as its effect allows and a probe has confirmed where one is needed.
        retryable: bool,
    },
    /// It is done.
    Done,
}

/// An attempt's intent.
#[derive(Debug, Clone, PartialEq)]
pub struct Intent {
    /// With what.
    pub arguments: Value,
    /// What the target and the recorder know it by.
    pub key: String,
    /// How often it may run.
    pub effect: Effect,
    /// How long it may take, in seconds.
    pub timeout: f64,
    /// After how many seconds the target itself takes it back unless it is confirmed, if it does.
    pub reverts_after: Option<f64>,
    /// The lease under which it was written.
    pub epoch: u64,
    /// When.
    pub at: Time,
}

impl TaskState {
    /// A task that nothing has happened to yet.
    pub fn new(at: Time) -> Self {
        Self {
            attempt: 0,
            counted: 0,
            allowed: 0,
            status: Status::Ready,
            intent: None,
            before: Value::Null,
            round: 0,
            earlier_effect: false,
            report: None,
            looked: false,
            in_doubt: None,
            verified: None,
            passed: false,
            served: None,
            started: at,
            ended: None,
            place: None,
        }
    }

    /// Whether there is an intent without an outcome.
    pub fn is_in_flight(&self) -> bool {
        self.status == Status::InFlight
    }

    /// Whether looking what became of its newest attempt may say anything that is not known: where its target may take it
    /// back by itself, a second look is worth it.
    pub fn may_be_settled(&self) -> bool {
        match self.status {
            Status::InFlight | Status::Unknown | Status::Failed { .. } => true,
            Status::Doubtful => self.intent.as_ref().is_some_and(|intent| intent.reverts_after.is_some()),
            Status::Ready | Status::NoEffect { .. } | Status::Done => false,
        }
    }

    /// Whether it is under way, or nobody has looked yet what became of it.
    pub fn is_open(&self) -> bool {
        matches!(self.status, Status::InFlight | Status::Unknown)
    }

    /// Whether something at the target may have been changed by it.
    pub fn may_have_effect(&self) -> bool {
        self.earlier_effect
            || match self.status {
                Status::InFlight | Status::Unknown | Status::Doubtful | Status::Failed { .. } | Status::Done => true,
                Status::NoEffect { .. } | Status::Ready => false,
            }
    }

    /// For how many seconds more its target may take it back by itself, where it ever would: nobody can say before what
    /// became of it. The timer may have begun to run in the last moment in which somebody acted. A clock that was set back
    /// does not make it longer than it is.
    pub fn armed_for(&self, now: Time) -> Option<f64> {
        let whole = (self.intent.as_ref()?.reverts_after? + REVERTING).max(0.0);
        self.in_doubt.map(|since| (whole - now.seconds_since(since)).clamp(0.0, whole))
    }

    /// The outputs, as far as they are known (an object).
    pub fn outputs(&self) -> Value {
        match &self.report {
            Some(report) if report.outputs.is_object() => report.outputs.clone(),
            _ => Value::Object(serde_json::Map::new()),
        }
    }

    /// The newest account in a line.
    pub fn message(&self) -> &str {
        self.report.as_ref().map_or("", |report| report.message.as_str())
    }

    /// The word that conditions and people know its state by.
    pub fn word(&self) -> &'static str {
        match self.status {
            Status::Ready => "pending",
            Status::InFlight => "running",
            Status::Unknown | Status::Doubtful => "unknown",
            Status::NoEffect { .. } => "no_effect",
            Status::Failed { .. } => "failed",
            Status::Done if self.verified == Some(false) => "failed",
            Status::Done => "done",
        }
    }

    /// Takes an account of the newest attempt.
    pub(super) fn account(&mut self, report: Report, at: Time) {
        let effect = self.intent.as_ref().map_or(Effect::Once, |intent| intent.effect);
        self.status = match report.outcome {
            Outcome::Done => Status::Done,
            Outcome::NoEffect => Status::NoEffect { retryable: true },
            // `probed` may run again after a negative probe only, `once` never.
            Outcome::Failed => {
                Status::Failed { retryable: matches!(effect, Effect::Read | Effect::Idempotent | Effect::Keyed) }
            }
            Outcome::Unknown => Status::Unknown,
        };
        if self.status == Status::Unknown {
            self.in_doubt = self.in_doubt.or(Some(at));
        }
        self.report = Some(report.kept_once());
        self.ended = Some(at);
    }
}
