//! What is known of each task: found by its name at once, however many there are, and told in the order of the names. It must
//! never tell them in any other order than that: what people read, and what is decided, would differ from one process to the next.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{Task, TaskState, Time};
use crate::ids::StepId;

/// Tasks, and what is known of them.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    /// Where each stands: a comparison of names at every turn of a tree is most of what a fold takes.
    places: HashMap<Arc<Task>, usize>,
    in_order: BTreeMap<Arc<Task>, usize>,
    kept: Vec<(Arc<Task>, TaskState)>,
}

impl Tasks {
    /// What is known of one.
    pub fn get(&self, task: &Task) -> Option<&TaskState> {
        self.get_key_value(task).map(|(_, state)| state)
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, task: &Task) -> Option<&mut TaskState> {
        let place = *self.places.get(task)?;
        self.kept.get_mut(place).map(|(_, state)| state)
    }

    /// The same, with the name as it is kept.
    pub fn get_key_value(&self, task: &Task) -> Option<(&Task, &TaskState)> {
        self.places.get(task).and_then(|place| self.at(*place))
    }

    /// Whether anything is known of one.
    pub fn contains_key(&self, task: &Task) -> bool {
        self.places.contains_key(task)
    }

    /// What is known of one, which is nothing yet where it is first heard of.
    pub(super) fn heard_of(&mut self, task: &Task, at: Time) -> &mut TaskState {
        let place = self.places.get(task).copied().unwrap_or_else(|| self.add(task, TaskState::new(at)));
        // It stands there, as nothing is ever taken out.
        &mut self.kept[place].1
    }

    /// Keeps what is known of one.
    pub(super) fn insert(&mut self, task: &Task, state: TaskState) {
        match self.get_mut(task) {
            Some(kept) => *kept = state,
            None => {
                self.add(task, state);
            }
        }
    }

    fn add(&mut self, task: &Task, state: TaskState) -> usize {
        let (task, place) = (Arc::new(task.clone()), self.kept.len());
        self.places.insert(Arc::clone(&task), place);
        self.in_order.insert(Arc::clone(&task), place);
        self.kept.push((task, state));
        place
    }

    /// All, in the order of their names.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&Task, &TaskState)> {
        self.in_order.values().filter_map(|place| self.at(*place))
    }

    /// The doings and undoings of a step, in the order of their names.
    pub(super) fn of_step(&self, step: &StepId) -> impl Iterator<Item = (&Task, &TaskState)> {
        let behind = self.in_order.range(Task::of(step)..).map(|(_, place)| *place);
        behind.filter_map(|place| self.at(place)).take_while(move |(task, _)| &task.step == step)
    }

    /// The names, in their order.
    pub fn keys(&self) -> impl Iterator<Item = &Task> {
        self.in_order.keys().map(AsRef::as_ref)
    }

    /// All, to change each by itself.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&Task, &mut TaskState)> {
        self.kept.iter_mut().map(|(task, state)| (&**task, state))
    }

    /// What is known of all, to change each by itself.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut TaskState> {
        self.kept.iter_mut().map(|(_, state)| state)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    fn at(&self, place: usize) -> Option<(&Task, &TaskState)> {
        self.kept.get(place).map(|(task, state)| (task.as_ref(), state))
    }
}

/// Who was heard of first makes no difference.
impl PartialEq for Tasks {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

#[cfg(test)]
impl std::ops::Index<&Task> for Tasks {
    type Output = TaskState;

    fn index(&self, task: &Task) -> &TaskState {
        let place = self.places[task];
        &self.kept[place].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(name: &str) -> Task {
        name.parse().unwrap()
    }

    #[test]
    fn they_are_told_in_the_order_of_their_names_and_found_by_them() {
        let (mut tasks, mut other) = (Tasks::default(), Tasks::default());
        let names = ["promote", "hold@db2", "hold@db1/undo", "hold", "holding", "hold@db1"];
        for (number, name) in names.iter().enumerate() {
            tasks.heard_of(&task(name), Time(1)).attempt = u32::try_from(number).unwrap();
        }
        for (number, name) in names.iter().enumerate().rev() {
            let mut state = TaskState::new(Time(1));
            state.attempt = u32::try_from(number).unwrap();
            other.insert(&task(name), state);
        }
        assert_eq!(tasks, other);
        let mut sorted = names.map(task);
        sorted.sort();
        assert_eq!(tasks.keys().cloned().collect::<Vec<_>>(), sorted);
        assert_eq!(tasks.iter().map(|(task, _)| task.clone()).collect::<Vec<_>>(), sorted);
        let of_step: Vec<String> = tasks.of_step(&"hold".parse().unwrap()).map(|(task, _)| task.to_string()).collect();
        assert_eq!(of_step.len(), 4, "{of_step:?}");
        assert_eq!((tasks[&task("hold@db1")].attempt, tasks.get(&task("hole")).is_none()), (5, true));
        assert_eq!(tasks.heard_of(&task("promote"), Time(9)).attempt, 0, "it was heard of before");
        other.heard_of(&task("more"), Time(1));
        assert_ne!(tasks, other);
    }
}
