//! One attempt at the target, once its intent is durable; and the look at one whose outcome is missing.

use std::sync::Arc;
use std::time::Duration;

use super::drive::Drive;
use super::mask::Mask;
use super::secrets::{self, At, Ready};
use super::{EngineError, outputs, prepare};
use crate::actions::{Action, Call, Context, recorder};
use crate::outcome::{Finding, Outcome, Report};
use crate::playbook::{Probe, Scope, Step, Truth, decide_condition, explain};
use crate::run::{Event, Settlement, Status, Task, Time};
use crate::spec::Effect;
use crate::value::Value;

/// How much longer than its timeout an action may take before the engine calls its outcome unknown, in seconds. An action
/// keeps its own timeout; this is for one that does not.
const GRACE: f64 = 15.0;

/// How much of a target's time may be left when it is looked at: a margin of a second is reckoned in.
const HALF_A_SECOND: f64 = 0.5;

/// Why a step's own probe is not asked yet.
const ARMED: &str = "its target may still take it back by itself, so it is looked at when that time has passed";

impl Drive<'_> {
    /// Acts, and records what became of it.
    pub(super) async fn dispatch(&self, task: &Task) -> Result<(), EngineError> {
        let Some((action, call, attempt)) = self.call(task) else {
            return Err(EngineError::State(format!("{task} has no intent that could be carried out")));
        };
        let Some(step) = self.state().step_of(task).cloned() else {
            return Err(EngineError::State(format!("there is no step {}", task.step)));
        };
        let whys = self.recall(task, &step, &call.arguments).await?;
        let ready = match self.ready(task, &step, action.as_ref(), call).await {
            Ok(ready) => ready,
            Err(why) => {
                let why = whys.into_iter().chain([why]).collect::<Vec<_>>().join("; ");
                let report = Report::no_effect(format!("nothing was sent: {why}"));
                return self.append(vec![Event::Outcome { task: task.clone(), attempt, report }]);
            }
        };
        // The last look before the first byte leaves. What is left is the time from here to the target.
        self.flush()?;
        self.journal.borrow_mut().check(&self.lease)?;
        let Ready { context, call, mask } = ready;
        let undo = self.state().is_own_undo(task);
        let limit = Duration::from_secs_f64(call.timeout.as_secs_f64() + GRACE);
        tracing::debug!(task = %task, attempt = call.attempt, timeout = ?call.timeout, "acting");
        let act = async { if undo { action.undo(&context, &call).await } else { action.run(&context, &call).await } };
        let report = match tokio::time::timeout(limit, act).await {
            Ok(report) => report,
            Err(_) => overdue(call.effect, limit),
        };
        let report = mask.report(self.remember(task, &step, report, &context));
        // Reading an output of it may undo a form in which no secret was found.
        let report = mask.report(self.judge(task, report));
        let report = self.hold_undo(task, report).await;
        let settled = report.outcome != Outcome::Unknown;
        self.bring(Event::Outcome { task: task.clone(), attempt, report }).await?;
        if settled && mask.knows_secrets() {
            // What it printed is given up only once its outcome is on the disk.
            self.flush()?;
            recorder::forget_output(&context.spool, &call.attempt);
        }
        Ok(())
    }

    /// An attempt with its secrets in it: they are read this late, and never written down. `part` is what is carried out of
    /// the task's step: itself, its probe, a part of its undo.
    pub(super) async fn ready(
        &self,
        task: &Task,
        part: &Step,
        action: &dyn Action,
        call: Call,
    ) -> Result<Ready, String> {
        // The plan stays as it is; the state may move on while a secret is read.
        let plan = Arc::clone(&self.state().plan);
        let at = At { book: &plan.playbook, of: &task.step, item: task.item.as_ref(), part };
        Ready::of(action, at, call, self.context(task), &self.memory).await
    }

    /// The sensitive outputs of a step that only reads stay here; what goes on to be written has none.
    fn remember(&self, task: &Task, step: &Step, report: Report, context: &Context) -> Report {
        if task.is_undo() || !step.keeps_secrets() {
            return report;
        }
        self.memory.take(step, task.item.as_ref(), report, &context.inventory.secrets)
    }

    /// What a recorder knows an attempt by.
    pub(super) fn attempt_name(&self, task: &Task, attempt: u32) -> String {
        format!("{}-{}-{attempt}", self.lease.run, task.file_name())
    }

    /// The action, and what it is called with, for the newest attempt of a task.
    pub(super) fn call(&self, task: &Task) -> Option<(Arc<dyn Action>, Call, u32)> {
        let run = self.state();
        let step = run.step_of(task)?;
        let action = Arc::clone(self.tools.actions.get(&step.action)?);
        let state = run.tasks.get(task)?;
        let intent = state.intent.as_ref()?;
        let doing = run.doing(task);
        let before = if task.is_undo() { doing.map(|doing| doing.before.clone()) } else { Some(state.before.clone()) };
        let call = Call {
            key: self.key_of(task, doing, &intent.key),
            attempt: self.attempt_name(task, state.attempt),
            arguments: intent.arguments.clone(),
            before: before.unwrap_or(Value::Null),
            outputs: if task.is_undo() { doing.map_or(Value::Null, super::TaskState::outputs) } else { Value::Null },
            timeout: Duration::from_secs_f64(intent.timeout.clamp(0.001, 1e7)),
            kill_on_timeout: step.kill_on_timeout,
            effect: intent.effect,
            age: Some(self.age(intent.at)),
        };
        Some((action, call, state.attempt))
    }

    /// How long ago something was recorded. A clock that was set back since says nothing of that: then it was long ago.
    fn age(&self, at: Time) -> Duration {
        let passed = u64::try_from(self.tools.clock.now().0 - at.0);
        passed.map_or(Duration::from_secs(86_400 * 365), Duration::from_millis)
    }

    /// What the target knows an attempt by. An action's own undo gets the key of what it undoes: what was made under it
    /// carries it, and after an unknown end nothing else tells whose it is.
    fn key_of(&self, task: &Task, doing: Option<&super::TaskState>, own: &str) -> String {
        let undone = doing.and_then(|doing| doing.intent.as_ref()).filter(|_| self.state().is_own_undo(task));
        undone.map_or(own, |intent| intent.key.as_str()).to_owned()
    }

    /// What an action's report means for its step.
    fn judge(&self, task: &Task, report: Report) -> Report {
        let state = self.state();
        let Some(step) = state.step_of(task) else { return report };
        if state.is_own_undo(task) {
            return report;
        }
        // Where some outputs are sensitive, all were read before these were taken out.
        let mut report = if step.keeps_secrets() { report } else { outputs::finish(step, report) };
        if report.outcome == Outcome::Done
            && !step.effect.changes()
            && let Err(why) = prepare::requirements_of_read(step, task, &report.outputs, &state)
        {
            report.outcome = Outcome::Failed;
            report.message = why;
        }
        report
    }

    /// Looks, read-only, what became of an attempt whose outcome is missing.
    pub(super) async fn settle(&self, task: &Task) -> Result<(), EngineError> {
        let Some((action, call, attempt)) = self.call(task) else {
            return Err(EngineError::State(format!("{task} has no attempt that could be looked into")));
        };
        let effect = call.effect;
        let ended = self.state().tasks.get(task).is_some_and(|state| matches!(state.status, Status::Failed { .. }));
        let (settlement, evidence) = if effect == Effect::Read {
            (Settlement::RunAgain, "it only reads, so it runs again".to_owned())
        } else if self.state().is_own_undo(task) {
            (Settlement::RunAgain, "an undo works from what it observes, so it runs again".to_owned())
        } else {
            tracing::debug!(task = %task, attempt = call.attempt, "looking what became of it");
            self.recall_for(task, &call.arguments).await?;
            let mut finding = self.look_into(task, action, call).await;
            // That it failed is known; what is asked is whether its effect is there all the same.
            if ended && matches!(finding, Finding::Ended(_)) {
                finding = Finding::CannotTell { evidence: "its own end is known; its effect is not".to_owned() };
            }
            let own = self.state().step_of(task).and_then(|step| step.probe.clone());
            // A probe of the playbook's sees what is there now, and knows nothing of a timer that may still take it back.
            let armed = self.is_armed(task);
            if let Finding::CannotTell { evidence: first } = &finding
                && let Some(probe) = own
            {
                let first = first.clone();
                let looked = if armed {
                    Finding::CannotTell { evidence: ARMED.to_owned() }
                } else {
                    self.run_probe(task, &probe).await?
                };
                finding = match looked {
                    // Who is asked needs both: what the recorder knows, and what the probe saw.
                    Finding::CannotTell { evidence } => {
                        Finding::CannotTell { evidence: format!("{first}; {evidence}") }
                    }
                    told => told,
                };
            }
            let (settlement, evidence) = self.read(task, finding, effect);
            (self.hold_settled(task, settlement, &evidence).await, evidence)
        };
        self.append(vec![Event::Settled { task: task.clone(), attempt, settlement, evidence }])
    }

    /// Whether the target of a task may still take back by itself what it did: certainly not before somebody has looked
    /// when nobody acted any more. The look that was waited for comes at the end of that time, to the very millisecond.
    fn is_armed(&self, task: &Task) -> bool {
        let state = self.state();
        let Some(task) = state.tasks.get(task) else { return false };
        let arms = task.intent.as_ref().is_some_and(|intent| intent.reverts_after.is_some());
        arms && task.armed_for(self.tools.clock.now()).is_none_or(|left| left > HALF_A_SECOND)
    }

    /// The action's own look at an attempt. What became of a command its recorder knows without any secret; another target
    /// cannot be asked without.
    pub(super) async fn look_into(&self, task: &Task, action: Arc<dyn Action>, call: Call) -> Finding {
        let command = matches!(action.spec().name, "shell" | "ssh");
        let Some(step) = self.state().step_of(task).cloned() else {
            return Finding::CannotTell { evidence: format!("there is no step {}", task.step) };
        };
        match self.ready(task, &step, action.as_ref(), call.clone()).await {
            Ok(Ready { context, call, mask }) => mask.finding(action.probe(&context, &call).await),
            Err(why) if command => {
                let context = self.context(task);
                secrets::withhold(action.probe(&context, &call).await, Some(&step), &why)
            }
            Err(why) => Finding::CannotTell { evidence: format!("it could not be looked into: {why}") },
        }
    }

    /// What was found of a part of an undo, held to its conditions.
    async fn hold_settled(&self, task: &Task, found: Settlement, evidence: &str) -> Settlement {
        let report = match &found {
            Settlement::Ended { report } => report.clone(),
            Settlement::TookEffect { outputs } => Report::done(evidence, outputs.clone()),
            _ => return found,
        };
        let held = self.hold_undo(task, report.clone()).await;
        if held == report { found } else { Settlement::Ended { report: held } }
    }

    /// What a finding means for an attempt of this effect.
    fn read(&self, task: &Task, finding: Finding, effect: Effect) -> (Settlement, String) {
        match finding {
            Finding::Ended(report) if report.outcome == Outcome::Unknown => {
                self.read(task, Finding::CannotTell { evidence: report.message }, effect)
            }
            Finding::Ended(report) => {
                let mask = Mask::of(&self.tools.inventory.secrets);
                let report = mask.report(self.judge(task, report));
                let evidence = format!("its own end was found: {}", report.message);
                (Settlement::Ended { report }, evidence)
            }
            Finding::TookEffect { evidence, outputs } => (Settlement::TookEffect { outputs }, evidence),
            Finding::DidNot { evidence } => (Settlement::DidNot, evidence),
            Finding::StillRunning { evidence } => (Settlement::CannotTell, evidence),
            Finding::CannotTell { evidence } if matches!(effect, Effect::Idempotent | Effect::Keyed) => {
                (Settlement::RunAgain, format!("{evidence}; it may safely run again"))
            }
            Finding::CannotTell { evidence } => (Settlement::CannotTell, evidence),
        }
    }

    /// Runs the step's own `probe:` and reads its two conditions.
    async fn run_probe(&self, task: &Task, probe: &Probe) -> Result<Finding, EngineError> {
        let (action, call, scope) = match self.probe_call(task, probe) {
            Ok(ready) => ready,
            Err(why) => return Ok(Finding::CannotTell { evidence: why }),
        };
        self.recall(task, &probe.step, &call.arguments).await?;
        Ok(self.ask_probe(task, probe, action.as_ref(), call, scope).await)
    }

    fn probe_call(&self, task: &Task, probe: &Probe) -> Result<(Arc<dyn Action>, Call, Scope), String> {
        let Some(action) = self.tools.actions.get(&probe.step.action).cloned() else {
            return Err(format!("this binary does not have the action {}", probe.step.action));
        };
        let cannot = |why: String| format!("the probe cannot be prepared: {why}");
        let scope = self.state().scope(task).map_err(cannot)?;
        let arguments = prepare::arguments(&probe.step, action.spec(), &scope).map_err(cannot)?;
        let attempt = format!("{}-{}.-probe-{}", self.lease.run, task.file_name(), self.state().seq);
        let call = Call {
            key: attempt.clone(),
            attempt,
            arguments,
            before: Value::Null,
            outputs: Value::Null,
            timeout: Duration::from_secs_f64(probe.step.timeout.clamp(0.001, 1e7)),
            kill_on_timeout: true,
            effect: Effect::Read,
            age: None,
        };
        Ok((action, call, scope))
    }

    async fn ask_probe(&self, task: &Task, probe: &Probe, action: &dyn Action, call: Call, scope: Scope) -> Finding {
        let cannot = |evidence: String| Finding::CannotTell { evidence };
        let ready = self.ready(task, &probe.step, action, call).await;
        let Ready { context, call, mask } = match ready {
            Ok(ready) => ready,
            Err(why) => return cannot(format!("the probe cannot be prepared: {why}")),
        };
        let report = mask.report(action.run(&context, &call).await);
        let report = mask.report(outputs::finish(&probe.step, report));
        // A probe may well end with another exit code than 0: its conditions say what that means.
        if !matches!(report.outcome, Outcome::Done | Outcome::Failed) || report.outputs.is_null() {
            return cannot(format!("the probe did not answer: {}", report.message));
        }
        let scope = Scope { outputs: report.outputs.clone(), ..scope };
        let holds = |expression| decide_condition(expression, &scope) == Ok(Truth::True);
        let seen = format!("{}{}", explain(&probe.took_effect, &scope), printed(&scope.outputs));
        if holds(&probe.took_effect) {
            return Finding::TookEffect {
                evidence: format!("the probe saw the effect ({seen})"),
                outputs: serde_json::json!({}),
            };
        }
        if probe.did_not.as_ref().is_some_and(holds) {
            return Finding::DidNot { evidence: format!("the probe saw no effect ({seen})") };
        }
        cannot(format!("the probe could not tell ({seen})"))
    }
}

/// The last line that a probe printed or was answered: what it saw, in its own words.
fn printed(outputs: &Value) -> String {
    let text = |name: &str| outputs.get(name).and_then(Value::as_str).unwrap_or_default().trim();
    let last = ["stdout", "stderr", "body"].into_iter().filter_map(|name| text(name).lines().next_back()).next();
    last.map(|line| format!("; it printed: {}", line.chars().take(200).collect::<String>())).unwrap_or_default()
}

fn overdue(effect: Effect, limit: Duration) -> Report {
    let message = format!("no answer within {:.0} s", limit.as_secs_f64());
    if effect == Effect::Read { Report::failed(message) } else { Report::unknown(message) }
}
