//! What others were not told yet, what they were told of a run, and that what was given up is tried again. The telling itself is
//! done beside.

use serde::Deserialize;
use serde_json::json;

use crate::engine::{Clock as _, WallClock};
use crate::ids::RunId;
use crate::journal::{Outbox as _, SqliteJournal, Subject};
use crate::server::http::App;
use crate::server::http::answer::Answer;
use crate::server::http::call::Call;
use crate::server::http::journals::Trouble;

/// What is put back.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Again {
    #[serde(default)]
    target: Option<String>,
    #[serde(default)]
    run: Option<RunId>,
}

/// `GET /v1/outbox`.
pub fn list(_: &App, journal: &mut SqliteJournal, _: &Call) -> Result<Answer, Trouble> {
    Ok(Answer::json(&json!({ "targets": journal.targets()?, "untold": journal.standings()? })))
}

/// `POST /v1/outbox/retry`.
pub fn retry(_: &App, journal: &mut SqliteJournal, call: &Call) -> Result<Answer, Trouble> {
    let Again { target, run } = call.read()?;
    let subject = run.map(Subject::Run);
    let count = journal.put_back(target.as_deref(), subject.as_ref(), &call.caller().name, WallClock.now())?;
    Ok(Answer::json(&json!({ "put_back": count })))
}

/// `GET /v1/runs/{run}/deliveries`.
pub fn of_run(_: &App, journal: &mut SqliteJournal, call: &Call) -> Result<Answer, Trouble> {
    let run = call.run()?;
    let deliveries = journal.deliveries(&Subject::Run(run.clone()))?;
    Ok(Answer::json(&json!({ "run": run, "deliveries": deliveries })))
}
