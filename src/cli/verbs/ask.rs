//! `rollback`, `cancel`, `abort`, `pause`: ask for something to happen with a run. Where a process drives it, that process
//! does it; where none does, this one.

use crate::cli::args::{Ask, Output, Pause, Rollback};
use crate::cli::brakes;
use crate::cli::drive::{self, Asked, show};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::files;
use crate::cli::follow::{exit_of, follow};
use crate::cli::runs::{self, Doing};
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::cli::view::end;
use crate::engine::holder;
use crate::ids::RunId;
use crate::journal::Store;
use crate::run::{QuestionKind, RequestKind, RunState, Verdict};

/// `rollback`.
///
/// # Errors
/// When there is no such run or checkpoint, or it cannot be rolled back now.
pub fn rollback(setup: &Setup, args: &Rollback) -> Result<Exit, Failure> {
    let (mut journal, state) = runs::open(setup, &args.ask.run)?;
    if let Some(name) = &args.to {
        known_checkpoint(&state, name)?;
    }
    if args.despite_halt && args.ask.reason.as_deref().unwrap_or("").trim().is_empty() {
        return Err(Failure::new(Exit::Usage, "what a halt holds is undone with a reason: --reason TEXT"));
    }
    // A brake that does not bind is not passed.
    let despite_halt = args.despite_halt && journal.halted()?.is_some();
    let by = holder::this_process().user;
    // A server knows better who may.
    if despite_halt
        && setup.server()?.is_none()
        && let Err(why) = brakes::may_pass(&setup.config, &by, brakes::HALT)
    {
        return Err(Failure::new(Exit::NotAllowed, why).meaning("nothing was done; the halt holds this run as well"));
    }
    ask(setup, &args.ask, (journal, state), RequestKind::Rollback { to: args.to.clone(), despite_halt })
}

/// `cancel`.
///
/// # Errors
/// When there is no such run, or it has ended.
pub fn cancel(setup: &Setup, args: &Ask) -> Result<Exit, Failure> {
    ask(setup, args, runs::open(setup, &args.run)?, RequestKind::Cancel)
}

/// `abort`.
///
/// # Errors
/// When there is no such run, or it has ended.
pub fn abort(setup: &Setup, args: &Ask) -> Result<Exit, Failure> {
    ask(setup, args, runs::open(setup, &args.run)?, RequestKind::Abort)
}

/// `pause`.
///
/// # Errors
/// When there is no such run, or it has ended.
pub fn pause(setup: &Setup, args: &Pause) -> Result<Exit, Failure> {
    let kind = if args.finish_items { RequestKind::FinishItems } else { RequestKind::Pause };
    ask(setup, &args.ask, runs::open(setup, &args.ask.run)?, kind)
}

fn known_checkpoint(state: &RunState, name: &str) -> Result<(), Failure> {
    if state.checkpoints.iter().any(|point| point.name == name) {
        return Ok(());
    }
    let reached: Vec<&str> = state.checkpoints.iter().map(|point| point.name.as_str()).collect();
    let there_are =
        if reached.is_empty() { "none was reached".to_owned() } else { format!("reached: {}", reached.join(", ")) };
    let failure =
        Failure::new(Exit::NotFound, format!("run {} has reached no checkpoint `{name}`; {there_are}", state.run));
    let near = files::nearest(name, reached.iter().copied());
    let failure = failure.meaning("nothing was asked of the run");
    Err(near
        .into_iter()
        .fold(failure, |failure, name| failure.next(format!("playbook rollback {} --to {name}", state.run))))
}

fn ask(
    setup: &Setup,
    args: &Ask,
    (journal, state): (Box<dyn Store>, RunState),
    kind: RequestKind,
) -> Result<Exit, Failure> {
    let run = &state.run.clone();
    runs::newest(setup, &state)?;
    if let Some((verdict, ..)) = state.ended {
        let words = crate::timeline::verdict_words(verdict);
        return Err(Failure::new(
            Exit::NotAllowed,
            format!("run {run} has ended ({words}); there is nothing to ask of it"),
        )
        .meaning("nothing was changed")
        .next(format!("playbook status {run}")));
    }
    abort_goes_no_farther(setup, &state, &kind)?;
    let reason = args.reason.as_deref().unwrap_or("");
    let known = state.clone();
    let asked = drive::ask(setup, (args.output, true), (journal, state), (kind.clone(), reason), |_| None)?;
    let state = match asked {
        Asked::Left => return Ok(Exit::Interrupted),
        Asked::Rests(state) => *state,
        Asked::TakenUp { .. } => match followed(setup, args.output, known, &kind)? {
            Some(state) => state,
            None => return Ok(Exit::Interrupted),
        },
    };
    let doing = if state.ended.is_some() { Doing::Ended } else { now_doing(setup, run, &state)? };
    Ok(if did(&kind, &state) { Exit::Success } else { exit_of(&state, doing) })
}

/// What `abort` is while a run undoes: no end, as half of what it did would stand unseen. A run that is stuck there waits already.
fn abort_goes_no_farther(setup: &Setup, state: &RunState, kind: &RequestKind) -> Result<(), Failure> {
    if *kind != RequestKind::Abort || state.rollback.is_none() {
        return Ok(());
    }
    if setup.server()?.is_none() {
        // What is to be done next is pasted with this inventory: it has to be the run's.
        runs::inventory(setup, state)?;
    }
    let run = &state.run;
    let Some(question) = state.question.as_ref().filter(|question| question.kind == QuestionKind::UndoFailed) else {
        let words =
            "the run undoes what it did: what is being undone comes to its end, then it waits, and its locks are kept";
        setup.screen.say(&[Line::new().with(Ink::Warn, words)]);
        return Ok(());
    };
    let end = format!("playbook {}", end::answer(state, question, "--abandon"));
    Err(Failure::new(Exit::NotAllowed, format!("run {run} is stuck in its undo and waits for an answer already"))
        .meaning("nothing was changed; an abort never ends an undo half-way")
        .next(format!("{end}     (everything stays as it is now and the run ends; its locks are freed)"))
        .next(format!("playbook status {run}     (what is asked, and the other answers)")))
}

/// The process that drives the run has taken the request up: it is followed until it did what was asked. Whoever asks has not
/// asked for all that was before.
fn followed(setup: &Setup, output: Output, known: RunState, kind: &RequestKind) -> Result<Option<RunState>, Failure> {
    setup.screen.say(&[Line::plain(
        "the process that drives the run has taken it up; following it (Ctrl-C ends only the following)",
    )]);
    let mut journal = setup.journal()?;
    let Some((state, doing)) = follow(setup, output, journal.as_mut(), (&known.run.clone(), Some(known)))? else {
        return Ok(None);
    };
    let exit = if did(kind, &state) { Exit::Success } else { exit_of(&state, doing) };
    show(setup, output, &state, doing, exit);
    Ok(Some(state))
}

fn now_doing(setup: &Setup, run: &RunId, state: &RunState) -> Result<Doing, Failure> {
    let lease = setup.journal()?.lease(run)?;
    Ok(Doing::of_state(state, &lease))
}

/// Whether what was asked has come about.
fn did(kind: &RequestKind, state: &RunState) -> bool {
    let verdict = state.ended.as_ref().map(|(verdict, ..)| *verdict);
    match kind {
        RequestKind::Cancel | RequestKind::Rollback { to: None, .. } => {
            matches!(verdict, Some(Verdict::RolledBack | Verdict::Failed))
        }
        RequestKind::Rollback { to: Some(_), .. } => {
            matches!(verdict, Some(Verdict::RolledBackToCheckpoint | Verdict::RolledBack))
        }
        RequestKind::Abort => matches!(verdict, Some(Verdict::Abandoned | Verdict::Incomplete)),
        RequestKind::Pause | RequestKind::FinishItems => verdict.is_none() && state.stopped.is_some(),
        RequestKind::Resolve { .. }
        | RequestKind::Skip { .. }
        | RequestKind::Approve { .. }
        | RequestKind::Reject { .. } => false,
    }
}
