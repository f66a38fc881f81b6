//! Numbers of replicas, changed in stages; a number that somebody else set meanwhile is never overwritten.

mod climb;
pub(super) mod scale;
mod stages;
