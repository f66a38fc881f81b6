//! `route.switch`: lets the backup carry the traffic. It never takes a route away before the other one is there.

use std::sync::LazyLock;

use async_trait::async_trait;

use super::change::{act, look_into, undo};
use super::foresee::{Kind, facts, foresee, inputs, outputs, reverts_after};
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, Prediction, UndoSpec};
use crate::value::Value;

/// `route.switch`.
#[derive(Debug, Clone, Copy)]
pub struct Switch;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "route.switch",
    summary: "Lets the backup of a pair of links carry the traffic, under a revert that the host carries out by itself.",
    details: "On the host whose routes they are: a revert is armed there (a process of its own, which outlives the connection \
        and the runner), the backup's route is added, the primary's gets a metric behind it, and an address in the destination \
        has to answer within `within`; else the routes are put back at once. Then the runner confirms over a connection of its \
        own. If it cannot, as it cut itself off or was killed, the host puts its routes back after `revert_after` and lets it \
        in again.\n\nRefused: a backup over which no bound ping is answered, a switch within the hold-down after the last one \
        (`ignore_hold_down` overrides it), a route that a routing daemon owns or that could not be put back exactly, and, where \
        `revert_after` is 0s, a way in of the runner's own over the link that it would leave.\n\nWhat `ip route` sets is gone \
        when the host is started again.",
    inputs: inputs(),
    outputs: outputs(),
    facts: facts(),
    effect: Effect::Probed,
    fidelity: Fidelity::Probed,
    proves: "The routes, and whether the backup answers pings that are bound to it, in both directions where the inventory \
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
impl Action for Switch {
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
        foresee(Kind::Switch, context, arguments).await
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        act(Kind::Switch, context, call).await.unwrap_or_else(Report::from)
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        look_into(Kind::Switch, context, call).await
    }

    async fn undo(&self, context: &Context, call: &Call) -> Report {
        undo(Kind::Switch, context, call).await.unwrap_or_else(|error| Report::failed(error.to_string()))
    }
}
