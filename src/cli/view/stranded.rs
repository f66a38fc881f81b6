//! What is said when the runner itself is the casualty, as its journal cannot be written: how the service stands, what was
//! under way, and what a person can do by hand. All of it is known from memory: it reads no disk.

use crate::actions::Table;
use crate::cli::clock;
use crate::cli::seen::Left;
use crate::cli::visible;
use crate::inventory::Inventory;
use crate::outcome::{Outcome, Report};
use crate::playbook::{Rollback, Step, complete_arguments, resolve_arguments};
use crate::run::{Event, RunState, Settlement, Task, TaskState, Time};
use crate::value::{Value, format_seconds};

use super::by_hand::with_tabs;

/// How the service and the step in hand stand, a sentence each.
pub fn standing(left: &Left, now: Time) -> Vec<String> {
    let Some(state) = &left.state else { return Vec::new() };
    let mut said = vec![match state.service {
        Some((service, since)) => format!(
            "the service is {} since {} UTC, for {}",
            service.word(),
            clock::time_of_day(since),
            format_seconds(now.seconds_since(since))
        ),
        None => "no step has said how the service is".to_owned(),
    }];
    let unwritten: Vec<String> = left.unwritten.iter().filter_map(unwritten).collect();
    let about = |task: &Task| left.unwritten.iter().any(|event| subject(event) == Some(task));
    let busy: Vec<String> =
        state.in_flight().filter(|(task, _)| !about(task)).map(|(task, doing)| under_way(task, doing)).collect();
    if unwritten.is_empty() && busy.is_empty() {
        said.push("no step was under way".to_owned());
    }
    said.extend(unwritten);
    said.extend(busy);
    said.push("no further step was started".to_owned());
    if let Some(point) = state.point_of_no_return() {
        said.push(format!("the point of no return ({point}) is crossed: go on, not back"));
    }
    if !state.locks.is_empty() && state.ended.is_none() {
        let locks: Vec<&str> = state.locks.iter().map(crate::ids::Resource::as_str).collect();
        said.push(format!("the run still holds {}", locks.join(", ")));
    }
    said
}

fn under_way(task: &Task, doing: &TaskState) -> String {
    let at = doing.intent.as_ref().map_or(doing.started, |intent| intent.at);
    format!(
        "{task} was sent at {} UTC and may have taken effect; a command goes on to its end under its recorder",
        clock::time_of_day(at)
    )
}

/// What happened and is written down nowhere, or was about to happen and did not.
fn unwritten(event: &Event) -> Option<String> {
    Some(match event {
        Event::Intent { task, .. } => format!("{task} was about to begin, and nothing of it was sent"),
        Event::Outcome { task, report, .. } => ended(task, report),
        Event::Settled { task, settlement: Settlement::Ended { report }, .. } => ended(task, report),
        Event::Settled { task, evidence, .. } => {
            format!("what became of {task} was looked into, and could not be written down: {}", visible::line(evidence))
        }
        Event::RunEnded { summary, .. } => {
            format!("the run was at its end, and that could not be written down: {}", visible::line(summary))
        }
        _ => return None,
    })
}

/// The task that an event tells the end or the beginning of.
fn subject(event: &Event) -> Option<&Task> {
    match event {
        Event::Intent { task, .. } | Event::Outcome { task, .. } | Event::Settled { task, .. } => Some(task),
        _ => None,
    }
}

fn ended(task: &Task, report: &Report) -> String {
    let word = match report.outcome {
        Outcome::Done => "was done",
        Outcome::NoEffect => "changed nothing",
        Outcome::Failed => "failed; part of it may have happened",
        Outcome::Unknown => "ended without an answer; it may have taken effect",
    };
    format!("{task} {word}, and that could not be written down: {}", visible::line(&report.message))
}

/// What a person does without the runner: what is left to do, or to undo. A text for a shell, pasted line by line.
pub fn by_hand(left: &Left, actions: &Table, inventory: &Inventory) -> String {
    let Some(state) = &left.state else { return String::new() };
    let mut lines = Vec::new();
    if state.rollback.is_none() {
        lines.push(comment("By hand, to go on: what is left to do. Look before you go on; <…> is to be filled in."));
        let steps = state.whole().into_iter().filter(|(_, task)| !state.is_passed_for(task));
        lines.extend(steps.flat_map(|(step, task)| to_do(left, state, step, &task, actions, inventory)));
        lines.push(String::new());
    }
    let undo = undo(left, state, actions, inventory);
    if undo.is_empty() && state.point_of_no_return().is_some() {
        lines.push(comment("There is no way back from behind the point of no return."));
    } else if undo.is_empty() {
        lines.push(comment("To go back there is nothing to do: nothing that could be undone was changed."));
    } else {
        let words = if state.rollback.is_some() { "By hand, to go on undoing" } else { "By hand, to go back instead" };
        lines.push(comment(&format!("{words}, in this order:")));
        lines.extend(undo);
    }
    let shown = lines
        .iter()
        .flat_map(|line| if line.is_empty() { vec![String::new()] } else { line.lines().map(with_tabs).collect() });
    shown.map(|line| line + "\n").collect()
}

fn to_do(
    left: &Left,
    state: &RunState,
    step: &Step,
    task: &Task,
    actions: &Table,
    inventory: &Inventory,
) -> Vec<String> {
    let mut lines = vec![comment(&headed(step, task))];
    let done = left.unwritten.iter().any(|event| {
        matches!(event, Event::Outcome { task: of, report, .. } if of == task && report.outcome == Outcome::Done)
    });
    if done {
        lines.push(comment("it was done already (see above)"));
        return lines;
    }
    if step.point_of_no_return {
        lines.push("# POINT OF NO RETURN: what comes now is not undone.".to_owned());
    }
    if let Some(condition) = &step.condition {
        lines.push(comment(&format!("only if: {}", condition.source)));
    }
    if state.doing(task).is_some_and(TaskState::may_have_effect) {
        lines.push(comment("it was tried: look first whether its effect is there"));
    }
    lines.extend(step.require.iter().map(|need| comment(&format!("must hold: {}", need.source))));
    let sent = state.doing(task).and_then(|doing| doing.intent.as_ref()).map(|intent| intent.arguments.clone());
    let planned = || state.planned(task).map(|(_, planned)| planned.arguments.clone());
    let arguments = sent.or_else(|| rendered(state, task, step, actions)).or_else(planned).unwrap_or(Value::Null);
    lines.extend(command(step, &arguments, actions, inventory));
    lines
        .extend(step.verify.iter().map(|verify| comment(&format!("must hold after it: {}", verify.expression.source))));
    lines
}

/// The way back, the newest step first.
fn undo(left: &Left, state: &RunState, actions: &Table, inventory: &Inventory) -> Vec<String> {
    let kept = state.kept(state.rollback.as_ref().and_then(|rollback| rollback.to.as_deref()));
    let step = |task: &Task| state.playbook().step(&task.step).filter(|step| step.effect.changes());
    let touched = state.order.iter().skip(kept).rev().filter_map(|task| Some((task, step(task)?, state.doing(task)?)));
    let undoable = touched.filter(|(task, _, doing)| {
        let unwritten =
            left.unwritten.iter().any(|event| matches!(event, Event::Outcome { task: of, .. } if &of.doing() == *task));
        !state.is_undone(task) && !state.is_left(task) && (doing.may_have_effect() || unwritten)
    });
    undoable.flat_map(|(task, step, doing)| undo_of(state, task, step, doing, actions, inventory)).collect()
}

fn undo_of(
    state: &RunState,
    task: &Task,
    step: &Step,
    doing: &TaskState,
    actions: &Table,
    inventory: &Inventory,
) -> Vec<String> {
    match &step.rollback {
        Rollback::None { because } => vec![comment(&format!("{task} is not undone: {because}"))],
        Rollback::Action => {
            let empty = doing.before.as_object().map_or(doing.before.is_null(), serde_json::Map::is_empty);
            let before = if empty { String::new() } else { format!("; it was before: {}", doing.before) };
            vec![comment(&format!("{task}: put back what it changed{before}"))]
        }
        Rollback::Steps(steps) => steps
            .iter()
            .flat_map(|part| {
                let mut lines = vec![comment(&format!("undo of {}", headed(step, task)))];
                let arguments = rendered(state, task, part, actions).unwrap_or(Value::Null);
                lines.extend(command(part, &arguments, actions, inventory));
                lines
            })
            .collect(),
    }
}

/// The arguments of a step with what is known by now.
fn rendered(state: &RunState, of: &Task, step: &Step, actions: &Table) -> Option<Value> {
    let doing = state.doing(of);
    let mut scope = state.scope(of).ok()?;
    if let (Some(doing), Value::Object(steps)) = (doing, &mut scope.steps) {
        // An undo names what its own step has found and done.
        steps.insert(
            of.step.local().to_owned(),
            serde_json::json!({ "outputs": doing.outputs(), "outcome": doing.word() }),
        );
    }
    let given = resolve_arguments(&step.arguments, &scope).ok()?;
    complete_arguments(actions.get(&step.action)?.spec(), given).ok()
}

fn command(step: &Step, arguments: &Value, actions: &Table, inventory: &Inventory) -> Vec<String> {
    actions.get(&step.action).map(|action| action.by_hand(inventory, arguments)).unwrap_or_default()
}

/// A step's name, and its title where it has one.
fn headed(step: &Step, task: &Task) -> String {
    if step.title == step.id.as_str() { task.to_string() } else { format!("{task}: {}", step.title) }
}

fn comment(text: &str) -> String {
    format!("# {}", text.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::view::samples;

    fn left(story: &samples::Story, unwritten: Vec<Event>) -> Left {
        Left { state: Some(Box::new(story.state.clone())), unwritten }
    }

    fn shown(left: &Left, now: Time) -> String {
        let by_hand = by_hand(left, &Table::builtin(), &Inventory::default());
        format!("{}\n\n{by_hand}", standing(left, now).join("\n"))
    }

    #[test]
    fn a_step_under_way_the_service_and_what_is_left_are_said() {
        let mut story = samples::Story::begin();
        story.done("roles", "pg1 is primary").intent("hold");
        insta::assert_snapshot!(shown(&left(&story, Vec::new()), story.now()));
    }

    #[test]
    fn what_was_done_and_could_not_be_written_is_told() {
        let mut story = samples::Story::begin();
        story.done("roles", "pg1 is primary").done("hold", "pg1 drains").intent("promote");
        let task = "promote".parse().unwrap();
        let report = Report::done("pg2 is primary", serde_json::json!({}));
        let unwritten = vec![Event::Outcome { task, attempt: 1, report }];
        insta::assert_snapshot!(shown(&left(&story, unwritten), story.now()));
    }
}
