//! How far the way back reaches, as a plan tells it: what is undone when a step fails, what becomes of an item that does, and
//! what stands in any case.

use crate::cli::text::{Ink, Line};
use crate::plan::{Decided, Plan};
use crate::playbook::{Each, Group, OnFailure, OnItemFailure, Rollback, Step};

use super::{heading, paragraph};

/// The whole of it.
pub fn lines(plan: &Plan, width: usize) -> Vec<Line> {
    let mut lines = vec![heading("Way back")];
    let mut say = |text: String| lines.extend(paragraph(&text, 2, width, Ink::Plain));
    let lists: Vec<(&Group, &Each)> = lists(plan).collect();
    let only_in_lists =
        point_of_no_return(plan).is_none() && lists.iter().any(|_| true) && outside(plan).next().is_none();
    if !only_in_lists {
        say(whole(plan));
    }
    for (ids, text) in alike(lists.into_iter().map(|(group, each)| (group.id.as_str(), of_list(plan, group, each)))) {
        say(format!("An item of {} {text}", ids.join(" or ")));
    }
    let otherwise = otherwise(plan);
    if !otherwise.is_empty() {
        say(format!("But for: {}.", otherwise.join("; ")));
    }
    let left = left(plan);
    if !left.is_empty() {
        say(format!("Left as they are on purpose: {}.", left.join(", ")));
    }
    lines
}

/// The steps that may run, in their order.
fn running(plan: &Plan) -> impl Iterator<Item = &Step> {
    plan.each_step().filter(|(_, planned)| !matches!(planned.runs, Decided::No { .. })).map(|(step, _)| step)
}

fn point_of_no_return(plan: &Plan) -> Option<&Step> {
    let crossed = plan.each_step().filter(|(step, planned)| step.point_of_no_return && planned.is_done_before()).last();
    crossed.map(|(step, _)| step).or_else(|| running(plan).find(|step| step.point_of_no_return))
}

/// The changing steps that belong to no list.
fn outside(plan: &Plan) -> impl Iterator<Item = &Step> {
    let alone = |step: &&Step| plan.playbook.each_around(step.group.as_ref()).is_none();
    running(plan).filter(|step| step.effect.changes()).filter(alone)
}

/// The `for_each` that change something.
fn lists(plan: &Plan) -> impl Iterator<Item = (&Group, &Each)> {
    let changes = |group: &Group| {
        running(plan).any(|step| {
            let own = plan.playbook.each_around(step.group.as_ref());
            step.effect.changes() && own.is_some_and(|own| own.id == group.id)
        })
    };
    plan.playbook
        .groups
        .iter()
        .filter_map(|group| Some((group, group.each()?)))
        .filter(move |(group, _)| changes(group))
}

fn whole(plan: &Plan) -> String {
    let crossed = plan.each_step().filter(|(step, planned)| step.point_of_no_return && planned.is_done_before()).last();
    match running(plan).find(|step| step.point_of_no_return) {
        _ if crossed.is_some() => format!(
            "{}, the point of no return, is crossed already. What was done up to it stands; when a step behind it fails, \
             the run stops and calls a person.",
            crossed.map(|(step, _)| step.id.as_str()).unwrap_or_default()
        ),
        Some(step) => format!(
            "Until {} everything is undone when a step fails. From {} on it stands: the run stops and calls a person.",
            step.id, step.id
        ),
        None if running(plan).any(|step| step.effect.changes()) => {
            "When a step fails, everything that was changed is undone, back to the start.".to_owned()
        }
        None => "Nothing is changed by any step, so there is nothing to undo.".to_owned(),
    }
}

/// What becomes of an item that fails, and of the whole where too many do.
fn of_list(plan: &Plan, group: &Group, each: &Each) -> String {
    let known = plan.groups.iter().find(|planned| planned.id == group.id && planned.items.is_some());
    let may = known.map_or_else(|| each.max_failures.to_string(), |planned| planned.max_failures.to_string());
    let too_many =
        if may == "0" { "When one has failed".to_owned() } else { format!("When more than {may} have failed") };
    let item = match each.on_item_failure {
        OnItemFailure::Leave => "that fails stays as it is, whatever is undone.",
        OnItemFailure::Rollback => "that fails is undone by itself, before the next batch begins.",
    };
    let others = match around(plan, group) {
        None | Some(OnFailure::Rollback) => "everything else that was changed is undone, back to the start".to_owned(),
        Some(OnFailure::RollbackTo(name)) => {
            format!(
                "what was done since checkpoint {name} is undone, and what was done before it stands (all is undone where it \
                     was not reached)"
            )
        }
        Some(policy) => what(policy),
    };
    format!("{item} {too_many}, no other batch begins, and {others}.")
}

/// What a group, or the nearest one around it that says something, does when it fails.
fn around<'a>(plan: &'a Plan, group: &'a Group) -> Option<&'a OnFailure> {
    let outer = || plan.playbook.around(group.parent.as_ref()).find_map(|outer| outer.on_failure.as_ref());
    group.on_failure.as_ref().or_else(outer)
}

fn what(policy: &OnFailure) -> String {
    match policy {
        OnFailure::Rollback => "everything is undone".to_owned(),
        OnFailure::RollbackTo(name) => format!("back to checkpoint {name}, what was done before it stands"),
        OnFailure::Pause => "a person is called".to_owned(),
        OnFailure::Continue => "the run goes on, with exceptions".to_owned(),
        OnFailure::Step(to) => format!("the run goes on at {to}"),
    }
}

/// The steps and groups of which something else is said, by what that is.
fn otherwise(plan: &Plan) -> Vec<String> {
    let groups = plan.playbook.groups.iter().filter(|group| group.each().is_none());
    let groups = groups.filter_map(|group| Some((group.id.as_str(), group.on_failure.as_ref()?)));
    let steps = running(plan).filter_map(|step| Some((step.id.as_str(), step.on_failure.as_ref()?)));
    let others = groups.chain(steps).filter(|(_, policy)| **policy != OnFailure::Rollback);
    let list = alike(others.map(|(id, policy)| (id, what(policy))));
    list.into_iter().map(|(ids, text)| format!("{} ({text})", ids.join(", "))).collect()
}

/// Those together of which the same is to be said; a step that runs for several items is one.
fn alike<'a>(all: impl Iterator<Item = (&'a str, String)>) -> Vec<(Vec<&'a str>, String)> {
    let mut list: Vec<(Vec<&str>, String)> = Vec::new();
    for (id, text) in all {
        match list.iter_mut().find(|(_, known)| *known == text) {
            Some((ids, _)) if ids.contains(&id) => {}
            Some((ids, _)) => ids.push(id),
            None => list.push((vec![id], text)),
        }
    }
    list
}

/// What stays as the playbook says so, up to the point of no return.
fn left(plan: &Plan) -> Vec<&str> {
    let mut left: Vec<&str> = Vec::new();
    for step in running(plan).take_while(|step| !step.point_of_no_return) {
        let stays = step.effect.changes() && matches!(step.rollback, Rollback::None { .. });
        // A step that runs for several items is one.
        if stays && !left.contains(&step.id.as_str()) {
            left.push(step.id.as_str());
        }
    }
    left
}
