//! The pure core and the driver, over the simulated world: every outcome of every step against every policy, and the
//! runner killed at every write and around every effect.

mod again;
mod approvals;
mod armed;
mod batches;
mod checks;
mod crashes;
mod fleets;
mod given_up;
mod groups;
mod halts;
mod harness;
mod outcomes;
mod over;
mod people;
mod read_again;
mod review_asker;
mod review_brakes;
mod review_brakes_random;
mod review_groups;
mod review_random;
mod review_return;
mod review_stops;
mod review_time;
mod review_undo;
mod skips;
mod unwritten;
