//! `skip`: takes a step, a group, an item or a part of an undo out of a run's hands, as a person did it or it is not needed.
//! It goes into the timeline with a name and a reason.

use crate::cli::args::Skip;
use crate::cli::drive::{self, Asked};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::follow::exit_of;
use crate::cli::runs::{self, Doing};
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::run::{RequestKind, RunState, SkipHow, Task};
use crate::value::{Type, Value};

/// Takes it out of the run's hands; returns the run's code where this process goes on with the run.
///
/// # Errors
/// When there is no such run or step, or it cannot be skipped as the run stands.
pub fn skip(setup: &Setup, args: &Skip) -> Result<Exit, Failure> {
    if args.reason.trim().is_empty() {
        return Err(Failure::new(Exit::Usage, "a skip is written down with its reason: --reason TEXT"));
    }
    let task: Task =
        args.step.parse().map_err(|error: crate::ids::InvalidName| Failure::new(Exit::Usage, error.to_string()))?;
    let how = if args.done_by_hand { SkipHow::DoneByHand } else { SkipHow::NotNeeded };
    let (journal, state) = runs::open(setup, &args.run)?;
    let run = state.run.clone();
    runs::newest(setup, &state)?;
    let task = meant(&state, task)?;
    let outputs = outputs(setup, &state, &task, &args.with_output)?;
    state.may_skip(&task, how, &outputs).map_err(|why| refused(&state, &task, how, why))?;
    setup.screen.say(&consequences(&state, &task, how));
    let request = RequestKind::Skip { task: task.clone(), how, outputs };
    match drive::ask(setup, (args.output, true), (journal, state), (request, &args.reason), |_| None)? {
        Asked::Rests(state) => {
            let lease = setup.journal()?.lease(&run)?;
            Ok(exit_of(&state, Doing::of_state(&state, &lease)))
        }
        Asked::TakenUp { .. } => taken_up(setup, &run, &task),
        Asked::Left => Ok(Exit::Interrupted),
    }
}

/// The process that drives the run has dealt with it: whether it took it, as the step may have begun meanwhile.
fn taken_up(setup: &Setup, run: &crate::ids::RunId, task: &Task) -> Result<Exit, Failure> {
    let state = runs::state(setup.journal()?.as_mut(), run)?;
    if !state.skips.contains_key(task) {
        let what = format!("run {run} did not take it: {task} was begun, or dealt with, before it could be skipped");
        return Err(Failure::new(Exit::NotAllowed, what)
            .meaning("the run goes on as it was; why is in its timeline")
            .next(format!("playbook status {run}"))
            .next(format!("playbook timeline {run}")));
    }
    let command = setup.paste.command(format!("watch {run}"));
    setup.screen.say(&[Line::plain(format!("the process that drives the run has taken it; to follow it: {command}"))]);
    Ok(Exit::Success)
}

/// While a run undoes, a step's name alone means the part of its undo that is left.
fn meant(state: &RunState, task: Task) -> Result<Task, Failure> {
    if task.is_undo() || state.rollback.is_none() || state.ended.is_some() {
        return Ok(task);
    }
    let parts = state.playbook().step(&task.step).map_or(0, RunState::undo_parts);
    let left: Vec<Task> = (0..parts)
        .map(|part| task.undo(part))
        .filter(|undo| !state.tasks.get(undo).is_some_and(|known| known.passed))
        .collect();
    match left.as_slice() {
        [only] => Ok(only.clone()),
        [] => Ok(task),
        several => {
            let what = format!("the undo of {task} has {} parts left: which of them?", several.len());
            let failure = Failure::new(Exit::Usage, what).meaning("nothing was changed");
            Err(several.iter().fold(failure, |failure, part| {
                failure.next(format!("playbook skip {} {part} --done-by-hand --reason \"…\"", state.run))
            }))
        }
    }
}

/// What later steps are told that it gave, each of the type that its action or the playbook declares.
fn outputs(setup: &Setup, state: &RunState, task: &Task, given: &[String]) -> Result<Value, Failure> {
    let mut map = serde_json::Map::new();
    let step = state.step_of(task).filter(|_| !task.is_undo());
    let usage = |what: String| Failure::new(Exit::Usage, what).meaning("nothing was changed");
    for text in given {
        let Some((name, value)) = text.split_once('=') else {
            return Err(usage(format!("`--with-output {text}`: it is NAME=VALUE")));
        };
        let declared = step.and_then(|step| step.outputs.iter().find(|output| output.name == name));
        let spec = step.and_then(|step| setup.actions.get(&step.action)).map(|action| action.spec());
        let of_action = || spec.and_then(|spec| spec.output(name)).map(|field| field.kind.clone());
        let kind: Option<Type> = declared.map(|output| output.kind.clone()).or_else(of_action);
        let Some(kind) = kind else {
            let declared = step.into_iter().flat_map(|step| step.outputs.iter().map(|output| output.name.as_str()));
            let known: Vec<&str> =
                declared.chain(spec.into_iter().flat_map(|spec| spec.outputs.iter().map(|field| field.name))).collect();
            let list = if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
            return Err(usage(format!("{task} has no output `{name}`; {list}")));
        };
        if step.is_some_and(|step| step.is_secret_output(name)) {
            // The value is not looked at, so that no error tells it.
            let what = format!("the output `{name}` of {task} is sensitive: given here it would be written down");
            return Err(Failure::new(Exit::NotAllowed, what).meaning(
                "nothing was changed; only the step itself can read it, which it does again when it is needed",
            ));
        }
        let value = kind.parse(value).map_err(|error| usage(format!("the output `{name}` of {task}: {error}")))?;
        map.insert(name.to_owned(), value);
    }
    Ok(Value::Object(map))
}

/// Why not, and what can be done instead.
fn refused(state: &RunState, task: &Task, how: SkipHow, why: String) -> Failure {
    let run = &state.run;
    let mut failure = Failure::new(Exit::NotAllowed, why).meaning("nothing was changed");
    if state.ended.is_some() {
        return failure.next(format!("playbook status {run}"));
    }
    let mut wanted: Vec<String> = state.wanted_outputs(task, how).into_iter().map(|(name, _)| name).collect();
    wanted.sort();
    wanted.dedup();
    wanted.retain(|name| !state.step_of(task).is_some_and(|step| step.is_secret_output(name)));
    if !wanted.is_empty() && !task.is_undo() {
        let given: Vec<String> = wanted.iter().map(|name| format!("--with-output {name}=…")).collect();
        failure = failure.next(format!(
            "playbook skip {run} {task} --done-by-hand {} --reason \"…\"     (where you have done it)",
            given.join(" ")
        ));
        failure = failure.next("or skip those later steps first, the last of them before the others");
    } else if state.tasks.get(task).is_some_and(crate::run::TaskState::is_in_flight) {
        failure = failure.next(format!("playbook watch {run}     (until it has come to its end)"));
        failure = failure.next(format!("playbook pause {run} --reason \"…\"     (the run waits behind it)"));
    } else {
        failure = failure.next(format!("playbook status {run}     (how each step stands)"));
    }
    failure
}

/// What else comes of it, said before it is done.
fn consequences(state: &RunState, task: &Task, how: SkipHow) -> Vec<Line> {
    let say = |text: String| Line::new().with(Ink::Warn, text);
    let mut lines = Vec::new();
    if task.is_undo() {
        if how == SkipHow::NotNeeded {
            lines.push(say(format!("what {} did stays as it is, and the end of the run says so", task.doing())));
        }
        return lines;
    }
    match how {
        SkipHow::NotNeeded => {
            let with: Vec<String> = state.skipped_with(task).iter().map(ToString::to_string).collect();
            if !with.is_empty() {
                lines.push(say(format!("skipped too, as they need {task}: {}", with.join(", "))));
            }
        }
        SkipHow::DoneByHand => {
            if state.tasks.get(task).is_none_or(|known| known.intent.is_none()) {
                lines.push(say(format!("what you did for {task} is yours: a rollback of the run does not undo it")));
            }
            if state.step_of(task).is_some_and(|step| step.point_of_no_return) {
                lines.push(say(format!("{task} is the point of no return, and is crossed by that")));
            }
        }
    }
    lines
}
