//! Alerts that came in over the network: each delivery is durable before it is answered, and what it asks for is done behind
//! that, once, also where the server is killed in between. Which playbook an alert asks for is the `trigger` room's word, and
//! what a run does the engine's; what stands in their way here is told in the incident and never passed.

mod act;
mod call;
mod incident;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::{House, Problem, Runner};
use crate::engine::{Clock as _, WallClock};
use crate::ids::IncidentId;
use crate::journal::{Accepted, DeliveryRow, Hooks, JournalError, SqliteJournal};
use crate::trigger::{Headers, Routes, Source, TriggerError};

/// How many deliveries are looked at in a round.
const SOME: usize = 32;
/// How long it is waited for the next one before it is looked by itself.
const IDLE: Duration = Duration::from_secs(30);
/// How soon it is tried again where the journal could not be used, or the server could not begin a run.
const AGAIN: Duration = Duration::from_secs(2);

/// The sources of alerts, and what is done with what they send.
pub struct Alerts {
    house: Arc<dyn House>,
    runner: Arc<dyn Runner>,
    sources: BTreeMap<String, Source>,
    routes: Routes,
    /// Whether something has come in since it was last looked.
    news: Mutex<bool>,
    woken: Condvar,
    far: Mutex<Far>,
}

/// How far the delivery in hand has come. One of whose alerts has to wait is gone on with there, as those in front of it have
/// been told of and people were called for them; whoever is killed meanwhile does them once more.
#[derive(Debug, Default)]
struct Far {
    row: i64,
    became: Vec<String>,
    /// The incident that its alerts belong to.
    opened: Option<IncidentId>,
}

/// Why a delivery was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// Nobody of this name is known.
    #[error("there is no source of alerts called `{0}`")]
    NoSource(String),
    /// It proves nothing, or cannot be read.
    #[error(transparent)]
    Refused(#[from] TriggerError),
    /// The journal could not be written: it was not taken.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Why a delivery is left for later.
enum Later {
    Journal(JournalError),
    /// The server cannot begin anything now.
    Problem(Problem),
}

impl From<JournalError> for Later {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

impl Alerts {
    /// With the sources and the routes of the configuration.
    pub fn new(house: Arc<dyn House>, runner: Arc<dyn Runner>, sources: Vec<Source>, routes: Routes) -> Self {
        let sources = sources.into_iter().map(|source| (source.name().to_owned(), source)).collect();
        Self { house, runner, sources, routes, news: Mutex::new(false), woken: Condvar::new(), far: Mutex::default() }
    }

    /// Takes a delivery in: proves who sent it, reads it, and writes it down. It is worked on behind that.
    ///
    /// # Errors
    /// When it is not taken: then it may be sent again.
    pub fn take_in(
        &self,
        journal: &mut SqliteJournal,
        source: &str,
        headers: &Headers,
        body: &[u8],
    ) -> Result<Accepted, NotTaken> {
        let known = self.sources.get(source).ok_or_else(|| NotTaken::NoSource(source.to_owned()))?;
        let delivery = known.receive(headers, body, Timestamp::now())?;
        let accepted = journal.accept(source, &delivery.id, body, WallClock.now())?;
        if matches!(accepted, Accepted::New(_)) {
            *self.news.lock().unwrap_or_else(PoisonError::into_inner) = true;
            self.woken.notify_all();
        }
        Ok(accepted)
    }

    /// Works on what has come in, until it is told to end: what is left then is worked on by the next start.
    pub fn work(&self, ends: &dyn Fn() -> bool) {
        while !ends() {
            let pause = match self.round(ends) {
                Ok(0) => IDLE,
                Ok(_) => continue,
                Err(Later::Journal(error)) => {
                    tracing::warn!(%error, "alerts that came in wait: the journal cannot be used");
                    AGAIN
                }
                Err(Later::Problem(problem)) => {
                    tracing::warn!(problem = problem.title, "alerts that came in wait: nothing can begin now");
                    AGAIN
                }
            };
            self.wait(pause);
        }
    }

    /// Wakes whoever works, so that it sees that it is to end.
    pub fn wake(&self) {
        *self.news.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.woken.notify_all();
    }

    fn wait(&self, pause: Duration) {
        let news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.woken.wait_timeout_while(news, pause, |news| !*news);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }

    /// Works on some of what waits, and says on how many.
    fn round(&self, ends: &dyn Fn() -> bool) -> Result<usize, Later> {
        let mut journal = self.house.journal().map_err(Later::Problem)?;
        let rows = journal.pending(SOME)?;
        let mut worked = 0;
        for row in rows {
            if ends() {
                break;
            }
            let became = self.deliver(&mut journal, &row)?;
            tracing::info!(source = row.source, delivery = row.delivery, became, "an alert was worked on");
            journal.done(row.number, &became, WallClock.now())?;
            worked += 1;
        }
        if worked == 0 {
            journal.prune(WallClock.now())?;
        }
        Ok(worked)
    }

    /// What became of a delivery, alert by alert.
    fn deliver(&self, journal: &mut SqliteJournal, row: &DeliveryRow) -> Result<String, Later> {
        let Some(source) = self.sources.get(&row.source) else {
            return Ok(format!("`{}` is no source of the configuration any more", row.source));
        };
        let delivery = match source.read(&row.body) {
            Ok(delivery) => delivery,
            // It could be read when it came: the configuration says something else of its source since.
            Err(error) => return Ok(error.to_string()),
        };
        let mut far = self.far.lock().unwrap_or_else(PoisonError::into_inner);
        if far.row != row.number {
            *far = Far { row: row.number, ..Far::default() };
        }
        let Far { became, opened, .. } = &mut *far;
        for alert in delivery.alerts.iter().skip(became.len()) {
            let what = act::Came { row, source: source.name(), alert };
            let said = self.alert(journal, &what, opened)?;
            became.push(format!("{}: {said}", alert.title));
        }
        Ok(became.join("\n"))
    }
}
