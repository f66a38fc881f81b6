//! Drives one run: decide, do, record, fold, again. It holds the lease all the while, takes up what other processes ask
//! for, and stops where it is told to.

use std::cell::{Cell, Ref, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::alarm::Alarms;
use super::secrets::{self, Memory};
use super::whom::Touched;
use super::works::{Brought, Turn, Works};
use super::write::Untold;
use super::{Ending, EndingKind, EngineError, Tools, forks, halt};
use crate::actions::{Context, recorder};
use crate::inventory::Inventory;
use crate::journal::{Journal, Lease};
use crate::run::{Decision, Event, Moment, RunState, StopKind, Task, decide};

/// How often requests are looked for and the screen may move on, in milliseconds. Requests are promised within 250.
pub(super) const TICK: Duration = Duration::from_millis(100);
/// How often the lease is renewed.
const RENEW: Duration = Duration::from_secs(2);

/// Who answers when a deadline passes.
const NOBODY: &str = "nobody";

/// What is worked on: a look at a task that became needless must not go on under the name of another one.
pub(super) type Kind = (Task, &'static str, Option<Moment>);

fn kind_of(decision: &Decision) -> Option<Kind> {
    let moment = match decision {
        Decision::Check { moment, .. } => Some(*moment),
        _ => None,
    };
    decision.task().map(|task| (task.clone(), decision.word(), moment))
}

/// Whether a decision is about nothing but steps that read.
fn only_reads(decision: &Decision, state: &RunState) -> bool {
    let reads = |task: &Task| !task.is_undo() && state.step_of(task).is_some_and(|step| !step.effect.changes());
    match decision {
        Decision::Prepare { task, .. } | Decision::Dispatch { task } => reads(task),
        Decision::Together(all) => all.iter().all(|one| only_reads(one, state)),
        _ => false,
    }
}

/// A run in hand. Several tasks may be under way at the same time, so what changes stands in cells; nothing is borrowed
/// from one over a wait.
pub(super) struct Drive<'e> {
    pub(super) journal: RefCell<&'e mut dyn Journal>,
    pub(super) tools: Tools<'e>,
    pub(super) lease: Lease,
    pub(super) state: RefCell<RunState>,
    /// What is acted on, as the newest attempt got it.
    pub(super) inventory: RefCell<Arc<Inventory>>,
    /// Who the records of the runner name.
    pub(super) actor: String,
    /// Where the run's recorders keep their spools.
    pub(super) spool: PathBuf,
    /// Those recorders, as long as commands may begin.
    pub(super) recorders: recorder::InService,
    /// How many interrupts were there when this drive began: only newer ones count.
    pub(super) interrupts: u32,
    /// When the lease was last renewed.
    pub(super) renewed: Cell<Instant>,
    /// When it was last looked what others ask for.
    pub(super) looked: Cell<Option<Instant>>,
    /// When somebody was last paged about the open question.
    pub(super) paged: Cell<Option<Instant>>,
    /// Calls of people that are under way.
    pub(super) alarms: RefCell<Alarms>,
    /// The halt that was told of.
    pub(super) told_halt: Cell<Option<i64>>,
    /// Until when tasks wait, each for an attempt of its own.
    pub(super) waiting: RefCell<BTreeMap<(Task, u32, bool), Instant>>,
    /// The sensitive outputs that were read since this drive began.
    pub(super) memory: Memory,
    /// Whether several works are under way.
    pub(super) side_by_side: Cell<bool>,
    /// What they have brought to be written down.
    pub(super) brought: RefCell<Vec<Brought>>,
    /// How often something was written down.
    pub(super) writes: Cell<u64>,
    /// What nobody who watches is told before the outcome in front of it is on the disk.
    pub(super) untold: RefCell<Vec<Untold>>,
    /// Whom the run has touched, where somebody counts.
    pub(super) touched: RefCell<Option<Touched>>,
}

impl Drive<'_> {
    /// Drives the run until it ends, waits for a person or is stopped.
    pub(super) async fn go(self) -> Result<Ending, EngineError> {
        let turned = self.turn().await;
        // Whatever ended it: what is known of the run is written down.
        let flushed = self.flush();
        let kind = match turned.and_then(|kind| flushed.map(|()| kind)) {
            Ok(kind) => kind,
            Err(error) => {
                self.give_up_untold();
                self.tools.observer.gave_up(&self.state());
                return Err(error);
            }
        };
        if kind != EndingKind::Left {
            self.note_alarms(true).await?;
        }
        drop(self.recorders);
        // The outcomes of what has ended are in the journal; what is left is big output that nobody asks for any more.
        let tidy = || {
            let _ = std::fs::remove_dir_all(&self.spool);
        };
        std::thread::scope(|both| {
            let finished = matches!(kind, EndingKind::Finished(_));
            // While the disk is waited for, where there is a thread to be had.
            if finished && std::thread::Builder::new().spawn_scoped(both, tidy).is_err() {
                tidy();
            }
            if kind == EndingKind::Left { Ok(()) } else { self.journal.borrow_mut().release(&self.lease) }
        })?;
        Ok(Ending { kind, state: self.state.into_inner() })
    }

    async fn turn(&self) -> Result<EndingKind, EngineError> {
        let mut works = Works::default();
        loop {
            let lately = self.take_requests_now_and_then()?;
            self.note_alarms(false).await?;
            self.keep_lease()?;
            if let Some(kind) = self.interrupted(!works.is_empty())? {
                return Ok(kind);
            }
            let decision = decide(&self.state(), self.tools.clock.now());
            // What was asked for by now must not come too late for what cannot be taken back.
            if lately && !only_reads(&decision, &self.state()) {
                self.looked.set(None);
                continue;
            }
            tracing::debug!(run = %self.lease.run, decision = decision.word(), "decided");
            if decision.task().is_none() && !matches!(decision, Decision::Record(_) | Decision::Together(_)) {
                self.flush()?;
            }
            let mut wanted = match decision {
                Decision::Record(event) => {
                    self.write(*event)?;
                    continue;
                }
                Decision::Wait(question) => {
                    // Nothing is under way by now; a look that was left would be old once somebody has answered.
                    works.clear();
                    if let Some(kind) = self.wait(&question).await? {
                        return Ok(kind);
                    }
                    continue;
                }
                Decision::Halted => {
                    // What had not got to its intent has not begun.
                    works.clear();
                    if let Some(kind) = self.stand_still().await {
                        return Ok(kind);
                    }
                    continue;
                }
                Decision::Stopped(kind) => return Ok(EndingKind::Stopped(kind)),
                Decision::Finished(verdict) => return Ok(EndingKind::Finished(verdict)),
                Decision::Together(decisions) => decisions,
                one => vec![one],
            };
            if self.pressed() > 0 {
                wanted.retain(|decision| !decision.begins());
            }
            // What was asked for meanwhile may have made a look needless: it is dropped, as nothing has begun by it. What was
            // sent is always wanted, until its outcome is written.
            let kinds: BTreeSet<Kind> = wanted.iter().filter_map(kind_of).collect();
            works.keep(&kinds);
            // A set, as a batch may be of a thousand items and this is gone through at each of their records.
            let begun = works.kinds();
            let mut places = forks::Places::left(self.tools.forks, works.tasks());
            for decision in forks::in_order(wanted) {
                if let Some(of) = kind_of(&decision)
                    && !begun.contains(&of)
                    && places.has_room_for(&decision)
                    && self.has_waited(&decision)
                {
                    places.take(&of.0);
                    self.tell_decision(&decision);
                    works.begin(of, self.work(decision));
                }
            }
            self.attend(&mut works).await?;
        }
    }

    /// Waits until something under way has something to say, for a tick at most: then requests are looked for.
    async fn attend(&self, works: &mut Works<'_>) -> Result<(), EngineError> {
        self.write_intents()?;
        if works.is_empty() {
            self.flush()?;
            self.idle(TICK).await;
            return Ok(());
        }
        self.side_by_side.set(works.len() > 1);
        let mut interrupts = self.tools.interrupts.clone();
        interrupts.borrow_and_update();
        let writes = self.writes.get();
        let turn = || match (self.writes.get() == writes, self.has_brought()) {
            (false, _) => Turn::EndsNow,
            (true, true) => Turn::EndsWithTheRound,
            (true, false) => Turn::GoesOn,
        };
        let done = tokio::select! {
            biased;
            done = works.round(turn, || self.flush()) => done,
            () = tokio::time::sleep(TICK) => Ok(()),
            Ok(()) = interrupts.changed() => Ok(()),
        };
        // Also where one of them cannot go on: what the others came to is known, and nobody else knows it.
        let written = self.write_outcomes();
        done.and(written)
    }

    /// Begins what a decision asks for. Each in a box of its own: the way through all of them would be as large as the largest.
    fn work(&self, decision: Decision) -> Pin<Box<dyn Future<Output = Result<(), EngineError>> + '_>> {
        match decision {
            Decision::Enter { task } => Box::pin(async move { halt::came_before(self.enter(&task)) }),
            Decision::Prepare { task, .. } => Box::pin(async move { halt::came_before(self.prepare(&task).await) }),
            Decision::Dispatch { task } => Box::pin(async move { self.dispatch(&task).await }),
            Decision::Settle { task, .. } => Box::pin(async move { self.settle(&task).await }),
            Decision::Verify { task } => Box::pin(async move { self.verify(&task).await }),
            Decision::BetweenBatches { task, batch, .. } => {
                Box::pin(async move { halt::came_before(self.append(vec![Event::BatchBegan { task, batch }])) })
            }
            Decision::Check { task, moment } => Box::pin(async move { self.check(&task, moment).await }),
            // The others are no work.
            _ => Box::pin(std::future::ready(Ok(()))),
        }
    }

    fn write(&self, event: Event) -> Result<(), EngineError> {
        self.paged.set(None);
        // An answer that nobody gave is not told in the name of whoever holds the run.
        let actor = if matches!(event, Event::Answered { .. }) { NOBODY } else { &self.actor };
        self.append_by(actor, vec![event], &[])
    }

    /// What is known of the run now. Never held over a wait.
    pub(super) fn state(&self) -> Ref<'_, RunState> {
        self.state.borrow()
    }

    /// Makes events durable, folds them in and tells who watches.
    pub(super) fn append(&self, events: Vec<Event>) -> Result<(), EngineError> {
        self.append_by(&self.actor, events, &[])
    }

    /// The same in somebody else's name, marking requests as taken up.
    pub(super) fn append_by(&self, actor: &str, mut events: Vec<Event>, answers: &[i64]) -> Result<(), EngineError> {
        let now = self.tools.clock.now();
        // A yes that was given ahead, and the question is over by the time that everybody's roles are known.
        if let [Event::ApprovalAsked { asking, .. }, Event::Approved { .. }] = events.as_slice()
            && asking.deadline.is_some_and(|deadline| now >= deadline)
        {
            events.truncate(1);
        }
        // The last look before it is durable, at the very time that the record has: an approval that has run out since is
        // none, and what cannot stand in the journal must never come into it.
        if let Some(first) = events.first() {
            self.state().may_follow(first, actor, now).map_err(EngineError::NotNow)?;
        }
        self.put(actor, now, events, answers)
    }

    /// The lease is renewed from time to time.
    pub(super) fn keep_lease(&self) -> Result<(), EngineError> {
        if self.renewed.get().elapsed() >= RENEW {
            self.journal.borrow_mut().renew(&self.lease)?;
            tracing::trace!(run = %self.lease.run, epoch = self.lease.epoch, "the lease is renewed");
            self.renewed.set(Instant::now());
        }
        Ok(())
    }

    /// A first interrupt stops the run once nothing is under way, a second one leaves it at once.
    fn interrupted(&self, working: bool) -> Result<Option<EndingKind>, EngineError> {
        // Looked at only where somebody pressed: who is under way is a look at every task.
        if self.pressed() == 0 {
            return Ok(None);
        }
        let (ended, stopped, busy) = {
            let state = self.state();
            (state.ended.is_some(), state.stopped.is_some(), working || state.in_flight().next().is_some())
        };
        if ended {
            return Ok(None);
        }
        if self.pressed() >= 2 && busy {
            return Ok(Some(EndingKind::Left));
        }
        if !busy && !stopped {
            if self.tools.gives_back {
                return Ok(Some(EndingKind::GivenBack));
            }
            let because = format!("interrupted by {}", self.actor);
            self.append(vec![Event::Stopped { kind: StopKind::Interrupted, because }])?;
        }
        Ok(None)
    }

    /// How many interrupts came since this drive began.
    pub(super) fn pressed(&self) -> u32 {
        self.tools.interrupts.borrow().saturating_sub(self.interrupts)
    }

    /// Whether a wait is over. The wall clock says once how long it is, and the runtime's clock when it is over: a wall
    /// clock that is set meanwhile neither stretches it for hours nor lets a probe look before the effect can show.
    fn has_waited(&self, decision: &Decision) -> bool {
        let (task, wait, probe) = match decision {
            Decision::Prepare { task, wait } => (task, *wait, false),
            Decision::Settle { task, wait } => (task, *wait, true),
            Decision::BetweenBatches { task, wait, .. } => (task, *wait, false),
            _ => return true,
        };
        let attempt = match decision {
            // A group has no attempts: each of its batches has a wait of its own.
            Decision::BetweenBatches { batch, .. } => *batch,
            _ => self.state().tasks.get(task).map_or(0, |state| state.attempt),
        };
        let longest = Duration::from_secs(86_400 * 365);
        let wait = Duration::try_from_secs_f64(wait).unwrap_or(longest).min(longest);
        let mut waiting = self.waiting.borrow_mut();
        let until = *waiting.entry((task.clone(), attempt, probe)).or_insert_with(|| {
            self.tell_decision(decision);
            Instant::now() + wait
        });
        let over = Instant::now() >= until;
        if over {
            waiting.remove(&(task.clone(), attempt, probe));
        }
        over
    }

    /// Waits, at most for one tick, and less when there is an interrupt.
    pub(super) async fn idle(&self, wait: Duration) {
        let mut interrupts = self.tools.interrupts.clone();
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
        let observer = Arc::clone(self.tools.observer);
        let task = task.clone();
        Context {
            inventory: secrets::anew(&mut self.inventory.borrow_mut()),
            spool: self.spool.clone(),
            output: Arc::new(move |stderr, bytes| observer.output(&task, stderr, bytes)),
        }
    }
}
