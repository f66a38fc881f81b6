//! What comes in from monitoring: a delivery's proof that it is who it says, the alerts in it, and which playbook they ask for.
//! It never starts anything, and never reads a clock, a file or the network.

mod admit;
mod alert;
mod alertmanager;
mod error;
mod json;
mod pagerduty;
mod proof;
mod routes;
mod source;
mod standard_webhooks;
#[cfg(test)]
mod tests;

pub use admit::{admit, admit_from};
pub use alert::{Alert, Delivery};
pub use error::TriggerError;
pub use proof::{Headers, PATIENCE};
pub use routes::{Passed, Routed, Routes, Taken, Wanted};
pub use source::{MAX_BODY, Source};
