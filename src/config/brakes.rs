//! The settings of the brakes: who has which role, who may pass which brake, how often runs may begin. What they mean is said in `docs/configuration.md`; nothing is enforced
//! here.

use serde::{Deserialize, Serialize};

use super::Config;
use super::freeze::Freeze;
use crate::value::{environment_problem, parse_duration};

/// Who has a role: any of these users, and whoever is in one of these groups of the operating system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Role {
    /// Login names; `uid N` for a user without one.
    pub users: Vec<String>,
    /// Names of groups; `gid N` for a group without one.
    pub groups: Vec<String>,
}

/// How often runs may begin on one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Of which playbook; `*` counts all of them together.
    pub playbook: String,
    /// How many.
    pub runs: u32,
    /// In how long, such as `1h`.
    pub per: String,
}

/// Where a run is started with a fresh plan alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequirePlan {
    /// On which environments; on all where absent.
    #[serde(default)]
    pub environments: Option<Vec<String>>,
    /// How old the plan may be, such as `30m`.
    pub max_age: String,
}

impl Limit {
    /// The window in seconds.
    pub fn seconds(&self) -> f64 {
        parse_duration(&self.per).unwrap_or(0.0)
    }
}

impl RequirePlan {
    /// Whether it is for an environment.
    pub fn is_for(&self, environment: &str) -> bool {
        self.environments.as_ref().is_none_or(|list| list.iter().any(|name| name == environment))
    }

    /// How old the plan may be, in seconds.
    pub fn seconds(&self) -> f64 {
        parse_duration(&self.max_age).unwrap_or(0.0)
    }
}

/// What is wrong with these settings.
pub(super) fn problem_of(config: &Config) -> Option<String> {
    let roles = config.roles.iter().find_map(|(name, role)| role_problem(name, role));
    let unknown = config.overrides.iter().find_map(|(brake, roles)| {
        let lost = roles.iter().find(|role| !config.roles.contains_key(*role))?;
        Some(format!("`overrides.{brake}` names the role {lost}, which is not in `roles`"))
    });
    let freeze = || config.freeze.iter().find_map(Freeze::problem);
    let limits = || config.limits.iter().find_map(limit_problem);
    let plan = || {
        let required = config.require_plan.as_ref()?;
        let none = required.environments.as_ref().is_some_and(Vec::is_empty);
        let none = none.then(|| "`require_plan.environments` is empty; leave it out for all of them".to_owned());
        none.or_else(|| environments_problem("require_plan", required.environments.as_deref()))
            .or_else(|| window_problem("require_plan.max_age", &required.max_age))
    };
    roles.or(unknown).or_else(freeze).or_else(limits).or_else(plan)
}

/// A name that no inventory can have would switch the brake off.
pub(super) fn environments_problem(of: &str, names: Option<&[String]>) -> Option<String> {
    names.unwrap_or_default().iter().find_map(|name| {
        let why = environment_problem(name)?;
        Some(format!("`{of}`: `environments` has `{name}`: {why}"))
    })
}

fn limit_problem(limit: &Limit) -> Option<String> {
    let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-_".contains(letter);
    if limit.playbook != "*" && (limit.playbook.is_empty() || !limit.playbook.chars().all(plain)) {
        return Some(format!(
            "`limits`: `playbook: {}` is no playbook's name, so nothing would ever be counted; write one name, or \"*\" for \
             all of them together",
            limit.playbook
        ));
    }
    if limit.runs == 0 {
        return Some(format!("`limits`: `runs: 0` would let {} never run", limit.playbook));
    }
    window_problem("limits: per", &limit.per)
}

fn window_problem(what: &str, text: &str) -> Option<String> {
    let fits = parse_duration(text).is_some_and(|seconds| seconds > 0.0 && seconds <= 31_536_000.0);
    (!fits).then(|| format!("`{what}: {text}` is no time: write 30m or 1h, at most a year"))
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
