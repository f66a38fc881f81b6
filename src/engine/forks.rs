//! How many items are worked on at once. What is under way goes on before anything begins, so that an item that has begun
//! keeps its place until its outcome is written; nothing waits for a place while it holds another one, and what only waits
//! (for a retry, for a probe) holds none. Who interrupts a run finds nothing begun beyond these places.

use crate::run::{Decision, Task};

/// How many, where nobody says otherwise.
pub const FORKS: usize = 50;

/// Places for items.
pub(super) struct Places {
    free: usize,
}

impl Places {
    /// What is left of `forks` places by what is under way.
    pub(super) fn left<'t>(forks: usize, under_way: impl Iterator<Item = &'t Task>) -> Self {
        Self { free: forks.saturating_sub(under_way.filter(|task| task.item.is_some()).count()) }
    }

    /// Whether there is a place for this.
    pub(super) fn has_room_for(&self, decision: &Decision) -> bool {
        self.free > 0 || !needs_place(decision)
    }

    /// Takes a place for what is begun now.
    pub(super) fn take(&mut self, task: &Task) {
        if task.item.is_some() {
            self.free = self.free.saturating_sub(1);
        }
    }
}

/// What goes on, and then what begins.
pub(super) fn in_order(wanted: Vec<Decision>) -> impl Iterator<Item = Decision> {
    let (begins, goes_on): (Vec<_>, Vec<_>) = wanted.into_iter().partition(needs_place);
    goes_on.into_iter().chain(begins)
}

/// Whether an item's work, or a look at what became of it, begins with this.
fn needs_place(decision: &Decision) -> bool {
    matches!(decision, Decision::Prepare { task, .. } | Decision::Settle { task, .. } if task.item.is_some())
}
