//! Playbook + inputs + facts → Plan. It asks what to look up and is told; it never looks itself. Pure.

mod digest;
mod drift;
mod file;
mod foresee;
mod model;
mod otherwise;
mod planner;

pub use drift::{Drift, DriftKind, drift};
pub use file::{DEFAULT_MAX_AGE, Here, PlanFile, PlanFileError};
pub use foresee::check_requirements;
pub use model::{Decided, Plan, PlannedStep, Requirement};
pub use otherwise::{Otherwise, Then, otherwise};
pub use planner::{Lookup, PlanError, Planner};
