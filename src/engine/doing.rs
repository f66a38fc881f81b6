//! What a run is doing, as whoever looks at it is told. "Running" is never read from a stored status: it means that somebody
//! who lives holds the lease.

use super::holder::{self, Liveness};
use crate::journal::{LeaseInfo, RunRow};
use crate::run::{QuestionKind, RunState};

/// How long a lease of another host may go without a sign of life before nobody is believed to hold it, in seconds.
const FOREIGN_LEASE_SECONDS: u64 = 30;

/// What a run is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Somebody holds its lease.
    Running,
    /// A person is awaited.
    Waiting,
    /// A person stopped it.
    Stopped,
    /// Its process is gone and it has not ended.
    Interrupted,
    /// An undo failed.
    Stuck,
    /// It is over.
    Ended,
    /// What is written down of it makes no sense.
    Damaged,
}

impl Doing {
    /// The word, as `list --runs` prints it.
    pub fn word(self) -> &'static str {
        match self {
            Doing::Running => "running",
            Doing::Waiting => "waiting",
            Doing::Stopped => "stopped",
            Doing::Interrupted => "interrupted",
            Doing::Stuck => "stuck",
            Doing::Ended => "ended",
            Doing::Damaged => "damaged",
        }
    }

    /// Of a row of the list of runs.
    pub fn of_row(row: &RunRow) -> Self {
        if row.damaged.is_some() {
            return Doing::Damaged;
        }
        Self::judge(row.verdict.is_some(), row.waiting, row.stopped, &row.lease)
    }

    /// Of a run's state and lease.
    pub fn of_state(state: &RunState, lease: &LeaseInfo) -> Self {
        let waiting = state.question.as_ref().map(|question| question.kind);
        Self::judge(state.ended.is_some(), waiting, state.stopped.is_some(), lease)
    }

    fn judge(ended: bool, waiting: Option<QuestionKind>, stopped: bool, lease: &LeaseInfo) -> Self {
        match waiting {
            _ if ended => Doing::Ended,
            Some(QuestionKind::UndoFailed) => Doing::Stuck,
            Some(_) => Doing::Waiting,
            None if stopped => Doing::Stopped,
            None if is_held(lease) => Doing::Running,
            None => Doing::Interrupted,
        }
    }
}

/// Whether a lease is held by somebody who lives.
pub fn is_held(lease: &LeaseInfo) -> bool {
    if let Some(held) = lease.held {
        return held;
    }
    if lease.released {
        return false;
    }
    match holder::is_alive(&lease.holder) {
        Liveness::Alive => true,
        Liveness::Gone => false,
        Liveness::OtherHost => lease.idle.is_some_and(|idle| idle.as_secs() < FOREIGN_LEASE_SECONDS),
    }
}

/// A row to try things on.
#[cfg(test)]
pub mod samples {
    use super::*;
    use crate::run::{Holder, Time};

    /// Of a run that nobody holds.
    pub fn row(run: &str) -> RunRow {
        let holder = Holder {
            user: "u".into(),
            host: "h".into(),
            boot: "b".into(),
            pid: 1,
            namespace: String::new(),
            started: 1,
            serves: false,
        };
        RunRow {
            run: run.parse().unwrap(),
            playbook: "p".into(),
            version: "1".into(),
            started: Time(0),
            updated: Time(0),
            verdict: None,
            waiting: None,
            stopped: false,
            lease: LeaseInfo { epoch: 1, holder, released: true, idle: None, held: None },
            damaged: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::samples::row;
    use super::*;
    use crate::run::Verdict;

    #[test]
    fn running_means_that_somebody_holds_the_lease() {
        let mut row = row("r");
        assert_eq!(Doing::of_row(&row), Doing::Interrupted);
        row.stopped = true;
        assert_eq!(Doing::of_row(&row), Doing::Stopped);
        row.waiting = Some(QuestionKind::UndoFailed);
        assert_eq!(Doing::of_row(&row), Doing::Stuck);
        row.verdict = Some(Verdict::Failed);
        assert_eq!(Doing::of_row(&row), Doing::Ended);
        row.lease = LeaseInfo { holder: holder::this_process(), released: false, ..row.lease };
        row.verdict = None;
        row.waiting = None;
        row.stopped = false;
        assert_eq!(Doing::of_row(&row), Doing::Running);
    }
}
