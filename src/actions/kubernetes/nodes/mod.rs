//! Nodes: closed for new pods, emptied, opened again. Pods leave by the eviction API alone, so that budgets hold.

pub(super) mod cordon;
pub(super) mod drain;
mod evict;
mod node;
pub(super) mod uncordon;
