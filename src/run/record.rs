//! One journal entry, chained to the one before it by its hash.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Event, Settlement};
use crate::ids::{Digest, RunId};
use crate::outcome::Report;
use crate::value::Value;
use crate::value::tagged::tagged;

// As serde derives it for `tag`, and without keeping a plan of megabytes as loose parts first.
tagged!(Event, "event");
tagged!(Settlement, "found");

/// A moment of the wall clock, in milliseconds since 1970 (UTC).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Time(pub i64);

impl Time {
    /// The seconds from an earlier moment to this one; negative where the clock was set back.
    pub fn seconds_since(self, earlier: Time) -> f64 {
        (self.0 - earlier.0) as f64 / 1000.0
    }

    /// As RFC 3339 in UTC, to the millisecond: `2026-11-22T15:20:30.123Z`. Always a date: what is beyond the last or the first
    /// moment that has one is told as that.
    pub fn rfc3339(self) -> String {
        let beyond = if self.0 < 0 { Timestamp::MIN } else { Timestamp::MAX };
        let stamp = Timestamp::from_millisecond(self.0).unwrap_or(beyond);
        stamp.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
    }

    /// The moment some seconds later.
    #[must_use]
    pub fn plus_seconds(self, seconds: f64) -> Time {
        Time(self.0.saturating_add((seconds * 1000.0) as i64))
    }
}

/// One journal entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its place in the run's journal, from 1, without gaps.
    pub seq: u64,
    /// When it was written, by the wall clock.
    pub time: Time,
    /// The lease under which it was written; it only rises.
    pub epoch: u64,
    /// Who: a person's or the runner's name.
    pub actor: String,
    /// The hash of the record before it; of the run's id for the first.
    pub previous: Digest,
    /// The hash over all of the above and the event's text.
    pub hash: Digest,
    /// What happened.
    pub event: Event,
}

impl Record {
    /// The record without what a command was given and what it printed: for whoever folds it to know how a run stands, and
    /// not what it goes on with. Its hash is still that of the whole.
    #[must_use]
    pub fn light(&self) -> Self {
        let event = match &self.event {
            Event::Outcome { task, attempt, report } => {
                let report = Report { outcome: report.outcome, ..Report::done(report.message.as_str(), Value::Null) };
                Event::Outcome { task: task.clone(), attempt: *attempt, report }
            }
            Event::Intent { task, attempt, key, effect, timeout, reverts_after, .. } => Event::Intent {
                task: task.clone(),
                attempt: *attempt,
                arguments: Value::Null,
                before: Value::Null,
                key: key.clone(),
                effect: *effect,
                timeout: *timeout,
                reverts_after: *reverts_after,
            },
            other => other.clone(),
        };
        let (previous, hash) = (self.previous.clone(), self.hash.clone());
        Self { seq: self.seq, time: self.time, epoch: self.epoch, actor: self.actor.clone(), previous, hash, event }
    }

    /// What the first record of a run has as its previous hash.
    pub fn genesis(run: &RunId) -> Digest {
        Digest::of(format!("playbook run {run}").as_bytes())
    }

    /// The hash of a record, over the event's text just as it is stored.
    pub fn hash_of(previous: &Digest, seq: u64, time: Time, epoch: u64, actor: &str, event: &str) -> Digest {
        // The lengths keep two different records from having the same bytes.
        let head = format!("{previous}\n{seq}\n{}\n{epoch}\n{}\n{actor}\n{}\n", time.0, actor.len(), event.len());
        Digest::of_parts([head.as_bytes(), event.as_bytes()])
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_in_utc_and_always_as_a_date() {
        assert_eq!(Time(1_795_360_830_123).rfc3339(), "2026-11-22T15:20:30.123Z");
        assert_eq!(Time(5).rfc3339(), "1970-01-01T00:00:00.005Z");
        for beyond in [i64::MAX, i64::MIN] {
            assert!(Time(beyond).rfc3339().ends_with("99Z") || Time(beyond).rfc3339().starts_with('-'));
        }
    }
}
