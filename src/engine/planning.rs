//! Making a plan: the planner says what to look up, this looks, with a deadline for each target.

use std::sync::Arc;
use std::time::Duration;

use super::ahead::Ahead;
use super::mask::Mask;
use super::secrets::{self, At, Memory};
use super::{Engine, EngineError, hosts, outputs};
use crate::actions::{Action, ActionError, Call, Context};
use crate::ids::{ItemId, StepId};
use crate::outcome::Outcome;
use crate::plan::{Decided, DoneBefore, Lookup, Narrowing, NoItems, Plan, PlanError, Planner, may_run_unseen};
use crate::playbook::{Playbook, Step};
use crate::run::Task;
use crate::spec::{Effect, Prediction};
use crate::value::Value;

/// How long one target may take to answer a look, in seconds.
pub(super) const LOOK_SECONDS: u64 = 15;

impl Engine {
    /// Looks at the targets, read-only, and makes a plan.
    ///
    /// # Errors
    /// When the plan cannot be made; a target that does not answer is no error but an unknown.
    pub async fn plan(&mut self, playbook: Playbook, inputs: Value) -> Result<Plan, EngineError> {
        self.plan_narrowed(playbook, inputs, Narrowing::default()).await
    }

    /// The same, narrowed to some of the items that it would go over.
    ///
    /// # Errors
    /// The same; and when nothing would be left.
    pub async fn plan_narrowed(
        &mut self,
        playbook: Playbook,
        inputs: Value,
        narrowing: Narrowing,
    ) -> Result<Plan, EngineError> {
        self.plan_after(playbook, inputs, DoneBefore::default(), narrowing).await.map(|(plan, _)| plan)
    }

    /// The same for a run that begins at once, and of which nobody looks at the plan before: where that may be, the run is the
    /// first to look.
    ///
    /// # Errors
    /// The same.
    pub async fn plan_to_run(
        &mut self,
        playbook: Playbook,
        inputs: Value,
        narrowing: Narrowing,
    ) -> Result<Plan, EngineError> {
        if !may_run_unseen(&playbook) {
            return self.plan_narrowed(playbook, inputs, narrowing).await;
        }
        let planner = self.planner(&playbook, inputs).unseen();
        self.plan_by(planner, playbook, narrowing).await.map(|(plan, _)| plan)
    }

    /// The same for a plan that goes on from what another run has done: with the steps that count as done.
    pub(super) async fn plan_after(
        &mut self,
        playbook: Playbook,
        inputs: Value,
        done: DoneBefore,
        narrowing: Narrowing,
    ) -> Result<(Plan, Vec<(StepId, Option<ItemId>)>), EngineError> {
        let planner = self.planner(&playbook, inputs).after(done);
        self.plan_by(planner, playbook, narrowing).await
    }

    fn planner(&self, playbook: &Playbook, inputs: Value) -> Planner {
        Planner::new(playbook.clone(), inputs, &self.parts.inventory.environment, &self.parts.actions.told())
    }

    async fn plan_by(
        &mut self,
        planner: Planner,
        playbook: Playbook,
        narrowing: Narrowing,
    ) -> Result<(Plan, Vec<(StepId, Option<ItemId>)>), EngineError> {
        let book = Arc::new(playbook);
        let failed = |error: PlanError| match error {
            PlanError::TooManyTargets { .. } | PlanError::Items { error: NoItems::TooMany { .. }, .. } => {
                EngineError::TooManyTargets(error.to_string())
            }
            PlanError::NothingToLimit { .. }
            | PlanError::Items { error: NoItems::Limited { .. } | NoItems::Mixed { .. }, .. } => {
                EngineError::Limit(error.to_string())
            }
            PlanError::Items { error: NoItems::Silent { .. }, .. } => EngineError::Unreachable(error.to_string()),
            other => EngineError::Plan(other.to_string()),
        };
        let mut planner = planner.narrowed(narrowing, hosts::names(&self.parts.inventory));
        let context = Context {
            inventory: Arc::clone(&self.parts.inventory),
            // Nobody makes it: looks keep nothing.
            spool: self.parts.state.join("spool").join(format!("plan-{}", std::process::id())),
            output: Arc::new(|_, _| {}),
        };
        let memory = Memory::default();
        let mut ahead = Ahead::new(memory.clone(), self.parts.forks);
        while let Some(lookup) = planner.look_up().map_err(failed)? {
            self.parts.observer.planning(&lookup.step);
            if let Some(asked) = &lookup.hosts {
                planner
                    .answer_hosts(hosts::look(asked, &self.parts.actions, &context, self.parts.forks).await)
                    .map_err(failed)?;
                continue;
            }
            let prediction = ahead.look(&lookup, &planner, &book, &self.parts.actions, &context).await;
            tracing::debug!(step = %lookup.step, fidelity = ?prediction.fidelity, refusals = ?prediction.refusals, "looked");
            planner.answer(prediction);
        }
        let taken = planner.taken().to_vec();
        let mut plan = planner.finish();
        self.prove_secrets(&mut plan).await;
        Ok((plan, taken))
    }

    /// Says of each step that may run whether the secrets are there that it, its probe and its undo refer to: what a run
    /// would stumble over half-way is known before it begins.
    async fn prove_secrets(&self, plan: &mut Plan) {
        // For all steps at once: each reference is read once.
        let secrets = self.parts.inventory.secrets.anew();
        for planned in &mut plan.steps {
            let Some(step) = plan.playbook.step(&planned.id) else { continue };
            let plays = self.parts.actions.get(&step.action).is_none_or(|action| !action.takes_secrets());
            if plays || matches!(planned.runs, Decided::No { .. }) {
                continue;
            }
            let at = At { book: &plan.playbook, of: &step.id, item: planned.item.as_ref(), part: step };
            let (good, bad) = secrets::prove(at, &plan.inputs, &planned.arguments, &secrets).await;
            planned.prediction.notes.extend(good);
            let new = bad.into_iter().filter(|why| !planned.prediction.refusals.contains(why)).collect::<Vec<_>>();
            planned.prediction.refusals.extend(new);
        }
    }
}

/// One look, in its time. A target that does not answer leaves an unknown, and says so as something that would stop the run.
pub(super) async fn look(
    action: &dyn Action,
    context: &Context,
    (book, step): (&Playbook, &Step),
    lookup: &Lookup,
    memory: &Memory,
) -> Prediction {
    let limit = Duration::from_secs(LOOK_SECONDS).min(Duration::from_secs_f64(step.timeout.clamp(1.0, 3600.0)));
    let mut inventory = Arc::clone(&context.inventory);
    let context = Context { inventory: secrets::anew(&mut inventory), ..context.clone() };
    let secrets = &context.inventory.secrets;
    let at = At { book, of: &step.id, item: lookup.item.as_ref(), part: step };
    let arguments = match secrets::reveal(action, at, &lookup.arguments, secrets, memory).await {
        Ok(arguments) => arguments,
        Err(why) => return refused(why),
    };
    let mask = Mask::of(secrets);
    if lookup.run {
        return run(action, &context, step, lookup, arguments, memory, limit).await;
    }
    match tokio::time::timeout(limit, action.plan(&context, &arguments)).await.map(|answer| mask.look(answer)) {
        Ok(Ok(prediction)) => prediction,
        Ok(Err(ActionError::Unreachable(why) | ActionError::Invalid(why))) => refused(why),
        Err(_) => refused(format!("no answer within {} s", limit.as_secs())),
    }
}

fn refused(why: String) -> Prediction {
    Prediction { refusals: vec![why], ..Prediction::unknown("nothing could be read") }
}

/// A command whose effect is `read` is run: what it prints is what is known.
async fn run(
    action: &dyn Action,
    context: &Context,
    step: &Step,
    lookup: &Lookup,
    arguments: Value,
    memory: &Memory,
    limit: Duration,
) -> Prediction {
    let name = format!("plan-{}", Task::at(&step.id, lookup.item.as_ref()).file_name());
    let call = Call {
        key: name.clone(),
        attempt: name,
        arguments,
        before: Value::Null,
        outputs: Value::Null,
        timeout: limit,
        kill_on_timeout: true,
        effect: Effect::Read,
        age: None,
    };
    let report = action.run(context, &call).await;
    let secrets = &context.inventory.secrets;
    let report = if step.keeps_secrets() {
        Mask::of(secrets).report(memory.take(step, lookup.item.as_ref(), report, secrets))
    } else {
        let mask = Mask::of(secrets);
        // Reading an output of it may undo a form in which no secret was found.
        mask.report(outputs::finish(step, mask.report(report)))
    };
    match report.outcome {
        Outcome::Done => Prediction { outputs: report.outputs, ..Prediction::probed(serde_json::json!({})) },
        _ => refused(report.message),
    }
}
