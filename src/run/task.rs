//! What an intent is about: a step, being done or being undone, for one item where it runs for each.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::{Digest, InvalidName, ItemId, StepId, file_name};

/// The longest part of a file's name: what comes before and after it fits beside it.
const LONGEST: usize = 120;

/// A step's doing, or one part of its undoing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// The step itself.
    Do,
    /// Its undo: 0 is the action's own, or the first of its `rollback:` steps; the others follow.
    Undo(u32),
}

/// A step in a phase; written `promote`, `promote/undo`, `promote/undo/1`, and with an item `restart@web1/undo`. A group of
/// steps is named the same way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Task {
    /// The step.
    pub step: StepId,
    /// Of a `for_each`: for which item.
    pub item: Option<ItemId>,
    /// Done or undone.
    pub phase: Phase,
}

impl Task {
    /// The doing of a step.
    pub fn of(step: &StepId) -> Self {
        Self::at(step, None)
    }

    /// The doing of a step for an item.
    pub fn at(step: &StepId, item: Option<&ItemId>) -> Self {
        Self { step: step.clone(), item: item.cloned(), phase: Phase::Do }
    }

    /// A part of the undoing of what this one did.
    pub fn undo(&self, part: u32) -> Self {
        Self { step: self.step.clone(), item: self.item.clone(), phase: Phase::Undo(part) }
    }

    /// The doing that this one does or undoes.
    pub fn doing(&self) -> Self {
        Self { step: self.step.clone(), item: self.item.clone(), phase: Phase::Do }
    }

    /// Whether it undoes.
    pub fn is_undo(&self) -> bool {
        self.phase != Phase::Do
    }

    /// As a part of a file's name, of letters, digits and `. _ -` alone: no two tasks have the same. One that is too long
    /// for that ends in a digest of the whole.
    pub fn file_name(&self) -> String {
        let whole = self.to_string();
        let name = file_name(&whole);
        if name.len() <= LONGEST {
            return name;
        }
        let digest = Digest::of(whole.as_bytes());
        format!("{}.d{}", name.get(..LONGEST - 14).unwrap_or_default(), digest.short())
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.step)?;
        if let Some(item) = &self.item {
            write!(f, "@{item}")?;
        }
        match self.phase {
            Phase::Do => Ok(()),
            Phase::Undo(0) => write!(f, "/undo"),
            Phase::Undo(part) => write!(f, "/undo/{part}"),
        }
    }
}

impl FromStr for Task {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidName {
            kind: "task",
            text: text.to_owned(),
            form: "a task is STEP, STEP@ITEM, STEP/undo or STEP/undo/N",
        };
        // No step is called `undo`, none begins with a digit and no item has a slash: the phase is what stands at the end.
        if let Some(name) = text.strip_suffix("/undo") {
            return Ok(Self { phase: Phase::Undo(0), ..whole(name)? });
        }
        if let Some((rest, part)) = text.rsplit_once('/')
            && let Some(name) = rest.strip_suffix("/undo")
        {
            return Ok(Self { phase: Phase::Undo(part.parse().map_err(|_| invalid())?), ..whole(name)? });
        }
        whole(text)
    }
}

/// A step with or without an item, in no other phase than `Do`.
fn whole(text: &str) -> Result<Task, InvalidName> {
    match text.split_once('@') {
        Some((step, item)) => Ok(Task::at(&step.parse()?, Some(&item.parse()?))),
        None => Ok(Task::of(&text.parse()?)),
    }
}

impl TryFrom<String> for Task {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Task> for String {
    fn from(task: Task) -> String {
        task.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_read_as_it_is_written() {
        for text in
            ["a", "a/undo", "a/undo/2", "a@web1", "a@web-1.x:2/undo", "sub/b", "sub/b@3/undo/1", "sub/undo_all/undo"]
        {
            let task: Task = text.parse().unwrap();
            assert_eq!(task.to_string(), text);
        }
        for bad in ["", "a@", "a@b/c", "undo", "a/undo/x", "a@b@c", "a/undo/1/2"] {
            assert!(bad.parse::<Task>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_item_is_never_taken_for_a_phase() {
        let undone: Task = "a@x/undo".parse().unwrap();
        let named: Task = "a@x-undo".parse().unwrap();
        assert_ne!(undone.file_name(), named.file_name());
        let long: Task = format!("{}@{}/undo", "a".repeat(64), "b.".repeat(32)).parse().unwrap();
        let other: Task = format!("{}@{}/undo/1", "a".repeat(64), "b.".repeat(32)).parse().unwrap();
        assert!(long.file_name().len() <= LONGEST && long.file_name() != other.file_name());
        assert!(undone.is_undo() && !named.is_undo());
    }
}
