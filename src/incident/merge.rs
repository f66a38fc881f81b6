//! The timeline of an incident: what its own records, its runs and its deliveries say, in one order. Each of them is read as
//! it is needed, and no more than one entry of each is held. It never puts two entries of one source in another order than
//! that of their source, whatever a clock said.

use std::collections::BTreeMap;

use serde_json::json;

use crate::ids::{IncidentId, ItemId, RunId, StepId};
use crate::run::Time;
use crate::value::Value;

/// Where an entry of an incident's timeline comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Of {
    /// The incident itself.
    Incident,
    /// A run of it.
    Run(RunId),
    /// Something that was told to somebody: what names it.
    Delivery(String),
}

/// One line of an incident's timeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Where it comes from.
    pub of: Of,
    /// Its place there.
    pub seq: u64,
    /// When.
    pub time: Time,
    /// Who.
    pub actor: String,
    /// The step that it is about, if it is about one.
    pub step: Option<StepId>,
    /// For which item, if for one.
    pub item: Option<ItemId>,
    /// What kind of event it is, as the journal names it.
    pub kind: &'static str,
    /// What happened, in one sentence. May hold text from outside, raw.
    pub text: String,
    /// The same for programs.
    pub detail: Value,
}

impl Entry {
    /// It for programs, in the timeline of an incident: the same on every way out. `docs/output.md` is its contract: add, never
    /// rename.
    pub fn json(&self, incident: &IncidentId) -> Value {
        let (of, run, delivery) = match &self.of {
            Of::Incident => ("incident", None, None),
            Of::Run(run) => ("run", Some(run), None),
            Of::Delivery(delivery) => ("delivery", None, Some(delivery)),
        };
        json!({
            "v": 1, "type": "entry", "incident": incident, "of": of, "run": run, "delivery": delivery, "seq": self.seq,
            "time": self.time.rfc3339(), "time_ms": self.time, "actor": self.actor, "step": self.step, "item": self.item,
            "kind": self.kind, "text": self.text, "detail": self.detail,
        })
    }
}

/// What has entries, in its own order. `C` is what they are read from: all sources share it, so none of them keeps it.
pub trait Source<C: ?Sized, E> {
    /// When it begins: nothing is read of it before what is older was handed on.
    fn begins(&self) -> Time;

    /// Its next entry; nothing at its end.
    ///
    /// # Errors
    /// When it cannot be read.
    fn next(&mut self, from: &mut C) -> Result<Option<Entry>, E>;
}

/// Several sources as one: by time, and where that is the same in the order in which they were given.
pub struct Merge<'s, C: ?Sized, E> {
    branches: BTreeMap<(Time, usize), Branch<'s, C, E>>,
    /// The most entries that were held at once.
    #[cfg(test)]
    pub(super) held: usize,
}

struct Branch<'s, C: ?Sized, E> {
    source: Box<dyn Source<C, E> + Send + 's>,
    head: Option<Entry>,
}

impl<'s, C: ?Sized, E> Merge<'s, C, E> {
    /// These sources as one.
    pub fn of(sources: Vec<Box<dyn Source<C, E> + Send + 's>>) -> Self {
        let branch = |(number, source): (usize, Box<dyn Source<C, E> + Send + 's>)| {
            ((source.begins(), number), Branch { source, head: None })
        };
        Self {
            branches: sources.into_iter().enumerate().map(branch).collect(),
            #[cfg(test)]
            held: 0,
        }
    }

    /// The next entry; nothing at the end of all of them. A source that fails is left out from then on, so whoever wants
    /// the rest all the same goes on.
    ///
    /// # Errors
    /// When a source cannot be read.
    pub fn next(&mut self, from: &mut C) -> Result<Option<Entry>, E> {
        while let Some(((at, number), mut branch)) = self.branches.pop_first() {
            if let Some(entry) = branch.head.take() {
                // What follows is read when its turn comes, which is not before this moment.
                self.branches.insert((at, number), branch);
                return Ok(Some(entry));
            }
            if let Some(entry) = branch.source.next(from)? {
                // A clock that was set back moves nothing before what its own source has said already.
                let at = at.max(entry.time);
                branch.head = Some(entry);
                self.branches.insert((at, number), branch);
                #[cfg(test)]
                {
                    self.held = self.held.max(self.branches.values().filter(|branch| branch.head.is_some()).count());
                }
            }
        }
        Ok(None)
    }
}
