//! Finds the groups of a playbook while it is checked. It decides nothing.

use std::collections::HashMap;

use super::{Group, Playbook};
use crate::ids::StepId;

/// The groups of a playbook, found by their ids: looking through thousands for each name would take long.
pub(super) struct Groups<'a> {
    by_id: HashMap<&'a str, &'a Group>,
    by_place: HashMap<usize, Vec<&'a Group>>,
    numbers: HashMap<&'a str, usize>,
}

impl<'a> Groups<'a> {
    pub fn of(book: &'a Playbook) -> Self {
        let mut groups = Self { by_id: HashMap::new(), by_place: HashMap::new(), numbers: HashMap::new() };
        for (number, group) in book.groups.iter().enumerate() {
            groups.numbers.entry(group.id.as_str()).or_insert(number);
            groups.by_id.entry(group.id.as_str()).or_insert(group);
            groups.by_place.entry(group.first).or_default().push(group);
        }
        groups
    }

    /// One by its id.
    pub fn get(&self, id: &str) -> Option<&'a Group> {
        self.by_id.get(id).copied()
    }

    /// How many groups are written before one.
    pub fn number(&self, id: &str) -> usize {
        self.numbers.get(id).copied().unwrap_or(usize::MAX)
    }

    pub fn ids(&self) -> impl Iterator<Item = &'a str> {
        self.by_id.keys().copied()
    }

    /// Those that begin with a step.
    pub fn at(&self, place: usize) -> &[&'a Group] {
        self.by_place.get(&place).map(Vec::as_slice).unwrap_or_default()
    }

    /// The groups around a place, the innermost first.
    pub fn around<'g>(&'g self, innermost: Option<&StepId>) -> impl Iterator<Item = &'a Group> + use<'g, 'a> {
        let mut next = innermost.and_then(|id| self.get(id.as_str()));
        std::iter::from_fn(move || {
            let group = next?;
            next = group.parent.as_ref().and_then(|id| self.get(id.as_str()));
            Some(group)
        })
    }

    /// The `for_each` around a place, if there is one.
    pub fn each_around(&self, innermost: Option<&StepId>) -> Option<&'a Group> {
        self.around(innermost).find(|group| group.each().is_some())
    }
}
