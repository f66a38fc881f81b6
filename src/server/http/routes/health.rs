//! Whether the server lives, and whether it can do its work.

use std::sync::{PoisonError, TryLockError};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::engine::{Clock as _, WallClock};
use crate::journal::{Journal as _, SqliteJournal};
use crate::server::http::App;
use crate::server::http::answer::Answer;
use crate::server::http::call::Call;
use crate::server::http::journals::Trouble;
use crate::server::http::{openapi, trouble};

/// How soon it is tried again whether the journal can be written.
const TRIED_AGAIN: Duration = Duration::from_secs(5);

/// How long it is believed that it can, while somebody tries again.
const BELIEVED: Duration = Duration::from_secs(15);

/// `GET /healthz`: the process lives. It asks nobody: a journal that is out of reach is no reason to start the server anew.
pub fn lives(_: &App) -> Answer {
    Answer::json(&json!({ "status": "lives" }))
}

/// `GET /readyz`: the journal can be read and written, and new requests are taken.
pub fn is_ready(app: &App, journal: &mut SqliteJournal, _: &Call) -> Result<Answer, Trouble> {
    if *app.stop.borrow() {
        return Err(trouble::stopping().into());
    }
    let halted = journal.halted()?.is_some();
    try_write(app, journal)?;
    Ok(Answer::json(&json!({ "status": "ready", "halted": halted })))
}

/// Anybody here may ask, and the disk is not to be kept busy by that: it is tried by one at a time, and seldom. Meanwhile the
/// others go by what was found last.
fn try_write(app: &App, journal: &mut SqliteJournal) -> Result<(), Trouble> {
    let wrote = || *app.wrote.lock().unwrap_or_else(PoisonError::into_inner);
    let fresh = |within: Duration| wrote().is_some_and(|wrote| wrote.elapsed() < within);
    if fresh(TRIED_AGAIN) {
        return Ok(());
    }
    let _only = match app.trying.try_lock() {
        Ok(only) => only,
        Err(TryLockError::Poisoned(only)) => only.into_inner(),
        Err(TryLockError::WouldBlock) if fresh(BELIEVED) => return Ok(()),
        Err(TryLockError::WouldBlock) => return Err(trouble::busy("a try of its journal").into()),
    };
    journal.try_write(WallClock.now())?;
    *app.wrote.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    Ok(())
}

/// `GET /openapi.json`.
pub fn interface(_: &App) -> Answer {
    Answer::json(openapi::document())
}
