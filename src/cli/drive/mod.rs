//! Driving a run from this process: the runtime, the engine, who watches, and the last screen.

mod asking;
mod conclude;
mod over;
mod said;
mod telling;

pub use asking::{Asked, ask, resume};
pub use said::{say_state, show};

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::actions::Table;
use crate::engine::deliver::Delivering;
use crate::engine::{Beginning, EndingKind, Engine, EngineError, Observer, Parts, People, Requested, WallClock};
use crate::ids::{Resource, RunId};
use crate::inventory::{Inventory, SecretRef};
use crate::journal::{Journal, JournalError, OverLimit};
use crate::notify;
use crate::plan::Plan;
use crate::run::{RequestKind, RunState};

use crate::cli::args::Output;
use crate::cli::books::Chosen;
use crate::cli::brakes;
use crate::cli::clock;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::held::Held;
use crate::cli::reporter::{self, Reporter};
use crate::cli::seen::Seen;
use crate::cli::setup::Setup;
use crate::cli::signals;

/// How soon a page is repeated where the configuration does not say, in seconds.
pub const REPEAT_SECONDS: f64 = 300.0;

/// How soon it is looked again whether a lock is free.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// A process that drives runs.
pub struct Drive<'a> {
    setup: &'a Setup,
    output: Output,
    reporter: Arc<dyn Reporter>,
    seen: Arc<Seen>,
    runtime: Runtime,
    engine: Engine,
    inventory: Arc<Inventory>,
    interrupts: (watch::Sender<u32>, watch::Receiver<u32>),
    rehearsal: bool,
    /// Who tells others meanwhile.
    telling: Option<Delivering>,
}

/// Where and with what an engine works.
pub struct Place {
    /// What is acted on.
    pub inventory: Arc<Inventory>,
    /// Where records are kept.
    pub journal: Box<dyn Journal>,
    /// Where spools lie.
    pub folder: PathBuf,
    /// What steps do.
    pub actions: Table,
    /// Who is called.
    pub pagers: Vec<Arc<dyn notify::Notifier>>,
    /// Who has which role.
    pub people: Arc<dyn People>,
    /// Whether to stay while a person is awaited.
    pub wait: bool,
    /// Whether nothing of it is real.
    pub rehearsal: bool,
}

impl<'a> Drive<'a> {
    /// Puts an engine together.
    ///
    /// # Errors
    /// When the system gives us no runtime or no signals.
    pub fn new(
        setup: &'a Setup,
        output: Output,
        inventory: Arc<Inventory>,
        journal: Box<dyn Journal>,
        wait: bool,
    ) -> Result<Self, Failure> {
        Self::in_folder(setup, output, inventory, journal, setup.state.clone(), wait)
    }

    /// The same with another folder for the spools.
    ///
    /// # Errors
    /// When the system gives us no runtime or no signals.
    pub fn in_folder(
        setup: &'a Setup,
        output: Output,
        inventory: Arc<Inventory>,
        journal: Box<dyn Journal>,
        folder: PathBuf,
        wait: bool,
    ) -> Result<Self, Failure> {
        let people = Arc::new(setup.people());
        let pagers = notify::from_config(&setup.config).into_iter().map(Arc::from).collect();
        Self::of(
            setup,
            output,
            Place {
                inventory,
                journal,
                folder,
                actions: setup.actions.clone(),
                pagers,
                people,
                wait,
                rehearsal: false,
            },
        )
    }

    /// The same in a place of its own: a rehearsal acts on nothing real and calls nobody.
    ///
    /// # Errors
    /// When the system gives us no runtime or no signals.
    pub fn of(setup: &'a Setup, output: Output, place: Place) -> Result<Self, Failure> {
        let Place { inventory, journal, folder, actions, pagers, people, wait, rehearsal } = place;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::new(Exit::Fault, format!("the runtime cannot be started: {error}")))?;
        let reporter = reporter::choose(&setup.screen, output, &setup.paste);
        let interrupts = {
            let _inside = runtime.enter();
            signals::listen(Arc::clone(&reporter))?
        };
        let seen = Arc::new(Seen::new(Arc::clone(&reporter)));
        let observer: Arc<dyn Observer> = Arc::clone(&seen) as Arc<dyn Observer>;
        let engine = Engine::new(Parts {
            journal,
            actions,
            inventory: Arc::clone(&inventory),
            state: folder,
            observer,
            clock: Arc::new(WallClock),
            pagers,
            people,
            limits: if rehearsal { Vec::new() } else { brakes::limits(&setup.config) },
            repeat_seconds: setup.config.page.as_ref().map_or(REPEAT_SECONDS, |page| page.repeat_seconds),
            interrupts: interrupts.1.clone(),
            wait,
            forks: setup.forks,
        });
        Ok(Self { setup, output, reporter, seen, runtime, engine, inventory, interrupts, rehearsal, telling: None })
    }

    /// The journal.
    pub fn journal(&mut self) -> &mut dyn Journal {
        self.engine.journal()
    }

    /// Looks at the targets and makes a plan.
    ///
    /// # Errors
    /// When the plan cannot be made.
    pub fn plan(&mut self, chosen: Chosen) -> Result<Plan, Failure> {
        self.plan_with(chosen, async |engine, Chosen { playbook, inputs, narrowing }| {
            engine.plan_narrowed(playbook, inputs, narrowing).await
        })
    }

    /// The same for a run that begins at once, of which nobody looks at the plan before.
    ///
    /// # Errors
    /// When the plan cannot be made.
    pub fn plan_to_run(&mut self, chosen: Chosen) -> Result<Plan, Failure> {
        self.plan_with(chosen, async |engine, Chosen { playbook, inputs, narrowing }| {
            engine.plan_to_run(playbook, inputs, narrowing).await
        })
    }

    fn plan_with(
        &mut self,
        chosen: Chosen,
        make: impl AsyncFnOnce(&mut Engine, Chosen) -> Result<Plan, EngineError>,
    ) -> Result<Plan, Failure> {
        let mut interrupts = self.interrupts.1.clone();
        interrupts.mark_unchanged();
        let engine = &mut self.engine;
        let result = self.runtime.block_on(async {
            tokio::select! {
                result = make(engine, chosen) => Some(result),
                _ = interrupts.changed() => None,
            }
        });
        self.reporter.pause();
        result.ok_or_else(interrupted)?.map_err(Failure::from)
    }

    /// Whether a reference leads to a secret. It is looked at and forgotten.
    ///
    /// # Errors
    /// Why it does not.
    pub fn finds_secret(&self, reference: &str) -> Result<(), String> {
        let secrets = self.inventory.secrets.anew();
        let found = self.runtime.block_on(secrets.read(&SecretRef(reference.to_owned())));
        found.map(|_| ()).map_err(|error| error.to_string())
    }

    /// The run that is started next has this id.
    pub fn call_next(&mut self, run: RunId) {
        self.engine.call_next(run);
    }

    /// Starts a run, drives it, and shows how it came out.
    ///
    /// # Errors
    /// When it cannot begin, or the journal cannot be written.
    pub fn start(&mut self, plan: Plan, beginning: Beginning) -> Result<Exit, Failure> {
        // The engine counts from here on: what was pressed before must not be forgotten.
        if *self.interrupts.1.borrow() > 0 {
            return Err(interrupted());
        }
        self.tell_others();
        let result = self.runtime.block_on(self.engine.start(plan, beginning));
        if let Err(EngineError::Journal(JournalError::Locked(row))) = &result {
            self.reporter.finish();
            return Err(Held::of(self.engine.journal(), row.clone())?.failure());
        }
        self.conclude(result)
    }

    /// Whether as many runs have begun on what a plan locks as may.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn over_limit(&mut self, plan: &Plan) -> Result<Option<OverLimit>, Failure> {
        let limits = brakes::limits(&self.setup.config);
        Ok(self.engine.journal().over_limit(&limits, plan, clock::now())?)
    }

    /// Waits until none of these locks is held any more, and says what it waits for; false where none was held. It holds
    /// nothing meanwhile, so two that wait never block each other.
    ///
    /// # Errors
    /// When one is still held at the end of the time, or Ctrl-C comes first.
    pub fn wait_for(&mut self, locks: &[Resource], until: Instant) -> Result<bool, Failure> {
        let mut interrupts = self.interrupts.1.clone();
        interrupts.mark_unchanged();
        let mut told = None;
        while let Some(held) = Held::find(self.engine.journal(), locks)? {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(held.failure());
            }
            if told.as_ref() != Some(&held.what()) {
                let screen = &self.setup.screen;
                let width = screen.err.width.map_or(100, |width| width.clamp(30, 120));
                screen.warn(&held.waiting(left.as_secs_f64(), width));
                told = Some(held.what());
            }
            let interrupted = self.runtime.block_on(async {
                tokio::select! {
                    () = tokio::time::sleep(left.min(LOOK_AGAIN)) => false,
                    _ = interrupts.changed() => true,
                }
            });
            if interrupted {
                return Err(Failure::new(Exit::Interrupted, "interrupted while it waited for a lock")
                    .meaning("nothing was started or changed"));
            }
        }
        Ok(told.is_some())
    }

    /// Tells what is known of a run that is gone on with: its records are not read a second time.
    pub fn know(&mut self, state: RunState) {
        self.engine.know(state);
    }

    /// Goes on with a run and shows how it came out.
    ///
    /// # Errors
    /// When another process holds it, or the journal cannot be written.
    pub fn resume(&mut self, run: &RunId, reason: &str, take_over: bool) -> Result<Exit, Failure> {
        self.tell_others();
        let result = self.runtime.block_on(self.engine.resume(run, reason, take_over));
        self.conclude(result).map_err(|failure| failure.naming(run))
    }

    /// Asks for something: `None` where another process holds the run and has taken it up. Then it asks for whatever `more` says
    /// where the run stands still again.
    ///
    /// # Errors
    /// When it makes no sense for the run as it stands, or the journal cannot be written.
    pub fn request_all(
        &mut self,
        run: &RunId,
        request: RequestKind,
        reason: &str,
        mut more: impl FnMut(&RunState) -> Option<RequestKind>,
    ) -> Result<Option<RunState>, Failure> {
        self.tell_others();
        let mut request = request;
        loop {
            let result = self.runtime.block_on(self.engine.request(run, request, reason));
            let ending = match result {
                Ok(Requested::Driven(ending)) => ending,
                Ok(Requested::TakenUp) => {
                    self.reporter.finish();
                    return Ok(None);
                }
                Err(error) => {
                    self.reporter.finish();
                    return Err(self.failure(error).naming(run));
                }
            };
            match more(&ending.state) {
                Some(next) if matches!(ending.kind, EndingKind::Waiting(_)) => request = next,
                _ => {
                    let state = ending.state.clone();
                    self.conclude(Ok(*ending))?;
                    return Ok(Some(state));
                }
            }
        }
    }

    /// Ends this process' part; a thread that still reads the terminal is left behind.
    pub fn end(mut self) {
        self.reporter.finish();
        self.end_telling();
        self.runtime.shutdown_background();
    }
}

/// Ctrl-C came before anything had begun.
fn interrupted() -> Failure {
    Failure::new(Exit::Interrupted, "interrupted while the targets were looked at")
        .meaning("nothing was started or changed")
}
