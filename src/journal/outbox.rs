//! How far each target was told what happened. The records are what is told, so nothing is ever written beside them; here is
//! only a cursor for each target and subject, with what became of the last try. It must never stand in the way of a record:
//! a cursor that a power cut takes back costs a message that is sent twice, and nothing else.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::JournalError;
use crate::ids::{IncidentId, RunId};
use crate::incident::IncidentRecord;
use crate::run::{Record, Time};

/// Whose records are told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Subject {
    /// A run.
    Run(RunId),
    /// An incident of this state: what is said of it, not what happens in its runs.
    Incident(IncidentId),
}

/// A record of a subject.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// Of a run.
    Run(Record),
    /// Of an incident.
    Incident(IncidentRecord),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(run) => write!(f, "run:{run}"),
            Self::Incident(incident) => write!(f, "incident:{incident}"),
        }
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> Self {
        subject.to_string()
    }
}

impl TryFrom<String> for Subject {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Subject {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = match text.split_once(':') {
            Some(("run", run)) => run.parse().ok().map(Self::Run),
            Some(("incident", incident)) => incident.parse().ok().map(Self::Incident),
            _ => None,
        };
        parsed.ok_or_else(|| format!("`{text}` names nothing that is told"))
    }
}

/// A subject of which a target has not been told everything, and how that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untold {
    /// Which.
    pub subject: Subject,
    /// The last record that there is.
    pub head: u64,
    /// How far it was told, and what became of the last try.
    pub cursor: Cursor,
}

/// How far a target was told a subject.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The last record that was told.
    pub told: u64,
    /// When that was.
    pub told_at: Option<Time>,
    /// How often the next message was tried in vain.
    pub attempts: u32,
    /// Since when that goes on.
    pub failing_since: Option<Time>,
    /// Not to be tried before.
    pub next_at: Time,
    /// What became of the last try, where it failed.
    pub failed: Option<String>,
    /// Since when nothing is tried any more, until somebody puts it back.
    pub dead_at: Option<Time>,
    /// What the service calls the message that is edited or answered.
    pub message: Option<String>,
    /// Which process has it in hand, as it wrote itself down.
    pub claimed_by: Option<String>,
    /// How long at most.
    pub claimed_until: Time,
}

/// How much a target takes at once: after a while of quiet so many messages, then one each interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The interval in milliseconds; none where it takes everything.
    pub interval: i64,
    /// How many at once.
    pub burst: i64,
}

impl Pace {
    /// Everything at once.
    pub const FREE: Self = Self { interval: 0, burst: 1 };
}

/// The right to deliver, for a while: one process at a time for each target and subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// To whom.
    pub target: String,
    /// What.
    pub subject: Subject,
    /// Who claims it: nobody else's text is the same.
    pub by: String,
    /// For how long.
    pub until: Time,
}

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It may be sent now.
    Now,
    /// The target takes no more before that.
    NotBefore(Time),
    /// Another process has it in hand, or has told it meanwhile.
    Taken,
}

/// A delivery that did not come about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undelivered {
    /// Why, without any secret.
    pub why: String,
    /// When it is tried again; never by itself, where absent.
    pub again: Option<Time>,
    /// Before when the target wants nothing at all.
    pub quiet_until: Option<Time>,
}

/// How a subject stands at a target, for whoever looks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The target.
    pub target: String,
    /// The subject.
    pub subject: Subject,
    /// Of which playbook the run is, or what the incident is called.
    pub name: String,
    /// How many records there are.
    pub head: u64,
    /// How far it was told.
    pub cursor: Cursor,
}

/// A target that was seen in a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Its name.
    pub target: String,
    /// It is told the runs that began then or later.
    pub since: Time,
    /// How many subjects were told whole.
    pub whole: u64,
}

/// What a line of the log says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoggedKind {
    /// It was delivered.
    Told,
    /// It was given up.
    GivenUp,
    /// Somebody put it back.
    PutBack,
}

impl LoggedKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Told, Self::GivenUp, Self::PutBack];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Told => "told",
            Self::GivenUp => "given_up",
            Self::PutBack => "put_back",
        }
    }
}

/// What was delivered, given up or put back, for a timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logged {
    /// Its place in the log, among those of all subjects.
    pub number: i64,
    /// To whom.
    pub target: String,
    /// What became of it.
    pub kind: LoggedKind,
    /// From which record on.
    pub from: u64,
    /// Up to which.
    pub to: u64,
    /// When the first of it was.
    pub at: Time,
    /// When the last was.
    pub ended: Time,
    /// How many tries it took in all.
    pub attempts: u32,
    /// Why, or by whom.
    pub why: Option<String>,
}

/// Where it is kept how far each target was told.
pub trait Outbox: Send {
    /// Makes a target known: it is told the runs that begin from then on. One that is known stays as it is.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn know(&mut self, target: &str, since: Time) -> Result<(), JournalError>;

    /// What a target has not been told whole and was not given up; first what was told longest ago.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn untold(&mut self, target: &str) -> Result<Vec<Untold>, JournalError>;

    /// Some of the records of a subject after a sequence number, in order.
    ///
    /// # Errors
    /// When they cannot be read.
    fn some_records(&mut self, subject: &Subject, after: u64, most: usize) -> Result<Vec<News>, JournalError>;

    /// Claims what comes after a record for a while, if whoever had it is still `seen`, and the target's pace has room. It is
    /// written before anything is sent.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn claim(
        &mut self,
        claim: &Claim,
        told: u64,
        seen: Option<&str>,
        pace: Pace,
        at: Time,
    ) -> Result<Turn, JournalError>;

    /// Moves the cursor on to a record, and keeps what the service calls its message; false where the claim was lost
    /// meanwhile. `quiet` says that nothing of it was for this target.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn told(
        &mut self,
        claim: &Claim,
        to: u64,
        message: Option<&str>,
        quiet: bool,
        at: Time,
    ) -> Result<bool, JournalError>;

    /// Notes that it was not delivered, and lets it go until it is tried again; false where the claim was lost meanwhile.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn undelivered(&mut self, claim: &Claim, failure: &Undelivered, at: Time) -> Result<bool, JournalError>;

    /// Has what was given up, or waits for its next try, tried at once; how many subjects that are.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn put_back(
        &mut self,
        target: Option<&str>,
        subject: Option<&Subject>,
        by: &str,
        at: Time,
    ) -> Result<usize, JournalError>;

    /// The targets that were ever seen.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn targets(&mut self) -> Result<Vec<Known>, JournalError>;

    /// What a target was not told whole, what was given up too.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn standings_of(&mut self, target: &str) -> Result<Vec<Standing>, JournalError>;

    /// The same for all targets that were ever seen.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn standings(&mut self) -> Result<Vec<Standing>, JournalError>;

    /// When the oldest record was written that a target was not told and will be; nothing where there is none.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn oldest_untold(&mut self, target: &str) -> Result<Option<Time>, JournalError>;

    /// A number that changes when another process has written.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn version(&mut self) -> Result<i64, JournalError>;
}

/// Where it is kept what was delivered to whom.
pub trait Delivered {
    /// So many lines of what was delivered of a subject, given up and put back, at most, in order behind a number.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn deliveries(&mut self, subject: &Subject, after: i64, most: usize) -> Result<Vec<Logged>, JournalError>;
}
