//! What of a group of steps is compared when two playbooks are. A `for_each` around one step is a part of that step, as it
//! is written: it is no thing of its own.

use super::super::{Each, Group, GroupKind, OnItemFailure, Playbook, Step};
use super::brakes::of_approval;
use crate::value::format_seconds;

use super::{Fields, of_argument, of_failure, of_step};

/// A step, with where it stands.
pub(super) fn in_its_group(book: &Playbook, step: &Step) -> Fields {
    let mut fields = of_step(step);
    let Some(group) = step.group.as_ref().and_then(|id| book.group(id)) else { return fields };
    let own = group.id == step.id;
    if own {
        fields.extend(said(group));
    }
    let around = if own { group.parent.as_ref() } else { Some(&group.id) };
    fields.extend(around.map(|id| ("in".to_owned(), id.to_string())));
    fields
}

/// The groups that are things of their own.
pub(super) fn groups(book: &Playbook) -> Vec<(String, Fields)> {
    let alone = |group: &&Group| book.step(&group.id).is_none();
    let fields = |group: &Group| {
        let mut fields = vec![("name".to_owned(), group.title.clone())];
        fields.extend(said(group));
        fields.extend(group.parent.as_ref().map(|id| ("in".to_owned(), id.to_string())));
        fields
    };
    book.groups.iter().filter(alone).map(|group| (group.id.to_string(), fields(group))).collect()
}

fn of_each(each: &Each, add: &mut dyn FnMut(&str, Option<String>)) {
    let Each { sizes, max_failures, max_targets, checkpoint, pause, min_healthy, spread, .. } = each;
    let sizes: Vec<String> = sizes.iter().map(ToString::to_string).collect();
    add("batch.size", Some(sizes.join(", ")));
    add("batch.max_failures", Some(max_failures.to_string()));
    add("batch.pause", (*pause > 0.0).then(|| format_seconds(*pause)));
    add("batch.min_healthy", min_healthy.as_ref().map(ToString::to_string));
    add("batch.spread", spread.clone());
    add("batch.checkpoint", checkpoint.clone());
    let rolls_back = each.on_item_failure != OnItemFailure::default();
    let unreachable = each.unreachable.as_ref();
    add("unreachable_at_plan.exclude", unreachable.map(|unreachable| unreachable.exclude.to_string()));
    add("unreachable_at_plan.max", unreachable.map(|unreachable| unreachable.max.to_string()));
    add("on_item_failure", rolls_back.then(|| each.on_item_failure.word().to_owned()));
    add("max_targets", max_targets.map(|most| most.to_string()));
}

fn said(group: &Group) -> Fields {
    let mut fields = Vec::new();
    let mut add = |name: &str, text: Option<String>| fields.extend(text.map(|text| (name.to_owned(), text)));
    match &group.kind {
        GroupKind::Parallel => add("parallel", Some("its steps run at the same time".to_owned())),
        GroupKind::Forward { of } => add("forward", Some(format!("only if {of} fails"))),
        GroupKind::Each(each) => {
            let over = if each.list.is_of_hosts() { "for_each.hosts" } else { "for_each" };
            add(over, Some(of_argument(each.list.argument())));
            of_each(each, &mut add);
        }
        GroupKind::Nested(nested) => {
            add("uses", Some("playbook".to_owned()));
            add("with.name", Some(nested.playbook.clone()));
            add("with.version", Some(nested.version.clone()));
            add("digest", nested.digest.as_ref().map(ToString::to_string));
            for (name, argument) in &nested.given {
                add(&format!("with.inputs.{name}"), Some(of_argument(argument)));
            }
        }
    }
    add("if", group.condition.as_ref().map(|condition| condition.source.clone()));
    group.needs.iter().for_each(|id| add("needs", Some(id.to_string())));
    add("checkpoint", group.checkpoint.clone());
    add("service", group.service.map(|service| service.word().to_owned()));
    add("on_failure", group.on_failure.as_ref().map(of_failure));
    fields.extend(of_approval(group.approval.as_ref()));
    fields
}
