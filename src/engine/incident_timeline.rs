//! The timeline of an incident, read from the journal: its own records and those of all its runs, some at a time, each as a
//! sentence. A run whose records make no sense says so in its place and hides no other. It only reads.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::ids::{IncidentId, RunId};
use crate::incident::{Entry, IncidentRecord, Merge, Of, Recovered, SERVICE_UP, Source, entry};
use crate::journal::{JournalError, Kept, RunRow, Stored};
use crate::playbook::Service;
use crate::run::Time;
use crate::timeline::{self, Timeline};

/// How many records of one source are read at a time: with all that they hold they may be large.
const PAGE: usize = 32;

/// Something more that the timeline of an incident tells, such as what was delivered to whom.
pub type TimelineSource = Box<dyn Source<dyn Kept, JournalError> + Send>;

/// The timeline of an incident.
pub struct IncidentTimeline {
    merge: Merge<'static, dyn Kept, JournalError>,
    recovered: Recovered,
}

impl IncidentTimeline {
    /// The timeline of an incident of this state, or of one of elsewhere that has runs here, with what else tells of it.
    ///
    /// # Errors
    /// `NoSuchIncident` when neither it nor a run of it is here; when the journal cannot be read.
    pub fn of(
        journal: &mut (dyn Kept + 'static),
        incident: &IncidentId,
        more: Vec<TimelineSource>,
    ) -> Result<Self, JournalError> {
        let runs = journal.runs_of(incident)?;
        let mut sources: Vec<TimelineSource> = Vec::new();
        match journal.some_records_of(incident, 0, 1) {
            Ok(first) => {
                let begins = first.first().map_or(Time(0), |record| record.time);
                sources.push(Box::new(Own { incident: incident.clone(), begins, page: VecDeque::new(), after: 0 }));
            }
            Err(JournalError::NoSuchIncident(_)) if !runs.is_empty() => {}
            Err(error) => return Err(error),
        }
        sources.extend(runs.into_iter().map(|row| Box::new(OfRun::of(row)) as TimelineSource));
        sources.extend(more);
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

/// The incident's own records.
struct Own {
    incident: IncidentId,
    begins: Time,
    page: VecDeque<IncidentRecord>,
    after: u64,
}

impl Source<dyn Kept, JournalError> for Own {
    fn begins(&self) -> Time {
        self.begins
    }

    fn next(&mut self, journal: &mut (dyn Kept + 'static)) -> Result<Option<Entry>, JournalError> {
        if self.page.is_empty() {
            self.page = journal.some_records_of(&self.incident, self.after, PAGE)?.into();
        }
        let record = self.page.pop_front();
        self.after = record.as_ref().map_or(self.after, |record| record.seq);
        Ok(record.map(|record| entry(&record)))
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
    /// What is known of the run so far; nothing once it has been told to its end.
    told: Option<Timeline>,
    /// What follows from the last record, and is told behind it.
    follows: Option<Entry>,
}

impl OfRun {
    fn of(row: RunRow) -> Self {
        Self {
            run: row.run,
            begins: row.started,
            page: VecDeque::new(),
            after: 0,
            told: Some(Timeline::default()),
            follows: None,
        }
    }

    /// What stands in the place of records that cannot be told.
    fn damaged(&self, at: Time, why: &str) -> Entry {
        Entry {
            of: Of::Run(self.run.clone()),
            seq: self.after + 1,
            time: at,
            actor: "playbook".to_owned(),
            step: None,
            item: None,
            kind: "damaged",
            text: format!("what comes next in run {} cannot be relied on: {why}", self.run),
            detail: json!({ "why": why }),
        }
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
            self.page = match journal.stored_after(&self.run, self.after, PAGE) {
                Ok(page) => page.into(),
                Err(JournalError::Corrupt(why)) => {
                    self.told = None;
                    return Ok(Some(self.damaged(self.begins, &why)));
                }
                Err(error) => return Err(error),
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
