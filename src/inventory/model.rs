//! The inventory as the actions see it. `docs/inventory.md` explains each word.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::tree::Planted;
use super::{Application, Backup, Cloud, Cluster, Group, Link, Pooler, Secrets, Service};

/// Variables of a host or a group: values that steps may use, never secrets.
pub type Variables = serde_json::Map<String, crate::value::Value>;

/// What playbooks act on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Inventory {
    /// `lab`, `staging`, `production`: what a mistake here would cost.
    pub environment: String,
    /// The `playbook serve` that owns the state of this environment.
    pub server: Option<String>,
    /// Hosts that commands run on over ssh.
    #[serde(deserialize_with = "super::group::hosts")]
    pub hosts: BTreeMap<String, Host>,
    /// Names for several hosts.
    pub groups: BTreeMap<String, Group>,
    /// Database clusters.
    pub databases: BTreeMap<String, Database>,
    /// Proxies in front of them.
    pub proxies: BTreeMap<String, Proxy>,
    /// Backups of databases.
    pub backups: BTreeMap<String, Backup>,
    /// Services on hosts.
    pub services: BTreeMap<String, Service>,
    /// Applications whose releases lie side by side, and the link to the one that runs.
    pub applications: BTreeMap<String, Application>,
    /// Pairs of links to the same place, one of which carries the traffic.
    pub links: BTreeMap<String, Link>,
    /// Connection poolers in front of them.
    pub poolers: BTreeMap<String, Pooler>,
    /// Kubernetes clusters.
    pub clusters: BTreeMap<String, Cluster>,
    /// Accounts of AWS, each in a region.
    pub clouds: BTreeMap<String, Cloud>,
    /// Who to ask, by role: free text for a person.
    pub contacts: BTreeMap<String, String>,
    /// Where the secrets are asked for that it refers to, and those of inputs: in memory alone.
    #[serde(skip)]
    pub secrets: Secrets,
    /// Who is in which group, made when it is first asked for. Change nothing above once it was.
    #[serde(skip)]
    pub tree: Planted,
}

impl Inventory {
    /// The same for one more attempt: what it refers to is read anew.
    #[must_use]
    pub fn anew(&self) -> Self {
        Self { secrets: self.secrets.anew(), tree: self.tree.shared(), ..self.clone() }
    }
}

/// A host that is reached over ssh.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Its address.
    pub address: String,
    /// Its ssh port.
    #[serde(default = "ssh_port")]
    pub port: u16,
    /// The user to log in as; the local user's name where absent.
    #[serde(default)]
    pub user: Option<String>,
    /// The private key; the agent where absent.
    #[serde(default)]
    pub identity_file: Option<PathBuf>,
    /// The password, by reference, for a host (a router mostly) that asks for one: as such, or keyboard-interactive. With
    /// `identity_file` too, only where the host refuses that key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretRef>,
    /// The known_hosts file that pins its key; `~/.ssh/known_hosts` where absent. A host that is not in it is refused.
    #[serde(default)]
    pub known_hosts: Option<PathBuf>,
    /// The host of this inventory to go through.
    #[serde(default)]
    pub jump: Option<String>,
    /// How long connecting may take, in seconds.
    #[serde(default = "connect_seconds")]
    pub connect_timeout_seconds: f64,
    /// Its own variables.
    #[serde(default, skip_serializing_if = "Variables::is_empty")]
    pub vars: Variables,
    /// Where it stands among the hosts of its file.
    #[serde(skip)]
    pub place: usize,
    /// Why it must not be connected to, where its file asks for a way to it that we do not go (another command, another
    /// protocol, a password in clear text): it is refused when it is used, as another way might lead to another machine.
    #[serde(skip)]
    pub refused: Option<String>,
    /// Whether it is only there as the way to others, and stands for itself in no group.
    #[serde(skip)]
    pub only_a_way: bool,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            address: String::new(),
            port: ssh_port(),
            user: None,
            identity_file: None,
            password: None,
            known_hosts: None,
            jump: None,
            connect_timeout_seconds: connect_seconds(),
            vars: Variables::new(),
            place: 0,
            refused: None,
            only_a_way: false,
        }
    }
}

/// A PostgreSQL cluster: a primary and its standbys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// Its system identifier, as `pg_controldata` prints it. A member with another one is never touched.
    #[serde(default)]
    pub system_identifier: Option<String>,
    /// The role to connect as (a superuser, or a member of pg_monitor with the functions granted).
    pub user: String,
    /// Its password, by reference.
    #[serde(default)]
    pub password: Option<SecretRef>,
    /// The database to connect to.
    pub dbname: String,
    /// The role that standbys replicate as; `user` where absent.
    #[serde(default)]
    pub replication_user: Option<String>,
    /// The members, by name. The proxy's servers have the same names unless a member says otherwise.
    pub members: BTreeMap<String, Member>,
    /// The proxy in front, by name.
    #[serde(default)]
    pub proxy: Option<String>,
    /// The connection pooler in front of that, by name.
    #[serde(default)]
    pub pooler: Option<String>,
    /// Where clients connect: `ADDRESS:PORT` of the pooler, or of the proxy where there is none.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// How a primary that does not answer is fenced, the first whose probe confirms it counting.
    #[serde(default)]
    pub fence: Vec<Fence>,
}

/// One member of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// The host of this inventory on which its server runs; this very host where absent.
    #[serde(default)]
    pub host: Option<String>,
    /// The address its server listens on.
    pub address: String,
    /// And the port.
    pub port: u16,
    /// Its data folder on its host.
    pub data_directory: PathBuf,
    /// The folder of `pg_ctl`, `pg_rewind`, `pg_controldata` on its host.
    pub bin_directory: PathBuf,
    /// The command (an argument list, on its host) that starts it; `pg_ctl start` where absent.
    #[serde(default)]
    pub start: Option<Vec<String>>,
    /// The command that stops it cleanly; `pg_ctl stop -m fast` where absent.
    #[serde(default)]
    pub stop: Option<Vec<String>>,
    /// Its name in the proxy's backend; the member's own name where absent.
    #[serde(default)]
    pub server: Option<String>,
    /// The replication slot that it uses on its primary, if any.
    #[serde(default)]
    pub slot: Option<String>,
    /// Where its Patroni answers, `ADDRESS:PORT`, if it is managed by one; its address and port 8008 where absent.
    #[serde(default)]
    pub patroni: Option<String>,
    /// Its address as the proxy has it, `ADDRESS:PORT`, where the proxy reaches it by another one than we do.
    #[serde(default)]
    pub proxy_address: Option<String>,
}

/// One way to make sure that a primary takes no more writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "method", deny_unknown_fields)]
pub enum Fence {
    /// Stop its server over ssh on its host; confirmed when no process serves the data folder any more.
    Ssh,
    /// Run a command here (an IPMI tool, a switch, a cloud's command line), confirmed by another one's exit code 0.
    Command {
        /// What fences; `{member}`, `{address}` and `{host}` stand for the member's. An argument list, no shell.
        argv: Vec<String>,
        /// What confirms it.
        probe: Vec<String>,
    },
}

/// An HAProxy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proxy {
    /// The host of this inventory that its socket lies on; this very host where absent.
    #[serde(default)]
    pub host: Option<String>,
    /// Its runtime socket (`stats socket … level admin`): a path, or `ADDRESS:PORT`.
    pub socket: String,
    /// The backend whose servers are switched.
    pub backend: String,
    /// The servers of that backend, name to `ADDRESS:PORT`, where they are no database's members: one that leads elsewhere
    /// is not touched.
    #[serde(default)]
    pub servers: BTreeMap<String, String>,
}

/// Where a secret is found (`value::Reference` has the forms). Never the secret itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretRef(pub String);

fn ssh_port() -> u16 {
    22
}

fn connect_seconds() -> f64 {
    5.0
}
