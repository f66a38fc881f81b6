//! What is kept at hand of the order of intents, so that a step costs the same behind ten others and behind ten thousand:
//! where each task stands in it, what is under way, what a rollback still owes. All of it follows from tasks and order; it is
//! an index and decides nothing by itself.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::{Event, RunState, Task, undo};
use crate::plan::{Plan, PlannedStep};

/// What is kept at hand.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct AtHand {
    /// The places, in the order, of points of no return.
    gates: Vec<usize>,
    /// The tasks whose intents have no outcome yet.
    under_way: BTreeSet<Task>,
    /// While the run goes back: the places of what is not undone yet and has to be.
    owed: BTreeSet<usize>,
    /// Where each task stands in the plan.
    planned: Arc<HashMap<Task, usize>>,
}

#[cfg(test)]
thread_local! {
    /// How often one task or item is looked at for a decision or a record.
    pub(super) static LOOKS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// One task or item is looked at.
pub(super) fn look() {
    #[cfg(test)]
    LOOKS.with(|looks| looks.set(looks.get() + 1));
}

impl AtHand {
    /// Of a run that begins with a plan.
    pub(super) fn of(plan: &Plan) -> Self {
        let steps = plan.steps.iter().enumerate();
        let planned = steps.map(|(place, planned)| (Task::at(&planned.id, planned.item.as_ref()), place)).collect();
        Self { planned: Arc::new(planned), ..Self::default() }
    }
}

impl RunState {
    /// Where a task stands in the order of intents, if it has one.
    pub fn place_in_order(&self, task: &Task) -> Option<usize> {
        self.tasks.get(task).and_then(|state| state.place)
    }

    /// What was foreseen of a task's doing, for its item where the list was known by then.
    pub(super) fn planned_step(&self, task: &Task) -> Option<&PlannedStep> {
        let at = |task: &Task| self.at_hand.planned.get(task).and_then(|place| self.plan.steps.get(*place));
        let found = if task.is_undo() { at(&task.doing()) } else { at(task) };
        let found = found.or_else(|| at(&Task::of(&task.step))).filter(|planned| planned.id == task.step);
        found.or_else(|| self.plan.step(&task.step, task.item.as_ref()).filter(|_| self.at_hand.planned.is_empty()))
    }

    /// The tasks under way, by their names.
    pub(super) fn names_under_way(&self) -> impl Iterator<Item = &Task> {
        self.at_hand.under_way.iter()
    }

    /// The places of points of no return in the order, the last one first.
    pub(super) fn gates(&self) -> impl Iterator<Item = usize> {
        self.at_hand.gates.iter().rev().copied()
    }

    /// The places, from one on, of what a rollback still owes, the last one first.
    pub(super) fn owed_back(&self, from: usize) -> impl Iterator<Item = usize> {
        self.at_hand.owed.range(from..).rev().copied()
    }

    /// A task is the last in the order, unless it stands in it already. Its state is known by then.
    pub(super) fn join_order(&mut self, task: &Task) {
        let place = self.order.len();
        let Some(state) = self.tasks.get_mut(task).filter(|state| state.place.is_none()) else { return };
        state.place = Some(place);
        self.order.push(task.clone());
        if self.playbook().step(&task.step).is_some_and(|step| step.point_of_no_return) {
            self.at_hand.gates.push(place);
        }
    }

    /// The order is another one: what follows from it is worked out anew.
    pub(super) fn reorder(&mut self, order: Vec<Task>) {
        for state in self.tasks.values_mut() {
            state.place = None;
        }
        self.at_hand.gates.clear();
        self.order.clear();
        order.iter().for_each(|task| self.join_order(task));
        self.look_at_all();
    }

    /// Brings what is kept at hand to what an event has made of its task.
    pub(super) fn keep_at_hand(&mut self, event: &Event) {
        match event {
            Event::Intent { task, .. }
            | Event::Outcome { task, .. }
            | Event::Settled { task, .. }
            | Event::StepRefused { task, .. }
            | Event::Verified { task, .. } => {
                let task = task.clone();
                self.look_at(&task);
            }
            // What people say may touch more than the task that it is about; it comes seldom.
            Event::Answered { .. }
            | Event::SkippedByPerson { .. }
            | Event::RollbackStarted { .. }
            | Event::Inherited { .. } => self.look_at_all(),
            _ => {}
        }
    }

    fn look_at(&mut self, task: &Task) {
        if self.tasks.get(task).is_some_and(|state| state.is_in_flight()) {
            self.at_hand.under_way.insert(task.clone());
        } else {
            self.at_hand.under_way.remove(task);
        }
        if self.rollback.is_none() {
            return;
        }
        let doing = task.doing();
        if let Some(place) = self.place_in_order(&doing) {
            if undo::is_owed(self, &doing) {
                self.at_hand.owed.insert(place);
            } else {
                self.at_hand.owed.remove(&place);
            }
        }
    }

    fn look_at_all(&mut self) {
        let under_way = self.tasks.iter().filter(|(_, state)| state.is_in_flight());
        self.at_hand.under_way = under_way.map(|(task, _)| task.clone()).collect();
        self.at_hand.owed = match self.rollback {
            Some(_) => {
                let owed = self.order.iter().enumerate().filter(|(_, task)| undo::is_owed(self, task));
                owed.map(|(place, _)| place).collect()
            }
            None => BTreeSet::new(),
        };
    }
}
