//! Where the server finds what it works on. The command line gives it, as it knows where everything was said to be.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::Problem;
use crate::catalog::Entry;
use crate::config::Config;
use crate::engine::{Observer, Parts, People};
use crate::ids::RunId;
use crate::inventory::Inventory;
use crate::journal::SqliteJournal;
use crate::plan::{Narrowing, Plan, Which};
use crate::playbook::Playbook;

/// The state, the playbooks, the inventory and the settings. Calls may block on files and may be made from any thread.
pub trait House: Send + Sync {
    /// A connection of one's own to the state.
    ///
    /// # Errors
    /// When it cannot be opened.
    fn journal(&self) -> Result<SqliteJournal, Problem>;

    /// The settings.
    fn config(&self) -> &Config;

    /// Who has which role of the playbooks' approvals.
    fn people(&self) -> Arc<dyn People>;

    /// The playbooks that there are.
    fn playbooks(&self) -> Vec<Entry>;

    /// A playbook that has passed lint, by its name: a path is refused.
    ///
    /// # Errors
    /// When there is none, or it has faults.
    fn playbook(&self, name: &str, version: Option<&str>) -> Result<Playbook, Problem>;

    /// The inventory, as it is now.
    ///
    /// # Errors
    /// When it cannot be read.
    fn inventory(&self) -> Result<Arc<Inventory>, Problem>;

    /// Binds what came from outside to a playbook's inputs, each by its declared type. None of it is ever read as a reference
    /// to a secret.
    ///
    /// # Errors
    /// When one is missing, unknown, or not of its type.
    fn bind(
        &self,
        playbook: &Playbook,
        inputs: &Map<String, Value>,
        inventory: &Inventory,
    ) -> Result<crate::value::Value, Problem>;

    /// What a limit (`--limit`) narrows a run to.
    ///
    /// # Errors
    /// When it names nothing that there is.
    fn narrowing(&self, limit: Option<&str>, inventory: &Inventory) -> Result<Narrowing, Problem>;

    /// What is run once more where a run has left something undone: its playbook, its inputs, and what is left.
    ///
    /// # Errors
    /// When that run has not ended, nothing is left, or its playbook is another one by now.
    fn again(&self, run: &RunId, which: Which) -> Result<(Playbook, crate::value::Value, Narrowing), Problem>;

    /// A plan as a file that a run can be held to, and how old that may become, in seconds, where somebody says so.
    ///
    /// # Errors
    /// When it cannot be written.
    fn plan_file(&self, plan: &Plan, inventory: &Inventory, max_age: Option<f64>) -> Result<String, Problem>;

    /// What an engine is made of.
    fn parts(
        &self,
        inventory: Arc<Inventory>,
        journal: SqliteJournal,
        observer: Arc<dyn Observer>,
        interrupts: tokio::sync::watch::Receiver<u32>,
    ) -> Parts;
}
