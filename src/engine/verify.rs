//! After a step is done: whether its conditions come true in their time, over its outputs and freshly read facts.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::drive::Drive;
use super::mask::Mask;
use super::secrets::{self, At};
use super::{EngineError, prepare};
use crate::actions::ActionError;
use crate::outcome::{Outcome, Report};
use crate::playbook::{Scope, Step, Truth, Verify, decide_condition, explain};
use crate::run::{Condition, Event, Task, TaskState};
use crate::value::{Value, unknown};

/// How soon the facts are read again while a condition does not hold yet.
const AGAIN: Duration = Duration::from_millis(300);

impl Drive<'_> {
    /// Reads facts until all conditions hold or the time of one that does not is up.
    pub(super) async fn verify(&self, task: &Task) -> Result<(), EngineError> {
        let Some(step) = self.state().step_of(task).cloned() else {
            return Err(EngineError::State(format!("the playbook has no step {}", task.step)));
        };
        let outputs = self.state().doing(task).map_or(Value::Null, TaskState::outputs);
        let conditions = self.until_they_hold(task, &step, &outputs).await;
        let passed = conditions.iter().all(|condition| condition.held);
        self.append(vec![Event::Verified { task: task.clone(), passed, conditions }])
    }

    /// A part of an undo is done when its conditions hold too: they are looked at before its outcome is written.
    pub(super) async fn hold_undo(&self, task: &Task, mut report: Report) -> Report {
        let step = self.state().step_of(task).filter(|step| task.is_undo() && !step.verify.is_empty()).cloned();
        let Some(step) = step.filter(|_| report.outcome == Outcome::Done && !self.state().is_own_undo(task)) else {
            return report;
        };
        let conditions = self.until_they_hold(task, &step, &report.outputs.clone()).await;
        if let Some(broken) = conditions.iter().find(|condition| !condition.held) {
            report.outcome = Outcome::Failed;
            report.message = format!("it is done, but `{}` does not hold ({})", broken.source, broken.detail);
        }
        report
    }

    /// The conditions once they all hold, or once the time of one that does not is up.
    async fn until_they_hold(&self, task: &Task, step: &Step, outputs: &Value) -> Vec<Condition> {
        let begun = Instant::now();
        loop {
            let facts = self.facts(task, step).await;
            let alerts = self.alerts(step);
            let scope = self.state().scope(task).map(|scope| Scope {
                run: with_alerts(scope.run, alerts),
                outputs: outputs.clone(),
                // What could not be read is not known: `!has(facts.x)` must not hold because nobody answered.
                facts: facts.clone().unwrap_or_else(unknown),
                ..scope
            });
            let waited = begun.elapsed().as_secs_f64();
            let conditions: Vec<Condition> =
                step.verify.iter().map(|verify| look(verify, scope.as_ref(), facts.as_ref().err())).collect();
            let passed = conditions.iter().all(|condition| condition.held);
            let over = step.verify.iter().zip(&conditions).any(|(verify, now)| !now.held && waited >= verify.within);
            if passed || over {
                return conditions;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Whether the alerts that began the run are over, where a condition asks for that.
    fn alerts(&self, step: &Step) -> Option<Value> {
        if !step.verify.iter().any(|verify| verify.expression.source.contains("alerts")) {
            return None;
        }
        let run = self.state().run.clone();
        Some(match self.journal.borrow_mut().alerts_of(&run) {
            Ok(None) => Value::from("none"),
            Ok(Some(alerts)) if alerts.resolved.is_some() => Value::from("resolved"),
            Ok(Some(_)) => Value::from("firing"),
            Err(error) => unknown(error.to_string()),
        })
    }

    /// A look at the step's target.
    async fn facts(&self, task: &Task, step: &Step) -> Result<Value, String> {
        let Some(action) = self.tools.actions.get(&step.action).cloned() else {
            return Err("this binary does not have the action".to_owned());
        };
        let (plan, intended) = {
            let state = self.state();
            let intent = state.tasks.get(task).and_then(|state| state.intent.as_ref());
            (Arc::clone(&state.plan), intent.map(|intent| intent.arguments.clone()))
        };
        // What was done by hand has no intent: it is looked at where the step would have acted.
        let arguments = match intended {
            Some(arguments) => arguments,
            None => self.would_be(task, step)?,
        };
        let context = self.context(task);
        let secrets = &context.inventory.secrets;
        let whys = self.recall(task, step, &arguments).await.map_err(|error| error.to_string())?;
        let at = At { book: &plan.playbook, of: &task.step, item: task.item.as_ref(), part: step };
        let arguments = secrets::reveal(action.as_ref(), at, &arguments, secrets, &self.memory)
            .await
            .map_err(|why| whys.into_iter().chain([why]).collect::<Vec<_>>().join("; "))?;
        let looking = action.plan(&context, &arguments);
        let answer = tokio::time::timeout(Duration::from_secs(15), looking).await;
        match answer.map(|answer| Mask::of(secrets).look(answer)) {
            Ok(Ok(prediction)) => Ok(prediction.facts),
            Ok(Err(ActionError::Unreachable(why) | ActionError::Invalid(why))) => Err(why),
            Err(_) => Err("the target did not answer within 15 s".to_owned()),
        }
    }
}

impl Drive<'_> {
    /// The arguments with which a step would begin now.
    fn would_be(&self, task: &Task, step: &Step) -> Result<Value, String> {
        let action = self.tools.actions.get(&step.action).ok_or("this binary does not have the action")?;
        prepare::arguments(step, action.spec(), &self.state().scope(task)?)
    }
}

/// What is known of the run, with its alerts.
fn with_alerts(mut run: Value, alerts: Option<Value>) -> Value {
    if let (Value::Object(run), Some(alerts)) = (&mut run, alerts) {
        run.insert("alerts".to_owned(), alerts);
    }
    run
}

fn look(verify: &Verify, scope: Result<&Scope, &String>, unread: Option<&String>) -> Condition {
    let source = verify.expression.source.clone();
    let scope = match scope {
        Ok(scope) => scope,
        Err(why) => return Condition { source, held: false, detail: why.clone() },
    };
    let (held, detail) = match decide_condition(&verify.expression, scope) {
        Ok(Truth::True) => (true, String::new()),
        Ok(Truth::False) => (false, explain(&verify.expression, scope)),
        Ok(Truth::Undecided(why)) => (false, why),
        Err(error) => (false, unread.cloned().unwrap_or(error.message)),
    };
    Condition { source, held, detail }
}
