//! How a step is undone: by its action, by steps of its own, or not at all and why.

use crate::document::{Node, NodeKind};
use crate::spec::{ActionSpec, Effect, UndoSpec};

use super::effect::is_open;
use super::reader::Reader;
use super::step::{Defaults, Place, read};
use super::{Rollback, Step};

pub(super) fn read_rollback(
    reader: &mut Reader<'_>,
    node: &Node,
    step: &Step,
    spec: Option<&ActionSpec>,
    defaults: Defaults,
) -> Rollback {
    let because = node.get("because").and_then(|node| reader.text(node, "because"));
    let Some(given) = node.get("rollback") else {
        if let Some(node) = node.get("because") {
            reader.faults.error("wrong-key", node.span, "`because` goes with `rollback: none`", None);
        }
        return default_rollback(reader, node, step, spec);
    };
    match &given.kind {
        NodeKind::Scalar(scalar) if scalar.text == "none" => no_rollback(reader, given, because),
        NodeKind::Mapping(entries) if entries.len() == 1 && entries.iter().all(|entry| entry.key.value == "none") => {
            let because = given.get("none").and_then(|node| reader.text(node, "none")).or(because);
            no_rollback(reader, given, because)
        }
        NodeKind::Mapping(_) => Rollback::Steps(read_undo(reader, std::slice::from_ref(given), step, defaults)),
        NodeKind::Sequence(items) if !items.is_empty() => Rollback::Steps(read_undo(reader, items, step, defaults)),
        _ => {
            let help = Some("write `rollback: none` with `because: WHY`, or a list of steps".to_owned());
            reader.faults.error("wrong-form", given.span, "`rollback` is `none` or a list of steps", help);
            Rollback::None { because: String::new() }
        }
    }
}

fn no_rollback(reader: &mut Reader<'_>, node: &Node, because: Option<String>) -> Rollback {
    let because = because.filter(|text| !text.trim().is_empty()).unwrap_or_else(|| {
        let help = Some("add `because: WHY` to the step; whoever reads the timeline will ask".to_owned());
        reader.faults.error("missing-key", node.span, "`rollback: none` needs a reason", help);
        String::new()
    });
    Rollback::None { because }
}

fn default_rollback(reader: &mut Reader<'_>, node: &Node, step: &Step, spec: Option<&ActionSpec>) -> Rollback {
    let none = |because: &str| Rollback::None { because: because.to_owned() };
    if !step.effect.changes() {
        return none("it changes nothing");
    }
    match spec.map(|spec| spec.undo) {
        Some(UndoSpec::Restores { .. }) if !is_open(&step.action) => return Rollback::Action,
        Some(UndoSpec::Nothing) if !is_open(&step.action) => return none("there is nothing to undo"),
        Some(UndoSpec::Impossible(why)) if !is_open(&step.action) => {
            if !step.point_of_no_return {
                let help = "mark it `point_of_no_return: true`, undo it by a `rollback:` list, or say `rollback: none` with `because: WHY`";
                let message = format!("`{}` cannot be undone, so a rollback would stop half-way: {why}", step.id);
                let place = node.get("uses").map_or(node.span, |node| node.span);
                reader.faults.error("no-rollback", place, message, Some(help.to_owned()));
            }
            return none(why);
        }
        _ => {}
    }
    if step.point_of_no_return {
        return none("it is the point of no return");
    }
    // What the step does is unknown to us; where its action does not exist, that is said already.
    if spec.is_some() || matches!(step.action.as_str(), "shell" | "ssh") {
        let help = "add `rollback:` with the steps that undo it, or `rollback: none` with `because: WHY`; \
                    `effect: read` if it changes nothing";
        let place = ["run", "argv", "uses"].iter().find_map(|key| node.get(key)).map_or(node.span, |node| node.span);
        let message = format!("`{}` changes something and nothing says how that is undone", step.id);
        reader.faults.error("no-rollback", place, message, Some(help.to_owned()));
    }
    none("")
}

fn read_undo(reader: &mut Reader<'_>, nodes: &[Node], parent: &Step, defaults: Defaults) -> Vec<Step> {
    let mut steps = Vec::new();
    for (part, node) in nodes.iter().enumerate() {
        let place = Place::Rollback { parent: parent.id.as_str(), part };
        let Some(step) = read(reader, node, defaults, &place) else { continue };
        if step.effect == Effect::Once {
            let help = "say `effect: idempotent` if running it twice is the same as once, or give it a `probe`";
            let message = "an undo may be run again after a crash, and this one may run only once";
            reader.faults.error("rollback-not-repeatable", node.span, message, Some(help.to_owned()));
        }
        if let Some(require) = node.get("require").filter(|_| step.effect.changes()) {
            let help = "an undo must not wait for a wish: use `if` for whether it is needed, `verify` for what must hold after";
            let message = "`require` is not looked at before an undo that changes something";
            reader.faults.error("wrong-key", require.span, message, Some(help.to_owned()));
        }
        steps.push(step);
    }
    steps
}
