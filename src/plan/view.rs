//! What later steps may name of a plan that is being made: what is foreseen of the steps before them.

use std::collections::BTreeMap;

use serde_json::json;

use super::planner::Key;
use super::{Decided, Item, Known, PlannedGroup};
use crate::ids::{ItemId, StepId};
use crate::playbook::{Group, GroupKind, OnFailure, Playbook};
use crate::value::{Value, unknown};

/// What is foreseen of steps and groups.
pub(super) struct View<'a> {
    pub known: &'a BTreeMap<Key, Value>,
    pub groups: &'a [PlannedGroup],
    pub book: &'a Playbook,
}

impl View<'_> {
    fn planned(&self, id: &StepId, item: Option<&ItemId>) -> Option<&PlannedGroup> {
        self.groups.iter().find(|planned| &planned.id == id && planned.item.as_ref() == item)
    }
}

/// Whether the run may go on behind a group that failed.
fn goes_on(group: &Group) -> bool {
    matches!(group.on_failure, Some(OnFailure::Continue | OnFailure::Step(_)))
}

impl View<'_> {
    fn one(&self, each: &StepId, item: &ItemId) -> Option<&Item> {
        self.planned(each, None)?.items.as_ref()?.iter().find(|known| &known.id == item)
    }
}

impl Known for View<'_> {
    fn step(&self, step: &StepId, item: Option<&ItemId>) -> Option<Value> {
        let at = |item: Option<&ItemId>| self.known.get(&(step.clone(), item.cloned()));
        at(item).or_else(|| at(None)).cloned()
    }

    fn group(&self, group: &Group, item: Option<&ItemId>) -> Option<Value> {
        let planned = self.planned(&group.id, item)?;
        let outcome = match &planned.runs {
            Decided::No { .. } => json!("skipped"),
            Decided::Undecided { why } => unknown(why.clone()),
            Decided::Yes if goes_on(group) => unknown("whether it fails, as the run goes on then"),
            Decided::Yes => json!("done"),
        };
        let mut known = json!({ "outcome": outcome });
        match &group.kind {
            GroupKind::Parallel | GroupKind::Forward { .. } => {}
            GroupKind::Each(_) => {
                let later = || unknown(format!("what becomes of the items of {}", group.id));
                known["done"] = later();
                known["failed"] = later();
                // Who is left out is known with the list.
                known["excluded"] = match &planned.items {
                    None => later(),
                    Some(_) => planned.excluded.iter().map(|one| one.value.clone()).collect(),
                };
                known["items"] = match &planned.items {
                    None => later(),
                    Some(items) => items
                        .iter()
                        .map(|item| {
                            let step = self.step(&group.id, Some(&item.id)).unwrap_or_else(|| json!({ "outputs": {} }));
                            json!({ "item": item.value, "outcome": later(), "outputs": step["outputs"] })
                        })
                        .collect(),
                };
            }
            GroupKind::Nested(_) => {
                let steps = self.book.steps.iter().skip(group.first).take(group.count);
                let own = steps.filter(|step| step.id.frame() == Some(group.id.as_str()));
                let inner = own.filter_map(|step| Some((step.id.local().to_owned(), self.step(&step.id, item)?)));
                known["steps"] = Value::Object(inner.collect());
            }
        }
        Some(known)
    }

    fn item(&self, each: &StepId, item: &ItemId) -> Option<Value> {
        self.one(each, item).map(|known| known.value.clone())
    }

    fn vars(&self, each: &StepId, item: &ItemId) -> Option<Value> {
        self.one(each, item).map(|known| known.vars.clone())
    }
}
