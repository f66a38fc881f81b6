//! Who watches a run: the engine tells, and never touches a screen.

use crate::ids::StepId;
use crate::run::{Decision, Event, Record, RunState, Task};

/// Is told what happens. Calls come from the driving task; they must not block.
pub trait Observer: Send + Sync {
    /// A step's target is looked at for the plan.
    fn planning(&self, step: &StepId) {
        let _ = step;
    }

    /// A record is durable; the state is the one after it.
    fn record(&self, record: &Record, state: &RunState) {
        let _ = (record, state);
    }

    /// What is about to be done: a wait before a retry, a dispatch, a look.
    fn decision(&self, decision: &Decision, state: &RunState) {
        let _ = (decision, state);
    }

    /// This happened (or was about to), and could not be written down. More may follow in another call; what was told before
    /// stays true.
    fn unwritten(&self, events: &[Event]) {
        let _ = events;
    }

    /// The run is left as it stands here, as something other than the run itself has failed.
    fn gave_up(&self, state: &RunState) {
        let _ = state;
    }

    /// A command printed something: raw bytes.
    fn output(&self, task: &Task, stderr: bool, bytes: &[u8]) {
        let _ = (task, stderr, bytes);
    }
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}
