//! AWS: instances of EC2, target groups in front of them. What the SDK is asked stands in `api/` alone, a file a service.
//! Nothing is acted on in another account than the inventory's, and nothing is taken for gone because it is not visible yet.

#[cfg(feature = "ec2")]
mod api;
#[cfg(not(feature = "ec2"))]
#[path = "without_ec2.rs"]
mod api;
mod by_hand;
mod deregister;
mod group;
mod healthy;
mod launch;
#[cfg(all(test, feature = "ec2"))]
mod launch_tests;
mod limit;
mod modify_type;
mod power;
mod reboot;
mod register;
mod seen;
mod start;
mod status;
mod stop;
mod target;
mod watch;

use std::sync::Arc;

pub use deregister::Deregister;
pub use healthy::Healthy;
pub use launch::Launch;
pub use modify_type::ModifyType;
pub use reboot::Reboot;
pub use register::Register;
pub use start::Start;
pub use status::Status;
pub use stop::Stop;

use super::{Action, ActionError};
use crate::outcome::Report;
use crate::spec::FieldSpec;
use crate::value::{Type, Value};

/// Why AWS did not do what it was asked. Each text says what that means for what is there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AwsError {
    /// The arguments or the inventory make no sense, or it must not be done here; nothing was sent.
    #[error("{0}")]
    Invalid(String),
    /// Nothing was sent, as nobody answers.
    #[error("{0}")]
    Unreachable(String),
    /// It was sent, and no answer came, or one that leaves open what became of it.
    #[error("{0}")]
    Lost(String),
    /// Who asks has no credentials, or they have expired; nothing was done.
    #[error("{0}")]
    Expired(String),
    /// Who asks may not do this; nothing was done.
    #[error("{0}")]
    Denied(String),
    /// It was asked too often, also after waiting; nothing was done.
    #[error("{0}")]
    Throttled(String),
    /// AWS said no, with this code; nothing was done.
    #[error("{text}")]
    Refused {
        /// AWS's own word, such as `InsufficientInstanceCapacity`.
        code: String,
        /// What that means, for a person.
        text: String,
    },
}

impl AwsError {
    /// Whether AWS does not have what was asked for. Right after a creation that means nothing.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code.contains("NotFound") || code.ends_with(".Malformed"))
    }

    /// Whether it was refused with this code.
    pub(crate) fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == wanted)
    }
}

impl From<AwsError> for ActionError {
    fn from(error: AwsError) -> Self {
        match error {
            AwsError::Unreachable(text) | AwsError::Lost(text) | AwsError::Throttled(text) => Self::Unreachable(text),
            AwsError::Invalid(text)
            | AwsError::Expired(text)
            | AwsError::Denied(text)
            | AwsError::Refused { text, .. } => Self::Invalid(text),
        }
    }
}

/// For an action that asked for one change alone: what asked for several says itself what was done before this.
impl From<AwsError> for Report {
    fn from(error: AwsError) -> Self {
        match error {
            AwsError::Lost(text) => Self::unknown(text),
            AwsError::Invalid(text)
            | AwsError::Unreachable(text)
            | AwsError::Expired(text)
            | AwsError::Denied(text)
            | AwsError::Throttled(text)
            | AwsError::Refused { text, .. } => Self::no_effect(text),
        }
    }
}

/// The actions of this room, for the table.
pub fn all() -> Vec<Arc<dyn Action>> {
    let mut list: Vec<Arc<dyn Action>> = vec![
        Arc::new(Deregister),
        Arc::new(Healthy),
        Arc::new(Launch),
        Arc::new(ModifyType),
        Arc::new(Reboot),
        Arc::new(Register),
        Arc::new(Start),
        Arc::new(Status),
        Arc::new(Stop),
    ];
    list.extend(group::all());
    list
}

/// The input that all of them have.
fn cloud_input() -> FieldSpec {
    FieldSpec::required(
        "cloud",
        Type::Reference("cloud".into()),
        "the account and region, by its name in the inventory",
    )
}

/// The fact that says whom the step talks to.
fn account_fact() -> FieldSpec {
    FieldSpec::required("account", Type::String, "the account that the credentials belong to").identity()
}

/// An argument that is a text and known.
fn text<'a>(arguments: &'a Value, name: &str) -> Option<&'a str> {
    arguments.get(name).and_then(Value::as_str)
}

/// An argument that has to be there by now.
fn needed<'a>(arguments: &'a Value, name: &str) -> Result<&'a str, AwsError> {
    text(arguments, name).ok_or_else(|| AwsError::Invalid(format!("`{name}` is missing, not known yet or no text")))
}
