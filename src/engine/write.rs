//! Where the driver writes: an event is durable, then folded in, then told to whoever watches. The outcome of a step that is
//! done may wait for what follows on it at once, the next intent, so that both reach the disk together. Until then nobody is
//! told of it, nothing is sent that could change anything, and nothing is waited for, as a flush comes before any wait
//! (`Works::round`). What may begin in between only reads: the look that the next intent wants, down to its first wait. An
//! intent must never be acted on before it is durable.

use super::EngineError;
use super::drive::Drive;
use crate::actions::recorder;
use crate::journal::{Appended, JournalError};
use crate::outcome::Outcome;
use crate::run::{Decision, Event, Record, Time};

/// What nobody who watches is told before the outcome in front of it is on the disk.
pub(super) enum Untold {
    Record {
        record: Box<Record>,
        actor: String,
    },
    Decision(Decision),
    /// What could not be written behind it.
    Lost(Vec<Event>),
}

impl Drive<'_> {
    /// Makes events durable that may stand in the journal now, folds them in and tells who watches.
    pub(super) fn put(&self, actor: &str, now: Time, events: Vec<Event>, answers: &[i64]) -> Result<(), EngineError> {
        if events.is_empty() && answers.is_empty() {
            return Ok(());
        }
        // The fold refuses what may not run side by side, and then it must not be durable: nobody could read the run any more.
        self.state().may_begin_together(events.iter().filter_map(|event| match event {
            Event::Intent { task, .. } => Some(task),
            _ => None,
        }))?;
        self.writes.set(self.writes.get() + 1);
        // What cannot be written down is all that is known of it: whoever is there must be told.
        let told = events.clone();
        let appended = self.journal.borrow_mut().append(&self.lease, actor, now, events, answers);
        let records = match appended {
            Ok(records) => records,
            // What a halt came before has not happened. What was before that is written.
            Err(error @ JournalError::Halted(_)) => {
                // The very next look is to find it.
                self.looked.set(None);
                self.tell();
                return Err(error.into());
            }
            Err(error) => {
                // What waited for it may be on the disk all the same.
                if self.journal.borrow_mut().flush().is_ok() {
                    self.tell();
                }
                self.tell_unwritten(told);
                return Err(error.into());
            }
        };
        self.tell();
        for record in records {
            self.state.borrow_mut().apply(&record)?;
            self.count_touched(&record.event);
            self.tell_record(&record, actor);
        }
        Ok(())
    }

    /// Folds an outcome in that reaches the disk with the next write, or with `flush`.
    pub(super) fn append_with_next(&self, event: Event) -> Result<(), EngineError> {
        let now = self.tools.clock.now();
        self.state().may_follow(&event, &self.actor, now).map_err(EngineError::NotNow)?;
        self.writes.set(self.writes.get() + 1);
        let told = event.clone();
        let appended = self.journal.borrow_mut().append_with_next(&self.lease, &self.actor, now, event);
        let (records, durable) = match appended.inspect_err(|_| self.tell_unwritten(vec![told]))? {
            Appended::Durable(records) => (records, true),
            Appended::WithNext(records) => (records, false),
        };
        for record in records {
            self.state.borrow_mut().apply(&record)?;
            self.untold.borrow_mut().push(Untold::Record { record: Box::new(record), actor: self.actor.clone() });
        }
        if durable {
            self.tell();
        }
        Ok(())
    }

    /// Brings to the disk what waits for the next write, and tells of it.
    pub(super) fn flush(&self) -> Result<(), EngineError> {
        self.journal.borrow_mut().flush()?;
        self.tell();
        Ok(())
    }

    /// The drive ends, and what could not be brought to the disk by now never will be by it.
    pub(super) fn give_up_untold(&self) {
        let lost: Vec<Event> = self.untold.take().into_iter().flat_map(Untold::events).collect();
        if !lost.is_empty() {
            self.tools.observer.unwritten(&lost);
        }
    }

    /// Tells what is about to be done, behind all that is told before it.
    pub(super) fn tell_decision(&self, decision: &Decision) {
        let mut untold = self.untold.borrow_mut();
        if untold.is_empty() {
            self.tools.observer.decision(decision, &self.state());
        } else {
            untold.push(Untold::Decision(decision.clone()));
        }
    }

    /// Tells all that was not told, now that it is on the disk.
    fn tell(&self) {
        for untold in self.untold.take() {
            match untold {
                Untold::Record { record, actor } => self.tell_record(&record, &actor),
                Untold::Decision(decision) => self.tools.observer.decision(&decision, &self.state()),
                Untold::Lost(events) => self.tools.observer.unwritten(&events),
            }
        }
    }

    fn tell_record(&self, record: &Record, actor: &str) {
        self.tools.observer.record(record, &self.state());
        if let Event::Outcome { task, attempt, report } = &record.event
            && report.outcome != Outcome::Unknown
        {
            recorder::spent(&self.spool, &self.attempt_name(task, *attempt));
        }
        if matches!(record.event, Event::ApprovalAsked { .. }) {
            self.paged.set(None);
        }
        self.alarm(&record.event, actor);
    }

    /// Tells what could not be written. Where something waits in front of it that a later write may still bring to the disk,
    /// nobody can say yet which of the two became of that: it is told behind it.
    fn tell_unwritten(&self, events: Vec<Event>) {
        let mut untold = self.untold.borrow_mut();
        if !untold.is_empty() {
            untold.push(Untold::Lost(events));
        } else if !events.is_empty() {
            self.tools.observer.unwritten(&events);
        }
    }
}

impl Untold {
    /// What happened, or was about to.
    fn events(self) -> Vec<Event> {
        match self {
            Untold::Record { record, .. } => vec![record.event],
            Untold::Decision(_) => Vec::new(),
            Untold::Lost(events) => events,
        }
    }
}
