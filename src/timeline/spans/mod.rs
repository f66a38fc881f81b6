//! Records → spans: a run is a trace, an attempt in it is a span. Like the timeline it is a projection of the journal, and
//! pure: whoever folds the same records makes the same spans, so a run that another process goes on with goes on in the same
//! trace. A span is told once it has ended; nothing here knows who is told, or how.

mod end;
mod span;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use span::{Happened, Link, Said, Span, SpanId, SpanKind, SpanResult, trace_of};

use super::{detail, sentence};
use crate::ids::RunId;
use crate::run::{Event, Record, RunState, Settlement, Task, Time, Verdict};
use end::End;

/// The most that is told of what happened in a run, beside its spans.
const MOST_EVENTS: usize = 128;
/// The longest text of one, in characters.
const LONGEST: usize = 500;

/// What is known of a run's spans so far.
#[derive(Debug, Clone, Default)]
pub struct Spans {
    /// The attempts that have not ended.
    open: BTreeMap<Task, Open>,
    /// The newest attempt of each task that has ended, and when it did.
    ended: BTreeMap<Task, (SpanId, Time)>,
    events: Vec<Happened>,
    events_left_out: u64,
    /// The run whose place it takes.
    from: Option<RunId>,
}

/// An attempt that has not ended.
#[derive(Debug, Clone)]
struct Open {
    seq: u64,
    start: Time,
    attempt: u32,
    effect: &'static str,
}

impl Spans {
    /// Takes the next record; the spans that end with it. The state is the one after it.
    pub fn take(&mut self, record: &Record, state: &RunState) -> Vec<Span> {
        let mut told = Vec::new();
        match &record.event {
            Event::Intent { task, attempt, effect, .. } => {
                // One before it that nobody found out about: it is simply run again.
                told.extend(self.close(task, End::unknown("it is not known what became of it"), record, state));
                let open = Open { seq: record.seq, start: record.time, attempt: *attempt, effect: effect.word() };
                self.open.insert(task.clone(), open);
            }
            Event::Outcome { task, report, .. } => {
                told.extend(End::of_report(report).and_then(|end| self.close(task, end, record, state)));
            }
            Event::Settled { task, settlement, evidence, .. } => {
                let end = match settlement {
                    Settlement::Ended { report } => End::of_report(report),
                    Settlement::TookEffect { .. } => Some(End::SUCCESS),
                    Settlement::DidNot => Some(End::failure("no_effect", evidence)),
                    Settlement::RunAgain => Some(End::unknown(evidence)),
                    Settlement::CannotTell => None,
                };
                told.extend(end.and_then(|end| self.close(task, end, record, state)));
            }
            Event::Answered { task, answer, reason } => {
                told.extend(self.close(task, End::of_answer(*answer, reason), record, state));
            }
            Event::SkippedByPerson { task, reason, .. } => {
                told.extend(self.close(task, End::cancelled(reason), record, state));
            }
            Event::StepRefused { task, attempt, message, retryable, drift } => {
                let error = if *drift { "drift" } else { ["refused", "unreachable"][usize::from(*retryable)] };
                told.push(self.at_once(task, Some(*attempt), End::failure(error, message), record, state));
            }
            Event::StepSkipped { task, .. } => {
                told.push(self.at_once(task, None, End::SKIPPED, record, state));
            }
            Event::Verified { task, passed, conditions } => {
                let broken = || conditions.iter().find(|condition| !condition.held).map(|broken| &*broken.source);
                let end = if *passed { End::SUCCESS } else { End::failure("verify", broken().unwrap_or_default()) };
                told.push(self.verified(task, end, record, state));
            }
            Event::Inherited { inheritance } => self.from = Some(inheritance.from.clone()),
            Event::RunEnded { verdict, summary } => {
                told.extend(self.close_all(record, state));
                told.push(self.whole(*verdict, summary, record, state));
            }
            _ => {}
        }
        self.note(record, state);
        told
    }

    /// Keeps what is worth knowing of the run as a whole. What attempts came to is in their own spans.
    fn note(&mut self, record: &Record, state: &RunState) {
        let is_of_the_run = matches!(
            record.event,
            Event::LeaseTaken { .. }
                | Event::CheckpointReached { .. }
                | Event::RollbackStarted { .. }
                | Event::WaitStarted { .. }
                | Event::Answered { .. }
                | Event::Requested { .. }
                | Event::Stopped { .. }
                | Event::Resumed { .. }
                | Event::Halted { .. }
                | Event::HaltLifted { .. }
                | Event::ApprovalAsked { .. }
                | Event::Approved { .. }
                | Event::Rejected { .. }
                | Event::BudgetExceeded { .. }
                | Event::FailureAccepted { .. }
                | Event::SkippedByPerson { .. }
                | Event::Inherited { .. }
        );
        if !is_of_the_run {
            return;
        }
        if self.events.len() >= MOST_EVENTS {
            self.events_left_out += 1;
            return;
        }
        let text = short(&sentence::sentence(record, state));
        self.events.push(Happened { at: record.time, name: detail::kind(&record.event), text });
    }

    /// Ends an attempt, if there is one under way.
    fn close(&mut self, task: &Task, end: End, record: &Record, state: &RunState) -> Option<Span> {
        let open = self.open.remove(task)?;
        let id = SpanId::of_record(&state.run, open.seq);
        let mut span = of_task(task, id, open.start, end, record, state);
        span.attributes.push(("playbook.attempt", Said::Number(open.attempt.into())));
        span.attributes.push(("playbook.effect", open.effect.into()));
        if task.is_undo()
            && let Some((done, _)) = self.ended.get(&task.doing())
        {
            span.links.push(Link { trace: trace_of(&state.run), span: done.clone() });
        }
        self.ended.insert(task.clone(), (span.id.clone(), span.end));
        Some(span)
    }

    /// What never ended: the run does, and nobody found out.
    fn close_all(&mut self, record: &Record, state: &RunState) -> Vec<Span> {
        let tasks: Vec<Task> = self.open.keys().cloned().collect();
        let why = "the run ended, and it is not known what became of it";
        tasks.iter().filter_map(|task| self.close(task, End::unknown(why), record, state)).collect()
    }

    /// Something that took no time: what was not begun.
    fn at_once(&self, task: &Task, attempt: Option<u32>, end: End, record: &Record, state: &RunState) -> Span {
        let id = SpanId::of_record(&state.run, record.seq);
        let mut span = of_task(task, id, record.time, end, record, state);
        let attempt = attempt.map(|attempt| ("playbook.attempt", Said::Number(attempt.into())));
        span.attributes.extend(attempt);
        span
    }

    /// The look at whether a step did what it was for: it began when the attempt ended.
    fn verified(&self, task: &Task, end: End, record: &Record, state: &RunState) -> Span {
        let attempt = self.ended.get(task);
        let start = attempt.map_or(record.time, |(_, ended)| *ended);
        let mut span = of_task(task, SpanId::of_record(&state.run, record.seq), start, end, record, state);
        span.name = format!("verify {}", task.step);
        span.attributes.push(("playbook.verify", Said::Flag(true)));
        span.links.extend(attempt.map(|(id, _)| Link { trace: trace_of(&state.run), span: id.clone() }));
        span
    }

    /// The span of the whole run.
    fn whole(&mut self, verdict: Verdict, summary: &str, record: &Record, state: &RunState) -> Span {
        let by_person = state.rollback.as_ref().is_some_and(|rollback| rollback.by_person);
        let end = End::of_verdict(verdict, by_person, summary);
        let mut attributes = vec![
            ("cicd.pipeline.result", Said::from(end.result.word())),
            ("cicd.pipeline.action.name", "RUN".into()),
            ("playbook.version", state.playbook().version.to_string().into()),
            ("playbook.verdict", verdict.word().into()),
        ];
        attributes.extend(state.incident.as_ref().map(|incident| ("playbook.incident", incident.as_str().into())));
        let link = |from: &RunId| Link { trace: trace_of(from), span: SpanId::of_run(from) };
        Span {
            id: SpanId::of_run(&state.run),
            parent: None,
            kind: SpanKind::Run,
            name: format!("RUN {}", state.playbook().name),
            start: state.started,
            end: record.time.max(state.started),
            result: end.result,
            error: end.error,
            message: end.message.as_deref().map(short),
            attributes,
            events: std::mem::take(&mut self.events),
            events_left_out: self.events_left_out,
            links: self.from.as_ref().map(link).into_iter().collect(),
        }
    }
}

/// A span of a task, as much as all of them have.
fn of_task(task: &Task, id: SpanId, start: Time, end: End, record: &Record, state: &RunState) -> Span {
    let mut attributes = vec![
        ("cicd.pipeline.task.name", Said::from(task.step.as_str())),
        ("cicd.pipeline.task.run.id", format!("{}/{}", state.run, id.as_str()).into()),
        ("cicd.pipeline.task.run.result", end.result.word().into()),
        ("playbook.task", task.to_string().into()),
        ("playbook.undo", Said::Flag(task.is_undo())),
    ];
    let action = state.step_of(task).map(|step| step.action.as_str()).filter(|action| !action.is_empty());
    attributes.extend(action.map(|action| ("playbook.action", action.into())));
    attributes.extend(task.item.as_ref().map(|item| ("playbook.item", item.to_string().into())));
    Span {
        id,
        parent: Some(SpanId::of_run(&state.run)),
        kind: SpanKind::Task,
        name: if task.is_undo() { format!("undo {}", task.step) } else { task.step.to_string() },
        start,
        end: record.time.max(start),
        result: end.result,
        error: end.error,
        message: end.message.as_deref().map(short),
        attributes,
        events: Vec::new(),
        events_left_out: 0,
        links: Vec::new(),
    }
}

fn short(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}
