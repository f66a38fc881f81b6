//! Approvals: who may give one, when one is complete, how long it holds, and what happens when nobody gives it. An approval
//! is of one thing: this plan, these targets, these arguments. What has changed since is asked about anew.

use serde::{Deserialize, Serialize};

use super::super::decide::{Decision, record};
use super::super::{Event, Question, QuestionKind, RunState, Task, Time, verdict};
use super::BREAK_GLASS;
use crate::ids::Digest;
use crate::playbook::OnTimeout;

/// What people are asked to approve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asking {
    /// Who may: people of one of these roles; anybody where there is none.
    pub roles: Vec<String>,
    /// How many people.
    pub min: u32,
    /// Until when the question stands; for ever where absent.
    pub deadline: Option<Time>,
    /// How long an approval holds that was not used, in seconds.
    pub holds: f64,
    /// What happens at the deadline.
    pub on_timeout: OnTimeout,
    /// Whether the person who started the run may not approve.
    pub prevent_self_approval: bool,
    /// The digest of the plan, the step and its arguments: what is approved.
    pub subject: Digest,
    /// What it acts on.
    pub targets: Vec<String>,
    /// What is to happen, for a person.
    pub message: String,
}

/// An approval that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Approving {
    /// What was asked.
    pub asking: Asking,
    /// Who has said yes.
    pub given: Vec<Given>,
    /// Since when it is complete.
    pub granted: Option<Time>,
}

/// One person's yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Whose.
    pub by: String,
    /// When.
    pub at: Time,
    /// Why.
    pub reason: String,
}

impl Approving {
    /// Whether it is complete and still holds.
    pub fn holds(&self, at: Time) -> bool {
        self.granted.is_some_and(|granted| at <= granted.plus_seconds(self.asking.holds))
    }

    /// How many more people have to say yes.
    pub fn missing(&self) -> u32 {
        self.asking.min.saturating_sub(u32::try_from(self.given.len()).unwrap_or(u32::MAX))
    }
}

/// Whether people of these roles may say yes where these are wanted: anybody may where none is.
pub fn has_a_role(wanted: &[String], roles: &[String]) -> bool {
    wanted.is_empty() || roles.iter().any(|role| wanted.contains(role))
}

/// Whether somebody of these roles may break the glass.
///
/// # Errors
/// Why not, for a person.
pub fn may_break_glass(by: &str, roles: &[String]) -> Result<(), String> {
    if roles.iter().any(|role| role == BREAK_GLASS) {
        return Ok(());
    }
    Err(format!("{by} may not break the glass: the configuration gives that person no role `{BREAK_GLASS}`"))
}

impl RunState {
    /// Whether somebody's yes may follow as far as the person alone goes: not from who started the run where another one is
    /// wanted, and once from each.
    ///
    /// # Errors
    /// Why not, for a person.
    pub(in crate::run) fn may_say_yes(&self, task: &Task, by: &str, at: Time) -> Result<&Approving, String> {
        let approving = self.may_answer_approval(task, at)?;
        if approving.asking.prevent_self_approval && by == self.brakes.requester {
            return Err(format!("{by} started the run, and {task} wants the approval of somebody else"));
        }
        if approving.given.iter().any(|given| given.by == by) {
            return Err(format!("{by} has approved {task} already, and {} more must", approving.missing()));
        }
        Ok(approving)
    }

    /// Whether somebody of these roles may approve what is asked about a task now.
    ///
    /// # Errors
    /// Why not, for a person.
    pub fn may_approve(
        &self,
        task: &Task,
        subject: &Digest,
        by: &str,
        roles: &[String],
        now: Time,
    ) -> Result<(), String> {
        let asking = &self.may_answer_approval(task, now)?.asking;
        if &asking.subject != subject {
            return Err(format!("what {task} is to do has changed since it was looked at: look at it again"));
        }
        self.may_say_yes(task, by, now)?;
        if !has_a_role(&asking.roles, roles) {
            let has = if roles.is_empty() { "no role".to_owned() } else { roles.join(", ") };
            return Err(format!("{task} wants the approval of {}, and {by} has {has}", asking.roles.join(" or ")));
        }
        Ok(())
    }

    /// Whether somebody of these roles may say no: whoever may approve, and who started the run.
    ///
    /// # Errors
    /// Why not, for a person.
    pub fn may_reject(&self, task: &Task, by: &str, roles: &[String], now: Time) -> Result<(), String> {
        let wanted = &self.may_answer_approval(task, now)?.asking.roles;
        if by == self.brakes.requester || has_a_role(wanted, roles) {
            return Ok(());
        }
        Err(format!("{task} wants the word of {}, and {by} has no such role", wanted.join(" or ")))
    }

    /// Whether an approval is asked for a task, and not too late.
    ///
    /// # Errors
    /// Why not, for a person.
    pub fn may_answer_approval(&self, task: &Task, now: Time) -> Result<&Approving, String> {
        let open = self.question.as_ref().filter(|question| question.kind == QuestionKind::Approval);
        let approving = self.brakes.approvals.get(task).filter(|_| open.is_some_and(|open| &open.task == task));
        let approving = approving.ok_or_else(|| match self.brakes.approvals.get(task) {
            Some(approving) if approving.granted.is_some() => format!("{task} is approved already"),
            _ => format!("no approval is asked for {task} now"),
        })?;
        match approving.asking.deadline {
            Some(deadline) if now >= deadline => Err(format!("the approval of {task} came after its deadline")),
            _ => Ok(approving),
        }
    }

    /// Whether a task may begin as far as approvals go: what asks for one has one that holds.
    ///
    /// # Errors
    /// Why not. Nobody meets that but a faulty runner: it asks before.
    pub fn is_approved(&self, task: &Task, at: Time) -> Result<(), String> {
        if task.is_undo() {
            return Ok(());
        }
        match self.brakes.approvals.get(task) {
            Some(approving) if approving.holds(at) => Ok(()),
            Some(_) => Err(format!("{task} is not approved")),
            None if self.must_be_approved(task) => Err(format!("{task} was never asked to be approved")),
            None => Ok(()),
        }
    }

    fn must_be_approved(&self, task: &Task) -> bool {
        let book = self.playbook();
        let approval = match book.group(&task.step).filter(|_| self.is_group(task)) {
            Some(group) => group.approval.as_ref(),
            None => book.step(&task.step).and_then(|step| step.approval.as_ref()),
        };
        approval.is_some_and(|approval| approval.condition.is_none())
    }

    pub(in crate::run) fn ask_approval(&mut self, task: &Task, asking: &Asking) -> Result<(), String> {
        if let Some(open) = &self.question {
            return Err(format!("{} is asked about already", open.task));
        }
        let approving = Approving { asking: asking.clone(), given: Vec::new(), granted: None };
        self.brakes.approvals.insert(task.clone(), approving);
        self.question = Some(Question {
            task: task.clone(),
            kind: QuestionKind::Approval,
            message: asking.message.clone(),
            deadline: asking.deadline,
        });
        Ok(())
    }

    pub(in crate::run) fn approve(
        &mut self,
        task: &Task,
        by: &str,
        reason: &str,
        broken: bool,
        at: Time,
    ) -> Result<(), String> {
        let may = if broken { self.may_answer_approval(task, at) } else { self.may_say_yes(task, by, at) };
        may?;
        let Some(approving) = self.brakes.approvals.get_mut(task) else { return Ok(()) };
        approving.given.push(Given { by: by.to_owned(), at, reason: reason.to_owned() });
        if broken {
            self.exceptions.push(format!("{task}: {by} broke the glass instead of an approval: {reason}"));
        }
        if broken || approving.missing() == 0 {
            // A run that a person stopped stays so: a yes says that the step may begin, not that the run goes on.
            approving.granted = Some(at);
            self.question = None;
        }
        Ok(())
    }

    pub(in crate::run) fn reject(&mut self, task: &Task, by: &str, reason: &str, at: Time) -> Result<(), String> {
        self.may_answer_approval(task, at)?;
        self.brakes.approvals.remove(task);
        self.question = None;
        let attempt = self.tasks.get(task).map_or(1, |state| state.attempt + 1);
        self.refuse(task, attempt, &format!("{by} did not approve it: {reason}"), false, at)
    }
}

/// Nobody approved in time.
pub(in crate::run) fn overdue(run: &RunState, question: &Question) -> Decision {
    // While everything is halted no deadline decides.
    if run.halted.is_some() {
        return Decision::Wait(Box::new(question.clone()));
    }
    let because = format!("nobody approved {} in time", question.task);
    match run.brakes.approvals.get(&question.task).map(|approving| approving.asking.on_timeout) {
        Some(OnTimeout::Abandon) => record(verdict::abandoned(run, &because)),
        Some(OnTimeout::Page) => Decision::Wait(Box::new(question.clone())),
        Some(OnTimeout::Rollback) | None => record(Event::RollbackStarted { to: None, because }),
    }
}
