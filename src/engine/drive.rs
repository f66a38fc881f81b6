//! Drives one run: decide, do, record, fold, again. It holds the lease all the while, takes up what other processes ask
//! for, and stops where it is told to.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Ending, EndingKind, EngineError, Parts};
use crate::actions::Context;
use crate::journal::Lease;
use crate::run::{Decision, Event, RunState, StopKind, Task, decide};

/// How often requests are looked for and the screen may move on, in milliseconds. Requests are promised within 250.
pub(super) const TICK: Duration = Duration::from_millis(100);
/// How often the lease is renewed.
const RENEW: Duration = Duration::from_secs(2);

/// Who answers when a deadline passes.
const NOBODY: &str = "nobody";

/// A run in hand.
pub(super) struct Drive<'e> {
    pub(super) parts: &'e mut Parts,
    pub(super) lease: Lease,
    pub(super) state: RunState,
    /// Who the records of the runner name.
    pub(super) actor: String,
    /// Where the run's recorders keep their spools.
    pub(super) spool: PathBuf,
    /// How many interrupts were there when this drive began: only newer ones count.
    pub(super) interrupts: u32,
    /// When the lease was last renewed.
    pub(super) renewed: Instant,
    /// When somebody was last paged about the open question.
    pub(super) paged: Option<Instant>,
    /// Until when a wait lasts, and behind which record it began.
    pub(super) waiting: Option<(u64, Instant)>,
}

impl Drive<'_> {
    /// Drives the run until it ends, waits for a person or is stopped.
    pub(super) async fn go(mut self) -> Result<Ending, EngineError> {
        let kind = match self.turn().await {
            Ok(kind) => kind,
            Err(error) => {
                self.parts.observer.gave_up(&self.state);
                return Err(error);
            }
        };
        if kind != EndingKind::Left {
            self.parts.journal.release(&self.lease)?;
        }
        if matches!(kind, EndingKind::Finished(_)) {
            // The outcomes are in the journal; what is left is big output that nobody asks for any more.
            let _ = std::fs::remove_dir_all(&self.spool);
        }
        Ok(Ending { kind, state: self.state })
    }

    async fn turn(&mut self) -> Result<EndingKind, EngineError> {
        loop {
            self.take_requests()?;
            self.keep_lease()?;
            if let Some(kind) = self.interrupted()? {
                return Ok(kind);
            }
            let decision = decide(&self.state, self.parts.clock.now());
            tracing::debug!(run = %self.state.run, seq = self.state.seq, decision = decision.word(), "decided");
            self.parts.observer.decision(&decision, &self.state);
            let ended = match decision {
                Decision::Prepare { wait, .. } | Decision::Settle { wait, .. } if !self.has_waited(wait) => {
                    self.idle(TICK).await;
                    None
                }
                Decision::Prepare { task, .. } => self.prepare(&task).await?,
                Decision::Dispatch { task } => self.dispatch(&task).await?,
                Decision::Settle { task, .. } => self.settle(&task).await?,
                Decision::Verify { task } => self.verify(&task).await?,
                Decision::Record(event) => {
                    self.paged = None;
                    // An answer that nobody gave is not told in the name of whoever holds the run.
                    let actor = if matches!(*event, Event::Answered { .. }) { NOBODY } else { &self.actor.clone() };
                    self.append_by(actor, vec![*event], &[])?;
                    None
                }
                Decision::Wait(question) => self.wait(&question).await?,
                Decision::Stopped(kind) => Some(EndingKind::Stopped(kind)),
                Decision::Finished(verdict) => Some(EndingKind::Finished(verdict)),
            };
            if let Some(kind) = ended {
                return Ok(kind);
            }
        }
    }

    /// Makes events durable, folds them in and tells who watches.
    pub(super) fn append(&mut self, events: Vec<Event>) -> Result<(), EngineError> {
        let actor = self.actor.clone();
        self.append_by(&actor, events, &[])
    }

    /// The same in somebody else's name, marking requests as taken up.
    pub(super) fn append_by(&mut self, actor: &str, events: Vec<Event>, answers: &[i64]) -> Result<(), EngineError> {
        // What cannot be written down is all that is known of it: whoever is there must be told.
        let told = events.clone();
        let appended = self.parts.journal.append(&self.lease, actor, self.parts.clock.now(), events, answers);
        let records = appended.inspect_err(|_| self.parts.observer.unwritten(&told))?;
        for record in &records {
            self.state.apply(record)?;
            self.parts.observer.record(record, &self.state);
        }
        Ok(())
    }

    /// The lease is renewed from time to time.
    pub(super) fn keep_lease(&mut self) -> Result<(), EngineError> {
        if self.renewed.elapsed() >= RENEW {
            self.parts.journal.renew(&self.lease)?;
            tracing::trace!(run = %self.lease.run, epoch = self.lease.epoch, "the lease is renewed");
            self.renewed = Instant::now();
        }
        Ok(())
    }

    /// Between two steps: a first interrupt stops the run where it is, a second one leaves it.
    fn interrupted(&mut self) -> Result<Option<EndingKind>, EngineError> {
        if self.state.ended.is_some() || self.pressed() == 0 {
            return Ok(None);
        }
        if self.pressed() >= 2 && self.state.in_flight().is_some() {
            return Ok(Some(EndingKind::Left));
        }
        if self.state.in_flight().is_none() && self.state.stopped.is_none() {
            let because = format!("interrupted by {}", self.actor);
            self.append(vec![Event::Stopped { kind: StopKind::Interrupted, because }])?;
        }
        Ok(None)
    }

    /// How many interrupts came since this drive began.
    pub(super) fn pressed(&self) -> u32 {
        self.parts.interrupts.borrow().saturating_sub(self.interrupts)
    }

    /// Whether a wait is over. The wall clock says once how long it is, and the runtime's clock when it is over: a wall
    /// clock that is set meanwhile neither stretches it for hours nor lets a probe look before the effect can show.
    fn has_waited(&mut self, wait: f64) -> bool {
        match self.waiting {
            Some((seq, until)) if seq == self.state.seq => Instant::now() >= until,
            _ => {
                let longest = Duration::from_secs(86_400 * 365);
                let wait = Duration::try_from_secs_f64(wait).unwrap_or(longest).min(longest);
                self.waiting = Some((self.state.seq, Instant::now() + wait));
                wait.is_zero()
            }
        }
    }

    /// Waits, at most for one tick, and less when there is an interrupt.
    pub(super) async fn idle(&mut self, wait: Duration) {
        let mut interrupts = self.parts.interrupts.clone();
        // Only one that comes while it waits: an earlier one, seen again and again, would make every wait spin.
        interrupts.borrow_and_update();
        tokio::select! {
            () = tokio::time::sleep(wait.min(TICK)) => {}
            // A closed channel means that nobody can interrupt any more: then only the time counts.
            Ok(()) = interrupts.changed() => {}
        }
    }

    /// What an action works with for a task of this run.
    pub(super) fn context(&self, task: &Task) -> Context {
        let observer = Arc::clone(&self.parts.observer);
        let task = task.clone();
        Context {
            inventory: Arc::clone(&self.parts.inventory),
            spool: self.spool.clone(),
            output: Arc::new(move |stderr, bytes| observer.output(&task, stderr, bytes)),
        }
    }
}
