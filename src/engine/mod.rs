//! Where plans are made and runs are driven: append the intent, act, append the outcome, fold, decide. All I/O of a run goes
//! through here; what is to be done next is never decided here, but in `run/`.

mod act;
mod ahead;
mod alarm;
mod approval;
mod beginning;
mod check;
mod clock;
pub mod deliver;
mod doing;
mod drive;
mod enter;
mod forks;
mod halt;
pub mod holder;
mod hosts;
mod incident_timeline;
mod mask;
mod observer;
mod outputs;
mod over;
mod page;
mod people;
mod person;
mod planning;
mod prepare;
mod recall;
mod roles;
mod secrets;
mod serve;
mod start;
mod verify;
mod whom;
mod works;
mod write;

pub use beginning::Beginning;
pub use clock::{Clock, WallClock};
#[cfg(test)]
pub use doing::samples;
pub use doing::{Doing, is_held};
pub use forks::FORKS;
pub use incident_timeline::IncidentTimeline;
pub use observer::{Observer, Silent};
pub use over::Former;
pub use person::name as this_person;
pub use roles::{Everybody, People, SystemPeople};
pub use serve::Taken;
pub use start::new_run_id;

use std::path::PathBuf;
use std::sync::Arc;

use crate::actions::Table;
use crate::ids::RunId;
use crate::inventory::Inventory;
use crate::journal::{Journal, JournalError, RunLimit};
use crate::notify::Notifier;
use crate::run::{IllegalEvent, Question, RunState, StopKind, TaskState, Verdict};

/// What an engine works with.
pub struct Parts {
    /// Where records are kept.
    pub journal: Box<dyn Journal>,
    /// What steps do.
    pub actions: Table,
    /// What they act on.
    pub inventory: Arc<Inventory>,
    /// The state folder; spools lie below it.
    pub state: PathBuf,
    /// Who watches.
    pub observer: Arc<dyn Observer>,
    /// What the records' times come from.
    pub clock: Arc<dyn Clock>,
    /// How a person is called.
    pub pagers: Vec<Arc<dyn Notifier>>,
    /// Who has which role.
    pub people: Arc<dyn People>,
    /// How often runs may begin on one resource.
    pub limits: Vec<RunLimit>,
    /// How soon a page is repeated, in seconds.
    pub repeat_seconds: f64,
    /// How often Ctrl-C was pressed.
    pub interrupts: tokio::sync::watch::Receiver<u32>,
    /// Whether to stay while a person is awaited and a deadline runs (`--no-wait` says no).
    pub wait: bool,
    /// How many hosts or other items are worked on at once; at least one.
    pub forks: usize,
}

/// What a drive works with, beside the journal.
struct Tools<'e> {
    actions: &'e Table,
    inventory: &'e Arc<Inventory>,
    observer: &'e Arc<dyn Observer>,
    clock: &'e dyn Clock,
    pagers: &'e [Arc<dyn Notifier>],
    /// Who has which role.
    people: &'e dyn People,
    repeat_seconds: f64,
    interrupts: &'e tokio::sync::watch::Receiver<u32>,
    wait: bool,
    /// Whether an interrupt gives the run back instead of stopping it.
    gives_back: bool,
    /// How many items are worked on at once.
    forks: usize,
}

/// How driving a run came to an end.
#[derive(Debug, Clone, PartialEq)]
pub struct Ending {
    /// How.
    pub kind: EndingKind,
    /// What is known of the run.
    pub state: RunState,
}

/// How driving a run came to an end.
#[derive(Debug, Clone, PartialEq)]
pub enum EndingKind {
    /// The run is over.
    Finished(Verdict),
    /// A person is needed; nobody holds the run any more.
    Waiting(Question),
    /// A person stopped it; nobody holds the run any more.
    Stopped(StopKind),
    /// Everything is halted, and nobody stays until that is lifted; nobody holds the run any more.
    Halted,
    /// It was told to stop at once (a second Ctrl-C): a step may still be under way under its recorder.
    Left,
    /// The server that drove it ends: nothing is under way, nobody holds the run any more, and the next start of the server
    /// goes on with it.
    GivenBack,
}

/// What became of a request to a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Requested {
    /// Another process holds the run and has taken it up.
    TakenUp,
    /// Nobody held the run: this process took it and drove it on.
    Driven(Box<Ending>),
}

/// Why a plan could not be made or a run not be driven.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Records that cannot be what a run of ours wrote.
    #[error(transparent)]
    Illegal(#[from] IllegalEvent),
    /// The plan cannot be made.
    #[error("{0}")]
    Plan(String),
    /// More hosts do not answer than the playbook lets be.
    #[error("{0}")]
    Unreachable(String),
    /// What a person has limited it to cannot be.
    #[error("{0}")]
    Limit(String),
    /// The plan would touch more than its playbook allows.
    #[error("{0}")]
    TooManyTargets(String),
    /// Another process holds the run.
    #[error("run {run} is held by {who}")]
    Held {
        /// Which run.
        run: RunId,
        /// Who.
        who: String,
    },
    /// A run cannot be gone on from with this playbook.
    #[error("run {run} cannot be gone on from: {}", .objections.join("; "))]
    Objections {
        /// Which run.
        run: RunId,
        /// Why not.
        objections: Vec<String>,
    },
    /// The request makes no sense for the run as it stands.
    #[error("{0}")]
    NotNow(String),
    /// The world drifted from the plan before anything was changed.
    #[error("{0}")]
    Drift(String),
    /// The state folder cannot be used.
    #[error("{0}")]
    State(String),
}

/// Makes plans and drives runs.
pub struct Engine {
    parts: Parts,
    /// What is known of a run already.
    known: Option<RunState>,
    /// In whose name it acts; in that of the person behind this process where nobody was named.
    by: Option<String>,
    /// Whether it is part of a server.
    serves: bool,
    /// The id that the run is to have which it begins next.
    next: Option<RunId>,
}

impl Engine {
    /// An engine of these parts.
    pub fn new(parts: Parts) -> Self {
        Self { parts, known: None, by: None, serves: false, next: None }
    }

    /// The journal, for whoever reads it.
    pub fn journal(&mut self) -> &mut dyn Journal {
        self.parts.journal.as_mut()
    }

    /// What is known of a run.
    ///
    /// # Errors
    /// When there is no such run, or its records are damaged.
    pub fn state(&mut self, run: &RunId) -> Result<RunState, EngineError> {
        if let Some(mut known) = self.known.take_if(|known| &known.run == run) {
            let newer = self.parts.journal.records(run, known.seq)?;
            // Each says which one it follows on: where that is another one, what is known is of other records.
            if newer.iter().try_for_each(|record| known.apply(record)).is_ok() {
                return Ok(known);
            }
        }
        let records = self.parts.journal.records(run, 0)?;
        Ok(RunState::replay(run, &records)?)
    }

    /// Tells what is known of a run from its records, so that thousands of them are not read once more. What was written behind
    /// them is read, and nobody takes the run without all of it being verified.
    pub fn know(&mut self, state: RunState) {
        self.known = Some(state);
    }
}

/// Makes a folder of the runner's own: nobody else may look into it. That it outlives a power cut is the business of whoever
/// keeps something in it that has to.
fn make_folder(path: &std::path::Path) -> Result<(), EngineError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| EngineError::State(format!("the folder {} cannot be made: {error}", path.display())))
}
