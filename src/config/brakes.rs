//! The settings of the brakes: who has which role. What they mean is said in `docs/configuration.md`; nothing is enforced
//! here.

use serde::{Deserialize, Serialize};

use super::Config;

/// Who has a role: any of these users, and whoever is in one of these groups of the operating system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Role {
    /// Login names; `uid N` for a user without one.
    pub users: Vec<String>,
    /// Names of groups; `gid N` for a group without one.
    pub groups: Vec<String>,
}

/// What is wrong with these settings.
pub(super) fn problem_of(config: &Config) -> Option<String> {
    config.roles.iter().find_map(|(name, role)| role_problem(name, role))
}

fn role_problem(name: &str, role: &Role) -> Option<String> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    if name.is_empty() || !name.chars().all(plain) {
        return Some(format!("`roles.{name}`: a role's name has letters, digits, `-`, `_` and `.`, and nothing else"));
    }
    if role.users.is_empty() && role.groups.is_empty() {
        return Some(format!("`roles.{name}` needs `users` or `groups`, or nobody would have that role"));
    }
    if role.users.iter().chain(&role.groups).any(|name| name.trim().is_empty()) {
        return Some(format!("`roles.{name}` names a user or group that is an empty text"));
    }
    None
}
