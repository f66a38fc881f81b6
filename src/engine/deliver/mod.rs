//! Tells others what happens in runs: it reads what was written down and hands it to whoever the configuration names, in order,
//! at least once, however long that takes. It works beside the runs, on a connection of its own; it must never hold one up, and
//! nothing that happens to it ever reaches one.

mod backoff;
mod follower;
mod receivers;
mod store;
mod target;
#[cfg(test)]
pub(super) mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

pub use receivers::{Receivers, Tellers};
pub use store::Open;

use super::clock::Clock;
use super::holder::{self, Liveness};
use crate::config::Notify;
use crate::run::{Holder, Time};
use store::Store;
use target::Target;

/// How long a last push may take, once whoever ran it is done.
pub const LAST_PUSH: Duration = Duration::from_secs(2);
/// How long nothing is done for a target after a fault of ours.
const AFTER_A_FAULT: Duration = Duration::from_secs(30);

/// What a deliverer works with.
#[derive(Clone)]
pub struct Telling {
    /// Who is told.
    pub targets: Vec<Notify>,
    /// How each is reached.
    pub tellers: Arc<dyn Tellers>,
    /// What the time is.
    pub clock: Arc<dyn Clock>,
    /// How the outbox is opened, each time that it has to be.
    pub open: Open,
    /// From when on a target that is new is told: runs that began before are not.
    pub since: Time,
}

/// Tells others what happens in runs.
pub struct Deliverer {
    telling: Telling,
    claimant: String,
}

/// Who has a delivery in hand, as it is written down.
#[derive(Debug, Serialize, Deserialize)]
struct Claimant {
    holder: Holder,
    /// Which deliverer of that process.
    number: u64,
}

/// Whether whoever wrote this down has certainly ended.
fn is_gone(claimant: &str) -> bool {
    let known = serde_json::from_str::<Claimant>(claimant);
    known.is_ok_and(|claimant| holder::is_alive(&claimant.holder) == Liveness::Gone)
}

/// Until when a deliverer goes on: for good, or until a moment.
type Until = watch::Receiver<Option<Deadline>>;

/// A moment at which it ends, or sooner.
#[derive(Debug, Clone, Copy)]
struct Deadline {
    at: Instant,
    /// Whether what is to be tried again before that is waited for.
    patient: bool,
}

impl Deliverer {
    /// One that works with this.
    pub fn new(telling: Telling) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let claimant = Claimant { holder: holder::this_process(), number: NUMBER.fetch_add(1, Ordering::Relaxed) };
        Self { telling, claimant: serde_json::to_string(&claimant).unwrap_or_default() }
    }

    /// Tells until it is stopped, and a short while longer for what is due by then. The outbox is read and written between
    /// the waits for others, a fraction of a millisecond each.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let (end, until) = watch::channel(None);
        let all = self.all(until);
        tokio::pin!(all);
        let stopped = async {
            // Whoever could stop it is gone: that is a stop too.
            let _ = stop.wait_for(|stop| *stop).await;
        };
        tokio::select! {
            () = &mut all => return,
            () = stopped => {}
        }
        let deadline = Instant::now() + LAST_PUSH;
        end.send_replace(Some(Deadline { at: deadline, patient: false }));
        let _ = tokio::time::timeout_at(deadline, all).await;
    }

    /// Tells what is due or comes due, for so long at most.
    pub async fn push(self, longest: Duration) {
        let deadline = Instant::now() + longest;
        let (_end, until) = watch::channel(Some(Deadline { at: deadline, patient: true }));
        let _ = tokio::time::timeout_at(deadline, self.all(until)).await;
    }

    /// All targets side by side: one that is slow holds up no other.
    async fn all(&self, until: Until) {
        let store = Arc::new(Store::new(Arc::clone(&self.telling.open)));
        let mut tasks = JoinSet::new();
        for notify in &self.telling.targets {
            let work = Work {
                notify: notify.clone(),
                store: Arc::clone(&store),
                tellers: Arc::clone(&self.telling.tellers),
                clock: Arc::clone(&self.telling.clock),
                claimant: self.claimant.clone(),
                since: self.telling.since,
            };
            tasks.spawn(supervised(work, until.clone()));
        }
        while tasks.join_next().await.is_some() {}
    }

    /// The same on a thread of its own.
    ///
    /// # Errors
    /// When the system gives us no thread or no runtime.
    pub fn start(self) -> std::io::Result<Delivering> {
        let (stop, stopped) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (done, is_done) = std::sync::mpsc::sync_channel::<()>(1);
        std::thread::Builder::new().name("outbox".to_owned()).spawn(move || {
            runtime.block_on(self.run(stopped));
            // A program or a name that is still looked up is left behind.
            runtime.shutdown_background();
            let _ = done.send(());
        })?;
        Ok(Delivering { stop, is_done })
    }
}

/// A deliverer on a thread of its own. Where this is dropped, it stops.
pub struct Delivering {
    stop: watch::Sender<bool>,
    is_done: std::sync::mpsc::Receiver<()>,
}

impl Delivering {
    /// Has it tell what is due by now, and waits for that: `LAST_PUSH` at most, and not at all where nothing is due.
    pub fn end(self) {
        self.stop.send_replace(true);
        // It keeps to its own limit; whatever may have become of it, nobody waits longer.
        let _ = self.is_done.recv_timeout(LAST_PUSH + Duration::from_millis(250));
    }
}

/// What one target's part works with.
#[derive(Clone)]
struct Work {
    notify: Notify,
    store: Arc<Store>,
    tellers: Arc<dyn Tellers>,
    clock: Arc<dyn Clock>,
    claimant: String,
    since: Time,
}

/// A target's part, begun anew after a fault of ours: the others go on meanwhile.
async fn supervised(work: Work, until: Until) {
    loop {
        let mut task = JoinSet::new();
        task.spawn(Target::new(work.clone()).follow(until.clone()));
        match task.join_next().await {
            Some(Err(error)) if error.is_panic() => {
                tracing::error!(target = work.notify.name, "telling it is at fault and is begun anew");
                if until.borrow().is_some() {
                    return;
                }
                tokio::time::sleep(AFTER_A_FAULT).await;
            }
            _ => return,
        }
    }
}
