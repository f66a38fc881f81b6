//! Simulated worlds: a table of named values with actions of every effect, and faults where they are told; and a written
//! world in which the real actions' specs play, for rehearsals. It implements the house's traits and nothing else; it never
//! touches anything real.

mod action;
mod rehearse;
mod stage;
mod world;

pub use action::table;
pub use rehearse::rehearsed;
pub use stage::{Mishap, Scene, Stage, StageError, StageText, keys};
pub use world::{Fault, World};
