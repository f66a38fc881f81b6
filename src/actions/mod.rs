//! What steps do. One file an action and one line in the table. An action knows its target and the inventory; it never
//! knows the run, the journal or the engine, and it never prints.

pub mod assert;
// Without the feature nothing is ever asked, so much of it is never made.
#[cfg_attr(not(feature = "ec2"), allow(dead_code))]
pub mod aws;
mod by_hand;
pub mod cli;
pub mod command;
pub mod file;
pub mod haproxy;
pub mod http;
pub mod kubernetes;
pub mod link;
pub mod pgbouncer;
pub mod postgres;
pub mod recorder;
pub mod release;
pub mod service;
pub mod shell;
pub mod ssh;
mod table;
pub mod tls;
pub mod wait;

pub use table::Table;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Prediction};
use crate::value::Value;

/// What does a step.
#[async_trait]
pub trait Action: Send + Sync {
    /// What it says about itself.
    fn spec(&self) -> &ActionSpec;

    /// Looks at the target, read-only: what is there, what would change, how well that is founded. Called when a plan is
    /// made, before each attempt (its facts go into the intent) and for `verify`. Arguments that are not known yet are
    /// marked (`value::is_unknown`); what depends on them is left out of the prediction.
    ///
    /// # Errors
    /// When the target cannot be reached, or says that this cannot be done.
    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError>;

    /// Acts. Never panics and never returns before it knows what it can know; `unknown` where it cannot.
    async fn run(&self, context: &Context, call: &Call) -> Report;

    /// Looks, read-only, whether an attempt whose outcome is missing took effect. Waits for a command that still runs.
    async fn probe(&self, context: &Context, call: &Call) -> Finding;

    /// Puts back what `call.before` recorded. Safe to run twice; works from what it observes.
    async fn undo(&self, context: &Context, call: &Call) -> Report {
        let _ = (context, call);
        Report::done("there is nothing to undo", Value::Null)
    }

    /// Whether the target itself takes back what this does unless it is confirmed, and how many seconds after it was done: a
    /// timer on the host, a router's "commit confirmed". `run` confirms before it says `done`; where it ends while the
    /// timer may still run, it says `unknown`. The intent carries it, and nobody is asked before that time has passed.
    fn reverts_after(&self, arguments: &Value) -> Option<f64> {
        let _ = arguments;
        None
    }

    /// Whether it is given the secrets that its arguments refer to; one that only plays gets the references.
    fn takes_secrets(&self) -> bool {
        true
    }

    /// A run that may get to such a step is about to begin. What takes its time to be there may be started beside that; nothing
    /// of the step may be done, and what is started here ends by itself where the run does not begin.
    fn ahead(&self, spool: &Path) {
        let _ = spool;
    }

    /// What a person types and looks at to do the same without the runner: lines for a shell, with comments. It looks at
    /// nothing; what is not known yet stands as `<WHY>`.
    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        let _ = inventory;
        by_hand::from_spec(self.spec(), arguments)
    }
}

/// Why a look at a target failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// No answer from the target: nothing is known, trying again may help.
    #[error("{0}")]
    Unreachable(String),
    /// The arguments or the inventory make no sense here: trying again does not help.
    #[error("{0}")]
    Invalid(String),
}

/// One attempt, or the undo of one.
#[derive(Debug, Clone)]
pub struct Call {
    /// What the target removes doubles by: the same when a `keyed` attempt is made again. For an undo: that of what is undone.
    pub key: String,
    /// What the recorder knows this attempt by: safe as a file name, another one for every attempt.
    pub attempt: String,
    /// The arguments (an object), complete and of the declared types, defaults filled in.
    pub arguments: Value,
    /// What was there before the step acted (the facts of its `plan`).
    pub before: Value,
    /// For an undo: the outputs of the step, null where they are not known.
    pub outputs: Value,
    /// How long ago its intent was written, at most: for who asks what became of it; absent where it is made just now.
    pub age: Option<Duration>,
    /// How long this attempt may take.
    pub timeout: Duration,
    /// Whether a changing remote command is killed at its timeout.
    pub kill_on_timeout: bool,
    /// The effect of the step (a command's is what its playbook says).
    pub effect: Effect,
}

/// What an action works with.
#[derive(Clone)]
pub struct Context {
    /// What can be acted on.
    pub inventory: Arc<Inventory>,
    /// A folder of the run's own, where recorders keep their spools. It exists, except while a plan is made: a look leaves
    /// nothing behind.
    pub spool: PathBuf,
    /// Where a command's output is sent while it runs, for whoever watches.
    pub output: OutputSink,
}

/// Takes the pieces of a command's output as they come: whether it is standard error, and the bytes.
pub type OutputSink = Arc<dyn Fn(bool, &[u8]) + Send + Sync>;

impl Context {
    /// The same with nobody watching: for a look, whose output is for whoever looks and not for the screen, as it may be what
    /// stands in a file.
    #[must_use]
    pub fn quiet(&self) -> Self {
        Self { output: Arc::new(|_, _| {}), ..self.clone() }
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("spool", &self.spool).finish_non_exhaustive()
    }
}
