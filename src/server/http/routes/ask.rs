//! What is asked of a run: an answer, an approval, that it goes back, waits, ends or goes on. Each goes to the runner, which
//! says whether it makes sense for the run as it stands.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::ids::Digest;
use crate::run::{Answer as Given, RequestKind, SkipHow, Task};
use crate::server::http::App;
use crate::server::http::answer::Answer;
use crate::server::http::call::{Call, is_blank};
use crate::server::http::trouble;
use crate::server::{Asked, Problem};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Approving {
    task: Task,
    subject: Digest,
    #[serde(default)]
    break_glass: bool,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rejecting {
    task: Task,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Resolving {
    task: Task,
    answer: Given,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Skipping {
    task: Task,
    how: SkipHow,
    #[serde(default)]
    outputs: Map<String, Value>,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RollingBack {
    #[serde(default)]
    to: Option<String>,
    #[serde(default)]
    despite_halt: bool,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plainly {
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pausing {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    finish_items: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Resuming {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    take_over: bool,
}

/// `POST /v1/runs/{run}/approve`.
pub fn approve(app: &App, call: &Call) -> Result<Answer, Problem> {
    let Approving { task, subject, break_glass, reason } = read(call)?;
    ask(app, call, RequestKind::Approve { task, subject, break_glass }, &reason)
}

/// `POST /v1/runs/{run}/reject`.
pub fn reject(app: &App, call: &Call) -> Result<Answer, Problem> {
    let Rejecting { task, reason } = read(call)?;
    ask(app, call, RequestKind::Reject { task }, &reason)
}

/// `POST /v1/runs/{run}/resolve`.
pub fn resolve(app: &App, call: &Call) -> Result<Answer, Problem> {
    let Resolving { task, answer, reason } = read(call)?;
    ask(app, call, RequestKind::Resolve { task, answer }, &reason)
}

/// `POST /v1/runs/{run}/skip`.
pub fn skip(app: &App, call: &Call) -> Result<Answer, Problem> {
    let Skipping { task, how, outputs, reason } = read(call)?;
    ask(app, call, RequestKind::Skip { task, how, outputs: Value::Object(outputs) }, &reason)
}

/// `POST /v1/runs/{run}/rollback`.
pub fn rollback(app: &App, call: &Call) -> Result<Answer, Problem> {
    let RollingBack { to, despite_halt, reason } = read(call)?;
    ask(app, call, RequestKind::Rollback { to, despite_halt }, &reason)
}

/// `POST /v1/runs/{run}/cancel`.
pub fn cancel(app: &App, call: &Call) -> Result<Answer, Problem> {
    plainly(app, call, RequestKind::Cancel)
}

/// `POST /v1/runs/{run}/pause`.
pub fn pause(app: &App, call: &Call) -> Result<Answer, Problem> {
    let Pausing { reason, finish_items } = read(call)?;
    ask(app, call, if finish_items { RequestKind::FinishItems } else { RequestKind::Pause }, &reason)
}

/// `POST /v1/runs/{run}/abort`.
pub fn abort(app: &App, call: &Call) -> Result<Answer, Problem> {
    plainly(app, call, RequestKind::Abort)
}

/// `POST /v1/runs/{run}/resume`.
pub fn resume(app: &App, call: &Call) -> Result<Answer, Problem> {
    let Resuming { reason, take_over } = read(call)?;
    if take_over && is_blank(&reason) {
        return Err(trouble::senseless("a take-over is written down with its `reason`"));
    }
    let run = call.run()?;
    app.runner.resume(&run, call.caller(), reason.trim(), take_over)?;
    Ok(taken(call, &run.to_string(), "driven_on"))
}

fn plainly(app: &App, call: &Call, request: RequestKind) -> Result<Answer, Problem> {
    let Plainly { reason } = read(call)?;
    ask(app, call, request, &reason)
}

fn read<T: DeserializeOwned>(call: &Call) -> Result<T, Problem> {
    call.read()
}

/// What is written down with its reason, in a sentence.
fn wants_reason(request: &RequestKind) -> Option<&'static str> {
    match request {
        RequestKind::Approve { break_glass: true, .. } => Some("the glass is broken with a `reason`"),
        RequestKind::Reject { .. } => Some("a no is written down with its `reason`"),
        RequestKind::Resolve { .. } => Some("an answer is written down with its `reason`"),
        RequestKind::Skip { .. } => Some("what is taken out of a run's hands is written down with its `reason`"),
        RequestKind::Rollback { despite_halt: true, .. } => Some("what a halt holds is undone with a `reason`"),
        _ => None,
    }
}

fn ask(app: &App, call: &Call, request: RequestKind, reason: &str) -> Result<Answer, Problem> {
    let run = call.run()?;
    if let Some(what) = wants_reason(&request).filter(|_| is_blank(reason)) {
        return Err(trouble::senseless(what));
    }
    let asked = app.runner.ask(&run, request, call.caller(), reason.trim())?;
    let word = match asked {
        Asked::TakenUp => "taken_up",
        Asked::DrivenOn => "driven_on",
    };
    Ok(taken(call, run.as_str(), word))
}

/// It is durable, and what comes of it shows in the run's records.
fn taken(call: &Call, run: &str, word: &str) -> Answer {
    Answer::json(&json!({ "run": run, "became": word, "by": call.caller().name }))
        .with_status(202)
        .found_at(format!("/v1/runs/{run}"))
}
