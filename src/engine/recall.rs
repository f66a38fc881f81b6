//! Sensitive outputs are in no record, so a runner that comes after a crash does not have them. Before something needs one,
//! the step that read it runs again, as it only reads. It never runs a step that may change something.

use std::time::Duration;

use super::drive::Drive;
use super::secrets::{At, Ready};
use super::{EngineError, prepare};
use crate::actions::Call;
use crate::outcome::Outcome;
use crate::playbook::Step;
use crate::run::{Event, Task};
use crate::spec::Effect;
use crate::value::Value;

impl Drive<'_> {
    /// Reads again what the arguments of a task, or of a part of it, need and nobody has any more. Why something could not be
    /// read, for a person: the task then finds it missing.
    pub(super) async fn recall(&self, task: &Task, part: &Step, arguments: &Value) -> Result<Vec<String>, EngineError> {
        let plays = self.tools.actions.get(&part.action).is_none_or(|action| !action.takes_secrets());
        let missing = || {
            let state = self.state();
            if plays {
                return Vec::new();
            }
            let at = At { book: state.playbook(), of: &task.step, item: task.item.as_ref(), part };
            at.missing(arguments, &self.memory)
        };
        if missing().is_empty() {
            return Ok(Vec::new());
        }
        let mut whys = Vec::new();
        for reader in missing() {
            // Steps that run side by side may need the same.
            let _turn = self.memory.turn().await;
            if missing().contains(&reader)
                && let Err(why) = Box::pin(self.read_again(&reader, task)).await?
            {
                whys.push(format!("{reader} could not be read again: {why}"));
            }
        }
        Ok(whys)
    }

    /// The same for what the task itself does.
    pub(super) async fn recall_for(&self, task: &Task, arguments: &Value) -> Result<Vec<String>, EngineError> {
        let step = self.state().step_of(task).cloned();
        match step {
            Some(step) => self.recall(task, &step, arguments).await,
            None => Ok(Vec::new()),
        }
    }

    async fn read_again(&self, reader: &Task, needed_by: &Task) -> Result<Result<(), String>, EngineError> {
        let found = {
            let state = self.state();
            let step = state.playbook().step(&reader.step).cloned();
            let intent = state.tasks.get(reader).and_then(|state| state.intent.clone());
            step.zip(intent).map(|(step, intent)| {
                let name = format!("{}-{}-again-{}", state.run, reader.file_name(), state.seq);
                let call = Call {
                    key: name.clone(),
                    attempt: name,
                    arguments: intent.arguments,
                    before: Value::Null,
                    outputs: Value::Null,
                    timeout: Duration::from_secs_f64(intent.timeout.clamp(0.001, 1e7)),
                    kill_on_timeout: true,
                    effect: Effect::Read,
                    age: None,
                };
                (step, call)
            })
        };
        let Some((step, call)) = found.filter(|(step, _)| !step.effect.changes()) else {
            return Ok(Err("it has not read anything in this run".to_owned()));
        };
        let Some(action) = self.tools.actions.get(&step.action).cloned() else {
            return Ok(Err(format!("this binary does not have the action {}", step.action)));
        };
        // It may need what another step has read.
        let whys = self.recall(reader, &step, &call.arguments).await?;
        self.append(vec![Event::ReadAgain { task: reader.clone(), needed_by: needed_by.clone() }])?;
        let limit = call.timeout + Duration::from_secs(15);
        let ready = self.ready(reader, &step, action.as_ref(), call).await;
        let Ready { context, call, mask } = match ready {
            Ok(ready) => ready,
            Err(why) => return Ok(Err(whys.into_iter().chain([why]).collect::<Vec<_>>().join("; "))),
        };
        self.journal.borrow_mut().check(&self.lease)?;
        let Ok(report) = tokio::time::timeout(limit, action.run(&context, &call)).await else {
            return Ok(Err(format!("no answer within {} s", limit.as_secs())));
        };
        let report = self.memory.take(&step, reader.item.as_ref(), report, &context.inventory.secrets);
        let report = mask.report(report);
        if report.outcome != Outcome::Done {
            return Ok(Err(report.message));
        }
        Ok(prepare::requirements_of_read(&step, reader, &report.outputs, &self.state()))
    }
}
