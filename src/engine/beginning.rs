//! What a run begins with, besides its plan. Only a person passes a brake or approves ahead: whoever begins a run has to say
//! who it is, and what a trigger begins can hold neither.

use crate::ids::StepId;

/// What a run begins with, besides its plan.
#[derive(Debug, Clone, Default)]
pub struct Beginning {
    pub(super) incident: Option<String>,
    pub(super) overrides: Vec<(String, String)>,
    pub(super) approved: Vec<StepId>,
}

impl Beginning {
    /// A person begins it, with the brakes that are passed by name, each with its reason, and the steps that are approved
    /// ahead.
    pub fn by_person(overrides: Vec<(String, String)>, approved: Vec<StepId>) -> Self {
        Self { incident: None, overrides, approved }
    }

    /// A trigger begins it (an alert, a request over the network): every brake binds it.
    pub fn by_trigger() -> Self {
        Self::default()
    }

    /// The same, of an incident.
    #[must_use]
    pub fn of_incident(self, incident: Option<String>) -> Self {
        Self { incident, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_trigger_begins_passes_no_brake_and_approves_nothing() {
        let begun = Beginning::by_trigger().of_incident(Some("i-1".to_owned()));
        assert!(begun.overrides.is_empty() && begun.approved.is_empty() && begun.incident.is_some());
    }
}
