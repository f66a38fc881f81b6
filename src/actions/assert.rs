//! `assert`: holds the run to a condition. It looks at nothing and changes nothing.

use std::sync::LazyLock;

use async_trait::async_trait;
use serde_json::json;

use super::{Action, ActionError, Call, Context};
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value, why_unknown};

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "assert",
    summary: "Fails unless a condition holds.",
    details: "The condition is usually computed: `that: {expr: \"steps.roles.outputs.lag_bytes < 1048576\"}`. It is \
              decided over what earlier steps recorded; nothing is looked up.",
    inputs: vec![
        FieldSpec::required("that", Type::Any, "What must be true: `true`, `false`, or `{expr: CEL}`."),
        FieldSpec::optional("message", Type::String, "What it means when it is not, for the person who reads it.")
            .or(json!("the condition does not hold")),
    ],
    outputs: Vec::new(),
    facts: Vec::new(),
    effect: Effect::Read,
    fidelity: Fidelity::Proved,
    proves: "Whether the condition holds, where everything that it names is known when the plan is made.",
    undo: UndoSpec::Nothing,
    resource: None,
    settle_seconds: 0.0,
    timeout_seconds: 5.0,
    open_inputs: false,
});

/// Holds the run to a condition.
#[derive(Debug, Clone, Copy, Default)]
pub struct Assert;

#[async_trait]
impl Action for Assert {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, _: &crate::inventory::Inventory, arguments: &Value) -> Vec<String> {
        vec![super::by_hand::comment(&format!("must be true: {}", super::by_hand::value(arguments, "that")))]
    }

    async fn plan(&self, _context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        let that = arguments.get("that").unwrap_or(&Value::Null);
        if let Some(why) = why_unknown(that) {
            return Ok(Prediction::unknown(format!("the condition cannot be decided yet: {why}")));
        }
        let mut prediction = Prediction::probed(json!({}));
        prediction.fidelity = Fidelity::Proved;
        prediction.refusals.extend(violation(arguments));
        Ok(prediction)
    }

    async fn run(&self, _context: &Context, call: &Call) -> Report {
        match violation(&call.arguments) {
            None => Report::done("the condition holds", json!({})),
            Some(message) => Report::failed(message),
        }
    }

    async fn probe(&self, _context: &Context, _call: &Call) -> Finding {
        Finding::DidNot { evidence: "it changes nothing".to_owned() }
    }
}

/// What is wrong, if anything.
fn violation(arguments: &Value) -> Option<String> {
    match arguments.get("that") {
        Some(Value::Bool(true)) => None,
        Some(Value::Bool(false)) => Some(
            arguments
                .get("message")
                .and_then(Value::as_str)
                .map_or_else(|| "the condition does not hold".to_owned(), str::to_owned),
        ),
        other => Some(format!("`that` must be true or false, and is {}", other.unwrap_or(&Value::Null))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_true_holds() {
        assert_eq!(violation(&json!({"that": true})), None);
        assert_eq!(violation(&json!({"that": false, "message": "two primaries"})).unwrap(), "two primaries");
        for odd in [json!({}), json!({"that": "true"}), json!({"that": 1}), json!({"that": null})] {
            assert!(violation(&odd).unwrap().contains("must be true or false"), "{odd}");
        }
    }
}
