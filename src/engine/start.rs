//! How a run comes into this process' hands: it begins here, its holder is gone, or a request finds it without one.

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::drive::{Drive, TICK};
use super::holder::{Liveness, is_alive};
use super::people::may_answer;
use super::secrets::Memory;
use super::{Beginning, Ending, EndingKind, Engine, EngineError, Requested, Tools, make_folder};
use crate::actions::recorder;
use crate::ids::RunId;
use crate::journal::{JournalError, Lease, RUN_LIMIT, RunLimit};
use crate::plan::Plan;
use crate::playbook::{Rollback, Step};
use crate::run::{Event, FORMAT, LeaseReason, RequestKind, RunState};

impl Engine {
    /// Starts a run of a plan and drives it.
    ///
    /// # Errors
    /// When it cannot begin (locks), or the journal cannot be written.
    pub async fn start(&mut self, plan: Plan, beginning: Beginning) -> Result<Ending, EngineError> {
        let Beginning { incident, overrides, approved } = beginning;
        let run = self.next.take().map_or_else(new_run_id, Ok)?;
        let (holder, by) = (self.holder(), self.by());
        let limits = self.limits_for(&overrides);
        let spool = self.spool(&run);
        // Ends by itself where the run cannot begin.
        let _recorders = recorder::InService::of(&spool);
        self.ahead(&spool, plan.playbook.steps.iter());
        let started = Event::RunStarted {
            locks: plan.locks.clone(),
            plan: Arc::new(plan),
            incident,
            format: FORMAT,
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            overrides,
            approved,
        };
        let (lease, records) =
            self.parts.journal.begin_within(&run, started, &holder, &by, self.parts.clock.now(), &limits)?;
        let state = RunState::replay(&run, &records)?;
        for record in &records {
            self.parts.observer.record(record, &state);
        }
        self.drive(lease, state, by).await
    }

    /// The limits that bind a run: none where a person has passed them by name.
    pub(super) fn limits_for(&self, overrides: &[(String, String)]) -> Vec<RunLimit> {
        let passed = overrides.iter().any(|(brake, _)| brake == RUN_LIMIT);
        if passed { Vec::new() } else { self.parts.limits.clone() }
    }

    /// Takes a run that nobody holds, or whose holder a person says is gone (`take_over`), and drives it on.
    ///
    /// # Errors
    /// `Held` when its holder is alive.
    pub async fn resume(&mut self, run: &RunId, reason: &str, take_over: bool) -> Result<Ending, EngineError> {
        let (lease, state) = match self.take(run, take_over) {
            Ok(taken) => taken,
            // Of several who resume it at once, one may have brought it to its end meanwhile: that is how it came out.
            Err(error) => return self.ended(run)?.ok_or(error),
        };
        self.go_on_resumed(lease, state, reason).await
    }

    /// Drives on a run that was taken, as somebody wanted it to go on.
    pub(super) async fn go_on_resumed(
        &mut self,
        lease: Lease,
        state: RunState,
        reason: &str,
    ) -> Result<Ending, EngineError> {
        // A reason that somebody gave belongs in the timeline, most of all that of a take-over.
        let told = state.stopped.is_some() || !reason.is_empty();
        let by = self.by();
        let drive = self.hold(lease, state, by)?;
        if told {
            drive.append(vec![Event::Resumed { reason: reason.to_owned() }])?;
        }
        drive.go().await
    }

    /// How a run came out, if it has ended.
    fn ended(&mut self, run: &RunId) -> Result<Option<Ending>, EngineError> {
        let state = self.state(run)?;
        Ok(state
            .ended
            .as_ref()
            .map(|(verdict, ..)| *verdict)
            .map(|verdict| Ending { kind: EndingKind::Finished(verdict), state }))
    }

    /// Asks for something to happen with a run: its holder takes it up, or this process takes the run and does it.
    ///
    /// # Errors
    /// `NotNow` when the run has ended, or nobody asked what is answered.
    pub async fn request(&mut self, run: &RunId, request: RequestKind, reason: &str) -> Result<Requested, EngineError> {
        let by = self.by();
        let id = self.ask(run, &request, reason)?;
        loop {
            if self.wait_for_holder(run, id).await? {
                return Ok(Requested::TakenUp);
            }
            match self.take(run, false) {
                Ok((lease, state)) => {
                    let ending = self.drive(lease, state, by).await?;
                    return Ok(Requested::Driven(Box::new(ending)));
                }
                // Somebody else was faster. The request is durable, so it is theirs to take up: no reason to call it refused.
                Err(EngineError::Held { .. } | EngineError::Journal(JournalError::LeaseLost { .. })) => {}
                // Its holder brought it to its end between what was asked and now.
                Err(error) => match self.ended(run)? {
                    Some(ending) => return Ok(Requested::Driven(Box::new(ending))),
                    None => return Err(error),
                },
            }
        }
    }

    /// Writes a request down, if it makes sense for the run as it stands and may be made in this name: whoever holds the run
    /// takes it up. Its number.
    ///
    /// # Errors
    /// As `request`; then nothing was written.
    pub fn ask(&mut self, run: &RunId, request: &RequestKind, reason: &str) -> Result<i64, EngineError> {
        let state = self.state(run)?;
        let by = self.by();
        check(&state, request)?;
        self.check_approval(&state, request, &by)?;
        self.know(state);
        Ok(self.parts.journal.ask(run, request, &by, reason, self.parts.clock.now())?)
    }

    /// Waits until the run's holder has taken up a request; `false` where nobody holds the run.
    async fn wait_for_holder(&mut self, run: &RunId, id: i64) -> Result<bool, EngineError> {
        let begun = Instant::now();
        loop {
            if !self.parts.journal.requests(run)?.iter().any(|request| request.id == id) {
                return Ok(true);
            }
            let lease = self.parts.journal.lease(run)?;
            match is_alive(&lease.holder) {
                _ if lease.released => return Ok(false),
                Liveness::Gone => return Ok(false),
                // It is durable: a holder that is stopped or on another host takes it up as soon as it can.
                _ if begun.elapsed() > Duration::from_secs(10) => return Ok(true),
                _ => tokio::time::sleep(TICK / 2).await,
            }
        }
    }

    /// Takes the lease of a run whose holder is gone or said to be.
    pub(super) fn take(&mut self, run: &RunId, take_over: bool) -> Result<(Lease, RunState), EngineError> {
        let info = self.parts.journal.lease(run)?;
        let reason = match is_alive(&info.holder) {
            _ if info.released => LeaseReason::Resume,
            Liveness::Gone => LeaseReason::Resume,
            // There is one server on a state at a time, and it gives each run to one engine at a time.
            _ if self.serves && info.holder.serves => LeaseReason::Resume,
            _ if take_over => LeaseReason::TakeOver,
            liveness => {
                let holder = &info.holder;
                let sure = if liveness == Liveness::OtherHost { ", which cannot be looked at from here" } else { "" };
                let who = format!("process {} of {} on {}{sure}", holder.pid, holder.user, holder.host);
                return Err(EngineError::Held { run: run.clone(), who });
            }
        };
        let (holder, by) = (self.holder(), self.by());
        let (lease, _) = self.parts.journal.take(run, info.epoch, &holder, reason, &by, self.parts.clock.now())?;
        let state = self.state(run)?;
        hold_to(&lease, &state)?;
        Ok((lease, state))
    }

    /// Where a run's recorders keep their spools.
    fn spool(&self, run: &RunId) -> PathBuf {
        self.parts.state.join("spool").join(run.as_str())
    }

    /// Has what a run's steps will need started beside what comes before them.
    fn ahead<'s>(&self, spool: &Path, steps: impl Iterator<Item = &'s Step>) {
        let actions: BTreeSet<&str> =
            steps.filter(|step| step.effect.changes()).map(|step| step.action.as_str()).collect();
        for action in actions.into_iter().filter_map(|name| self.parts.actions.get(name)) {
            action.ahead(spool);
        }
    }

    pub(super) async fn drive(&mut self, lease: Lease, state: RunState, actor: String) -> Result<Ending, EngineError> {
        self.hold(lease, state, actor)?.go().await
    }

    pub(super) fn hold(&mut self, lease: Lease, state: RunState, actor: String) -> Result<Drive<'_>, EngineError> {
        let spool = self.spool(&lease.run);
        make_folder(&spool)?;
        self.ahead(&spool, state.playbook().steps.iter());
        recorder::set_aside(&spool, recorded(&state));
        let serves = self.serves;
        let parts = &mut self.parts;
        // A server that ends ends with all of its runs, also with one that it was about to take in hand.
        let interrupts = if serves { 0 } else { *parts.interrupts.borrow() };
        Ok(Drive {
            journal: RefCell::new(parts.journal.as_mut()),
            tools: Tools {
                actions: &parts.actions,
                inventory: &parts.inventory,
                observer: &parts.observer,
                clock: parts.clock.as_ref(),
                pagers: &parts.pagers,
                people: parts.people.as_ref(),
                repeat_seconds: parts.repeat_seconds,
                interrupts: &parts.interrupts,
                wait: parts.wait,
                gives_back: serves,
                forks: parts.forks.max(1),
            },
            lease,
            inventory: RefCell::new(Arc::clone(&parts.inventory)),
            state: RefCell::new(state),
            actor,
            recorders: recorder::InService::of(&spool),
            spool,
            interrupts,
            renewed: Cell::new(Instant::now()),
            looked: Cell::new(None),
            paged: Cell::new(None),
            alarms: RefCell::default(),
            told_halt: Cell::new(None),
            waiting: RefCell::default(),
            memory: Memory::default(),
            side_by_side: Cell::new(false),
            brought: RefCell::default(),
            writes: Cell::new(0),
            untold: RefCell::default(),
            touched: RefCell::new(None),
        })
    }
}

/// What is known of a run must be known up to the very lease that it is driven under: else an intent of before would be taken
/// for one of this lease, and be sent a second time.
fn hold_to(lease: &Lease, state: &RunState) -> Result<(), JournalError> {
    let (run, ours) = (lease.run.clone(), lease.epoch);
    match state.epoch.cmp(&ours) {
        Ordering::Equal => Ok(()),
        Ordering::Greater => Err(JournalError::LeaseLost { run, ours, held: state.epoch }),
        Ordering::Less => {
            let held = state.epoch;
            Err(JournalError::Corrupt(format!("run {run} was taken as lease {ours}, and its records end under {held}")))
        }
    }
}

/// How many commands of a run, and of its undo, a recorder on this machine may have to keep.
fn recorded(state: &RunState) -> u64 {
    let local = |step: &&Step| step.action == "shell" && step.effect.changes();
    let undo = |step: &Step| match &step.rollback {
        Rollback::Steps(steps) => steps.iter().filter(local).count(),
        Rollback::Action | Rollback::None { .. } => 0,
    };
    let steps: Vec<&Step> = state.whole().into_iter().map(|(step, _)| step).collect();
    (steps.iter().copied().filter(local).count() + steps.iter().copied().map(undo).sum::<usize>()) as u64
}

/// Whether a request makes sense for a run as it stands.
fn check(state: &RunState, request: &RequestKind) -> Result<(), EngineError> {
    if let Some((_, _, summary)) = &state.ended {
        return Err(EngineError::NotNow(format!("run {} has ended: {summary}", state.run)));
    }
    match request {
        RequestKind::Resolve { task, answer } => may_answer(state, task, *answer).map_err(EngineError::NotNow),
        RequestKind::Skip { task, how, outputs } => state.may_skip(task, *how, outputs).map_err(EngineError::NotNow),
        RequestKind::Rollback { to: Some(name), .. } if !state.checkpoints.iter().any(|point| &point.name == name) => {
            let reached: Vec<&str> = state.checkpoints.iter().map(|point| point.name.as_str()).collect();
            let list = if reached.is_empty() { "none".to_owned() } else { reached.join(", ") };
            Err(EngineError::NotNow(format!("run {} has not reached a checkpoint {name}; reached: {list}", state.run)))
        }
        _ => Ok(()),
    }
}

/// A new run's id: the second it starts, and four random letters.
///
/// # Errors
/// When the system gives no random numbers.
pub fn new_run_id() -> Result<RunId, EngineError> {
    let mut bytes = [0_u8; 4];
    getrandom::fill(&mut bytes).map_err(|error| EngineError::State(format!("no random numbers: {error}")))?;
    const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";
    let tail: String = bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect();
    let stamp = jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S").to_string();
    format!("{stamp}-{tail}").parse().map_err(|error: crate::ids::InvalidName| EngineError::State(error.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::journal::{Journal as _, MemoryJournal};
    use crate::run::Time;

    #[test]
    fn a_run_is_driven_under_the_lease_that_its_records_end_with() {
        let mut journal = MemoryJournal::new();
        let run: RunId = "r1".parse().unwrap();
        let digest = crate::ids::Digest::of(b"");
        let playbook = json!({
            "name": "p", "version": "1.0.0", "title": "t", "description": "", "owner": null, "reviewed": null,
            "review_every": null, "severity": [], "symptoms": [], "services": [], "recovery_time": null, "inputs": [],
            "locks": [], "steps": [], "digest": digest,
        });
        let plan = json!({
            "format": 1, "playbook": playbook, "inputs": {}, "environment": "lab", "targets": [], "locks": [],
            "steps": [], "digest": digest, "facts_digest": digest,
        });
        let started: Event = serde_json::from_value(json!({
            "event": "run_started", "locks": [], "incident": null, "format": FORMAT, "tool": "0", "overrides": [],
            "plan": plan,
        }))
        .unwrap();
        let (lease, records) =
            journal.begin(&run, started, &crate::engine::holder::this_process(), "ann", Time(1)).unwrap();
        let state = RunState::replay(&run, &records).unwrap();
        let under = |epoch| hold_to(&Lease { epoch, ..lease.clone() }, &state);
        assert!(under(1).is_ok());
        assert!(matches!(under(0), Err(JournalError::LeaseLost { ours: 0, held: 1, .. })));
        assert!(matches!(under(2), Err(JournalError::Corrupt(_))));
    }
}
