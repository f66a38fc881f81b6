//! A checkpoint: the end of a run's chain at a moment, signed. Kept where whoever can write the journal cannot, it shows also
//! what a chain cannot show of itself: that its end was cut off, or that it was written anew as a whole. Pure.

use serde::{Deserialize, Serialize};

use super::chain::Stored;
use super::{JournalError, Key, PublicKey};
use crate::ids::{Digest, RunId};

/// The form of checkpoints that this version writes and reads.
const VERSION: u32 = 1;

/// The signed end of a run's chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    v: u32,
    #[serde(rename = "type")]
    kind: String,
    /// Which run.
    pub run: RunId,
    /// How many records it had.
    pub records: u64,
    /// The hash of the last of them.
    pub head: Digest,
    /// When it was signed, by the clock of whoever signed it.
    pub signed: String,
    /// What the signature is checked with.
    pub key: String,
    signature: String,
}

impl Checkpoint {
    /// The end of these records, signed; `signed` says when.
    ///
    /// # Errors
    /// When there are no records.
    pub fn of(run: &RunId, records: &[Stored], signed: String, key: &Key) -> Result<Self, JournalError> {
        let last = records.last().ok_or_else(|| JournalError::Checkpoint(format!("run {run} has no records")))?;
        let mut checkpoint = Self {
            v: VERSION,
            kind: "checkpoint".to_owned(),
            run: run.clone(),
            records: last.seq,
            head: last.hash.clone(),
            signed,
            key: key.public().to_string(),
            signature: String::new(),
        };
        checkpoint.signature = key.sign(&checkpoint.text());
        Ok(checkpoint)
    }

    /// Reads one, and sees to it that it is signed by the key that it names.
    ///
    /// # Errors
    /// When it is none, or was changed.
    pub fn read(text: &str) -> Result<(Self, PublicKey), JournalError> {
        let wrong =
            |why: String| JournalError::Checkpoint(format!("this is no checkpoint that can be relied on: {why}"));
        let read: Self = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        if (read.v, read.kind.as_str()) != (VERSION, "checkpoint") {
            return Err(wrong(format!("it is a `{}` of version {}; this playbook knows version 1", read.kind, read.v)));
        }
        let key: PublicKey = read.key.parse()?;
        if !key.has_signed(&read.text(), &read.signature) {
            return Err(wrong(format!("the signature is not one of the key {} over what it says", read.key)));
        }
        Ok((read, key))
    }

    /// Compares it with the records of a run whose chain is whole.
    ///
    /// # Errors
    /// The number of the first record that is not there or is another one, and what that means.
    pub fn compare(&self, run: &RunId, records: &[Stored]) -> Result<(), (u64, String)> {
        if *run != self.run {
            return Err((0, format!("the checkpoint is of run {}, not of {run}", self.run)));
        }
        let there = records.last().map_or(0, |last| last.seq);
        if there < self.records {
            let gone = format!(
                "the end was cut off: there were {} records when it was signed ({})",
                self.records, self.signed
            );
            return Err((there + 1, gone));
        }
        match records.iter().find(|record| record.seq == self.records) {
            Some(record) if record.hash == self.head => Ok(()),
            _ => Err((self.records, format!("the records were written anew after the checkpoint of {}", self.signed))),
        }
    }

    /// What is signed: every field, each on a line of its own.
    fn text(&self) -> String {
        let Self { v, kind, run, records, head, signed, key, signature: _ } = self;
        format!("playbook {kind} {v}\nrun {run}\nrecords {records}\nhead {head}\nsigned {signed}\nkey {key}\n")
    }
}
