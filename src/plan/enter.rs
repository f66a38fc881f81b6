//! The groups of a plan that is being made: whether they will run, over which items, what that locks, and how much it may
//! touch.

use super::hosts::Asking;
use super::planner::{PlanError, Planner, Todo, both, broken};
use super::{
    Batches, Decided, HostsAsked, Item, Narrowed, NoList, Place, PlannedGroup, items_of, items_of_hosts, silent_of,
};
use crate::ids::{ItemId, Resource, StepId};
use crate::playbook::{Each, Group, GroupKind, Scope, Step, Template, pattern_of, render, resolve_arguments};
use crate::value::{Value, contains_unknown, why_unknown};

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
                    let (runs, waits) = self.plan_group(&group, item)?;
                    if waits {
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

    /// Whether a group will run, and over which items; whether its steps were laid out for them, or the inventory is to be
    /// asked first.
    fn plan_group(&mut self, group: &Group, item: Option<ItemId>) -> Result<(Decided, bool), PlanError> {
        let place = Place::of_group(group, item.as_ref());
        let scope = self.scope(place, &group.said(), &self.steady).map_err(broken(&group.id))?;
        let runs = match &group.kind {
            GroupKind::Forward { of } => Decided::Undecided { why: format!("only if {of} fails") },
            _ => self.will_run(&group.id, &group.needs, group.condition.as_ref(), item.as_ref(), &scope)?,
        };
        let each = group.each().filter(|_| !matches!(runs, Decided::No { .. }));
        if let Some(each) = each
            && let Some(asked) = self.hosts_to_ask(group, item.as_ref(), each, &scope)?
        {
            self.asking = Some(Asking { group: group.id.clone(), item, asked });
            return Ok((runs, true));
        }
        let found = match each {
            Some(each) => self.items(group, item.as_ref(), each, &scope, &runs)?,
            None => None,
        };
        let laid_out = found.is_some();
        let (found, batches) = found.unwrap_or_default();
        let Narrowed { items, whole, excluded, .. } = found;
        let items = laid_out.then_some(items);
        if let Some(items) = &items {
            let places: Vec<usize> = group.range().collect();
            self.todo.retain(|todo| !places.contains(&todo.place));
            for item in items.iter().rev() {
                for place in places.iter().rev() {
                    self.todo.push_front(Todo { place: *place, item: Some(item.id.clone()) });
                }
            }
        }
        let Batches { sizes: batches, max_failures, min_healthy } = batches.unwrap_or_default();
        let (id, own) = (group.id.clone(), runs.clone());
        self.groups.push(PlannedGroup {
            id,
            item,
            runs: own,
            items,
            whole,
            excluded,
            batches,
            max_failures,
            min_healthy,
        });
        Ok((runs, laid_out))
    }

    /// The items of a `for_each` and the batches that they are taken in, where its list is known by now.
    fn items(
        &self,
        group: &Group,
        item: Option<&ItemId>,
        each: &Each,
        scope: &Scope,
        runs: &Decided,
    ) -> Result<Option<(Narrowed, Option<Batches>)>, PlanError> {
        let list = match each.list.is_of_hosts() {
            true => Value::Null,
            false => self.list(group, each, scope)?,
        };
        let hosts = self.hosts.get(&(group.id.clone(), item.cloned())).and_then(|answer| answer.hosts.as_deref());
        if contains_unknown(&list) || each.list.is_of_hosts() && hosts.is_none() {
            return Ok(None);
        }
        let hosts = hosts.unwrap_or_default();
        let laid_out = || -> Result<(Narrowed, Option<Batches>), NoList> {
            let items = if each.list.is_of_hosts() { items_of_hosts(hosts)? } else { items_of(&list, None)? };
            let is_host = |name: &str| self.inventory.contains(name);
            let mut narrowed = self.narrowing.narrow(&group.id, items, &is_host)?;
            if let Some(unreachable) = &each.unreachable {
                narrowed.hold_reach(unreachable, &silent_of(hosts), scope)?;
            }
            let batches = narrowed.in_batches(each, self.playbook.max_targets, scope)?;
            Ok((narrowed, batches))
        };
        match laid_out() {
            Ok(laid_out) => Ok(Some(laid_out)),
            // It may not run at all: then its list does not matter.
            Err(_) if *runs != Decided::Yes => Ok(None),
            Err(NoList::Items(error)) => Err(PlanError::Items { step: group.id.clone(), error }),
            Err(NoList::Batches(error)) => Err(PlanError::Batches { step: group.id.clone(), error }),
        }
    }

    /// What a `for_each` goes over, as far as it is known: a list, or a pattern of hosts.
    fn list(&self, group: &Group, each: &Each, scope: &Scope) -> Result<Value, PlanError> {
        let evaluate = |error| PlanError::Evaluate { step: group.id.to_string(), error };
        let list = [("list".to_owned(), each.list.argument().clone())];
        let resolved = resolve_arguments(&list, scope).map_err(evaluate)?;
        Ok(resolved.get("list").cloned().unwrap_or_default())
    }

    /// What the inventory is to be asked for a group that goes over hosts, if it was not asked for that yet.
    fn hosts_to_ask(
        &self,
        group: &Group,
        item: Option<&ItemId>,
        each: &Each,
        scope: &Scope,
    ) -> Result<Option<HostsAsked>, PlanError> {
        if !each.list.is_of_hosts() {
            return Ok(None);
        }
        let pattern = self.list(group, each, scope)?;
        if contains_unknown(&pattern) {
            return Ok(None);
        }
        let pattern = pattern_of(&pattern).map_err(|why| PlanError::Hosts { step: group.id.clone(), why })?;
        let asked = HostsAsked { pattern, reach: each.unreachable.is_some() };
        let known = self.hosts.get(&(group.id.clone(), item.cloned())).is_some_and(|answer| answer.asked == asked);
        Ok((!known).then_some(asked))
    }

    /// A limit that nothing can be limited by is a slip: whoever gave it believes that less is touched.
    pub(super) fn hold_limit(&self) -> Result<(), PlanError> {
        let Some(limit) = &self.narrowing.limit else { return Ok(()) };
        let over_hosts = |group: &Group| {
            let of_hosts = group.each().is_some_and(|each| each.list.is_of_hosts());
            let planned = || self.groups.iter().filter(|planned| planned.id == group.id);
            let hosts = |items: &[Item]| {
                items.iter().any(|item| item.value.as_str().is_some_and(|name| self.inventory.contains(name)))
            };
            // What it goes over is told by a run alone: then it may be hosts.
            of_hosts || group.each().is_some() && planned().any(|one| one.items.as_deref().is_none_or(hosts))
        };
        if self.playbook.groups.iter().any(over_hosts) {
            return Ok(());
        }
        Err(PlanError::NothingToLimit { pattern: limit.pattern.clone(), playbook: self.playbook.name.clone() })
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
