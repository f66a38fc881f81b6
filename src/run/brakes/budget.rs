//! Budgets: how long it may take from one step to another. One that is exceeded takes the run back before the point of no
//! return, and pages behind it: nobody is helped by a switch that stops half-way.

use super::super::{Event, RunState, Status, Task, TaskState, Time};
use super::{BUDGETS, Broken, BrokenKind};
use crate::playbook::Budget;
use crate::value::format_seconds;

/// A budget whose time is up and that nobody was told of.
pub(in crate::run) fn exceeded(run: &RunState, now: Time) -> Option<Event> {
    if run.rollback.is_some() || run.stopped.is_some() || run.halted.is_some() {
        return None;
    }
    let mut budgets = run.playbook().budgets.iter().enumerate();
    budgets.find_map(|(place, budget)| {
        let taken = now.seconds_since(run.runs_since(budget)?);
        let over = taken > budget.max && !run.brakes.over.contains(&place);
        over.then(|| Event::BudgetExceeded { from: budget.from.clone(), to: budget.to.clone(), max: budget.max, taken })
    })
}

impl RunState {
    /// Since when a budget runs: its first step has begun, and its last is not dealt with.
    pub fn runs_since(&self, budget: &Budget) -> Option<Time> {
        // What was undone to be done anew has not begun yet.
        let begun =
            |state: &&TaskState| state.intent.is_some() && (state.status != Status::Ready || state.may_have_effect());
        let first = self.tasks.get(&Task::of(&budget.from)).filter(begun)?;
        (!self.is_passed(&budget.to)).then_some(first.started)
    }

    /// How many seconds are left of the tightest budget that would take the run back.
    pub fn budget_left(&self, now: Time) -> Option<f64> {
        // Asked before every step: where there is none, nothing is looked for.
        if self.playbook().budgets.is_empty() {
            return None;
        }
        if self.point_of_no_return().is_some() || self.rollback.is_some() || self.brakes.passed.contains(BUDGETS) {
            return None;
        }
        let left = |budget: &Budget| Some(budget.max - now.seconds_since(self.runs_since(budget)?));
        self.playbook().budgets.iter().filter_map(left).min_by(f64::total_cmp)
    }

    /// The run goes forward again: what begins anew has its time anew.
    pub(in crate::run) fn count_anew(&mut self) {
        let runs =
            |place: &usize| self.playbook().budgets.get(*place).is_some_and(|one| self.runs_since(one).is_some());
        let over: Vec<usize> = self.brakes.over.iter().copied().filter(runs).collect();
        self.brakes.over = over.into_iter().collect();
    }

    pub(in crate::run) fn exceed(&mut self, record: &Event) -> Result<(), String> {
        let Event::BudgetExceeded { from, to, max, taken } = record else { return Ok(()) };
        let budgets = self.playbook().budgets.iter();
        let between = |budget: &&Budget| (&budget.from, &budget.to) == (from, to);
        // Two may be between the same steps, one of which is told first.
        let told = |place: &usize| self.brakes.over.contains(place);
        let mut places = budgets.enumerate().filter(|(_, one)| between(one) && one.max == *max).map(|(place, _)| place);
        let place = places.clone().find(|place| !told(place)).or_else(|| places.next());
        let place = place.ok_or_else(|| format!("the playbook has no budget from {from} to {to}"))?;
        self.brakes.over.insert(place);
        let because = format!(
            "from {from} to {to} it may take {}, and took {} so far",
            format_seconds(*max),
            format_seconds(*taken)
        );
        if self.point_of_no_return().is_some() || self.brakes.passed.contains(BUDGETS) {
            self.exceptions.push(because);
        } else {
            let task = Task::of(to);
            self.brakes.broken =
                Some(Broken { task, kind: BrokenKind::Budget, because, after: Vec::new(), checks: Vec::new() });
        }
        Ok(())
    }
}
