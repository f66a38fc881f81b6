//! The lines of a run's picture: one a step, one a group with what is in it below, and of a `for_each` its items, of which
//! only those are shown that matter where there are many. Pure.

use crate::ids::ItemId;
use crate::playbook::{Child, Each, Group, GroupKind, Step};
use crate::run::{RunState, Task, TaskState, Time};
use crate::timeline::skip_reason;

use super::rows::{Mark, Row, row};

/// So many items are shown one by one; of more than that only those that go on or went wrong.
const ITEMS: usize = 8;

/// A line of the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// How far it is inside of groups.
    pub depth: usize,
    /// The step's id, or the item.
    pub name: String,
    /// What it does, for a person.
    pub title: String,
    /// What it is about.
    pub task: Task,
    /// How it stands.
    pub row: Row,
    /// Whether it is a point of no return, and whether that is crossed.
    pub gate: Option<bool>,
    /// The checkpoint after it, and whether it is reached.
    pub checkpoint: Option<(String, bool)>,
}

/// All lines of a run.
pub fn entries(state: &RunState, now: Time) -> Vec<Entry> {
    let mut list = Vec::new();
    level(state, None, None, 0, now, &mut list);
    list
}

fn level(
    state: &RunState,
    group: Option<&Group>,
    item: Option<&ItemId>,
    depth: usize,
    now: Time,
    list: &mut Vec<Entry>,
) {
    for child in state.playbook().level(group) {
        match child {
            Child::Step(step) => list.push(of_step(state, step, item, depth, now)),
            Child::Group(group) => of_group(state, group, item, depth, now, list),
        }
    }
}

fn of_step(state: &RunState, step: &Step, item: Option<&ItemId>, depth: usize, now: Time) -> Entry {
    let task = Task::at(&step.id, item);
    let reached = |_: &String| state.checkpoints.iter().any(|point| point.step == step.id);
    Entry {
        depth,
        name: step.id.to_string(),
        title: step.title.clone(),
        row: row(state, &task, now),
        gate: step.point_of_no_return.then(|| state.point_of_no_return() == Some(&task)),
        checkpoint: step.checkpoint.as_ref().map(|name| (name.clone(), reached(name))),
        task,
    }
}

fn of_group(state: &RunState, group: &Group, item: Option<&ItemId>, depth: usize, now: Time, list: &mut Vec<Entry>) {
    let task = Task::at(&group.id, item);
    let gates: Vec<&Step> = state.playbook().steps.iter().skip(group.first).take(group.count).collect();
    let crossed = state.point_of_no_return().is_some_and(|crossed| gates.iter().any(|step| step.id == crossed.step));
    let is_gate = group.each().is_some() && gates.iter().any(|step| step.point_of_no_return);
    list.push(Entry {
        depth,
        name: group.id.to_string(),
        title: group.title.clone(),
        row: group_row(state, group, &task, now),
        gate: is_gate.then_some(crossed),
        checkpoint: group
            .checkpoint
            .as_ref()
            .map(|name| (name.clone(), state.checkpoints.iter().any(|point| point.step == group.id))),
        task: task.clone(),
    });
    match &group.kind {
        GroupKind::Each(_) => items(state, group, &task, depth + 1, now, list),
        // What is not needed is not in the way; whether it is, is known once its step has ended.
        GroupKind::Forward { of } if !state.is_failed(&Task::at(of, item)) => {}
        GroupKind::Parallel | GroupKind::Nested(_) | GroupKind::Forward { .. } => {
            level(state, Some(group), item, depth + 1, now, list);
        }
    }
}

fn items(state: &RunState, group: &Group, task: &Task, depth: usize, now: Time, list: &mut Vec<Entry>) {
    let Some(entered) = state.entered.get(task) else { return };
    let few = entered.items.len() <= ITEMS;
    let mut left = ITEMS;
    for item in &entered.items {
        let Some((task, row)) = item_row(state, group, &item.id, now) else { continue };
        let matters = row.mark.moves() || matches!(row.mark, Mark::Failed | Mark::Unknown);
        if few || (matters && left > 0) {
            left = left.saturating_sub(1);
            let name = format!("@{}", item.id);
            let title = item.id.to_string();
            list.push(Entry { depth, name, title, task, row, gate: None, checkpoint: None });
        }
    }
}

/// How an item stands: of a block of steps it is the newest step that was begun for it.
fn item_row(state: &RunState, group: &Group, item: &ItemId, now: Time) -> Option<(Task, Row)> {
    let steps = state.playbook().steps.iter().skip(group.first).take(group.count);
    let tasks: Vec<Task> = steps.map(|step| Task::at(&step.id, Some(item))).collect();
    let newest = tasks.iter().rfind(|task| state.tasks.contains_key(task)).or(tasks.first())?.clone();
    let mut row = row(state, &newest, now);
    let all = tasks.iter().all(|task| state.is_passed_for(task));
    if tasks.len() > 1 {
        if row.mark == Mark::Done && !all {
            row.mark = Mark::Running;
        }
        let (step, said) = (newest.step.local(), &row.message);
        row.message = if said.is_empty() { step.to_owned() } else { format!("{step}: {said}") };
    }
    Some((newest, row))
}

fn group_row(state: &RunState, group: &Group, task: &Task, now: Time) -> Row {
    if let Some(reason) = state.skipped.get(task) {
        return Row::new(Mark::Skipped, None, skip_reason(reason));
    }
    if let GroupKind::Forward { of } = &group.kind
        && !state.is_failed(&Task::at(of, task.item.as_ref()))
    {
        let mark = if state.is_over(group, task) { Mark::Skipped } else { Mark::Pending };
        return Row::new(mark, None, format!("only if {of} fails"));
    }
    let begun: Vec<(&Task, &TaskState)> = inside(state, group, task).collect();
    let started = begun.iter().map(|(_, state)| state.started).min();
    let newest = begun.iter().filter_map(|(_, state)| state.ended).max();
    let over = state.is_over(group, task);
    let until = if over || state.ended.is_some() { newest.unwrap_or(now) } else { now };
    let seconds = started.map(|started| until.seconds_since(started).max(0.0));
    let undone = begun.iter().filter(|(task, _)| state.is_undone(task)).count();
    let message = match group.each() {
        Some(each) => counts(state, each, task),
        None => String::new(),
    };
    let own = state.tasks.get(task).filter(|_| group.each().is_none() || task.item.is_none());
    match own {
        Some(own) if own.passed => Row::new(Mark::Failed, seconds, "failed, and passed over"),
        Some(own) if !state.entered.contains_key(task) && begun.is_empty() => {
            Row::new(Mark::Failed, None, own.message())
        }
        _ if undone > 0 && state.in_flight().next().is_none() && state.ended.is_some() => {
            Row::new(Mark::Undone, seconds, "undone")
        }
        _ if undone > 0 => Row::new(Mark::Undoing, seconds, "is being undone"),
        _ if over && !begun.is_empty() => Row::new(Mark::Done, seconds, message),
        _ if fails(state, group, task) && begun.iter().any(|(_, state)| state.word() == "failed" && !state.passed) => {
            Row::new(Mark::Failed, seconds, message)
        }
        _ if begun.is_empty() => Row::new(Mark::Pending, None, message),
        _ if state.ended.is_some() || state.stopped.is_some() || state.question.is_some() => {
            Row::new(Mark::Pending, seconds, message)
        }
        _ => Row::new(Mark::Running, seconds, message),
    }
}

/// Whether what failed in a group makes the whole fail: a `for_each` bears some.
fn fails(state: &RunState, group: &Group, task: &Task) -> bool {
    let entered = state.entered.get(task).filter(|_| group.each().is_some());
    entered.is_none_or(|entered| entered.too_many_failed() || entered.max_failures == 0)
}

/// What was begun in a group.
fn inside<'a>(
    state: &'a RunState,
    group: &'a Group,
    task: &'a Task,
) -> impl Iterator<Item = (&'a Task, &'a TaskState)> + 'a {
    let steps = state.playbook().steps.iter().skip(group.first).take(group.count);
    let of_item = move |(other, _): &(&Task, &TaskState)| {
        (other.item.is_some() || group.each().is_none()) && (task.item.is_none() || other.item == task.item)
    };
    steps.flat_map(|step| state.doings(&step.id)).filter(of_item)
}

fn counts(state: &RunState, each: &Each, task: &Task) -> String {
    let Some(entered) = state.entered.get(task) else { return String::new() };
    let done = entered.dealt_with.saturating_sub(entered.failed.len());
    let mut text = format!("{done} of {} done", entered.items.len());
    if !entered.failed.is_empty() {
        let names: Vec<&str> = entered.failed.keys().take(4).map(ItemId::as_str).collect();
        let more = if entered.failed.len() > names.len() { ", …" } else { "" };
        text.push_str(&format!(", {} failed: {}{more}", entered.failed.len(), names.join(", ")));
    }
    let at_a_time = entered.batch(entered.batch_in_hand()).len();
    if !each.is_one_by_one() && at_a_time > 0 {
        text.push_str(&format!(", {at_a_time} at a time"));
    }
    text
}
