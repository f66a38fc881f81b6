//! The simulated world, shared by the actions of a run and by whoever looks at it afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What goes wrong with one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// It certainly changes nothing.
    NoEffect,
    /// It fails before it has changed anything, and nobody can tell so.
    FailedBefore,
    /// It fails after it has changed something.
    FailedAfter,
    /// No answer; it changed nothing.
    UnknownBefore,
    /// No answer; it changed something.
    UnknownAfter,
    /// The world stops: nothing more is said or done, as if the runner had been killed before the effect.
    KilledBefore,
    /// The same after the effect.
    KilledAfter,
    /// The machine is lost before the effect, and with the runner whoever would have kept how it ended.
    LostBefore,
    /// The same after the effect.
    LostAfter,
    /// The target takes it and never says anything; it changed nothing.
    SilentBefore,
    /// The target takes it and never says anything; it changed something.
    SilentAfter,
}

impl Fault {
    /// Whether the target is changed all the same.
    pub fn has_effect(self) -> bool {
        matches!(
            self,
            Fault::FailedAfter | Fault::UnknownAfter | Fault::KilledAfter | Fault::LostAfter | Fault::SilentAfter
        )
    }
}

/// A simulated world. Clones are views of the same one.
#[derive(Debug, Clone, Default)]
pub struct World {
    content: Arc<Mutex<Content>>,
}

#[derive(Debug, Default)]
struct Content {
    values: BTreeMap<String, String>,
    keys: BTreeSet<String>,
    applied: Vec<String>,
    faults: BTreeMap<(String, u32), Fault>,
    blind: bool,
}

impl World {
    /// A world with these values.
    pub fn of<const N: usize>(values: [(&str, &str); N]) -> Self {
        let world = Self::default();
        world.content().values = values.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        world
    }

    /// Lets an attempt (from 1) of a task (`step`, `step/undo`, …) go wrong.
    pub fn fail(&self, task: &str, attempt: u32, fault: Fault) {
        self.content().faults.insert((task.to_owned(), attempt), fault);
    }

    /// From here on all goes well.
    pub fn mend(&self) {
        self.content().faults.clear();
    }

    /// Lets probes see nothing.
    pub fn blind(&self, blind: bool) {
        self.content().blind = blind;
    }

    /// All values.
    pub fn values(&self) -> BTreeMap<String, String> {
        self.content().values.clone()
    }

    /// Somebody changes a value by hand.
    pub fn set(&self, what: &str, value: &str) {
        self.content().values.insert(what.to_owned(), value.to_owned());
    }

    /// The tasks that changed something, in order, each time they did.
    pub fn applied(&self) -> Vec<String> {
        self.content().applied.clone()
    }

    /// A value.
    pub fn value(&self, what: &str) -> Option<String> {
        self.content().values.get(what).cloned()
    }

    pub(super) fn is_blind(&self) -> bool {
        self.content().blind
    }

    pub(super) fn fault(&self, task: &str, attempt: u32) -> Option<Fault> {
        self.content().faults.get(&(task.to_owned(), attempt)).copied()
    }

    /// Changes a value; a key that was seen before makes it a double, which the world ignores.
    pub(super) fn apply(&self, task: &str, key: Option<&str>, what: &str, value: Option<&str>) {
        let mut content = self.content();
        if let Some(key) = key
            && !content.keys.insert(key.to_owned())
        {
            return;
        }
        match value {
            Some(value) => content.values.insert(what.to_owned(), value.to_owned()),
            None => content.values.remove(what),
        };
        content.applied.push(task.to_owned());
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        // Whole values are written under the lock, so one that a panicking test left behind is still sound.
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
