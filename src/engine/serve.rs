//! What an engine does differently as a part of a server: each of its callers acts in a name of their own, the process that
//! holds a run is marked as a server's, and a run outlives the process that drives it. Whoever makes such an engine is the only
//! server on the state, and gives each run to one engine at a time: on that rests that the lease of a server is never one in
//! another's way. It must never write a stop that nobody asked for.

use super::holder::this_process;
use super::{Ending, Engine, EngineError};
use crate::ids::RunId;
use crate::journal::{Lease, OverLimit};
use crate::plan::Plan;
use crate::run::{Holder, RunState};

/// A run that an engine holds and does not drive yet.
#[derive(Debug)]
pub struct Taken {
    lease: Lease,
    state: RunState,
}

impl Engine {
    /// The same as a part of a server, for somebody who is named.
    #[must_use]
    pub fn serving(mut self, by: impl Into<String>) -> Self {
        (self.by, self.serves) = (Some(by.into()), true);
        self
    }

    /// The id that the next run has which it begins.
    pub fn call_next(&mut self, run: RunId) {
        self.next = Some(run);
    }

    /// Whether a run of this plan would be one more than may begin: a look ahead, as the journal counts when it begins.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn over_limit(&mut self, plan: &Plan) -> Result<Option<OverLimit>, EngineError> {
        Ok(self.parts.journal.over_limit(&self.parts.limits, plan, self.parts.clock.now())?)
    }

    /// In whose name it acts.
    pub(super) fn by(&self) -> String {
        self.by.clone().unwrap_or_else(|| this_process().user)
    }

    /// Who holds what it drives.
    pub(super) fn holder(&self) -> Holder {
        Holder { serves: self.serves, ..this_process() }
    }

    /// Takes a run that nobody drives: once it returns, this engine holds it.
    ///
    /// # Errors
    /// `Held` when its holder is alive.
    pub fn take_up(&mut self, run: &RunId) -> Result<Taken, EngineError> {
        let (lease, state) = self.take(run, false)?;
        Ok(Taken { lease, state })
    }

    /// The same also where a person says that its holder is gone, although nothing shows that.
    ///
    /// # Errors
    /// When the holder lives on this very host.
    pub fn take_from(&mut self, run: &RunId) -> Result<Taken, EngineError> {
        let (lease, state) = self.take(run, true)?;
        Ok(Taken { lease, state })
    }

    /// Lets a run go that was taken and is not driven after all: nobody has it then, and it is seen that nobody has.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn let_go(&mut self, taken: Taken) -> Result<(), EngineError> {
        Ok(self.parts.journal.release(&taken.lease)?)
    }

    /// Drives a run on that was taken, in the name of whoever caused that.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub async fn go_on(&mut self, taken: Taken) -> Result<Ending, EngineError> {
        let by = self.by();
        self.drive(taken.lease, taken.state, by).await
    }

    /// The same where somebody wanted it to go on: that is a record, with their reason.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub async fn go_on_for(&mut self, taken: Taken, reason: &str) -> Result<Ending, EngineError> {
        self.go_on_resumed(taken.lease, taken.state, reason).await
    }

    /// Drives on a run of a server that is gone, in the name of whoever began it: what they said ahead still counts.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub async fn adopt(&mut self, taken: Taken) -> Result<Ending, EngineError> {
        let requester = taken.state.brakes.requester.clone();
        self.drive(taken.lease, taken.state, requester).await
    }
}
