//! A list of steps as it is written → the flat list of a playbook's steps, with the groups around them: `parallel`,
//! `for_each` and nested playbooks.

use crate::diagnostic::Span;
use crate::document::{Node, NodeKind};
use crate::ids::StepId;
use crate::value::Type;

use super::brakes::read_approval;
use super::reader::Reader;
use super::step::{Defaults, Draft, read_id, read_needs, read_on_failure, read_service, read_step};
use super::words::{self, Words, check_keys};
use super::{Argument, Each, Expression, Group, GroupKind, List, Nested, Playbook, Step, cel, hosts};

/// A group, and the places in it that lint points at.
pub(super) struct GroupDraft {
    pub group: Group,
    pub id: Span,
    pub needs: Vec<Span>,
    pub on_failure: Option<Span>,
    pub checkpoint: Option<Span>,
}

/// What was read of a list of steps.
#[derive(Default)]
pub(super) struct Level {
    pub steps: Vec<Step>,
    /// As many, in the same order. Apart, as steps are large and are moved to nowhere else.
    pub drafts: Vec<Draft>,
    pub groups: Vec<GroupDraft>,
}

impl Level {
    /// The same of a playbook that has been read: all that is said of a step is said at its place.
    pub fn of(book: &Playbook, place: impl Fn(Span) -> Span) -> Self {
        let drafts = book.steps.iter().map(|step| {
            let id = place(step.span);
            let needs = vec![id; step.needs.len()];
            Draft { id, needs, on_failure: None, checkpoint: Some(id), rollback: Some(id) }
        });
        let groups = book.groups.iter().map(|group| {
            let id = place(group.span);
            let needs = vec![id; group.needs.len()];
            GroupDraft { group: group.clone(), id, needs, on_failure: None, checkpoint: Some(id) }
        });
        Self { steps: book.steps.clone(), drafts: drafts.collect(), groups: groups.collect() }
    }
}

/// Reads the steps of one list.
pub(super) fn read_level(
    reader: &mut Reader<'_>,
    items: &[Node],
    parent: Option<&StepId>,
    defaults: Defaults,
    level: &mut Level,
) {
    level.steps.reserve(items.len());
    level.drafts.reserve(items.len());
    for item in items {
        if item.get("parallel").is_some() {
            read_parallel(reader, item, parent, defaults, level);
        } else if item.get("for_each").is_some() {
            read_each(reader, item, parent, defaults, level);
        } else if item.get("uses").and_then(Node::scalar).is_some_and(|scalar| scalar.text == "playbook") {
            read_nested(reader, item, parent, level);
        } else if let Some((mut step, draft)) = read_step(reader, item, defaults) {
            only_with_for_each(reader, item);
            step.group = parent.cloned();
            let of = step.id.clone();
            level.steps.push(step);
            level.drafts.push(draft);
            read_forward(reader, item, &of, parent, defaults, level);
        }
    }
}

/// The steps that run only if a step fails for good, right behind it.
fn read_forward(
    reader: &mut Reader<'_>,
    node: &Node,
    of: &StepId,
    parent: Option<&StepId>,
    defaults: Defaults,
    level: &mut Level,
) {
    let Some(list) = node.get("forward") else { return };
    if let Some(policy) = node.get("on_failure") {
        let message = "a step that fails goes on by its `forward` steps, so there is nothing left for `on_failure`";
        reader.faults.error("wrong-key", policy.span, message, Some("leave one of the two out".to_owned()));
    }
    let (Some(items), Ok(id)) = (steps_of(reader, list, "forward"), format!("{of}_forward").parse::<StepId>()) else {
        return;
    };
    let group = Group {
        title: id.to_string(),
        id,
        span: list.span,
        parent: parent.cloned(),
        kind: GroupKind::Forward { of: of.clone() },
        condition: None,
        needs: Vec::new(),
        on_failure: None,
        checkpoint: None,
        service: None,
        approval: None,
        first: level.drafts.len(),
        count: 0,
    };
    level.groups.push(GroupDraft { group, id: list.span, needs: Vec::new(), on_failure: None, checkpoint: None });
    read_inner(reader, items, level.groups.len() - 1, defaults, level);
}

fn only_with_for_each(reader: &mut Reader<'_>, node: &Node) {
    for key in ["batch", "max_targets", "on_item_failure", "unreachable_at_plan", "steps"] {
        if let Some(given) = node.get(key) {
            let help = (key == "steps").then(|| "several steps at the same time are `parallel: [steps]`".to_owned());
            reader.faults.error("wrong-key", given.span, format!("`{key}` goes with `for_each`"), help);
        }
    }
}

fn read_parallel(reader: &mut Reader<'_>, node: &Node, parent: Option<&StepId>, defaults: Defaults, level: &mut Level) {
    let place = open(reader, node, parent, GroupKind::Parallel, &words::PARALLEL, level);
    let items = node.get("parallel").and_then(|list| steps_of(reader, list, "parallel"));
    if let (Some(place), Some(items)) = (place, items) {
        if let [_] = items {
            let message = "one step alone runs at the same time as nothing";
            reader.faults.warn("lonely-parallel", node.span, message, Some("write it as a step of its own".to_owned()));
        }
        read_inner(reader, items, place, defaults, level);
    }
}

fn read_each(reader: &mut Reader<'_>, node: &Node, parent: Option<&StepId>, defaults: Defaults, level: &mut Level) {
    let Some(each) = read_list(reader, node) else { return };
    if let Some(block) = node.get("steps") {
        let place = open(reader, node, parent, GroupKind::Each(Box::new(each)), &words::BLOCK, level);
        if let (Some(place), Some(items)) = (place, steps_of(reader, block, "steps")) {
            read_inner(reader, items, place, defaults, level);
        }
        return;
    }
    let nested = node.get("uses").and_then(Node::scalar).is_some_and(|scalar| scalar.text == "playbook");
    if nested {
        let help = "put it into a block: `for_each: …` with `steps: [{ id: …, uses: playbook, with: … }]`";
        let message = "a nested playbook that runs for each item stands in a block of steps";
        reader.faults.error("wrong-form", node.span, message, Some(help.to_owned()));
        return;
    }
    let Some((mut step, mut draft)) = read_step(reader, node, defaults) else { return };
    if let Some(forward) = node.get("forward") {
        let help = Some("put both into a block: `for_each: …` with `steps: [{ …, forward: […] }]`".to_owned());
        reader.faults.error("wrong-key", forward.span, "`forward` stands on a step inside of a block", help);
    }
    // What names the item is decided for each; else it is decided once, for the whole.
    let of_item = step.condition.as_ref().is_some_and(names_item);
    let condition = if of_item { None } else { step.condition.take() };
    let group = Group {
        id: step.id.clone(),
        span: node.span,
        title: step.title.clone(),
        parent: parent.cloned(),
        kind: GroupKind::Each(Box::new(each)),
        condition,
        needs: std::mem::take(&mut step.needs),
        on_failure: step.on_failure.take(),
        checkpoint: step.checkpoint.take(),
        service: step.service.take(),
        approval: step.approval.take(),
        first: level.drafts.len(),
        count: 1,
    };
    step.group = Some(step.id.clone());
    level.groups.push(GroupDraft {
        group,
        id: draft.id,
        needs: std::mem::take(&mut draft.needs),
        on_failure: draft.on_failure.take(),
        checkpoint: draft.checkpoint.take(),
    });
    level.steps.push(step);
    level.drafts.push(draft);
}

fn names_item(condition: &Expression) -> bool {
    cel::compile(&condition.source)
        .is_ok_and(|tree| cel::paths(&tree).iter().any(|path| ["item", "vars"].contains(&path.root.as_str())))
}

fn read_nested(reader: &mut Reader<'_>, node: &Node, parent: Option<&StepId>, level: &mut Level) {
    let Some(with) = node.get("with").filter(|with| with.entries().is_some()) else {
        let help = "write `with: { name: NAME, version: \"1.4\", inputs: { … } }`";
        let place = node.get("with").map_or(node.span, |with| with.span);
        let message = "a nested playbook needs to be told by its name and its version";
        reader.faults.error("missing-key", place, message, Some(help.to_owned()));
        return;
    };
    check_keys(&mut reader.faults, with.entries().unwrap_or_default(), &words::NESTED);
    let mut part = |key: &str, example: &str| match with.get(key) {
        Some(given) => reader.text(given, key).map(|text| (text, given.span)),
        None => {
            let help = Some(format!("write `{key}: {example}`"));
            reader.faults.error("missing-key", with.span, format!("a nested playbook needs its `{key}`"), help);
            None
        }
    };
    let (name, version) = (part("name", "db-failover"), part("version", "\"1.4\""));
    if let Some((name, span)) = name.as_ref().filter(|(name, _)| !super::load::is_playbook_name(name)) {
        reader.faults.error("bad-name", *span, format!("`{name}` is no name of a playbook"), None);
    }
    if let Some((version, span)) = version.as_ref().filter(|(version, _)| !super::load::is_version(version)) {
        let help = Some("numbers with dots between them, such as `\"1.4\"`; a nested playbook is pinned".to_owned());
        reader.faults.error("bad-version", *span, format!("`{version}` is no version"), help);
    }
    let given = with.get("inputs").map(|inputs| read_given(reader, inputs)).unwrap_or_default();
    let (Some((playbook, _)), Some((version, _))) = (name, version) else { return };
    let nested = Nested { playbook, version, digest: None, inputs: Vec::new(), given, locks: Vec::new() };
    if let Some(place) = open(reader, node, parent, GroupKind::Nested(Box::new(nested)), &words::CALL, level) {
        close(level, place);
    }
}

fn read_given(reader: &mut Reader<'_>, node: &Node) -> Vec<(String, Argument)> {
    let Some(entries) = node.entries() else {
        reader.wrong_form(node, "inputs", "a mapping from the inputs of the nested playbook to values");
        return Vec::new();
    };
    entries
        .iter()
        .filter_map(|entry| {
            let argument = reader.argument(&entry.value, &entry.key.value, &Type::Any)?;
            Some((entry.key.value.clone(), argument))
        })
        .collect()
}

/// A group whose steps are still to be read; its place among the groups.
fn open(
    reader: &mut Reader<'_>,
    node: &Node,
    parent: Option<&StepId>,
    kind: GroupKind,
    words: &Words,
    level: &mut Level,
) -> Option<usize> {
    check_keys(&mut reader.faults, node.entries().unwrap_or_default(), words);
    let id = read_id(reader, node, &super::step::Place::Main)?;
    let get = |key: &str| node.get(key);
    let group = Group {
        span: node.span,
        title: get("name").and_then(|node| reader.text(node, "name")).unwrap_or_else(|| id.to_string()),
        parent: parent.cloned(),
        kind,
        condition: get("if").and_then(|node| reader.expression(node, "if")),
        needs: read_needs(reader, node),
        on_failure: get("on_failure").and_then(|node| read_on_failure(reader, node)),
        checkpoint: get("checkpoint").and_then(|node| reader.text(node, "checkpoint")),
        service: get("service").and_then(|node| read_service(reader, node)),
        approval: read_approval(reader, node),
        first: level.drafts.len(),
        count: 0,
        id,
    };
    level.groups.push(GroupDraft {
        group,
        id: get("id").map_or(node.span, |node| node.span),
        needs: super::step::places_of_needs(node),
        on_failure: get("on_failure").map(|node| node.span),
        checkpoint: get("checkpoint").map(|node| node.span),
    });
    Some(level.groups.len() - 1)
}

fn read_inner(reader: &mut Reader<'_>, items: &[Node], place: usize, defaults: Defaults, level: &mut Level) {
    let Some(id) = level.groups.get(place).map(|draft| draft.group.id.clone()) else { return };
    read_level(reader, items, Some(&id), defaults, level);
    close(level, place);
}

fn close(level: &mut Level, place: usize) {
    let end = level.drafts.len();
    if let Some(draft) = level.groups.get_mut(place) {
        draft.group.count = end - draft.group.first;
    }
}

fn steps_of<'n>(reader: &mut Reader<'_>, list: &'n Node, key: &str) -> Option<&'n [Node]> {
    match list.items() {
        Some(items) if !items.is_empty() => Some(items),
        Some(_) => {
            reader.faults.error("wrong-form", list.span, format!("`{key}` has at least one step"), None);
            None
        }
        None => {
            reader.wrong_form(list, key, "a list of steps");
            None
        }
    }
}

/// The list of a `for_each`, and how it is gone over.
fn read_list(reader: &mut Reader<'_>, node: &Node) -> Option<Each> {
    let given = node.get("for_each")?;
    let list = match &given.kind {
        NodeKind::Mapping(entries) if entries.iter().any(|entry| entry.key.value == "hosts") => {
            check_keys(&mut reader.faults, entries, &words::HOSTS);
            hosts::read(reader, given.get("hosts")?)?
        }
        NodeKind::Mapping(entries) if !entries.iter().any(|entry| entry.key.value == "expr") => {
            let help = "write `for_each: { hosts: web }` for hosts of the inventory, `\"{{inputs.list}}\"`, a list \
                        `[a, b]` or `{ expr: … }`; how many at a time is told by `batch: { size: 2 }`";
            reader.faults.error("wrong-form", given.span, "`for_each` is the list itself", Some(help.to_owned()));
            return None;
        }
        NodeKind::Sequence(items) if items.is_empty() => {
            reader.faults.error("wrong-form", given.span, "the list of `for_each` is empty", None);
            return None;
        }
        // One text could be meant as a list of one, as `a,b`, or as the name of an input: none of it is guessed.
        NodeKind::Scalar(scalar) if !super::template::is_template(&scalar.text) => {
            let help = format!(
                "write a list, `[{0}]`, or name one, `\"{{{{inputs.list}}}}\"`; where it is a host or a group of the inventory: \
                 `{{ hosts: {0} }}`",
                scalar.text
            );
            reader.faults.error("wrong-form", given.span, "`for_each` goes over a list, not a text", Some(help));
            return None;
        }
        _ => List::Values(reader.argument(given, "for_each", &Type::List(Box::new(Type::Any)))?),
    };
    let mut each = super::batch::read(reader, node, list);
    each.max_targets = node.get("max_targets").and_then(|node| count(reader, node, "max_targets", 1));
    check_written(reader, given, each.max_targets);
    Some(each)
}

/// A list that is written out is known already, so that a run need not be the first to refuse it.
fn check_written(reader: &mut Reader<'_>, list: &Node, most: Option<u32>) {
    let Some(items) = list.items() else { return };
    if let Some(most) = most.filter(|most| items.len() > *most as usize) {
        let message = format!("the list of `for_each` has {} items, and `max_targets` allows {most}", items.len());
        reader.faults.error("wrong-form", list.span, message, None);
    }
    let mut seen = std::collections::BTreeSet::new();
    for item in items {
        let Some(scalar) = item.scalar() else { continue };
        if !super::template::is_template(&scalar.text) && !seen.insert((&scalar.text, scalar.plain)) {
            let message = format!("the list of `for_each` names `{}` twice", scalar.text);
            reader.faults.error("wrong-form", item.span, message, None);
        }
    }
}

/// A whole number of things.
pub(super) fn count(reader: &mut Reader<'_>, node: &Node, what: &str, least: u32) -> Option<u32> {
    let text = reader.text(node, what)?;
    match text.parse::<u32>() {
        Ok(number) if (least..=10_000).contains(&number) => Some(number),
        _ => {
            let message = format!("`{what}` is a whole number from {least} to 10000, not `{text}`");
            reader.faults.error("out-of-range", node.span, message, None);
            None
        }
    }
}
