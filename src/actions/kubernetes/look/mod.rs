//! Looking at objects and waiting for them. Nothing here changes a cluster.

pub(super) mod get;
mod path;
pub(super) mod wait;
pub(super) mod workload;
