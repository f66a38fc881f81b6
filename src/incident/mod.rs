//! What has gone wrong: an incident's own events and the one fold over them, its severity and who decides it, and the
//! timeline that holds all its runs, deliveries, decisions and notes in order. It never reads a clock, a file or the network.

mod classify;
mod event;
mod merge;
mod record;
mod recovered;
mod sentence;
mod shown;
mod state;
#[cfg(test)]
mod tests;

pub use crate::config::{Level, Severity};
pub use classify::{Levels, Said, classify, classify_for_playbook};
pub use event::{AlertState, INCIDENT_FORMAT, IncidentEvent, Opening};
pub use merge::{Entry, Merge, Of, Source};
pub use record::IncidentRecord;
pub use recovered::{Recovered, SERVICE_UP};
pub use sentence::{entry, kind, sentence};
pub use shown::Began;
pub use state::{Alert, Brief, Incident, IncidentError, Proposal, Standing};
