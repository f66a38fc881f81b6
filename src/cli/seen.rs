//! Which run this process has begun or driven, seen from its records, and how it stood when it had to be left: a failure
//! says so, and names it. It passes everything on and shows nothing.

use std::sync::{Arc, Mutex, PoisonError};

use crate::engine::Observer;
use crate::ids::{RunId, StepId};
use crate::run::{Decision, Event, Record, RunState, Task};

use super::reporter::Reporter;

/// Remembers the run whose records pass by.
pub struct Seen {
    reporter: Arc<dyn Reporter>,
    run: Mutex<Option<RunId>>,
    left: Mutex<Left>,
}

/// How a run was left.
#[derive(Debug, Clone, Default)]
pub struct Left {
    /// What is known of it; absent where it was not driven, or came to an end of its own.
    pub state: Option<Box<RunState>>,
    /// What could not be written down any more.
    pub unwritten: Vec<Event>,
}

impl Seen {
    /// In front of a reporter.
    pub fn new(reporter: Arc<dyn Reporter>) -> Self {
        Self { reporter, run: Mutex::new(None), left: Mutex::default() }
    }

    /// How it was left.
    pub fn left(&self) -> Left {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The run, once one of its records is durable.
    pub fn run(&self) -> Option<RunId> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Observer for Seen {
    fn planning(&self, step: &StepId) {
        self.reporter.planning(step);
    }

    fn record(&self, record: &Record, state: &RunState) {
        *self.run.lock().unwrap_or_else(PoisonError::into_inner) = Some(state.run.clone());
        self.reporter.record(record, state);
    }

    fn decision(&self, decision: &Decision, state: &RunState) {
        self.reporter.decision(decision, state);
    }

    fn unwritten(&self, events: &[Event]) {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).unwritten.extend_from_slice(events);
    }

    fn gave_up(&self, state: &RunState) {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).state = Some(Box::new(state.clone()));
    }

    fn output(&self, task: &Task, stderr: bool, bytes: &[u8]) {
        self.reporter.output(task, stderr, bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nobody;

    impl Observer for Nobody {}
    impl Reporter for Nobody {}

    #[test]
    fn what_could_not_be_written_is_never_forgotten_for_what_could_not_be_written_later() {
        let note = |message: &str| Event::Note { message: message.to_owned() };
        let seen = Seen::new(Arc::new(Nobody));
        [vec![note("a"), note("b")], vec![], vec![note("c")]].iter().for_each(|events| seen.unwritten(events));
        assert_eq!(seen.left().unwritten, [note("a"), note("b"), note("c")]);
    }
}
