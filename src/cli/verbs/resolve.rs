//! `resolve`: answer what a run asks about a step. The answer goes into the timeline with a name and a reason.

use std::collections::BTreeSet;

use crate::cli::args::Resolve;
use crate::cli::drive::{self, Asked};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::follow::exit_of;
use crate::cli::runs::{self, Doing};
use crate::cli::setup::Setup;
use crate::cli::text::Line;
use crate::cli::view::{answers, count, end};
use crate::run::{Answer, RequestKind, RunState, Task};
use crate::value::ranges;

/// Answers; returns the run's code where this process goes on with the run.
///
/// # Errors
/// When there is no such run, or it does not ask about this step.
pub fn resolve(setup: &Setup, args: &Resolve) -> Result<Exit, Failure> {
    if args.reason.trim().is_empty() {
        return Err(Failure::new(Exit::Usage, "an answer is written down with its reason: --reason TEXT"));
    }
    let task: Task =
        args.step.parse().map_err(|error: crate::ids::InvalidName| Failure::new(Exit::Usage, error.to_string()))?;
    let (journal, state) = runs::open(setup, &args.run)?;
    let run = state.run.clone();
    runs::newest(setup, &state)?;
    let task = if args.all { first_of_all(&state, &task)? } else { asked_about(&state, task)? };
    let (flag, answer) = answer(args);
    allowed(&state, flag)?;
    // Of several, the next one is answered as soon as it is asked about: nobody is waited for in between.
    let mut answers = Answers { of: task.clone(), answer, all: args.all, given: BTreeSet::new() };
    let first = answers.to(&state);
    let first = first.unwrap_or(RequestKind::Resolve { task, answer });
    let how = (args.output, !args.all);
    let asked = drive::ask(setup, how, (journal, state), (first, &args.reason), |state| answers.to(state))?;
    match asked {
        Asked::Rests(state) => {
            answers.tell(setup);
            let lease = setup.journal()?.lease(&run)?;
            Ok(exit_of(&state, Doing::of_state(&state, &lease)))
        }
        Asked::Left => Ok(Exit::Interrupted),
        Asked::TakenUp { .. } => {
            let again = if args.all { "; where it asks about the next item, give the answer again" } else { "" };
            let command = setup.paste.command(format!("watch {run}"));
            setup.screen.say(&[Line::plain(format!(
                "the process that drives the run has the answer{again}; to follow it: {command}"
            ))]);
            Ok(Exit::Success)
        }
    }
}

/// One answer to what is asked of one item after the other.
struct Answers {
    of: Task,
    answer: Answer,
    all: bool,
    /// Of which it was given: nobody wants a second time what did not help.
    given: BTreeSet<Task>,
}

impl Answers {
    /// The answer to what a run asks now, where it is asked of one more of them.
    fn to(&mut self, state: &RunState) -> Option<RequestKind> {
        let question = state.question.as_ref().filter(|question| question.kind.answers().contains(&self.answer))?;
        let task = &question.task;
        let same = is_alike(task, &self.of) && (self.all || self.given.is_empty());
        (same && self.given.insert(task.clone()))
            .then(|| RequestKind::Resolve { task: task.clone(), answer: self.answer })
    }

    fn tell(&self, setup: &Setup) {
        if self.all {
            let items: Vec<&str> = self.given.iter().filter_map(|task| Some(task.item.as_ref()?.as_str())).collect();
            let names = ranges::listed(items.iter().copied(), 400);
            setup.screen.say(&[Line::plain(format!("answered for {}: {names}", count(items.len(), "item")))]);
        }
    }
}

/// Whether two are the same of two items.
fn is_alike(one: &Task, other: &Task) -> bool {
    one.step == other.step && one.phase == other.phase
}

/// What is asked now, where that is asked of an item of a step.
fn first_of_all(state: &RunState, of: &Task) -> Result<Task, Failure> {
    if of.item.is_some() {
        let what = format!("--all means every item that the run asks about, and {of} is one of them");
        let all = Task { item: None, ..of.clone() };
        return Err(Failure::new(Exit::Usage, what)
            .meaning("nothing was changed")
            .next(format!("playbook resolve {} {all} --all …", state.run)));
    }
    let asked = state.question.as_ref().map(|question| &question.task);
    match asked.filter(|asked| asked.item.is_some() && (is_alike(asked, of) || is_alike(&asked.doing(), of))) {
        Some(asked) => Ok(asked.clone()),
        None => asked_about(state, of.clone()),
    }
}

/// The task that is asked about; its step's name alone is enough.
fn asked_about(state: &RunState, task: Task) -> Result<Task, Failure> {
    let Some(question) = state.question.as_ref().filter(|_| state.ended.is_none()) else {
        return Err(Failure::new(Exit::NotAllowed, format!("run {} asks nothing", state.run))
            .meaning("nothing was changed")
            .next(format!("playbook status {}", state.run)));
    };
    if question.task == task || (!task.is_undo() && question.task.doing() == task) {
        return Ok(question.task.clone());
    }
    let what = format!("run {} asks about {}, not about {task}: {}", state.run, question.task, question.message);
    let failure = Failure::new(Exit::NotAllowed, what).meaning("nothing was changed");
    Err(with_answers(state, failure))
}

fn answer(args: &Resolve) -> (&'static str, Answer) {
    if args.took_effect {
        ("--took-effect", Answer::TookEffect)
    } else if args.did_not {
        ("--did-not", Answer::DidNot)
    } else if args.retry {
        ("--retry", Answer::Retry)
    } else if args.undo {
        ("--undo", Answer::Undo)
    } else if args.go_on {
        ("--go-on", Answer::GoOn)
    } else {
        ("--abandon", Answer::Abandon)
    }
}

/// An answer that leads nowhere for this kind of question is not taken.
fn allowed(state: &RunState, flag: &str) -> Result<(), Failure> {
    let choices = state.question.as_ref().map(|question| answers::choices(state, question)).unwrap_or_default();
    if choices.iter().any(|choice| choice.flag == flag) {
        return Ok(());
    }
    let failure = Failure::new(Exit::NotAllowed, format!("{flag} is no answer to what run {} asks", state.run));
    Err(with_answers(state, failure.meaning("nothing was changed")))
}

fn with_answers(state: &RunState, failure: Failure) -> Failure {
    let Some(question) = &state.question else { return failure };
    answers::choices(state, question).into_iter().fold(failure, |failure, choice| {
        let command = format!("playbook {}", end::answer(state, question, choice.flag));
        failure.next(format!("{command}     ({})", choice.leads_to))
    })
}
