//! Which run this process has begun or driven, seen from its records: a failure says so, and names it. It passes everything
//! on and shows nothing.

use std::sync::{Arc, Mutex, PoisonError};

use crate::engine::Observer;
use crate::ids::{RunId, StepId};
use crate::run::{Decision, Record, RunState, Task};

use super::reporter::Reporter;

/// Remembers the run whose records pass by.
pub struct Seen {
    reporter: Arc<dyn Reporter>,
    run: Mutex<Option<RunId>>,
}

impl Seen {
    /// In front of a reporter.
    pub fn new(reporter: Arc<dyn Reporter>) -> Self {
        Self { reporter, run: Mutex::new(None) }
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

    fn output(&self, task: &Task, stderr: bool, bytes: &[u8]) {
        self.reporter.output(task, stderr, bytes);
    }
}
