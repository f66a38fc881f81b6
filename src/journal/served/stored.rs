//! Records as they are stored, on their way: the event's text goes byte by byte, as the hash is over that.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{JournalError, PAGE, ServedJournal, Stored, no_run, strange};
use crate::ids::{Digest, RunId};
use crate::run::Time;

/// A record as JSON, its event as it is stored: whoever keeps the text can compute its hash. `of` names what it belongs to.
///
/// # Errors
/// `Corrupt` when its event is no JSON.
pub fn stored_json(of: &str, stored: &Stored) -> Result<String, JournalError> {
    let Stored { seq, time, epoch, actor, previous, hash, event } = stored;
    serde_json::from_str::<serde::de::IgnoredAny>(event)
        .map_err(|error| JournalError::Corrupt(format!("record {seq} of {of} cannot be read: {error}")))?;
    let actor = Value::String(actor.clone());
    Ok(format!(
        "{{\"seq\":{seq},\"time\":{},\"epoch\":{epoch},\"actor\":{actor},\"previous\":\"{previous}\",\"hash\":\"{hash}\",\
         \"event\":{event}}}",
        time.0
    ))
}

/// Some records, and where the next ones are asked for.
pub(super) struct Page {
    pub records: Vec<Stored>,
    pub next: Option<u64>,
}

#[derive(Deserialize)]
struct Told<'a> {
    #[serde(borrow)]
    records: Vec<One<'a>>,
    next: Option<u64>,
}

#[derive(Deserialize)]
struct One<'a> {
    seq: u64,
    time: i64,
    epoch: u64,
    actor: String,
    previous: Digest,
    hash: Digest,
    #[serde(borrow)]
    event: &'a RawValue,
}

/// A page as the server told it.
///
/// # Errors
/// When it is none, or its records are not in order: whoever asks for the next one would go in a circle.
pub(super) fn page(text: &str, after: u64) -> Result<Page, JournalError> {
    let told: Told<'_> = serde_json::from_str(text).map_err(|error| strange(&error.to_string()))?;
    let mut last = after;
    let mut records = Vec::with_capacity(told.records.len());
    for one in told.records {
        let One { seq, time, epoch, actor, previous, hash, event } = one;
        if seq <= last {
            return Err(strange(&format!("record {seq} comes behind record {last}")));
        }
        last = seq;
        let event = event.get().to_owned();
        records.push(Stored { seq, time: Time(time), epoch, actor, previous, hash, event });
    }
    let next = told.next.filter(|_| !records.is_empty());
    Ok(Page { records, next })
}

impl ServedJournal {
    /// Some records of a run behind a number.
    pub(super) fn page(&self, run: &RunId, after: u64, most: usize) -> Result<Page, JournalError> {
        let path = format!("/v1/runs/{run}/records?after={after}&limit={most}");
        let text = self.server.ask(super::Method::Get, &path, None).map_err(|error| no_run(run, error))?;
        page(&text, after)
    }
}

/// The records behind a number, so many at most, asked for page by page: each behind a number, with so many records at most.
pub(super) fn gather(
    after: u64,
    most: usize,
    ask: impl Fn(u64, usize) -> Result<Page, JournalError>,
) -> Result<Vec<Stored>, JournalError> {
    let mut stored: Vec<Stored> = Vec::new();
    while stored.len() < most {
        let after = stored.last().map_or(after, |last| last.seq);
        let page = ask(after, (most - stored.len()).min(PAGE))?;
        stored.extend(page.records);
        if page.next.is_none() {
            break;
        }
    }
    Ok(stored)
}
