//! The schema of approvals, identities, invariants and budgets.

use serde_json::{Value, json};

use crate::spec::Specs;

use super::step::{key as step_key, step_with};
use super::{about, counted, object, refer};
use crate::playbook::words::{self, Words};

/// The definitions that the others name.
pub(super) fn definitions(specs: &Specs) -> Vec<(&'static str, Value)> {
    let approval = object(&words::APPROVAL, approval_key, &[]);
    vec![
        ("approval", json!({ "anyOf": [refer("boolean"), approval] })),
        ("check", check(&words::CHECK, specs)),
        ("invariant", check(&words::INVARIANT, specs)),
        ("budget", object(&words::BUDGET, budget_key, &["from", "to", "max"])),
    ]
}

/// A look with an expression: the keys of a step that only looks, and its own.
fn check(words: &Words, specs: &Specs) -> Value {
    step_with(words, key, specs, &["name", "expr"])
}

fn own(word: &str) -> Value {
    match word {
        "name" => about("text", "what must hold"),
        "expr" => about("condition", "over the outputs of the look: true, or the run stops"),
        "within" => about("duration", "how long it may take to come true"),
        "broken_by" => json!({ "type": "object", "description": "outputs for which it does not hold" }),
        "hold" => {
            json!({ "enum": ["always", "checkpoints"], "description": "when it must hold; always, where absent" })
        }
        _ => Value::Null,
    }
}

/// What a key of a check may hold.
fn key(word: &str) -> Value {
    match own(word) {
        Value::Null => step_key(word),
        own => own,
    }
}

fn approval_key(word: &str) -> Value {
    match word {
        "roles" => about("texts", "who may approve: roles of the configuration; anybody, where absent"),
        "min" => counted("how many people have to approve", 1),
        "timeout" => about("duration", "how long it is waited for, and how long an approval holds; 15m where absent"),
        "on_timeout" => json!({ "enum": ["rollback", "abandon", "page"],
            "description": "what happens when nobody answers in time" }),
        "prevent_self_approval" => about("boolean", "whoever started the run may not approve"),
        "if" => about("condition", "it is asked for only if this holds"),
        _ => Value::Null,
    }
}

fn budget_key(word: &str) -> Value {
    match word {
        "from" => about("identifier", "the step with which it begins"),
        "to" => about("identifier", "the step that has to be done by then"),
        "max" => about("duration", "how long it may take"),
        _ => Value::Null,
    }
}
