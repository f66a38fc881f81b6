//! Who calls, and what that lets them do. What nobody was given, nobody has.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// What somebody may do at the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Read everything but tokens.
    Viewer,
    /// Read, start runs, and do with runs and incidents whatever needs no approval of others.
    Operator,
    /// Read, approve and reject.
    Approver,
    /// Start runs of playbooks that may be triggered: every brake binds it. Alerts need no role, as they are proved by themselves.
    Trigger,
    /// Everything, tokens too.
    Admin,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Viewer, Self::Operator, Self::Approver, Self::Trigger, Self::Admin];

    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Approver => "approver",
            Self::Trigger => "trigger",
            Self::Admin => "admin",
        }
    }

    /// Whether who has this role may do what asks for the other one.
    pub fn covers(self, asked: Self) -> bool {
        self == asked
            || self == Self::Admin
            || (asked == Self::Viewer && matches!(self, Self::Operator | Self::Approver))
            || (asked == Self::Trigger && self == Self::Operator)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// Somebody who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who it is, as records name them: a user of this machine, or `token NAME`.
    pub name: String,
    /// What they may do.
    pub roles: BTreeSet<Role>,
}

impl Caller {
    /// Whether they may do what asks for a role.
    pub fn may(&self, asked: Role) -> bool {
        self.roles.iter().any(|role| role.covers(asked))
    }

    /// Whether it is a trigger and nothing more: every brake binds it. (What callers send is never read as a reference, whoever they
    /// are.)
    pub fn is_trigger(&self) -> bool {
        !self.may(Role::Operator)
    }
}
