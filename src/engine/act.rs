//! One attempt at the target, once its intent is durable; and the look at one whose outcome is missing.

use std::sync::Arc;
use std::time::Duration;

use super::drive::{Drive, TICK};
use super::{EndingKind, EngineError, outputs, prepare};
use crate::actions::{Action, Call};
use crate::outcome::{Finding, Outcome, Report};
use crate::playbook::{Probe, Scope, Truth, decide_condition, explain};
use crate::run::{Event, Settlement, Status, Task};
use crate::spec::Effect;
use crate::value::Value;

/// How much longer than its timeout an action may take before the engine calls its outcome unknown, in seconds. An action
/// keeps its own timeout; this is for one that does not.
const GRACE: f64 = 15.0;

impl Drive<'_> {
    /// Acts, and records what became of it.
    pub(super) async fn dispatch(&mut self, task: &Task) -> Result<Option<EndingKind>, EngineError> {
        let Some((action, call, attempt)) = self.call(task) else {
            return Err(EngineError::State(format!("{task} has no intent that could be carried out")));
        };
        // The last look before the first byte leaves. What is left is the time from here to the target.
        self.parts.journal.check(&self.lease)?;
        let context = self.context(task);
        let undo = self.state.is_own_undo(task);
        let limit = Duration::from_secs_f64(call.timeout.as_secs_f64() + GRACE);
        tracing::debug!(task = %task, attempt = call.attempt, timeout = ?call.timeout, "acting");
        let acting = async move {
            let act =
                async { if undo { action.undo(&context, &call).await } else { action.run(&context, &call).await } };
            match tokio::time::timeout(limit, act).await {
                Ok(report) => report,
                Err(_) => overdue(call.effect, limit),
            }
        };
        let Some(report) = self.attend(acting).await? else {
            return Ok(Some(EndingKind::Left));
        };
        let report = self.judge(task, report);
        let Some(report) = self.hold_undo(task, report).await? else { return Ok(Some(EndingKind::Left)) };
        self.append(vec![Event::Outcome { task: task.clone(), attempt, report }])?;
        Ok(None)
    }

    /// Waits for something that takes its time, keeping the lease and taking up requests. `None` after a second interrupt.
    pub(super) async fn attend<T>(&mut self, work: impl Future<Output = T>) -> Result<Option<T>, EngineError> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                result = &mut work => return Ok(Some(result)),
                () = tokio::time::sleep(TICK) => {}
            }
            self.take_requests()?;
            self.keep_lease()?;
            if self.pressed() >= 2 {
                return Ok(None);
            }
        }
    }

    /// The action, and what it is called with, for the newest attempt of a task.
    fn call(&self, task: &Task) -> Option<(Arc<dyn Action>, Call, u32)> {
        let step = self.state.step_of(task)?;
        let action = Arc::clone(self.parts.actions.get(&step.action)?);
        let state = self.state.tasks.get(task)?;
        let intent = state.intent.as_ref()?;
        let doing = self.state.doing(&task.step);
        let before = if task.is_undo() { doing.map(|doing| doing.before.clone()) } else { Some(state.before.clone()) };
        let call = Call {
            key: intent.key.clone(),
            attempt: format!("{}-{}-{}", self.state.run, task.to_string().replace('/', "-"), state.attempt),
            arguments: intent.arguments.clone(),
            before: before.unwrap_or(Value::Null),
            outputs: if task.is_undo() { doing.map_or(Value::Null, super::TaskState::outputs) } else { Value::Null },
            timeout: Duration::from_secs_f64(intent.timeout.clamp(0.001, 1e7)),
            kill_on_timeout: step.kill_on_timeout,
            effect: intent.effect,
        };
        Some((action, call, state.attempt))
    }

    /// What an action's report means for its step.
    fn judge(&self, task: &Task, report: Report) -> Report {
        let Some(step) = self.state.step_of(task) else { return report };
        if self.state.is_own_undo(task) {
            return report;
        }
        let mut report = outputs::finish(step, report);
        if report.outcome == Outcome::Done
            && !step.effect.changes()
            && let Err(why) = prepare::requirements_of_read(step, &report.outputs, &self.state)
        {
            report.outcome = Outcome::Failed;
            report.message = why;
        }
        report
    }

    /// Looks, read-only, what became of an attempt whose outcome is missing.
    pub(super) async fn settle(&mut self, task: &Task) -> Result<Option<EndingKind>, EngineError> {
        let Some((action, call, attempt)) = self.call(task) else {
            return Err(EngineError::State(format!("{task} has no attempt that could be looked into")));
        };
        let effect = call.effect;
        let ended = self.state.tasks.get(task).is_some_and(|state| matches!(state.status, Status::Failed { .. }));
        let (settlement, evidence) = if effect == Effect::Read {
            (Settlement::RunAgain, "it only reads, so it runs again".to_owned())
        } else if self.state.is_own_undo(task) {
            (Settlement::RunAgain, "an undo works from what it observes, so it runs again".to_owned())
        } else {
            let context = self.context(task);
            tracing::debug!(task = %task, attempt = call.attempt, "looking what became of it");
            let looking = async move { action.probe(&context, &call).await };
            let Some(mut finding) = self.attend(looking).await? else {
                return Ok(Some(EndingKind::Left));
            };
            // That it failed is known; what is asked is whether its effect is there all the same.
            if ended && matches!(finding, Finding::Ended(_)) {
                finding = Finding::CannotTell { evidence: "its own end is known; its effect is not".to_owned() };
            }
            if let Finding::CannotTell { evidence: first } = &finding
                && let Some(probe) = self.state.step_of(task).and_then(|step| step.probe.clone())
            {
                let first = first.clone();
                let Some(probed) = self.run_probe(task, &probe).await? else {
                    return Ok(Some(EndingKind::Left));
                };
                finding = match probed {
                    // Who is asked needs both: what the recorder knows, and what the probe saw.
                    Finding::CannotTell { evidence } => {
                        Finding::CannotTell { evidence: format!("{first}; {evidence}") }
                    }
                    told => told,
                };
            }
            let (settlement, evidence) = self.read(task, finding, effect);
            match self.hold_settled(task, settlement, &evidence).await? {
                Some(settlement) => (settlement, evidence),
                None => return Ok(Some(EndingKind::Left)),
            }
        };
        self.append(vec![Event::Settled { task: task.clone(), attempt, settlement, evidence }])?;
        Ok(None)
    }

    /// What was found of a part of an undo, held to its conditions.
    async fn hold_settled(
        &mut self,
        task: &Task,
        found: Settlement,
        evidence: &str,
    ) -> Result<Option<Settlement>, EngineError> {
        let report = match &found {
            Settlement::Ended { report } => report.clone(),
            Settlement::TookEffect { outputs } => Report::done(evidence, outputs.clone()),
            _ => return Ok(Some(found)),
        };
        let held = self.hold_undo(task, report.clone()).await?;
        Ok(held.map(|held| if held == report { found } else { Settlement::Ended { report: held } }))
    }

    /// What a finding means for an attempt of this effect.
    fn read(&self, task: &Task, finding: Finding, effect: Effect) -> (Settlement, String) {
        match finding {
            Finding::Ended(report) if report.outcome == Outcome::Unknown => {
                self.read(task, Finding::CannotTell { evidence: report.message }, effect)
            }
            Finding::Ended(report) => {
                let report = self.judge(task, report);
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
    async fn run_probe(&mut self, task: &Task, probe: &Probe) -> Result<Option<Finding>, EngineError> {
        let cannot = |evidence: String| Ok(Some(Finding::CannotTell { evidence }));
        let Some(action) = self.parts.actions.get(&probe.step.action).cloned() else {
            return cannot(format!("this binary does not have the action {}", probe.step.action));
        };
        let Some(step) = self.state.step_of(task).cloned() else {
            return cannot(format!("there is no step {}", task.step));
        };
        let arguments = match prepare::arguments(&probe.step, action.spec(), &self.state.scope(&step)) {
            Ok(arguments) => arguments,
            Err(why) => return cannot(format!("the probe cannot be prepared: {why}")),
        };
        let attempt = format!("{}-{}-probe-{}", self.state.run, task.to_string().replace('/', "-"), self.state.seq);
        let call = Call {
            key: attempt.clone(),
            attempt,
            arguments,
            before: Value::Null,
            outputs: Value::Null,
            timeout: Duration::from_secs_f64(probe.step.timeout.clamp(0.001, 1e7)),
            kill_on_timeout: true,
            effect: Effect::Read,
        };
        let context = self.context(task);
        let running = async move { action.run(&context, &call).await };
        let Some(report) = self.attend(running).await? else { return Ok(None) };
        let report = outputs::finish(&probe.step, report);
        // A probe may well end with another exit code than 0: its conditions say what that means.
        if !matches!(report.outcome, Outcome::Done | Outcome::Failed) || report.outputs.is_null() {
            return cannot(format!("the probe did not answer: {}", report.message));
        }
        let scope = Scope { outputs: report.outputs.clone(), ..self.state.scope(&step) };
        let holds = |expression| decide_condition(expression, &scope) == Ok(Truth::True);
        let seen = format!("{}{}", explain(&probe.took_effect, &scope), printed(&scope.outputs));
        if holds(&probe.took_effect) {
            return Ok(Some(Finding::TookEffect {
                evidence: format!("the probe saw the effect ({seen})"),
                outputs: serde_json::json!({}),
            }));
        }
        if probe.did_not.as_ref().is_some_and(holds) {
            return Ok(Some(Finding::DidNot { evidence: format!("the probe saw no effect ({seen})") }));
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
