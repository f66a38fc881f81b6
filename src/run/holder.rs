//! Who holds a run, as its records say it: enough of a process that another one can tell whether it is gone. Pure: whether it
//! is, is looked at elsewhere.

use serde::{Deserialize, Serialize};

/// A process that holds a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Who started it.
    pub user: String,
    /// On which host.
    pub host: String,
    /// The kernel's boot id: a rebooted host holds nothing.
    pub boot: String,
    /// The process id.
    pub pid: u32,
    /// The namespace that the process id counts in: containers of one host have ids of their own.
    #[serde(default)]
    pub namespace: String,
    /// The process' start time in clock ticks since boot, so that a reused process id is told apart.
    pub started: u64,
    /// Whether it is a `playbook serve`: what such a process leaves, the next one on the same state takes up by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub serves: bool,
}

/// Why a lease was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaseReason {
    /// The run begins.
    Start,
    /// The holder before is gone.
    Resume,
    /// A person said that the holder before is gone.
    TakeOver,
}
