//! The kill switch, as the driver meets it: a halt that somebody put in force becomes a record of each run in hand, and the
//! run stands still until it is lifted. That nothing begins meanwhile is kept by the journal, in the very write of an intent;
//! what is here only sees to it that people know why nothing moves.

use super::drive::{Drive, TICK};
use super::{EndingKind, EngineError};
use crate::journal::{Halt, JournalError};
use crate::run::{Decision, Event, RunState};

impl Drive<'_> {
    /// Turns a halt, or its end, into a record.
    pub(super) fn take_halt(&self) -> Result<(), EngineError> {
        let newest = self.journal.borrow_mut().newest_halt()?;
        let Some((by, event)) = event_of(&self.state(), newest) else { return Ok(()) };
        self.append_by(&by, vec![event], &[])
    }

    /// Stands still for a while; where nobody stays for it, the run is left as it is.
    pub(super) async fn stand_still(&self) -> Option<EndingKind> {
        if !self.tools.wait {
            return Some(EndingKind::Halted);
        }
        let told = self.state().halted.as_ref().map(|halt| halt.number);
        if self.told_halt.replace(told) != told {
            self.tools.observer.decision(&Decision::Halted, &self.state());
        }
        self.idle(TICK).await;
        None
    }
}

/// The record that the run lacks to know how the halt stands, and in whose name it is written.
fn event_of(state: &RunState, newest: Option<Halt>) -> Option<(String, Event)> {
    if state.ended.is_some() {
        return None;
    }
    let seen = state.halted.as_ref().map(|halt| halt.number);
    match newest {
        Some(Halt { number, by, reason, since, lifted: None }) => {
            (seen != Some(number)).then(|| (by.clone(), Event::Halted { number, by, reason, since }))
        }
        Some(Halt { lifted: Some(lifted), .. }) if seen.is_some() => {
            Some((lifted.by.clone(), Event::HaltLifted { by: lifted.by, reason: lifted.reason }))
        }
        // A journal from which the halt is gone, as somebody went back to a copy of before: there is none in force.
        None if seen.is_some() => {
            let reason = "the journal has no halt in force any more".to_owned();
            Some(("nobody".to_owned(), Event::HaltLifted { by: "nobody".to_owned(), reason }))
        }
        _ => None,
    }
}

/// An attempt that a halt came before, or the end of its approval: nothing was written of it, and nothing has begun.
pub(super) fn came_before(result: Result<(), EngineError>) -> Result<(), EngineError> {
    match result {
        Err(EngineError::Journal(JournalError::Halted(_)) | EngineError::NotNow(_)) => Ok(()),
        other => other,
    }
}
