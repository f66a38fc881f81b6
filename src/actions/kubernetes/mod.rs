//! Kubernetes: look at objects, wait for them, change and scale them, through the API of a cluster of the inventory. Objects
//! stay JSON, so that every version that a cluster serves can be read. A cluster whose `kube-system` has another uid than the
//! inventory says is never touched, and nothing is changed without a condition on what was seen before.

mod client;
mod fields;
mod kubectl;
mod look;
mod nodes;
mod objects;
mod replicas;
mod rollout;
mod surroundings;

use std::sync::Arc;

pub use fields::apply::Apply;
pub use fields::patch::PatchObject;
pub use look::get::Get;
pub use look::wait::Wait;
pub use nodes::cordon::Cordon;
pub use nodes::drain::Drain;
pub use nodes::uncordon::Uncordon;
pub use replicas::scale::Scale;
pub use rollout::restart::RolloutRestart;
pub use rollout::status::RolloutStatus;
pub use rollout::undo::RolloutUndo;

use super::{Action, ActionError};
use crate::outcome::Report;
use crate::spec::FieldSpec;
use crate::value::{Type, Value, is_unknown};

/// Who changes what this room changes, as the cluster's managed fields name it.
const MANAGER: &str = "playbook";

/// Why something could not be done at a cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KubernetesError {
    /// The arguments or the inventory make no sense, or it must not be done here; nothing was sent.
    #[error("{0}")]
    Invalid(String),
    /// Nobody answers, or nothing was changed for sure: trying again may help.
    #[error("{0}")]
    Unreachable(String),
    /// A change was sent, and no answer came: it may have happened or not.
    #[error("{0}")]
    Lost(String),
    /// The API said no: not allowed, over the quota, not valid. Nothing was changed.
    #[error("{text}")]
    Refused {
        /// The HTTP status.
        code: u16,
        /// Its word for it: `Forbidden`, `Invalid`.
        reason: String,
        /// What it said, for a person.
        text: String,
    },
    /// Somebody else changed the object since it was read. Nothing was changed.
    #[error("{0}")]
    Conflict(String),
    /// The object is not there.
    #[error("{0}")]
    Gone(String),
    /// The API wants less of us, or an eviction would break a disruption budget: later it may go. Nothing was changed.
    #[error("{0}")]
    TooMany(String),
}

impl KubernetesError {
    /// The report of an attempt that has changed something before it met this.
    fn after_a_change(self) -> Report {
        match self {
            KubernetesError::Lost(text) => Report::unknown(text),
            other => Report::failed(other.to_string()),
        }
    }
}

impl From<KubernetesError> for ActionError {
    fn from(error: KubernetesError) -> Self {
        match error {
            KubernetesError::Unreachable(text) | KubernetesError::Lost(text) | KubernetesError::TooMany(text) => {
                ActionError::Unreachable(text)
            }
            KubernetesError::Invalid(text)
            | KubernetesError::Conflict(text)
            | KubernetesError::Gone(text)
            | KubernetesError::Refused { text, .. } => ActionError::Invalid(text),
        }
    }
}

/// The report of an attempt whose only change met this.
impl From<KubernetesError> for Report {
    fn from(error: KubernetesError) -> Self {
        match error {
            KubernetesError::Lost(text) => Report::unknown(text),
            other => Report::no_effect(other.to_string()),
        }
    }
}

/// The actions of this room, for the table.
pub fn all() -> Vec<Arc<dyn Action>> {
    vec![
        Arc::new(Apply),
        Arc::new(Cordon),
        Arc::new(Drain),
        Arc::new(Get),
        Arc::new(PatchObject),
        Arc::new(RolloutRestart),
        Arc::new(RolloutStatus),
        Arc::new(RolloutUndo),
        Arc::new(Scale),
        Arc::new(Uncordon),
        Arc::new(Wait),
    ]
}

/// The inputs that all of them have.
fn cluster_inputs() -> Vec<FieldSpec> {
    vec![
        FieldSpec::required("cluster", Type::Reference("cluster".into()), "the cluster's name in the inventory"),
        FieldSpec::optional(
            "namespace",
            Type::Identifier,
            "the namespace; the cluster's own in the inventory where absent",
        ),
    ]
}

/// The fact that every changing action of this room reads: which cluster it talks to.
fn cluster_fact() -> FieldSpec {
    FieldSpec::optional("cluster_uid", Type::String, "the cluster: the uid of its namespace kube-system").identity()
}

/// A text argument; `None` where it is absent, null, empty or not known yet.
fn text<'a>(arguments: &'a Value, name: &str) -> Option<&'a str> {
    arguments.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A text argument that must be there by now.
fn needed<'a>(arguments: &'a Value, name: &str) -> Result<&'a str, KubernetesError> {
    text(arguments, name).ok_or_else(|| match arguments.get(name) {
        Some(value) if is_unknown(value) => KubernetesError::Invalid(format!("`{name}` is not known yet")),
        _ => KubernetesError::Invalid(format!("`{name}` is missing or no text")),
    })
}
