//! What stands around a workload: quotas, budgets, autoscalers, who else manages it, what holds its pods up. All but `read` is pure.

pub(super) mod around;
pub(super) mod blockers;
pub(super) mod controllers;
mod quota;
pub(super) mod read;
