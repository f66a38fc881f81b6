//! A run as a target is told it: its records folded once, and of each as much as that target takes. It is only kept in memory;
//! a process that comes after folds anew.

use std::collections::VecDeque;

use crate::config::{Notify, Wanted, WantedWord};
use crate::ids::RunId;
use crate::notify::{Item, Moment, Takes, What, record_for_programs};
use crate::run::{IllegalEvent, Record, RunState};
use crate::timeline;
use crate::timeline::spans::{Span, Spans};
use crate::value::Value;

/// A run that is being told.
pub(super) struct Follower {
    run: RunId,
    /// What is known after the last record that was folded.
    pub state: Option<RunState>,
    /// That record.
    pub folded: u64,
    /// What is to be told and was not yet.
    pub items: VecDeque<Item>,
    /// All moments so far, those that were told too.
    pub moments: Vec<Moment>,
    /// The spans so far, for whoever takes those.
    spans: Spans,
}

impl Follower {
    pub fn new(run: RunId) -> Self {
        Self { run, state: None, folded: 0, items: VecDeque::new(), moments: Vec::new(), spans: Spans::default() }
    }

    /// Takes the next record; what comes before `told` was told already.
    ///
    /// # Errors
    /// When it cannot follow on those before it.
    pub fn take(&mut self, record: &Record, told: u64, notify: &Notify, takes: Takes) -> Result<(), IllegalEvent> {
        let state = match self.state.take() {
            None => RunState::begin(&self.run, record)?,
            Some(mut state) => {
                state.apply(&record.light())?;
                state
            }
        };
        let state = self.state.insert(state);
        self.folded = record.seq;
        if !concerns(notify, state) {
            return Ok(());
        }
        let item = match takes {
            Takes::Spans => of_spans(record, self.spans.take(record, state)),
            _ => item(record, state, &notify.wanted(), takes),
        };
        let Some(item) = item else { return Ok(()) };
        self.moments.extend(item.moment.clone());
        if record.seq > told {
            self.items.push_back(item);
        }
        Ok(())
    }

    /// Forgets what was told by now.
    pub fn told(&mut self, to: u64) {
        while self.items.front().is_some_and(|item| item.seq <= to) {
            self.items.pop_front();
        }
    }
}

/// Whether a target is told a run at all.
fn concerns(notify: &Notify, state: &RunState) -> bool {
    let one_of = |names: &[String], name: &str| names.is_empty() || names.iter().any(|one| one == name);
    one_of(&notify.playbooks, &state.playbook().name) && one_of(&notify.environments, &state.plan.environment)
}

/// The spans that end with a record, if any do.
fn of_spans(record: &Record, spans: Vec<Span>) -> Option<Item> {
    (!spans.is_empty()).then(|| Item { seq: record.seq, moment: None, record: Value::Null, spans })
}

/// As much of a record as is told, if anything.
fn item(record: &Record, state: &RunState, wanted: &Wanted, takes: Takes) -> Option<Item> {
    let for_programs = takes == Takes::Record;
    let moment = Moment::of(record, state);
    if *wanted == Wanted::Word(WantedWord::Key) && moment.is_none() {
        return None;
    }
    let entry = || timeline::entry(record, state);
    let key = *wanted == Wanted::Word(WantedWord::Key);
    if !for_programs && key {
        return Some(Item { seq: record.seq, moment, record: Value::Null, spans: Vec::new() });
    }
    let entry = entry();
    if let Wanted::Events(names) = wanted
        && !names.iter().any(|name| name == entry.kind)
    {
        return None;
    }
    if for_programs {
        return Some(Item {
            seq: record.seq,
            moment: None,
            record: record_for_programs(state, &entry),
            spans: Vec::new(),
        });
    }
    // Somebody asked for it by name, or for everything.
    let other = || Moment {
        seq: record.seq,
        time: record.time,
        actor: record.actor.clone(),
        what: What::Other { text: entry.text.clone() },
    };
    let moment = Some(moment.unwrap_or_else(other));
    Some(Item { seq: record.seq, moment, record: Value::Null, spans: Vec::new() })
}
