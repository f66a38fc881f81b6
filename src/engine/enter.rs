//! Before a group of steps: whether it is to run, and over which items. The list of a `for_each` is frozen here, in one
//! record: whatever becomes of what it was made from, the run goes over these items and no others.

use super::EngineError;
use super::drive::Drive;
use super::prepare::{Refusal, holds, refused};
use crate::plan::{Batches, Item, PlannedGroup, batches_of, items_of, spread};
use crate::playbook::{Amount, Each, Scope, resolve_arguments, said_by};
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
        let (items, batches) = match group.each() {
            Some(each) => {
                let (items, batches) = items(&state, task, each, &scope)?;
                (Some(items), batches)
            }
            None => (None, Batches::default()),
        };
        let what = serde_json::json!(items);
        let targets = match &items {
            Some(items) => items.iter().map(|item| item.id.to_string()).collect(),
            None => state.plan.targets.clone(),
        };
        if let Some(wanted) = self.wanted(task, group.approval.as_ref(), &scope, &what, &targets)? {
            return Ok(wanted);
        }
        let Batches { sizes: batches, max_failures, min_healthy } = batches;
        Ok(vec![Event::GroupEntered { task: task.clone(), items, batches, max_failures, min_healthy }])
    }
}

/// The items that a `for_each` goes over, and the batches that it takes them in: those of the plan, where it knew them, or it
/// has drifted.
fn items(state: &RunState, task: &Task, each: &Each, scope: &Scope) -> Result<(Vec<Item>, Batches), Refusal> {
    let list = [("list".to_owned(), each.list.clone())];
    let said = said_by(&list);
    let list = resolve_arguments(&list, scope).map_err(|error| Refusal::no(error.to_string()))?;
    let list = list.get("list").cloned().unwrap_or_default();
    if contains_unknown(&list) {
        return Err(Refusal::no("the list of `for_each` rests on something that is not known"));
    }
    let most = each.max_targets.or(state.playbook().max_targets);
    let items = items_of(&list, most).map_err(|error| Refusal::no(error.to_string()))?;
    let batches = batches_of(each, items.len(), scope).map_err(|error| Refusal::no(error.to_string()))?;
    let batches = batches.ok_or_else(|| Refusal::no("how large batches are rests on something that is not known"))?;
    let items = spread(each, items).map_err(|error| Refusal::no(error.to_string()))?;
    let planned = state.plan.groups.iter().find(|planned| planned.id == task.step && planned.item == task.item);
    match planned.and_then(|planned| planned.items.as_ref()) {
        Some(planned) if planned != &items && !state.rests_on_a_hand(&said, task.step.frame()) => {
            let names = |items: &[Item]| items.iter().map(|item| item.id.to_string()).collect::<Vec<_>>().join(", ");
            let (was, is) = (names(planned), names(&items));
            Err(Refusal::drift(format!(
                "the world drifted from the plan: {task} was to go over {was}, and would now go over {is}"
            )))
        }
        _ => held_to(state, task, planned, each, &batches).map(|()| (items, batches)),
    }
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
