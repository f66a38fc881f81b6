//! Simulated actions: `sim.read`, `sim.idempotent`, `sim.keyed`, `sim.probed`, `sim.once` set a value of the world, and
//! `sim.final` sets one that cannot be put back.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use super::{Fault, World};
use crate::actions::{Action, ActionError, Call, Context, Table};
use crate::ids::of_file_name;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Change, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value};

/// The simulated actions over a world.
pub fn table(world: &World) -> Table {
    let kinds = [
        ("sim.read", Effect::Read, UndoSpec::Nothing),
        ("sim.idempotent", Effect::Idempotent, restores(true)),
        ("sim.keyed", Effect::Keyed, restores(true)),
        ("sim.probed", Effect::Probed, restores(true)),
        ("sim.once", Effect::Once, restores(false)),
        ("sim.final", Effect::Probed, UndoSpec::Impossible("the simulated world does not go back from there")),
    ];
    let actions = kinds.into_iter().map(|(name, effect, undo)| {
        let action: Arc<dyn Action> = Arc::new(Simulated { spec: spec(name, effect, undo), world: world.clone() });
        action
    });
    Table::of(actions.collect())
}

fn restores(from_observation: bool) -> UndoSpec {
    UndoSpec::Restores { how: "puts the former value back", from_observation }
}

fn spec(name: &'static str, effect: Effect, undo: UndoSpec) -> ActionSpec {
    ActionSpec {
        name,
        summary: "Sets a value of the simulated world",
        details: "",
        inputs: vec![
            FieldSpec::required("what", Type::String, "the value's name"),
            FieldSpec::optional("value", Type::String, "what it is set to"),
        ],
        outputs: vec![
            FieldSpec::optional("value", Type::String, "what it is now"),
            FieldSpec::optional("was", Type::String, "what it was before"),
        ],
        facts: vec![FieldSpec::optional("value", Type::String, "what it is")],
        effect,
        fidelity: Fidelity::Probed,
        proves: "the value is read",
        undo,
        resource: None,
        settle_seconds: 0.0,
        timeout_seconds: 5.0,
        open_inputs: false,
    }
}

struct Simulated {
    spec: ActionSpec,
    world: World,
}

#[async_trait]
impl Action for Simulated {
    fn spec(&self) -> &ActionSpec {
        &self.spec
    }

    async fn plan(&self, _: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        let what = text(arguments, "what").unwrap_or_default();
        let now = self.world.value(&what);
        let after = text(arguments, "value");
        let mut prediction = Prediction::probed(json!({ "value": now }));
        let becomes = if self.spec.effect.changes() { after } else { now.clone() };
        prediction.outputs = json!({ "value": becomes, "was": now });
        if self.spec.effect.changes() && becomes != now {
            prediction.changes.push(Change { what, before: now, after: becomes });
        }
        Ok(prediction)
    }

    async fn run(&self, _: &Context, call: &Call) -> Report {
        let what = text(&call.arguments, "what").unwrap_or_default();
        let value = text(&call.arguments, "value");
        let was = self.world.value(&what);
        let set = || {
            if self.spec.effect.changes() {
                let key = (self.spec.effect == Effect::Keyed).then_some(call.key.as_str());
                self.world.apply(&task_of(call).0, key, &what, value.as_deref());
            }
        };
        self.faulty(call, &set, || {
            Report::done(format!("{what} is set"), json!({ "value": self.world.value(&what), "was": was }))
        })
        .await
    }

    async fn probe(&self, _: &Context, call: &Call) -> Finding {
        let what = text(&call.arguments, "what").unwrap_or_default();
        if self.spec.effect != Effect::Probed || self.world.is_blind() {
            return Finding::CannotTell { evidence: "the simulated world does not show it".to_owned() };
        }
        let evidence = format!("{what} is {:?}", self.world.value(&what));
        if self.world.value(&what) == text(&call.arguments, "value") {
            Finding::TookEffect { evidence, outputs: json!({ "value": self.world.value(&what) }) }
        } else {
            Finding::DidNot { evidence }
        }
    }

    async fn undo(&self, _: &Context, call: &Call) -> Report {
        let what = text(&call.arguments, "what").unwrap_or_default();
        let before = text(&call.before, "value");
        let restore = || {
            if self.world.value(&what) != before {
                self.world.apply(&task_of(call).0, None, &what, before.as_deref());
            }
        };
        self.faulty(call, &restore, || Report::done(format!("{what} is as it was"), Value::Null)).await
    }
}

impl Simulated {
    /// One attempt, going wrong where the world was told so.
    async fn faulty(&self, call: &Call, act: &(dyn Fn() + Sync), done: impl FnOnce() -> Report) -> Report {
        let (task, attempt) = task_of(call);
        let fault = self.world.fault(&task, attempt);
        if fault.is_none_or(Fault::has_effect) {
            act();
        }
        match fault {
            None => done(),
            Some(Fault::NoEffect) => Report::no_effect("the simulated target was not reachable"),
            Some(Fault::FailedBefore | Fault::FailedAfter) => Report::failed("the simulated target failed"),
            Some(Fault::UnknownBefore | Fault::UnknownAfter) => Report::unknown("no answer of the simulated target"),
            // Whoever waits for it decides how long.
            Some(_) => std::future::pending().await,
        }
    }
}

/// The task and the number of an attempt, from its name: `RUN-step-2`, `RUN-step.-undo-1`.
pub(super) fn task_of(call: &Call) -> (String, u32) {
    if let Some(step) = call.attempt.strip_prefix("plan-") {
        // A reading command that is run for a plan.
        return (named(step), 1);
    }
    // The run's name has two hyphens, and an item's may have any number.
    let task = call.attempt.splitn(4, '-').nth(3).unwrap_or_default();
    let (task, attempt) = task.rsplit_once('-').unwrap_or((task, ""));
    (named(task), attempt.parse().unwrap_or(0))
}

fn named(file: &str) -> String {
    of_file_name(file).unwrap_or_else(|| file.to_owned())
}

fn text(arguments: &Value, name: &str) -> Option<String> {
    arguments.get(name).and_then(Value::as_str).map(str::to_owned)
}
