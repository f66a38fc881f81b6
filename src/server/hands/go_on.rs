//! A run is gone on with: somebody wants it to go on, says something to it while nobody drives it, or the server that drove it
//! is gone. It is taken only where no other process drives it, and never because it merely looks left.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::desk::Place;
use super::work::{Work, may_pass};
use super::{Inner, Reply};
use crate::engine::{Ending, EngineError, Silent, Taken, is_held};
use crate::ids::RunId;
use crate::inventory::Inventory;
use crate::journal::{Journal, JournalError, RunRow};
use crate::run::{RequestKind, RunState};
use crate::server::{Asked, Caller, Happening, Problem, Refusal};

/// How often it is looked whether a request was taken up.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long whoever asks waits for that; what was asked is durable meanwhile.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a run may take to leave its place.
const LEAVING: Duration = Duration::from_secs(1);
/// How soon a run is driven on again whose journal could not be written, in seconds; twice as long each time.
const AGAIN_AFTER: u64 = 5;
/// The longest time until then.
const AGAIN_AT_LAST: u64 = 120;

/// Goes on with a run that nobody drives.
pub(super) fn resume(
    inner: &Arc<Inner>,
    run: &RunId,
    by: &Caller,
    (reason, take_over): (&str, bool),
    reply: Reply<()>,
) {
    match taken_for(inner, run, by, take_over) {
        Err(problem) => reply.say(Err(problem)),
        Ok((_place, mut work, taken)) => {
            inner.rules.happened(&Happening::DrivenOn { run, by: &by.name });
            reply.say(Ok(()));
            let result = work.drive(async |engine| engine.go_on_for(taken, reason).await);
            end(inner, run, work, result);
        }
    }
}

/// A place for a run, which may be about to leave the one that it has: whoever saw its last record comes a moment too early.
fn soon(inner: &Arc<Inner>, run: &RunId) -> Result<Place, Refusal> {
    let begun = Instant::now();
    loop {
        match inner.desk.place_of(run) {
            Err(Refusal::InHand(_)) if begun.elapsed() < LEAVING => std::thread::sleep(LOOK_AGAIN),
            other => return other,
        }
    }
}

fn taken_for(inner: &Arc<Inner>, run: &RunId, by: &Caller, take_over: bool) -> Result<(Place, Work, Taken), Problem> {
    let problem = |refusal: Refusal| inner.rules.problem(refusal);
    let place = soon(inner, run).map_err(problem)?;
    let state = state_of(inner, run)?;
    if let Some((_, _, summary)) = &state.ended {
        let why = format!("run {run} has ended, and there is nothing to go on with: {summary}");
        return Err(problem(EngineError::NotNow(why).into()));
    }
    let mut work = Work::of(inner, inner.rules.inventory_of(&state)?, &by.name, Arc::new(Silent))?;
    work.engine.know(state);
    let taken = if take_over { work.engine.take_from(run) } else { work.engine.take_up(run) };
    Ok((place, work, taken.map_err(|error| problem(error.into()))?))
}

/// Asks for something: whoever drives the run takes it up; where nobody does, it is driven on here.
pub(super) fn ask(
    inner: &Arc<Inner>,
    run: &RunId,
    request: &RequestKind,
    by: &Caller,
    reason: &str,
    reply: Reply<Asked>,
) {
    match asked(inner, run, request, by, reason) {
        Err(problem) => reply.say(Err(problem)),
        Ok(None) => reply.say(Ok(Asked::TakenUp)),
        Ok(Some((_place, mut work, taken))) => {
            inner.rules.happened(&Happening::DrivenOn { run, by: &by.name });
            reply.say(Ok(Asked::DrivenOn));
            let result = work.drive(async |engine| engine.go_on(taken).await);
            end(inner, run, work, result);
        }
    }
}

fn asked(
    inner: &Arc<Inner>,
    run: &RunId,
    request: &RequestKind,
    by: &Caller,
    reason: &str,
) -> Result<Option<(Place, Work, Taken)>, Problem> {
    let problem = |refusal: Refusal| inner.rules.problem(refusal);
    // What was asked of a server that ends would be nobody's until the next start.
    inner.desk.goes_on().map_err(problem)?;
    inner.rules.may_ask(run, request, by)?;
    // Whoever drives the run has its inventory: who only asks needs none, so that one that is broken keeps nobody from stopping
    // what goes wrong. Where nobody does, it is asked for before anything is written.
    let mut work = Work::of(inner, Arc::default(), &by.name, Arc::new(Silent))?;
    let state = state_of(inner, run)?;
    let driven = inner.desk.has(run) || is_driven_elsewhere(work.journal(), run).map_err(problem)?;
    let mut inventory = if driven { None } else { Some(inner.rules.inventory_of(&state)?) };
    let id = work.engine.ask(run, request, reason).map_err(|error| problem(error.into()))?;
    let begun = Instant::now();
    loop {
        let open = work.journal().requests(run).map_err(|error| problem(error.into()))?;
        // It is durable: a holder that is stopped or on another host takes it up as soon as it can, and of a server that ends
        // the next one does.
        let enough = begun.elapsed() > PATIENCE || inner.desk.goes_on().is_err();
        if enough || !open.iter().any(|request| request.id == id) {
            work.end();
            return Ok(None);
        }
        match taken_if_free(inner, run, by, &mut inventory)? {
            Free::Not => {}
            Free::Over => {
                work.end();
                return Ok(None);
            }
            Free::Taken(taken) => {
                work.end();
                return Ok(Some(*taken));
            }
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Whether a process of the command line drives it. The lease of a server is in nobody's way: of this one the desk knows.
fn is_driven_elsewhere(journal: &mut dyn Journal, run: &RunId) -> Result<bool, Refusal> {
    let lease = journal.lease(run)?;
    Ok(is_held(&lease) && !lease.holder.serves)
}

/// Whether a run was there to be taken.
enum Free {
    /// Somebody drives it.
    Not,
    /// It came to its end between what was asked and now: that shows in its records.
    Over,
    /// It was, and is taken.
    Taken(Box<(Place, Work, Taken)>),
}

/// Takes the run up if nobody drives it, with the inventory that was read before, if it was.
fn taken_if_free(
    inner: &Arc<Inner>,
    run: &RunId,
    by: &Caller,
    inventory: &mut Option<Arc<Inventory>>,
) -> Result<Free, Problem> {
    let problem = |refusal: Refusal| inner.rules.problem(refusal);
    let Ok(place) = inner.desk.place_beyond(run) else { return Ok(Free::Not) };
    let mut journal = inner.house.journal()?;
    if is_driven_elsewhere(&mut journal, run).map_err(problem)? {
        return Ok(Free::Not);
    }
    let state = read(&mut journal, run).map_err(|error| problem(error.into()))?;
    drop(journal);
    if state.ended.is_some() {
        return Ok(Free::Over);
    }
    let inventory = match inventory.take() {
        Some(inventory) => inventory,
        None => inner.rules.inventory_of(&state)?,
    };
    let mut work = Work::of(inner, inventory, &by.name, Arc::new(Silent))?;
    work.engine.know(state);
    match work.engine.take_up(run) {
        Ok(taken) => Ok(Free::Taken(Box::new((place, work, taken)))),
        // A process of the command line was faster.
        Err(EngineError::Held { .. } | EngineError::Journal(JournalError::LeaseLost { .. })) => Ok(Free::Not),
        Err(error) => {
            let over = read(&mut inner.house.journal()?, run).is_ok_and(|state| state.ended.is_some());
            if over { Ok(Free::Over) } else { Err(problem(error.into())) }
        }
    }
}

/// Whether a run is one that a server has left: it was driven by one, has not ended, no person stopped it, and it does not
/// merely wait for a person.
///
/// # Errors
/// When its records cannot be read.
pub(super) fn is_left(journal: &mut dyn Journal, row: &RunRow) -> Result<bool, Refusal> {
    let theirs = row.verdict.is_none() && row.damaged.is_none() && row.lease.holder.serves;
    if !theirs || row.stopped {
        return Ok(false);
    }
    if row.waiting.is_none() {
        return Ok(true);
    }
    // What somebody has answered is not waited for any more, and a deadline decides also where nobody drives the run.
    if !journal.requests(&row.run)?.is_empty() {
        return Ok(true);
    }
    let state = RunState::replay(&row.run, &journal.records(&row.run, 0)?)?;
    Ok(state.question.is_some_and(|question| question.deadline.is_some()))
}

/// Drives on a run that a server has left.
pub(super) fn adopt(inner: &Arc<Inner>, place: Place, row: &RunRow) {
    inner.rules.happened(&Happening::Adopted { run: &row.run, playbook: &row.playbook });
    drive_left(inner, &row.run, 0, false);
    drop(place);
}

/// Takes a run that nobody drives and drives it to where it rests; again where only the journal is in the way, and once more
/// where a thread fell over it.
fn drive_left(inner: &Arc<Inner>, run: &RunId, tried: u32, fell: bool) {
    let (mut tried, mut fell) = (tried, fell);
    while wait_for(inner, tried) {
        match drive_left_once(inner, run) {
            Ok(()) => return,
            Err(Failed { problem, then }) => {
                tried += 1;
                let passes = then == Then::Again || (then == Then::Fell && !fell);
                fell |= then == Then::Fell;
                let again = passes.then(|| after(tried));
                inner.rules.happened(&Happening::Failed { run, problem: &problem, again });
                if !passes {
                    break;
                }
            }
        }
    }
    if fell && inner.desk.goes_on().is_ok() {
        let_go(inner, run);
    }
}

/// Why a try failed, and what that means for the next one.
struct Failed {
    problem: Box<Problem>,
    then: Then,
}

/// What a failure means for the next try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// It may help.
    Again,
    /// The thread fell, which it may do each time.
    Fell,
    /// It would fail as well.
    Never,
}

impl Then {
    fn of(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Fault(_) => Self::Fell,
            refusal if may_pass(refusal) => Self::Again,
            _ => Self::Never,
        }
    }
}

/// One try.
fn drive_left_once(inner: &Arc<Inner>, run: &RunId) -> Result<(), Failed> {
    let for_a_while = |problem: Problem| Failed { problem: Box::new(problem), then: Then::Again };
    let told = |refusal: Refusal| {
        let then = Then::of(&refusal);
        Failed { problem: Box::new(inner.rules.problem(refusal)), then }
    };
    let mut journal = inner.house.journal().map_err(for_a_while)?;
    let state = read(&mut journal, run).map_err(|error| told(error.into()))?;
    drop(journal);
    let inventory = inner.rules.inventory_of(&state).map_err(for_a_while)?;
    let mut work = Work::of(inner, inventory, &inner.name, Arc::new(Silent)).map_err(for_a_while)?;
    work.engine.know(state);
    let driven = work.drive(async |engine| {
        let taken = engine.take_up(run)?;
        engine.adopt(taken).await
    });
    work.end();
    let ending = driven.map_err(told)?;
    inner.is_out(run, &ending.kind);
    Ok(())
}

/// The end of driving a run. A server stays where a process of the command line would end, so a run whose journal could not be
/// written is taken up again once it can: it begins by asking what became of the step in hand, as after any crash. The same holds
/// for one whose thread fell.
pub(super) fn end(inner: &Arc<Inner>, run: &RunId, work: Work, result: Result<Ending, Refusal>) {
    work.end();
    match result {
        Ok(ending) => inner.is_out(run, &ending.kind),
        Err(refusal) => {
            let then = Then::of(&refusal);
            let again = (then != Then::Never).then(|| after(1));
            let problem = inner.rules.problem(refusal);
            inner.rules.happened(&Happening::Failed { run, problem: &problem, again });
            if again.is_some() {
                drive_left(inner, run, 1, then == Then::Fell);
            }
        }
    }
}

/// Lets a run go whose thread fell over it twice: this process lives on, and its lease would make the run look driven for as long.
fn let_go(inner: &Arc<Inner>, run: &RunId) {
    let gone = || -> Result<(), Problem> {
        let mut work = Work::of(inner, Arc::default(), &inner.name, Arc::new(Silent))?;
        let let_go = work.engine.take_up(run).and_then(|taken| work.engine.let_go(taken));
        work.end();
        let_go.map_err(|error| inner.rules.problem(error.into()))
    };
    // It fell before, and may do so here.
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(gone)) {
        Ok(Ok(())) => {}
        Ok(Err(problem)) => inner.rules.happened(&Happening::Failed { run, problem: &problem, again: None }),
        Err(_) => tracing::error!(%run, "a run that fell could not be let go"),
    }
}

/// After how many seconds it is tried again.
fn after(tried: u32) -> u64 {
    AGAIN_AFTER.saturating_mul(1 << tried.saturating_sub(1).min(6)).min(AGAIN_AT_LAST)
}

/// Waits until it is time to try again; false where the server ends before.
fn wait_for(inner: &Inner, tried: u32) -> bool {
    let until = Instant::now() + Duration::from_secs(if tried == 0 { 0 } else { after(tried) });
    loop {
        if inner.desk.goes_on().is_err() {
            return false;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(Duration::from_millis(200)));
    }
}

fn read(journal: &mut dyn Journal, run: &RunId) -> Result<RunState, EngineError> {
    Ok(RunState::replay(run, &journal.records(run, 0)?)?)
}

fn state_of(inner: &Inner, run: &RunId) -> Result<RunState, Problem> {
    let mut journal = inner.house.journal()?;
    read(&mut journal, run).map_err(|error| inner.rules.problem(error.into()))
}
