//! The timeline of an incident, read from the journal: its own records, those of all its runs, and what of these was delivered
//! to whom, some at a time, each as a sentence. What makes no sense says so in its place and hides nothing else. It only reads.

mod delivered;
mod own;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::ids::{IncidentId, RunId};
use crate::incident::{Entry, Merge, Of, Recovered, SERVICE_UP, Source};
use crate::journal::{JournalError, Kept, RunRow, Stored, Subject};
use crate::playbook::Service;
use crate::run::Time;
use crate::timeline::{self, Timeline};
use delivered::Delivered;
use own::Own;

/// How many records of one source are read at a time: with all that they hold they may be large.
const PAGE: usize = 32;

/// A source of entries, read from the journal.
type FromJournal = Box<dyn Source<dyn Kept, JournalError> + Send>;

/// The timeline of an incident.
pub struct IncidentTimeline {
    merge: Merge<'static, dyn Kept, JournalError>,
    recovered: Recovered,
}

impl IncidentTimeline {
    /// The timeline of an incident of this state, or of one of elsewhere that has runs here.
    ///
    /// # Errors
    /// `NoSuchIncident` when neither it nor a run of it is here; when the journal cannot be read.
    pub fn of(journal: &mut (dyn Kept + 'static), incident: &IncidentId) -> Result<Self, JournalError> {
        let runs = journal.runs_of(incident)?;
        let mut sources: Vec<FromJournal> = Vec::new();
        let subject = Subject::Incident(incident.clone());
        let begins = match journal.some_records_of(incident, 0, 1) {
            Ok(first) => Some(first.first().map_or(Time(0), |record| record.time)),
            // Nobody knows when it was opened: it says so before anything else.
            Err(JournalError::Corrupt(_)) => {
                let delivered = journal.deliveries(&subject, 0, 1)?;
                let known = runs.iter().map(|row| row.started).chain(delivered.iter().map(|line| line.at));
                Some(known.min().unwrap_or(Time(0)))
            }
            Err(JournalError::NoSuchIncident(_)) if !runs.is_empty() => None,
            Err(error) => return Err(error),
        };
        if let Some(begins) = begins {
            sources.push(Box::new(Own::of(incident.clone(), begins)));
            sources.push(Box::new(Delivered::of(subject, begins)));
        }
        for row in runs {
            let delivered = Delivered::of(Subject::Run(row.run.clone()), row.started);
            sources.push(Box::new(OfRun::of(row)));
            sources.push(Box::new(delivered));
        }
        Ok(Self { merge: Merge::of(sources), recovered: Recovered::default() })
    }

    /// The next entry; nothing at the end.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn next(&mut self, journal: &mut (dyn Kept + 'static)) -> Result<Option<Entry>, JournalError> {
        while let Some(entry) = self.merge.next(journal)? {
            let told = self.recovered.tell(entry);
            if told.is_some() {
                return Ok(told);
            }
        }
        Ok(None)
    }
}

/// The next records of a source, or why there are none: what stands before one that cannot be read is told.
fn some_of<T>(
    mut read: impl FnMut(usize) -> Result<Vec<T>, JournalError>,
) -> Result<Result<VecDeque<T>, String>, JournalError> {
    let page = match read(PAGE) {
        Err(JournalError::Corrupt(_)) => read(1),
        page => page,
    };
    match page {
        Ok(page) => Ok(Ok(page.into())),
        Err(JournalError::Corrupt(why)) => Ok(Err(why)),
        Err(error) => Err(error),
    }
}

/// What stands in the place of records that cannot be told.
fn damaged(of: Of, seq: u64, time: Time, what: &str, why: &str) -> Entry {
    Entry {
        of,
        seq,
        time,
        actor: "playbook".to_owned(),
        step: None,
        item: None,
        kind: "damaged",
        text: format!("what comes next in {what} cannot be relied on: {why}"),
        detail: json!({ "why": why }),
    }
}

/// Whether the service is up, as the steps of a run say.
fn is_up(told: &Timeline) -> bool {
    told.state.as_ref().is_some_and(|state| matches!(state.service, Some((Service::Up, _))))
}

/// The records of one run.
struct OfRun {
    run: RunId,
    begins: Time,
    page: VecDeque<Stored>,
    after: u64,
    /// When the last that was told happened.
    last: Time,
    /// What is known of the run so far; nothing once it has been told to its end.
    told: Option<Timeline>,
    /// What follows from the last record, and is told behind it.
    follows: Option<Entry>,
}

impl OfRun {
    fn of(row: RunRow) -> Self {
        let begins = row.started;
        Self {
            run: row.run,
            begins,
            page: VecDeque::new(),
            after: 0,
            last: begins,
            told: Some(Timeline::default()),
            follows: None,
        }
    }

    /// What stands in the place of records that cannot be told.
    fn damaged(&self, at: Time, why: &str) -> Entry {
        damaged(Of::Run(self.run.clone()), self.after + 1, at, &format!("run {}", self.run), why)
    }

    fn tell(&mut self, stored: Stored) -> Option<Entry> {
        let time = stored.time;
        let mut told = self.told.take()?;
        let record = match stored.read(&self.run) {
            Ok(record) => record,
            Err(error) => return Some(self.damaged(time, &error.to_string())),
        };
        let was_up = is_up(&told);
        if !told.take(&self.run, &record, timeline::entry) {
            let why = told.broken.map(|fault| fault.to_string()).unwrap_or_default();
            return Some(self.damaged(time, &why));
        }
        let entry = told.entries.pop()?;
        self.after = record.seq;
        self.last = record.time;
        let timeline::Entry { seq, time, actor, step, item, kind, text, detail } = entry;
        let entry = Entry { of: Of::Run(self.run.clone()), seq, time, actor, step, item, kind, text, detail };
        if is_up(&told) && !was_up {
            let (text, detail) = ("the service is up".to_owned(), Value::Null);
            self.follows = Some(Entry { kind: SERVICE_UP, text, detail, ..entry.clone() });
        }
        self.told = Some(told);
        Some(entry)
    }
}

impl Source<dyn Kept, JournalError> for OfRun {
    fn begins(&self) -> Time {
        self.begins
    }

    fn next(&mut self, journal: &mut (dyn Kept + 'static)) -> Result<Option<Entry>, JournalError> {
        if let Some(follows) = self.follows.take() {
            return Ok(Some(follows));
        }
        if self.told.is_none() {
            return Ok(None);
        }
        if self.page.is_empty() {
            self.page = match some_of(|most| journal.stored_after(&self.run, self.after, most))? {
                Ok(page) => page,
                Err(why) => {
                    self.told = None;
                    return Ok(Some(self.damaged(self.last, &why)));
                }
            };
        }
        let Some(stored) = self.page.pop_front() else {
            // What is known of a run that is told to its end is not kept for those that go on.
            self.told = None;
            return Ok(None);
        };
        Ok(self.tell(stored))
    }
}
