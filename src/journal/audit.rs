//! Recomputes a run's chain from what is stored and says where it does not fit.
//!
//! It finds any record that was changed, removed, moved, replaced or inserted, and a list of runs, lease or lock that does
//! not agree with the records. What it cannot see: a journal whose end was cut off, or which was written anew as a whole,
//! by somebody who recomputed the hashes and corrected the list of runs as well. Whoever wants to see that too keeps the
//! last hash somewhere else, and compares. It must never change anything, and must never stop at what it finds.

use super::JournalError;
use super::chain::{Head, Stored};
use super::projection::Projection;
use crate::ids::{Digest, Resource, RunId};
use crate::run::{Event, Holder, Record};

/// What recomputing a run's hash chain showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// How many records there are.
    pub records: u64,
    /// The last one's hash.
    pub head: Option<Digest>,
    /// What does not fit, if anything: the sequence number and what is wrong with it.
    pub broken: Option<(u64, String)>,
}

impl Verification {
    /// That everything fits: nobody goes on from records that do not.
    ///
    /// # Errors
    /// `Corrupt` when something does not fit.
    pub(super) fn sound(&self, run: &RunId) -> Result<(), JournalError> {
        match &self.broken {
            None => Ok(()),
            Some((seq, why)) => Err(JournalError::Corrupt(format!("run {run} does not fit at record {seq}: {why}"))),
        }
    }
}

/// Goes through a run's records in order.
pub(super) struct Audit {
    head: Head,
    epoch: u64,
    records: u64,
    projection: Option<Projection>,
    holder: Option<Holder>,
    locks: Vec<Resource>,
    broken: Option<(u64, String)>,
}

/// A record of which all is reckoned that needs none of the others: that is most of the work, and may be done side by side.
pub(super) struct Looked {
    seq: u64,
    epoch: u64,
    previous: Digest,
    hash: Digest,
    expected: Digest,
    record: Result<Record, String>,
}

impl Looked {
    /// Reckons what a stored record should be.
    pub fn at(run: &RunId, stored: Stored) -> Self {
        Self {
            seq: stored.seq,
            epoch: stored.epoch,
            previous: stored.previous.clone(),
            hash: stored.hash.clone(),
            expected: stored.expected_hash(),
            record: stored.read(run).map_err(|error| error.to_string()),
        }
    }
}

/// What the store keeps beside the records of a run.
pub(super) struct Kept {
    pub projection: Result<Projection, String>,
    /// The newest lease's number and holder.
    pub lease: Result<(u64, Holder), String>,
    /// What the run holds, sorted.
    pub locks: Vec<String>,
}

/// Verifies records that were exported, without the journal that they are from.
pub fn verify_stored(run: &RunId, records: &[Stored]) -> Verification {
    let mut walk = Walk::new(run);
    for stored in records {
        walk.record(stored.clone());
    }
    walk.end()
}

/// Goes through records that come from elsewhere, one after the other, without the journal that they are from.
pub(super) struct Walk<'a> {
    run: &'a RunId,
    audit: Audit,
}

impl<'a> Walk<'a> {
    /// Before the first record.
    pub fn new(run: &'a RunId) -> Self {
        Self { run, audit: Audit::new(run) }
    }

    /// Looks at the next one: the record, where it fits.
    pub fn record(&mut self, stored: Stored) -> Option<Record> {
        self.audit.record(i64::try_from(stored.seq).unwrap_or(0), Ok(Looked::at(self.run, stored)))
    }

    /// What was found of them.
    pub fn end(self) -> Verification {
        self.audit.alone()
    }
}

impl Audit {
    /// Before the first record.
    pub fn new(run: &RunId) -> Self {
        Self {
            head: Head::genesis(run),
            epoch: 0,
            records: 0,
            projection: None,
            holder: None,
            locks: Vec::new(),
            broken: None,
        }
    }

    /// Looks at the next record: what the store has under this number, or why that is not even a record. The record, where it
    /// fits: who goes on from records reads them here, and not a second time.
    pub fn record(&mut self, seq: i64, looked: Result<Looked, String>) -> Option<Record> {
        self.records += 1;
        // Behind the first break nothing can be said: every later record rests on it.
        if self.broken.is_some() {
            return None;
        }
        match looked.and_then(|looked| self.fits(looked)) {
            Ok(record) => Some(record),
            Err(wrong) => {
                self.broken = Some((u64::try_from(seq).unwrap_or(0), wrong));
                None
            }
        }
    }

    fn fits(&mut self, looked: Looked) -> Result<Record, String> {
        let Looked { seq, epoch, previous, hash, expected, record } = looked;
        if seq != self.head.seq + 1 {
            return Err(format!("record {} is missing before it", self.head.seq + 1));
        }
        if previous != self.head.hash {
            return Err(format!(
                "it follows on a record with the hash {previous}, and the one before it has {}",
                self.head.hash
            ));
        }
        if hash != expected {
            return Err(format!("its hash is {hash}, and its content has {expected}: it was changed"));
        }
        if epoch < self.epoch {
            return Err(format!("it was written under lease {epoch} after lease {}", self.epoch));
        }
        let record = record?;
        if record.seq == 1 {
            let start = Projection::start(&record).ok_or("the first record does not start the run")?;
            self.projection = Some(start);
        } else if let Some(projection) = &mut self.projection {
            if projection.verdict.is_some() {
                return Err("it was written after the run had ended".to_owned());
            }
            if matches!(record.event, Event::RunStarted { .. }) {
                return Err("it starts the run a second time".to_owned());
            }
            projection.apply(&record);
        }
        self.epoch = record.epoch;
        self.head = Head { seq: record.seq, hash: record.hash.clone() };
        match &record.event {
            Event::RunStarted { locks, .. } => self.locks.clone_from(locks),
            Event::LeaseTaken { holder, .. } => self.holder = Some(holder.clone()),
            _ => {}
        }
        Ok(record)
    }

    /// Says what was found of the records alone.
    fn alone(self) -> Verification {
        let head = (self.head.seq > 0).then(|| self.head.hash.clone());
        let none = || (0, "there are no records".to_owned());
        let broken = self.broken.or_else(|| self.projection.is_none().then(none));
        Verification { records: self.records, head, broken }
    }

    /// Compares with what is kept beside the records, and says what was found.
    pub fn finish(self, kept: Kept) -> Verification {
        let head = (self.head.seq > 0).then(|| self.head.hash.clone());
        let broken = self.broken.clone().or_else(|| self.disagreement(kept).map(|wrong| (self.head.seq, wrong)));
        Verification { records: self.records, head, broken }
    }

    fn disagreement(&self, kept: Kept) -> Option<String> {
        let Some(projection) = &self.projection else { return Some("all of its records are missing".to_owned()) };
        let listed = match kept.projection {
            Ok(listed) => listed,
            Err(wrong) => return Some(wrong),
        };
        if let Some(difference) = projection.difference(&listed) {
            return Some(difference);
        }
        match kept.lease {
            Err(wrong) => return Some(wrong),
            Ok((epoch, _)) if epoch != self.epoch => {
                return Some(format!("the newest lease is {epoch}, the records say {}", self.epoch));
            }
            Ok((_, holder)) if self.holder.as_ref() != Some(&holder) => {
                return Some(format!(
                    "the lease names process {} on {}, which the records do not",
                    holder.pid, holder.host
                ));
            }
            Ok(_) => {}
        }
        let mut due: Vec<String> = match projection.verdict {
            None => self.locks.iter().map(|lock| lock.to_string()).collect(),
            Some(_) => Vec::new(),
        };
        due.sort();
        due.dedup();
        (due != kept.locks)
            .then(|| format!("it should hold the locks [{}] and holds [{}]", due.join(", "), kept.locks.join(", ")))
    }
}
