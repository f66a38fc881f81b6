//! While everything is halted: what is under way comes to its end and is written down, what is missing is looked into, and
//! nothing new begins, neither forward nor back, nor by a deadline that passes. The undo of a run that a person let go on by
//! name is the one exception.

use super::decide::together;
use super::state::Halted;
use super::{Decision, Event, RunState, Task};

impl RunState {
    /// A halt has begun or ended.
    pub(super) fn take_halt(&mut self, event: &Event) {
        // What a person let through was said of the halt before.
        self.despite_halt = false;
        self.halted = match event {
            Event::Halted { number, by, reason, since } => {
                Some(Halted { number: *number, by: by.clone(), reason: reason.clone(), since: *since })
            }
            _ => None,
        };
    }
}

/// What is left of a decision.
pub(super) fn hold_back(run: &RunState, decision: Decision) -> Decision {
    match decision {
        Decision::Together(decisions) => {
            let left: Vec<Decision> = decisions.into_iter().filter(|one| !is_held(run, one)).collect();
            if left.is_empty() { Decision::Halted } else { together(left) }
        }
        one if is_held(run, &one) => Decision::Halted,
        one => one,
    }
}

fn is_held(run: &RunState, decision: &Decision) -> bool {
    match decision {
        Decision::Prepare { task, .. } => !goes_on(run, task),
        Decision::Enter { .. } | Decision::BetweenBatches { .. } => true,
        // What nobody answered has its default once the halt is over: somebody who is busy with what made them halt must not
        // find that a deadline decided meanwhile.
        Decision::Record(event) => matches!(**event, Event::Answered { .. }),
        _ => false,
    }
}

/// Whether a task may begin all the same.
fn goes_on(run: &RunState, task: &Task) -> bool {
    run.despite_halt && task.is_undo()
}
