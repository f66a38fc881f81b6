//! `POST /v1/hooks/{source}`: what monitoring sends. Its sender is known by what is sent, so it is handed on byte by byte, and
//! answered once it is on the disk; what is done about it comes after that.

use serde_json::json;

use crate::server::Problem;
use crate::server::http::App;
use crate::server::http::answer::Answer;
use crate::server::http::call::Call;
use crate::server::http::trouble;

/// `POST /v1/hooks/{source}`.
pub fn receive(app: &App, call: &Call) -> Result<Answer, Problem> {
    let Some(receiver) = &app.receiver else { return Err(trouble::nothing_there()) };
    if *app.stop.borrow() {
        return Err(trouble::stopping());
    }
    let headers: Vec<(&str, &[u8])> =
        call.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let received = receiver.receive(call.named("source"), &headers, &call.body)?;
    let told = json!({ "delivery": received.delivery, "number": received.number, "new": received.new });
    Ok(Answer::json(&told).with_status(202))
}
