//! The settings of the tool on this machine. A leaf: it reads its file and knows nothing of the rest, and it never writes.

mod brakes;
mod client;
mod freeze;
mod hooks;
mod incidents;
mod load;
mod model;
mod notify;
mod serve;
mod traces;
mod webhook_key;

pub use brakes::{Limit, RequirePlan, Role};
pub use client::ServerNamed;
pub use freeze::Freeze;
pub use hooks::{
    Hook, HookFields, HookKind, HookProof, Trigger, TriggerIncident, TriggerMatch, TriggerMode, TriggerStatus,
};
pub use incidents::{IncidentSettings, Level, Matrix, Row, Severity, SeverityRule, label_fits};
pub use load::{file, load};
pub use model::{Config, Page};
pub use notify::{Language, Notify, NotifyKind, Wanted, WantedWord};
pub use serve::{Anonymous, SERVER_ROLES, Serve, Tls};
pub use traces::Traces;
pub use webhook_key::webhook_key;

use std::path::PathBuf;

/// What is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration {} ({named_by}) cannot be read: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Who said that it is there.
        named_by: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no configuration: where, and what was expected there.
    #[error("the configuration {} is not valid:\n{rendered}", .path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// File, line, column, and the lines around it with a caret.
        rendered: String,
    },
    /// A setting that makes no sense.
    #[error("the configuration {} cannot be used: {problem}", .path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// A sentence that names the setting.
        problem: String,
    },
}
