//! (to come)

pub mod holder;
