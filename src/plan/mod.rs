//! Playbook + inputs + facts → Plan. It asks what to look up and is told; it never looks itself. Pure.

mod model;

pub use model::{Decided, Plan, PlannedStep, Requirement};
