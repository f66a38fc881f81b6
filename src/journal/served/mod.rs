//! A state that a server owns: the store of whoever is its client. It reads what the server tells of its records, and asks the
//! server for every change; what it says of a run rests on the records as they are stored, so that whoever verifies them here
//! verifies what lies there. It must never write a record, hold a lease, or know how a server is reached.

mod forms;
mod incidents;
mod kept;
mod reading;
mod stored;

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::audit::Walk;
use super::{
    AlertsOf, Earlier, Halt, Handover, Journal, JournalError, Lease, LeaseInfo, LockRow, RequestRow, RunLimit, RunRow,
    Stored, Verification,
};
use crate::ids::{Resource, RunId};
use crate::run::{Event, Holder, LeaseReason, Record, RequestKind, Time};

pub use forms::{asking, lease_json, request_json, run_json};
pub use reading::escaped;
pub use stored::stored_json;

/// How many rows are asked for at a time, and the most that a server gives.
const PAGE: usize = 500;

/// How a server is asked. Calls block until it has answered.
pub trait Server: Send + Sync {
    /// Asks for something, and hands on what was answered as text.
    ///
    /// # Errors
    /// `Unreachable` when there is no answer, `Refused` when the server says no.
    fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<String, JournalError>;
}

/// What is done with an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// It is read.
    Get,
    /// Something is asked of it.
    Post,
    /// It is taken away.
    Delete,
}

/// What a server said when it refused something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The status of its answer.
    pub status: u16,
    /// The exit code of the command line that goes with it.
    pub exit: u8,
    /// What happened.
    pub title: String,
    /// What that means for the system now; may be empty.
    pub detail: String,
    /// What to do next.
    pub next: Vec<String>,
    /// After how many seconds it may be asked again, where that may help.
    pub retry_after: Option<u64>,
    /// What the run needs that was not begun for that.
    pub needs: Option<Needs>,
    /// The lock that the run did not get.
    pub locked: Option<HeldLock>,
}

/// What a run has to be asked for with, by somebody who may.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Needs {
    /// Its playbook's name once more.
    pub confirm: bool,
    /// The brakes that have to be passed, each with a reason.
    pub overrides: Vec<String>,
}

/// A lock that another run holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldLock {
    /// On what.
    pub resource: Resource,
    /// Which run.
    pub run: RunId,
}

impl HeldLock {
    /// That of a row.
    pub fn of(row: &LockRow) -> Self {
        Self { resource: row.resource.clone(), run: row.run.clone() }
    }
}

/// The state of a server.
#[derive(Clone)]
pub struct ServedJournal {
    server: Arc<dyn Server>,
}

impl ServedJournal {
    /// Of a server.
    pub fn of(server: Arc<dyn Server>) -> Self {
        Self { server }
    }

    /// Reads something.
    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, JournalError> {
        read(&self.server.ask(Method::Get, path, None)?)
    }

    /// Reads something of a run.
    fn get_of<T: DeserializeOwned>(&self, run: &RunId, what: &str) -> Result<T, JournalError> {
        self.get(&format!("/v1/runs/{run}/{what}")).map_err(|error| no_run(run, error))
    }

    /// Asks for something to be done.
    fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, JournalError> {
        read(&self.server.ask(Method::Post, path, Some(body))?)
    }
}

/// What a server answered, in the form that it should have.
///
/// # Errors
/// `Strange` when it does not have it.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, JournalError> {
    serde_json::from_str(text).map_err(|error| strange(&error.to_string()))
}

/// An answer that makes no sense: that of another version, or of something that is no server of ours.
fn strange(why: &str) -> JournalError {
    JournalError::Strange(why.to_owned())
}

/// What only the server's own process does.
fn not_ours() -> JournalError {
    JournalError::Store { doing: "written", cause: "a server owns this state, and it alone writes records".to_owned() }
}

impl Journal for ServedJournal {
    fn begin_within(
        &mut self,
        _: &RunId,
        _: Event,
        _: &Holder,
        _: &str,
        _: Time,
        _: &[RunLimit],
    ) -> Result<(Lease, Vec<Record>), JournalError> {
        Err(not_ours())
    }

    fn earlier(&mut self, _: Time) -> Result<Vec<Earlier>, JournalError> {
        Err(not_ours())
    }

    fn retried(&mut self, run: &RunId, _: Time) -> Result<Vec<RunId>, JournalError> {
        let told: reading::Retried = self.get_of(run, "retries")?;
        Ok(told.retried_by)
    }

    fn begin_over(
        &mut self,
        _: &RunId,
        _: Event,
        _: &Handover,
        _: &Holder,
        _: &str,
        _: Time,
    ) -> Result<(Lease, Vec<Record>), JournalError> {
        Err(not_ours())
    }

    fn append(&mut self, _: &Lease, _: &str, _: Time, _: Vec<Event>, _: &[i64]) -> Result<Vec<Record>, JournalError> {
        Err(not_ours())
    }

    fn renew(&mut self, _: &Lease) -> Result<(), JournalError> {
        Err(not_ours())
    }

    fn check(&mut self, _: &Lease) -> Result<(), JournalError> {
        Err(not_ours())
    }

    fn release(&mut self, _: &Lease) -> Result<(), JournalError> {
        Err(not_ours())
    }

    fn take(
        &mut self,
        _: &RunId,
        _: u64,
        _: &Holder,
        _: LeaseReason,
        _: &str,
        _: Time,
    ) -> Result<(Lease, Vec<Record>), JournalError> {
        Err(not_ours())
    }

    fn lease(&mut self, run: &RunId) -> Result<LeaseInfo, JournalError> {
        let told: reading::Leased = self.get_of(run, "lease")?;
        Ok(told.lease.read())
    }

    fn records(&mut self, run: &RunId, after: u64) -> Result<Vec<Record>, JournalError> {
        let stored = self.stored_after(run, after, usize::MAX)?;
        stored.into_iter().map(|stored| stored.read(run)).collect()
    }

    fn stored(&mut self, run: &RunId) -> Result<Vec<Stored>, JournalError> {
        self.stored_after(run, 0, usize::MAX)
    }

    fn stored_after(&mut self, run: &RunId, after: u64, most: usize) -> Result<Vec<Stored>, JournalError> {
        stored::gather(after, most, |after, most| self.page(run, after, most))
    }

    fn runs(&mut self) -> Result<Vec<RunRow>, JournalError> {
        self.rows("")
    }

    fn locks(&mut self) -> Result<Vec<LockRow>, JournalError> {
        let told: reading::Locks = self.get("/v1/locks")?;
        told.locks.into_iter().map(reading::Lock::read).collect()
    }

    fn ask(&mut self, run: &RunId, request: &RequestKind, _: &str, reason: &str, _: Time) -> Result<i64, JournalError> {
        let (verb, body) = forms::asking(request, reason);
        let _: Value = self.post(&format!("/v1/runs/{run}/{verb}"), &body).map_err(|error| no_run(run, error))?;
        // Its number is the server's own business: what becomes of it shows in the run's records.
        Ok(0)
    }

    fn requests(&mut self, run: &RunId) -> Result<Vec<RequestRow>, JournalError> {
        let told: reading::Requests = self.get_of(run, "lease")?;
        told.requests.into_iter().map(reading::Request::read).collect()
    }

    fn halt(&mut self, _: &str, reason: &str, _: Time) -> Result<Halt, JournalError> {
        let told: reading::Halted = self.post("/v1/halt", &json!({ "reason": reason }))?;
        told.halted.ok_or_else(|| strange("it does not say that everything is halted"))?.read()
    }

    fn lift(&mut self, _: &str, reason: &str, _: Time) -> Result<Option<Halt>, JournalError> {
        let path = format!("/v1/halt?reason={}", reading::escaped(reason));
        let told: reading::Halted = read(&self.server.ask(Method::Delete, &path, None)?)?;
        told.lifted.map(reading::Halting::read).transpose()
    }

    fn newest_halt(&mut self) -> Result<Option<Halt>, JournalError> {
        let told: reading::Halted = self.get("/v1/halt")?;
        told.halted.map(reading::Halting::read).transpose()
    }

    fn alerts_of(&mut self, run: &RunId) -> Result<Option<AlertsOf>, JournalError> {
        let told: reading::Alerted = self.get_of(run, "lease")?;
        told.alerts.map(reading::Alerts::read).transpose()
    }

    fn verify(&mut self, run: &RunId) -> Result<Verification, JournalError> {
        self.go_over(run, &mut |_| {})
    }

    fn go_over(&mut self, run: &RunId, take: &mut dyn FnMut(Record)) -> Result<Verification, JournalError> {
        let mut walk = Walk::new(run);
        let mut after = 0;
        loop {
            let page = self.page(run, after, PAGE)?;
            for stored in page.records {
                after = stored.seq;
                if let Some(record) = walk.record(stored) {
                    take(record);
                }
            }
            if page.next.is_none() {
                return Ok(walk.end());
            }
        }
    }
}

/// What a run that the server does not know is called everywhere else.
fn no_run(run: &RunId, error: JournalError) -> JournalError {
    match error {
        JournalError::Refused(refused) if refused.status == 404 => JournalError::NoSuchRun(run.clone()),
        other => other,
    }
}
