//! What a thread drives a run with: a runtime, an engine, a connection of its own to the journal. One run is never in the way
//! of another one by it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::Inner;
use crate::engine::{Ending, Engine, EngineError, Former, Observer};
use crate::inventory::{Inventory, SecretRef};
use crate::journal::{Journal, JournalError};
use crate::plan::{Narrowing, Plan};
use crate::playbook::Playbook;
use crate::run::Inheritance;
use crate::server::{Problem, Refusal};
use crate::value::Value;

/// What a thread drives a run with.
pub(super) struct Work {
    pub(super) runtime: Runtime,
    pub(super) engine: Engine,
    inventory: Arc<Inventory>,
    stop: watch::Receiver<u32>,
}

impl Work {
    /// For somebody who is named.
    ///
    /// # Errors
    /// When the journal cannot be opened.
    pub(super) fn of(
        inner: &Inner,
        inventory: Arc<Inventory>,
        by: &str,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, Problem> {
        Self::at_once(inner, inventory, by, observer, None)
    }

    /// The same, where so many items are worked on at once.
    ///
    /// # Errors
    /// As `of`.
    pub(super) fn at_once(
        inner: &Inner,
        inventory: Arc<Inventory>,
        by: &str,
        observer: Arc<dyn Observer>,
        forks: Option<u16>,
    ) -> Result<Self, Problem> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
            inner.rules.problem(Refusal::Fault(format!("no runtime can be started for a run: {error}")))
        })?;
        let journal = inner.house.journal()?;
        let stop = inner.stop.subscribe();
        let mut parts = inner.house.parts(Arc::clone(&inventory), journal, observer, stop.clone());
        if let Some(forks) = forks {
            parts.forks = usize::from(forks);
        }
        let engine = Engine::new(parts).serving(by);
        Ok(Self { runtime, engine, inventory, stop })
    }

    /// The journal.
    pub(super) fn journal(&mut self) -> &mut dyn Journal {
        self.engine.journal()
    }

    /// Holds that nothing is halted: the targets need not be looked at for a run that may not begin.
    ///
    /// # Errors
    /// While everything is halted.
    pub(super) fn is_not_halted(&mut self) -> Result<(), Refusal> {
        match self.journal().halted()? {
            Some(halt) => Err(JournalError::Halted(halt).into()),
            None => Ok(()),
        }
    }

    /// Looks at the targets and makes a plan, unless the server ends meanwhile.
    ///
    /// # Errors
    /// When the plan cannot be made.
    pub(super) fn plan(&mut self, playbook: Playbook, inputs: Value, narrowing: Narrowing) -> Result<Plan, Refusal> {
        let (engine, stop) = (&mut self.engine, &mut self.stop);
        self.runtime.block_on(async {
            tokio::select! {
                planned = engine.plan_narrowed(playbook, inputs, narrowing) => Ok(planned?),
                Ok(_) = stop.wait_for(|pressed| *pressed > 0) => Err(Refusal::Ends),
            }
        })
    }

    /// The same for a run that goes on from what another one has done.
    ///
    /// # Errors
    /// When the plan cannot be made, or the other run cannot be gone on from.
    pub(super) fn plan_on(
        &mut self,
        (playbook, inputs, narrowing): (Playbook, Value, Narrowing),
        former: &Former,
        reason: &str,
    ) -> Result<(Plan, Inheritance), Refusal> {
        let (engine, stop) = (&mut self.engine, &mut self.stop);
        self.runtime.block_on(async {
            tokio::select! {
                planned = engine.plan_on(playbook, inputs, narrowing, former, reason) => Ok(planned?),
                Ok(_) = stop.wait_for(|pressed| *pressed > 0) => Err(Refusal::Ends),
            }
        })
    }

    /// Drives with the engine. What falls in it falls no further: it is told as a fault, and the engine is of no use then.
    ///
    /// # Errors
    /// Why the run could not be driven to where it rests.
    pub(super) fn drive(
        &mut self,
        with: impl AsyncFnOnce(&mut Engine) -> Result<Ending, EngineError>,
    ) -> Result<Ending, Refusal> {
        let (runtime, engine) = (&self.runtime, &mut self.engine);
        let driven = catch_unwind(AssertUnwindSafe(|| runtime.block_on(with(engine))));
        let fell = |_| Refusal::Fault("the thread that drove the run fell; the server's log says why".to_owned());
        Ok(driven.map_err(fell)??)
    }

    /// Whether a reference leads to a secret. It is looked at and forgotten.
    ///
    /// # Errors
    /// Why it does not.
    pub(super) fn finds(&self, reference: &str) -> Result<(), String> {
        let secrets = self.inventory.secrets.anew();
        let found = self.runtime.block_on(secrets.read(&SecretRef(reference.to_owned())));
        found.map(|_| ()).map_err(|error| error.to_string())
    }

    /// Ends it; what does not end by itself is left behind.
    pub(super) fn end(self) {
        drop(self.engine);
        self.runtime.shutdown_background();
    }
}

/// Whether it may be otherwise the next time: the journal could not be written or read, as on a full disk.
pub(super) fn may_pass(refusal: &Refusal) -> bool {
    let Refusal::Engine(error) = refusal else { return false };
    matches!(error, EngineError::Journal(JournalError::Store { .. }) | EngineError::State(_))
}
