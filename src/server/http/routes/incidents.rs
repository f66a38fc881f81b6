//! Incidents: those that there are, one of them with its runs, all that happened in it, and what people say of it. What happens
//! in its runs is asked of those.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::records::stored_page;
use crate::engine::{Clock as _, Doing, IncidentTimeline, WallClock};
use crate::ids::IncidentId;
use crate::incident::{IncidentEvent, Level, Levels, Said, Severity, Standing};
use crate::journal::{IncidentRow, Incidents as _, SqliteJournal};
use crate::server::http::App;
use crate::server::http::answer::Answer;
use crate::server::http::call::{Call, is_blank};
use crate::server::http::journals::Trouble;
use crate::server::http::{shown, trouble};

/// How many are given where nobody said how many.
const USUAL: u64 = 100;

/// How many bytes a page of a timeline has before it ends early.
const LARGE: usize = 4 * 1024 * 1024;

/// How long a note may be, in bytes, and a line, in characters.
const NOTE: usize = 256 * 1024;
const LINE: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Opened {
    title: String,
    #[serde(default)]
    severity: Option<Severity>,
    #[serde(default)]
    impact: Option<Level>,
    #[serde(default)]
    urgency: Option<Level>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    services: Vec<String>,
    #[serde(default)]
    owner: Option<String>,
    #[serde(default)]
    why: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Noted {
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Assigned {
    owner: Option<String>,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Classified {
    severity: Severity,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plainly {
    #[serde(default)]
    reason: String,
}

/// `GET /v1/incidents`.
pub fn list(_: &App, journal: &mut SqliteJournal, call: &Call) -> Result<Answer, Trouble> {
    let most = usize::try_from(call.number("limit").unwrap_or(USUAL)).unwrap_or(usize::MAX);
    let open_alone = call.text("open") == Some("true");
    let rows = journal.incidents()?;
    let begin = match call.text("before") {
        None => 0,
        Some(before) => {
            rows.iter().position(|row| row.incident.as_str() == before).map_or(rows.len(), |place| place + 1)
        }
    };
    let wanted = |row: &&IncidentRow| !open_alone || row.brief.standing != Standing::Closed;
    let mut wanted = rows.iter().skip(begin).filter(wanted);
    let given: Vec<&IncidentRow> = wanted.by_ref().take(most).collect();
    let next = wanted.next().and(given.last()).map(|row| &row.incident);
    let list: Vec<Value> = given.iter().map(|row| shown::incident::row(row)).collect();
    Ok(Answer::json(&json!({ "incidents": list, "next": next })))
}

/// `GET /v1/incidents/{incident}/records`: just as they are stored.
pub fn records(_: &App, journal: &mut SqliteJournal, call: &Call) -> Result<Answer, Trouble> {
    let incident = call.incident()?;
    stored_page(call, ("incident", incident.as_str()), |after, most| journal.stored_of(&incident, after, most))
}

/// `POST /v1/incidents`.
pub fn open(app: &App, journal: &mut SqliteJournal, call: &Call) -> Result<Answer, Trouble> {
    let opened: Opened = call.read()?;
    let title = line("title", &opened.title)?;
    let (by, why) = (&call.caller().name, opened.why.clone());
    let said = Said {
        title,
        severity: opened.severity,
        levels: Levels { impact: opened.impact, urgency: opened.urgency },
        labels: opened.labels,
        services: opened.services,
        owner: opened.owner,
    };
    let mut opening = said.opening(&app.house.config().incidents, by);
    // Whoever classified it elsewhere says how.
    if let Some(why) = why.filter(|_| opened.severity.is_some()) {
        opening.why = line("why", &why)?;
    }
    let incident = journal.open(opening, by, WallClock.now())?;
    let told = told(journal, &incident)?;
    Ok(told.with_status(201).found_at(format!("/v1/incidents/{incident}")))
}

/// `GET /v1/incidents/{incident}`.
pub fn show(_: &App, journal: &mut SqliteJournal, call: &Call) -> Result<Answer, Trouble> {
    told(journal, &call.incident()?)
}

/// `GET /v1/incidents/{incident}/timeline`: also of one of elsewhere that has runs here.
pub fn timeline(_: &App, journal: &mut SqliteJournal, call: &Call) -> Result<Answer, Trouble> {
    let incident = call.incident()?;
    let (seen, most) = (call.number("after").unwrap_or(0), call.number("limit").unwrap_or(USUAL));
    let mut timeline = IncidentTimeline::of(journal, &incident)?;
    let mut texts: Vec<String> = Vec::new();
    let (mut count, mut bytes) = (0, 0);
    let mut next = Value::Null;
    while let Some(entry) = timeline.next(journal)? {
        if texts.len() as u64 == most || bytes > LARGE {
            next = json!(count);
            break;
        }
        count += 1;
        if count > seen {
            let text = entry.json(&incident).to_string();
            bytes += text.len();
            texts.push(text);
        }
    }
    let text = format!("{{\"incident\":\"{incident}\",\"entries\":[{}],\"next\":{next}}}", texts.join(","));
    Ok(Answer::text("application/json", text))
}

/// `POST /v1/incidents/{incident}/note`.
pub fn note(_: &App, journal: &mut SqliteJournal, call: &Call) -> Result<Answer, Trouble> {
    let Noted { text } = call.read()?;
    let text = text.trim();
    if is_blank(text) || text.len() > NOTE {
        return Err(trouble::senseless(format!("a note has a text, of at most {NOTE} bytes")).into());
    }
    write(journal, call, IncidentEvent::Noted { text: text.to_owned() })
}

/// `POST /v1/incidents/{incident}/assign`.
pub fn assign(_: &App, journal: &mut SqliteJournal, call: &Call) -> Result<Answer, Trouble> {
    let Assigned { owner, reason } = call.read()?;
    let owner = owner.map(|owner| line("owner", &owner)).transpose()?;
    write(journal, call, IncidentEvent::Assigned { owner, reason })
}

/// `POST /v1/incidents/{incident}/severity`.
pub fn severity(_: &App, journal: &mut SqliteJournal, call: &Call) -> Result<Answer, Trouble> {
    let Classified { severity, reason } = call.read()?;
    write(journal, call, IncidentEvent::SeverityChanged { severity, reason })
}

/// `POST /v1/incidents/{incident}/resolve`.
pub fn resolve(_: &App, journal: &mut SqliteJournal, call: &Call) -> Result<Answer, Trouble> {
    let reason = reason_to_end(journal, call)?;
    write(journal, call, IncidentEvent::Resolved { reason })
}

/// `POST /v1/incidents/{incident}/close`.
pub fn close(_: &App, journal: &mut SqliteJournal, call: &Call) -> Result<Answer, Trouble> {
    let reason = reason_to_end(journal, call)?;
    write(journal, call, IncidentEvent::Closed { reason })
}

/// `POST /v1/incidents/{incident}/reopen`.
pub fn reopen(_: &App, journal: &mut SqliteJournal, call: &Call) -> Result<Answer, Trouble> {
    let Plainly { reason } = call.read()?;
    write(journal, call, IncidentEvent::Reopened { reason })
}

/// An incident whose runs have not ended is not over by itself: whoever says that it is says why, and the runs are named.
fn reason_to_end(journal: &mut SqliteJournal, call: &Call) -> Result<String, Trouble> {
    let Plainly { reason } = call.read()?;
    let reason = reason.trim();
    let runs = journal.runs_of(&call.incident()?)?;
    let open: Vec<&str> =
        runs.iter().filter(|row| Doing::of_row(row) != Doing::Ended).map(|row| row.run.as_str()).collect();
    if open.is_empty() {
        return Ok(reason.to_owned());
    }
    if reason.is_empty() {
        let what = format!("runs of the incident have not ended: {}", open.join(", "));
        return Err(crate::server::Problem::new(409, 77, what)
            .meaning("the incident is as it was")
            .next("the same with a `reason`: all the same, and says why")
            .into());
    }
    Ok(format!("{reason} (not ended: {})", open.join(", ")))
}

fn write(journal: &mut SqliteJournal, call: &Call, event: IncidentEvent) -> Result<Answer, Trouble> {
    let incident = call.incident()?;
    journal.append_to(&incident, &call.caller().name, WallClock.now(), event)?;
    told(journal, &incident)
}

fn told(journal: &mut SqliteJournal, incident: &IncidentId) -> Result<Answer, Trouble> {
    let known = journal.incident(incident)?;
    let runs = journal.runs_of(incident)?;
    Ok(Answer::json(&shown::incident::json(&known, &runs)))
}

fn line(what: &str, text: &str) -> Result<String, Trouble> {
    let fits = !is_blank(text) && text.chars().count() <= LINE && !text.chars().any(char::is_control);
    if fits {
        Ok(text.trim().to_owned())
    } else {
        Err(trouble::senseless(format!("`{what}` is a line of at most {LINE} characters")).into())
    }
}
