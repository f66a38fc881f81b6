//! The fold: how each record moves the state on, and which records cannot stand where they do. What is written of groups is in
//! `enter.rs`, what is written of attempts in `attempt.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::order::AtHand;
use super::state::{Asked, Checkpoint, IllegalEvent, Rollback, RunState};
use super::task_state::{Status, TaskState};
use super::{Brakes, Event, FORMAT, Record, Task, Tasks};
use crate::ids::{RunId, StepId};

impl RunState {
    /// The state after a run's first record.
    ///
    /// # Errors
    /// When that is not a `run_started` at the head of the chain.
    pub fn begin(run: &RunId, record: &Record) -> Result<Self, IllegalEvent> {
        let illegal = |why: &str| IllegalEvent { seq: record.seq, why: why.to_owned() };
        let Event::RunStarted { plan, locks, incident, overrides, format, tool, approved } = &record.event else {
            return Err(illegal("a run begins with run_started"));
        };
        if *format > FORMAT {
            return Err(illegal(&format!(
                "it has form {format}, as playbook {tool} writes it, and this version knows forms up to {FORMAT}: go on \
                 with playbook {tool}"
            )));
        }
        if record.seq != 1 || record.previous != Record::genesis(run) {
            return Err(illegal("it is not the first of this run"));
        }
        Ok(Self {
            run: run.clone(),
            plan: Arc::clone(plan),
            locks: locks.clone(),
            incident: incident.clone(),
            started: record.time,
            updated: record.time,
            seq: 1,
            head: record.hash.clone(),
            epoch: record.epoch,
            holder: None,
            tasks: Tasks::default(),
            order: Vec::new(),
            at_hand: AtHand::of(plan),
            skipped: BTreeMap::new(),
            entered: BTreeMap::new(),
            dealt_with: 0,
            checkpoints: Vec::new(),
            rollback: None,
            asked: None,
            question: None,
            stopped: None,
            halted: None,
            despite_halt: false,
            service: None,
            exceptions: overrides.iter().map(|(brake, why)| format!("{brake} was overridden: {why}")).collect(),
            drifted: false,
            brakes: Brakes::of(&record.actor, approved, overrides),
            skips: BTreeMap::new(),
            inherited: None,
            ended: None,
        })
    }

    /// Moves the state on by one record.
    ///
    /// # Errors
    /// When the record cannot follow on those before it; the state is then as it was.
    pub fn apply(&mut self, record: &Record) -> Result<(), IllegalEvent> {
        let illegal = |why: String| IllegalEvent { seq: record.seq, why };
        if record.seq != self.seq + 1 {
            return Err(illegal(format!("record {} was expected", self.seq + 1)));
        }
        if record.previous != self.head {
            return Err(illegal("its previous hash is not that of the record before it".to_owned()));
        }
        let takes_lease = matches!(record.event, Event::LeaseTaken { .. });
        if record.epoch < self.epoch || (record.epoch > self.epoch && !takes_lease) {
            return Err(illegal(format!(
                "it was written under lease {}, while {} is in force",
                record.epoch, self.epoch
            )));
        }
        if self.ended.is_some()
            && !matches!(record.event, Event::Note { .. } | Event::Paged { .. } | Event::LeaseTaken { .. })
        {
            return Err(illegal("the run has ended".to_owned()));
        }
        self.take(record).map_err(illegal)?;
        self.keep_at_hand(&record.event);
        self.seq = record.seq;
        self.head = record.hash.clone();
        self.epoch = record.epoch;
        self.updated = record.time;
        self.close_round(&record.event);
        self.count_on(record.time);
        Ok(())
    }

    fn take(&mut self, record: &Record) -> Result<(), String> {
        let at = record.time;
        match &record.event {
            Event::RunStarted { .. } => return Err("a run starts once".to_owned()),
            Event::LeaseTaken { holder, .. } => self.holder = Some(holder.clone()),
            Event::GroupEntered { .. } => self.enter(record)?,
            Event::BatchBegan { task, batch } => self.begin_batch(task, *batch)?,
            Event::StepSkipped { task, reason } => {
                self.known(&task.step)?;
                self.skipped.insert(task.clone(), reason.clone());
                self.end_groups(task, at);
            }
            Event::StepRefused { task, attempt, message, retryable, drift } => {
                self.known(&task.step)?;
                self.drifted |= drift;
                self.refuse(task, *attempt, message, *retryable, at)?;
            }
            Event::Intent { .. } => self.intend(record)?,
            Event::Outcome { task, attempt, report } => {
                let state = self.attempt(task, *attempt)?;
                if !state.is_in_flight() {
                    return Err(format!("{task} has no attempt under way"));
                }
                state.account(report.clone(), at);
                self.pass(task, at);
            }
            Event::Settled { task, attempt, settlement, evidence } => {
                self.settle(task, *attempt, settlement, evidence, at)?
            }
            Event::Verified { task, passed, conditions } => {
                let state = self.task(task)?;
                if state.status != Status::Done {
                    return Err(format!("{task} is not done"));
                }
                state.verified = Some(*passed);
                if let (Some(broken), Some(report)) = (conditions.iter().find(|c| !c.held), &mut state.report) {
                    report.message = format!("it is done, but `{}` does not hold ({})", broken.source, broken.detail);
                }
                self.pass(task, at);
            }
            Event::ItemFailed { task, item, because } => {
                self.fail_item(task, item, because)?;
                self.owe_for_failures();
                let book = self.playbook();
                let inside = book.group(&task.step).and_then(|group| book.steps.get(group.first));
                if let Some(inside) = inside.map(|step| Task::at(&step.id, Some(item))) {
                    self.end_groups(&inside, at);
                }
            }
            Event::FailureAccepted { task, because } => {
                self.known(&task.step)?;
                self.exceptions.push(format!("{task}: {because}"));
                self.owe_for_failures();
                // A group has no attempts of its own.
                self.tasks.heard_of(task, at).passed = true;
                self.end_groups(task, at);
            }
            Event::CheckpointReached { name, step } => {
                self.known(step)?;
                let position = self.order.len();
                self.checkpoints.push(Checkpoint { name: name.clone(), step: step.clone(), position });
                self.tell_checkpoint(step, name);
                self.end_groups(&Task::of(step), at);
            }
            Event::RollbackStarted { to, because } => {
                let by_person = matches!(self.asked, Some(Asked::Rollback { .. }));
                self.asked = None;
                self.question = None;
                self.forget_checks();
                self.rollback = Some(Rollback { to: to.clone(), because: because.clone(), since: at, by_person });
            }
            Event::ReadAgain { task, .. } => self.read_again(task)?,
            Event::WaitStarted { question } => self.question = Some(question.clone()),
            Event::Answered { task, answer, reason } => self.answer(task, *answer, reason, &record.actor, at)?,
            Event::Inherited { .. } => self.inherit(record)?,
            Event::SkippedByPerson { .. } => self.skip_by_person(record)?,
            Event::Requested { request, reason } => self.request(request, reason, &record.actor),
            Event::Stopped { kind, .. } => {
                self.stopped = Some(*kind);
                if let Some(Asked::Pause { then, .. }) = &mut self.asked {
                    self.asked = then.take().map(|asked| *asked);
                }
            }
            Event::Resumed { .. } => self.stopped = None,
            Event::Halted { .. } | Event::HaltLifted { .. } => self.take_halt(&record.event),
            Event::Paged { .. } | Event::Note { .. } => {}
            Event::ApprovalAsked { .. }
            | Event::Approved { .. }
            | Event::Rejected { .. }
            | Event::Checked { .. }
            | Event::BudgetExceeded { .. } => self.take_brake(record)?,
            Event::RunEnded { verdict, summary } => {
                self.question = None;
                self.stopped = None;
                self.ended = Some((*verdict, at, summary.clone()));
            }
        }
        Ok(())
    }

    pub(super) fn known(&self, step: &StepId) -> Result<(), String> {
        let book = self.playbook();
        if book.step(step).is_some() || book.group(step).is_some() {
            return Ok(());
        }
        Err(format!("the playbook has no step {step}"))
    }

    /// Nothing moves on by it: what it read is in no record. But only what may run at any time may run out of its turn.
    fn read_again(&self, task: &Task) -> Result<(), String> {
        let reads = self.playbook().step(&task.step).is_some_and(|step| !step.effect.changes() && step.keeps_secrets());
        let has_read = self.tasks.get(task).is_some_and(|state| state.intent.is_some() && !state.is_in_flight());
        if reads && has_read { Ok(()) } else { Err(format!("{task} is nothing that could be read again")) }
    }

    pub(super) fn task(&mut self, task: &Task) -> Result<&mut TaskState, String> {
        self.tasks.get_mut(task).ok_or_else(|| format!("{task} was never begun"))
    }
}
