//! Records → timeline: every record becomes a line that a person can read. A projection of the journal, never written
//! beside it. Pure: no clock, no file; and it never cleans texts from outside: whoever shows them does.

mod brakes;
mod detail;
mod narrowed;
mod sentence;
pub mod spans;
#[cfg(test)]
mod tests;

pub use detail::about;
pub use narrowed::words as narrowed_words;
pub use sentence::{ended_words, skip_reason, verdict_words};

use crate::ids::{ItemId, RunId, StepId};
use crate::run::{IllegalEvent, Record, RunState, Time};
use crate::value::Value;

/// One line of a timeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The record's place in the run's journal.
    pub seq: u64,
    /// When.
    pub time: Time,
    /// Who: a person's or the runner's name.
    pub actor: String,
    /// The step that it is about, if it is about one.
    pub step: Option<StepId>,
    /// For which item of its `for_each`, if for one.
    pub item: Option<ItemId>,
    /// What kind of event it is: the event's name in the journal, for example `outcome`.
    pub kind: &'static str,
    /// What happened, in one sentence. May hold text from outside, raw.
    pub text: String,
    /// The same for programs; `docs/output.md` says what each kind has.
    pub detail: Value,
}

/// A run's timeline.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Timeline {
    /// Its lines, one a record, as far as the records make sense.
    pub entries: Vec<Entry>,
    /// What is known after the last of them; absent where not even the first makes sense.
    pub state: Option<RunState>,
    /// The record that cannot stand where it does, if there is one: the lines end before it.
    pub broken: Option<IllegalEvent>,
}

impl Timeline {
    /// The timeline of a run's records.
    pub fn of(run: &RunId, records: &[Record]) -> Self {
        let mut timeline = Self::default();
        for record in records {
            if !timeline.take(run, record, entry) {
                break;
            }
        }
        timeline
    }

    /// Takes the next record; false where it cannot stand there, and nothing is taken after it. What it printed is in its
    /// entry alone, as far as `entry` keeps it: the state is that of light records.
    pub fn take(&mut self, run: &RunId, record: &Record, entry: impl Fn(&Record, &RunState) -> Entry) -> bool {
        match self.fold(run, record) {
            Ok(state) => {
                let entry = entry(record, state);
                self.entries.push(entry);
                true
            }
            Err(fault) => {
                self.broken = Some(fault);
                false
            }
        }
    }

    fn fold(&mut self, run: &RunId, record: &Record) -> Result<&RunState, IllegalEvent> {
        match self.state.take() {
            None => Ok(self.state.insert(RunState::begin(run, record)?)),
            Some(state) => {
                let state = self.state.insert(state);
                state.apply(&record.light())?;
                Ok(state)
            }
        }
    }
}

/// The line of one record; the state is the one after it.
pub fn entry(record: &Record, state: &RunState) -> Entry {
    let about = detail::about(&record.event);
    Entry {
        seq: record.seq,
        time: record.time,
        actor: record.actor.clone(),
        step: about.map(|(step, _)| step.clone()),
        item: about.and_then(|(_, item)| item.cloned()),
        kind: detail::kind(&record.event),
        text: sentence::sentence(record, state),
        detail: detail::detail(record, state),
    }
}
