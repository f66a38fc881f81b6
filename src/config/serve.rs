//! The settings of `playbook serve`: where it listens, and which users of this machine have which of its roles. What they mean
//! is said in `docs/server.md`; nothing is enforced here.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Config, Role};

/// The roles that the server knows, as the configuration writes them.
pub const SERVER_ROLES: [&str; 5] = ["viewer", "operator", "approver", "trigger", "admin"];

/// The settings of the server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Serve {
    /// The address and port that it listens on.
    pub listen: Option<SocketAddr>,
    /// Its socket's file; relative to the configuration.
    pub socket: Option<PathBuf>,
    /// What it proves with who it is; needed beyond loopback.
    pub tls: Option<Tls>,
    /// The names that requests may ask for, beside those of loopback.
    pub hosts: Vec<String>,
    /// What somebody may do on loopback who says nothing of who they are; nothing where absent.
    pub anonymous: Option<Anonymous>,
    /// Which users and groups of this machine have which role on its socket.
    pub roles: BTreeMap<String, Role>,
}

/// A certificate and its key, in files that may be replaced while the server runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate, and those above it, as PEM.
    pub certificate: PathBuf,
    /// Its private key, as PEM.
    pub key: PathBuf,
}

/// What somebody may do without a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anonymous {
    /// Read.
    Viewer,
}

/// What is wrong with these settings.
pub(super) fn problem_of(config: &Config) -> Option<String> {
    let serve = config.serve.as_ref()?;
    let unknown = serve.roles.keys().find(|name| !SERVER_ROLES.contains(&name.as_str()));
    if let Some(name) = unknown {
        return Some(format!("`serve.roles.{name}`: the server has the roles {}", SERVER_ROLES.join(", ")));
    }
    let nobody = |role: &Role| role.users.iter().chain(&role.groups).all(|name| name.trim().is_empty());
    if let Some((name, _)) = serve.roles.iter().find(|(_, role)| nobody(role)) {
        return Some(format!("`serve.roles.{name}` needs `users` or `groups`, or nobody would have that role"));
    }
    let plain = |name: &str| {
        !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-._:[]".contains(letter))
    };
    serve.hosts.iter().find(|name| !plain(name)).map(|name| {
        format!(
            "`serve.hosts` has `{name}`: write a name or an address as it stands in requests, such as runner.example"
        )
    })
}
