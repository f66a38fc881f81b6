//! Playbook + inputs + facts → Plan. It asks what to look up and is told; it never looks itself. Pure.

mod batches;
mod checks;
mod digest;
mod done;
mod drift;
mod enter;
mod error;
mod file;
mod foresee;
mod hand;
mod hosts;
mod items;
mod model;
mod narrow;
mod otherwise;
mod planner;
mod scope;
mod unseen;
mod view;

pub use batches::{Batches, NoBatches, batches_of, batches_written, spread};
pub use done::{DoneBefore, DoneStep};
pub use drift::{Drift, DriftKind, drift};
pub use file::{DEFAULT_MAX_AGE, Here, PlanFile, PlanFileError};
pub use foresee::{check_requirements, subjects};
pub use hand::{Hand, conditions};
pub use hosts::{Excluded, HostFound, HostsAsked, changed_variables, items_of_hosts, silent_of};
pub use items::{Item, NoItems, hold_number, items_of};
pub use model::{Decided, Plan, PlannedCheck, PlannedGroup, PlannedStep, Requirement};
pub use narrow::{Again, Limit, Narrowed, Narrowing, NoList, Which};
pub use otherwise::{Otherwise, Then, otherwise};
pub use planner::{Lookup, PlanError, Planner};
pub use scope::{Known, Place, scope_at};
pub use unseen::may_run_unseen;
