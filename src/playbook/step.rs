//! One step: its node → `Step`, with what its action says filled in. What steps say about each other is lint's.

use crate::diagnostic::Span;
use crate::document::{Node, NodeKind};
use crate::ids::{StepId, is_identifier};
use crate::spec::{ActionSpec, Effect};

use super::brakes::read_approval;
use super::command::{self, Call};
use super::effect::{is_open, read_effect};
use super::idle;
use super::reader::Reader;
use super::undo::read_rollback;
use super::words::{self, Words, check_keys};
use super::{OnFailure, Probe, Retry, Rollback, Service, Step, Verify};
use crate::diagnostic::nearest;

/// What a playbook's `defaults:` say.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Defaults {
    pub timeout: Option<f64>,
    pub retry: Option<Retry>,
}

/// A step, and the places in it that lint points at.
pub(super) struct Draft {
    pub id: Span,
    pub needs: Vec<Span>,
    pub on_failure: Option<Span>,
    pub checkpoint: Option<Span>,
    pub rollback: Option<Span>,
}

/// Where a step stands.
pub(super) enum Place<'a> {
    Main,
    Rollback {
        parent: &'a str,
        part: usize,
    },
    Probe {
        parent: &'a str,
    },
    /// A look of `identity` or `invariants`.
    Check {
        id: &'a str,
        invariant: bool,
    },
}

impl Place<'_> {
    fn words(&self) -> &'static Words {
        match self {
            Place::Main => &words::STEP,
            Place::Rollback { .. } => &words::ROLLBACK_STEP,
            Place::Probe { .. } => &words::PROBE,
            Place::Check { invariant: true, .. } => &words::INVARIANT,
            Place::Check { .. } => &words::CHECK,
        }
    }
}

pub(super) fn read_step(reader: &mut Reader<'_>, node: &Node, defaults: Defaults) -> Option<(Step, Draft)> {
    let step = read(reader, node, defaults, &Place::Main)?;
    let place = |key: &str| node.get(key).map(|node| node.span);
    let needs = places_of_needs(node);
    let draft = Draft {
        id: place("id").unwrap_or(node.span),
        needs,
        on_failure: place("on_failure"),
        checkpoint: place("checkpoint"),
        rollback: place("rollback"),
    };
    Some((step, draft))
}

/// Where each id of `needs` stands.
pub(super) fn places_of_needs(node: &Node) -> Vec<Span> {
    match node.get("needs") {
        Some(Node { kind: NodeKind::Sequence(items), .. }) => items.iter().map(|item| item.span).collect(),
        Some(node) => vec![node.span],
        None => Vec::new(),
    }
}

pub(super) fn read(reader: &mut Reader<'_>, node: &Node, defaults: Defaults, place: &Place<'_>) -> Option<Step> {
    let Some(entries) = node.entries() else {
        reader.wrong_form(node, "a step", "a mapping");
        return None;
    };
    check_keys(&mut reader.faults, entries, place.words());
    let id = read_id(reader, node, place);
    // A step whose action cannot be read is read on without one, so that its other faults are found too.
    let call = command::read_call(reader, node).unwrap_or_else(|| Call::unreadable(node.span));
    let specs = reader.specs;
    let spec = specs.get(&call.action);
    let name = id.as_ref().map_or("it", StepId::as_str).to_owned();
    let probe = match place {
        Place::Probe { .. } | Place::Check { .. } => None,
        _ => node.get("probe").and_then(|probe| read_probe(reader, probe, &name, &call, defaults)),
    };
    let effect = read_effect(reader, node, &call, spec, probe.is_some(), place);
    let optional = |key: &str| node.get(key);
    let text = |reader: &mut Reader<'_>, key: &str| optional(key).and_then(|node| reader.text(node, key));
    let title = text(reader, "name").unwrap_or_else(|| name.clone());
    check_misplaced(reader, node, &call, effect);
    idle::check(reader, node, &call, effect);
    let step = Step {
        span: node.span,
        group: None,
        title,
        condition: optional("if").and_then(|node| reader.expression(node, "if")),
        needs: read_needs(reader, node),
        require: read_require(reader, node),
        verify: read_verify(reader, node),
        ok_if: optional("ok_if").and_then(|node| reader.expression(node, "ok_if")),
        timeout: read_timeout(reader, node, defaults, spec),
        kill_on_timeout: optional("kill_on_timeout")
            .and_then(|node| reader.boolean(node, "kill_on_timeout"))
            .unwrap_or(false),
        retry: optional("retry")
            .and_then(|node| read_retry(reader, node))
            .or(defaults.retry.filter(|_| matches!(place, Place::Main)))
            .unwrap_or_default(),
        probe: probe.map(Box::new),
        settle: optional("settle")
            .and_then(|node| reader.duration(node, "settle", 0.0))
            .unwrap_or_else(|| spec.map_or(0.0, |spec| spec.settle_seconds)),
        key: optional("key").and_then(|node| reader.template(node, "key")),
        covers_partial: optional("covers")
            .and_then(|node| reader.word(node, "covers", &[("partial", true)]))
            .unwrap_or(false),
        checkpoint: text(reader, "checkpoint"),
        service: optional("service").and_then(|node| read_service(reader, node)),
        point_of_no_return: optional("point_of_no_return")
            .and_then(|node| reader.boolean(node, "point_of_no_return"))
            .unwrap_or(false),
        on_failure: optional("on_failure").and_then(|node| read_on_failure(reader, node)),
        outputs: optional("outputs").map(|node| command::read_outputs(reader, node)).unwrap_or_default(),
        approval: read_approval(reader, node),
        sensitive: optional("sensitive").and_then(|node| reader.boolean(node, "sensitive")).unwrap_or(false),
        rollback: Rollback::None { because: String::new() },
        action: call.action.clone(),
        arguments: call.arguments,
        effect,
        id: id?,
    };
    if !matches!(place, Place::Main) {
        return Some(step);
    }
    let rollback = read_rollback(reader, node, &step, spec, defaults);
    Some(Step { rollback, ..step })
}

/// Keys that have no meaning for what the step does.
fn check_misplaced(reader: &mut Reader<'_>, node: &Node, call: &Call, effect: Effect) {
    let is_command = matches!(call.action.as_str(), "cli" | "shell" | "ssh" | command::UNREADABLE);
    for key in ["ok_if", "outputs"] {
        if let (Some(node), false) = (node.get(key), is_command) {
            let message =
                format!("`{key}` is for commands (`run`, `argv`, `cli`), and this step uses `{}`", call.action);
            reader.faults.error("wrong-key", node.span, message, None);
        }
    }
    if let (Some(node), false) = (node.get("key"), effect == Effect::Keyed) {
        reader.faults.error("wrong-key", node.span, "`key` goes with `effect: keyed`", None);
    }
}

fn read_timeout(reader: &mut Reader<'_>, node: &Node, defaults: Defaults, spec: Option<&ActionSpec>) -> f64 {
    let given = node.get("timeout").and_then(|node| reader.duration(node, "timeout", 0.001));
    given.or(defaults.timeout).unwrap_or_else(|| spec.map_or(60.0, |spec| spec.timeout_seconds))
}

pub(super) fn read_service(reader: &mut Reader<'_>, node: &Node) -> Option<Service> {
    let words = [("up", Service::Up), ("degraded", Service::Degraded), ("down", Service::Down)];
    reader.word(node, "service", &words)
}

pub(super) fn read_id(reader: &mut Reader<'_>, node: &Node, place: &Place<'_>) -> Option<StepId> {
    let made = match place {
        Place::Main => None,
        Place::Rollback { parent, part } => Some(format!("{parent}_undo_{part}")),
        Place::Probe { parent } => Some(format!("{parent}_probe")),
        Place::Check { id, .. } => Some((*id).to_owned()),
    };
    let Some(given) = node.get("id") else {
        if let Some(made) = made {
            let short: String = made.chars().rev().take(64).collect::<Vec<_>>().into_iter().rev().collect();
            return short.trim_start_matches(|c: char| !c.is_ascii_lowercase()).parse().ok();
        }
        let help = Some("give it a short one, such as `id: promote`; the timeline and other steps name it".to_owned());
        reader.faults.error("missing-key", node.span, "a step needs an `id`", help);
        return None;
    };
    let text = reader.text(given, "id")?;
    if text == "undo" {
        let help = Some("the timeline calls the undo of a step so; name this one after what it does".to_owned());
        reader.faults.error("bad-name", given.span, "`undo` is no id", help);
        return None;
    }
    if !is_identifier(&text) {
        let help = "an id is a lower-case letter, then lower-case letters, digits and underscores (at most 64)";
        reader.faults.error("bad-name", given.span, format!("`{text}` is no id"), Some(help.to_owned()));
    }
    text.parse().ok()
}

fn read_probe(reader: &mut Reader<'_>, node: &Node, parent: &str, call: &Call, defaults: Defaults) -> Option<Probe> {
    if !is_open(&call.action) {
        return None;
    }
    let step = read(reader, node, defaults, &Place::Probe { parent });
    let Some(took) = node.get("took_effect") else {
        let help = Some("say what shows it, such as `took_effect: \"outputs.exit_code == 0\"`".to_owned());
        reader.faults.error("missing-key", node.span, "a probe needs `took_effect`", help);
        return None;
    };
    let took_effect = reader.expression(took, "took_effect");
    let did_not = node.get("did_not").and_then(|node| reader.expression(node, "did_not"));
    Some(Probe { step: step?, took_effect: took_effect?, did_not })
}

pub(super) fn read_needs(reader: &mut Reader<'_>, node: &Node) -> Vec<StepId> {
    let texts = node.get("needs").map(|node| reader.texts(node, "needs")).unwrap_or_default();
    let mut needs = Vec::new();
    for (text, span) in texts {
        match text.parse() {
            Ok(id) => needs.push(id),
            Err(error) => reader.faults.error("bad-name", span, format!("`needs`: {error}"), None),
        }
    }
    needs
}

fn read_require(reader: &mut Reader<'_>, node: &Node) -> Vec<super::Expression> {
    match node.get("require") {
        None => Vec::new(),
        Some(Node { kind: NodeKind::Sequence(items), .. }) => {
            items.iter().filter_map(|item| reader.expression(item, "require")).collect()
        }
        Some(node) => reader.expression(node, "require").into_iter().collect(),
    }
}

fn read_verify(reader: &mut Reader<'_>, node: &Node) -> Vec<Verify> {
    match node.get("verify") {
        None => Vec::new(),
        Some(Node { kind: NodeKind::Sequence(items), .. }) => {
            items.iter().filter_map(|item| read_one_verify(reader, item)).collect()
        }
        Some(node) => read_one_verify(reader, node).into_iter().collect(),
    }
}

fn read_one_verify(reader: &mut Reader<'_>, node: &Node) -> Option<Verify> {
    let Some(entries) = node.entries() else {
        return Some(Verify { expression: reader.expression(node, "verify")?, within: 0.0 });
    };
    check_keys(&mut reader.faults, entries, &words::VERIFY);
    let within = node.get("within").and_then(|node| reader.duration(node, "within", 0.0)).unwrap_or(0.0);
    let Some(expression) = node.get("expr") else {
        reader.faults.error("missing-key", node.span, "a verification needs an `expr`", None);
        return None;
    };
    Some(Verify { expression: reader.expression(expression, "verify")?, within })
}

pub(super) fn read_retry(reader: &mut Reader<'_>, node: &Node) -> Option<Retry> {
    let Some(entries) = node.entries() else {
        let help = Some("write `retry: {attempts: 3, delay: 2s}`".to_owned());
        reader.faults.error("wrong-form", node.span, "`retry` is a mapping", help);
        return None;
    };
    check_keys(&mut reader.faults, entries, &words::RETRY);
    let mut retry = Retry::default();
    if let Some(node) = node.get("attempts") {
        match reader.text(node, "attempts").and_then(|text| text.parse::<u32>().ok()) {
            Some(attempts @ 1..=1000) => retry.attempts = attempts,
            _ => reader.faults.error("out-of-range", node.span, "`attempts` counts all tries: 1 to 1000", None),
        }
    }
    if let Some(delay) = node.get("delay").and_then(|node| reader.duration(node, "delay", 0.0)) {
        retry.delay = delay;
    }
    if let Some(delay) = node.get("max_delay").and_then(|node| reader.duration(node, "max_delay", 0.0)) {
        retry.max_delay = delay;
    }
    if let Some(node) = node.get("backoff") {
        match reader.typed(node, "backoff", &crate::value::Type::Number).and_then(|value| value.as_f64()) {
            Some(backoff) if (1.0..=100.0).contains(&backoff) => retry.backoff = backoff,
            Some(_) => reader.faults.error("out-of-range", node.span, "`backoff` is 1 to 100", None),
            None => {}
        }
    }
    Some(retry)
}

pub(super) fn read_on_failure(reader: &mut Reader<'_>, node: &Node) -> Option<OnFailure> {
    let Some(entries) = node.entries() else {
        let text = reader.text(node, "on_failure")?;
        let found = match text.as_str() {
            "rollback" => Some(OnFailure::Rollback),
            "pause" => Some(OnFailure::Pause),
            "continue" => Some(OnFailure::Continue),
            _ => None,
        };
        if found.is_none() {
            let near = nearest(&text, ["rollback", "pause", "continue"]).or(match text.as_str() {
                "stop" | "abort" | "fail" | "wait" => Some("pause"),
                "ignore" | "skip" => Some("continue"),
                _ => None,
            });
            let help = near.map(|near| format!("did you mean `{near}`?"));
            let message = format!(
                "`on_failure` is rollback, pause, continue, {{rollback_to: CHECKPOINT}} or {{step: ID}}, not `{text}`"
            );
            reader.faults.error("unknown-word", node.span, message, help);
        }
        return found;
    };
    check_keys(&mut reader.faults, entries, &words::ON_FAILURE);
    match (node.get("rollback_to"), node.get("step")) {
        (Some(name), None) => reader.text(name, "rollback_to").map(OnFailure::RollbackTo),
        (None, Some(step)) => {
            let text = reader.text(step, "step")?;
            match text.parse() {
                Ok(id) => Some(OnFailure::Step(id)),
                Err(error) => {
                    reader.faults.error("bad-name", step.span, format!("`step`: {error}"), None);
                    None
                }
            }
        }
        _ => {
            reader.faults.error("wrong-form", node.span, "`on_failure` has `rollback_to` or `step`, one of them", None);
            None
        }
    }
}
