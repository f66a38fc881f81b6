//! What playbooks act on: hosts, databases, proxies, links, services. A leaf: it reads its file and knows nothing of the
//! rest. Its file never holds a secret, only references to secrets, and it never talks to what it names; it reads the
//! secrets themselves when they are asked for, and keeps them in memory alone.

mod application;
mod backup;
mod check;
mod cloud;
mod cluster;
mod group;
mod link;
mod load;
mod lookup;
mod model;
mod pooler;
mod read;
mod secret;
mod select;
mod server;
mod service;
mod tree;

pub use application::Application;
pub use backup::Backup;
pub use cloud::Cloud;
pub use cluster::{Cluster, is_namespace};
pub use group::{ALL, Group, UNGROUPED};
pub use link::{Far, FarPath, Link, LinkPath};
pub use load::load;
pub use model::{Database, Fence, Host, Inventory, Member, Proxy, SecretRef, Variables};
pub use pooler::{Pooler, is_pool_name};
pub use read::{Environment, Note, Read, Source, Whose, read};
pub use secret::{MASK, MaskedStream, Masker, Secret, Secrets};
pub use server::server_of;
pub use service::{Health, Service, ServiceTls};
pub use tree::Origin;

use std::path::PathBuf;

/// What is wrong with an inventory, or with a look into it.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// The file cannot be read.
    #[error("the inventory {} cannot be read: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no inventory: where, and what was expected there.
    #[error("the inventory {} is not valid:\n{rendered}", .path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// File, line, column, and the lines around it with a caret.
        rendered: String,
    },
    /// The file reads well but its parts do not fit each other. All problems, so that one look mends them.
    #[error("the inventory {} does not hold together:\n  - {}", .path.display(), .problems.join("\n  - "))]
    Inconsistent {
        /// The file.
        path: PathBuf,
        /// A sentence each, with the place (`databases.orders.members.pg1.host`).
        problems: Vec<String>,
    },
    /// A name that the inventory does not have.
    #[error("the inventory has no {kind} `{name}`{}", lookup::hint(.kind, .nearest.as_deref(), .known))]
    Unknown {
        /// `host`, `group`, `database`, … or `member`.
        kind: &'static str,
        /// The name that was asked for.
        name: String,
        /// The name that was probably meant.
        nearest: Option<String>,
        /// The names that there are.
        known: Vec<String>,
    },
    /// A group where one host is wanted.
    #[error(
        "`{name}` is a group of hosts ({hosts}), and one host is wanted here: let the step run for each of them \
         (`for_each: {{ hosts: {name} }}` and `host: \"{{{{item}}}}\"`)"
    )]
    Group {
        /// The group.
        name: String,
        /// The first of its hosts.
        hosts: String,
    },
    /// A pattern of hosts that cannot be understood, or means none.
    #[error("the hosts `{pattern}`: {why}")]
    Pattern {
        /// What was given.
        pattern: String,
        /// What is wrong with it.
        why: String,
    },
    /// A secret that cannot be found where its reference says.
    #[error("the secret `{reference}` cannot be read: {why}")]
    Secret {
        /// The reference, which is no secret itself.
        reference: String,
        /// What is wrong.
        why: String,
    },
}
