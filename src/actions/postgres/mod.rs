//! PostgreSQL: look at a cluster, fence, promote and rejoin its members, ask and change its data. Members are asked over
//! SQL directly, never through a proxy; their servers are stopped and started by commands on their hosts. A member whose
//! system identifier is not the cluster's is never touched.

mod backup;
mod by_hand;
mod canary;
mod catch_up;
mod cluster;
mod connect;
mod conninfo;
mod controller;
mod endpoint;
mod execute;
mod fence;
mod fence_unplanned;
mod follow;
mod lsn;
mod member;
mod observe;
mod promote;
mod query;
mod read_only;
mod rejoin;
mod rejoin_host;
mod status;
mod status_spec;
mod verdicts;
mod votes;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use backup::{Compare, Restore, Swap};
pub use canary::Canary;
pub use catch_up::CatchUp;
pub use execute::Execute;
pub use fence::Fence;
pub use follow::Follow;
pub use promote::Promote;
pub use query::Query;
pub use read_only::ReadOnly;
pub use rejoin::Rejoin;
pub use status::Status;

use super::{Action, ActionError};
use crate::outcome::Report;
use crate::spec::FieldSpec;
use crate::value::{Type, Value, is_unknown};

/// Why something could not be done at a cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PostgresError {
    /// The arguments or the inventory make no sense.
    #[error("{0}")]
    Invalid(String),
    /// Nothing was sent, as nobody answers.
    #[error("{0}")]
    Unreachable(String),
    /// It said no, or this must not be done here; nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// It was tried and failed.
    #[error("{0}")]
    Failed(String),
    /// It was sent, and no answer came.
    #[error("{0}")]
    Lost(String),
}

impl From<PostgresError> for ActionError {
    fn from(error: PostgresError) -> Self {
        match error {
            PostgresError::Unreachable(text) | PostgresError::Lost(text) => ActionError::Unreachable(text),
            PostgresError::Invalid(text) | PostgresError::Refused(text) | PostgresError::Failed(text) => {
                ActionError::Invalid(text)
            }
        }
    }
}

impl From<PostgresError> for Report {
    fn from(error: PostgresError) -> Self {
        match error {
            PostgresError::Invalid(text) | PostgresError::Unreachable(text) | PostgresError::Refused(text) => {
                Report::no_effect(text)
            }
            PostgresError::Failed(text) => Report::failed(text),
            PostgresError::Lost(text) => Report::unknown(text),
        }
    }
}

/// The actions of this room, for the table.
pub fn all() -> Vec<Arc<dyn Action>> {
    vec![
        Arc::new(Status),
        Arc::new(Query),
        Arc::new(Execute),
        Arc::new(Fence),
        Arc::new(CatchUp),
        Arc::new(Promote),
        Arc::new(Canary),
        Arc::new(ReadOnly),
        Arc::new(Rejoin),
        Arc::new(Follow),
        Arc::new(Restore),
        Arc::new(Compare),
        Arc::new(Swap),
    ]
}

/// The fact that every changing action of this room reads: whom it talks to.
fn identity_fact() -> FieldSpec {
    FieldSpec::optional("system_identifier", Type::String, "the cluster's identifier").identity()
}

/// A text argument; `None` where it is absent, null, empty or not known yet.
fn text<'a>(arguments: &'a Value, name: &str) -> Option<&'a str> {
    arguments.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A text argument that must be there by now.
fn needed<'a>(arguments: &'a Value, name: &str) -> Result<&'a str, PostgresError> {
    text(arguments, name).ok_or_else(|| match arguments.get(name) {
        Some(value) if is_unknown(value) => PostgresError::Invalid(format!("`{name}` is not known yet")),
        _ => PostgresError::Invalid(format!("`{name}` is missing or no text")),
    })
}

/// When an attempt has to be over.
#[derive(Debug, Clone, Copy)]
struct Deadline(Instant);

impl Deadline {
    fn after(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    fn passed(self) -> bool {
        self.left().is_zero()
    }

    /// The pause between two looks at something that is waited for.
    async fn pause(self) {
        tokio::time::sleep(Duration::from_millis(150).min(self.left())).await;
    }
}
