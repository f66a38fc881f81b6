//! Makes records out of events: numbers them, chains them by their hashes, and refuses what must never be in a journal
//! (anything before the start or after the end of a run, anything that could not be read back). Pure, and shared by all
//! stores, so that they cannot differ in what a journal is. It must never look at a clock or a disk.

use super::projection::Projection;
use super::{Handover, JournalError};
use crate::ids::{Digest, Resource, RunId};
use crate::run::{Event, Holder, LeaseReason, Record, Time};

/// A record just as it lies in the store: the event is its text, as the hash is over that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its place in the run's journal, from 1.
    pub seq: u64,
    /// When it was written, by the wall clock.
    pub time: Time,
    /// The lease under which it was written.
    pub epoch: u64,
    /// Who: a person's or the runner's name.
    pub actor: String,
    /// The hash of the record before it.
    pub previous: Digest,
    /// The hash over all of the above and the event's text.
    pub hash: Digest,
    /// The event, as text.
    pub event: String,
}

/// The end of a chain: what the next record is chained to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub seq: u64,
    pub hash: Digest,
}

/// What one write adds to a run, and how the run stands after it.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    pub stored: Vec<Stored>,
    pub records: Vec<Record>,
    pub projection: Projection,
}

/// Who writes, when, and under which lease.
#[derive(Debug, Clone, Copy)]
pub(super) struct Writer<'a> {
    pub run: &'a RunId,
    pub epoch: u64,
    pub actor: &'a str,
    pub at: Time,
}

impl Head {
    /// The end of a chain that has no records yet.
    pub fn genesis(run: &RunId) -> Self {
        Self { seq: 0, hash: Record::genesis(run) }
    }
}

impl Stored {
    /// The record, with its event read.
    ///
    /// # Errors
    /// `Corrupt` when its event makes no sense.
    pub fn read(self, run: &RunId) -> Result<Record, JournalError> {
        let event = serde_json::from_str(&self.event).map_err(|error| {
            JournalError::Corrupt(format!("record {} of run {run} cannot be read: {error}", self.seq))
        })?;
        Ok(self.with_event(event))
    }

    fn with_event(self, event: Event) -> Record {
        let Self { seq, time, epoch, actor, previous, hash, event: _ } = self;
        Record { seq, time, epoch, actor, previous, hash, event }
    }

    /// The hash that it should have.
    pub fn expected_hash(&self) -> Digest {
        Record::hash_of(&self.previous, self.seq, self.time, self.epoch, &self.actor, &self.event)
    }
}

/// The first records of a run, and the locks that it wants, sorted and each once.
pub(super) fn begin(
    writer: Writer<'_>,
    started: Event,
    more: Vec<Event>,
    holder: &Holder,
) -> Result<(Batch, Vec<Resource>), JournalError> {
    let Event::RunStarted { locks, .. } = &started else {
        return Err(refused(writer.run, "its first record must say that it started"));
    };
    // Always in the same order, so that of two runs with common locks both name the same one.
    let mut locks = locks.clone();
    locks.sort();
    locks.dedup();
    let first = entry(writer, &Head::genesis(writer.run), &started)?;
    let Some(projection) = Projection::start(&first.1) else {
        return Err(refused(writer.run, "its first record must say that it started"));
    };
    let mut events = vec![taken(holder, LeaseReason::Start)];
    events.extend(more);
    let mut batch = extend(writer, &projection, events)?;
    batch.stored.insert(0, first.0);
    batch.records.insert(0, first.1);
    Ok((batch, locks))
}

/// The records that follow on what a run already has.
pub(super) fn extend(writer: Writer<'_>, before: &Projection, events: Vec<Event>) -> Result<Batch, JournalError> {
    let mut batch = Batch { stored: Vec::new(), records: Vec::new(), projection: before.clone() };
    for event in events {
        if batch.projection.verdict.is_some() {
            return Err(refused(writer.run, "it has ended, and nothing is written after its end"));
        }
        if matches!(event, Event::RunStarted { .. }) {
            return Err(refused(writer.run, "it has started already"));
        }
        let (stored, record) = entry(writer, &batch.projection.head, &event)?;
        batch.projection.apply(&record);
        batch.stored.push(stored);
        batch.records.push(record);
    }
    Ok(batch)
}

/// The last records of a run whose place another one takes: its lease goes over first, so that whoever held it writes no more.
pub(super) fn give_up(
    before: &Projection,
    over: &Handover,
    holder: &Holder,
    actor: &str,
    at: Time,
) -> Result<Batch, JournalError> {
    if before.head.seq != over.seen {
        return Err(JournalError::WentOn(over.from.clone()));
    }
    let writer = Writer { run: &over.from, epoch: over.expected + 1, actor, at };
    extend(writer, before, vec![taken(holder, LeaseReason::TakeOver), over.ended.clone()])
}

/// The event that says who holds a run.
pub(super) fn taken(holder: &Holder, reason: LeaseReason) -> Event {
    Event::LeaseTaken { holder: holder.clone(), reason }
}

fn entry(writer: Writer<'_>, head: &Head, event: &Event) -> Result<(Stored, Record), JournalError> {
    let Writer { run, epoch, actor, at } = writer;
    let seq = head.seq + 1;
    let text = serde_json::to_string(event).map_err(|error| refused(run, &format!("record {seq}: {error}")))?;
    // What is handed on is what a later process will read, not what was meant: a number or a nesting that does not
    // survive its text must show now, and a live run must see exactly what a resumed one sees.
    let event = serde_json::from_str(&text)
        .map_err(|error| refused(run, &format!("record {seq} could not be read back: {error}")))?;
    let hash = Record::hash_of(&head.hash, seq, at, epoch, actor, &text);
    let previous = head.hash.clone();
    let stored = Stored { seq, time: at, epoch, actor: actor.to_owned(), previous, hash, event: text };
    let record = stored.clone().with_event(event);
    Ok((stored, record))
}

/// A write that is refused as what it says cannot be, whatever the store.
pub(super) fn refused(run: &RunId, why: &str) -> JournalError {
    JournalError::Store { doing: "written", cause: format!("nothing was added to run {run}: {why}") }
}
