//! What a caller can have done with runs. The HTTP side asks for it and knows nothing of how it is done.

use serde_json::{Map, Value};

use super::{Caller, Problem};
use crate::ids::{IncidentId, RunId};
use crate::journal::{Journal, JournalError};
use crate::plan::{Plan, Which};
use crate::run::{Event, InheritMode, Inheritance, RequestKind};

/// A run that is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// What the run is to be called, where that was written down before it begins: whoever asks again after a crash finds it
    /// by that. A new id where absent.
    pub run: Option<RunId>,
    /// Which playbook, by its name in the server's catalog: never a path.
    pub playbook: String,
    /// Which version; the newest where absent.
    pub version: Option<String>,
    /// Its inputs.
    pub inputs: Map<String, Value>,
    /// Of which incident.
    pub incident: Option<IncidentId>,
    /// To which hosts it is narrowed.
    pub limit: Option<String>,
    /// Brakes that are passed by name, each with its reason. A trigger passes none.
    pub overrides: Vec<(String, String)>,
    /// The steps that are approved ahead. A trigger approves none.
    pub approved: Vec<String>,
    /// The playbook's name once more, as a production inventory wants it.
    pub confirm: Option<String>,
    /// Who wants it. What a trigger wants (an alert, a token of a machine) was no person's decision at this moment.
    pub by: Caller,
    /// What only a person says.
    pub further: Further,
}

/// What only a person says of a run that is wanted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Further {
    /// The plan that it is held to, as the text of its file.
    pub plan: Option<String>,
    /// How old a plan may be, in seconds: the one that was sent, or that whose file is wanted.
    pub max_plan_age: Option<f64>,
    /// Whether the plan is wanted as a file as well.
    pub file: bool,
    /// The plan that somebody looked at, as such a text: the run is held to it, and no more than that.
    pub looked_at: Option<String>,
    /// The run whose place it takes.
    pub over: Option<Over>,
    /// The run of which it does again what was left undone: then that says what is run, and on what.
    pub again: Option<(RunId, Which)>,
    /// That it needs no approvals, and why.
    pub break_glass: Option<String>,
    /// How many hosts or other items are worked on at once.
    pub forks: Option<u16>,
}

/// A run whose place is taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Over {
    /// Which.
    pub run: RunId,
    /// What is taken over of it.
    pub mode: InheritMode,
    /// Why.
    pub reason: String,
}

/// A plan that was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Offered {
    /// The plan.
    pub plan: Plan,
    /// The same as a file, where that was wanted: what a run can be held to.
    pub file: Option<String>,
    /// What the run would have from another one.
    pub inherited: Option<Inheritance>,
}

/// A run that has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// Which.
    pub run: RunId,
    /// Of which playbook.
    pub playbook: String,
    /// And version.
    pub version: String,
}

impl Begun {
    /// The run of this id, if it has begun: what its first record says.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn of(journal: &mut dyn Journal, run: &RunId) -> Result<Option<Self>, JournalError> {
        let first = match journal.stored_after(run, 0, 1) {
            Err(JournalError::NoSuchRun(_)) => return Ok(None),
            first => first?.pop().map(|first| first.read(run)).transpose()?,
        };
        let Some(Event::RunStarted { plan, .. }) = first.map(|record| record.event) else { return Ok(None) };
        let (playbook, version) = (plan.playbook.name.clone(), plan.playbook.version.clone());
        Ok(Some(Self { run: run.clone(), playbook, version }))
    }
}

/// What became of what somebody asked of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Whoever drives the run has taken it up.
    TakenUp,
    /// Nobody drove the run: the server drives it on with that.
    DrivenOn,
}

/// Has runs done. Calls block until what they say is durable, never until a run has ended; they may be made from any thread.
pub trait Runner: Send + Sync {
    /// What a run would do: targets are looked at, nothing is changed.
    ///
    /// # Errors
    /// When no plan can be made.
    fn plan(&self, wanted: &Wanted) -> Result<Offered, Problem>;

    /// Begins a run, which then lives in the server.
    ///
    /// # Errors
    /// When it cannot or must not begin: nothing was changed then.
    fn start(&self, wanted: Wanted) -> Result<Begun, Problem>;

    /// Goes on with a run that nobody drives; with `take_over` also with one whose process a person says is gone.
    ///
    /// # Errors
    /// When it has ended, or somebody drives it.
    fn resume(&self, run: &RunId, by: &Caller, reason: &str, take_over: bool) -> Result<(), Problem>;

    /// Asks for something to happen with a run (approve, reject, resolve, skip, cancel, pause, abort, roll back).
    ///
    /// # Errors
    /// When it makes no sense for the run as it stands, or this caller may not.
    fn ask(&self, run: &RunId, request: RequestKind, by: &Caller, reason: &str) -> Result<Asked, Problem>;
}
