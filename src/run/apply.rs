//! The fold: how each record moves the state on, and which records cannot stand where they do.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::entered::Entered;
use super::order::AtHand;
use super::state::{Asked, Checkpoint, IllegalEvent, Rollback, RunState};
use super::task_state::{Intent, Status, TaskState};
use super::{Brakes, Event, FORMAT, Phase, Record, Settlement, Task, Time};
use crate::ids::{ItemId, RunId, StepId};
use crate::outcome::Report;
use crate::plan::{Batches, Excluded, batches_written};
use crate::playbook::Group;

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
            tasks: BTreeMap::new(),
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
                self.tasks.entry(task.clone()).or_insert_with(|| TaskState::new(at)).passed = true;
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

    /// A group begins: its items and batches are what they are from here on.
    fn enter(&mut self, record: &Record) -> Result<(), String> {
        let Event::GroupEntered { task, items, batches, max_failures, min_healthy, excluded, .. } = &record.event
        else {
            return Ok(());
        };
        self.known(&task.step)?;
        self.is_approved(task, record.time)?;
        self.exceptions.extend(left_out(task, excluded));
        let nothing = items.as_ref().is_some_and(Vec::is_empty);
        let items = items.clone().unwrap_or_default();
        let each = self.playbook().group(&task.step).and_then(Group::each);
        let (batches, way) = match each {
            // A record of before batches were frozen: what the playbook says is what was gone by, and whatever failed was
            // undone with the rest.
            Some(each) if batches.is_empty() => (batches_written(each, items.len()), None),
            each => {
                let batches =
                    Batches { sizes: batches.clone(), max_failures: *max_failures, min_healthy: *min_healthy };
                (batches, each.map(|each| each.on_item_failure))
            }
        };
        let mut entered = Entered::new(items, &batches, way);
        entered.excluded.clone_from(excluded);
        self.entered.insert(task.clone(), entered);
        if nothing {
            self.end_groups(task, record.time);
        }
        Ok(())
    }

    fn begin_batch(&mut self, task: &Task, batch: u32) -> Result<(), String> {
        self.may_begin_batch(task, batch)?;
        let entered = self.entered.get_mut(task).ok_or_else(|| format!("{task} was never entered"))?;
        entered.begin(batch as usize);
        Ok(())
    }

    fn fail_item(&mut self, task: &Task, item: &ItemId, because: &str) -> Result<(), String> {
        let entered = self.entered.get_mut(task).ok_or_else(|| format!("{task} was never entered"))?;
        if entered.place_of(item).is_none() {
            return Err(format!("{task} has no item {item}"));
        }
        entered.failed.insert(item.clone(), because.to_owned());
        self.exceptions.push(because.to_owned());
        Ok(())
    }

    pub(super) fn task(&mut self, task: &Task) -> Result<&mut TaskState, String> {
        self.tasks.get_mut(task).ok_or_else(|| format!("{task} was never begun"))
    }

    fn attempt(&mut self, task: &Task, attempt: u32) -> Result<&mut TaskState, String> {
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
        let state = self.tasks.entry(task.clone()).or_insert_with(|| TaskState::new(at));
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

    fn intend(&mut self, record: &Record) -> Result<(), String> {
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
        let state = self.tasks.entry(task.clone()).or_insert_with(|| TaskState::new(record.time));
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

    fn settle(
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

/// What is left out of a list is no success.
fn left_out(task: &Task, excluded: &[Excluded]) -> Option<String> {
    if excluded.is_empty() {
        return None;
    }
    let names: Vec<String> = excluded.iter().map(|one| format!("{} ({})", one.id, one.why)).collect();
    Some(format!("{task} left out {}: {}", names.len(), names.join(", ")))
}
