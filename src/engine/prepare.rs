//! Before an attempt: whether it is to run at all, with which arguments, and what is there now. Ends in one record: the
//! intent, or why there is none.

use super::EngineError;
use super::drive::Drive;
use super::mask::Mask;
use super::secrets::{self, At};
use crate::actions::ActionError;
use crate::plan::{check_requirements, subjects};
use crate::playbook::{
    Expression, Rollback, Scope, Step, Truth, complete_arguments, decide_condition, explain, resolve_arguments, said_by,
};
use crate::run::{Event, Phase, RunState, SkipReason, Task, TaskState};
use crate::spec::{ActionSpec, Effect, Prediction};
use crate::value::{Value, contains_unknown};

/// Why an attempt is not made.
pub(super) struct Refusal {
    message: String,
    retryable: bool,
    drift: bool,
}

impl Refusal {
    pub(super) fn no(message: impl Into<String>) -> Self {
        Self { message: message.into(), retryable: false, drift: false }
    }

    pub(super) fn not_now(message: impl Into<String>) -> Self {
        Self { message: message.into(), retryable: true, drift: false }
    }

    pub(super) fn drift(message: impl Into<String>) -> Self {
        Self { message: message.into(), retryable: false, drift: true }
    }
}

impl Drive<'_> {
    /// Writes the record with which an attempt begins, or does not.
    pub(super) async fn prepare(&self, task: &Task) -> Result<(), EngineError> {
        let attempt = self.next_attempt(task);
        let mut events = match task.phase {
            Phase::Undo(_) => self.prepare_undo(task, attempt),
            Phase::Do => match self.prepare_step(task, attempt).await {
                Ok(events) => events,
                Err(refusal) => vec![refused(task, attempt, refusal)],
            },
        };
        // Nothing is written where another question is open: this one is asked once that is dealt with.
        match (events.pop(), events.is_empty()) {
            (None, _) => Ok(()),
            (Some(intent @ Event::Intent { .. }), true) => self.bring(intent).await,
            (last, _) => {
                events.extend(last);
                self.append(events)
            }
        }
    }

    pub(super) fn next_attempt(&self, task: &Task) -> u32 {
        self.state().tasks.get(task).map_or(1, |state| state.attempt + 1)
    }

    async fn prepare_step(&self, task: &Task, attempt: u32) -> Result<Vec<Event>, Refusal> {
        let (step, scope) = {
            let state = self.state();
            let Some(step) = state.playbook().step(&task.step).cloned() else {
                return Err(Refusal::no(format!("the playbook has no step {}", task.step)));
            };
            (step, state.scope(task).map_err(Refusal::no)?)
        };
        if let Some(condition) = &step.condition
            && !holds(condition, &scope)?
        {
            let source = condition.source.clone();
            return Ok(vec![Event::StepSkipped { task: task.clone(), reason: SkipReason::Condition { source } }]);
        }
        let (arguments, before) = self.begin(task, &step, scope.clone()).await?;
        let targets = self.subjects(&step, &arguments);
        if let Some(wanted) = self.wanted(task, step.approval.as_ref(), &scope, &arguments, &targets)? {
            return Ok(wanted);
        }
        Ok(vec![self.intent(task.clone(), attempt, &step, arguments, before)])
    }

    /// The arguments and the facts of an attempt that may begin.
    async fn begin(&self, task: &Task, step: &Step, scope: Scope) -> Result<(Value, Value), Refusal> {
        let Some(action) = self.tools.actions.get(&step.action).cloned() else {
            return Err(Refusal::no(format!("this binary does not have the action {}", step.action)));
        };
        let arguments = arguments(step, action.spec(), &scope).map_err(Refusal::no)?;
        self.hold_to_plan(task, &arguments)?;
        self.hold_count(action.spec(), &arguments)?;
        if !step.effect.changes() {
            return Ok((arguments, Value::Null));
        }
        let context = self.context(task);
        let limit = std::time::Duration::from_secs_f64(step.timeout.clamp(1.0, 60.0));
        let whys = self.recall(task, step, &arguments).await.map_err(|error| Refusal::no(error.to_string()))?;
        let plan = std::sync::Arc::clone(&self.state().plan);
        let at = At { book: &plan.playbook, of: &task.step, item: task.item.as_ref(), part: step };
        let secrets = &context.inventory.secrets;
        let revealed = secrets::reveal(action.as_ref(), at, &arguments, secrets, &self.memory)
            .await
            .map_err(|why| Refusal::no(whys.into_iter().chain([why]).collect::<Vec<_>>().join("; ")))?;
        let mask = Mask::of(secrets);
        let looking = tokio::time::timeout(limit, action.plan(&context, &revealed));
        let prediction = match looking.await.map(|answer| mask.look(answer)) {
            Ok(Ok(prediction)) => prediction,
            Ok(Err(ActionError::Unreachable(why))) => return Err(Refusal::not_now(why)),
            Ok(Err(ActionError::Invalid(why))) => return Err(Refusal::no(why)),
            Err(_) => {
                let why = format!("the target did not answer within {} s", limit.as_secs());
                return Err(Refusal::not_now(why));
            }
        };
        self.hold_identity(task, action.spec(), &prediction.facts)?;
        require(step, &prediction, scope)?;
        Ok((arguments, prediction.facts))
    }

    /// What a step is about, by name; what the whole run is about where it names nothing.
    fn subjects(&self, step: &Step, arguments: &Value) -> Vec<String> {
        let spec = self.tools.actions.get(&step.action).map(|action| action.spec());
        let own = spec.map(|spec| subjects(spec, arguments)).unwrap_or_default();
        if own.is_empty() { self.state().plan.targets.clone() } else { own }
    }

    /// A known planned value is the same when the step begins, or the run stops.
    fn hold_to_plan(&self, task: &Task, arguments: &Value) -> Result<(), Refusal> {
        let state = self.state();
        let Some((step, planned)) = state.planned(task) else { return Ok(()) };
        let by_hand = |name: &str| {
            let given = step.arguments.iter().find(|(argument, _)| argument == name);
            given.is_some_and(|one| state.rests_on_a_hand(&said_by(std::slice::from_ref(one)), step.id.frame()))
        };
        let (Some(planned), Some(now)) = (planned.arguments.as_object(), arguments.as_object()) else { return Ok(()) };
        for (name, was) in planned {
            let is = now.get(name).unwrap_or(&Value::Null);
            if !contains_unknown(was) && was != is && !by_hand(name) {
                return Err(Refusal::drift(format!(
                    "the world drifted from the plan: `{name}` of {task} was to be {was} and is now {is}"
                )));
            }
        }
        Ok(())
    }

    /// An undo has no refusal: what cannot be prepared is a failed attempt, as a person must hear of it.
    fn prepare_undo(&self, task: &Task, attempt: u32) -> Vec<Event> {
        let (step, doing, undo, scope) = {
            let state = self.state();
            let Some(step) = state.playbook().step(&task.step).cloned() else { return Vec::new() };
            (step, state.doing(task).cloned(), state.step_of(task).cloned(), state.scope(task))
        };
        let before = doing.as_ref().map_or(Value::Null, |state| state.before.clone());
        if step.rollback == Rollback::Action {
            let done_with = doing.and_then(|state| state.intent).map_or(Value::Null, |intent| intent.arguments);
            return vec![self.intent(task.clone(), attempt, &step, done_with, before)];
        }
        let Some(undo) = undo else { return Vec::new() };
        let outputs = doing.as_ref().map_or(Value::Null, TaskState::outputs);
        let prepared =
            scope.and_then(|scope| self.prepare_part(&undo, &Scope { outputs, facts: before.clone(), ..scope }));
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

    /// The arguments of a part of an undo; nothing where its condition does not hold.
    fn prepare_part(&self, undo: &Step, scope: &Scope) -> Result<Option<Value>, String> {
        let wanted = undo.condition.as_ref().map_or(Ok(Truth::True), |condition| decide_condition(condition, scope));
        match (wanted, self.tools.actions.get(&undo.action)) {
            (Err(error), _) => Err(format!("`if` cannot be evaluated: {error}")),
            (Ok(Truth::True), Some(action)) => arguments(undo, action.spec(), scope).map(Some),
            (Ok(Truth::True), None) => Err(format!("this binary does not have the action {}", undo.action)),
            (Ok(Truth::False), _) => Ok(None),
            (Ok(Truth::Undecided(why)), _) => Err(format!("its `if` cannot be decided: {why}")),
        }
    }

    fn intent(&self, task: Task, attempt: u32, step: &Step, arguments: Value, before: Value) -> Event {
        let state = self.state();
        let effect = if state.is_own_undo(&task) { Effect::Idempotent } else { step.effect };
        let name = task.file_name();
        let key = match (&step.key, effect) {
            (Some(template), Effect::Keyed) => state
                .scope(&task)
                .ok()
                .and_then(|scope| crate::playbook::render(template, &scope).ok())
                .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
            _ => None,
        };
        // A look that waits is given no more time than the tightest budget leaves: then the run goes back, and not later.
        let left = state.budget_left(self.tools.clock.now()).filter(|_| effect == Effect::Read && !task.is_undo());
        let timeout = left.map_or(step.timeout, |left| step.timeout.min(left.max(0.05)));
        let round = state.tasks.get(&task).map_or(0, |state| state.round);
        let key = key.unwrap_or_else(|| match effect {
            Effect::Keyed => format!("{}-{name}", state.run),
            _ => format!("{}-{name}-{attempt}", state.run),
        });
        // What was undone is done anew: under its old key the target would take it for a double and do nothing.
        let key = if round > 0 && effect == Effect::Keyed { format!("{key}-again-{round}") } else { key };
        let reverts_after = self.tools.actions.get(&step.action).and_then(|action| action.reverts_after(&arguments));
        Event::Intent { task, attempt, arguments, before, key, effect, timeout, reverts_after }
    }
}

/// What must hold before a changing step acts.
fn require(step: &Step, prediction: &Prediction, scope: Scope) -> Result<(), Refusal> {
    let scope = Scope { facts: prediction.facts.clone(), ..scope };
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

/// Whether a condition holds.
pub(super) fn holds(condition: &Expression, scope: &Scope) -> Result<bool, Refusal> {
    match decide_condition(condition, scope) {
        Ok(Truth::True) => Ok(true),
        Ok(Truth::False) => Ok(false),
        Ok(Truth::Undecided(why)) => Err(Refusal::no(format!("`{}` cannot be decided: {why}", condition.source))),
        Err(error) => Err(Refusal::no(format!("`if` cannot be evaluated: {error}"))),
    }
}

/// The arguments of a step, complete and of the declared types.
pub(super) fn arguments(step: &Step, spec: &ActionSpec, scope: &Scope) -> Result<Value, String> {
    let given = resolve_arguments(&step.arguments, scope).map_err(|error| error.to_string())?;
    complete_arguments(spec, given).map_err(|error| error.to_string())
}

/// What a read step read must fulfil its requirements, or it failed.
pub(super) fn requirements_of_read(step: &Step, task: &Task, outputs: &Value, run: &RunState) -> Result<(), String> {
    if step.require.is_empty() {
        return Ok(());
    }
    let scope = Scope { outputs: outputs.clone(), facts: outputs.clone(), ..run.scope(task)? };
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

pub(super) fn refused(task: &Task, attempt: u32, refusal: Refusal) -> Event {
    let Refusal { message, retryable, drift } = refusal;
    Event::StepRefused { task: task.clone(), attempt, message, retryable, drift }
}
