//! Looks whether identities and invariants hold, read-only, and writes it down. What cannot be read does not hold: a brake
//! that nobody can ask is on.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::drive::Drive;
use super::secrets::{At, Ready};
use super::{EngineError, outputs, prepare};
use crate::actions::{Action, Call};
use crate::ids::ItemId;
use crate::outcome::Outcome;
use crate::playbook::{Check, CheckKind, Scope, Truth, decide_condition, explain};
use crate::run::{Checking, Condition, Event, Moment, Task, TaskState};
use crate::spec::Effect;
use crate::value::Value;

/// How soon a check is made again that may still come true.
const AGAIN: Duration = Duration::from_millis(300);

/// One check to be made, and the place of it among the playbook's.
struct Made {
    place: usize,
    check: Check,
    item: Option<ItemId>,
}

impl Drive<'_> {
    /// Makes all checks that are due, one behind the other, and records what each came to. The first that does not hold ends
    /// it: nothing goes on from there.
    pub(super) async fn check(&self, task: &Task, moment: Moment) -> Result<(), EngineError> {
        let (due, after) = {
            let state = self.state();
            let due = state.checks_due(task, moment).into_iter();
            let due: Vec<Made> =
                due.map(|due| Made { place: due.place, check: due.check.clone(), item: due.item }).collect();
            let after = state.owed(moment).into_iter().map(|task| (state.tasks.get(&task).cloned(), task));
            (due, after.collect::<Vec<_>>())
        };
        let mut found = Vec::new();
        for made in due {
            let condition = self.until_it_holds(&made, task).await?;
            // Behind the point of no return a person is asked, who may go on over all that does not hold: all is looked at.
            let ends = made.check.kind == CheckKind::Identity || self.state().point_of_no_return().is_none();
            let ends = ends && !condition.held;
            found.push(Checking { place: made.place, item: made.item, name: made.check.name, condition });
            if ends {
                break;
            }
        }
        // What has changed since is still to be looked at.
        let same = |before: Option<&TaskState>, task: &Task| self.state().tasks.get(task) == before;
        let after = after.into_iter().filter(|(before, task)| same(before.as_ref(), task)).map(|(_, task)| task);
        let after = after.collect();
        self.append(vec![Event::Checked { task: task.clone(), moment, after, found }])
    }

    async fn until_it_holds(&self, made: &Made, task: &Task) -> Result<Condition, EngineError> {
        let begun = Instant::now();
        loop {
            let condition = self.look_once(made, task).await?;
            if condition.held || begun.elapsed().as_secs_f64() >= made.check.within {
                return Ok(condition);
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn look_once(&self, made: &Made, task: &Task) -> Result<Condition, EngineError> {
        let Check { expression, step, .. } = &made.check;
        // A nested playbook may be given what an earlier step has read and nobody has in memory any more.
        if let Ok(arguments) = self.arguments_of(made) {
            self.recall(&Task::at(&step.id, made.item.as_ref()), step, &arguments).await?;
        }
        let (held, detail) = match self.reads(made, task).await {
            Err(why) => (false, format!("it cannot be told: {why}")),
            Ok(scope) => match decide_condition(expression, &scope) {
                Ok(Truth::True) => (true, String::new()),
                Ok(Truth::False) => (false, explain(expression, &scope)),
                Ok(Truth::Undecided(why)) => (false, format!("it cannot be told: {why}")),
                Err(error) => (false, format!("it cannot be told: {}", error.message)),
            },
        };
        Ok(Condition { source: expression.source.clone(), held, detail })
    }

    fn action_of(&self, made: &Made) -> Result<&Arc<dyn Action>, String> {
        let name = &made.check.step.action;
        self.tools.actions.get(name).ok_or_else(|| format!("this binary does not have the action {name}"))
    }

    fn arguments_of(&self, made: &Made) -> Result<Value, String> {
        let scope = self.state().scope_of_check(&made.check, made.item.as_ref())?;
        prepare::arguments(&made.check.step, self.action_of(made)?.spec(), &scope)
    }

    /// What a check's look reads.
    async fn reads(&self, made: &Made, task: &Task) -> Result<Scope, String> {
        let step = &made.check.step;
        let action = Arc::clone(self.action_of(made)?);
        let (scope, plan, call) = {
            let state = self.state();
            let scope = state.scope_of_check(&made.check, made.item.as_ref())?;
            let arguments = self.arguments_of(made)?;
            // Named by the look and by what it is made at: `invariant_1/at/promote`.
            let look = Task::at(&step.id, made.item.as_ref()).file_name();
            let attempt = format!("{}-{look}.-at.-{}-{}", self.lease.run, task.file_name(), state.seq);
            let call = Call {
                key: attempt.clone(),
                attempt,
                arguments,
                before: Value::Null,
                outputs: Value::Null,
                timeout: Duration::from_secs_f64(step.timeout.clamp(0.001, 1e7)),
                kill_on_timeout: true,
                effect: Effect::Read,
                age: None,
            };
            (scope, Arc::clone(&state.plan), call)
        };
        let at = At { book: &plan.playbook, of: &step.id, item: made.item.as_ref(), part: step };
        let ready = Ready::of(action.as_ref(), at, call, self.context(task), &self.memory).await?;
        let Ready { context, call, mask } = ready;
        // An action keeps its own timeout; one that does not must not hold the run.
        let limit = call.timeout + Duration::from_secs(5);
        let report = tokio::time::timeout(limit, action.run(&context, &call)).await;
        let report = report.map_err(|_| format!("no answer within {:.0} s", limit.as_secs_f64()))?;
        // What an output is read from may hold a secret in a form that only reading it undoes.
        let report = mask.report(outputs::finish(step, mask.report(report)));
        match report.outcome {
            Outcome::Done => Ok(Scope { outputs: report.outputs, ..scope }),
            // A command that ends with another code than 0 has said something too: the expression is over its outputs.
            Outcome::Failed if report.outputs.get("exit_code").is_some_and(|code| !code.is_null()) => {
                Ok(Scope { outputs: report.outputs, ..scope })
            }
            _ => Err(report.message),
        }
    }
}
