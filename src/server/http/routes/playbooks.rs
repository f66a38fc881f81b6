//! The playbooks that there are. Where their files lie is nobody's business out there.

use serde_json::json;

use crate::server::Problem;
use crate::server::http::App;
use crate::server::http::answer::Answer;
use crate::server::http::call::Call;
use crate::server::http::shown;

/// `GET /v1/playbooks`.
#[allow(clippy::unnecessary_wraps)] // as the table has it
pub fn list(app: &App, _: &Call) -> Result<Answer, Problem> {
    let all = app.house.playbooks().into_iter().map(|entry| {
        json!({
            "playbook": entry.name, "version": entry.version, "title": entry.title, "usable": entry.broken.is_none(),
        })
    });
    Ok(Answer::json(&json!({ "playbooks": all.collect::<Vec<_>>() })))
}

/// `GET /v1/playbooks/{name}`.
pub fn show(app: &App, call: &Call) -> Result<Answer, Problem> {
    let book = app.house.playbook(call.named("name"), call.text("version"))?;
    let mut told = shown::playbook::json(&book);
    if call.text("whole") == Some("true") {
        // As it is in the first record of each of its runs.
        told["whole"] = json!(book);
    }
    Ok(Answer::json(&told))
}
