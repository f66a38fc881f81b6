//! The incident's own records, up to the first that cannot be relied on.

use std::collections::VecDeque;

use super::{damaged, some_of};
use crate::ids::IncidentId;
use crate::incident::{Brief, Entry, IncidentRecord, Of, Source, entry};
use crate::journal::{JournalError, Kept};
use crate::run::Time;

/// The incident's own records.
pub(super) struct Own {
    incident: IncidentId,
    begins: Time,
    page: VecDeque<IncidentRecord>,
    /// How it stands after what was told.
    known: Option<Brief>,
    /// Whether what comes next cannot be relied on.
    broken: bool,
}

impl Own {
    pub fn of(incident: IncidentId, begins: Time) -> Self {
        Self { incident, begins, page: VecDeque::new(), known: None, broken: false }
    }

    /// What stands in the place of the records that cannot be told: nothing comes behind it.
    fn damaged(&mut self, at: Option<Time>, why: &str) -> Entry {
        self.broken = true;
        let (seq, last) = self.known.as_ref().map_or((0, self.begins), |known| (known.seq, known.updated));
        damaged(Of::Incident, seq + 1, at.unwrap_or(last), &format!("incident {}", self.incident), why)
    }
}

impl Source<dyn Kept, JournalError> for Own {
    fn begins(&self) -> Time {
        self.begins
    }

    fn next(&mut self, journal: &mut (dyn Kept + 'static)) -> Result<Option<Entry>, JournalError> {
        if self.broken {
            return Ok(None);
        }
        if self.page.is_empty() {
            let after = self.known.as_ref().map_or(0, |known| known.seq);
            self.page = match some_of(|most| journal.some_records_of(&self.incident, after, most))? {
                Ok(page) => page,
                Err(why) => return Ok(Some(self.damaged(None, &why))),
            };
        }
        let Some(record) = self.page.pop_front() else { return Ok(None) };
        let taken = match &mut self.known {
            None => Brief::begin(&self.incident, &record).map(|known| self.known = Some(known)),
            Some(known) => known.apply(&record),
        };
        Ok(Some(match taken {
            Ok(()) => entry(&record),
            Err(error) => self.damaged(Some(record.time), &error.to_string()),
        }))
    }
}
