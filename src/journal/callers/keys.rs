//! The keys under which callers asked for runs, so that what is asked twice is done once. A key is kept together with the id
//! of the run that it is for, before that run begins: after a crash the run is either there under that id or never began. It
//! must never be taken for a sign that the run began.

use super::super::JournalError;
use crate::ids::{Digest, RunId};
use crate::run::Time;

/// How long a key is kept, in seconds.
pub const KEPT_SECONDS: f64 = 72.0 * 3600.0;

/// A key that somebody asked under.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AskedKey {
    /// Who: the keys of one caller are nobody else's.
    pub caller: String,
    /// The key.
    pub key: String,
    /// The digest of what was asked.
    pub asked: Digest,
}

/// What a key came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimedKey {
    /// It is new: it is kept for this run from here on.
    New,
    /// The same was asked before, for this run.
    Before(RunId),
    /// Something else was asked under it before.
    Otherwise,
}

/// A store of such keys.
pub trait Keys {
    /// Keeps a key for a run, if it is new. Keys that are older than `KEPT_SECONDS` are let go of.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn claim_key(&mut self, key: &AskedKey, run: &RunId, at: Time) -> Result<ClaimedKey, JournalError>;

    /// Lets a key go whose run certainly never began, so that it can be asked again.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn free_key(&mut self, key: &AskedKey) -> Result<(), JournalError>;
}
