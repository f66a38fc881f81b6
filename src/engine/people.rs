//! What people do to a run in hand: requests of other processes become records, and a run that needs a person pages one.

use std::time::Duration;

use tokio::time::Instant;

use super::drive::{Drive, TICK};
use super::{EndingKind, EngineError, page};
use crate::journal::RequestRow;
use crate::run::{Answer, Event, Question, RequestKind, RunState, Task};

/// Before what only reads it is not looked more often what others ask for: a run of short looks would spend its time on that.
const OFTEN: Duration = Duration::from_millis(2);

impl Drive<'_> {
    /// Turns what other processes asked for into records, unless it was looked for that a moment ago: says whether it was.
    pub(super) fn take_requests_now_and_then(&self) -> Result<bool, EngineError> {
        let lately = self.looked.get().is_some_and(|at| at.elapsed() < OFTEN);
        if !lately {
            self.take_requests()?;
        }
        Ok(lately)
    }

    /// Turns what other processes asked for into records.
    pub(super) fn take_requests(&self) -> Result<(), EngineError> {
        self.looked.set(Some(Instant::now()));
        // A request may be an exemption from a halt, which has to be known by then.
        self.take_halt()?;
        // What comes after the end of a run is told by whoever asks, as nothing is written after it.
        if self.state().ended.is_some() {
            return Ok(());
        }
        let requests = self.journal.borrow_mut().requests(&self.lease.run)?;
        if !requests.is_empty() {
            // Who has which role may be asked far away.
            self.flush()?;
        }
        for request in requests {
            let event = self.event_of(&request);
            match self.append_by(&request.by, vec![event], &[request.id]) {
                // Its time was up between the look at it and its record.
                Err(EngineError::NotNow(why)) => {
                    let message = format!("what {} asked was not done: {why}", request.by);
                    self.append_by(&request.by, vec![Event::Note { message }], &[request.id])?;
                }
                other => other?,
            }
        }
        Ok(())
    }

    /// Pages, and waits for an answer where a deadline runs.
    pub(super) async fn wait(&self, question: &Question) -> Result<Option<EndingKind>, EngineError> {
        let repeat = Duration::from_secs_f64(self.tools.repeat_seconds.clamp(1.0, 86_400.0));
        if self.paged.get().is_none_or(|at| at.elapsed() >= repeat) {
            self.paged.set(Some(Instant::now()));
            self.page(question).await?;
        }
        if question.deadline.is_none() || !self.tools.wait {
            return Ok(Some(EndingKind::Waiting(question.clone())));
        }
        self.idle(Duration::from_secs(1)).await;
        Ok(None)
    }

    async fn page(&self, question: &Question) -> Result<(), EngineError> {
        let page = page::of(&self.state(), question);
        let mut events = Vec::new();
        for pager in self.tools.pagers {
            // Paging takes its time; requests are taken up meanwhile.
            let Some(sent) = self.meanwhile(pager.send(&page)).await? else { break };
            let message = match sent {
                Ok(how) => how,
                Err(error) => format!("nobody could be paged: {error}"),
            };
            events.push(Event::Paged { message });
        }
        if !events.is_empty() {
            self.append(events)?;
        }
        Ok(())
    }

    /// Waits for something that takes its time, keeping the lease and taking up requests. `None` after a second interrupt.
    async fn meanwhile<T>(&self, work: impl Future<Output = T>) -> Result<Option<T>, EngineError> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                result = &mut work => return Ok(Some(result)),
                () = tokio::time::sleep(TICK) => {}
            }
            self.take_requests()?;
            self.keep_lease()?;
            if self.pressed() >= 2 {
                return Ok(None);
            }
        }
    }

    /// The record that a request becomes. One that makes no sense is told, not lost.
    fn event_of(&self, request: &RequestRow) -> Event {
        let not_taken = |why: String| Event::Note { message: format!("what {} asked was not done: {why}", request.by) };
        match &request.request {
            RequestKind::Approve { task, subject, break_glass } => {
                self.approved(request, task, subject, *break_glass).unwrap_or_else(not_taken)
            }
            RequestKind::Reject { task } => self.rejected(request, task).unwrap_or_else(not_taken),
            _ => without_a_role(&self.state(), request),
        }
    }
}

/// The record that a request becomes which nobody needs a role for.
fn without_a_role(state: &RunState, request: &RequestRow) -> Event {
    match &request.request {
        RequestKind::Resolve { task, answer } => match may_answer(state, task, *answer) {
            Ok(()) => Event::Answered { task: task.clone(), answer: *answer, reason: request.reason.clone() },
            Err(why) => Event::Note { message: format!("the answer of {} was not taken: {why}", request.by) },
        },
        RequestKind::Skip { task, how, outputs } => match state.may_skip(task, *how, outputs) {
            Ok(()) => Event::SkippedByPerson {
                task: task.clone(),
                how: *how,
                outputs: outputs.clone(),
                reason: request.reason.clone(),
                answers: state.skip_answers(task),
            },
            Err(why) => {
                Event::Note { message: format!("that {} wanted to skip {task} was not taken: {why}", request.by) }
            }
        },
        _ if state.ended.is_some() => {
            Event::Note { message: format!("{} asked for something after the run had ended", request.by) }
        }
        other => Event::Requested { request: other.clone(), reason: request.reason.clone() },
    }
}

/// Whether an answer fits the question that is open.
pub(super) fn may_answer(state: &RunState, task: &Task, answer: Answer) -> Result<(), String> {
    let Some(question) = &state.question else { return Err("nothing is asked of anybody now".to_owned()) };
    if &question.task != task {
        return Err(format!("what is asked about is {}", question.task));
    }
    if question.kind.answers().contains(&answer) { Ok(()) } else { Err("that answer leads nowhere here".to_owned()) }
}
