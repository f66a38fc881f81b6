//! `route.restore`: lets the primary carry the traffic again, with the routes that were there before the switch. It
//! never takes a route away before the other one is there.

use std::sync::LazyLock;

use async_trait::async_trait;

use super::change::{act, look_into, undo};
use super::foresee::{Kind, facts, foresee, inputs, outputs, reverts_after};
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, Prediction, UndoSpec};
use crate::value::Value;

/// `route.restore`.
#[derive(Debug, Clone, Copy)]
pub struct Restore;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "route.restore",
    summary: "Lets the primary of a pair of links carry the traffic again, with the routes from before the switch.",
    details: "The same as `route.switch` the other way round: armed, changed, verified and confirmed within one attempt. The \
        routes are those that the host remembers from before the switch; after a restart of the host, or where they were switched \
        by hand, those of the inventory.\n\nRefused: a primary over which no bound ping is answered, and what `route.switch` \
        refuses.",
    inputs: inputs(),
    outputs: outputs(),
    facts: facts(),
    effect: Effect::Probed,
    fidelity: Fidelity::Probed,
    proves: "The routes, and whether the primary answers pings that are bound to it, in both directions where the inventory \
        names a far host.",
    undo: UndoSpec::Restores {
        how: "puts back the routes that were there, and disarms the revert",
        from_observation: true,
    },
    resource: Some("link/{link}"),
    settle_seconds: 0.0,
    timeout_seconds: 120.0,
    open_inputs: false,
});

#[async_trait]
impl Action for Restore {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn reverts_after(&self, arguments: &Value) -> Option<f64> {
        reverts_after(arguments)
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        super::by_hand::by_hand(self.spec(), inventory, arguments)
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        foresee(Kind::Restore, context, arguments).await
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        act(Kind::Restore, context, call).await.unwrap_or_else(Report::from)
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        look_into(Kind::Restore, context, call).await
    }

    async fn undo(&self, context: &Context, call: &Call) -> Report {
        undo(Kind::Restore, context, call).await.unwrap_or_else(|error| Report::failed(error.to_string()))
    }
}
