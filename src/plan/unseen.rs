//! What need not be looked at before it is run. A playbook that changes nothing is itself the look: a run of it would ask each
//! target twice, and what the first answer was nobody would hear of. It must never let a run that changes something begin
//! without having looked.

use super::Planner;
use crate::playbook::Playbook;

/// What a plan says of a step that was left to the run.
pub(super) const LEFT_TO_THE_RUN: &str = "it changes nothing, so the run is the first to look";

/// Whether a run of a playbook may be the first to look at its targets: it changes nothing, takes no lock that could be named
/// by what a step has read (only those of a nested playbook could), and leaves nobody out who does not answer.
pub fn may_run_unseen(book: &Playbook) -> bool {
    let reads = !book.steps.iter().any(|step| step.effect.changes());
    let groups = book.groups.iter().all(|group| {
        let nested = group.nested().is_none_or(|nested| nested.locks.is_empty());
        nested && group.each().is_none_or(|each| each.unreachable.is_none())
    });
    reads && groups
}

impl Planner {
    /// The same planner, which asks for no look at what its steps act on.
    #[must_use]
    pub fn unseen(mut self) -> Self {
        self.unseen = true;
        self
    }
}
