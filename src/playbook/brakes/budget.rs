//! `budgets:`: how long it may take from one step to another.

use crate::diagnostic::{Span, nearest};
use crate::document::Node;
use crate::ids::StepId;

use super::super::Playbook;
use super::super::faults::Faults;
use super::super::reader::Reader;
use super::super::words::{self, check_keys};
use super::Budget;

/// A budget, and the places in it that lint points at.
pub(in crate::playbook) struct Draft {
    pub budget: Budget,
    from: Span,
    to: Span,
}

/// Reads them.
pub(in crate::playbook) fn read(reader: &mut Reader<'_>, root: &Node) -> Vec<Draft> {
    let Some(node) = root.get("budgets") else { return Vec::new() };
    let Some(items) = node.items() else {
        reader.wrong_form(node, "budgets", "a list such as `[{ from: hold, to: repoint, max: 20s }]`");
        return Vec::new();
    };
    items.iter().filter_map(|item| one(reader, item)).collect()
}

fn one(reader: &mut Reader<'_>, node: &Node) -> Option<Draft> {
    let Some(entries) = node.entries() else {
        reader.wrong_form(node, "a budget", "a mapping with `from`, `to` and `max`");
        return None;
    };
    check_keys(&mut reader.faults, entries, &words::BUDGET);
    let mut part = |key: &str| {
        let given = node.get(key);
        if given.is_none() {
            reader.faults.error("missing-key", node.span, format!("a budget needs `{key}`"), None);
        }
        given
    };
    let (from, to, max) = (part("from"), part("to"), part("max"));
    let max = max.and_then(|node| reader.duration(node, "max", 0.001));
    let mut id = |node: Option<&Node>, key: &str| -> Option<(StepId, Span)> {
        let node = node?;
        match reader.text(node, key)?.parse() {
            Ok(id) => Some((id, node.span)),
            Err(error) => {
                reader.faults.error("bad-name", node.span, format!("`{key}`: {error}"), None);
                None
            }
        }
    };
    let ((from, from_span), (to, to_span)) = (id(from, "from")?, id(to, "to")?);
    Some(Draft { budget: Budget { from, to, max: max? }, from: from_span, to: to_span })
}

/// Says which name steps that are not there, stand in the wrong order, or run more than once.
pub(in crate::playbook) fn check(faults: &mut Faults, drafts: &[Draft], book: &Playbook) {
    let place = |id: &StepId| book.steps.iter().position(|step| &step.id == id);
    for Draft { budget, from, to } in drafts {
        let mut known = |id: &StepId, span: Span| {
            let found = place(id);
            if found.is_none() {
                let ids = book.steps.iter().map(|step| step.id.as_str());
                let help = nearest(id.as_str(), ids).map(|near| format!("did you mean `{near}`?"));
                faults.error("unknown-step", span, format!("there is no step `{id}`"), help);
            }
            found.filter(|place| {
                let inside = book.steps.get(*place).and_then(|step| step.group.as_ref());
                let each = book.each_around(inside).is_some();
                if each {
                    let message = format!("`{id}` runs once for each item: a budget is between steps that run once");
                    faults.error("bad-budget", span, message, None);
                }
                !each
            })
        };
        let (first, last) = (known(&budget.from, *from), known(&budget.to, *to));
        if let (Some(first), Some(last)) = (first, last)
            && last < first
        {
            let message = format!("`{}` comes before `{}`", budget.to, budget.from);
            let help = Some("a budget runs from a step to the same or a later one".to_owned());
            faults.error("bad-budget", *to, message, help);
        }
    }
}

/// Says which budgets of nested playbooks lie in a `for_each`.
pub(in crate::playbook) fn check_nested(faults: &mut Faults, whole: &Playbook, place: impl Fn(Span) -> Span) {
    for budget in &whole.budgets {
        let Some(step) = whole.steps.iter().find(|step| step.id == budget.from) else { continue };
        if whole.each_around(step.group.as_ref()).is_some() && step.id.frame().is_some() {
            let message = format!("the budget from `{}` to `{}` would run once for each item", budget.from, budget.to);
            let help = Some("run it for one item, or leave the budget out of the nested playbook".to_owned());
            faults.error("bad-budget", place(step.span), message, help);
        }
    }
}
