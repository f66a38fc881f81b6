//! Who calls: by a token, by the user at the other end of the socket, or nobody. Deny by default: what is not known has no
//! role, and a token that does not count is told, never taken for nobody.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use nix::unistd::{Uid, User};

use super::App;
use super::journals::Trouble;
use super::peer::Peer;
use super::trouble;
use crate::config::{Anonymous, Serve};
use crate::engine::{Clock as _, People as _, SystemPeople, WallClock};
use crate::ids::Digest;
use crate::journal::{SqliteJournal, Tokens as _};
use crate::server::tokens::{self, Token};
use crate::server::{Caller, Problem, Role};

/// How long it is believed which roles a user has: the groups may be asked for far away.
const BELIEVED: Duration = Duration::from_secs(10);

/// What says who calls, as far as the request goes.
#[derive(Debug, Clone)]
pub enum Credential {
    /// A token.
    Token(Token),
    /// A token that can be none.
    Garbage,
    /// A user of this machine.
    User(u32),
    /// Nobody, on loopback.
    Nobody,
    /// Nobody, from elsewhere.
    Stranger,
}

impl Credential {
    /// Of a request.
    pub fn of(peer: Peer, headers: &HeaderMap) -> Self {
        let mut given = headers.get_all(AUTHORIZATION).iter();
        match (given.next(), given.next(), peer) {
            (Some(only), None, _) => {
                let words = only.to_str().ok().and_then(|text| text.split_once(' '));
                let token = words.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
                token.and_then(|(_, text)| Token::presented(text.trim())).map_or(Self::Garbage, Self::Token)
            }
            (Some(_), Some(_), _) => Self::Garbage,
            (None, _, Peer::User { uid }) => Self::User(uid),
            (None, _, peer) if peer.is_local() => Self::Nobody,
            (None, ..) => Self::Stranger,
        }
    }
}

/// Somebody who is known, and what their knowing rests on.
#[derive(Debug, Clone)]
pub struct Known {
    /// Who.
    pub caller: Caller,
    /// The token that they came with.
    pub token: Option<Digest>,
}

impl Known {
    /// Somebody of whom nothing is known, and who has no role.
    pub fn nobody() -> Self {
        Self { caller: Caller { name: "nobody".to_owned(), roles: BTreeSet::new() }, token: None }
    }
}

/// Which roles the users of this machine have.
pub struct Users {
    people: SystemPeople,
    anonymous: Option<Anonymous>,
    owner: u32,
    seen: Mutex<HashMap<u32, (Instant, Caller)>>,
}

impl Users {
    /// As the configuration says. Whoever runs the server is admin of it: the state is theirs.
    pub fn of(serve: Option<&Serve>) -> Self {
        Self {
            people: SystemPeople::of(&serve.map(|serve| serve.roles.clone()).unwrap_or_default()),
            anonymous: serve.and_then(|serve| serve.anonymous),
            owner: Uid::effective().as_raw(),
            seen: Mutex::default(),
        }
    }

    /// Who a user is and what they may do.
    fn caller(&self, uid: u32) -> Caller {
        let now = Instant::now();
        let seen = || self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, caller)) = seen().get(&uid).filter(|(at, _)| now.saturating_duration_since(*at) < BELIEVED) {
            return caller.clone();
        }
        // Nobody else waits meanwhile: the user database may be a server far away.
        let name = User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name);
        let name = name.unwrap_or_else(|| format!("uid {uid}"));
        let roles = self.people.roles_of(&name);
        let mut roles: BTreeSet<Role> =
            Role::ALL.into_iter().filter(|role| roles.iter().any(|name| name == role.word())).collect();
        // Root can write the state's file anyway: to refuse it would guard nothing.
        if uid == self.owner || uid == 0 {
            roles.insert(Role::Admin);
        }
        let caller = Caller { name, roles };
        seen().insert(uid, (now, caller.clone()));
        caller
    }
}

/// Who calls; nothing where nobody does, and nobody has to. May ask the journal and the user database.
///
/// # Errors
/// When a token does not count, or the journal cannot be read.
pub fn identify(app: &App, journal: &mut SqliteJournal, credential: &Credential) -> Result<Option<Known>, Trouble> {
    match credential {
        Credential::Garbage => Err(trouble::bad_token().into()),
        Credential::Token(token) => by_token(app, journal, token).map(Some),
        Credential::User(uid) => Ok(Some(Known { caller: app.users.caller(*uid), token: None })),
        Credential::Nobody => Ok(app.users.anonymous.map(|Anonymous::Viewer| Known {
            caller: Caller { name: "anonymous".to_owned(), roles: BTreeSet::from([Role::Viewer]) },
            token: None,
        })),
        Credential::Stranger => Ok(None),
    }
}

fn by_token(app: &App, journal: &mut SqliteJournal, token: &Token) -> Result<Known, Trouble> {
    let now = WallClock.now();
    let rows = journal.tokens()?;
    let Some(row) = tokens::find(&rows, token, now) else { return Err(trouble::bad_token().into()) };
    if tokens::is_to_be_noted(row, now) {
        note_use(app, row.number);
    }
    Ok(Known { caller: tokens::caller(row), token: Some(row.token.digest.clone()) })
}

/// On a connection of its own: a disk that is full stops writing, and must not stop reading.
fn note_use(app: &App, number: i64) {
    let noted = app.journals.with(|journal| Ok(journal.token_used(number, WallClock.now())?));
    if let Err(problem) = noted {
        tracing::warn!(problem = %problem.title, "it could not be noted that a token was used");
    }
}

/// Whether a token still counts, for whoever follows something for long.
pub fn still_counts(journal: &mut SqliteJournal, digest: &Digest) -> Result<bool, Problem> {
    let rows = journal.tokens().map_err(|error| trouble::of_journal(&error))?;
    let now = WallClock.now();
    Ok(rows.iter().any(|row| &row.token.digest == digest && row.is_live(now)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::Role as Given;

    #[test]
    fn a_user_has_the_roles_that_were_given_and_no_others() {
        let own = User::from_uid(Uid::effective()).unwrap().unwrap().name;
        let given = Given { users: vec![own.clone()], groups: Vec::new() };
        let roles = BTreeMap::from([("approver".to_owned(), given)]);
        let serve = Serve { roles, ..Serve::default() };
        let somebody = 4_294_967_280;
        let users = |serve: Option<&Serve>| Users { owner: somebody, ..Users::of(serve) };
        let uid = Uid::effective().as_raw();
        let caller = users(Some(&serve)).caller(uid);
        assert_eq!(caller.name, own);
        assert!(caller.roles.contains(&Role::Approver) && caller.roles.contains(&Role::Admin) == (uid == 0));
        let nobody = users(Some(&serve)).caller(4_294_967_281);
        assert_eq!((nobody.name.as_str(), nobody.roles.len()), ("uid 4294967281", 0));
        assert!(users(None).caller(somebody).may(Role::Admin), "whoever runs the server owns the state");
        assert!(Users::of(None).caller(somebody).roles.is_empty());
    }

    #[test]
    fn a_credential_that_is_no_token_is_never_passed_over() {
        let headers = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            values.iter().for_each(|value| {
                headers.append(AUTHORIZATION, value.parse().unwrap());
            });
            headers
        };
        let of = |values: &[&str]| Credential::of(Peer::User { uid: 7 }, &headers(values));
        let token = Token::new().unwrap();
        assert!(matches!(of(&[]), Credential::User(7)));
        assert!(matches!(of(&[&format!("Bearer {}", token.show())]), Credential::Token(found) if found == token));
        assert!(matches!(of(&[&format!("bearer  {}", token.show())]), Credential::Token(_)));
        for bad in ["", "Bearer", "Bearer x", "Basic dXNlcjpwYXNz", token.show()] {
            assert!(matches!(of(&[bad]), Credential::Garbage), "{bad}");
        }
        let twice = format!("Bearer {}", token.show());
        assert!(matches!(of(&[&twice, &twice]), Credential::Garbage));
    }
}
