//! What a simulated world was really done to, whatever anybody says of it: which tasks took effect, which of them stand,
//! and which did so more than once. It believes no report and reads no journal.

use std::collections::{BTreeMap, BTreeSet};

use crate::outcome::Report;
use crate::run::Task;

/// What a simulated world was really done to. Tasks are named as they are written: `promote`, `promote/undo/1`.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// How many parts the undo of a step has, where it is another number than one.
    parts: BTreeMap<String, u32>,
    /// How often a task took effect since it was last undone.
    times: BTreeMap<String, u32>,
    /// The tasks that took effect a second time with no undo between, and how often at most.
    repeated: BTreeMap<String, u32>,
    /// What the target has seen already: a double is not done again.
    keys: BTreeSet<String>,
    /// What a recorder kept of each attempt: how it ended, or that this is lost.
    kept: BTreeMap<String, Option<Report>>,
}

impl Ledger {
    /// Says of how many parts a step's undo is made.
    pub(super) fn has_parts(&mut self, step: &str, parts: u32) {
        self.parts.insert(step.to_owned(), parts);
    }

    /// Whether a key is new to the target.
    pub(super) fn is_new(&mut self, key: &str) -> bool {
        self.keys.insert(key.to_owned())
    }

    /// A task took effect.
    pub(super) fn apply(&mut self, task: &str) {
        let times = self.times.entry(task.to_owned()).or_default();
        *times += 1;
        if *times > 1 {
            let most = self.repeated.entry(task.to_owned()).or_default();
            *most = (*most).max(*times);
        }
        // What is no task of a run is no undo either.
        let Ok(task) = task.parse::<Task>() else { return };
        if task.is_undo() {
            let parts = self.parts.get(task.step.as_str()).copied().unwrap_or(1);
            if (0..parts).all(|part| self.stands(&task.undo(part).to_string())) {
                self.times.remove(&task.doing().to_string());
            }
        } else {
            self.times.retain(|other, _| {
                other.parse::<Task>().map_or(true, |other| !other.is_undo() || other.doing() != task)
            });
        }
    }

    /// Whether two ledgers say the same. What belongs to an attempt is known by its run's name, which tells nothing.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        fn kept(ledger: &Ledger) -> Vec<(&str, &Option<Report>)> {
            ledger.kept.iter().map(|(attempt, end)| (nameless(attempt), end)).collect()
        }
        fn keys(ledger: &Ledger) -> Vec<&str> {
            ledger.keys.iter().map(|key| nameless(key)).collect()
        }
        self.times == other.times
            && self.repeated == other.repeated
            && kept(self) == kept(other)
            && keys(self) == keys(other)
    }

    /// Whether a task took effect and was not undone since.
    pub fn stands(&self, task: &str) -> bool {
        self.times.contains_key(task)
    }

    /// The steps whose effect stands.
    pub fn standing(&self) -> BTreeSet<String> {
        let is_undo = |task: &String| task.parse::<Task>().is_ok_and(|task| task.is_undo());
        self.times.keys().filter(|task| !is_undo(task)).cloned().collect()
    }

    /// The tasks that took effect again although they had not been undone, and how often at most.
    pub fn repeated(&self) -> &BTreeMap<String, u32> {
        &self.repeated
    }

    /// A recorder keeps how an attempt ended, or loses it.
    pub(super) fn keep(&mut self, attempt: &str, end: Option<Report>) {
        self.kept.insert(attempt.to_owned(), end);
    }

    /// What a recorder says of an attempt: nothing where it never began.
    pub(super) fn kept(&self, attempt: &str) -> Option<Option<Report>> {
        self.kept.get(attempt).cloned()
    }
}

/// `RUN-step-2` without the run, whose name has two hyphens of its own.
fn nameless(attempt: &str) -> &str {
    attempt.splitn(4, '-').nth(3).unwrap_or(attempt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_stands_until_all_parts_of_its_undo_are_done() {
        let mut ledger = Ledger::default();
        ledger.has_parts("a", 2);
        ledger.apply("a");
        ledger.apply("a/undo");
        assert!(ledger.stands("a"));
        ledger.apply("a/undo/1");
        assert!(!ledger.stands("a") && ledger.standing().is_empty());
        // Done anew after its undo it is no double, and neither is the undo that follows.
        ledger.apply("a");
        ledger.apply("a/undo");
        assert!(ledger.repeated().is_empty());
        ledger.apply("a");
        assert_eq!(ledger.repeated().get("a"), Some(&2));
    }
}
