//! `run --take-over RUN` and `run --continue RUN`: which run's place is taken, whether that may be, and the plan for it.

use crate::cli::args::Run;
use crate::cli::books::Chosen;
use crate::cli::drive::Drive;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::runs;
use crate::cli::setup::Setup;
use crate::engine::Former;
use crate::ids::RunId;
use crate::plan::Plan;
use crate::run::{InheritMode, Inheritance};

/// A run whose place is to be taken.
pub struct Over {
    run: RunId,
    mode: InheritMode,
    reason: String,
}

/// A plan, and what its run would have from another one.
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// What it has, and from whom.
    pub inherited: Option<(Former, Inheritance)>,
}

impl Over {
    /// The run that was named, if one was.
    ///
    /// # Errors
    /// When there is no such run, no reason is given, or the inventory is of another environment.
    pub fn of(setup: &Setup, args: &Run) -> Result<Option<Self>, Failure> {
        let (word, mode) = match (&args.take_over, &args.continues) {
            (Some(word), _) => (word, InheritMode::TakeOver),
            (None, Some(word)) => (word, InheritMode::Continue),
            (None, None) => return Ok(None),
        };
        let reason = args.starting.reason.clone().unwrap_or_default();
        if reason.trim().is_empty() {
            return Err(Failure::new(
                Exit::Usage,
                "taking another run's place is written down with its reason: --reason TEXT",
            ));
        }
        let (_, state) = runs::open(setup, word)?;
        let run = state.run.clone();
        runs::newest(setup, &state)?;
        runs::inventory(setup, &state)?;
        Ok(Some(Self { run, mode, reason }))
    }
}

/// Makes a plan, for a run that takes another one's place where that is asked.
///
/// # Errors
/// When it cannot be made, a process drives the other run, or it cannot be gone on from.
pub fn plan(drive: &mut Drive, chosen: Chosen, over: Option<&Over>) -> Result<Planned, Failure> {
    let Some(Over { run, mode, reason }) = over else {
        return Ok(Planned { plan: drive.plan(chosen)?, inherited: None });
    };
    let former = drive.former(run)?;
    let (mut plan, inheritance) = match mode {
        InheritMode::TakeOver => (drive.plan(chosen)?, Inheritance::take_over(&former.state, reason)),
        InheritMode::Continue => drive.plan_on(chosen, &former, reason)?,
    };
    plan.locks = Inheritance::locks(&former.state, &plan.locks);
    Ok(Planned { plan, inherited: Some((former, inheritance)) })
}
