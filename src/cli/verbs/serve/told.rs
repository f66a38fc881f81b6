//! A failure of the command line as a server tells it: the same sentences, the same exit code, and a status of HTTP. Commands
//! that only make sense as they were typed, and where things lie on this machine, are not told to whoever calls.

use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Next};
use crate::cli::paste::Paste;
use crate::server::Problem;

/// What is told of a failure.
pub(super) fn told(failure: Failure) -> Problem {
    let mut problem = Problem::new(status(failure.exit), failure.exit.code(), failure.what);
    // Where they are in their files is said where those are.
    let faults = failure.faults.iter().take(MOST_FAULTS).map(|fault| fault.message.as_str());
    let said: Vec<&str> =
        std::iter::once(failure.meaning.as_str()).chain(faults).filter(|text| !text.is_empty()).collect();
    if !said.is_empty() {
        problem = problem.meaning(said.join("\n"));
    }
    for next in failure.next {
        if let Next::Hint(text) = next
            && !text.contains("--state DIR")
        {
            problem = problem.next(Paste::default().hint(&text));
        }
    }
    if failure.exit == Exit::Journal {
        problem.retry_after = Some(10);
    }
    problem
}

/// How many faults of a document are told.
const MOST_FAULTS: usize = 8;

fn status(exit: Exit) -> u16 {
    match exit {
        Exit::Usage => 400,
        Exit::NotAllowed => 403,
        Exit::NotFound => 404,
        Exit::Locked | Exit::Drift | Exit::Waiting | Exit::Stuck | Exit::Standing => 409,
        Exit::Invalid | Exit::Failed | Exit::RolledBack | Exit::Exceptions | Exit::Changes => 422,
        Exit::Journal | Exit::Interrupted => 503,
        Exit::Fault | Exit::Success => 500,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::JournalError;

    #[test]
    fn the_sentences_stay_and_what_was_typed_here_does_not_leave() {
        let failure = Failure::new(Exit::NotAllowed, "frozen")
            .meaning("nothing was started")
            .next("playbook status RUN")
            .next_typed("playbook serve --override freeze");
        let problem = told(failure);
        assert_eq!((problem.status, problem.exit), (403, 77));
        assert_eq!(problem.detail.as_deref(), Some("nothing was started"));
        assert_eq!(problem.next, ["playbook status RUN"]);
        let full = JournalError::Store { doing: "written", cause: "the disk is full".to_owned() };
        let problem = told(full.into());
        assert_eq!((problem.status, problem.exit, problem.retry_after), (503, 74, Some(10)));
    }
}
