//! What a store lists: runs, locks that are held, requests that wait. A row says what is kept beside the records, and is never
//! what a decision rests on.

use super::LeaseInfo;
use crate::ids::{Resource, RunId};
use crate::run::{QuestionKind, RequestKind, Time, Verdict};

/// A run in the list of runs.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRow {
    /// Which.
    pub run: RunId,
    /// Its playbook's name.
    pub playbook: String,
    /// And version.
    pub version: String,
    /// When it began.
    pub started: Time,
    /// When its last record was written.
    pub updated: Time,
    /// How it ended, if it did.
    pub verdict: Option<Verdict>,
    /// What it waits for, if it waits for a person.
    pub waiting: Option<QuestionKind>,
    /// Whether a person stopped it and it was not resumed.
    pub stopped: bool,
    /// Who holds or last held it.
    pub lease: LeaseInfo,
    /// What of this row cannot be read, if anything: then the rest of it is not to be relied on.
    pub damaged: Option<String>,
}

/// A lock that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockRow {
    /// On what.
    pub resource: Resource,
    /// By which run.
    pub run: RunId,
    /// Of which playbook.
    pub playbook: String,
    /// For which incident.
    pub incident: Option<String>,
    /// Since when.
    pub since: Time,
}

/// A request that waits for the run's holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRow {
    /// Its number.
    pub id: i64,
    /// What.
    pub request: RequestKind,
    /// By whom.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Time,
}
