//! Groups of steps in words, and the steps in their groups: for plans, pages and instructions by hand alike.

use crate::plan::{Item, Plan, PlannedGroup};
use crate::playbook::{Argument, Each, Group, GroupKind, Playbook, Step};

use crate::value::{format_seconds, ranges};

use super::command::source;
use super::plan::short;

/// How many names are listed before the rest is counted.
const LISTED: usize = 8;
/// How many columns the names of a list get in a line.
const ROOM: usize = 100;

/// What a group is, in a line: `at the same time: Look at both sides`.
pub fn words(group: &Group, items: Option<&[Item]>) -> String {
    let what = match &group.kind {
        GroupKind::Parallel => "at the same time".to_owned(),
        GroupKind::Each(each) => for_each(each, items),
        GroupKind::Forward { of } => return format!("only if {of} fails, its way forward"),
        GroupKind::Nested(nested) => format!("playbook {}@{}", nested.playbook, nested.version),
    };
    if group.title == group.id.local() { format!("{what} ({})", group.id) } else { format!("{what}: {}", group.title) }
}

fn for_each(each: &Each, items: Option<&[Item]>) -> String {
    let list = match (items, each.list.argument()) {
        (Some(items), _) => some(&items.iter().map(|item| item.id.to_string()).collect::<Vec<_>>()),
        (None, pattern) if each.list.is_of_hosts() => format!("the hosts {}", short(&source(pattern))),
        (None, Argument::Literal(serde_json::Value::Array(values))) => {
            some(&values.iter().map(short).collect::<Vec<_>>())
        }
        (None, Argument::Template(template)) => template.source.clone(),
        (None, list) => short(&source(list)),
    };
    let batch = if each.is_one_by_one() {
        "one after the other".to_owned()
    } else {
        let sizes: Vec<String> = each.sizes.iter().map(ToString::to_string).collect();
        format!("{} at a time", sizes.join(", then "))
    };
    let failures =
        if each.max_failures.is_zero() { String::new() } else { format!(", {} may fail", each.max_failures) };
    let safe = each.checkpoint.as_ref().map(|name| format!(", checkpoint {name} after each batch")).unwrap_or_default();
    format!("for each of {list}, {batch}{failures}{safe}")
}

/// The batches of a list as they were worked out, and what is held to between them: nothing where the list is not known yet, or
/// goes one by one and bears nothing.
pub fn batches(each: &Each, planned: &PlannedGroup) -> Option<String> {
    let all = planned.items.as_ref()?.len();
    let plain = planned.max_failures == 0 && planned.min_healthy == 0 && each.pause == 0.0 && each.spread.is_none();
    if planned.batches.is_empty() || each.is_one_by_one() && plain {
        return None;
    }
    let mut parts = vec![match planned.batches.as_slice() {
        [_] => "1 batch of all".to_owned(),
        sizes => format!("{} batches of {}", sizes.len(), runs_of(sizes)),
    }];
    parts.push(match planned.max_failures as usize {
        0 => "none may fail".to_owned(),
        most if most >= all => "all may fail".to_owned(),
        most => format!("{most} of {all} may fail"),
    });
    if planned.min_healthy > 0 {
        parts.push(format!("{} others have to be well while a batch is in hand", planned.min_healthy));
    }
    if each.pause > 0.0 && planned.batches.len() > 1 {
        parts.push(format!("a pause of {} between them", format_seconds(each.pause)));
    }
    parts.extend(each.spread.as_ref().map(|label| format!("spread by {label}")));
    Some(parts.join("; "))
}

/// `1, 5, 6 (9 times), 1`.
fn runs_of(sizes: &[u32]) -> String {
    let told = |run: &[u32]| match run {
        [size] => size.to_string(),
        [size, ..] => format!("{size} ({} times)", run.len()),
        [] => String::new(),
    };
    sizes.chunk_by(|one, other| one == other).map(told).collect::<Vec<_>>().join(", ")
}

/// Names in a line: all of a few, else ranges of them, as many as there is room for, and how many there are.
pub fn some(names: &[String]) -> String {
    if names.len() <= LISTED {
        return names.join(", ");
    }
    format!("{} ({})", ranges::fold_within(names.iter().map(String::as_str), ROOM), names.len())
}

/// Whether `some` names each of them.
pub fn is_whole(names: &[String]) -> bool {
    let names = || names.iter().map(String::as_str);
    ranges::fold_sorted(names()) == ranges::fold_within(names(), ROOM)
}

/// Whether `some` leaves names out.
pub fn is_folded(names: &[String]) -> bool {
    names.len() > LISTED
}

/// The numbers of a group's steps, as the playbook lists them from 1.
pub fn numbers(group: &Group) -> String {
    let (first, last) = (group.first + 1, group.first + group.count);
    if last > first { format!("{first}–{last}") } else { first.to_string() }
}

/// The groups around a step, the outermost first.
pub fn around<'a>(book: &'a Playbook, step: &Step) -> Vec<&'a Group> {
    let mut around: Vec<&Group> = book.around(step.group.as_ref()).collect();
    around.reverse();
    around
}

/// The items of a `for_each`, where the plan knows them.
pub fn items<'a>(plan: &'a Plan, group: &Group) -> Option<&'a [Item]> {
    let planned = plan.groups.iter().find(|planned| planned.id == group.id && planned.items.is_some())?;
    planned.items.as_deref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_are_alike_are_counted() {
        assert_eq!(runs_of(&[1, 5, 6, 6, 6, 1]), "1, 5, 6 (3 times), 1");
        assert_eq!(runs_of(&[2, 2]), "2 (2 times)");
        assert_eq!(runs_of(&[]), "");
    }

    #[test]
    fn few_names_are_listed_and_many_are_counted() {
        let names = |count: usize| some(&(1..=count).map(|n| format!("web{n}")).collect::<Vec<_>>());
        assert_eq!(names(0), "");
        assert_eq!(names(2), "web1, web2");
        assert!(names(8).ends_with("web7, web8"));
        assert_eq!(names(200), "web[1-200] (200)");
    }
}
