//! Releases that lie side by side on hosts, and the link to the one that runs: looked at, held to a declared check of the
//! schema, and switched at one stroke. It never makes or removes a release, and never restarts what serves one.

mod fits;
mod status;
mod switch;
mod target;

use std::sync::Arc;

pub use fits::Fits;
pub use status::Status;
pub use switch::Switch;

use super::Action;
use crate::spec::FieldSpec;
use crate::value::{Type, Value};

/// The actions of this room, for the table.
pub fn all() -> Vec<Arc<dyn Action>> {
    vec![Arc::new(Fits), Arc::new(Status), Arc::new(Switch)]
}

/// Why a release cannot be looked at, or not be switched to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// The arguments or the inventory make no sense here.
    #[error("{0}")]
    Invalid(String),
    /// No answer from the host.
    #[error("{0}")]
    Unreachable(String),
}

impl From<ReleaseError> for super::ActionError {
    fn from(error: ReleaseError) -> Self {
        match error {
            ReleaseError::Invalid(why) => Self::Invalid(why),
            ReleaseError::Unreachable(why) => Self::Unreachable(why),
        }
    }
}

fn application() -> FieldSpec {
    FieldSpec::required("application", Type::Reference("application".into()), "the application's name in the inventory")
}

fn text<'a>(arguments: &'a Value, name: &str) -> Option<&'a str> {
    arguments.get(name).and_then(Value::as_str)
}
