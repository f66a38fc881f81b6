//! How a run stands, as the list of runs shows it: kept beside the records so that the list needs no replay, computed from
//! nothing but the records, and compared with them by `verify`. It must never be what a decision rests on: that is
//! `run`'s fold.

use super::chain::Head;
use super::{LeaseInfo, RunRow};
use crate::ids::RunId;
use crate::run::{Event, QuestionKind, Record, RequestKind, Settlement, Time, Verdict};

/// How a run stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Projection {
    pub playbook: String,
    pub version: String,
    pub incident: Option<String>,
    pub started: Time,
    pub updated: Time,
    pub verdict: Option<Verdict>,
    pub waiting: Option<QuestionKind>,
    pub stopped: bool,
    /// Whether a person let it undo although everything is halted.
    pub despite_halt: bool,
    pub head: Head,
}

impl Projection {
    /// After the first record, if that is one that starts a run.
    pub fn start(record: &Record) -> Option<Self> {
        let Event::RunStarted { plan, incident, .. } = &record.event else { return None };
        Some(Self {
            playbook: plan.playbook.name.clone(),
            version: plan.playbook.version.clone(),
            incident: incident.clone(),
            started: record.time,
            updated: record.time,
            verdict: None,
            waiting: None,
            stopped: false,
            despite_halt: false,
            head: Head { seq: record.seq, hash: record.hash.clone() },
        })
    }

    /// After one more record.
    pub fn apply(&mut self, record: &Record) {
        self.updated = record.time;
        self.head = Head { seq: record.seq, hash: record.hash.clone() };
        match &record.event {
            Event::WaitStarted { question } => self.waiting = Some(question.kind),
            Event::ApprovalAsked { .. } => self.waiting = Some(QuestionKind::Approval),
            Event::Answered { .. }
            | Event::SkippedByPerson { answers: true, .. }
            | Event::Rejected { .. }
            | Event::Approved { complete: true, .. } => self.waiting = None,
            Event::Settled { settlement, .. } if *settlement != Settlement::CannotTell => self.waiting = None,
            Event::Stopped { .. } => self.stopped = true,
            Event::Resumed { .. } => self.stopped = false,
            // Something is being done: whatever was waited for has been dealt with.
            Event::Intent { .. } | Event::RollbackStarted { .. } => {
                self.waiting = None;
                self.stopped = false;
            }
            Event::RunEnded { verdict, .. } => {
                self.verdict = Some(*verdict);
                self.waiting = None;
                self.stopped = false;
            }
            Event::Requested { request: RequestKind::Rollback { despite_halt: true, .. }, .. } => {
                self.despite_halt = true;
            }
            // Another halt binds anew.
            Event::Halted { .. } | Event::HaltLifted { .. } => self.despite_halt = false,
            Event::RunStarted { .. }
            | Event::LeaseTaken { .. }
            | Event::GroupEntered { .. }
            | Event::BatchBegan { .. }
            | Event::ItemFailed { .. }
            | Event::StepSkipped { .. }
            | Event::StepRefused { .. }
            | Event::Outcome { .. }
            | Event::Settled { .. }
            | Event::Verified { .. }
            | Event::FailureAccepted { .. }
            | Event::CheckpointReached { .. }
            | Event::Paged { .. }
            | Event::Approved { .. }
            | Event::Checked { .. }
            | Event::BudgetExceeded { .. }
            | Event::Requested { .. }
            | Event::SkippedByPerson { answers: false, .. }
            | Event::Inherited { .. }
            | Event::ReadAgain { .. }
            | Event::Note { .. } => {}
        }
    }

    /// The run's line in the list of runs.
    pub fn row(&self, run: RunId, lease: LeaseInfo) -> RunRow {
        RunRow {
            run,
            playbook: self.playbook.clone(),
            version: self.version.clone(),
            started: self.started,
            updated: self.updated,
            verdict: self.verdict,
            waiting: self.waiting,
            stopped: self.stopped,
            lease,
            damaged: None,
        }
    }

    /// The first thing in which another one differs, in words; nothing where they agree.
    pub fn difference(&self, kept: &Self) -> Option<String> {
        let fields: [(&str, String, String); 10] = [
            ("playbook", self.playbook.clone(), kept.playbook.clone()),
            ("version", self.version.clone(), kept.version.clone()),
            ("incident", format!("{:?}", self.incident), format!("{:?}", kept.incident)),
            ("start", self.started.to_string(), kept.started.to_string()),
            ("last change", self.updated.to_string(), kept.updated.to_string()),
            ("verdict", format!("{:?}", self.verdict), format!("{:?}", kept.verdict)),
            ("wait", format!("{:?}", self.waiting), format!("{:?}", kept.waiting)),
            ("stop", self.stopped.to_string(), kept.stopped.to_string()),
            ("right to undo despite a halt", self.despite_halt.to_string(), kept.despite_halt.to_string()),
            ("last record", self.head.describe(), kept.head.describe()),
        ];
        fields.into_iter().find(|(_, ours, theirs)| ours != theirs).map(|(what, records, list)| {
            format!("the list of runs has {list} as the run's {what}, the records say {records}")
        })
    }
}

impl Head {
    fn describe(&self) -> String {
        format!("{} ({})", self.seq, self.hash)
    }
}
