//! `resolve`: answer what a run asks about a step. The answer goes into the timeline with a name and a reason.

use crate::cli::args::Resolve;
use crate::cli::drive::{Drive, say_state};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::follow::exit_of;
use crate::cli::runs::{self, Doing};
use crate::cli::setup::Setup;
use crate::cli::text::Line;
use crate::cli::view::{answers, end};
use crate::journal::Journal;
use crate::run::{Answer, RequestKind, RunState, Task};

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
    let task = asked_about(&state, task)?;
    let (flag, answer) = answer(args);
    allowed(&state, flag)?;
    let mut drive = Drive::new(setup, args.output, runs::inventory(setup, &state)?, Box::new(journal), true)?;
    drive.know(state);
    say_state(setup);
    let result = drive.request(&run, RequestKind::Resolve { task, answer }, &args.reason);
    drive.end();
    match result? {
        Some(state) => {
            let lease = setup.journal()?.lease(&run)?;
            Ok(exit_of(&state, Doing::of_state(&state, &lease)))
        }
        None => {
            let command = setup.paste.command(format!("watch {run}"));
            setup.screen.say(&[Line::plain(format!(
                "the process that drives the run has the answer; to follow it: {command}"
            ))]);
            Ok(Exit::Success)
        }
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
