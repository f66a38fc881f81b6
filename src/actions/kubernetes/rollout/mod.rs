//! Releases of a workload: restarted, taken back, watched to their end. A revision is put only over the one that was seen.

mod back;
pub(super) mod progress;
mod put;
pub(super) mod restart;
mod revisions;
pub(super) mod status;
mod target;
pub(super) mod undo;
mod watch;
