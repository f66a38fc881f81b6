//! What callers are told where something goes wrong: in the same words everywhere, with what it means for the system and what
//! to do next. What only the server's own log should have, a path or what the disk said, is not in it.

use crate::journal::{HeldLock, JournalError};
use crate::run::IllegalEvent;
use crate::server::{Problem, Role};

/// Wrong usage of the interface.
const USAGE: u8 = 64;
/// What was sent or what is stored makes no sense.
pub const INVALID: u8 = 65;
/// There is no such thing.
const NOT_FOUND: u8 = 66;
/// The server is at fault.
const FAULT: u8 = 70;
/// The journal cannot be written.
const JOURNAL: u8 = 74;
/// The caller may not.
pub const NOT_ALLOWED: u8 = 77;

/// What a journal's error means to whoever called.
pub fn of_journal(error: &JournalError) -> Problem {
    match error {
        JournalError::NoSuchRun(run) => {
            Problem::new(404, NOT_FOUND, format!("there is no run {run} in this state")).next("GET /v1/runs")
        }
        JournalError::NoSuchIncident(incident) => {
            Problem::new(404, NOT_FOUND, format!("there is no incident {incident} in this state"))
                .next("GET /v1/incidents")
        }
        JournalError::NotNow { .. } => {
            Problem::new(409, NOT_ALLOWED, error.to_string()).meaning("the incident is as it was")
        }
        JournalError::Locked(row) => {
            let problem = Problem::new(409, 13, error.to_string()).meaning("nothing was started or changed");
            Problem { locked: Some(Box::new(HeldLock::of(row))), ..problem.next("GET /v1/locks") }
        }
        JournalError::Halted(_) => Problem::new(403, NOT_ALLOWED, error.to_string())
            .meaning("nothing was started or changed; nothing new begins until the halt is lifted")
            .next("DELETE /v1/halt?reason=…"),
        JournalError::LeaseLost { .. } | JournalError::WentOn(_) => Problem::new(409, 13, error.to_string())
            .meaning("somebody else was faster; nothing was changed by this request"),
        JournalError::OverLimit(_) => {
            Problem::new(403, NOT_ALLOWED, error.to_string()).meaning("nothing was started or changed")
        }
        JournalError::Corrupt(_) | JournalError::Checkpoint(_) => {
            tracing::error!(%error, "the journal is damaged");
            Problem::new(500, INVALID, "what the journal has of that cannot be relied on")
                .meaning("nothing was started or changed; other runs are not touched by it")
                .next("playbook verify RUN     (on the server's machine: which record does not fit)")
        }
        // A server is no client of another one.
        JournalError::Refused(_) | JournalError::Unreachable { .. } | JournalError::Strange(_) => fault(),
        JournalError::Unsuitable(_) | JournalError::Store { .. } => {
            tracing::error!(%error, "the journal cannot be used");
            let mut problem = Problem::new(503, JOURNAL, "the server's journal cannot be read or written")
                .meaning("nothing was started or changed by this request; no run starts a further step without it")
                .next("playbook doctor     (on the server's machine: disk, permissions)");
            problem.retry_after = Some(5);
            problem
        }
    }
}

/// A run whose records make no sense.
pub fn illegal(error: &IllegalEvent) -> Problem {
    Problem::new(500, INVALID, format!("the run's records make no sense: {error}"))
        .meaning("what the journal says of it cannot be relied on; other runs are not touched by it")
        .next("playbook verify RUN     (on the server's machine)")
}

/// There is nothing at that address.
pub fn nothing_there() -> Problem {
    Problem::new(404, NOT_FOUND, "there is nothing at this address").next("GET /openapi.json     (what there is)")
}

/// The address knows other methods.
pub fn other_method() -> Problem {
    Problem::new(405, USAGE, "this address does not know that method").next("GET /openapi.json     (what there is)")
}

/// Nobody knows who calls.
pub fn nobody() -> Problem {
    Problem::new(401, NOT_ALLOWED, "the server does not know who asks")
        .meaning("nothing was done")
        .next("send a token: Authorization: Bearer pbk_…     (playbook token create NAME --role ROLE, on the server's machine)")
        .next("or ask over the server's socket, as a user whom `serve.roles` names")
}

/// What was sent does not prove who sent it. Which of the reasons it is, only the server's own log says.
pub fn unproved(why: &str) -> Problem {
    tracing::warn!(why, "an alert was not taken");
    Problem::new(401, NOT_ALLOWED, "there is no source of alerts of this name, or this does not prove to be from it")
        .meaning("nothing was started")
        .next(
            "the server's log says why; `hooks` of its configuration says who may send alerts, and how they are proved",
        )
}

/// The token does not count. Which of the reasons it is, only the server's own log says.
pub fn bad_token() -> Problem {
    Problem::new(401, NOT_ALLOWED, "this token does not count: it is unknown, has expired, or was revoked")
        .meaning("nothing was done")
        .next("playbook token list     (on the server's machine)")
}

/// Whoever calls does not have the role.
pub fn lacks(name: &str, role: Role) -> Problem {
    Problem::new(403, NOT_ALLOWED, format!("{name} may not: that asks for the role {role}"))
        .meaning("nothing was done")
        .next("somebody with the role admin gives roles: playbook token create NAME --role ROLE, or `serve.roles`")
}

/// Somebody asks too often.
pub fn too_often(seconds: u64) -> Problem {
    let mut problem = Problem::new(429, NOT_ALLOWED, "you ask too often").meaning("nothing was done");
    problem.retry_after = Some(seconds);
    problem
}

/// The server has as much in hand as it takes.
pub fn busy(what: &str) -> Problem {
    let mut problem = Problem::new(503, FAULT, format!("the server has {what} in hand already, as many as it takes"))
        .meaning("nothing was done by this request; runs in hand go on");
    problem.retry_after = Some(2);
    problem
}

/// The server is about to end.
pub fn stopping() -> Problem {
    let mut problem = Problem::new(503, FAULT, "the server is about to end, and takes nothing new")
        .meaning("runs in hand finish their step, and the next start goes on with them");
    problem.retry_after = Some(10);
    problem
}

/// The request is for a name that is not this server's.
pub fn other_host() -> Problem {
    Problem::new(421, USAGE, "the request is for a name that this server does not answer to")
        .meaning("nothing was done: a web page may have sent it here under a name of its own")
        .next("ask for localhost, 127.0.0.1 or [::1], or name the host in `serve.hosts`")
}

/// What was asked is not of the form that it should be.
pub fn malformed(what: impl Into<String>) -> Problem {
    Problem::new(400, USAGE, what).meaning("nothing was done").next("GET /openapi.json     (what it takes)")
}

/// What was sent has the right form and makes no sense.
pub fn senseless(what: impl Into<String>) -> Problem {
    Problem::new(422, INVALID, what).meaning("nothing was done").next("GET /openapi.json     (what it takes)")
}

/// What was sent is not JSON.
pub fn not_json() -> Problem {
    Problem::new(415, USAGE, "what is sent has to be JSON, with the header Content-Type: application/json")
        .meaning("nothing was done")
}

/// What was sent is too large.
pub fn too_large(most: usize) -> Problem {
    Problem::new(413, USAGE, format!("what is sent has more than {most} bytes")).meaning("nothing was done")
}

/// What is sent takes too long to come.
pub fn too_slow() -> Problem {
    Problem::new(408, USAGE, "what is sent took too long to come").meaning("nothing was done")
}

/// What was asked takes longer than a request may.
pub fn too_long(seconds: u64) -> Problem {
    Problem::new(504, FAULT, format!("this takes longer than {seconds} s"))
        .meaning("the server goes on with it: whether it came about is not known yet")
        .next("GET /v1/runs     (whether a run began)")
        .next("POST /v1/runs     (again, with the same Idempotency-Key: it begins once, however often it is asked)")
}

/// The server itself is at fault.
pub fn fault() -> Problem {
    Problem::new(500, FAULT, "the server itself is at fault")
        .meaning("what is in the journal is safe; whether this request came about is not known")
        .next("GET /v1/runs     (how the runs stand)")
}
