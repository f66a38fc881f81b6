//! What of approvals, identities, invariants and budgets is compared when two playbooks are. A brake that is taken away must
//! not look like a change of words.

use super::super::{Approval, Check, CheckKind, Playbook};
use super::{Fields, line_of};
use crate::value::format_seconds;

/// An approval, key by key; `approval` itself says that there is one.
pub(super) fn of_approval(approval: Option<&Approval>) -> Fields {
    let Some(approval) = approval else { return Fields::new() };
    let mut fields = Fields::new();
    let mut add = |name: &str, text: Option<String>| fields.extend(text.map(|text| (name.to_owned(), text)));
    add("approval", Some("it waits for one".to_owned()));
    add("approval.roles", (!approval.roles.is_empty()).then(|| approval.roles.join(", ")));
    add("approval.min", Some(approval.min.to_string()));
    add("approval.timeout", Some(format_seconds(approval.timeout)));
    add("approval.on_timeout", approval.on_timeout.map(|on| super::word(&on)));
    add("approval.prevent_self_approval", approval.prevent_self_approval.then(|| "true".to_owned()));
    add("approval.if", approval.condition.as_ref().map(|condition| condition.source.clone()));
    fields
}

/// Identities and invariants, by their names.
pub(super) fn checks(book: &Playbook) -> Vec<(String, Fields)> {
    let mut list: Vec<(String, Fields)> = Vec::new();
    for check in &book.checks {
        let within = check.group.as_ref().map(|group| format!(" (in {group})")).unwrap_or_default();
        let name = format!("{}: {}{within}", check.kind.word(), check.name);
        // Two of one name are two all the same.
        let same = |other: &(String, Fields)| other.0 == name || other.0.starts_with(&format!("{name} #"));
        let number = list.iter().filter(|other| same(other)).count();
        let name = if number == 0 { name } else { format!("{name} #{}", number + 1) };
        list.push((name, of_check(check)));
    }
    list
}

fn of_check(check: &Check) -> Fields {
    let mut fields = vec![("looks".to_owned(), line_of(&check.step))];
    let mut add = |name: &str, text: Option<String>| fields.extend(text.map(|text| (name.to_owned(), text)));
    add("expr", Some(check.expression.source.clone()));
    let hold = match check.kind {
        CheckKind::Identity => None,
        CheckKind::Always => Some("always"),
        CheckKind::Checkpoints => Some("checkpoints"),
    };
    add("hold", hold.map(str::to_owned));
    add("within", (check.within > 0.0).then(|| format_seconds(check.within)));
    add("timeout", Some(format_seconds(check.step.timeout)));
    fields
}

/// Budgets, by the steps that they are between.
pub(super) fn budgets(book: &Playbook) -> Vec<(String, Fields)> {
    let of = |budget: &super::super::Budget| {
        let name = format!("from {} to {}", budget.from, budget.to);
        (name, vec![("max".to_owned(), format_seconds(budget.max))])
    };
    book.budgets.iter().map(of).collect()
}
