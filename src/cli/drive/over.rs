//! Driving a run that takes the place of another one.

use super::{Drive, interrupted};
use crate::cli::books::Chosen;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::held::Held;
use crate::engine::{Beginning, EngineError, Former};
use crate::ids::RunId;
use crate::journal::JournalError;
use crate::plan::Plan;
use crate::run::Inheritance;

impl Drive<'_> {
    /// Looks at a run whose place is to be taken.
    ///
    /// # Errors
    /// When a process drives it, or it has ended.
    pub fn former(&mut self, run: &RunId) -> Result<Former, Failure> {
        self.engine.former(run).map_err(Failure::from)
    }

    /// Looks at the targets and makes a plan that goes on from what another run has done.
    ///
    /// # Errors
    /// When the plan cannot be made, or the other run cannot be gone on from.
    pub fn plan_on(&mut self, chosen: Chosen, former: &Former, reason: &str) -> Result<(Plan, Inheritance), Failure> {
        let mut interrupts = self.interrupts.1.clone();
        interrupts.mark_unchanged();
        let engine = &mut self.engine;
        let result = self.runtime.block_on(async {
            tokio::select! {
                result = engine.plan_on(chosen.playbook, chosen.inputs, chosen.narrowing, former, reason) => Some(result),
                _ = interrupts.changed() => None,
            }
        });
        self.reporter.pause();
        result.ok_or_else(interrupted)?.map_err(Failure::from)
    }

    /// Starts a run in the place of another one, drives it, and shows how it came out.
    ///
    /// # Errors
    /// When it cannot begin, or the journal cannot be written.
    pub fn start_over(
        &mut self,
        plan: Plan,
        beginning: Beginning,
        former: &Former,
        inheritance: Inheritance,
    ) -> Result<Exit, Failure> {
        if *self.interrupts.1.borrow() > 0 {
            return Err(interrupted());
        }
        self.tell_others();
        let begun = self.engine.start_over(plan, beginning, former, inheritance);
        let result = self.runtime.block_on(begun);
        if let Err(error @ EngineError::NotNow(_)) = result {
            self.reporter.finish();
            let run = &former.state.run;
            return Err(Failure::from(error)
                .next(format!("playbook resume {run} --no-wait     (waits for the command, and goes on with that run)"))
                .next(format!("playbook status {run}")));
        }
        if let Err(EngineError::Journal(JournalError::Locked(row))) = &result {
            self.reporter.finish();
            return Err(Held::of(self.engine.journal(), row.clone())?.failure());
        }
        self.conclude(result)
    }
}
