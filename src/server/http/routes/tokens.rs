//! Tokens: who has one, a new one, one that counts no more. A token itself is made where it is shown, and never comes here: its
//! digest does.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::engine::{Clock as _, WallClock};
use crate::ids::Digest;
use crate::journal::{NewToken, SqliteJournal, TokenRow, Tokens as _};
use crate::run::Time;
use crate::server::http::App;
use crate::server::http::answer::Answer;
use crate::server::http::call::Call;
use crate::server::http::journals::Trouble;
use crate::server::http::trouble;
use crate::server::{Problem, Role, tokens};

/// What is sent to make one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Making {
    name: String,
    digest: Digest,
    roles: Vec<Role>,
    seconds: f64,
}

/// `GET /v1/tokens`.
pub fn list(_: &App, journal: &mut SqliteJournal, _: &Call) -> Result<Answer, Trouble> {
    let list: Vec<Value> = journal.tokens()?.iter().map(shown).collect();
    Ok(Answer::json(&json!({ "tokens": list })))
}

/// `POST /v1/tokens`.
pub fn make(_: &App, journal: &mut SqliteJournal, call: &Call) -> Result<Answer, Trouble> {
    let Making { name, digest, roles, seconds } = call.read()?;
    let now = WallClock.now();
    if !tokens::is_name(&name) {
        return Err(trouble::senseless("a token's name has letters, digits, `-`, `_` and `.`, at most 64").into());
    }
    if roles.is_empty() || roles.len() > Role::ALL.len() {
        return Err(trouble::senseless("a token has one role or several, each once").into());
    }
    if !(1.0..=tokens::LONGEST_SECONDS).contains(&seconds) {
        return Err(trouble::senseless("a token counts for 1 second to 366 days (`seconds`)").into());
    }
    let expires = now.plus_seconds(seconds);
    let mut roles: Vec<String> = roles.into_iter().map(|role| role.word().to_owned()).collect();
    roles.sort();
    roles.dedup();
    let token = NewToken { name: name.clone(), digest, roles, by: call.caller().name.clone(), at: now, expires };
    if journal.add_token(&token)? {
        return Ok(Answer::json(&json!({ "name": name, "expires": expires.rfc3339() })).with_status(201));
    }
    Err(Problem::new(409, trouble::NOT_ALLOWED, format!("there is a token `{name}` that counts"))
        .meaning("nothing was done")
        .next("take it back first, or use another name")
        .into())
}

/// `DELETE /v1/tokens/{token}`.
pub fn revoke(_: &App, journal: &mut SqliteJournal, call: &Call) -> Result<Answer, Trouble> {
    let name = call.named("token").to_owned();
    if !journal.revoke_token(&name, &call.caller().name, WallClock.now())? {
        return Err(trouble::nothing_there().into());
    }
    Ok(Answer::json(&json!({ "revoked": name })))
}

fn shown(row: &TokenRow) -> Value {
    let token = &row.token;
    json!({
        "number": row.number, "name": token.name, "roles": token.roles, "by": token.by, "at": token.at.rfc3339(),
        "expires": token.expires.rfc3339(), "used": row.used.map(Time::rfc3339),
        "revoked": row.revoked.as_ref().map(|(by, at)| json!({ "by": by, "at": at.rfc3339() })),
    })
}
