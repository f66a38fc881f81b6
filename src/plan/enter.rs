//! The groups of a plan that is being made: whether they will run, over which items, what that locks, and how much it may
//! touch.

use super::planner::{PlanError, Planner, Todo, both, broken};
use super::{Batches, Decided, Item, Place, PlannedGroup, batches_of, items_of, spread};
use crate::ids::{ItemId, Resource, StepId};
use crate::playbook::{Each, Group, GroupKind, Scope, Step, Template, render, resolve_arguments};
use crate::value::{contains_unknown, why_unknown};

impl Planner {
    /// Decides about the groups around a step that were not looked at yet. Nothing where the step is not to be planned now:
    /// its group is skipped, or its list has just been laid out.
    pub(super) fn enter(&mut self, step: &Step, todo: &Todo) -> Result<Option<Decided>, PlanError> {
        let around = self.playbook.around(step.group.as_ref());
        let mut around: Vec<(StepId, bool)> = around
            .map(|group| (group.id.clone(), self.playbook.each_around(group.parent.as_ref()).is_some()))
            .collect();
        around.reverse();
        let mut all = Decided::Yes;
        for (id, inside) in around {
            let item = todo.item.clone().filter(|_| inside);
            let known = self.groups.iter().find(|planned| planned.id == id && planned.item == item);
            let runs = match known {
                Some(planned) => planned.runs.clone(),
                // A list that is written out is copied here alone: not once for each of its items.
                None => {
                    let Some(group) = self.playbook.group(&id).cloned() else { continue };
                    let (runs, laid_out) = self.plan_group(&group, item)?;
                    if laid_out {
                        return Ok(None);
                    }
                    runs
                }
            };
            all = both(all, runs);
        }
        if let Decided::No { .. } = all {
            self.skip(step, all);
            return Ok(None);
        }
        Ok(Some(all))
    }

    /// Whether a group will run, and over which items; whether its steps were laid out for them.
    fn plan_group(&mut self, group: &Group, item: Option<ItemId>) -> Result<(Decided, bool), PlanError> {
        let place = Place::of_group(group, item.as_ref());
        let scope = self.scope(place, &group.said(), &self.steady).map_err(broken(&group.id))?;
        let runs = match &group.kind {
            GroupKind::Forward { of } => Decided::Undecided { why: format!("only if {of} fails") },
            _ => self.will_run(&group.id, &group.needs, group.condition.as_ref(), item.as_ref(), &scope)?,
        };
        let items = match group.each().filter(|_| !matches!(runs, Decided::No { .. })) {
            Some(each) => self.items(group, each, &scope, &runs)?,
            None => None,
        };
        let laid_out = items.is_some();
        let (items, batches) = items.map_or((None, Batches::default()), |(items, batches)| (Some(items), batches));
        if let Some(items) = &items {
            let places: Vec<usize> = group.range().collect();
            self.todo.retain(|todo| !places.contains(&todo.place));
            for item in items.iter().rev() {
                for place in places.iter().rev() {
                    self.todo.push_front(Todo { place: *place, item: Some(item.id.clone()) });
                }
            }
        }
        let Batches { sizes, max_failures, min_healthy } = batches;
        let (id, runs_too) = (group.id.clone(), runs.clone());
        self.groups.push(PlannedGroup { id, item, runs: runs_too, items, batches: sizes, max_failures, min_healthy });
        Ok((runs, laid_out))
    }

    /// The items of a `for_each` and the batches that they are taken in, where its list is known by now.
    fn items(
        &self,
        group: &Group,
        each: &Each,
        scope: &Scope,
        runs: &Decided,
    ) -> Result<Option<(Vec<Item>, Batches)>, PlanError> {
        let evaluate = |error| PlanError::Evaluate { step: group.id.to_string(), error };
        let list = [("list".to_owned(), each.list.clone())];
        let resolved = resolve_arguments(&list, scope).map_err(evaluate)?;
        let list = resolved.get("list").cloned().unwrap_or_default();
        if contains_unknown(&list) {
            return Ok(None);
        }
        let items = items_of(&list, each.max_targets.or(self.playbook.max_targets));
        let items = items.map_err(|error| PlanError::Items { step: group.id.clone(), error });
        let laid_out = items.and_then(|items| {
            let (batches, items) = (batches_of(each, items.len(), scope), spread(each, items));
            let broken = |error| PlanError::Batches { step: group.id.clone(), error };
            Ok((items.map_err(broken)?, batches.map_err(broken)?.unwrap_or_default()))
        });
        match laid_out {
            Ok(laid_out) => Ok(Some(laid_out)),
            // It may not run at all: then its list does not matter.
            Err(_) if *runs != Decided::Yes => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn bound_targets(&self) -> Result<(), PlanError> {
        match self.playbook.max_targets {
            Some(most) if self.targets.len() > most as usize => {
                Err(PlanError::TooManyTargets { found: self.targets.clone(), allowed: most })
            }
            _ => Ok(()),
        }
    }

    /// The locks of the playbook and of those that are nested in it, for each item where they are.
    pub(super) fn name_locks(&self) -> Result<Vec<Resource>, PlanError> {
        let mut locks = Vec::new();
        let top = Place { group: None, frame: None, item: None };
        self.render_locks(&self.playbook.locks, top, &mut locks)?;
        for group in &self.playbook.groups {
            let Some(nested) = group.nested() else { continue };
            let place = |item| Place { group: Some(&group.id), frame: Some(group.id.as_str()), item };
            let each = self.playbook.each_around(group.parent.as_ref());
            let planned = each.and_then(|each| self.groups.iter().find(|planned| planned.id == each.id));
            match planned.and_then(|planned| planned.items.as_ref()) {
                Some(items) => {
                    for item in items {
                        self.render_locks(&nested.locks, place(Some(&item.id)), &mut locks)?;
                    }
                }
                None => self.render_locks(&nested.locks, place(None), &mut locks)?,
            }
        }
        // One order of locking for everybody: two runs never wait for each other.
        locks.sort();
        locks.dedup();
        Ok(locks)
    }

    fn render_locks(&self, given: &[Template], place: Place<'_>, locks: &mut Vec<Resource>) -> Result<(), PlanError> {
        if given.is_empty() {
            return Ok(());
        }
        let scope = self.scope(place, "", &self.known).map_err(PlanError::Lock)?;
        for template in given {
            let evaluate = |error| PlanError::Evaluate { step: "locks".to_owned(), error };
            let value = render(template, &scope).map_err(evaluate)?;
            if let Some(why) = why_unknown(&value) {
                let message =
                    format!("`{}` rests on {why}, and locks are taken before the first step", template.source);
                return Err(PlanError::Lock(message));
            }
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            locks.push(text.parse::<Resource>().map_err(|error| PlanError::Lock(error.to_string()))?);
        }
        Ok(())
    }
}
