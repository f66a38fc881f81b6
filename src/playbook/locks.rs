//! Whether a playbook locks what its steps change: two runs that meet there would undo each other. It warns, it never refuses:
//! what a command changes, nobody can tell from its text.

use crate::diagnostic::Span;
use crate::spec::{ActionSpec, Specs};
use crate::value::Value;

use super::faults::Faults;
use super::index::Groups;
use super::{Argument, Group, List, Playbook, Step};

/// Warns of what is changed and not locked.
pub(super) fn check(faults: &mut Faults, playbook: &Playbook, groups: &Groups<'_>, places: &[Span], specs: &Specs) {
    let held: Vec<String> = playbook.locks.iter().map(|lock| bare(&lock.source)).collect();
    for (step, place) in playbook.steps.iter().zip(places).filter(|(step, _)| step.effect.changes()) {
        let Some(resource) = specs.get(&step.action).and_then(|spec| resource_of(step, spec)) else {
            continue;
        };
        let Some(missing) = not_held(groups, step, &resource, &held) else { continue };
        let (message, help) = match missing {
            Missing::This(resource) => (
                format!("step `{}` changes {resource}, which the playbook does not lock", step.id),
                format!("add \"{resource}\" to `locks:`, so that two runs do not meet there"),
            ),
            Missing::Kind(kind) => (
                format!("step `{}` changes a {kind} for each item, and the playbook locks no {kind}", step.id),
                format!(
                    "locks are taken before there are items: lock what stands for all of them, such as \
                     \"{kind}/{{{{inputs.cluster}}}}\", or write the list out and lock each"
                ),
            ),
        };
        faults.warn("missing-lock", *place, message, Some(help));
    }
}

/// What of a resource is not locked. One that names the item is as many as there are items.
fn not_held(groups: &Groups<'_>, step: &Step, resource: &str, held: &[String]) -> Option<Missing> {
    let this = bare(resource);
    if held.contains(&this) {
        return None;
    }
    let each = groups.around(step.group.as_ref()).find_map(Group::each);
    let Some(each) = each.filter(|_| this.contains("{{item}}") || this.contains("{{item.")) else {
        return Some(Missing::This(resource.to_owned()));
    };
    match &each.list {
        List::Values(Argument::Literal(Value::Array(items))) if this.contains("{{item}}") => {
            let mut all = items.iter().filter_map(Value::as_str).map(|item| this.replace("{{item}}", item));
            all.find(|one| !held.contains(one)).map(Missing::This)
        }
        _ => {
            let kind = resource.split('/').next().unwrap_or(resource);
            let any = held.iter().any(|lock| lock.split('/').next() == Some(kind));
            (!any).then(|| Missing::Kind(kind.to_owned()))
        }
    }
}

/// What is not locked.
enum Missing {
    /// A resource.
    This(String),
    /// All of a kind, whose names are not known beforehand.
    Kind(String),
}

/// A text without its spaces: `{{ x }}` and `{{x}}` are one.
fn bare(text: &str) -> String {
    text.split_whitespace().collect()
}

/// The resource that a step changes, as a lock would be written; `None` where that cannot be said beforehand.
fn resource_of(step: &Step, spec: &ActionSpec) -> Option<String> {
    let mut rest = spec.resource?;
    let mut text = String::new();
    while let Some((before, tail)) = rest.split_once('{') {
        let (name, after) = tail.split_once('}')?;
        text.push_str(before);
        let given = step.arguments.iter().find(|(known, _)| known == name).map(|(_, argument)| argument);
        match given {
            Some(Argument::Literal(Value::String(value))) => text.push_str(value),
            Some(Argument::Template(template)) => text.push_str(&template.source),
            Some(_) => return None,
            None => text.push_str(spec.input(name)?.default.as_ref()?.as_str()?),
        }
        rest = after;
    }
    text.push_str(rest);
    Some(text)
}
