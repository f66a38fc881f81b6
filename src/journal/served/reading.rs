//! What a server tells, read. What it holds of a holder is believed: only it can see whether that process lives.

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::super::{AlertsOf, Halt, LeaseInfo, Lifted, LockRow, RequestRow, RunRow};
use super::{JournalError, PAGE, ServedJournal, strange};
use crate::ids::{Resource, RunId};
use crate::run::{Holder, QuestionKind, RequestKind, Time, Verdict};

#[derive(Deserialize)]
struct Runs {
    runs: Vec<Row>,
    next: Option<RunId>,
}

#[derive(Deserialize)]
struct Row {
    run: RunId,
    playbook: String,
    version: String,
    verdict: Option<Verdict>,
    waiting: Option<QuestionKind>,
    started: String,
    updated: String,
    stopped: bool,
    damaged: bool,
    lease: LeaseTold,
}

impl Row {
    fn read(self) -> Result<RunRow, JournalError> {
        let Self { run, playbook, version, verdict, waiting, started, updated, stopped, damaged, lease } = self;
        Ok(RunRow {
            run,
            playbook,
            version,
            started: time(&started)?,
            updated: time(&updated)?,
            verdict,
            waiting,
            stopped,
            lease: lease.read(),
            damaged: damaged.then(|| "the server cannot read it: its log says why".to_owned()),
        })
    }
}

/// A run's lease, with what else changes beside its records.
#[derive(Deserialize)]
pub(super) struct Leased {
    pub lease: LeaseTold,
}

#[derive(Deserialize)]
pub(super) struct Requests {
    pub requests: Vec<Request>,
}

#[derive(Deserialize)]
pub(super) struct Alerted {
    pub alerts: Option<Alerts>,
}

#[derive(Deserialize)]
pub(super) struct Retried {
    pub retried_by: Vec<RunId>,
}

#[derive(Deserialize)]
pub(super) struct LeaseTold {
    epoch: u64,
    held: bool,
    user: String,
    host: String,
    pid: u32,
    serves: bool,
    idle_seconds: Option<f64>,
}

impl LeaseTold {
    pub fn read(self) -> LeaseInfo {
        let Self { epoch, held, user, host, pid, serves, idle_seconds } = self;
        let holder = Holder { user, host, boot: String::new(), pid, namespace: String::new(), started: 0, serves };
        let idle = idle_seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        LeaseInfo { epoch, holder, released: !held, idle, held: Some(held) }
    }
}

#[derive(Deserialize)]
pub(super) struct Request {
    id: i64,
    request: RequestKind,
    by: String,
    reason: String,
    at: String,
}

impl Request {
    pub fn read(self) -> Result<RequestRow, JournalError> {
        let Self { id, request, by, reason, at } = self;
        Ok(RequestRow { id, request, by, reason, at: time(&at)? })
    }
}

#[derive(Deserialize)]
pub(super) struct Alerts {
    count: u32,
    resolved: Option<String>,
}

impl Alerts {
    pub fn read(self) -> Result<AlertsOf, JournalError> {
        Ok(AlertsOf { alerts: self.count, resolved: self.resolved.as_deref().map(time).transpose()? })
    }
}

#[derive(Deserialize)]
pub(super) struct Locks {
    pub locks: Vec<Lock>,
}

#[derive(Deserialize)]
pub(super) struct Lock {
    resource: Resource,
    run: RunId,
    playbook: String,
    incident: Option<String>,
    since: String,
}

impl Lock {
    pub fn read(self) -> Result<LockRow, JournalError> {
        let Self { resource, run, playbook, incident, since } = self;
        Ok(LockRow { resource, run, playbook, incident, since: time(&since)? })
    }
}

#[derive(Deserialize)]
pub(super) struct Halted {
    pub halted: Option<Halting>,
    #[serde(default)]
    pub lifted: Option<Halting>,
}

#[derive(Deserialize)]
pub(super) struct Halting {
    number: i64,
    by: String,
    reason: String,
    since: String,
    #[serde(default)]
    lifted: Option<LiftedTold>,
}

#[derive(Deserialize)]
struct LiftedTold {
    by: String,
    reason: String,
    at: String,
}

impl Halting {
    pub fn read(self) -> Result<Halt, JournalError> {
        let Self { number, by, reason, since, lifted } = self;
        let lifted = lifted
            .map(|lifted| Ok::<_, JournalError>(Lifted { by: lifted.by, reason: lifted.reason, at: time(&lifted.at)? }))
            .transpose()?;
        Ok(Halt { number, by, reason, since: time(&since)?, lifted })
    }
}

impl ServedJournal {
    /// All rows of the list of runs that fit what else is asked (`&name=value`).
    pub(super) fn rows(&self, more: &str) -> Result<Vec<RunRow>, JournalError> {
        let mut rows: Vec<RunRow> = Vec::new();
        let mut before = String::new();
        loop {
            let told: Runs = self.get(&format!("/v1/runs?limit={PAGE}{before}{more}"))?;
            if told.runs.is_empty() && told.next.is_some() {
                return Err(strange("its list of runs goes in a circle"));
            }
            for row in told.runs {
                rows.push(row.read()?);
            }
            match told.next {
                Some(next) => before = format!("&before={next}"),
                None => return Ok(rows),
            }
        }
    }
}

/// A time as servers tell it.
pub(super) fn time(text: &str) -> Result<Time, JournalError> {
    let stamp: jiff::Timestamp = text.parse().map_err(|error| strange(&format!("`{text}` is no time: {error}")))?;
    Ok(Time(stamp.as_millisecond()))
}

/// A value within an address.
pub fn escaped(text: &str) -> String {
    /// What stands for itself there.
    const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, PLAIN).to_string()
}
