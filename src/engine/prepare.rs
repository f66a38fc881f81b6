//! Before an attempt: whether it is to run at all, with which arguments, and what is there now. Ends in one record: the
//! intent, or why there is none.

use super::drive::Drive;
use super::{EndingKind, EngineError, secrets};
use crate::actions::ActionError;
use crate::ids::StepId;
use crate::plan::check_requirements;
use crate::playbook::{Rollback, Scope, Step, Truth, complete_arguments, decide_condition, explain, resolve_arguments};
use crate::run::{Event, Phase, RunState, SkipReason, Task, TaskState};
use crate::spec::{ActionSpec, Effect, Prediction};
use crate::value::{Value, contains_unknown};

/// Why an attempt is not made.
struct Refusal {
    message: String,
    retryable: bool,
    drift: bool,
}

/// Why nothing is begun.
enum Not {
    /// It is refused.
    Refused(Refusal),
    /// A second interrupt came.
    Left,
    /// The journal failed, or the lease is lost.
    Failed(EngineError),
}

impl From<Refusal> for Not {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Refusal {
    fn no(message: impl Into<String>) -> Self {
        Self { message: message.into(), retryable: false, drift: false }
    }

    fn not_now(message: impl Into<String>) -> Self {
        Self { message: message.into(), retryable: true, drift: false }
    }

    fn drift(message: impl Into<String>) -> Self {
        Self { message: message.into(), retryable: false, drift: true }
    }
}

impl Drive<'_> {
    /// Writes the record with which an attempt begins, or does not.
    pub(super) async fn prepare(&mut self, task: &Task) -> Result<Option<EndingKind>, EngineError> {
        let attempt = self.state.tasks.get(task).map_or(1, |state| state.attempt + 1);
        let events = match task.phase {
            Phase::Undo(_) => self.prepare_undo(task, attempt),
            Phase::Do => match self.prepare_step(&task.step, attempt).await {
                Ok(event) => vec![event],
                Err(Not::Refused(refusal)) => vec![refused(&task.step, attempt, refusal)],
                Err(Not::Left) => return Ok(Some(EndingKind::Left)),
                Err(Not::Failed(error)) => return Err(error),
            },
        };
        // What somebody asked for during the look comes first: nothing has begun.
        let begins = self.state.asked.is_none() || task.is_undo();
        if begins {
            self.append(events)?;
        }
        Ok(None)
    }

    async fn prepare_step(&mut self, id: &StepId, attempt: u32) -> Result<Event, Not> {
        let Some(step) = self.state.playbook().step(id).cloned() else {
            return Err(Not::Failed(EngineError::State(format!("the playbook has no step {id}"))));
        };
        if !self.condition(&step)? {
            let source = step.condition.map(|condition| condition.source).unwrap_or_default();
            return Ok(Event::StepSkipped { step: step.id, reason: SkipReason::Condition { source } });
        }
        let (arguments, before) = self.begin(&step).await?;
        Ok(self.intent(Task::of(id), attempt, &step, arguments, before))
    }

    fn condition(&self, step: &Step) -> Result<bool, Refusal> {
        let Some(condition) = &step.condition else { return Ok(true) };
        match decide_condition(condition, &self.state.scope(step)) {
            Ok(Truth::True) => Ok(true),
            Ok(Truth::False) => Ok(false),
            Ok(Truth::Undecided(why)) => Err(Refusal::no(format!("`{}` cannot be decided: {why}", condition.source))),
            Err(error) => Err(Refusal::no(format!("`if` cannot be evaluated: {error}"))),
        }
    }

    /// The arguments and the facts of an attempt that may begin.
    async fn begin(&mut self, step: &Step) -> Result<(Value, Value), Not> {
        let Some(action) = self.parts.actions.get(&step.action).cloned() else {
            return Err(Refusal::no(format!("this binary does not have the action {}", step.action)).into());
        };
        let arguments = arguments(step, action.spec(), &self.state.scope(step)).map_err(Refusal::no)?;
        self.hold_to_plan(step, &arguments)?;
        if !step.effect.changes() {
            return Ok((arguments, Value::Null));
        }
        let context = self.context(&Task::of(&step.id));
        let limit = std::time::Duration::from_secs_f64(step.timeout.clamp(1.0, 60.0));
        let inputs = &self.state.playbook().inputs;
        let revealed = secrets::reveal(action.as_ref(), step, inputs, &arguments).map_err(Refusal::no)?;
        let looking = async { tokio::time::timeout(limit, action.plan(&context, &revealed.arguments)).await };
        let answer = self.attend(looking).await.map_err(Not::Failed)?.ok_or(Not::Left)?;
        let prediction = match answer.map(|answer| revealed.mask.look(answer)) {
            Ok(Ok(prediction)) => prediction,
            Ok(Err(ActionError::Unreachable(why))) => return Err(Refusal::not_now(why).into()),
            Ok(Err(ActionError::Invalid(why))) => return Err(Refusal::no(why).into()),
            Err(_) => {
                let why = format!("the target did not answer within {} s", limit.as_secs());
                return Err(Refusal::not_now(why).into());
            }
        };
        self.require(step, &prediction)?;
        Ok((arguments, prediction.facts))
    }

    /// What must hold before a changing step acts.
    fn require(&self, step: &Step, prediction: &Prediction) -> Result<(), Refusal> {
        let scope = Scope { facts: prediction.facts.clone(), ..self.state.scope(step) };
        for requirement in check_requirements(step, prediction, &scope, None) {
            use crate::plan::Decided;
            match requirement.decided {
                Decided::Yes => {}
                Decided::No { .. } if prediction.refusals.contains(&requirement.source) => {
                    return Err(Refusal::not_now(requirement.source));
                }
                Decided::No { why } => {
                    return Err(Refusal::not_now(format!("`{}` does not hold ({why})", requirement.source)));
                }
                Decided::Undecided { why } => {
                    return Err(Refusal::not_now(format!("`{}` cannot be decided: {why}", requirement.source)));
                }
            }
        }
        Ok(())
    }

    /// A known planned value is the same when the step begins, or the run stops.
    fn hold_to_plan(&self, step: &Step, arguments: &Value) -> Result<(), Refusal> {
        let Some((_, planned)) = self.state.planned(&step.id) else { return Ok(()) };
        let (Some(planned), Some(now)) = (planned.arguments.as_object(), arguments.as_object()) else { return Ok(()) };
        for (name, was) in planned {
            let is = now.get(name).unwrap_or(&Value::Null);
            if !contains_unknown(was) && was != is {
                return Err(Refusal::drift(format!(
                    "the world drifted from the plan: `{name}` of {} was to be {was} and is now {is}",
                    step.id
                )));
            }
        }
        Ok(())
    }

    /// An undo has no refusal: what cannot be prepared is a failed attempt, as a person must hear of it.
    fn prepare_undo(&mut self, task: &Task, attempt: u32) -> Vec<Event> {
        let Some(step) = self.state.playbook().step(&task.step).cloned() else { return Vec::new() };
        let doing = self.state.doing(&task.step).cloned();
        let before = doing.as_ref().map_or(Value::Null, |state| state.before.clone());
        if step.rollback == Rollback::Action {
            let done_with = doing.and_then(|state| state.intent).map_or(Value::Null, |intent| intent.arguments);
            return vec![self.intent(task.clone(), attempt, &step, done_with, before)];
        }
        let Some(undo) = self.state.step_of(task).cloned() else { return Vec::new() };
        let outputs = doing.as_ref().map_or(Value::Null, TaskState::outputs);
        let scope = Scope { outputs, facts: before.clone(), ..self.state.scope(&step) };
        let wanted = undo.condition.as_ref().map_or(Ok(Truth::True), |condition| decide_condition(condition, &scope));
        let prepared = match (wanted, self.parts.actions.get(&undo.action)) {
            (Err(error), _) => Err(format!("`if` cannot be evaluated: {error}")),
            (Ok(Truth::True), Some(action)) => arguments(&undo, action.spec(), &scope).map(Some),
            (Ok(Truth::True), None) => Err(format!("this binary does not have the action {}", undo.action)),
            (Ok(Truth::False), _) => Ok(None),
            (Ok(Truth::Undecided(why)), _) => Err(format!("its `if` cannot be decided: {why}")),
        };
        use crate::outcome::Report;
        let report = match prepared {
            Ok(Some(arguments)) => return vec![self.intent(task.clone(), attempt, &undo, arguments, before)],
            Ok(None) => Report::done("it is not needed: its `if` does not hold", Value::Null),
            // Nothing was sent, so there is nothing to look for: a probe without arguments might take it for done.
            Err(why) => Report::no_effect(format!("it cannot be prepared: {why}")),
        };
        let intent = self.intent(task.clone(), attempt, &undo, Value::Null, before);
        vec![intent, Event::Outcome { task: task.clone(), attempt, report }]
    }

    fn intent(&self, task: Task, attempt: u32, step: &Step, arguments: Value, before: Value) -> Event {
        let effect = if self.state.is_own_undo(&task) { Effect::Idempotent } else { step.effect };
        let name = task.to_string().replace('/', "-");
        let key = match (&step.key, effect) {
            (Some(template), Effect::Keyed) => crate::playbook::render(template, &self.state.scope(step))
                .ok()
                .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
            _ => None,
        };
        let round = self.state.tasks.get(&task).map_or(0, |state| state.round);
        let key = key.unwrap_or_else(|| match effect {
            Effect::Keyed => format!("{}-{name}", self.state.run),
            _ => format!("{}-{name}-{attempt}", self.state.run),
        });
        // What was undone is done anew: under its old key the target would take it for a double and do nothing.
        let key = if round > 0 && effect == Effect::Keyed { format!("{key}-again-{round}") } else { key };
        Event::Intent { task, attempt, arguments, before, key, effect, timeout: step.timeout }
    }
}

/// The arguments of a step, complete and of the declared types.
pub(super) fn arguments(step: &Step, spec: &ActionSpec, scope: &Scope) -> Result<Value, String> {
    let given = resolve_arguments(&step.arguments, scope).map_err(|error| error.to_string())?;
    complete_arguments(spec, given).map_err(|error| error.to_string())
}

/// What a read step read must fulfil its requirements, or it failed.
pub(super) fn requirements_of_read(step: &Step, outputs: &Value, run: &RunState) -> Result<(), String> {
    if step.require.is_empty() {
        return Ok(());
    }
    let scope = Scope { outputs: outputs.clone(), facts: outputs.clone(), ..run.scope(step) };
    for expression in &step.require {
        match decide_condition(expression, &scope) {
            Ok(Truth::True) => {}
            Ok(Truth::False) => {
                return Err(format!("`{}` does not hold ({})", expression.source, explain(expression, &scope)));
            }
            Ok(Truth::Undecided(why)) => return Err(format!("`{}` cannot be decided: {why}", expression.source)),
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(())
}

fn refused(step: &StepId, attempt: u32, refusal: Refusal) -> Event {
    let Refusal { message, retryable, drift } = refusal;
    Event::StepRefused { step: step.clone(), attempt, message, retryable, drift }
}
