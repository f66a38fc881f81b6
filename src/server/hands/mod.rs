//! The runs that live in the server: each on a thread of its own, with a runtime and a connection to the journal of its own, so
//! that one that hangs or falls is in no other's way: one that falls is driven on once more, and then let go, so that nobody takes
//! it for one that runs. They outlive the process: one that ends well gives its runs back once the
//! step in hand has ended, one that is killed leaves them as a crash does, and the next start goes on with both. A run that a
//! person stopped, and one of the command line, are never taken up by it. What a run does next is decided as everywhere.

mod begin;
mod desk;
mod go_on;
mod work;

use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::{Asked, Begun, Caller, Happening, House, Offered, Problem, Refusal, Rules, Runner, Wanted};
use crate::engine::{EndingKind, holder};
use crate::ids::RunId;
use crate::journal::Journal as _;
use crate::run::RequestKind;
use desk::Desk;

/// As much as a process of the command line has for it: what is deep enough there is deep enough here.
const STACK: usize = 8 * 1024 * 1024;

/// How long what is told to leave at once may take to do so.
const LAST: Duration = Duration::from_secs(2);

/// Has runs done in this process. There is one of it on a state: whoever makes it sees to that.
#[derive(Clone)]
pub struct Hands {
    inner: Arc<Inner>,
}

struct Inner {
    house: Arc<dyn House>,
    rules: Arc<dyn Rules>,
    desk: Arc<Desk>,
    /// How often the server was told to end.
    stop: watch::Sender<u32>,
    /// Who the server is: what it does by itself is written in this name.
    name: String,
    /// The runs that were left in the middle of a step.
    left: Mutex<Vec<RunId>>,
}

impl Inner {
    /// A run is driven no more.
    fn is_out(&self, run: &RunId, how: &EndingKind) {
        if *how == EndingKind::Left {
            self.left().push(run.clone());
        }
        self.rules.happened(&Happening::Out { run, how });
    }

    fn left(&self) -> MutexGuard<'_, Vec<RunId>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whom the first word of a thread goes to.
struct Reply<T>(SyncSender<Result<T, Problem>>);

impl<T> Reply<T> {
    fn say(self, what: Result<T, Problem>) {
        // Who has gone away meanwhile is told nothing; the run goes on.
        let _ = self.0.send(what);
    }
}

impl Hands {
    /// With nothing in hand.
    pub fn new(house: Arc<dyn House>, rules: Arc<dyn Rules>) -> Self {
        let (stop, _) = watch::channel(0);
        let name = holder::this_process().user;
        let (desk, left) = (Arc::default(), Mutex::default());
        Self { inner: Arc::new(Inner { house, rules, desk, stop, name, left }) }
    }

    /// Takes up the runs that the server before this one has left, and says which.
    ///
    /// # Errors
    /// When the journal cannot be read: then it may be tried again.
    pub fn adopt(&self) -> Result<Vec<RunId>, Problem> {
        let mut journal = self.inner.house.journal()?;
        let told = |refusal: Refusal| self.inner.rules.problem(refusal);
        let mut adopted = Vec::new();
        for row in journal.runs().map_err(|error| told(error.into()))? {
            match go_on::is_left(&mut journal, &row) {
                Ok(false) => continue,
                Ok(true) => {}
                Err(refusal) => {
                    // One that cannot be read stops no other.
                    let (run, problem) = (&row.run, told(refusal));
                    self.inner.rules.happened(&Happening::Failed { run, problem: &problem, again: None });
                    continue;
                }
            }
            let Ok(place) = self.inner.desk.place_beyond(&row.run) else { continue };
            let run = row.run.clone();
            self.begin_thread(move |inner| go_on::adopt(inner, place, &row))?;
            adopted.push(run);
        }
        Ok(adopted)
    }

    /// The runs in hand.
    pub fn in_hand(&self) -> Vec<RunId> {
        self.inner.desk.runs()
    }

    /// Begins nothing more, lets each run end the step in hand and gives it back, so long at most, or until it is to be left
    /// at once. The runs that were left in the middle of a step: their recorders go on, and the next start asks them.
    pub fn end(&self, patience: Duration, at_once: impl Fn() -> bool) -> Vec<RunId> {
        self.inner.desk.end();
        self.inner.stop.send_modify(|pressed| *pressed += 1);
        if !self.inner.desk.wait(patience, at_once) {
            self.inner.stop.send_modify(|pressed| *pressed += 1);
            self.inner.desk.wait(LAST, || false);
        }
        let mut left = self.inner.left().clone();
        // A thread that does not even hear of it is as good as gone: its step is asked for like any other.
        left.extend(self.inner.desk.runs());
        left
    }

    fn begin_thread(&self, work: impl FnOnce(&Arc<Inner>) + Send + 'static) -> Result<(), Problem> {
        let inner = Arc::clone(&self.inner);
        let thread = std::thread::Builder::new().name("run".to_owned()).stack_size(STACK);
        let begun = thread.spawn(move || work(&inner));
        let fault = |error| Refusal::Fault(format!("no thread can be started for a run: {error}"));
        begun.map(|_| ()).map_err(|error| self.inner.rules.problem(fault(error)))
    }

    /// Has something done on a thread of its own and waits for its first word: what follows on that takes as long as a run.
    fn on_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<Inner>, Reply<T>) + Send + 'static,
    ) -> Result<T, Problem> {
        let (sender, receiver) = sync_channel(1);
        self.begin_thread(move |inner| work(inner, Reply(sender)))?;
        // A thread that fell has said nothing.
        let fell = |_| Err(self.inner.rules.problem(Refusal::Fault("it fell; its log says why".to_owned())));
        receiver.recv().unwrap_or_else(fell)
    }

    fn told<T>(&self, result: Result<T, Refusal>) -> Result<T, Problem> {
        result.map_err(|refusal| self.inner.rules.problem(refusal))
    }
}

impl Runner for Hands {
    fn plan(&self, wanted: &Wanted) -> Result<Offered, Problem> {
        let place = self.told(self.inner.desk.place())?;
        let wanted = wanted.clone();
        self.on_thread(move |inner, reply| {
            reply.say(begin::plan(inner, &wanted));
            drop(place);
        })
    }

    fn start(&self, wanted: Wanted) -> Result<Begun, Problem> {
        // Also where it is in hand already.
        if let Some(begun) = begin::begun_before(&self.inner, &wanted)? {
            return Ok(begun);
        }
        let place = match &wanted.run {
            Some(run) => self.inner.desk.place_of(run),
            None => self.inner.desk.place(),
        };
        let place = self.told(place)?;
        self.on_thread(move |inner, reply| begin::begin(inner, place, &wanted, reply))
    }

    fn resume(&self, run: &RunId, by: &Caller, reason: &str, take_over: bool) -> Result<(), Problem> {
        let (run, by, reason) = (run.clone(), by.clone(), reason.to_owned());
        self.on_thread(move |inner, reply| go_on::resume(inner, &run, &by, (&reason, take_over), reply))
    }

    fn ask(&self, run: &RunId, request: RequestKind, by: &Caller, reason: &str) -> Result<Asked, Problem> {
        let (run, by, reason) = (run.clone(), by.clone(), reason.to_owned());
        self.on_thread(move |inner, reply| go_on::ask(inner, &run, &request, &by, &reason, reply))
    }
}
