//! A simulated world: a table of named values, and actions of every effect that change it, with faults where they are told.
//! It implements the house's traits and nothing else; it never touches anything real.

mod action;
mod world;

pub use action::table;
pub use world::{Fault, World};
