//! The run as the screen knows it: a copy that is moved on record by record by whoever draws, without what commands printed
//! and what they were given. So the run pays the same for a record, however many hosts there are. Pure.

use crate::run::{Intent, Record, RunState};
use crate::value::Value;

use super::crowd::Crowds;

/// What is told to a mirror.
pub enum Told {
    /// All that is known.
    Whole(Box<RunState>),
    /// What happened next.
    Next(Box<Record>),
}

impl Told {
    /// All that is known, without what is not shown.
    pub fn whole(state: &RunState) -> Self {
        let mut state = state.clone();
        for task in state.tasks.values_mut() {
            if let Some(report) = &mut task.report {
                report.output = None;
                report.outputs = Value::Null;
            }
            if let Some(Intent { arguments, .. }) = &mut task.intent {
                *arguments = Value::Null;
            }
        }
        Self::Whole(Box::new(state))
    }

    /// A record, without what is not shown.
    pub fn next(record: &Record) -> Self {
        Self::Next(Box::new(record.light()))
    }
}

/// A run as the screen knows it.
#[derive(Debug, Clone, Default)]
pub struct Mirror {
    /// What is known of it; absent while it is planned.
    pub state: Option<RunState>,
    /// Its crowds.
    pub crowds: Crowds,
}

impl Mirror {
    /// Of a run as it stands.
    pub fn of(state: RunState) -> Self {
        Self { crowds: Crowds::of(&state), state: Some(state) }
    }

    /// Moves on. False where the record is none that follows: all must be told anew.
    pub fn take(&mut self, told: Told) -> bool {
        match told {
            Told::Whole(state) => {
                *self = Self::of(*state);
                true
            }
            Told::Next(record) => {
                let Some(state) = &mut self.state else { return false };
                if state.apply(&record).is_err() {
                    return false;
                }
                self.crowds.take(&record, state);
                true
            }
        }
    }
}
