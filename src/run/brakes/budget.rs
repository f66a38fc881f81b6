//! Budgets: how long it may take from one step to another. One that is exceeded takes the run back before the point of no
//! return, and pages behind it: nobody is helped by a switch that stops half-way.

use super::super::{Event, RunState, Task, Time};
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
        let first = self.tasks.get(&Task::of(&budget.from)).filter(|state| state.intent.is_some())?;
        (!self.is_passed(&budget.to)).then_some(first.started)
    }

    /// How many seconds are left of the tightest budget that would take the run back.
    pub fn budget_left(&self, now: Time) -> Option<f64> {
        if self.point_of_no_return().is_some() || self.rollback.is_some() || self.brakes.passed.contains(BUDGETS) {
            return None;
        }
        let left = |budget: &Budget| Some(budget.max - now.seconds_since(self.runs_since(budget)?));
        self.playbook().budgets.iter().filter_map(left).min_by(f64::total_cmp)
    }

    pub(in crate::run) fn exceed(&mut self, record: &Event) -> Result<(), String> {
        let Event::BudgetExceeded { from, to, max, taken } = record else { return Ok(()) };
        let place = self.playbook().budgets.iter().position(|budget| (&budget.from, &budget.to) == (from, to));
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
                Some(Broken { task, kind: BrokenKind::Budget, because, after: Vec::new(), at_checkpoint: None });
        }
        Ok(())
    }
}
