//! The pure core and the driver, over the simulated world: every outcome of every step against every policy, and the
//! runner killed at every write and around every effect.

mod crashes;
mod groups;
mod harness;
mod outcomes;
mod people;
mod read_again;
mod review_groups;
mod review_random;
mod review_return;
mod review_stops;
mod review_time;
mod review_undo;
