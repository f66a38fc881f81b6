//! A run that takes the place of another one: `--take-over` and `--continue`. It looks whether that one may give its place,
//! and what of it is still under way; what becomes of both is one transaction of the journal. It must never take a run from
//! a process that drives it, nor act beside a command that still runs.

use std::sync::Arc;
use std::time::Duration;

use super::holder::{Liveness, is_alive};
use super::start::new_run_id;
use super::{Beginning, Ending, Engine, EngineError};
use crate::ids::RunId;
use crate::journal::{Handover, Lease, LeaseInfo};
use crate::outcome::{Finding, Outcome};
use crate::plan::{Decided, Narrowing, Plan};
use crate::playbook::Playbook;
use crate::run::{Event, FORMAT, Inheritance, RunState, Stands, StandsHow, Task};
use crate::value::Value;

/// After how many seconds without a sign of life a lease that cannot be looked at from here counts as left.
const SILENT_SECONDS: u64 = 30;

/// How long it is looked what became of an attempt that was left under way.
const LOOK: Duration = Duration::from_secs(3);

/// A run whose place is to be taken, as it was seen.
#[derive(Debug, Clone)]
pub struct Former {
    /// What is known of it.
    pub state: RunState,
    lease: LeaseInfo,
}

impl Engine {
    /// Looks at a run whose place is to be taken.
    ///
    /// # Errors
    /// `Held` where a process drives it, `NotNow` where it has ended.
    pub fn former(&mut self, run: &RunId) -> Result<Former, EngineError> {
        // The lease before the records: whoever takes it in between is noticed by its number.
        let lease = self.parts.journal.lease(run)?;
        let state = self.state(run)?;
        if let Some((_, _, summary)) = &state.ended {
            return Err(EngineError::NotNow(format!("run {run} has ended and holds nothing: {summary}")));
        }
        // Who waits for a person holds the run and does nothing: it is found out when it is next written.
        let rests = state.question.is_some() || state.stopped.is_some();
        if !rests && is_driven(&lease) {
            let holder = &lease.holder;
            let who = format!("process {} of {} on {}", holder.pid, holder.user, holder.host);
            return Err(EngineError::Held { run: run.clone(), who });
        }
        Ok(Former { state, lease })
    }

    /// Makes a plan that goes on from what a run has done, and what it has from that one.
    ///
    /// # Errors
    /// `Objections` where it cannot.
    pub async fn plan_on(
        &mut self,
        playbook: Playbook,
        inputs: Value,
        narrowing: Narrowing,
        former: &Former,
        reason: &str,
    ) -> Result<(Plan, Inheritance), EngineError> {
        let old = &former.state;
        let (mut plan, taken) = self.plan_after(playbook, inputs, old.done_before(), narrowing).await?;
        let inheritance = old
            .go_on(&plan, &taken, reason)
            .map_err(|objections| EngineError::Objections { run: old.run.clone(), objections })?;
        for planned in &mut plan.steps {
            let task = Task::at(&planned.id, planned.item.as_ref());
            if inheritance.not_needed.contains(&task) {
                planned.runs =
                    Decided::No { why: format!("a person has said in run {} that it is not needed", old.run) };
            }
        }
        Ok((plan, inheritance))
    }

    /// Starts a run in the place of another one and drives it.
    ///
    /// # Errors
    /// When the other one went on meanwhile, a command of it still runs, or a third run holds a lock.
    pub async fn start_over(
        &mut self,
        mut plan: Plan,
        beginning: Beginning,
        former: &Former,
        mut inheritance: Inheritance,
    ) -> Result<Ending, EngineError> {
        let Beginning { incident, overrides, approved } = beginning;
        let limits = self.limits_for(&overrides);
        self.look_after(former, &mut inheritance).await?;
        let run = self.next.take().map_or_else(new_run_id, Ok)?;
        let (holder, by) = (self.holder(), self.by());
        plan.locks = Inheritance::locks(&former.state, &plan.locks);
        let incident = incident.or_else(|| former.state.incident.clone());
        let over = Handover {
            from: former.state.run.clone(),
            expected: former.lease.epoch,
            seen: former.state.seq,
            ended: inheritance.ends(&by, &run),
            limits,
            inherited: Event::Inherited { inheritance: Box::new(inheritance) },
        };
        let started = Event::RunStarted {
            locks: plan.locks.clone(),
            plan: Arc::new(plan),
            incident,
            format: FORMAT,
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            overrides,
            approved,
        };
        let now = self.parts.clock.now();
        let (lease, records) = self.parts.journal.begin_over(&run, started, &over, &holder, &by, now)?;
        let mut state: Option<RunState> = None;
        for record in &records {
            let known = match state.take() {
                None => RunState::begin(&run, record)?,
                Some(mut known) => {
                    known.apply(record)?;
                    known
                }
            };
            self.parts.observer.record(record, &known);
            state = Some(known);
        }
        let state = state.ok_or_else(|| EngineError::State(format!("run {run} began without records")))?;
        self.drive(lease, state, by).await
    }

    /// What became of the attempts that the run has left under way: a command that still runs is not acted beside.
    async fn look_after(&mut self, former: &Former, inheritance: &mut Inheritance) -> Result<(), EngineError> {
        let old = &former.state;
        let open: Vec<Task> = old.in_flight().map(|(task, _)| task.clone()).collect();
        if open.is_empty() {
            return Ok(());
        }
        let lease = Lease { run: old.run.clone(), epoch: former.lease.epoch };
        // Nothing is written under this lease: it only looks.
        let by = self.by();
        let drive = self.hold(lease, old.clone(), by)?;
        for task in open {
            let Some((action, call, _)) = drive.call(&task) else { continue };
            let of_it = |one: &Stands| one.run == old.run && one.task == task;
            // A command that still runs is waited for by whoever looks at it: here it is in the way.
            let looked = tokio::time::timeout(LOOK, drive.look_into(&task, action, call)).await;
            let running = || Finding::StillRunning { evidence: "it has not come to its end yet".to_owned() };
            let (how, what) = match looked.unwrap_or_else(|_| running()) {
                Finding::StillRunning { evidence } => {
                    return Err(EngineError::NotNow(format!("{task} of run {} still runs: {evidence}", old.run)));
                }
                Finding::Ended(report) => {
                    let how = match report.outcome {
                        Outcome::Done => Some(StandsHow::Done),
                        Outcome::NoEffect => None,
                        Outcome::Failed => Some(StandsHow::Failed),
                        Outcome::Unknown => Some(StandsHow::Unknown),
                    };
                    (how, format!("its end was found: {}", report.message))
                }
                Finding::TookEffect { evidence, .. } => (Some(StandsHow::Done), evidence),
                Finding::DidNot { .. } => (None, String::new()),
                Finding::CannotTell { evidence } => (Some(StandsHow::Unknown), evidence),
            };
            match how {
                // It certainly changed nothing: nothing of it stands.
                None => inheritance.stands.retain(|one| !of_it(one)),
                Some(how) => {
                    for stands in inheritance.stands.iter_mut().filter(|one| of_it(one)) {
                        (stands.how, stands.what) = (how, what.clone());
                    }
                }
            }
        }
        Ok(())
    }
}

/// Whether a process drives a run, as far as can be told from here.
fn is_driven(lease: &LeaseInfo) -> bool {
    if lease.released {
        return false;
    }
    match is_alive(&lease.holder) {
        Liveness::Alive => true,
        Liveness::Gone => false,
        Liveness::OtherHost => lease.idle.is_some_and(|idle| idle.as_secs() < SILENT_SECONDS),
    }
}
