//! Why a journal could not do what was asked. What follows from that, and what is to be done next, is never said here.

use super::{Halt, LockRow, OverLimit};
use crate::ids::{IncidentId, RunId};

/// Why the journal could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process has taken the run.
    #[error("run {run} was taken over by another process (lease {held}, ours was {ours})")]
    LeaseLost {
        /// Which run.
        run: RunId,
        /// Our epoch.
        ours: u64,
        /// The epoch in force.
        held: u64,
    },
    /// A lock is held by another run.
    #[error("{} is held by run {} ({}), {}", .0.resource, .0.run, .0.playbook, .0.incident.as_deref().map_or_else(|| "no incident".to_owned(), |i| format!("incident {i}")))]
    Locked(LockRow),
    /// Everything on this state is halted.
    #[error("everything on this state is {}", .0.words())]
    Halted(Halt),
    /// As many runs as may have begun.
    #[error("{0}")]
    OverLimit(Box<OverLimit>),
    /// A run that was to give its place went on meanwhile.
    #[error("run {0} went on while it was looked at")]
    WentOn(RunId),
    /// There is no such run here.
    #[error("there is no run {0} in this state")]
    NoSuchRun(RunId),
    /// There is no such incident here.
    #[error("there is no incident {0} in this state")]
    NoSuchIncident(IncidentId),
    /// It makes no sense for an incident as it stands, and nothing was written.
    #[error("nothing was added to incident {incident}: {why}")]
    NotNow {
        /// Which incident.
        incident: IncidentId,
        /// Why.
        why: String,
    },
    /// What is stored cannot be a journal of ours.
    #[error("the journal is damaged: {0}")]
    Corrupt(String),
    /// A checkpoint or a key is not what it should be.
    #[error("{0}")]
    Checkpoint(String),
    /// The state lies where the store cannot keep its promise (a network file system), or was made by a newer version.
    #[error("{0}")]
    Unsuitable(String),
    /// The server that owns the state refused it.
    #[error("{}", .0.title)]
    Refused(Box<super::Refused>),
    /// The server that owns the state does not answer.
    #[error("{}", away.words(server, cause))]
    Unreachable {
        /// Where it was looked for.
        server: String,
        /// What went wrong.
        cause: String,
        /// What that says of what was asked.
        away: Away,
    },
    /// What the server that owns the state answered makes no sense here.
    #[error("the server's answer is none that this version of playbook knows: {0}")]
    Strange(String),
    /// It could not be written or read.
    #[error("the journal could not be {doing}: {cause}")]
    Store {
        /// `written` or `read`.
        doing: &'static str,
        /// What the store said.
        cause: String,
    },
}

/// Why a server was not reached, as far as it matters for what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Away {
    /// Nobody is there, so nothing was asked.
    NotThere,
    /// The system does not let us connect, so nothing was asked.
    NotAllowed,
    /// It does not prove to be the server, or speaks otherwise; nothing was asked.
    NotTrusted,
    /// It was asked, and no answer came.
    Silent,
}

impl Away {
    fn words(self, server: &str, cause: &str) -> String {
        match self {
            Self::NotThere => format!("the server that owns the state is not there, at {server}: {cause}"),
            Self::NotAllowed => format!("you may not connect to the server that owns the state, at {server}: {cause}"),
            Self::NotTrusted => format!("what answers at {server} does not prove to be the server: {cause}"),
            Self::Silent => format!("the server that owns the state does not answer, at {server}: {cause}"),
        }
    }
}
