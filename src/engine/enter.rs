//! Before a group of steps: whether it is to run, and over which items. The list of a `for_each` is frozen here, in one
//! record: whatever becomes of what it was made from, the run goes over these items and no others.

use super::drive::Drive;
use super::prepare::{Refusal, holds, refused};
use super::{EngineError, hosts};
use crate::inventory::Inventory;
use crate::plan::{Batches, Item, Narrowed, NoItems, PlannedGroup, changed_variables, items_of, items_of_hosts};
use crate::playbook::{Amount, Each, Scope, pattern_of, resolve_arguments, said_by};
use crate::run::{Event, RunState, SkipReason, Task};
use crate::value::contains_unknown;

impl Drive<'_> {
    /// Writes down that a group of steps begins, over which items, or why it does not.
    pub(super) fn enter(&self, task: &Task) -> Result<(), EngineError> {
        let events = match self.enter_group(task) {
            Ok(events) => events,
            Err(refusal) => vec![refused(task, self.next_attempt(task), refusal)],
        };
        if events.is_empty() { Ok(()) } else { self.append(events) }
    }

    fn enter_group(&self, task: &Task) -> Result<Vec<Event>, Refusal> {
        let state = self.state();
        let Some(group) = state.playbook().group(&task.step) else {
            return Err(Refusal::no(format!("the playbook has no group {}", task.step)));
        };
        let scope = state.scope_of_group(group, task).map_err(Refusal::no)?;
        if let Some(condition) = &group.condition
            && !holds(condition, &scope)?
        {
            let source = condition.source.clone();
            return Ok(vec![Event::StepSkipped { task: task.clone(), reason: SkipReason::Condition { source } }]);
        }
        let found = match group.each() {
            Some(each) => Some(items(&state, task, each, &scope, self.tools.inventory)?),
            None => None,
        };
        let goes_over = found.is_some();
        let (Narrowed { items, whole, excluded, .. }, batches) = found.unwrap_or_default();
        let items = goes_over.then_some(items);
        let what = serde_json::json!(items);
        let targets = match &items {
            Some(items) => items.iter().map(|item| item.id.to_string()).collect(),
            None => state.plan.targets.clone(),
        };
        if let Some(wanted) = self.wanted(task, group.approval.as_ref(), &scope, &what, &targets)? {
            return Ok(wanted);
        }
        let Batches { sizes: batches, max_failures, min_healthy } = batches;
        let task = task.clone();
        Ok(vec![Event::GroupEntered { task, items, batches, max_failures, min_healthy, whole, excluded }])
    }
}

/// The items that a `for_each` goes over, and the batches that it takes them in: those of the plan, where it knew them, or it
/// has drifted.
fn items(
    state: &RunState,
    task: &Task,
    each: &Each,
    scope: &Scope,
    inventory: &Inventory,
) -> Result<(Narrowed, Batches), Refusal> {
    let list = [("list".to_owned(), each.list.argument().clone())];
    let said = said_by(&list);
    let list = resolve_arguments(&list, scope).map_err(|error| Refusal::no(error.to_string()))?;
    let list = list.get("list").cloned().unwrap_or_default();
    if contains_unknown(&list) {
        return Err(Refusal::no("the list of `for_each` rests on something that is not known"));
    }
    let refused = |error: NoItems| Refusal::no(error.to_string());
    let items = if each.list.is_of_hosts() {
        let found = pattern_of(&list).and_then(|pattern| hosts::select(inventory, &pattern)).map_err(Refusal::no)?;
        items_of_hosts(&found).map_err(refused)?
    } else {
        items_of(&list, None).map_err(refused)?
    };
    let is_host = |name: &str| inventory.hosts.contains_key(name);
    let mut found = state.plan.narrowing.narrow(&task.step, items, &is_host).map_err(refused)?;
    let planned = state.plan.groups.iter().find(|planned| planned.id == task.step && planned.item == task.item);
    // Whoever did not answer when the plan was made is left out, whether it answers by now or not: that was shown.
    let left_out = planned.iter().flat_map(|planned| &planned.excluded);
    found.leave_out(&left_out.map(|one| (one.id.clone(), one.why.clone())).collect());
    let batches = found
        .in_batches(each, state.playbook().max_targets, scope)
        .map_err(|error| Refusal::no(error.to_string()))?
        .ok_or_else(|| Refusal::no("how large batches are rests on something that is not known"))?;
    match planned.and_then(|planned| planned.items.as_ref()) {
        Some(planned) if planned != &found.items && !state.rests_on_a_hand(&said, task.step.frame()) => {
            Err(Refusal::drift(format!("the world drifted from the plan: {}", difference(task, planned, &found.items))))
        }
        _ => held_to(state, task, planned, each, &batches).map(|()| (found, batches)),
    }
}

/// In what a list differs from the one of the plan, in words.
fn difference(task: &Task, was: &[Item], is: &[Item]) -> String {
    let names = |items: &[Item]| items.iter().map(|item| item.id.to_string()).collect::<Vec<_>>().join(", ");
    let (before, now) = (names(was), names(is));
    if before != now {
        return format!("{task} was to go over {before}, and would now go over {now}");
    }
    let changed = was.iter().zip(is).filter(|(was, is)| was != is).map(|(was, is)| {
        let variables = changed_variables(&was.vars, &is.vars);
        if variables.is_empty() { was.id.to_string() } else { format!("{} ({})", was.id, variables.join(", ")) }
    });
    format!("what the inventory says of hosts of {task} was changed: {}", changed.collect::<Vec<_>>().join(", "))
}

/// The batches as well are those of the plan, where it knew them.
fn held_to(
    state: &RunState,
    task: &Task,
    planned: Option<&PlannedGroup>,
    each: &Each,
    batches: &Batches,
) -> Result<(), Refusal> {
    let Some(planned) = planned.filter(|planned| !planned.batches.is_empty()) else { return Ok(()) };
    let was = Batches {
        sizes: planned.batches.clone(),
        max_failures: planned.max_failures,
        min_healthy: planned.min_healthy,
    };
    let given = each.amounts().filter_map(|(_, amount)| match amount {
        Amount::Given(template) => Some(template.source.as_str()),
        _ => None,
    });
    let said: String = given.collect::<Vec<_>>().join("\n");
    if was == *batches || state.rests_on_a_hand(&said, task.step.frame()) {
        return Ok(());
    }
    Err(Refusal::drift(format!(
        "the world drifted from the plan: {task} was to go over its items in {was}, and would now do so in {batches}"
    )))
}
