//! `token`: makes, lists and revokes what the server is called with from elsewhere. A token is made here and shown once; what the
//! state gets is its digest. A server looks at each use whether the token counts still.

use serde_json::{Value, json};

use crate::cli::args::{Format, Token as Arguments, TokenCreate, TokenList, TokenRevoke, TokenRole, TokenVerb};
use crate::cli::clock;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::files::nearest;
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::engine::holder::this_process;
use crate::journal::{NewToken, TokenRow};
use crate::run::Time;
use crate::server::Role;
use crate::server::tokens::{LONGEST_SECONDS, Token, is_name};
use crate::value::{format_seconds, parse_duration};

/// Does what was asked with tokens.
///
/// # Errors
/// When the state cannot be read or written, or there is no such token.
pub fn token(setup: &Setup, args: &Arguments) -> Result<Exit, Failure> {
    match &args.what {
        TokenVerb::Create(args) => create(setup, args),
        TokenVerb::List(args) => list(setup, args),
        TokenVerb::Revoke(args) => revoke(setup, args),
    }
}

fn create(setup: &Setup, args: &TokenCreate) -> Result<Exit, Failure> {
    if !is_name(&args.name) {
        let what = format!("`{}` is no name of a token", args.name);
        return Err(Failure::new(Exit::Usage, what).next("a name has letters, digits, `-`, `_` and `.`, at most 64"));
    }
    let seconds = parse_duration(&args.expires).filter(|seconds| *seconds > 0.0 && *seconds <= LONGEST_SECONDS);
    let Some(seconds) = seconds else {
        let what = format!("`--expires {}` is no time that a token may count", args.expires);
        return Err(Failure::new(Exit::Usage, what).next("write 12h or 90d; 366d is the most"));
    };
    let token = Token::new().map_err(|error| {
        Failure::new(Exit::Fault, format!("the system gives no random numbers: {error}")).meaning("no token was made")
    })?;
    let mut roles: Vec<String> = args.role.iter().map(|role| role_of(*role).word().to_owned()).collect();
    roles.sort();
    roles.dedup();
    let at = clock::now();
    let by = this_process().user;
    let new =
        NewToken { name: args.name.clone(), digest: token.digest(), roles, by, at, expires: at.plus_seconds(seconds) };
    if !setup.journal()?.add_token(&new)? {
        let what = format!("there is a token `{}` already, which was not revoked", args.name);
        return Err(Failure::new(Exit::NotAllowed, what)
            .meaning("no token was made")
            .next(format!("playbook token revoke {}     (then the name is free)", args.name))
            .next("playbook token list"));
    }
    if args.output == Format::Json {
        let mut object = json(&TokenRow { number: 0, token: new, revoked: None, used: None }, at);
        object["type"] = json!("token");
        object["v"] = json!(1);
        object["exit"] = json!(0);
        object["token"] = json!(token.show());
        setup.screen.json(&object);
        return Ok(Exit::Success);
    }
    // What is typed after `$(` gets the token alone; what is to be known of it is for the person.
    setup.screen.print(&[Line::plain(token.show())]);
    setup.screen.say(&[
        Line::new().with(Ink::Good, "✓ ").with(
            Ink::Plain,
            format!(
                "token {} with the role {}, until {}",
                new.name,
                new.roles.join(", "),
                clock::date_and_time(new.expires)
            ),
        ),
        Line::new()
            .with(Ink::Warn, "  it is shown this once: what is kept is its digest")
            .with(Ink::Plain, "; it goes into requests as `Authorization: Bearer TOKEN`"),
    ]);
    Ok(Exit::Success)
}

fn list(setup: &Setup, args: &TokenList) -> Result<Exit, Failure> {
    let rows = match setup.existing_journal()? {
        Some(mut journal) => journal.tokens()?,
        None => Vec::new(),
    };
    let now = clock::now();
    if args.output == Format::Json {
        setup.screen.json(&Value::Array(rows.iter().map(|row| json(row, now)).collect()));
        return Ok(Exit::Success);
    }
    if rows.is_empty() {
        setup.screen.say(&[Line::plain(format!("there are no tokens in {}", setup.kept_in()))]);
        return Ok(Exit::Success);
    }
    let first = rows.iter().map(|row| row.token.name.len()).max().unwrap_or(0) + 2;
    let second = first + rows.iter().map(|row| row.token.roles.join(", ").len()).max().unwrap_or(0) + 2;
    let lines: Vec<Line> = rows
        .iter()
        .map(|row| {
            let (ink, words) = standing(row, now);
            let used = row.used.map_or("never used".to_owned(), |used| format!("used {}", clock::date_and_time(used)));
            Line::new()
                .with(Ink::Bold, &row.token.name)
                .pad_to(first)
                .with(Ink::Plain, row.token.roles.join(", "))
                .pad_to(second)
                .with(ink, words)
                .with(Ink::Dim, format!("; {used}; made by {}", row.token.by))
        })
        .collect();
    setup.screen.print(&lines);
    Ok(Exit::Success)
}

fn revoke(setup: &Setup, args: &TokenRevoke) -> Result<Exit, Failure> {
    let none = || {
        Failure::new(Exit::NotFound, format!("there is no token `{}` that counts", args.name))
            .meaning("nothing was revoked")
            .next("playbook token list")
    };
    let Some(mut journal) = setup.existing_journal()? else { return Err(none()) };
    if !journal.revoke_token(&args.name, &this_process().user, clock::now())? {
        let rows = journal.tokens()?;
        let live = rows.iter().filter(|row| row.revoked.is_none()).map(|row| row.token.name.as_str());
        let near = nearest(&args.name, live);
        return Err(near.iter().fold(none(), |failure, name| failure.next(format!("playbook token revoke {name}"))));
    }
    if args.output == Format::Json {
        setup.screen.json(&json!({ "v": 1, "type": "token", "exit": 0, "name": args.name, "revoked": true }));
    } else {
        let text = format!("token {} counts no more, from the next request on", args.name);
        setup.screen.print(&[Line::new().with(Ink::Good, "✓ ").with(Ink::Plain, text)]);
    }
    Ok(Exit::Success)
}

fn standing(row: &TokenRow, now: Time) -> (Ink, String) {
    if let Some((by, at)) = &row.revoked {
        return (Ink::Dim, format!("revoked by {by}, {}", clock::date_and_time(*at)));
    }
    let left = row.token.expires.seconds_since(now);
    if left <= 0.0 {
        return (Ink::Warn, format!("expired {}", clock::date_and_time(row.token.expires)));
    }
    // A day's notice is little for whoever has to put a new one somewhere.
    let ink = if left < 7.0 * 86_400.0 { Ink::Warn } else { Ink::Good };
    (ink, format!("until {} ({} left)", clock::date_and_time(row.token.expires), rough(left)))
}

/// Days where there are some: nobody reads the minutes of a quarter of a year.
fn rough(seconds: f64) -> String {
    if seconds >= 2.0 * 86_400.0 {
        format!("{} days", (seconds / 86_400.0) as u64)
    } else {
        format_seconds(seconds.floor())
    }
}

fn json(row: &TokenRow, now: Time) -> Value {
    json!({
        "name": row.token.name, "roles": row.token.roles, "made_by": row.token.by, "made": row.token.at.rfc3339(),
        "expires": row.token.expires.rfc3339(), "counts": row.is_live(now),
        "revoked_by": row.revoked.as_ref().map(|(by, _)| by),
        "revoked": row.revoked.as_ref().map(|(_, at)| at.rfc3339()), "used": row.used.map(|at| at.rfc3339()),
    })
}

fn role_of(role: TokenRole) -> Role {
    match role {
        TokenRole::Viewer => Role::Viewer,
        TokenRole::Operator => Role::Operator,
        TokenRole::Approver => Role::Approver,
        TokenRole::Trigger => Role::Trigger,
        TokenRole::Admin => Role::Admin,
    }
}
