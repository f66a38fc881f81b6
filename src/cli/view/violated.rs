//! What does not hold when a plan is made: what a run would fail by, and apart from it what a `for_each` bears as so many of
//! its items may fail. Items of which the same is to be said are told together.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::ids::{ItemId, StepId};
use crate::plan::{Decided, Plan, PlannedStep};
use crate::value::{ranges, without_name as mask};

use super::plan::requirements;

/// A requirement that does not hold, of a step that certainly runs.
pub struct Broken<'a> {
    planned: &'a PlannedStep,
    source: String,
    /// Whether the `for_each` around it bears it.
    pub borne: bool,
}

impl Broken<'_> {
    /// The step with its item, and what does not hold.
    pub fn text(&self) -> String {
        format!("{}: {}", self.planned.name(), self.source)
    }
}

/// All of them, in the order of the plan.
pub fn all(plan: &Plan) -> Vec<Broken<'_>> {
    let mut list = Vec::new();
    for planned in plan.steps.iter().filter(|planned| planned.runs == Decided::Yes) {
        let needs = requirements(planned).into_iter().filter(|need| matches!(need.decided, Decided::No { .. }));
        list.extend(needs.map(|need| Broken { planned, source: need.source, borne: false }));
    }
    let bearing = bearing(plan, &list);
    for broken in &mut list {
        broken.borne = group_of(plan, broken.planned).is_some_and(|group| bearing.contains_key(group));
    }
    list
}

/// Each `for_each` of which no more items would fail than may, and how many would and may.
pub fn bearing<'a>(plan: &'a Plan, broken: &[Broken<'a>]) -> BTreeMap<&'a StepId, (usize, usize)> {
    let mut failing: BTreeMap<&StepId, BTreeSet<&ItemId>> = BTreeMap::new();
    for Broken { planned, .. } in broken {
        if let (Some(group), Some(item)) = (group_of(plan, planned), &planned.item) {
            failing.entry(group).or_default().insert(item);
        }
    }
    let may = |group: &StepId| {
        plan.groups.iter().find(|planned| &planned.id == group).map_or(0, |planned| planned.max_failures as usize)
    };
    let counted = failing.into_iter().map(|(group, items)| (group, (items.len(), may(group))));
    counted.filter(|(_, (failing, may))| failing <= may).collect()
}

fn group_of<'a>(plan: &'a Plan, planned: &PlannedStep) -> Option<&'a StepId> {
    let inside = plan.playbook.step(&planned.id)?.group.as_ref();
    plan.playbook.each_around(inside).map(|group| &group.id)
}

/// In words, those of a step of which the same is to be said together.
pub fn folded<'a>(list: impl Iterator<Item = &'a Broken<'a>>) -> Vec<String> {
    let mut classes: Vec<(&Broken<'_>, String, Vec<&str>)> = Vec::new();
    let mut known: HashMap<(&StepId, String), usize> = HashMap::new();
    for broken in list {
        let item = broken.planned.item.as_ref().map(|item| item.as_str());
        let masked = item.map_or_else(|| broken.source.clone(), |item| mask(&broken.source, item));
        let place = *known.entry((&broken.planned.id, masked.clone())).or_insert_with(|| {
            classes.push((broken, masked, Vec::new()));
            classes.len() - 1
        });
        if let Some((_, _, names)) = classes.get_mut(place) {
            names.extend(item);
        }
    }
    let told = |(first, masked, names): &(&Broken<'_>, String, Vec<&str>)| match names.as_slice() {
        [] | [_] => first.text(),
        names => {
            let (all, count) = (ranges::fold_sorted(names.iter().copied()), names.len());
            format!("{}@{all} ({count}): {}", first.planned.id, masked.replace('\0', "<item>"))
        }
    };
    classes.iter().map(told).collect()
}
