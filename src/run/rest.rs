//! What a run has left undone of the items of its `for_each`: those that failed, those that were left out, those that never
//! began or were undone again. A new run may go over them alone; this only says which they are.

use std::collections::{BTreeMap, BTreeSet};

use super::{RunState, Status, Task, TaskState};
use crate::ids::{ItemId, StepId};
use crate::plan::{Again, Which};
use crate::playbook::Group;

impl RunState {
    /// What a new run is to go over. Of a list that nobody ever knew, all is left.
    pub fn left_undone(&self, which: Which) -> Again {
        let mut items: BTreeMap<StepId, BTreeSet<ItemId>> = BTreeMap::new();
        for group in self.playbook().groups.iter().filter(|group| group.each().is_some()) {
            if let Some(left) = self.left_of(group, which) {
                items.insert(group.id.clone(), left);
            }
        }
        Again { run: self.run.clone(), which, items }
    }

    /// How many items failed, and how many were left out.
    pub fn failed_items(&self) -> (usize, usize) {
        let all = || self.entered.values();
        (all().map(|entered| entered.failed.len()).sum(), all().map(|entered| entered.excluded.len()).sum())
    }

    /// How many items that did not fail are not done all the same, where the list is known.
    pub fn remaining_items(&self) -> usize {
        let count = |which: Which| self.left_undone(which).items.values().map(BTreeSet::len).sum::<usize>();
        count(Which::Remaining).saturating_sub(count(Which::Failed))
    }

    fn left_of(&self, group: &Group, which: Which) -> Option<BTreeSet<ItemId>> {
        let task = Task::of(&group.id);
        let Some(entered) = self.entered.get(&task) else {
            let planned = || self.plan.groups.iter().find(|planned| planned.id == group.id);
            return match which {
                // What never began did not fail.
                Which::Failed => Some(BTreeSet::new()),
                Which::Remaining if self.skipped.contains_key(&task) => Some(BTreeSet::new()),
                Which::Remaining => match planned().and_then(|planned| planned.items.as_ref()) {
                    Some(items) => Some(items.iter().map(|item| item.id.clone()).collect()),
                    // A run that was itself one over what another had left goes no farther than that.
                    None => self.plan.narrowing.again.as_ref().and_then(|again| again.items.get(&group.id)).cloned(),
                },
            };
        };
        let left_out = entered.excluded.iter().map(|one| one.id.clone());
        let mut left: BTreeSet<ItemId> = entered.failed.keys().cloned().chain(left_out).collect();
        if which == Which::Remaining {
            let open = entered.items.iter().filter(|item| !self.is_item_done(group, &task, &item.id));
            left.extend(open.map(|item| item.id.clone()));
        }
        Some(left)
    }

    /// Whether all is done for an item, and stands.
    fn is_item_done(&self, group: &Group, task: &Task, item: &ItemId) -> bool {
        let steps = self.playbook().steps.get(group.range()).unwrap_or_default();
        let undone = steps.iter().any(|step| self.is_undone(&Task::at(&step.id, Some(item))));
        self.round_is_over(group, task, item) && !undone && !self.is_given_up(group, item)
    }

    /// Whether any step, or any item, has failed or is in doubt: a run of which nothing has may still be called back.
    pub fn anything_failed(&self) -> bool {
        let doings = self.tasks.iter().filter(|(task, _)| !task.is_undo());
        let failed = |state: &TaskState| match state.status {
            Status::Failed { .. } | Status::NoEffect { .. } | Status::Unknown | Status::Doubtful => true,
            Status::Done => state.verified == Some(false),
            Status::Ready | Status::InFlight => false,
        };
        self.entered.values().any(|entered| !entered.failed.is_empty()) || doings.into_iter().any(|(_, s)| failed(s))
    }
}
