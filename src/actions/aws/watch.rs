//! Looking at instances until they are as they should be. An id that AWS does not know yet is one that is not visible yet.

use std::time::Duration;

use tokio::time::Instant;

use super::AwsError;
use super::api::Cloud;
use super::seen::{Instance, said};

/// How soon instances are looked at again, at first and at most: AWS counts how often it is asked.
const AGAIN: Duration = Duration::from_millis(300);
const SLOWEST: Duration = Duration::from_secs(5);
/// How long AWS may take to show what it has just made.
pub(super) const VISIBLE: Duration = Duration::from_secs(10);

/// A pause that grows.
pub(super) struct Pace(Duration);

impl Pace {
    /// The shortest pause comes first.
    pub(super) fn new() -> Self {
        Self(AGAIN)
    }

    /// Waits, but not beyond the deadline; whether there is time for another look.
    pub(super) async fn wait(&mut self, deadline: Instant) -> bool {
        if Instant::now() + self.0 >= deadline {
            return false;
        }
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 3 / 2).min(SLOWEST);
        true
    }
}

/// Looks until all of them are as they should be, one of them is lost, or the time is up: the last look, and whether it holds.
pub(super) async fn until(
    cloud: &Cloud,
    ids: &[String],
    deadline: Instant,
    is_so: impl Fn(&Instance) -> bool,
) -> Result<(Vec<Instance>, bool), AwsError> {
    let mut pace = Pace::new();
    loop {
        let seen = match cloud.instances(ids).await {
            Err(error) if error.is_not_found() => Vec::new(),
            looked => looked?,
        };
        let holds = seen.len() == ids.len() && seen.iter().all(&is_so);
        let lost = seen.iter().any(|one| one.is_gone() && !is_so(one));
        if holds || lost || !pace.wait(deadline).await {
            return Ok((seen, holds));
        }
    }
}

/// What instances are, for a person; that they are not visible, where they are not.
pub(super) fn told(ids: &[String], seen: &[Instance]) -> String {
    let missing: Vec<&str> =
        ids.iter().filter(|id| !seen.iter().any(|one| &one.id == *id)).map(String::as_str).collect();
    match (seen.is_empty(), missing.is_empty()) {
        (_, true) => said(seen),
        (true, _) => format!("AWS does not show {}", missing.join(", ")),
        _ => format!("{}; AWS does not show {}", said(seen), missing.join(", ")),
    }
}
