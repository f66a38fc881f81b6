//! The fold of what is written of an attempt: that it is about to be made or is not, what it came to, and what was found out
//! where nobody saw that. What is in doubt must never be taken for failed or for done.

use super::task_state::{Intent, Status, TaskState};
use super::{Event, Phase, Record, RunState, Settlement, Task, Time};
use crate::outcome::Report;

impl RunState {
    pub(super) fn attempt(&mut self, task: &Task, attempt: u32) -> Result<&mut TaskState, String> {
        let state = self.task(task)?;
        if state.attempt == attempt {
            Ok(state)
        } else {
            Err(format!("the newest attempt of {task} is {}", state.attempt))
        }
    }

    pub(super) fn refuse(
        &mut self,
        task: &Task,
        attempt: u32,
        message: &str,
        retryable: bool,
        at: Time,
    ) -> Result<(), String> {
        let state = self.tasks.heard_of(task, at);
        if attempt != state.attempt + 1 || state.is_in_flight() {
            return Err(format!("attempt {attempt} of {task} does not follow on attempt {}", state.attempt));
        }
        state.earlier_effect = state.may_have_effect();
        state.attempt = attempt;
        state.counted += 1;
        state.status = Status::NoEffect { retryable };
        state.report = Some(Report::no_effect(message));
        state.ended = Some(at);
        state.passed = false;
        Ok(())
    }

    pub(super) fn intend(&mut self, record: &Record) -> Result<(), String> {
        let Event::Intent { task, attempt, arguments, before, key, effect, timeout, reverts_after } = &record.event
        else {
            return Ok(());
        };
        self.known(&task.step)?;
        self.is_approved(task, record.time)?;
        if let Some(why) = self.taken_out(task) {
            return Err(why);
        }
        self.may_begin_beside(task, self.names_under_way())?;
        let state = self.tasks.heard_of(task, record.time);
        if *attempt != state.attempt + 1 {
            return Err(format!("attempt {attempt} of {task} does not follow on attempt {}", state.attempt));
        }
        if !state.may_have_effect() {
            state.before = before.clone();
        }
        state.earlier_effect = state.may_have_effect();
        // A try that was refused began nothing, and what was undone begins anew.
        if state.intent.is_none() || state.status == Status::Ready && !state.may_have_effect() {
            state.started = record.time;
        }
        state.attempt = *attempt;
        state.counted += 1;
        state.status = Status::InFlight;
        state.looked = false;
        state.in_doubt = None;
        state.verified = None;
        state.passed = false;
        state.ended = None;
        state.intent = Some(Intent {
            arguments: arguments.clone(),
            key: key.clone(),
            effect: *effect,
            timeout: *timeout,
            reverts_after: *reverts_after,
            epoch: record.epoch,
            at: record.time,
        });
        if task.phase == Phase::Do {
            self.join_order(task);
            self.begin_its_batch(task);
        }
        Ok(())
    }

    pub(super) fn settle(
        &mut self,
        task: &Task,
        attempt: u32,
        found: &Settlement,
        evidence: &str,
        at: Time,
    ) -> Result<(), String> {
        let state = self.attempt(task, attempt)?;
        // A crash swallowed the outcome: that is no failure of the attempt, so it does not count against the limit.
        if !state.may_be_settled() {
            return Err(format!("the outcome of {task} is not in doubt"));
        }
        let swallowed = state.is_in_flight();
        state.looked = true;
        match found {
            Settlement::Ended { report } => {
                state.account(report.clone(), at);
                // An end that says nothing is not looked for a second time: that would never end.
                if state.status == Status::Unknown {
                    state.status = Status::Doubtful;
                }
            }
            Settlement::TookEffect { outputs } => state.account(Report::done(evidence, outputs.clone()), at),
            Settlement::DidNot | Settlement::RunAgain if swallowed => {
                let again = matches!(found, Settlement::RunAgain);
                state.earlier_effect |= again;
                state.counted = state.counted.saturating_sub(1);
                state.status = Status::Ready;
                state.ended = Some(at);
            }
            Settlement::DidNot => {
                state.status = Status::NoEffect { retryable: true };
                state.ended = Some(at);
            }
            Settlement::RunAgain => state.status = Status::Failed { retryable: true },
            // It failed and said so; that nothing can be seen of its effect makes it no less a failure.
            Settlement::CannotTell if matches!(state.status, Status::Failed { .. }) => {}
            Settlement::CannotTell => {
                // The second look came when the timer at its target had run out, whatever the clock said meanwhile.
                if let (Status::Doubtful, Some(intent)) = (state.status, &mut state.intent) {
                    intent.reverts_after = None;
                }
                state.status = Status::Doubtful;
                state.in_doubt = state.in_doubt.or(Some(at));
                // What it printed is what a person who is asked reads first.
                let (outputs, output) = (state.outputs(), state.report.take().and_then(|report| report.output));
                state.report = Some(Report { output, ..Report::unknown(evidence).with_outputs(outputs) });
            }
        }
        self.pass(task, at);
        Ok(())
    }

    /// After a task is done: whether the run may go on, and what the service is now.
    pub(super) fn pass(&mut self, task: &Task, at: Time) {
        let Some((needs_verify, service)) =
            self.step_of(task).map(|step| (task.phase == Phase::Do && !step.verify.is_empty(), step.service))
        else {
            return;
        };
        let Some(state) = self.tasks.get_mut(task) else { return };
        state.passed = state.status == Status::Done && (!needs_verify || state.verified == Some(true));
        if !state.passed {
            return;
        }
        if task.is_undo() {
            self.serve_again(&task.doing(), at);
            // An item that failed is dealt with by it, and its `for_each` may be by that.
            if self.rollback.is_none() {
                self.end_groups(&task.doing(), at);
            }
            return;
        }
        if let Some(state) = self.tasks.get_mut(task) {
            state.served = service;
        }
        self.serve(service, at);
        self.owe(task);
        self.end_groups(task, at);
    }
}
