//! Following a run that another process drives: its records go through the same reporter as those of a run of our own.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use crate::ids::RunId;
use crate::journal::Journal;
use crate::run::{RunState, StopKind};

use super::args::Output;
use super::exit::Exit;
use super::failure::Failure;
use super::reporter::{self, Reporter};
use super::runs::{self, Doing, is_held};
use super::setup::Setup;
use super::signals;
use super::text::Line;

/// How often the journal is looked at.
const PERIOD: Duration = Duration::from_millis(150);

/// Follows a run until it has ended, or nobody drives it any more: how it stands then. `None` where the person who looks on
/// has seen enough: that ends the following and not the run.
///
/// # Errors
/// When its records cannot be read.
pub fn follow(
    setup: &Setup,
    output: Output,
    journal: &mut dyn Journal,
    run: &RunId,
) -> Result<Option<(RunState, Doing)>, Failure> {
    let enough = signals::end_of_watching()?;
    let reporter = reporter::choose(&setup.screen, output, &setup.paste);
    let result = until(&enough, journal, run, reporter.as_ref());
    reporter.finish();
    let followed = result?;
    if followed.is_none() {
        let command = setup.paste.command(format!("watch {run}"));
        setup.screen.say(&[Line::plain(format!("the run goes on; to follow it again: {command}"))]);
    }
    Ok(followed)
}

fn until(
    enough: &Receiver<()>,
    journal: &mut dyn Journal,
    run: &RunId,
    reporter: &dyn Reporter,
) -> Result<Option<(RunState, Doing)>, Failure> {
    let mut known: Option<RunState> = None;
    loop {
        // The lease before the records: a holder that ends between the two has written its last record by then.
        let lease = journal.lease(run)?;
        let held = is_held(&lease);
        let after = known.as_ref().map_or(0, |state| state.seq);
        // Some at a time: whoever begins to watch late is not to hold all of them twice.
        runs::each_behind(journal, run, after, |record| {
            let state = match known.take() {
                None => RunState::begin(run, &record)?,
                Some(mut state) => {
                    state.apply(&record)?;
                    state
                }
            };
            reporter.record(&record, known.insert(state));
            Ok(true)
        })?;
        if let Some(state) = &known {
            let doing = Doing::of_state(state, &lease);
            if doing == Doing::Ended || !held {
                return Ok(Some((state.clone(), doing)));
            }
        }
        if enough.recv_timeout(PERIOD) != Err(RecvTimeoutError::Timeout) {
            return Ok(None);
        }
    }
}

/// What a run that stands like this returns.
pub fn exit_of(state: &RunState, doing: Doing) -> Exit {
    match (doing, &state.ended, state.stopped) {
        (_, Some((verdict, ..)), _) => Exit::of_ended(state, *verdict),
        (Doing::Stuck, ..) => Exit::Stuck,
        (Doing::Waiting, ..) | (Doing::Stopped, _, Some(StopKind::Paused)) => Exit::Waiting,
        (Doing::Running, ..) => Exit::Success,
        (Doing::Damaged, ..) => Exit::Invalid,
        (Doing::Stopped | Doing::Interrupted | Doing::Ended, ..) => Exit::Interrupted,
    }
}
