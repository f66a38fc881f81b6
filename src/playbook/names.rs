//! What an expression or template may name at one place of a playbook, and of which type it is.

mod fields;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::value::{Type, Value};

pub(super) use fields::{Fields, Kind};

use super::cel::{Part, Path};
use super::index::Groups;
use super::{Argument, Each, Expression, Group, GroupKind, InputSpec, List, Step};
use crate::diagnostic::nearest;
use crate::ids::StepId;

/// A step, as the others see it.
pub(super) struct Seen<'a> {
    pub step: &'a Step,
    pub fields: Fields,
}

/// Where an expression stands, and which groups there are.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub groups: &'a Groups<'a>,
    /// The innermost group around it.
    pub inside: Option<&'a StepId>,
    /// How many steps come before it.
    pub before: usize,
    /// How many groups do: nested playbooks have no steps yet, so several of them may stand at one place.
    pub earlier: usize,
}

/// What may be named at one place.
pub(super) struct Names<'a> {
    pub inputs: &'a [InputSpec],
    pub steps: &'a [Seen<'a>],
    pub around: Around<'a>,
    /// All steps of the playbook and their places: one that comes later is another fault than one that does not exist.
    pub all: &'a BTreeMap<&'a str, usize>,
    /// `None` where there are none yet.
    pub outputs: Option<Fields>,
    pub facts: Option<Fields>,
    /// Why `outputs` or `facts` cannot be named here, as a sentence's end.
    pub why_not: &'static str,
    /// Whether `run.alerts` may be named: it is looked at while a verification waits, and nowhere else.
    pub alerts: bool,
    /// The inputs that were named.
    pub used: &'a RefCell<BTreeSet<String>>,
}

/// What a path leads to.
pub(super) struct Target<'a> {
    pub kind: Kind,
    pub declared: Option<Type>,
    /// What may be skipped, so that it is not there then.
    pub may_be_skipped: Option<Guard<'a>>,
}

/// A step or group that runs only if something holds.
#[derive(Clone, Copy)]
pub(super) struct Guard<'a> {
    pub id: &'a StepId,
    pub condition: &'a Expression,
}

/// Why a path leads nowhere.
pub(super) struct Wrong {
    pub code: &'static str,
    pub message: String,
    pub help: Option<String>,
}

fn wrong(code: &'static str, message: String, help: Option<String>) -> Wrong {
    Wrong { code, message, help }
}

fn target<'a>(declared: Type) -> Target<'a> {
    Target { kind: Kind::of(&declared), declared: Some(declared), may_be_skipped: None }
}

fn map<'a>() -> Target<'a> {
    Target { kind: Kind::Map, declared: None, may_be_skipped: None }
}

impl<'a> Names<'a> {
    /// Finds what a path leads to.
    pub fn resolve(&self, path: &Path) -> Result<Target<'a>, Wrong> {
        match path.root.as_str() {
            "inputs" => self.input(path),
            "steps" => self.step(path),
            "outputs" => self.own(path, self.outputs.as_ref()),
            "facts" => self.own(path, self.facts.as_ref()),
            "run" => match path.name(0) {
                None if path.parts.is_empty() => Ok(map()),
                Some("id" | "playbook" | "version") => below(target(Type::Identifier), path, 1),
                Some("incident") => below(target(Type::String), path, 1),
                Some("alerts") if self.alerts => below(target(Type::String), path, 1),
                Some("alerts") => {
                    let help = Some("it may stand in `verify`, which waits for it: run.alerts != 'firing'".to_owned());
                    Err(wrong("unknown-name", format!("`{path}` is not known here"), help))
                }
                _ => {
                    let help = Some("there are run.id, run.playbook, run.version and run.incident".to_owned());
                    Err(wrong("unknown-name", format!("there is no `{path}`"), help))
                }
            },
            "item" => self.item(path),
            "vars" => self.vars(path),
            other => {
                let roots = ["inputs", "steps", "outputs", "facts", "run", "item", "vars"];
                let help = if self.inputs.iter().any(|input| input.name == other) {
                    format!("did you mean `inputs.{other}`?")
                } else if self.all.contains_key(other) {
                    format!("did you mean `steps.{other}.outputs`?")
                } else {
                    nearest(other, roots).map_or_else(
                        || "a name begins with inputs, steps, outputs, facts or run".to_owned(),
                        |near| format!("did you mean `{near}`?"),
                    )
                };
                Err(wrong("unknown-name", format!("there is no `{other}`"), Some(help)))
            }
        }
    }

    fn input(&self, path: &Path) -> Result<Target<'a>, Wrong> {
        let Some(name) = path.name(0) else {
            // All inputs at once: none of them can be called unused.
            self.used.borrow_mut().extend(self.inputs.iter().map(|input| input.name.clone()));
            return Ok(map());
        };
        self.used.borrow_mut().insert(name.to_owned());
        match self.inputs.iter().find(|input| input.name == name) {
            Some(input) => below(target(input.kind.clone()), path, 1),
            None => {
                let help = nearest(name, self.inputs.iter().map(|input| input.name.as_str()))
                    .map(|near| format!("did you mean `inputs.{near}`?"))
                    .or_else(|| Some("declare it under `inputs:`".to_owned()));
                Err(wrong("unknown-input", format!("there is no input `{name}`"), help))
            }
        }
    }

    /// The item of the `for_each` around the place.
    fn item(&self, path: &Path) -> Result<Target<'a>, Wrong> {
        let Some(each) = self.around.groups.each_around(self.around.inside) else {
            let help = Some("`item` is what a `for_each` has in hand; this step has none around it".to_owned());
            return Err(wrong("unknown-name", "there is no `item` here".to_owned(), help));
        };
        let declared = each.each().and_then(|each| self.item_type(each)).unwrap_or(Type::Any);
        below(target(declared), path, 0)
    }

    /// A variable of the host in hand. Which ones there are, the inventory says when the plan is made; none of them has a
    /// declared type, so that none becomes part of a command line.
    fn vars(&self, path: &Path) -> Result<Target<'a>, Wrong> {
        let each = self.around.groups.each_around(self.around.inside).and_then(Group::each);
        if !each.is_some_and(|each| each.list.is_of_hosts()) {
            let message = "there is no `vars` here".to_owned();
            let help = "`vars` are the inventory's variables of the host that a `for_each: { hosts: … }` has in hand";
            return Err(wrong("unknown-name", message, Some(help.to_owned())));
        }
        if path.parts.is_empty() { Ok(map()) } else { Ok(target(Type::Any)) }
    }

    /// The type of the items, where the list is an input or written out.
    fn item_type(&self, each: &Each) -> Option<Type> {
        let values = match &each.list {
            List::Hosts(_) => return Some(Type::Reference("host".to_owned())),
            List::Values(values) => values,
        };
        let path = match values {
            Argument::Template(template) => template.source.trim().strip_prefix("{{")?.strip_suffix("}}")?,
            Argument::Computed(expression) => expression.source.as_str(),
            Argument::Literal(Value::Array(items)) => return type_of_all(items),
            _ => return None,
        };
        let name = path.trim().strip_prefix("inputs.")?;
        match &self.inputs.iter().find(|input| input.name == name)?.kind {
            Type::List(item) => Some((**item).clone()),
            _ => None,
        }
    }

    /// A group that is over, as later steps see it.
    fn group(&self, group: &'a Group, path: &Path) -> Result<Target<'a>, Wrong> {
        let (name, known): (&str, &[&str]) = match &group.kind {
            GroupKind::Parallel => ("a group of parallel steps", &["outcome"]),
            GroupKind::Forward { .. } => ("a way forward", &["outcome"]),
            GroupKind::Each(_) => ("a `for_each`", &["outcome", "items", "done", "failed", "excluded"]),
            GroupKind::Nested(_) => ("a nested playbook", &["outcome", "steps"]),
        };
        let guard = self.guard(group.condition.as_ref().map(|condition| (&group.id, condition)), group.parent.as_ref());
        match path.name(1) {
            None if path.parts.len() == 1 => Ok(map()),
            Some("outcome") => below(target(Type::Identifier), path, 2),
            // What is in hand of an item, or the item itself.
            Some(part @ ("done" | "failed" | "excluded")) if known.contains(&part) => {
                let item = group.each().and_then(|each| self.item_type(each)).unwrap_or(Type::Any);
                below(Target { may_be_skipped: guard, ..target(Type::List(Box::new(item))) }, path, 2)
            }
            Some(part) if known.contains(&part) && path.parts.len() == 2 && part != "steps" => {
                Ok(Target { may_be_skipped: guard, ..target(Type::List(Box::new(Type::Any))) })
            }
            // What is in a list, or in another playbook, is not known by the text of this one.
            Some(part) if known.contains(&part) => Ok(Target { may_be_skipped: guard, ..target(Type::Any) }),
            _ => {
                let id = group.id.local();
                let all: Vec<String> = known.iter().map(|part| format!("steps.{id}.{part}")).collect();
                let help = Some(format!("of {name} there are {}", all.join(", ")));
                Err(wrong("unknown-name", format!("there is no `{path}`"), help))
            }
        }
    }

    /// What may be skipped of a step or group, with the groups around it that are not around this place too.
    fn guard(&self, own: Option<(&'a StepId, &'a Expression)>, inside: Option<&StepId>) -> Option<Guard<'a>> {
        let groups = self.around.groups;
        let ours = |group: &Group| groups.around(self.around.inside).any(|mine| mine.id == group.id);
        let around = groups.around(inside).take_while(|group| !ours(group));
        let around = around.filter_map(|group| Some((&group.id, group.condition.as_ref()?)));
        own.into_iter().chain(around).map(|(id, condition)| Guard { id, condition }).next()
    }

    /// Why the outputs of an earlier step cannot be named here, if they cannot.
    fn hidden(&self, step: &Step) -> Option<Wrong> {
        let groups = self.around.groups;
        let mine: Vec<&StepId> = groups.around(self.around.inside).map(|group| &group.id).collect();
        let common = groups.around(step.group.as_ref()).find(|group| mine.contains(&&group.id));
        if common.is_some_and(|group| group.kind == GroupKind::Parallel) {
            let message =
                format!("step `{}` runs at the same time as this one, so nothing of it is known here", step.id);
            return Some(wrong("parallel-sibling", message, Some("move this step behind the group".to_owned())));
        }
        let forward = groups.around(step.group.as_ref()).find_map(|group| match &group.kind {
            GroupKind::Forward { of } if !mine.contains(&&group.id) => Some(of),
            _ => None,
        });
        if let Some(of) = forward {
            let message = format!("step `{}` runs only if `{of}` fails, so mostly there is nothing of it", step.id);
            let help = format!("ask `steps.{of}.outcome` instead");
            return Some(wrong("inside-forward", message, Some(help)));
        }
        let each = groups.each_around(step.group.as_ref()).filter(|each| !mine.contains(&&each.id))?;
        let message = format!("step `{}` runs for each item of `{}`, and this is outside of it", step.id, each.id);
        let help = format!("name what became of all: steps.{0}.items, steps.{0}.done, steps.{0}.failed", each.id);
        Some(wrong("inside-for-each", message, Some(help)))
    }

    fn step(&self, path: &Path) -> Result<Target<'a>, Wrong> {
        let Some(name) = path.name(0) else { return Ok(map()) };
        let group = self.around.groups.get(name);
        let over = |group: &&Group| {
            let mut around = self.around.groups.around(self.around.inside);
            group.first + group.count <= self.around.before
                && self.around.groups.number(name) < self.around.earlier
                && !around.any(|outer| outer.id == group.id)
        };
        if let Some(group) = group.filter(over) {
            return self.group(group, path);
        }
        let Some(seen) = self.all.get(name).and_then(|place| self.steps.get(*place)) else {
            if self.all.contains_key(name) || group.is_some() {
                let message = format!("step `{name}` has not run yet here");
                let help = Some("only the outputs of earlier steps can be named; its own are `outputs`".to_owned());
                return Err(wrong("later-step", message, help));
            }
            let groups = self.around.groups.ids();
            let help =
                nearest(name, self.all.keys().copied().chain(groups)).map(|near| format!("did you mean `{near}`?"));
            return Err(wrong("unknown-step", format!("there is no step `{name}`"), help));
        };
        if let Some(hidden) = self.hidden(seen.step) {
            return Err(hidden);
        }
        match path.name(1) {
            None if path.parts.len() == 1 => Ok(map()),
            Some("outcome") => below(target(Type::Identifier), path, 2),
            Some("outputs") if path.parts.len() == 2 => Ok(map()),
            Some("outputs") => {
                let mut found = field(&seen.fields, path, 2, &format!("step `{name}`"))?;
                let own = seen.step.condition.as_ref().map(|condition| (&seen.step.id, condition));
                found.may_be_skipped = self.guard(own, seen.step.group.as_ref());
                Ok(found)
            }
            _ => {
                let part = path.parts.get(1).map(|part| match part {
                    Part::Name(name) => name.clone(),
                    Part::Index(index) => index.to_string(),
                });
                let part = part.unwrap_or_default();
                let help = Some(format!("did you mean `steps.{name}.outputs.{part}`?"));
                let message = format!("a step has `outputs` and `outcome`, and no `{part}`");
                Err(wrong("unknown-name", message, help))
            }
        }
    }

    fn own(&self, path: &Path, fields: Option<&Fields>) -> Result<Target<'a>, Wrong> {
        let Some(fields) = fields else {
            let message = format!("`{}` cannot be named here: {}", path.root, self.why_not);
            return Err(wrong("not-here", message, None));
        };
        if path.parts.is_empty() {
            return Ok(map());
        }
        field(fields, path, 0, "the action")
    }
}

/// What all items of a list are, if they are one thing.
fn type_of_all(items: &[Value]) -> Option<Type> {
    let all = |kind: &Type| {
        let is = |item: &Value| kind.parse(item.as_str().unwrap_or("")).is_ok();
        items.iter().all(is)
    };
    if items.iter().all(|item| item.as_i64().is_some()) {
        return Some(Type::Integer);
    }
    [Type::Identifier, Type::String].into_iter().find(|kind| items.iter().all(Value::is_string) && all(kind))
}

fn field<'a>(fields: &Fields, path: &Path, place: usize, owner: &str) -> Result<Target<'a>, Wrong> {
    let Some(name) = path.name(place) else { return Ok(map()) };
    if let Some((_, kind)) = fields.list.iter().find(|(known, _)| known == name) {
        return below(target(kind.clone()), path, place + 1);
    }
    if fields.open {
        return Ok(target(Type::Any));
    }
    let names = || fields.list.iter().map(|(known, _)| known.as_str());
    let what = if path.root == "facts" { "fact" } else { "output" };
    let help = match nearest(name, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if fields.list.is_empty() => format!("it has no {what}s"),
        None => format!("there are {}", names().collect::<Vec<_>>().join(", ")),
    };
    Err(wrong("unknown-output", format!("{owner} has no {what} `{name}`"), Some(help)))
}

/// Goes on into a value: into a list by an index, into what JSON brings anywhere, into nothing else.
fn below<'a>(from: Target<'a>, path: &Path, place: usize) -> Result<Target<'a>, Wrong> {
    match (path.parts.get(place), &from.declared) {
        (None, _) | (Some(_), None) => Ok(from),
        (Some(_), Some(Type::Any)) => Ok(target(Type::Any)),
        (Some(Part::Index(_)), Some(Type::List(item))) => below(target(item.as_ref().clone()), path, place + 1),
        (Some(_), Some(declared)) => {
            let message = format!("`{}` is a {declared} and has no parts", path.head(place));
            Err(wrong("unknown-name", message, None))
        }
    }
}
