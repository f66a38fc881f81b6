//! What stands in for ssh in a binary that was built without it: it refuses, and says so.

use std::time::Duration;

use super::{Command, CommandError, Ended, Recalled, Wire};
use crate::actions::Context;

fn refusal(host: &str) -> String {
    format!("this binary was built without ssh: it runs nothing on {host}. Build it with `--features ssh`")
}

/// Refuses.
pub(super) async fn look(_: &Context, host: &str, _: &Command, _: Duration) -> Result<Ended, CommandError> {
    Err(CommandError::Invalid(refusal(host)))
}

/// Refuses.
pub(super) async fn change(
    _: &Context,
    host: &str,
    _: &Command,
    _: &str,
    _: Duration,
    _: bool,
) -> Result<Ended, CommandError> {
    Err(CommandError::Invalid(refusal(host)))
}

/// Refuses.
pub(super) async fn recall(_: &Context, host: &str, _: &str, _: Duration, _: Option<Duration>) -> Recalled {
    Recalled::Lost(refusal(host))
}

/// Refuses.
pub(super) async fn is_there(_: &Context, host: &str, _: &str, _: Duration) -> Result<bool, CommandError> {
    Err(CommandError::Invalid(refusal(host)))
}

/// Refuses.
pub(super) async fn converse<T: Send + 'static>(
    _: &Context,
    host: &str,
    _: Duration,
    _: impl FnOnce(&mut dyn Wire) -> T + Send + 'static,
) -> Result<T, CommandError> {
    Err(CommandError::Invalid(refusal(host)))
}
