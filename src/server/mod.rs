//! `playbook serve`: owns a state where more than one person works with it, and lets others act on it over HTTP, each with
//! the roles that they have. It never decides what a run does: that is the engine's, as everywhere.

pub mod alerts;
mod caller;
mod hands;
mod house;
pub mod http;
mod problem;
mod rules;
mod runner;
pub mod tokens;

pub use caller::{Caller, Role};
pub use hands::Hands;
pub use house::House;
pub use problem::Problem;
pub use rules::{Happening, Known, Refusal, Rules};
pub use runner::{Asked, Begun, Further, Offered, Over, Runner, Wanted};
