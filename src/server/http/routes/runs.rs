//! The runs that there are, how one stands, and what it was planned to do.

use serde_json::{Value, json};

use crate::engine::{Doing, is_held};
use crate::ids::{IncidentId, InvalidName, RunId};
use crate::journal::{Incidents as _, Journal as _, SqliteJournal, lease_json, request_json};
use crate::run::{Event, RunState};
use crate::server::http::App;
use crate::server::http::answer::Answer;
use crate::server::http::call::Call;
use crate::server::http::journals::Trouble;
use crate::server::http::shown::{self};
use crate::server::http::trouble;

use super::records::AT_ONCE;

/// How many runs are given where nobody said how many.
const USUAL: u64 = 100;

/// `GET /v1/runs`.
pub fn list(_: &App, journal: &mut SqliteJournal, call: &Call) -> Result<Answer, Trouble> {
    let most = usize::try_from(call.number("limit").unwrap_or(USUAL)).unwrap_or(usize::MAX);
    let rows = match call.text("incident") {
        None => journal.runs()?,
        Some(incident) => {
            let incident: IncidentId =
                incident.parse().map_err(|error: InvalidName| trouble::malformed(error.to_string()))?;
            journal.runs_of(&incident)?
        }
    };
    let begin = match call.text("before") {
        None => 0,
        Some(before) => rows.iter().position(|row| row.run.as_str() == before).map_or(rows.len(), |place| place + 1),
    };
    let open_alone = call.text("open") == Some("true");
    let wanted = |row: &&crate::journal::RunRow| {
        (!open_alone || row.verdict.is_none()) && call.text("playbook").is_none_or(|name| name == row.playbook)
    };
    let mut rows = rows.iter().skip(begin).filter(wanted);
    let given: Vec<_> = rows.by_ref().take(most).collect();
    let next = rows.next().and(given.last()).map(|row| &row.run);
    let list: Vec<Value> = given.iter().map(|row| shown::run::row(row)).collect();
    Ok(Answer::json(&json!({ "runs": list, "next": next })))
}

/// `GET /v1/runs/{run}`.
pub fn show(_: &App, journal: &mut SqliteJournal, call: &Call) -> Result<Answer, Trouble> {
    let run = call.run()?;
    // The lease before the records: a holder that ends between the two has written its last record by then.
    let lease = journal.lease(&run)?;
    let state = state(journal, &run)?;
    Ok(Answer::json(&shown::run::json(&state, Doing::of_state(&state, &lease), &lease)))
}

/// `GET /v1/runs/{run}/lease`: what of a run is not in its records. It is asked often, and reads none of them.
pub fn lease(_: &App, journal: &mut SqliteJournal, call: &Call) -> Result<Answer, Trouble> {
    let run = call.run()?;
    let lease = journal.lease(&run)?;
    let alerts = journal
        .alerts_of(&run)?
        .map(|alerts| json!({ "count": alerts.alerts, "resolved": alerts.resolved.map(|at| at.rfc3339()) }));
    let requests: Vec<Value> = journal.requests(&run)?.iter().map(request_json).collect();
    let lease = lease_json(&lease, is_held(&lease));
    Ok(Answer::json(&json!({ "run": run, "lease": lease, "requests": requests, "alerts": alerts })))
}

/// `GET /v1/runs/{run}/retries`: the runs that were begun over what this one has left undone.
pub fn retries(_: &App, journal: &mut SqliteJournal, call: &Call) -> Result<Answer, Trouble> {
    let run = call.run()?;
    let first = journal.stored_after(&run, 0, 1)?.pop().ok_or_else(trouble::nothing_there)?;
    Ok(Answer::json(&json!({ "run": run, "retried_by": journal.retried(&run, first.time)? })))
}

/// `GET /v1/runs/{run}/plan`.
pub fn plan(_: &App, journal: &mut SqliteJournal, call: &Call) -> Result<Answer, Trouble> {
    let run = call.run()?;
    let first = journal.stored_after(&run, 0, 1)?.pop();
    let event = first.map(|first| first.read(&run)).transpose()?.map(|record| record.event);
    match event {
        Some(Event::RunStarted { plan, .. }) => Ok(Answer::json(&shown::plan::json(Some(&run), &plan))),
        _ => Err(trouble::nothing_there().into()),
    }
}

/// `GET /v1/locks`.
pub fn locks(_: &App, journal: &mut SqliteJournal, _: &Call) -> Result<Answer, Trouble> {
    let list = journal.locks()?.into_iter().map(|row| {
        json!({
            "resource": row.resource, "run": row.run, "playbook": row.playbook, "incident": row.incident,
            "since": row.since.rfc3339(),
        })
    });
    Ok(Answer::json(&json!({ "locks": list.collect::<Vec<_>>() })))
}

/// What is known of a run, some of its records at a time.
pub fn state(journal: &mut SqliteJournal, run: &RunId) -> Result<RunState, Trouble> {
    let mut state: Option<RunState> = None;
    let mut after = 0;
    loop {
        let some = journal.stored_after(run, after, AT_ONCE)?;
        let is_last = some.len() < AT_ONCE;
        for stored in some {
            after = stored.seq;
            let record = stored.read(run)?;
            let known = match state.take() {
                None => RunState::begin(run, &record),
                Some(mut known) => known.apply(&record).map(|()| known),
            };
            state = Some(known.map_err(|error| trouble::illegal(&error))?);
        }
        if is_last {
            return state.ok_or_else(|| trouble::nothing_there().into());
        }
    }
}
