//! Document → Playbook: the types of a playbook, its expressions and templates, and lint. Pure: it never reads a file and
//! never looks at a target; actions are known to it as `ActionSpec`s alone.

mod cel;
mod evaluate;
#[cfg(test)]
mod evaluate_tests;
mod model;
mod template;
mod walk;

pub use evaluate::{EvaluateError, Scope, Truth, compute, decide_condition, explain, render, resolve_arguments};
pub use model::*;
