//! What others were not told yet, what they were told of a run or an incident, and that what was given up is tried again. The telling itself is
//! done beside.

use serde::Deserialize;
use serde_json::json;

use crate::engine::{Clock as _, WallClock};
use crate::ids::{IncidentId, RunId};
use crate::journal::{Delivered as _, Incidents as _, Journal as _, Outbox as _, SqliteJournal, Subject};
use crate::server::http::answer::Answer;
use crate::server::http::call::Call;
use crate::server::http::journals::Trouble;
use crate::server::http::route::{Kind, Parameter};
use crate::server::http::{App, trouble};

/// How many lines are given where nobody said how many.
const USUAL: u64 = 100;

/// Behind which line others are given.
pub const SEEN: Parameter = Parameter {
    name: "after",
    kind: Kind::Number(0, i64::MAX as u64),
    required: false,
    about: "The `number` of the last line that was seen; those behind it are given.",
};

/// What is put back.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Again {
    #[serde(default)]
    target: Option<String>,
    #[serde(default)]
    run: Option<RunId>,
    #[serde(default)]
    incident: Option<IncidentId>,
}

/// `GET /v1/outbox`.
pub fn list(_: &App, journal: &mut SqliteJournal, _: &Call) -> Result<Answer, Trouble> {
    Ok(Answer::json(&json!({ "targets": journal.targets()?, "untold": journal.standings()? })))
}

/// `POST /v1/outbox/retry`.
pub fn retry(_: &App, journal: &mut SqliteJournal, call: &Call) -> Result<Answer, Trouble> {
    let Again { target, run, incident } = call.read()?;
    let subject = match (run, incident) {
        (Some(_), Some(_)) => return Err(trouble::senseless("a `run` or an `incident`, and not both").into()),
        (run, incident) => run.map(Subject::Run).or(incident.map(Subject::Incident)),
    };
    let count = journal.put_back(target.as_deref(), subject.as_ref(), &call.caller().name, WallClock.now())?;
    Ok(Answer::json(&json!({ "put_back": count })))
}

/// `GET /v1/runs/{run}/deliveries`.
pub fn of_run(_: &App, journal: &mut SqliteJournal, call: &Call) -> Result<Answer, Trouble> {
    let run = call.run()?;
    // One that is not here is none of which nothing was told.
    journal.lease(&run)?;
    deliveries(journal, call, &Subject::Run(run))
}

/// `GET /v1/incidents/{incident}/deliveries`: what was told of the incident itself; what was told of its runs is asked of those.
pub fn of_incident(_: &App, journal: &mut SqliteJournal, call: &Call) -> Result<Answer, Trouble> {
    let incident = call.incident()?;
    journal.stored_of(&incident, 0, 1)?;
    deliveries(journal, call, &Subject::Incident(incident))
}

fn deliveries(journal: &mut SqliteJournal, call: &Call, subject: &Subject) -> Result<Answer, Trouble> {
    let after = i64::try_from(call.number("after").unwrap_or(0)).unwrap_or(i64::MAX);
    let most = usize::try_from(call.number("limit").unwrap_or(USUAL)).unwrap_or(usize::MAX);
    Ok(Answer::json(&json!({ "deliveries": journal.deliveries(subject, after, most)? })))
}
