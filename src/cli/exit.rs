//! The exit codes, as data: the commands return them, `--help` prints them, and a test holds the documents to them.

use std::process::ExitCode;

use crate::engine::{Ending, EndingKind};
use crate::run::{QuestionKind, RunState, StopKind, Verdict};

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It did what was asked.
    Success,
    /// A run failed and nothing needed undoing; a look found something.
    Failed,
    /// `--detailed-exitcode`: the plan has changes.
    Changes,
    /// Succeeded with exceptions.
    Exceptions,
    /// Failed and rolled back.
    RolledBack,
    /// A rollback is stuck.
    Stuck,
    /// A person is awaited.
    Waiting,
    /// Locked by another run.
    Locked,
    /// The world drifted from the plan.
    Drift,
    /// Changes stand.
    Standing,
    /// Wrong usage.
    Usage,
    /// An invalid document.
    Invalid,
    /// No such thing.
    NotFound,
    /// A fault of ours.
    Fault,
    /// The journal cannot be written.
    Journal,
    /// Not allowed.
    NotAllowed,
    /// Interrupted.
    Interrupted,
}

/// One row of the table of exit codes: which, its number and what it means.
pub struct Row {
    /// Which.
    pub exit: Exit,
    /// The number that the process ends with.
    pub code: u8,
    /// What it means.
    pub meaning: &'static str,
}

const fn row(exit: Exit, code: u8, meaning: &'static str) -> Row {
    Row { exit, code, meaning }
}

/// All exit codes, in the order of their numbers.
pub const ALL: [Row; 17] = [
    row(
        Exit::Success,
        0,
        "succeeded; a dry-run: every requirement that could be decided holds, but for items that may fail",
    ),
    row(
        Exit::Failed,
        1,
        "failed, nothing needed undoing; a dry-run: violated, unreachable or below --min-fidelity; doctor, prove, inventory check: findings",
    ),
    row(Exit::Changes, 2, "only with --detailed-exitcode: the plan has changes"),
    row(Exit::Exceptions, 3, "succeeded with exceptions"),
    row(Exit::RolledBack, 10, "failed and rolled back"),
    row(Exit::Stuck, 11, "a rollback is stuck; its locks are held"),
    row(Exit::Waiting, 12, "waiting for a person, paused, or taken over by another process"),
    row(Exit::Locked, 13, "locked by another run, or held by another process"),
    row(Exit::Drift, 14, "the world drifted from the plan; nothing was changed"),
    row(Exit::Standing, 15, "changes stand: incomplete, rolled back to a checkpoint, or abandoned"),
    row(Exit::Usage, 64, "wrong usage"),
    row(Exit::Invalid, 65, "invalid playbook, inputs, inventory, configuration, plan or journal"),
    row(Exit::NotFound, 66, "no such playbook, action, file, run or incident"),
    row(Exit::Fault, 70, "a fault of playbook itself"),
    row(Exit::Journal, 74, "the journal cannot be written or read; no further step is started"),
    row(Exit::NotAllowed, 77, "not allowed as it was asked, halted or frozen; the command that is allowed is printed"),
    row(Exit::Interrupted, 130, "interrupted; the run can be resumed, and the command is printed"),
];

impl Exit {
    /// The number that the process ends with.
    pub fn code(self) -> u8 {
        ALL.iter().find(|row| row.exit == self).map_or(70, |row| row.code)
    }

    /// What a run that ended so returns.
    fn of_verdict(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Succeeded => Exit::Success,
            Verdict::SucceededWithExceptions => Exit::Exceptions,
            Verdict::Failed => Exit::Failed,
            Verdict::RolledBack => Exit::RolledBack,
            Verdict::RolledBackToCheckpoint | Verdict::Incomplete | Verdict::Abandoned => Exit::Standing,
        }
    }

    /// What a run that ended so returns; one that was refused as the world drifted says so.
    pub fn of_ended(state: &RunState, verdict: Verdict) -> Self {
        if verdict == Verdict::Failed && state.drifted { Exit::Drift } else { Self::of_verdict(verdict) }
    }

    /// What a run that is left like this returns.
    pub fn of(ending: &Ending) -> Self {
        match &ending.kind {
            EndingKind::Finished(verdict) => Self::of_ended(&ending.state, *verdict),
            EndingKind::Waiting(question) if question.kind == QuestionKind::UndoFailed => Exit::Stuck,
            EndingKind::Waiting(_) | EndingKind::Stopped(StopKind::Paused) => Exit::Waiting,
            EndingKind::Halted => Exit::NotAllowed,
            EndingKind::Stopped(StopKind::Interrupted) | EndingKind::Left | EndingKind::GivenBack => Exit::Interrupted,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// The table, as `--help` prints it.
pub fn table() -> String {
    let mut text = String::from("Exit codes:\n");
    for row in &ALL {
        text.push_str(&format!("  {:>3}  {}\n", row.code, row.meaning));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_rise_and_every_one_has_a_row() {
        assert!(ALL.windows(2).all(|pair| pair[0].code < pair[1].code));
        for row in &ALL {
            assert_eq!(row.exit.code(), row.code);
        }
    }

    #[test]
    fn the_documents_have_every_row_word_for_word() {
        for (name, text) in [
            ("docs/exit-codes.md", include_str!("../../docs/exit-codes.md")),
            ("README.md", include_str!("../../README.md")),
        ] {
            for row in &ALL {
                let line = format!("| {} | {} |", row.code, row.meaning);
                assert!(text.contains(&line), "{name} lacks: {line}");
            }
        }
    }
}
