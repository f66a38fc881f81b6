//! What people say to a run, folded in: answers to what it asks, and what they ask of it.

use super::state::Asked;
use super::task_state::Status;
use super::{Answer, QuestionKind, RequestKind, RunState, Task, Time};
use crate::outcome::{Outcome, Report};

impl RunState {
    pub(super) fn answer(
        &mut self,
        task: &Task,
        answer: Answer,
        reason: &str,
        actor: &str,
        at: Time,
    ) -> Result<(), String> {
        let question = self.question.take_if(|question| &question.task == task);
        let Some(question) = question else {
            return Err(format!("nobody asked about {task}"));
        };
        self.stopped = None;
        let because = format!("{actor}: {reason}");
        let said = match answer {
            Answer::TookEffect => "it took effect",
            Answer::DidNot => "it did not take effect",
            Answer::Retry => "it is tried again",
            Answer::Undo => "it is undone",
            Answer::Abandon => "the run is abandoned",
            Answer::GoOn => "the run goes on all the same",
        };
        self.exceptions.push(format!("{task}: {said}, said {because}"));
        match answer {
            Answer::Undo => {
                // What is in doubt is undone as if it had happened.
                if let Some(state) = self.tasks.get_mut(task).filter(|state| state.status == Status::Doubtful) {
                    state.status = Status::Failed { retryable: false };
                }
                if self.rollback.is_none() {
                    self.asked = Some(Asked::Rollback { to: None, because });
                }
            }
            Answer::Abandon => self.asked = Some(Asked::Abort { because }),
            Answer::Retry if matches!(question.kind, QuestionKind::InvariantBroken | QuestionKind::WrongIdentity) => {
                self.mended(true);
            }
            Answer::GoOn => self.mended(false),
            Answer::Retry if question.kind == QuestionKind::BehindPointOfNoReturn => self.forward_again(),
            Answer::Retry if self.entered.contains_key(task) => self.retry_items(task),
            Answer::Retry => {
                // Whoever lets it be tried takes back that it was done by hand.
                self.skips.remove(task);
                let state = self.task(task)?;
                state.allowed = state.counted + 1;
                state.earlier_effect = state.may_have_effect();
                state.status = Status::Ready;
            }
            // A group as a whole is passed over, whether its items failed or it could not be begun.
            Answer::TookEffect if self.is_group(task) => {
                self.tasks.heard_of(task, at).passed = true;
            }
            Answer::TookEffect => {
                self.cross(task);
                let state = self.task(task)?;
                let outputs = state.outputs();
                state.account(Report::done(format!("{because} (said by hand)"), outputs), at);
                state.verified = Some(true);
                self.pass(task, at);
            }
            Answer::DidNot => {
                let state = self.task(task)?;
                state.account(Report { outcome: Outcome::NoEffect, ..Report::no_effect(because) }, at);
            }
        }
        Ok(())
    }

    pub(super) fn request(&mut self, request: &RequestKind, reason: &str, actor: &str) {
        let because =
            if reason.is_empty() { format!("asked by {actor}") } else { format!("asked by {actor}: {reason}") };
        self.despite_halt |= matches!(request, RequestKind::Rollback { despite_halt: true, .. });
        match request {
            // During an undo a cancel is a no-op, and a run that was stopped in the middle of one goes on with it.
            RequestKind::Cancel | RequestKind::Rollback { .. } if self.rollback.is_some() => self.stopped = None,
            RequestKind::Cancel => {
                self.stopped = None;
                self.asked = Some(Asked::Rollback { to: None, because });
            }
            RequestKind::Rollback { to, .. } => {
                self.stopped = None;
                self.asked = Some(Asked::Rollback { to: to.clone(), because });
            }
            RequestKind::Abort if self.rollback.is_some() => self.pause(because, false),
            RequestKind::Abort => {
                self.stopped = None;
                self.asked = Some(Asked::Abort { because });
            }
            RequestKind::Pause => self.pause(because, false),
            RequestKind::FinishItems => self.pause(because, true),
            // A resolve that is accepted becomes an `Answered`; one that is not only tells who tried.
            RequestKind::Resolve { .. }
            | RequestKind::Skip { .. }
            | RequestKind::Approve { .. }
            | RequestKind::Reject { .. } => {}
        }
    }

    /// Waits after the task in hand. A run that is stopped already needs no second resume for it, and what was asked for
    /// before is not lost. With `finish` after the items in hand.
    fn pause(&mut self, because: String, finish: bool) {
        if self.stopped.is_some() {
            return;
        }
        let then = match self.asked.take() {
            Some(Asked::Pause { then, .. }) => then,
            earlier => earlier.map(Box::new),
        };
        self.asked = Some(Asked::Pause { because, then, finish });
    }
}
