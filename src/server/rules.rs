//! What the command line has to say where runs live in a server: which brakes bind, what a refusal of the engine means and what to
//! do next, and what is told of the runs in hand. What the interface itself refuses, as what is asked has another form, has its own
//! words (`http/trouble.rs`).

use std::sync::Arc;

use super::{Caller, Problem, Wanted};
use crate::engine::{Beginning, EndingKind, EngineError};
use crate::ids::RunId;
use crate::inventory::Inventory;
use crate::journal::{JournalError, OverLimit};
use crate::plan::Plan;
use crate::playbook::Playbook;
use crate::run::{IllegalEvent, RequestKind, RunState};

/// Brakes, hints and exit codes. Calls may block and may be made from any thread.
pub trait Rules: Send + Sync {
    /// Whether a plan may be made as it is wanted. Those of the playbook's own brakes that are passed are taken from it.
    ///
    /// # Errors
    /// When whoever wants it may not pass one of them, or the plan that was sent does not count here and now.
    fn may_plan(&self, wanted: &Wanted, playbook: &mut Playbook, inventory: &Inventory) -> Result<(), Problem>;

    /// Whether a run may be begun as it is wanted, before anything is looked at. What is passed of the playbook's own brakes
    /// is taken from it.
    ///
    /// # Errors
    /// All that is in the way.
    fn may_look(&self, wanted: &Wanted, playbook: &mut Playbook, inventory: &Inventory) -> Result<Known, Problem>;

    /// The same with the plan at hand. `finds` says whether a reference leads to a secret.
    ///
    /// # Errors
    /// What is in the way.
    fn may_begin(
        &self,
        wanted: &Wanted,
        plan: &Plan,
        known: Known,
        over: Option<OverLimit>,
        finds: &mut dyn FnMut(&str) -> Result<(), String>,
    ) -> Result<Beginning, Problem>;

    /// Whether somebody may ask for this, as far as the run itself is not needed to know that. That it has its reason is asked
    /// where it comes in.
    ///
    /// # Errors
    /// Why not.
    fn may_ask(&self, run: &RunId, request: &RequestKind, by: &Caller) -> Result<(), Problem>;

    /// The inventory for a run that was begun before.
    ///
    /// # Errors
    /// When it cannot be read, or is of another environment than the run was begun in.
    fn inventory_of(&self, state: &RunState) -> Result<Arc<Inventory>, Problem>;

    /// What a refusal means, and what to do next.
    fn problem(&self, refusal: Refusal) -> Problem;

    /// Something happened to a run in hand, or to one that was to be taken in hand.
    fn happened(&self, what: &Happening<'_>);
}

/// What is known of a run that is wanted, before anything was looked at.
#[derive(Debug, Default)]
pub struct Known {
    /// The brakes that were in the way and are passed, each with its reason.
    pub passed: Vec<(String, String)>,
    /// The plan that was sent, read: the run is held to it.
    pub then: Option<Plan>,
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The engine could not do it.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The server ends.
    #[error("the server ends: it begins nothing more")]
    Ends,
    /// As many runs are in hand as may be.
    #[error("{0} runs are in hand, and the server takes no more at once")]
    Full(usize),
    /// It is driven here already.
    #[error("run {0} is in the server's hands already")]
    InHand(RunId),
    /// The server itself is at fault.
    #[error("the server could not do it: {0}")]
    Fault(String),
}

impl From<JournalError> for Refusal {
    fn from(error: JournalError) -> Self {
        Self::Engine(error.into())
    }
}

impl From<IllegalEvent> for Refusal {
    fn from(error: IllegalEvent) -> Self {
        Self::Engine(error.into())
    }
}

/// What happened to a run.
#[derive(Debug)]
pub enum Happening<'a> {
    /// It has begun.
    Begun {
        /// Which.
        run: &'a RunId,
        /// Of which playbook.
        playbook: &'a str,
        /// Who wanted it.
        by: &'a str,
    },
    /// The server goes on with it, as its process before is gone.
    Adopted {
        /// Which.
        run: &'a RunId,
        /// Of which playbook.
        playbook: &'a str,
    },
    /// Somebody's word made the server go on with it.
    DrivenOn {
        /// Which.
        run: &'a RunId,
        /// Whose.
        by: &'a str,
    },
    /// It is in hand no more.
    Out {
        /// Which.
        run: &'a RunId,
        /// How it came to that.
        how: &'a EndingKind,
    },
    /// It could not be driven on.
    Failed {
        /// Which.
        run: &'a RunId,
        /// Why.
        problem: &'a Problem,
        /// After how many seconds it is tried again, if it is.
        again: Option<u64>,
    },
}
