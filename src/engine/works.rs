//! What is under way side by side: each is polled only where something has woken it, and what several of them bring to be
//! written down in one round goes into the journal together. What one brings is durable before it goes on, as if it had
//! written it alone; it must never be told so earlier.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use super::EngineError;
use super::drive::{Drive, Kind};
use crate::journal::JournalError;
use crate::outcome::Outcome;
use crate::run::{Event, Task};

/// So many records go into one transaction at most: what is set aside for the log on a disk that is full has to hold it.
const TOGETHER: usize = 32;

type Rest<'d> = Pin<Box<dyn Future<Output = Result<(), EngineError>> + 'd>>;

/// Something under way for a task. It says nothing when it is done: what it came to is in the journal.
struct Work<'d> {
    of: Kind,
    rest: Rest<'d>,
    bell: Arc<Bell>,
}

/// Rung when a work may go on.
struct Bell {
    rung: AtomicBool,
    driver: Arc<Mutex<Option<Waker>>>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        if let Some(driver) = self.driver.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            driver.wake_by_ref();
        }
    }
}

/// All that is under way.
#[derive(Default)]
pub(super) struct Works<'d> {
    list: Vec<Work<'d>>,
    driver: Arc<Mutex<Option<Waker>>>,
}

impl<'d> Works<'d> {
    pub(super) fn begin(&mut self, of: Kind, rest: Rest<'d>) {
        let bell = Arc::new(Bell { rung: AtomicBool::new(true), driver: Arc::clone(&self.driver) });
        self.list.push(Work { of, rest, bell });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.list.iter().map(|work| &work.of.0)
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn clear(&mut self) {
        self.list.clear();
    }

    /// Drops whatever is not among these.
    pub(super) fn keep(&mut self, kinds: &BTreeSet<Kind>) {
        self.list.retain(|work| kinds.contains(&work.of));
    }

    pub(super) fn kinds(&self) -> BTreeSet<Kind> {
        self.list.iter().map(|work| work.of.clone()).collect()
    }

    /// Lets each that was woken go on once; ends when one is done, or `must_end` after one has gone on. Who is not polled then
    /// stays woken. Before it waits, `flush` is called.
    pub(super) async fn round(
        &mut self,
        must_end: impl Fn() -> Turn,
        flush: impl Fn() -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        std::future::poll_fn(|context| match self.poll(context, &must_end) {
            Poll::Pending => flush().map_or_else(|error| Poll::Ready(Err(error)), |()| Poll::Pending),
            ready => ready,
        })
        .await
    }

    fn poll(&mut self, context: &mut Context<'_>, must_end: &impl Fn() -> Turn) -> Poll<Result<(), EngineError>> {
        *self.driver.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.waker().clone());
        let (mut place, mut ends) = (0, false);
        while let Some(work) = self.list.get_mut(place) {
            if !work.bell.rung.swap(false, Ordering::AcqRel) {
                place += 1;
                continue;
            }
            let waker = Waker::from(Arc::clone(&work.bell));
            match work.rest.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(done) => {
                    self.list.remove(place);
                    ends = true;
                    if done.is_err() {
                        return Poll::Ready(done);
                    }
                }
                Poll::Pending => place += 1,
            }
            match must_end() {
                Turn::GoesOn => {}
                Turn::EndsWithTheRound => ends = true,
                Turn::EndsNow => return Poll::Ready(Ok(())),
            }
        }
        if ends { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

/// Whether a round goes on behind one of its works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing has come of it yet.
    GoesOn,
    /// It has brought something to be written down: the others may do so as well.
    EndsWithTheRound,
    /// It has written something down itself: what comes next is to be decided anew.
    EndsNow,
}

/// Something that a work brings to be written down, as long as it waits for that.
pub(super) struct Brought {
    event: Event,
    by: Weak<RefCell<Waits>>,
}

#[derive(Default)]
struct Waits {
    told: Option<Result<(), EngineError>>,
    waker: Option<Waker>,
}

impl Brought {
    fn begins(&self) -> bool {
        matches!(self.event, Event::Intent { .. })
    }

    /// Tells whoever brought it what became of it.
    fn tell(&self, what: Result<(), EngineError>) {
        let Some(waits) = self.by.upgrade() else { return };
        let mut waits = waits.borrow_mut();
        waits.told = Some(what);
        if let Some(waker) = waits.waker.take() {
            waker.wake();
        }
    }
}

/// An outcome on which the next step follows.
fn is_done(event: &Event) -> bool {
    matches!(event, Event::Outcome { report, .. } if report.outcome == Outcome::Done)
}

impl Drive<'_> {
    /// Writes an intent or an outcome down, together with what others bring in the same round.
    pub(super) async fn bring(&self, event: Event) -> Result<(), EngineError> {
        if !self.side_by_side.get() {
            // What comes next is decided at once: its intent is written together with this.
            return if is_done(&event) { self.append_with_next(event) } else { self.append(vec![event]) };
        }
        let waits = Rc::new(RefCell::new(Waits::default()));
        self.brought.borrow_mut().push(Brought { event, by: Rc::downgrade(&waits) });
        std::future::poll_fn(|context| {
            let mut waits = waits.borrow_mut();
            match waits.told.take() {
                Some(told) => Poll::Ready(told),
                None => {
                    waits.waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Whether anything was brought and is not written down.
    pub(super) fn has_brought(&self) -> bool {
        !self.brought.borrow().is_empty()
    }

    /// Writes the outcomes down that were brought; nothing is decided before that.
    pub(super) fn write_outcomes(&self) -> Result<(), EngineError> {
        self.write_brought(false)
    }

    /// Writes the intents down that were brought and that are still wanted: the works of the others are gone.
    pub(super) fn write_intents(&self) -> Result<(), EngineError> {
        self.write_brought(true)
    }

    fn write_brought(&self, intents: bool) -> Result<(), EngineError> {
        loop {
            let some: Vec<Brought> = {
                let mut all = self.brought.borrow_mut();
                let (mut some, mut rest) = (Vec::new(), Vec::new());
                for one in all.drain(..).filter(|one| one.by.strong_count() > 0) {
                    let now = one.begins() == intents && some.len() < TOGETHER;
                    if now { some.push(one) } else { rest.push(one) }
                }
                *all = rest;
                some
            };
            if some.is_empty() {
                return Ok(());
            }
            self.write_together(some)?;
        }
    }

    fn write_together(&self, mut some: Vec<Brought>) -> Result<(), EngineError> {
        let now = self.tools.clock.now();
        // What cannot stand in the journal any more holds none of the others up.
        some.retain(|one| match self.state().may_follow(&one.event, &self.actor, now) {
            Ok(()) => true,
            Err(why) => {
                one.tell(Err(EngineError::NotNow(why)));
                false
            }
        });
        let events = some.iter().map(|one| one.event.clone()).collect();
        match self.put(&self.actor, now, events, &[]) {
            Ok(()) => some.iter().for_each(|one| one.tell(Ok(()))),
            // A halt holds the steps back that it is about, and not those that a person lets go on.
            Err(EngineError::Journal(JournalError::Halted(_))) => {
                for one in some {
                    let written = self.append(vec![one.event.clone()]);
                    one.tell(written);
                }
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
