//! `identity:` and `invariants:`: read-only looks with an expression that must hold. Each must be able to fail: a check that
//! holds whatever is read would be a brake that is not there, so lint refuses it.

use crate::diagnostic::Span;
use crate::document::Node;
use crate::spec::Specs;
use crate::value::{Type, Value};

use super::super::faults::Faults;
use super::super::names::Fields;
use super::super::reader::Reader;
use super::super::step::{self, Defaults, Place};
use super::super::{Scope, Truth, decide_condition};
use super::falsify::{Search, can_fail};
use super::{Check, CheckKind};

/// A check, and an example of what breaks it.
pub(in crate::playbook) struct Draft {
    pub check: Check,
    broken_by: Option<(Value, Span)>,
}

/// Reads both lists.
pub(in crate::playbook) fn read(reader: &mut Reader<'_>, root: &Node, defaults: Defaults) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for key in ["identity", "invariants"] {
        let Some(node) = root.get(key) else { continue };
        let Some(items) = node.items() else {
            reader.wrong_form(node, key, "a list of checks, each with `name`, what looks (`uses`, `run`) and `expr`");
            continue;
        };
        for (number, item) in items.iter().enumerate() {
            drafts.extend(one(reader, item, key, number + 1, defaults));
        }
    }
    drafts
}

fn one(reader: &mut Reader<'_>, node: &Node, key: &str, number: usize, defaults: Defaults) -> Option<Draft> {
    let name = match node.get("name") {
        Some(given) => reader.text(given, "name"),
        None => {
            let help = Some("say what must hold, such as `name: at most one writable member`".to_owned());
            reader.faults.error("missing-key", node.span, "a check needs a `name`", help);
            None
        }
    };
    let invariant = key == "invariants";
    let id = if invariant { format!("invariant_{number}") } else { format!("identity_{number}") };
    let step = step::read(reader, node, defaults, &Place::Check { id: &id, invariant });
    let Some(expression) = node.get("expr") else {
        let help = Some("such as `expr: \"outputs.primaries <= 1\"`".to_owned());
        reader.faults.error("missing-key", node.span, "a check needs an `expr` over the outputs of its look", help);
        return None;
    };
    let expression = reader.expression(expression, "expr");
    let hold = [("always", CheckKind::Always), ("checkpoints", CheckKind::Checkpoints)];
    let kind = match node.get("hold") {
        Some(given) if invariant => reader.word(given, "hold", &hold).unwrap_or(CheckKind::Always),
        _ if invariant => CheckKind::Always,
        _ => CheckKind::Identity,
    };
    let within = node.get("within").and_then(|node| reader.duration(node, "within", 0.0)).unwrap_or(0.0);
    let broken_by = node.get("broken_by").and_then(|node| example(reader, node));
    let check = Check { name: name?, kind, group: None, step: step?, expression: expression?, within };
    Some(Draft { check, broken_by })
}

/// Outputs for which the check must fail.
fn example(reader: &mut Reader<'_>, node: &Node) -> Option<(Value, Span)> {
    let Some(entries) = node.entries() else {
        reader.wrong_form(node, "broken_by", "outputs for which it does not hold, such as `{ primaries: 2 }`");
        return None;
    };
    let mut outputs = serde_json::Map::new();
    for entry in entries {
        match reader.argument(&entry.value, &entry.key.value, &Type::Any) {
            Some(argument) => {
                let scope = Scope::default();
                let given = [(entry.key.value.clone(), argument)];
                match super::super::resolve_arguments(&given, &scope) {
                    Ok(Value::Object(map)) => outputs.extend(map),
                    _ => {
                        let message = "an example is made of values alone";
                        reader.faults.error("bad-check", entry.value.span, message, None);
                    }
                }
            }
            None => return None,
        }
    }
    Some((Value::Object(outputs), node.span))
}

/// Says of each check that cannot fail that it cannot.
pub(in crate::playbook) fn lint(faults: &mut Faults, drafts: &[Draft], specs: &Specs) {
    for Draft { check, broken_by } in drafts {
        let span = check.expression.span;
        if let Some((outputs, at)) = broken_by {
            let scope = Scope { outputs: outputs.clone(), ..Scope::default() };
            if decide_condition(&check.expression, &scope) != Ok(Truth::False) {
                let help = Some("write outputs of its look for which the expression is false".to_owned());
                let message = format!("`{}` does not fail for its own example", check.name);
                faults.error("check-cannot-fail", *at, message, help);
            }
            continue;
        }
        let fields = Fields::of_step(&check.step, specs.get(&check.step.action));
        let help = match can_fail(&check.expression.source, &fields) {
            Search::Fails => continue,
            Search::NoOutputs => "compare what its look reads with what must be, by `outputs.NAME`",
            Search::NotFound => {
                "if it can, show how: `broken_by: { NAME: VALUE }` with outputs for which it does not hold"
            }
        };
        let message = format!("`{}` holds whatever its look reads: it would never stop anything", check.name);
        faults.error("check-cannot-fail", span, message, Some(help.to_owned()));
    }
}
