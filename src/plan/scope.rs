//! What the expressions and templates at one place of a playbook may name: the inputs of the playbook that they are written
//! in (which may be a nested one), the steps before them, the item of the `for_each` around them. Plans and runs bring what
//! is known; which of it can be named is decided here, once.

use crate::ids::{ItemId, StepId};
use crate::playbook::{Child, Group, Playbook, Scope, bind_nested, named_in, resolve_arguments, said_by};
use crate::value::{Value, unknown};

/// What is known of steps, groups and items.
pub trait Known {
    /// `{outputs, outcome}` of a step, if anything is known of it.
    fn step(&self, step: &StepId, item: Option<&ItemId>) -> Option<Value>;

    /// The same of a group: `{outcome}`, and of a `for_each` its `items`.
    fn group(&self, group: &Group, item: Option<&ItemId>) -> Option<Value>;

    /// What an item of a `for_each` is.
    fn item(&self, each: &StepId, item: &ItemId) -> Option<Value>;

    /// The variables of an item, where it is a host of the inventory.
    fn vars(&self, each: &StepId, item: &ItemId) -> Option<Value>;
}

/// A place of a playbook.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The innermost group around it.
    pub group: Option<&'a StepId>,
    /// The nested playbook in which it is written.
    pub frame: Option<&'a str>,
    /// The item of the `for_each` around it.
    pub item: Option<&'a ItemId>,
}

impl<'a> Place<'a> {
    /// Where a step stands.
    pub fn of_step(step: &'a crate::playbook::Step, item: Option<&'a ItemId>) -> Self {
        Self { group: step.group.as_ref(), frame: step.id.frame(), item }
    }

    /// Where a group stands: its own condition and list are written outside of it.
    pub fn of_group(group: &'a Group, item: Option<&'a ItemId>) -> Self {
        Self { group: group.parent.as_ref(), frame: group.id.frame(), item }
    }
}

/// What can be named at a place by a text (`Step::said`); without what belongs to a step itself.
///
/// # Errors
/// When a nested playbook is given what it cannot take.
pub fn scope_at(
    book: &Playbook,
    inputs: &Value,
    run: &Value,
    place: Place<'_>,
    said: &str,
    known: &dyn Known,
) -> Result<Scope, String> {
    let each = book.each_around(place.group);
    let item = match (each, place.item) {
        (None, _) => Value::Null,
        (Some(each), item) => item
            .and_then(|item| known.item(&each.id, item))
            .unwrap_or_else(|| unknown(format!("an item of {}, whose list is not known yet", each.id))),
    };
    let vars = match each.filter(|group| group.each().is_some_and(|each| each.list.is_of_hosts())) {
        None => Value::Null,
        Some(each) => place
            .item
            .and_then(|item| known.vars(&each.id, item))
            .unwrap_or_else(|| unknown(format!("the variables of a host of {}, which is not known yet", each.id))),
    };
    let inputs = match place.frame {
        None => inputs.clone(),
        Some(frame) => nested_inputs(book, inputs, run, frame, place.item, known)?,
    };
    Ok(Scope {
        inputs,
        steps: steps(book, place, each, said, known),
        outputs: Value::Null,
        facts: Value::Null,
        run: run.clone(),
        item,
        vars,
    })
}

/// What a nested playbook is given, each of its declared type.
fn nested_inputs(
    book: &Playbook,
    inputs: &Value,
    run: &Value,
    frame: &str,
    item: Option<&ItemId>,
    known: &dyn Known,
) -> Result<Value, String> {
    let group = frame.parse().ok().and_then(|id: StepId| book.group(&id));
    let Some((group, nested)) = group.and_then(|group| Some((group, group.nested()?))) else {
        return Err(format!("there is no nested playbook {frame}"));
    };
    let item = item.filter(|_| book.each_around(group.parent.as_ref()).is_some());
    let outer = scope_at(book, inputs, run, Place::of_group(group, item), &said_by(&nested.given), known)?;
    let given = resolve_arguments(&nested.given, &outer).map_err(|error| format!("what {frame} is given: {error}"))?;
    bind_nested(nested, given).map_err(|error| format!("what {frame} is given: {error}"))
}

fn steps(book: &Playbook, place: Place<'_>, each: Option<&Group>, said: &str, known: &dyn Known) -> Value {
    let here = |id: &StepId| id.frame() == place.frame;
    let inside = |group: Option<&StepId>| book.each_around(group).map(|each| &each.id);
    let ours = each.map(|each| &each.id);
    let written = book.steps.iter().filter(|step| here(&step.id)).map(|step| (step.id.local(), Child::Step(step)));
    let groups =
        book.groups.iter().filter(|group| here(&group.id)).map(|group| (group.id.local(), Child::Group(group)));
    let mut map = serde_json::Map::new();
    for (name, child) in named_in(said, written.chain(groups)) {
        let value = match child {
            Child::Step(step) => match inside(step.group.as_ref()) {
                None => known.step(&step.id, None),
                // Of the same round of the `for_each` around both.
                Some(each) if Some(each) == ours => known.step(&step.id, place.item),
                Some(_) => None,
            },
            // A group is not over while something in it runs.
            Child::Group(group) if book.around(place.group).any(|around| around.id == group.id) => None,
            Child::Group(group) => match inside(group.parent.as_ref()) {
                None => known.group(group, None),
                Some(each) if Some(each) == ours => known.group(group, place.item),
                Some(_) => None,
            },
        };
        if let Some(value) = value {
            map.insert(name.to_owned(), value);
        }
    }
    Value::Object(map)
}
