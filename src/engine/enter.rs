//! Before a group of steps: whether it is to run, and over which items. The list of a `for_each` is frozen here, in one
//! record: whatever becomes of what it was made from, the run goes over these items and no others.

use super::EngineError;
use super::drive::Drive;
use super::prepare::{Refusal, holds, refused};
use crate::plan::{Item, items_of};
use crate::playbook::{Each, Scope, resolve_arguments, said_by};
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
        let items = match group.each() {
            Some(each) => Some(items(&state, task, each, &scope)?),
            None => None,
        };
        let what = serde_json::json!(items);
        let targets = match &items {
            Some(items) => items.iter().map(|item| item.id.to_string()).collect(),
            None => state.plan.targets.clone(),
        };
        if let Some(wanted) = self.wanted(task, group.approval.as_ref(), &scope, &what, &targets)? {
            return Ok(wanted);
        }
        Ok(vec![Event::GroupEntered { task: task.clone(), items }])
    }
}

/// The items that a `for_each` goes over: those of the plan, where it knew them, or it has drifted.
fn items(state: &RunState, task: &Task, each: &Each, scope: &Scope) -> Result<Vec<Item>, Refusal> {
    let list = [("list".to_owned(), each.list.clone())];
    let said = said_by(&list);
    let list = resolve_arguments(&list, scope).map_err(|error| Refusal::no(error.to_string()))?;
    let list = list.get("list").cloned().unwrap_or_default();
    if contains_unknown(&list) {
        return Err(Refusal::no("the list of `for_each` rests on something that is not known"));
    }
    let most = each.max_targets.or(state.playbook().max_targets);
    let items = items_of(&list, most).map_err(|error| Refusal::no(error.to_string()))?;
    let planned = state.plan.groups.iter().find(|planned| planned.id == task.step && planned.item == task.item);
    match planned.and_then(|planned| planned.items.as_ref()) {
        Some(planned) if planned != &items && !state.rests_on_a_hand(&said, task.step.frame()) => {
            let names = |items: &[Item]| items.iter().map(|item| item.id.to_string()).collect::<Vec<_>>().join(", ");
            let (was, is) = (names(planned), names(&items));
            Err(Refusal::drift(format!(
                "the world drifted from the plan: {task} was to go over {was}, and would now go over {is}"
            )))
        }
        _ => Ok(items),
    }
}
