//! How long a recovery took, where its playbook says that its runs are one. It counts from the failure, where the run was
//! told when that was, else from the run's own start; and until the service was up as the steps say, else until the run's
//! end. Only a run that came to a good end recovered anything: one that was undone, stuck or abandoned has no such figure.

use super::{RunState, Time, Verdict};
use crate::playbook::{Recovered, Service, moment};
use crate::value::format_seconds;

/// The recovery that a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovery {
    /// Of what.
    pub what: Recovered,
    /// From when on it is counted.
    pub since: Time,
    /// Whether that is when the failure began, as the run was told; else it is the run's start.
    pub from_failure: bool,
    /// When it was recovered; nothing while it is not, and for good where the run came to another end.
    pub until: Option<Time>,
}

impl Recovery {
    /// How long it took, in seconds.
    pub fn seconds(&self) -> Option<f64> {
        Some(self.until?.seconds_since(self.since))
    }

    /// From when on it is counted, in words.
    pub fn from_words(&self) -> &'static str {
        if self.from_failure { "from the failure on" } else { "from the run's start on" }
    }
}

impl RunState {
    /// What this run recovers, if it is a recovery that counts.
    pub fn recovery(&self) -> Option<Recovery> {
        let good = |verdict| matches!(verdict, Verdict::Succeeded | Verdict::SucceededWithExceptions);
        let ended = self.ended.as_ref().filter(|(verdict, ..)| good(*verdict)).map(|(_, at, _)| *at);
        self.recovery_if(ended)
    }

    /// The same for a run that comes to a good end at a moment, or has not.
    fn recovery_if(&self, ended: Option<Time>) -> Option<Recovery> {
        let recovers = self.playbook().recovers.as_ref()?;
        let told = recovers.since.as_ref().and_then(|name| self.plan.inputs.get(name)?.as_str());
        // A failure that would lie behind the run's start is a slip of whoever wrote the time down.
        let failed = told.and_then(moment).map(Time).filter(|at| *at <= self.started);
        let until = match (ended, self.service) {
            (Some(_), Some((Service::Up, since))) => Some(since.max(self.started)),
            (Some(_), Some((Service::Degraded | Service::Down, _))) => None,
            (ended, _) => ended,
        };
        let since = failed.unwrap_or(self.started);
        Some(Recovery { what: recovers.what, since, from_failure: failed.is_some(), until })
    }
}

/// What the end of a run says of it, as the end of a sentence; empty where it is no recovery that counts.
pub(super) fn told(run: &RunState, now: Time) -> String {
    let Some(recovery) = run.recovery_if(Some(now)) else { return String::new() };
    let what = recovery.what.word();
    match recovery.seconds() {
        Some(seconds) => format!("; {what} recovered in {}, {}", format_seconds(seconds), recovery.from_words()),
        None => format!("; {what} not recovered: the service is not up"),
    }
}
