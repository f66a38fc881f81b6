//! What alerts came in, as a store keeps it: a delivery is durable before it is answered and before anything is done with it,
//! and a firing that begins a run has that run's name before it begins. So whoever is killed in between goes on with it
//! later, and begins nothing twice. What an alert means is not known here.

use super::JournalError;
use crate::ids::{Digest, RunId};
use crate::run::Time;

/// What waits to be worked on at most: what comes on top of that is refused and sent again by its source.
pub const MOST_PENDING: usize = 10_000;
/// How many deliveries are kept at most once they are done.
pub const MOST_KEPT: usize = 20_000;
/// A body longer than this is not kept once its delivery is done.
pub const KEPT_BODY: usize = 16 * 1024;
/// What is sent again within this many seconds is sent again because no answer came; later, because the alert still fires.
pub const RETRY_SECONDS: f64 = 300.0;
/// How soon a run begins that a firing is claimed for. One that has not begun by then holds no other back: who claimed it was
/// killed or went away, and whoever goes on with the same firing still begins it under its name.
pub const BEGINS_WITHIN: f64 = 120.0;
/// For how many days what is done is kept: far longer than anybody sends the same again.
const KEEP_DAYS: i64 = 30;

/// A store of deliveries. Every call is one transaction, durable when it returns.
pub trait Hooks {
    /// Takes a delivery in, if it is a new one. Of several who bring the same at once, one has a new one.
    ///
    /// # Errors
    /// When the store cannot be written: then it must not be answered as taken.
    fn accept(&mut self, source: &str, delivery: &str, body: &[u8], at: Time) -> Result<Accepted, JournalError>;

    /// Deliveries that nobody has finished, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn pending(&mut self, most: usize) -> Result<Vec<DeliveryRow>, JournalError>;

    /// A delivery is finished, and this is what became of it.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn done(&mut self, number: i64, became: &str, at: Time) -> Result<(), JournalError>;

    /// Deliveries, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn received(&mut self, most: usize) -> Result<Vec<DeliveryRow>, JournalError>;

    /// Claims a firing for a run that is to begin. Who has claimed it before goes on with the run that was named then.
    ///
    /// # Errors
    /// When the store cannot be written: then nothing may begin.
    fn claim_firing(&mut self, claim: &Firing, at: Time) -> Result<Claimed, JournalError>;

    /// Gives a claim back whose run certainly did not begin.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn free_firing(&mut self, claim: &Digest) -> Result<(), JournalError>;

    /// Something refused the run of a firing that was claimed, and people were told: it begins nothing any more, and holds no
    /// other back.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn refuse_firing(&mut self, claim: &Digest, at: Time) -> Result<(), JournalError>;

    /// An alert is over: the runs that it began and that did not know it yet.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn resolved(&mut self, source: &str, fingerprint: &str, at: Time) -> Result<Vec<RunId>, JournalError>;

    /// Forgets what was done long ago, and what is more than is kept. How many deliveries that were.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn prune(&mut self, now: Time) -> Result<usize, JournalError>;
}

/// What became of a delivery that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// It is new, and is worked on under this number.
    New(i64),
    /// It was there already.
    Known {
        /// Its number.
        number: i64,
        /// Whether it is sent again because the alert still fires, and not because no answer came.
        again: bool,
    },
    /// As much waits as may: it is to be sent again later.
    Full,
}

/// A delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    /// Its number.
    pub number: i64,
    /// Who sent it.
    pub source: String,
    /// What its sender calls it.
    pub delivery: String,
    /// When it came.
    pub received: Time,
    /// When it last came again.
    pub seen: Time,
    /// What was sent, byte by byte; empty where it was long and is done.
    pub body: Vec<u8>,
    /// When it was finished, and what became of it.
    pub done: Option<(Time, String)>,
}

/// A firing that is to begin a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Firing {
    /// What names the firing and the route.
    pub claim: Digest,
    /// What the cooldown is counted over.
    pub scope: Digest,
    /// For how many seconds nothing begins again on the scope.
    pub cooldown: f64,
    /// The run that is to begin.
    pub run: RunId,
    /// Who sent the alert.
    pub source: String,
    /// And what names it.
    pub fingerprint: String,
}

/// Whose a firing is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// It is claimed now, for the run that was named.
    New,
    /// It was claimed before, for this run: it begins under that name if it has not begun.
    Before(RunId),
    /// It was refused before, and people were told.
    Refused,
    /// This run was begun on the same inputs a short while ago, and nothing begins until then.
    Cooling {
        /// Which.
        run: RunId,
        /// Until when.
        until: Time,
    },
}

/// How the alerts stand that began a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertsOf {
    /// How many.
    pub alerts: u32,
    /// When the last of them was over; nothing while one still fires.
    pub resolved: Option<Time>,
}

/// What is older than this has been kept for long enough.
pub(super) fn kept_since(now: Time) -> Time {
    Time(now.0.saturating_sub(KEEP_DAYS * 86_400_000))
}
