//! Alerts that are sent here. Who sends one proves it by what is sent, not by a token of ours; it is answered once it is durable
//! and before anything is done with it.

use serde_json::json;

use crate::journal::{Accepted, SqliteJournal};
use crate::server::Problem;
use crate::server::alerts::NotTaken;
use crate::server::http::answer::Answer;
use crate::server::http::call::Call;
use crate::server::http::journals::Trouble;
use crate::server::http::trouble::{INVALID, NOT_ALLOWED};
use crate::server::http::{App, trouble};
use crate::trigger::TriggerError;

/// What is sent again, as much as may is waiting: after so many seconds.
const LATER: u64 = 30;

/// `POST /v1/hooks/{source}`.
pub fn take(app: &App, journal: &mut SqliteJournal, call: &Call) -> Result<Answer, Trouble> {
    let taken = app.alerts.take_in(journal, call.named("source"), &call.headers, &call.body);
    let accepted = match taken {
        Ok(accepted) => accepted,
        Err(NotTaken::Journal(error)) => return Err(error.into()),
        Err(error @ NotTaken::NoSource(_)) => return Err(trouble::unproved(&error.to_string()).into()),
        Err(NotTaken::Refused(error)) => return Err(refused(&error).into()),
    };
    let (number, new) = match accepted {
        Accepted::New(number) => (number, true),
        Accepted::Known { number, .. } => (number, false),
        Accepted::Full => {
            let mut problem = Problem::new(503, NOT_ALLOWED, "too many alerts wait to be worked on")
                .meaning("this one was not taken, and nothing was started by it");
            problem.retry_after = Some(LATER);
            return Err(problem.into());
        }
    };
    Ok(Answer::json(&json!({ "number": number, "new": new })).with_status(202))
}

fn refused(error: &TriggerError) -> Problem {
    let (status, exit) = match error {
        TriggerError::Unproved { .. } | TriggerError::Stale { .. } => return trouble::unproved(&error.to_string()),
        TriggerError::TooLarge(_) => (413, INVALID),
        TriggerError::NotAllowed(_) => (403, NOT_ALLOWED),
        TriggerError::Malformed { .. } | TriggerError::Inputs(_) => (422, INVALID),
        TriggerError::Unusable(_) => (500, INVALID),
    };
    Problem::new(status, exit, error.to_string()).meaning("nothing was started")
}
