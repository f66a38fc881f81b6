//! `approve` and `reject`: say whether a step may begin that waits for people. Who says it is the user of this process; which
//! roles that gives is in the configuration. What is approved is what is shown: if it changes, it is asked about anew.

use crate::cli::args::{Approve, Output, Reject};
use crate::cli::drive::{self, Asked};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::follow::exit_of;
use crate::cli::runs::{self, Doing};
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::cli::view::approval;
use crate::engine::holder::this_process;
use crate::ids::RunId;
use crate::run::{Event, Question, QuestionKind, RequestKind, RunState, Task};

/// `approve`.
///
/// # Errors
/// When the run does not ask for it, or this person may not.
pub fn approve(setup: &Setup, args: &Approve) -> Result<Exit, Failure> {
    let reason = args.reason.clone().unwrap_or_default();
    if args.break_glass && reason.trim().is_empty() {
        return Err(Failure::new(Exit::Usage, "the glass is broken with a reason: --reason TEXT"));
    }
    answer(setup, &args.run, &args.step, &reason, args.output, |state, task| {
        let subject = state.brakes.approvals.get(&task).map(|approving| approving.asking.subject.clone());
        subject.map(|subject| RequestKind::Approve { task, subject, break_glass: args.break_glass })
    })
}

/// `reject`.
///
/// # Errors
/// When the run does not ask for it, or this person may not.
pub fn reject(setup: &Setup, args: &Reject) -> Result<Exit, Failure> {
    if args.reason.trim().is_empty() {
        return Err(Failure::new(Exit::Usage, "a no is written down with its reason: --reason TEXT"));
    }
    answer(setup, &args.run, &args.step, &args.reason, args.output, |_, task| Some(RequestKind::Reject { task }))
}

fn answer(
    setup: &Setup,
    run: &str,
    step: &str,
    reason: &str,
    output: Output,
    request: impl Fn(&RunState, Task) -> Option<RequestKind>,
) -> Result<Exit, Failure> {
    let task: Task =
        step.parse().map_err(|error: crate::ids::InvalidName| Failure::new(Exit::Usage, error.to_string()))?;
    let (journal, state) = runs::open(setup, run)?;
    let run = state.run.clone();
    runs::newest(setup, &state)?;
    let question = asked(&state, &task)?;
    setup.screen.say(&approval::lines(&state, question, setup.screen.text_width()));
    let Some(kind) = request(&state, task.clone()) else {
        return Err(Failure::new(Exit::NotAllowed, format!("run {run} asks for no approval of {task}")));
    };
    let seq = state.seq;
    // One yes of several lets nothing begin: whoever gives it does not wait for the others.
    let more = state.brakes.approvals.get(&task).is_some_and(|approving| approving.missing() > 1);
    let last = !more || !matches!(kind, RequestKind::Approve { break_glass: false, .. });
    match drive::ask(setup, (output, last), (journal, state), (kind, reason), |_| None)? {
        Asked::Rests(state) => {
            let lease = setup.journal()?.lease(&run)?;
            Ok(exit_of(&state, Doing::of_state(&state, &lease)))
        }
        Asked::TakenUp { by } => taken_up(setup, &run, &task, (seq, by)),
        Asked::Left => Ok(Exit::Interrupted),
    }
}

/// The approval that the run asks for.
fn asked<'s>(state: &'s RunState, task: &Task) -> Result<&'s Question, Failure> {
    let open = state.question.as_ref().filter(|open| open.kind == QuestionKind::Approval && state.ended.is_none());
    if let Some(question) = open.filter(|open| &open.task == task) {
        return Ok(question);
    }
    let run = &state.run;
    let what = match open {
        Some(open) => format!("run {run} asks for the approval of {}, not of {task}", open.task),
        None if state.brakes.approvals.get(task).is_some_and(|approving| approving.granted.is_some()) => {
            format!("{task} of run {run} is approved already")
        }
        None => format!("run {run} asks for no approval now"),
    };
    Err(Failure::new(Exit::NotAllowed, what)
        .meaning("nothing was changed; an approval is given when it is asked for, of what is shown then")
        .next(format!("playbook status {run}")))
}

/// What the process that drives the run made of the answer.
fn taken_up(setup: &Setup, run: &RunId, task: &Task, (seq, by): (u64, Option<String>)) -> Result<Exit, Failure> {
    let by = by.unwrap_or_else(|| this_process().user);
    let records = setup.journal()?.records(run, seq)?;
    let answers = |event: &Event| matches!(event, Event::Approved { .. } | Event::Rejected { .. } | Event::Note { .. });
    let own = records.iter().rev().find(|record| record.actor == by && answers(&record.event));
    let watch = setup.paste.command(format!("watch {run}"));
    let text = match own.map(|record| &record.event) {
        Some(Event::Approved { complete: false, .. }) => format!("{task}: your approval is there; more people must"),
        Some(Event::Approved { .. }) => format!("{task} is approved and begins; to follow it: {watch}"),
        Some(Event::Rejected { .. }) => format!("{task} does not begin; to follow what becomes of the run: {watch}"),
        Some(Event::Note { message }) => return Err(Failure::new(Exit::NotAllowed, message.clone())),
        _ => format!("the process that drives the run has the answer, and takes it up; to follow it: {watch}"),
    };
    setup.screen.say(&[Line::new().with(Ink::Plain, text)]);
    Ok(Exit::Success)
}
