//! The HTTP side of the server: who may ask for what, in which form, and how much of it. It decides nothing about runs: what
//! is asked for goes to the `Runner`, what is told comes from the journal. One table (`table.rs`) says what there is; the
//! router, the document of the interface and the tests are made from it.

mod accept;
mod answer;
mod call;
mod connections;
mod dispatch;
mod events;
mod hosts;
mod identify;
mod journals;
mod limits;
mod listen;
mod metrics;
mod object;
mod openapi;
mod peer;
mod rate;
mod route;
mod routes;
mod shown;
mod table;
#[cfg(test)]
mod tests;
mod trouble;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

pub use limits::{Limits, Rate};
pub use listen::{ListenError, Listener};

use super::alerts::Alerts;
use super::{House, Runner};
use identify::Users;
use journals::Journals;
use metrics::Metrics;
use peer::Origin;
use rate::Buckets;

/// What is served, and where.
pub struct Served {
    /// Where the server finds what it works on.
    pub house: Arc<dyn House>,
    /// What has runs done.
    pub runner: Arc<dyn Runner>,
    /// What alerts are given to.
    pub alerts: Arc<Alerts>,
    /// Where it is reached.
    pub listeners: Vec<Listener>,
    /// How much anybody may take.
    pub limits: Limits,
    /// True once it is to stop.
    pub stop: watch::Receiver<bool>,
}

/// What every request works with.
struct App {
    house: Arc<dyn House>,
    runner: Arc<dyn Runner>,
    alerts: Arc<Alerts>,
    journals: Journals,
    users: Users,
    /// The names that it answers to, beside those of loopback.
    hosts: Vec<String>,
    limits: Limits,
    /// Places for whoever asks who calls: apart from the others, so that long looks at the journal keep nobody at the door.
    doors: Arc<Semaphore>,
    readers: Arc<Semaphore>,
    askers: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    callers: Buckets<String>,
    strangers: Buckets<Origin>,
    /// The keys whose runs begin right now.
    in_hand: Mutex<BTreeSet<crate::journal::AskedKey>>,
    /// When the journal was last written to see whether it can be.
    wrote: Mutex<Option<Instant>>,
    /// Held by whoever tries that right now.
    trying: Mutex<()>,
    metrics: Metrics,
    stop: watch::Receiver<bool>,
}

/// Serves until it is told to stop, and then until what is under way has had its last words. Needs a runtime with time and
/// network; what may wait is done on its threads for that.
///
/// # Errors
/// When one of the listeners cannot be waited on: then nothing was served.
pub async fn serve(served: Served) -> Result<(), ListenError> {
    let Served { house, runner, alerts, listeners, limits, stop } = served;
    let opened: Vec<_> = listeners.into_iter().map(Listener::open).collect::<Result<_, _>>()?;
    let settings = house.config().serve.as_ref();
    let app = Arc::new(App {
        users: Users::of(settings),
        hosts: settings.map(|serve| serve.hosts.clone()).unwrap_or_default(),
        journals: Journals::new(Arc::clone(&house)),
        doors: Arc::new(Semaphore::new(limits.readers)),
        readers: Arc::new(Semaphore::new(limits.readers)),
        askers: Arc::new(Semaphore::new(limits.askers)),
        streams: Arc::new(Semaphore::new(limits.streams)),
        callers: Buckets::new(limits.callers),
        strangers: Buckets::new(limits.strangers),
        in_hand: Mutex::default(),
        wrote: Mutex::default(),
        trying: Mutex::default(),
        metrics: Metrics::default(),
        house,
        runner,
        alerts,
        limits,
        stop,
    });
    let routed = dispatch::router(&app);
    let mut listening = JoinSet::new();
    for listener in opened {
        listening.spawn(accept::serve(Arc::clone(&app), routed.clone(), listener));
    }
    while listening.join_next().await.is_some() {}
    Ok(())
}
