//! Whether an event may follow on what is known of a run, asked before its record is made: what the fold would refuse must
//! never be durable, as nobody could read the run any more. It looks and changes nothing, and costs the same behind ten steps
//! and behind ten thousand.

use super::task_state::Status;
use super::{Event, IllegalEvent, RunState, Task, TaskState, Time};

impl RunState {
    /// Whether the record of an event may come next, written at this moment in this name.
    ///
    /// # Errors
    /// Why not, for a person.
    pub fn may_follow(&self, event: &Event, actor: &str, at: Time) -> Result<(), String> {
        match event {
            Event::Intent { task, attempt, .. } => {
                self.is_approved(task, at)?;
                if let Some(why) = self.taken_out(task) {
                    return Err(why);
                }
                self.is_next(task, *attempt)
            }
            Event::StepRefused { task, attempt, .. } => self.is_next(task, *attempt),
            Event::GroupEntered { task, .. } => self.is_approved(task, at),
            Event::BatchBegan { task, batch } => self.may_begin_batch(task, *batch),
            Event::Outcome { task, attempt, .. } => self.is_as(task, *attempt, TaskState::is_in_flight),
            Event::Settled { task, attempt, .. } => self.is_as(task, *attempt, TaskState::may_be_settled),
            Event::Verified { task, .. } => {
                let attempt = self.tasks.get(task).map_or(0, |state| state.attempt);
                self.is_as(task, attempt, |state| state.status == Status::Done)
            }
            Event::Approved { task, break_glass, .. } => {
                let may =
                    if *break_glass { self.may_answer_approval(task, at) } else { self.may_say_yes(task, actor, at) };
                may.map(|_| ())
            }
            Event::Rejected { task, .. } => self.may_answer_approval(task, at).map(|_| ()),
            Event::Answered { task, .. } if self.question.as_ref().is_none_or(|question| &question.task != task) => {
                Err(format!("nobody asked about {task}"))
            }
            Event::SkippedByPerson { task, how, outputs, .. } => self.may_skip(task, *how, outputs),
            _ => Ok(()),
        }
    }

    /// Whether tasks may begin in one write: beside what is under way, and beside one another.
    ///
    /// # Errors
    /// When the fold would refuse one of them.
    pub fn may_begin_together<'t>(&'t self, tasks: impl Iterator<Item = &'t Task>) -> Result<(), IllegalEvent> {
        let mut earlier: Vec<&Task> = Vec::new();
        for task in tasks {
            let seq = self.seq.saturating_add(1);
            self.may_begin_beside(task, self.names_under_way().chain(earlier.iter().copied()))
                .map_err(|why| IllegalEvent { seq, why })?;
            earlier.push(task);
        }
        Ok(())
    }

    /// Whether a task may begin while others are under way.
    pub(super) fn may_begin_beside<'t>(
        &self,
        task: &Task,
        mut others: impl Iterator<Item = &'t Task>,
    ) -> Result<(), String> {
        match others.find(|other| !self.may_meet(task, other)) {
            Some(other) => Err(format!("{task} cannot begin: {other} is still under way")),
            None => Ok(()),
        }
    }

    fn is_next(&self, task: &Task, attempt: u32) -> Result<(), String> {
        let (last, under_way) =
            self.tasks.get(task).map_or((0, false), |state| (state.attempt, state.status == Status::InFlight));
        if attempt == last + 1 && !under_way {
            return Ok(());
        }
        Err(format!("attempt {attempt} of {task} does not follow on attempt {last}"))
    }

    fn is_as(&self, task: &Task, attempt: u32, as_it_should: impl Fn(&TaskState) -> bool) -> Result<(), String> {
        match self.tasks.get(task) {
            Some(state) if state.attempt == attempt && as_it_should(state) => Ok(()),
            _ => Err(format!("attempt {attempt} of {task} does not stand as it did when it was looked at")),
        }
    }
}
