//! Simulated worlds: a table of named values with actions of every effect, and faults where they are told; and a written
//! world in which the real actions' specs play, for rehearsals and proofs. It implements the house's traits, and a proof
//! drives the real engine in it; it never touches anything real.

mod action;
mod consent;
mod ledger;
pub mod prove;
mod rehearse;
mod stage;
mod world;

pub use action::table;
pub use consent::approve_all;
pub use ledger::Ledger;
pub use rehearse::rehearsed;
pub use stage::{Moved, Saved, Scene, Showing, Stage, StageError, StageText, keys};
pub use world::{Fault, World};
