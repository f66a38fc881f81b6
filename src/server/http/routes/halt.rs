//! The kill switch. It needs neither the runner nor a run: once the journal has it, no intent is written any more.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::engine::{Clock as _, WallClock};
use crate::journal::{Halt, Journal as _, SqliteJournal};
use crate::server::http::App;
use crate::server::http::answer::Answer;
use crate::server::http::call::Call;
use crate::server::http::journals::Trouble;

/// What is sent to halt.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Halting {
    #[serde(default)]
    reason: String,
}

/// `GET /v1/halt`.
pub fn show(_: &App, journal: &mut SqliteJournal, _: &Call) -> Result<Answer, Trouble> {
    Ok(Answer::json(&told(journal.halted()?.as_ref())))
}

/// `POST /v1/halt`.
pub fn halt(_: &App, journal: &mut SqliteJournal, call: &Call) -> Result<Answer, Trouble> {
    let Halting { reason } = call.read()?;
    let halt = journal.halt(&call.caller().name, reason.trim(), WallClock.now())?;
    Ok(Answer::json(&told(Some(&halt))))
}

/// `DELETE /v1/halt`.
pub fn lift(_: &App, journal: &mut SqliteJournal, call: &Call) -> Result<Answer, Trouble> {
    let reason = call.text("reason").unwrap_or_default().trim();
    let lifted = journal.lift(&call.caller().name, reason, WallClock.now())?;
    let mut told = told(None);
    told["lifted"] = lifted.as_ref().map_or(Value::Null, halted);
    Ok(Answer::json(&told))
}

fn told(halt: Option<&Halt>) -> Value {
    json!({ "halted": halt.map(halted) })
}

fn halted(halt: &Halt) -> Value {
    json!({ "number": halt.number, "by": halt.by, "reason": halt.reason, "since": halt.since.rfc3339() })
}
