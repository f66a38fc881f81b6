//! After a step is done: whether its conditions come true in their time, over its outputs and freshly read facts.

use std::time::Duration;

use tokio::time::Instant;

use super::drive::Drive;
use super::{EndingKind, EngineError};
use crate::actions::ActionError;
use crate::playbook::{Scope, Truth, Verify, decide_condition, explain};
use crate::run::{Condition, Event, Task, TaskState};
use crate::value::{Value, unknown};

/// How soon the facts are read again while a condition does not hold yet.
const AGAIN: Duration = Duration::from_millis(300);

impl Drive<'_> {
    /// Reads facts until all conditions hold or the time of one that does not is up.
    pub(super) async fn verify(&mut self, task: &Task) -> Result<Option<EndingKind>, EngineError> {
        let Some(step) = self.state.playbook().step(&task.step).cloned() else {
            return Err(EngineError::State(format!("the playbook has no step {}", task.step)));
        };
        let begun = Instant::now();
        loop {
            let looking = self.facts(task, &step.action);
            let Some(facts) = self.attend(looking).await? else { return Ok(Some(EndingKind::Left)) };
            let doing = self.state.doing(&task.step);
            let scope = Scope {
                outputs: doing.map_or(Value::Null, TaskState::outputs),
                // What could not be read is not known: `!has(facts.x)` must not hold because nobody answered.
                facts: facts.clone().unwrap_or_else(unknown),
                ..self.state.scope()
            };
            let waited = begun.elapsed().as_secs_f64();
            let conditions: Vec<Condition> =
                step.verify.iter().map(|verify| look(verify, &scope, facts.as_ref().err())).collect();
            let passed = conditions.iter().all(|condition| condition.held);
            let over = step.verify.iter().zip(&conditions).any(|(verify, now)| !now.held && waited >= verify.within);
            if passed || over {
                self.append(vec![Event::Verified { step: step.id, passed, conditions }])?;
                return Ok(None);
            }
            let resume = Instant::now() + AGAIN;
            while Instant::now() < resume {
                self.idle(resume.saturating_duration_since(Instant::now())).await;
                self.take_requests()?;
                self.keep_lease()?;
                if self.pressed() >= 2 {
                    return Ok(Some(EndingKind::Left));
                }
            }
        }
    }

    /// A look at the step's target, which holds on to nothing of this drive: requests are taken up while it lasts.
    fn facts(&self, task: &Task, action: &str) -> impl Future<Output = Result<Value, String>> + use<> {
        let action = self.parts.actions.get(action).cloned().ok_or("this binary does not have the action");
        let intent = self.state.doing(&task.step).and_then(|state| state.intent.as_ref());
        let arguments = intent.map_or(Value::Null, |intent| intent.arguments.clone());
        let context = self.context(task);
        async move {
            match tokio::time::timeout(Duration::from_secs(15), action?.plan(&context, &arguments)).await {
                Ok(Ok(prediction)) => Ok(prediction.facts),
                Ok(Err(ActionError::Unreachable(why) | ActionError::Invalid(why))) => Err(why),
                Err(_) => Err("the target did not answer within 15 s".to_owned()),
            }
        }
    }
}

fn look(verify: &Verify, scope: &Scope, unread: Option<&String>) -> Condition {
    let source = verify.expression.source.clone();
    let (held, detail) = match decide_condition(&verify.expression, scope) {
        Ok(Truth::True) => (true, String::new()),
        Ok(Truth::False) => (false, explain(&verify.expression, scope)),
        Ok(Truth::Undecided(why)) => (false, why),
        Err(error) => (false, unread.cloned().unwrap_or(error.message)),
    };
    Condition { source, held, detail }
}
