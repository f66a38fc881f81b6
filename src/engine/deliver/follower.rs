//! A run or an incident as a target is told it: its records folded once, and of each as much as that target takes. It is only
//! kept in memory; a process that comes after folds anew.

use std::collections::VecDeque;

use crate::config::{Notify, Wanted, WantedWord};
use crate::incident::{self, Incident, IncidentRecord};
use crate::journal::{News, Subject};
use crate::notify::{About, Item, Moment, Takes, What, incident_for_programs, record_for_programs};
use crate::run::{Record, RunState, Time};
use crate::timeline;
use crate::timeline::spans::{Span, Spans};
use crate::value::Value;

/// What is being told.
pub(super) struct Follower {
    subject: Subject,
    /// What is known after the last record that was folded.
    known: Option<Known>,
    /// That record.
    pub folded: u64,
    /// What is to be told and was not yet.
    pub items: VecDeque<Item>,
    /// All moments so far, those that were told too.
    pub moments: Vec<Moment>,
    /// The spans so far, for whoever takes those.
    spans: Spans,
}

/// How it stands.
enum Known {
    Run(Box<RunState>),
    Incident(Box<Incident>),
}

/// A record as a target may be told it, whoever's it is.
struct Entry<'a> {
    seq: u64,
    time: Time,
    actor: &'a str,
    kind: &'static str,
    text: String,
    for_programs: Value,
}

impl Follower {
    pub fn new(subject: Subject) -> Self {
        let (items, moments, spans) = (VecDeque::new(), Vec::new(), Spans::default());
        Self { subject, known: None, folded: 0, items, moments, spans }
    }

    /// What is told of, as it stands.
    pub fn about(&self) -> Option<About<'_>> {
        self.known.as_ref().map(|known| match known {
            Known::Run(state) => About::Run(state),
            Known::Incident(incident) => About::Incident(incident),
        })
    }

    /// Whether nothing more is to be expected of it.
    pub fn is_over(&self) -> bool {
        match &self.known {
            Some(Known::Run(state)) => state.ended.is_some(),
            Some(Known::Incident(incident)) => incident.brief.standing == incident::Standing::Closed,
            None => false,
        }
    }

    /// Takes the next record; what comes before `told` was told already.
    ///
    /// # Errors
    /// When it cannot follow on those before it.
    pub fn take(&mut self, news: &News, told: u64, notify: &Notify, takes: Takes) -> Result<(), String> {
        let item = match news {
            News::Run(record) => self.take_of_run(record, notify, takes)?,
            News::Incident(record) => self.take_of_incident(record, notify, takes)?,
        };
        let Some(item) = item else { return Ok(()) };
        self.moments.extend(item.moment.clone());
        if item.seq > told {
            self.items.push_back(item);
        }
        Ok(())
    }

    fn take_of_run(&mut self, record: &Record, notify: &Notify, takes: Takes) -> Result<Option<Item>, String> {
        let state = match (self.known.take(), &self.subject) {
            (Some(Known::Run(mut state)), _) => {
                state.apply(&record.light()).map_err(|fault| fault.to_string())?;
                state
            }
            (None, Subject::Run(run)) => Box::new(RunState::begin(run, record).map_err(|fault| fault.to_string())?),
            _ => return Err("a record of a run is none of an incident".to_owned()),
        };
        self.folded = record.seq;
        let item = match takes {
            _ if !concerns(notify, &state) => None,
            Takes::Spans => of_spans(record, self.spans.take(record, &state)),
            _ => of_run(record, &state, &notify.wanted(), takes),
        };
        self.known = Some(Known::Run(state));
        Ok(item)
    }

    fn take_of_incident(
        &mut self,
        record: &IncidentRecord,
        notify: &Notify,
        takes: Takes,
    ) -> Result<Option<Item>, String> {
        let incident = match (self.known.take(), &self.subject) {
            (Some(Known::Incident(mut incident)), _) => {
                incident.apply(record).map_err(|fault| fault.to_string())?;
                incident
            }
            (None, Subject::Incident(id)) => Box::new(Incident::begin(id, record).map_err(|fault| fault.to_string())?),
            _ => return Err("a record of an incident is none of a run".to_owned()),
        };
        self.folded = record.seq;
        // Whoever is told of some playbooks or environments alone is not told what belongs to none.
        let of_all = notify.playbooks.is_empty() && notify.environments.is_empty();
        // An incident has no spans.
        let concerns = of_all && takes != Takes::Spans;
        let item = if concerns { of_incident(record, &incident, &notify.wanted(), takes) } else { None };
        self.known = Some(Known::Incident(incident));
        Ok(item)
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

/// As much of a run's record as is told, if anything.
fn of_run(record: &Record, state: &RunState, wanted: &Wanted, takes: Takes) -> Option<Item> {
    item(wanted, takes, record.seq, Moment::of(record, state), || {
        let entry = timeline::entry(record, state);
        Entry {
            seq: record.seq,
            time: record.time,
            actor: &record.actor,
            kind: entry.kind,
            for_programs: if takes == Takes::Record { record_for_programs(state, &entry) } else { Value::Null },
            text: entry.text,
        }
    })
}

/// The same of an incident's.
fn of_incident(record: &IncidentRecord, state: &Incident, wanted: &Wanted, takes: Takes) -> Option<Item> {
    item(wanted, takes, record.seq, Moment::of_incident(record), || {
        let entry = incident::entry(record);
        Entry {
            seq: record.seq,
            time: record.time,
            actor: &record.actor,
            kind: entry.kind,
            for_programs: if takes == Takes::Record { incident_for_programs(state, &entry) } else { Value::Null },
            text: entry.text,
        }
    })
}

fn item<'a>(
    wanted: &Wanted,
    takes: Takes,
    seq: u64,
    moment: Option<Moment>,
    entry: impl FnOnce() -> Entry<'a>,
) -> Option<Item> {
    let key = *wanted == Wanted::Word(WantedWord::Key);
    if key && moment.is_none() {
        return None;
    }
    if key && takes != Takes::Record {
        return Some(Item { seq, moment, record: Value::Null, spans: Vec::new() });
    }
    let entry = entry();
    if let Wanted::Events(names) = wanted
        && !names.iter().any(|name| name == entry.kind)
    {
        return None;
    }
    if takes == Takes::Record {
        return Some(Item { seq, moment: None, record: entry.for_programs, spans: Vec::new() });
    }
    // Somebody asked for it by name, or for everything.
    let other = || Moment {
        seq: entry.seq,
        time: entry.time,
        actor: entry.actor.to_owned(),
        what: What::Other { text: entry.text.clone() },
    };
    let moment = Some(moment.unwrap_or_else(other));
    Some(Item { seq, moment, record: Value::Null, spans: Vec::new() })
}
