//! Whether the server lives, and whether it can do its work.

use std::sync::PoisonError;
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
    // Anybody here may ask, and the disk is not to be kept busy by that.
    let mut tried = app.tried.lock().unwrap_or_else(PoisonError::into_inner);
    if tried.is_none_or(|tried| tried.elapsed() >= TRIED_AGAIN) {
        *tried = None;
        journal.try_write(WallClock.now())?;
        *tried = Some(Instant::now());
    }
    Ok(Answer::json(&json!({ "status": "ready", "halted": halted })))
}

/// `GET /openapi.json`.
pub fn interface(_: &App) -> Answer {
    Answer::json(openapi::document())
}
