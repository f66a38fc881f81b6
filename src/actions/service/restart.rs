//! `service.restart`: a service ends and begins again. While it does, it serves nobody.

use std::sync::LazyLock;
use std::time::Instant;

use async_trait::async_trait;

use super::act::{difference, foresee, lines_by_hand, outputs, ready, recalled, tell, until};
use super::target::{Seen, Target, Verb};
use super::{facts, input};
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, Prediction, UndoSpec};
use crate::value::Value;

/// `service.restart`.
#[derive(Debug, Clone, Copy)]
pub struct Restart;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "service.restart",
    summary: "Ends a service and starts it again.",
    details: "By the inventory's `restart`, or `systemctl restart`. Its configuration's `test`, where there is one, comes first: \
        a service that would not come back is left as it is. It is done once another main process runs than before: a command \
        that says that all is well and restarts nothing is a failure, and one that hangs is killed at the step's timeout.\n\nThere is nothing to undo: the process that was there \
        is gone, and the one that is there serves the same files.",
    inputs: vec![input()],
    outputs: super::outputs(),
    facts: facts(),
    effect: Effect::Probed,
    fidelity: Fidelity::Probed,
    proves: "Whether it runs and is healthy, that nobody else manages it, and that its configuration passes its test; not \
        whether it comes back.",
    undo: UndoSpec::Nothing,
    resource: Some("service/{service}"),
    settle_seconds: 1.0,
    timeout_seconds: 60.0,
    open_inputs: false,
});

#[async_trait]
impl Action for Restart {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        lines_by_hand(inventory, arguments, Verb::Restart)
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        let (target, seen, mut prediction) = foresee(context, arguments, Verb::Restart).await?;
        prediction.changes.push(difference(&target, &seen, "running, another main process"));
        prediction.outputs = serde_json::json!({ "running": true });
        Ok(prediction)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        let deadline = Instant::now() + call.timeout;
        let (target, before, argv) = match ready(context, &call.arguments, Verb::Restart).await {
            Ok(ready) => ready,
            Err(report) => return report,
        };
        if let Err(report) = tell(context, call, &target, &argv).await {
            return report;
        }
        let before = before.facts();
        let is_new = |now: &Seen| now.running == Some(true) && now.is_another(&before) != Some(false);
        match until(context, &target, deadline, is_new).await {
            Ok((now, true)) => {
                Report::done(format!("{} was restarted; it is {}", target.place(), now.state), outputs(&now, &before))
            }
            Ok((now, false)) if now.running == Some(true) => Report::failed(format!(
                "{} was told to restart, and the same process serves as before: {}. See what its `restart` does",
                target.place(),
                now.state
            )),
            Ok((now, false)) => Report::failed(format!(
                "{} was told to restart and did not come back: {}. IT DOES NOT SERVE; look at its own log",
                target.place(),
                now.state
            )),
            Err(error) => Report::unknown(format!("it was told to restart, and cannot be looked at: {error}")),
        }
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        let cannot = |evidence: String| Finding::CannotTell { evidence };
        let target = match Target::find(context, &call.arguments) {
            Ok(target) => target,
            Err(error) => return cannot(error.to_string()),
        };
        if let Some(found) = recalled(context, call, &target, Verb::Restart).await {
            return found;
        }
        match target.state(context).await {
            Ok(now) => judge(&now, &call.before),
            Err(error) => cannot(error.to_string()),
        }
    }
}

fn judge(now: &Seen, before: &Value) -> Finding {
    let evidence = now.state.clone();
    match (now.running, now.is_another(before)) {
        (Some(true), Some(true)) => Finding::TookEffect {
            evidence: format!("{evidence}, another one than before"),
            outputs: outputs(now, before),
        },
        (Some(true), Some(false)) => Finding::DidNot { evidence: format!("{evidence}, the same as before") },
        // It ended and did not begin again: to be restarted is what it needs.
        (Some(false), _) => Finding::DidNot { evidence },
        _ => Finding::CannotTell {
            evidence: format!("{evidence}; there is no process by which a restart could be seen"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_is_seen_by_its_process() {
        let seen = |running: bool, pid: Option<u32>, started: Option<&str>| Seen {
            running: Some(running),
            pid,
            started: started.map(str::to_owned),
            ..Seen::default()
        };
        let before = seen(true, Some(7), Some("100")).facts();
        assert!(matches!(judge(&seen(true, Some(8), Some("200")), &before), Finding::TookEffect { .. }));
        assert!(matches!(judge(&seen(true, Some(7), Some("100")), &before), Finding::DidNot { .. }));
        assert!(matches!(judge(&seen(false, None, None), &before), Finding::DidNot { .. }));
        let blind = seen(true, None, None);
        assert!(matches!(judge(&blind, &blind.facts()), Finding::CannotTell { .. }));
    }
}
