//! Approvals as a run meets them: what is asked before a step or a group begins, and what becomes of the answers. Who
//! somebody is and which roles they have is asked of the system here, at the moment of the answer; whether that is enough
//! is decided in `run/brakes`.

use super::drive::Drive;
use super::prepare::Refusal;
use super::{Engine, EngineError};
use crate::ids::Digest;
use crate::journal::RequestRow;
use crate::playbook::{Approval, OnTimeout, Scope};
use crate::run::{Asking, Event, RequestKind, RunState, Task, Time, has_a_role, may_break_glass};
use crate::value::Value;

impl Drive<'_> {
    /// What asks people before a task begins, and answers where somebody has said yes ahead; nothing where none is wanted, or
    /// an approval of just this is there and holds.
    ///
    /// # Errors
    /// When it cannot be decided.
    pub(super) fn wanted(
        &self,
        task: &Task,
        approval: Option<&Approval>,
        scope: &Scope,
        what: &Value,
        targets: &[String],
    ) -> Result<Option<Vec<Event>>, Refusal> {
        let Some(approval) = approval else { return Ok(None) };
        let state = self.state();
        let known = state.brakes.approvals.get(task);
        // What was asked for once is asked for whatever becomes of its condition: nothing begins over an open question.
        if let Some(condition) = &approval.condition
            && known.is_none()
            && !super::prepare::holds(condition, scope)?
        {
            return Ok(None);
        }
        let now = self.tools.clock.now();
        let subject = Digest::of(format!("{}\n{task}\n{what}", state.plan.digest).as_bytes());
        if known.is_some_and(|known| known.asking.subject == subject && known.holds(now)) {
            return Ok(None);
        }
        let again = known.map(|known| if known.asking.subject == subject { LATE } else { CHANGED });
        // Another question is open: it is asked first, and this one when it is dealt with.
        if state.question.is_some() {
            return Ok(Some(Vec::new()));
        }
        let asking = asking(&state, task, approval, subject, targets, again, now);
        // Who has which role may be asked far away. Where it cannot be written, the question cannot be either.
        let _ = self.flush();
        let events = self.answered_ahead(&state, task, &asking);
        let mut all = vec![Event::ApprovalAsked { task: task.clone(), asking: Box::new(asking) }];
        all.extend(events);
        Ok(Some(all))
    }

    /// What whoever started the run has said before it was asked.
    fn answered_ahead(&self, state: &RunState, task: &Task, asking: &Asking) -> Option<Event> {
        let by = &state.brakes.requester;
        // The record is written in the name of who drives the run: only that one can have said it ahead.
        if by != &self.actor {
            return None;
        }
        let roles = self.tools.people.roles_of(by);
        if let Some(reason) = state.brakes.break_glass.clone() {
            may_break_glass(by, &roles).ok()?;
            return Some(Event::Approved { task: task.clone(), reason, roles, break_glass: true, complete: true });
        }
        let ahead = state.brakes.ahead.contains(&task.step) && !state.brakes.approvals.contains_key(task);
        (ahead && has_a_role(&asking.roles, &roles) && !asking.prevent_self_approval).then(|| Event::Approved {
            task: task.clone(),
            reason: "given ahead, when the run was started".to_owned(),
            roles,
            break_glass: false,
            complete: asking.min <= 1,
        })
    }

    /// The record that somebody's yes becomes.
    pub(super) fn approved(
        &self,
        request: &RequestRow,
        task: &Task,
        subject: &Digest,
        break_glass: bool,
    ) -> Result<Event, String> {
        let now = self.tools.clock.now();
        let roles = self.tools.people.roles_of(&request.by);
        let state = self.state();
        let complete = if break_glass {
            state.may_answer_approval(task, now)?;
            may_break_glass(&request.by, &roles)?;
            true
        } else {
            state.may_approve(task, subject, &request.by, &roles, now)?;
            state.brakes.approvals.get(task).is_some_and(|approving| approving.missing() <= 1)
        };
        Ok(Event::Approved { task: task.clone(), reason: request.reason.clone(), roles, break_glass, complete })
    }

    /// The record that somebody's no becomes.
    pub(super) fn rejected(&self, request: &RequestRow, task: &Task) -> Result<Event, String> {
        let state = self.state();
        let roles = self.tools.people.roles_of(&request.by);
        state.may_reject(task, &request.by, &roles, self.tools.clock.now())?;
        Ok(Event::Rejected { task: task.clone(), reason: request.reason.clone() })
    }
}

const LATE: &str = " (asked anew: the approval was not used in time)";
const CHANGED: &str = " (asked anew: what it is to do has changed since it was approved)";

fn asking(
    state: &RunState,
    task: &Task,
    approval: &Approval,
    subject: Digest,
    targets: &[String],
    again: Option<&str>,
    now: Time,
) -> Asking {
    let book = state.playbook();
    let title = match book.group(&task.step) {
        Some(group) if book.step(&task.step).is_none() => &group.title,
        _ => book.step(&task.step).map_or(&book.title, |step| &step.title),
    };
    let crossed = state.point_of_no_return().is_some();
    let default = if crossed { OnTimeout::Page } else { OnTimeout::Rollback };
    let on_timeout = match approval.on_timeout {
        Some(OnTimeout::Rollback) if crossed => OnTimeout::Page,
        declared => declared.unwrap_or(default),
    };
    Asking {
        roles: approval.roles.clone(),
        min: approval.min,
        deadline: (on_timeout != OnTimeout::Page).then(|| now.plus_seconds(approval.timeout)),
        holds: approval.timeout,
        on_timeout,
        prevent_self_approval: approval.prevent_self_approval,
        subject,
        targets: targets.to_vec(),
        message: format!("{title}{}", again.unwrap_or_default()),
    }
}

impl Engine {
    /// Whether somebody's yes or no makes sense for a run as it stands: who is refused hears of it at once. The process that
    /// holds the run looks once more, at the moment in which it counts.
    pub(super) fn check_approval(&self, state: &RunState, request: &RequestKind, by: &str) -> Result<(), EngineError> {
        let now = self.parts.clock.now();
        let roles = || self.parts.people.roles_of(by);
        match request {
            RequestKind::Approve { task, break_glass: true, .. } => {
                state.may_answer_approval(task, now).map_err(EngineError::NotNow)?;
                may_break_glass(by, &roles()).map_err(EngineError::NotNow)
            }
            RequestKind::Approve { task, subject, .. } => {
                state.may_approve(task, subject, by, &roles(), now).map_err(EngineError::NotNow)
            }
            RequestKind::Reject { task } => state.may_reject(task, by, &roles(), now).map_err(EngineError::NotNow),
            _ => Ok(()),
        }
    }
}
