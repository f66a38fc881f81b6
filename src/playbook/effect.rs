//! How often a step may run: what its action says, and what its playbook says where only that can know.

use super::Argument;
use super::command::{self, Call};
use super::reader::Reader;
use super::step::Place;
use crate::document::Node;
use crate::spec::{ActionSpec, Effect};
use crate::value::Value;

/// The actions whose effect and undo nobody but the playbook can know.
const OPEN: &[&str] = &["cli", "shell", "ssh", "http", "http.journey", command::UNREADABLE];

/// Whether a playbook says what an action's effect is.
pub(super) fn is_open(action: &str) -> bool {
    OPEN.contains(&action)
}

/// The effect of a step: the action's own, or the playbook's where nobody else knows it.
pub(super) fn read_effect(
    reader: &mut Reader<'_>,
    node: &Node,
    call: &Call,
    spec: Option<&ActionSpec>,
    probed: bool,
    place: &Place<'_>,
) -> Effect {
    if matches!(place, Place::Probe { .. } | Place::Check { .. }) {
        if let Some(spec) = spec.filter(|spec| !is_open(spec.name) && spec.effect.changes()) {
            let what = if matches!(place, Place::Check { .. }) { "a check" } else { "a probe" };
            let message = format!("{what} only looks, and `{}` changes something", spec.name);
            reader.faults.error("probe-changes", call.span, message, None);
        }
        return Effect::Read;
    }
    if !is_open(&call.action) {
        for key in ["effect", "probe"] {
            if let Some(given) = node.get(key) {
                let message = format!("`{}` says itself what its {key} is; `{key}` is for commands", call.action);
                reader.faults.error("effect-fixed", given.span, message, Some("leave it out".to_owned()));
            }
        }
        return spec.map_or(Effect::Once, |spec| spec.effect);
    }
    let words = [
        ("read", Effect::Read),
        ("idempotent", Effect::Idempotent),
        ("keyed", Effect::Keyed),
        ("probed", Effect::Probed),
        ("once", Effect::Once),
    ];
    let given = node.get("effect").and_then(|node| reader.word(node, "effect", &words));
    if let (Some(Effect::Probed), false, Some(node)) = (given, node.get("probe").is_some(), node.get("effect")) {
        let help = Some("add `probe: {run: …, took_effect: …}`".to_owned());
        reader.faults.error("missing-probe", node.span, "`effect: probed` needs a `probe`", help);
    }
    if let (Some(effect), true, Some(node)) = (given.filter(|e| *e != Effect::Probed), probed, node.get("probe")) {
        let message = format!("a probe is of no use with `effect: {}`", effect_word(effect));
        reader.faults.warn("unused-probe", node.span, message, None);
    }
    let own = match call.action.as_str() {
        "http" if only_asks(call) => Effect::Read,
        "http.journey" if journey_asks(call) => Effect::Read,
        "http" | "http.journey" => spec.map_or(Effect::Once, |spec| spec.effect),
        _ => Effect::Once,
    };
    given.unwrap_or(if probed { Effect::Probed } else { own })
}

/// Whether a request is of a method that changes nothing by its definition.
fn only_asks(call: &Call) -> bool {
    let method = call.arguments.iter().find(|(name, _)| name == "method").map(|(_, argument)| argument);
    method.is_none_or(is_asking_method)
}

fn is_asking_method(method: &Argument) -> bool {
    match method {
        Argument::Literal(Value::Null) => true,
        Argument::Literal(Value::String(method)) => {
            ["GET", "HEAD", "OPTIONS"].contains(&method.to_ascii_uppercase().as_str())
        }
        _ => false,
    }
}

/// The same of each request of a journey, as far as they are written out.
fn journey_asks(call: &Call) -> bool {
    let asks = |request: &Argument| match request {
        Argument::Map(pairs) => {
            pairs.iter().find(|(name, _)| name == "method").is_none_or(|(_, m)| is_asking_method(m))
        }
        Argument::Literal(Value::Object(map)) => {
            map.get("method").is_none_or(|method| is_asking_method(&Argument::Literal(method.clone())))
        }
        _ => false,
    };
    match call.arguments.iter().find(|(name, _)| name == "requests").map(|(_, argument)| argument) {
        Some(Argument::List(requests)) => requests.iter().all(asks),
        Some(Argument::Literal(Value::Array(requests))) => {
            requests.iter().all(|request| asks(&Argument::Literal(request.clone())))
        }
        _ => false,
    }
}

fn effect_word(effect: Effect) -> &'static str {
    match effect {
        Effect::Read => "read",
        Effect::Idempotent => "idempotent",
        Effect::Keyed => "keyed",
        Effect::Probed => "probed",
        Effect::Once => "once",
    }
}
