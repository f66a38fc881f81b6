//! What a person who is not at the run wants to know of it: from a record, as a fact, in no language yet. Pure.

use crate::incident::{IncidentEvent, IncidentRecord};
use crate::outcome::Outcome;
use crate::run::{Answer, Event, QuestionKind, Record, RequestKind, RunState, SkipHow, StopKind, Time, Verdict};

/// Something worth telling.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    /// The record that it is.
    pub seq: u64,
    /// When.
    pub time: Time,
    /// Who: a person's or the runner's name.
    pub actor: String,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// Something was said of an incident.
    OfIncident(Box<IncidentEvent>),
    /// The run began.
    Began {
        /// Brakes that were passed, each with its reason.
        overrides: Vec<(String, String)>,
    },
    /// It takes the place of another one.
    TookOver {
        /// Which.
        from: String,
        /// Why.
        reason: String,
    },
    /// A person is needed.
    Asks {
        /// About what.
        task: String,
        /// What kind of question it is.
        kind: QuestionKind,
        /// What happened.
        message: String,
        /// Until when an answer counts.
        deadline: Option<Time>,
    },
    /// People are asked whether something may begin.
    Approval {
        /// What.
        task: String,
        /// What is to happen.
        message: String,
        /// Who may say yes.
        roles: Vec<String>,
        /// How many have to.
        min: u32,
        /// Until when.
        deadline: Option<Time>,
    },
    /// Somebody approved.
    Approved {
        /// What.
        task: String,
        /// Why.
        reason: String,
        /// Whether the glass was broken.
        break_glass: bool,
        /// Whether nobody else is missing.
        complete: bool,
    },
    /// Somebody did not.
    Rejected {
        /// What.
        task: String,
        /// Why.
        reason: String,
    },
    /// Somebody answered a question.
    Answered {
        /// About what.
        task: String,
        /// What.
        answer: Answer,
        /// Why.
        reason: String,
    },
    /// Somebody asked for something else to happen.
    Requested {
        /// What.
        request: Wish,
        /// Why.
        reason: String,
    },
    /// Somebody took something out of the run's hands.
    Skipped {
        /// What.
        task: String,
        /// What was said of it.
        how: SkipHow,
        /// Why.
        reason: String,
    },
    /// The point of no return begins.
    Crossed {
        /// Which step.
        task: String,
    },
    /// A step was not begun, as something that must hold does not.
    Refused {
        /// Which.
        task: String,
        /// What does not hold.
        message: String,
    },
    /// A step failed, or nobody knows whether it took effect.
    Failed {
        /// Which.
        task: String,
        /// Whether it is not known.
        unknown: bool,
        /// Whether it is an undo.
        undo: bool,
        /// Why.
        message: String,
    },
    /// What must hold does not.
    Broken {
        /// The names.
        names: Vec<String>,
    },
    /// It takes longer than it may.
    Late {
        /// From which step.
        from: String,
        /// To which.
        to: String,
        /// How long it may take, in seconds.
        max: f64,
    },
    /// It undoes from here on.
    Undoing {
        /// The checkpoint that it goes back to; the start where absent.
        to: Option<String>,
        /// Why.
        because: String,
    },
    /// A safe state was reached.
    Checkpoint {
        /// Its name.
        name: String,
    },
    /// It was stopped.
    Stopped {
        /// How.
        kind: StopKind,
        /// Why.
        because: String,
    },
    /// It goes on.
    Resumed {
        /// Why; may be empty.
        reason: String,
    },
    /// Everything is halted.
    Halted {
        /// By whom.
        by: String,
        /// Why; may be empty.
        reason: String,
    },
    /// That has ended.
    HaltLifted {
        /// By whom.
        by: String,
    },
    /// It is over.
    Ended {
        /// How.
        verdict: Verdict,
        /// How the world stands.
        summary: String,
        /// How long it took, in seconds.
        seconds: f64,
    },
    /// A record that is no such moment, which somebody asked for by name.
    Other {
        /// What happened, in one sentence.
        text: String,
    },
}

/// What somebody asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// To undo and end.
    Cancel,
    /// To undo back to a checkpoint or the start.
    Rollback(Option<String>),
    /// To end without undoing.
    Abort,
    /// To wait.
    Pause,
}

impl Moment {
    /// The moment that a record is, if it is one; the state is the one after it.
    pub fn of(record: &Record, state: &RunState) -> Option<Self> {
        let what = what(record, state)?;
        Some(Self { seq: record.seq, time: record.time, actor: record.actor.clone(), what })
    }

    /// The same of an incident. What monitoring repeats is for programs: people are told when it is opened, and when it is over.
    pub fn of_incident(record: &IncidentRecord) -> Option<Self> {
        if matches!(record.event, IncidentEvent::Alert { .. }) {
            return None;
        }
        let what = What::OfIncident(Box::new(record.event.clone()));
        Some(Self { seq: record.seq, time: record.time, actor: record.actor.clone(), what })
    }

    /// Whether a person has to do something now.
    pub fn needs_a_person(&self) -> bool {
        matches!(self.what, What::Asks { .. } | What::Approval { .. })
    }
}

fn what(record: &Record, state: &RunState) -> Option<What> {
    Some(match &record.event {
        Event::RunStarted { overrides, .. } => What::Began { overrides: overrides.clone() },
        Event::Inherited { inheritance } => {
            What::TookOver { from: inheritance.from.to_string(), reason: inheritance.reason.clone() }
        }
        Event::WaitStarted { question } => What::Asks {
            task: question.task.to_string(),
            kind: question.kind,
            message: question.message.clone(),
            deadline: question.deadline,
        },
        Event::ApprovalAsked { task, asking } => What::Approval {
            task: task.to_string(),
            message: asking.message.clone(),
            roles: asking.roles.clone(),
            min: asking.min,
            deadline: asking.deadline,
        },
        Event::Approved { task, reason, break_glass, complete, .. } => What::Approved {
            task: task.to_string(),
            reason: reason.clone(),
            break_glass: *break_glass,
            complete: *complete,
        },
        Event::Rejected { task, reason } => What::Rejected { task: task.to_string(), reason: reason.clone() },
        Event::Answered { task, answer, reason } => {
            What::Answered { task: task.to_string(), answer: *answer, reason: reason.clone() }
        }
        Event::Requested { request, reason } => What::Requested { request: wish(request)?, reason: reason.clone() },
        Event::SkippedByPerson { task, how, reason, .. } => {
            What::Skipped { task: task.to_string(), how: *how, reason: reason.clone() }
        }
        Event::Intent { task, attempt: 1, .. } if crosses(record, state) => What::Crossed { task: task.to_string() },
        Event::StepRefused { task, message, .. } => What::Refused { task: task.to_string(), message: message.clone() },
        Event::Outcome { task, report, .. } => match report.outcome {
            Outcome::Failed | Outcome::Unknown => What::Failed {
                task: task.doing().to_string(),
                unknown: report.outcome == Outcome::Unknown,
                undo: task.is_undo(),
                message: report.message.clone(),
            },
            Outcome::Done | Outcome::NoEffect => return None,
        },
        Event::Verified { task, passed: false, conditions } => {
            let broken = conditions.iter().filter(|condition| !condition.held);
            let names: Vec<String> = broken.map(|condition| condition.source.clone()).collect();
            What::Failed { task: task.to_string(), unknown: false, undo: false, message: names.join(", ") }
        }
        Event::Checked { found, .. } => {
            let broken = found.iter().filter(|check| !check.condition.held);
            let names: Vec<String> = broken.map(|check| check.name.clone()).collect();
            (!names.is_empty()).then_some(What::Broken { names })?
        }
        Event::BudgetExceeded { from, to, max, .. } => {
            What::Late { from: from.to_string(), to: to.to_string(), max: *max }
        }
        Event::RollbackStarted { to, because } => What::Undoing { to: to.clone(), because: because.clone() },
        Event::CheckpointReached { name, .. } => What::Checkpoint { name: name.clone() },
        Event::Stopped { kind, because } => What::Stopped { kind: *kind, because: because.clone() },
        Event::Resumed { reason } => What::Resumed { reason: reason.clone() },
        Event::Halted { by, reason, .. } => What::Halted { by: by.clone(), reason: reason.clone() },
        Event::HaltLifted { by, .. } => What::HaltLifted { by: by.clone() },
        Event::RunEnded { verdict, summary } => What::Ended {
            verdict: *verdict,
            summary: summary.clone(),
            seconds: record.time.seconds_since(state.started).max(0.0),
        },
        _ => return None,
    })
}

fn wish(request: &RequestKind) -> Option<Wish> {
    match request {
        RequestKind::Cancel => Some(Wish::Cancel),
        RequestKind::Rollback { to, .. } => Some(Wish::Rollback(to.clone())),
        RequestKind::Abort => Some(Wish::Abort),
        RequestKind::Pause | RequestKind::FinishItems => Some(Wish::Pause),
        // What came of it is a record of its own.
        RequestKind::Resolve { .. }
        | RequestKind::Approve { .. }
        | RequestKind::Reject { .. }
        | RequestKind::Skip { .. } => None,
    }
}

fn crosses(record: &Record, state: &RunState) -> bool {
    let Event::Intent { task, .. } = &record.event else { return false };
    !task.is_undo() && state.playbook().step(&task.step).is_some_and(|step| step.point_of_no_return)
}
