//! Groups of steps: `parallel`, `for_each` and nested playbooks. The steps of a group stand in the playbook's list one
//! behind the other; a group says which they are. It only describes: who runs when is decided in `run/`.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::batch::sizes;
use super::{
    Amount, Approval, Argument, Expression, InputSpec, List, OnFailure, OnItemFailure, Playbook, Service, Step,
    Template, Unreachable,
};
use crate::diagnostic::Span;
use crate::ids::{Digest, StepId};

/// Steps that belong together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Its id. A `for_each` around one step has the id of that step.
    pub id: StepId,
    /// Where it stands in the file.
    pub span: Span,
    /// What it does, for a person.
    pub title: String,
    /// The group around it.
    pub parent: Option<StepId>,
    /// What makes it a group.
    pub kind: GroupKind,
    /// It runs only if this holds.
    pub condition: Option<Expression>,
    /// Steps that must be done.
    pub needs: Vec<StepId>,
    /// What happens when a step in it fails that does not say so itself.
    pub on_failure: Option<OnFailure>,
    /// The name of the safe state that stands after it.
    pub checkpoint: Option<String>,
    /// What the service is after it.
    pub service: Option<Service>,
    /// Who has to say that it may begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// The place of its first step among the playbook's steps.
    pub first: usize,
    /// How many steps it has.
    pub count: usize,
}

/// What makes a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupKind {
    /// Its steps run at the same time; when one fails, the others finish.
    Parallel,
    /// Its steps run once for each item of a list.
    Each(Box<Each>),
    /// Its steps are those of another playbook.
    Nested(Box<Nested>),
    /// Its steps run only if a step failed for good: its way forward where there is none back.
    Forward {
        /// The step, which stands right before it.
        of: StepId,
    },
}

/// What a `for_each` goes over, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Each {
    /// The list.
    pub list: List,
    /// How many items are under way at the same time, in the first batch and those behind it; the last one holds for all
    /// that follow. A batch ends before the next one begins.
    #[serde(rename = "size", with = "sizes")]
    pub sizes: Vec<Amount>,
    /// How many items may fail, in all batches together, before the whole is failed; a share is rounded down.
    pub max_failures: Amount,
    /// The most items that the list may have.
    pub max_targets: Option<u32>,
    /// The name of the safe state that stands after each batch in which nothing failed: a rollback to it undoes the batch in
    /// hand and leaves those before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// How long to wait between a batch and the next one, in seconds.
    #[serde(default, skip_serializing_if = "is_none")]
    pub pause: f64,
    /// How many items have to be well beside those of the batch in hand; a share is rounded up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_healthy: Option<Amount>,
    /// The label whose values each batch takes from in proportion, so that none of them is taken as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<String>,
    /// What becomes of an item that failed.
    #[serde(default, skip_serializing_if = "OnItemFailure::is_default")]
    pub on_item_failure: OnItemFailure,
    /// What is done about hosts that cannot be reached when the plan is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreachable: Option<Unreachable>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands over a reference
fn is_none(seconds: &f64) -> bool {
    *seconds == 0.0
}

/// A playbook that is run as a step of another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Nested {
    /// Its name.
    pub playbook: String,
    /// The version that is asked for; once it is inlined, the version that it is.
    pub version: String,
    /// The digest of its text, once it is inlined.
    pub digest: Option<Digest>,
    /// What it takes, once it is inlined.
    pub inputs: Vec<InputSpec>,
    /// What it is given.
    pub given: Vec<(String, Argument)>,
    /// What it locks, once it is inlined.
    pub locks: Vec<Template>,
}

/// What stands at one level of a playbook.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Child<'a> {
    /// A step.
    Step(&'a Step),
    /// A group, with all that is in it.
    Group(&'a Group),
}

impl<'a> Child<'a> {
    /// Its id.
    pub fn id(self) -> &'a StepId {
        match self {
            Child::Step(step) => &step.id,
            Child::Group(group) => &group.id,
        }
    }

    /// How many steps of the playbook it is.
    pub fn count(self) -> usize {
        match self {
            Child::Step(_) => 1,
            Child::Group(group) => group.count,
        }
    }
}

impl Group {
    /// The places of its steps.
    pub fn range(&self) -> Range<usize> {
        self.first..self.first + self.count
    }

    /// Whether it is a step's way forward.
    pub fn is_forward_of(&self, step: &StepId) -> bool {
        matches!(&self.kind, GroupKind::Forward { of } if of == step)
    }

    /// What it goes over, where it is a `for_each`.
    pub fn each(&self) -> Option<&Each> {
        match &self.kind {
            GroupKind::Each(each) => Some(each),
            _ => None,
        }
    }

    /// The playbook that it is, where it is one.
    pub fn nested(&self) -> Option<&Nested> {
        match &self.kind {
            GroupKind::Nested(nested) => Some(nested),
            _ => None,
        }
    }
}

impl Playbook {
    /// The way forward of a step that fails, if it has steps for that.
    pub fn forward_of(&self, step: &StepId) -> Option<&Group> {
        self.groups.iter().find(|group| group.is_forward_of(step))
    }

    /// A group by its id.
    pub fn group(&self, id: &StepId) -> Option<&Group> {
        self.groups.iter().find(|group| &group.id == id)
    }

    /// The inputs of the playbook in which a step is written: of this one, or of a nested one.
    pub fn inputs_of(&self, step: &StepId) -> &[InputSpec] {
        let nested = step
            .frame()
            .and_then(|frame| self.groups.iter().find(|group| group.id.as_str() == frame).and_then(Group::nested));
        nested.map_or(&self.inputs, |nested| &nested.inputs)
    }

    /// The groups around a place, from the innermost to the outermost, beginning with `innermost` itself.
    pub fn around<'a>(&'a self, innermost: Option<&StepId>) -> impl Iterator<Item = &'a Group> + use<'a> {
        let mut next = innermost.and_then(|id| self.group(id));
        std::iter::from_fn(move || {
            let group = next?;
            next = group.parent.as_ref().and_then(|id| self.group(id));
            Some(group)
        })
    }

    /// The `for_each` around a place, if there is one.
    pub fn each_around(&self, innermost: Option<&StepId>) -> Option<&Group> {
        self.around(innermost).find(|group| group.each().is_some())
    }

    /// What stands at one level, in order: the steps and groups directly in `level`, of the steps at these places.
    pub fn children<'a>(
        &'a self,
        level: Option<&'a StepId>,
        places: Range<usize>,
    ) -> impl Iterator<Item = Child<'a>> + 'a {
        let mut place = places.start;
        std::iter::from_fn(move || {
            let step = self.steps.get(place).filter(|_| place < places.end)?;
            let child = if step.group.as_ref() == level {
                Child::Step(step)
            } else {
                let group = self.around(step.group.as_ref()).find(|group| group.parent.as_ref() == level)?;
                Child::Group(group)
            };
            place += child.count().max(1);
            Some(child)
        })
    }

    /// All that stands in a group, or in the playbook itself, one level deep.
    pub fn level<'a>(&'a self, group: Option<&'a Group>) -> impl Iterator<Item = Child<'a>> + 'a {
        let places = group.map_or(0..self.steps.len(), Group::range);
        self.children(group.map(|group| &group.id), places)
    }
}
