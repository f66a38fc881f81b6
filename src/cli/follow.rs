//! Following a run that another process drives: its records go through the same reporter as those of a run of our own.

use std::time::Duration;

use crate::ids::RunId;
use crate::journal::Journal;
use crate::run::{RunState, StopKind};

use super::exit::Exit;
use super::failure::Failure;
use super::reporter::Reporter;
use super::runs::{Doing, is_held};

/// How often the journal is looked at.
const PERIOD: Duration = Duration::from_millis(150);

/// Follows a run until it has ended, or nobody drives it any more.
///
/// # Errors
/// When its records cannot be read.
pub fn follow(journal: &mut dyn Journal, run: &RunId, reporter: &dyn Reporter) -> Result<(RunState, Doing), Failure> {
    let mut known: Option<RunState> = None;
    loop {
        // The lease before the records: a holder that ends between the two has written its last record by then.
        let lease = journal.lease(run)?;
        let held = is_held(&lease);
        let after = known.as_ref().map_or(0, |state| state.seq);
        for record in journal.records(run, after)? {
            let state = match known.take() {
                None => RunState::begin(run, &record)?,
                Some(mut state) => {
                    state.apply(&record)?;
                    state
                }
            };
            reporter.record(&record, known.insert(state));
        }
        if let Some(state) = &known {
            let doing = Doing::of_state(state, &lease);
            if doing == Doing::Ended || !held {
                return Ok((state.clone(), doing));
            }
        }
        std::thread::sleep(PERIOD);
    }
}

/// What a run that stands like this returns.
pub fn exit_of(state: &RunState, doing: Doing) -> Exit {
    match (doing, &state.ended, state.stopped) {
        (_, Some((verdict, ..)), _) => Exit::of_ended(state, *verdict),
        (Doing::Stuck, ..) => Exit::Stuck,
        (Doing::Waiting, ..) | (Doing::Stopped, _, Some(StopKind::Paused)) => Exit::Waiting,
        (Doing::Running, ..) => Exit::Success,
        (Doing::Stopped | Doing::Interrupted | Doing::Ended, ..) => Exit::Interrupted,
    }
}
