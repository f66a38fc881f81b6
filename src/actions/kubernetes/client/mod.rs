//! The way to a cluster: its client, where objects are, what the API answered. It judges answers and never decides what to do.

#[cfg(feature = "kube")]
mod api;
#[cfg(not(feature = "kube"))]
#[path = "without_kube.rs"]
mod api;
pub(super) mod cluster;
mod discovery;
pub(super) mod place;
pub(super) mod wire;
