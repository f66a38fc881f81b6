//! A run's records: just as they are stored, and as the lines of a timeline. Both in pages: what a thousand hosts printed is
//! never all in memory.

use serde_json::{Value, json};

use crate::ids::RunId;
use crate::journal::{Journal as _, JournalError, SqliteJournal, Stored, stored_json};
use crate::run::{Event, IllegalEvent, RunState};
use crate::server::http::App;
use crate::server::http::answer::Answer;
use crate::server::http::call::Call;
use crate::server::http::journals::Trouble;
use crate::server::http::{shown, trouble};
use crate::timeline;

/// How many records are read at a time.
pub const AT_ONCE: usize = 32;

/// How many are given where nobody said how many.
const USUAL: u64 = 100;

/// How many bytes a page has before it ends early.
const LARGE: usize = 4 * 1024 * 1024;

/// `GET /v1/runs/{run}/records`.
pub fn page(_: &App, journal: &mut SqliteJournal, call: &Call) -> Result<Answer, Trouble> {
    let run = call.run()?;
    stored_page(call, ("run", run.as_str()), |after, most| journal.stored_after(&run, after, most))
}

/// A page of records just as they are stored, of the run or incident of a name. `read` gives so many of them behind a number.
///
/// # Errors
/// When they cannot be read.
pub fn stored_page(
    call: &Call,
    of: (&str, &str),
    mut read: impl FnMut(u64, usize) -> Result<Vec<Stored>, JournalError>,
) -> Result<Answer, Trouble> {
    let most = call.number("limit").unwrap_or(USUAL);
    let mut after = call.number("after").unwrap_or(0);
    let about = format!("{} {}", of.0, of.1);
    let mut texts: Vec<String> = Vec::new();
    let mut bytes = 0;
    loop {
        let some = read(after, AT_ONCE)?;
        let is_last = some.len() < AT_ONCE;
        for stored in some {
            if texts.len() as u64 == most || bytes > LARGE {
                // There is at least this one more.
                return Ok(pieces(of, "records", &texts, Some(after)));
            }
            after = stored.seq;
            let text = stored_json(&about, &stored)?;
            bytes += text.len();
            texts.push(text);
        }
        if is_last {
            return Ok(pieces(of, "records", &texts, None));
        }
    }
}

/// `GET /v1/runs/{run}/timeline`.
pub fn lines(_: &App, journal: &mut SqliteJournal, call: &Call) -> Result<Answer, Trouble> {
    let (run, most) = (call.run()?, call.number("limit").unwrap_or(USUAL));
    let from = call.number("after").unwrap_or(0);
    let mut state: Option<RunState> = None;
    let mut texts = Vec::new();
    let (mut after, mut bytes) = (0, 0);
    loop {
        let some = journal.stored_after(&run, after, AT_ONCE)?;
        let is_last = some.len() < AT_ONCE;
        for stored in some {
            if texts.len() as u64 == most || bytes > LARGE {
                return Ok(pieces(("run", run.as_str()), "entries", &texts, Some(after)));
            }
            after = stored.seq;
            let record = stored.read(&run)?;
            let known = match state.take() {
                None => RunState::begin(&run, &record),
                // What it printed is in its own line alone.
                Some(mut known) => known.apply(&record.light()).map(|()| known),
            };
            let known = state.insert(known.map_err(|error: IllegalEvent| trouble::illegal(&error))?);
            if after > from {
                let text = shown::run::entry(&run, &timeline::entry(&record, known), known.started).to_string();
                bytes += text.len();
                texts.push(text);
            }
        }
        if is_last {
            return Ok(pieces(("run", run.as_str()), "entries", &texts, None));
        }
    }
}

/// A page, of texts that are JSON already.
fn pieces((kind, of): (&str, &str), name: &str, texts: &[String], next: Option<u64>) -> Answer {
    let next = next.map_or(Value::Null, |next| json!(next));
    let text = format!("{{\"{kind}\":\"{of}\",\"{name}\":[{}],\"next\":{next}}}", texts.join(","));
    Answer::text("application/json", text)
}

/// A record as JSON, as it is stored.
///
/// # Errors
/// `Corrupt` when its event is no JSON.
pub fn text(run: &RunId, stored: &Stored) -> Result<String, JournalError> {
    stored_json(&format!("run {run}"), stored)
}

/// Whether a record is a run's last one.
pub fn ends(stored: &Stored) -> bool {
    // It is parsed only where it can be that one: others may be megabytes.
    stored.event.contains("run_ended")
        && matches!(serde_json::from_str::<Event>(&stored.event), Ok(Event::RunEnded { .. }))
}
