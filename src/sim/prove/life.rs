//! One life of the runner after the other: started, killed, resumed, asked and answered, until the run has ended. Each life
//! is a whole engine with a view of the journal of its own; what is dropped when it is killed is everything that a killed
//! process loses.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::{ProveError, Subject};
use crate::actions::Table;
use crate::engine::{
    Beginning, Clock, Ending, EndingKind, Engine, EngineError, Everybody, FORKS, Observer, Parts, Requested, Silent,
};
use crate::ids::{RunId, StepId};
use crate::inventory::Inventory;
use crate::journal::{Failure, Journal, JournalError, MemoryJournal};
use crate::plan::Plan;
use crate::playbook::{Playbook, Step};
use crate::run::{Record, RequestKind, RunState, Time};
use crate::sim::{Saved, Stage, approve_all, rehearsed};

/// Why a person is said to have asked or answered.
const REASON: &str = "as the proof wants it";

/// Where lives are lived.
pub(super) struct Stand {
    /// The steps that are approved ahead.
    approved: Vec<StepId>,
    /// The world.
    pub(super) stage: Stage,
    /// The world before anything was done.
    pub(super) origin: Saved,
    /// What is run.
    pub(super) plan: Plan,
    bench: Bench,
    /// No run writes more records than these unless it goes round in circles.
    most_records: u64,
    /// Nor takes longer.
    longest: Duration,
}

/// What an engine is put together from.
struct Bench {
    actions: Table,
    folder: PathBuf,
    inventory: Arc<Inventory>,
    clock: Arc<VirtualClock>,
}

/// A world with a journal, between two lives.
pub(super) struct Scene {
    /// The world.
    pub(super) world: Saved,
    /// The journal.
    pub(super) journal: MemoryJournal,
}

/// How a life ended.
#[derive(Debug)]
pub(super) enum Life {
    /// By itself: the run has ended, or waits for a person.
    Rests(EndingKind),
    /// It was killed.
    Killed,
    /// It went round in circles.
    Endless,
    /// It could not go on.
    Failed(String),
}

/// The runtime's clock, which moves on when everything stands still.
struct VirtualClock(Instant);

impl Clock for VirtualClock {
    fn now(&self) -> Time {
        const BEGIN: i64 = 1_800_000_000_000;
        Time(BEGIN.saturating_add(i64::try_from(self.0.elapsed().as_millis()).unwrap_or(i64::MAX)))
    }
}

/// Watches a life: counts its records, and asks for a cancel, or halts everything, behind one of them.
struct Witness {
    records: AtomicU64,
    most: u64,
    endless: Notify,
    cancel: Option<(u64, Mutex<MemoryJournal>)>,
    halt: Option<(u64, Mutex<MemoryJournal>)>,
}

impl Observer for Witness {
    fn record(&self, record: &Record, state: &RunState) {
        if self.records.fetch_add(1, Ordering::Relaxed) > self.most {
            self.endless.notify_one();
        }
        if let Some((after, journal)) = &self.halt
            && record.seq == *after
        {
            let mut journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = journal.halt("prove", REASON, record.time);
        }
        if let Some((after, journal)) = &self.cancel
            && record.seq == *after
        {
            let mut journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
            // The journal that dies is the runner's own view; this is the one of whoever cancels.
            let _ = journal.ask(&state.run, &RequestKind::Cancel, "prove", REASON, record.time);
        }
    }
}

impl Stand {
    pub(super) async fn new(subject: Subject) -> Result<Self, ProveError> {
        let Subject { mut playbook, inputs, actions, stage, folder } = subject;
        let approved = approve_all(&mut playbook);
        let bench = Bench {
            actions: rehearsed(&actions, &stage),
            folder,
            inventory: Arc::new(stage.inventory()),
            clock: Arc::new(VirtualClock(Instant::now())),
        };
        let (most_records, longest) = bounds(&playbook);
        let plan = bench.engine(&MemoryJournal::new(), None, Arc::new(Silent)).plan(playbook, inputs).await?;
        Ok(Self { approved, origin: stage.save(), stage, plan, bench, most_records, longest })
    }

    /// Whether an action runs commands, whose end a recorder keeps.
    pub(super) fn is_command(&self, action: &str) -> bool {
        self.bench.actions.get(action).is_some_and(|action| action.spec().output("exit_code").is_some())
    }

    /// What is run.
    pub(super) fn playbook(&self) -> &Playbook {
        &self.plan.playbook
    }

    /// A world in which nothing has happened.
    pub(super) fn fresh(&self) -> Scene {
        Scene { world: self.origin.clone(), journal: MemoryJournal::new() }
    }

    /// The world and the journal as they are now.
    pub(super) fn keep(&self, journal: &MemoryJournal) -> Scene {
        Scene { world: self.stage.save(), journal: journal.copy() }
    }

    /// Makes a scene the present one; its journal is to be lived in.
    pub(super) fn enter(&self, scene: &Scene) -> MemoryJournal {
        self.stage.restore(&scene.world);
        scene.journal.copy()
    }

    /// The steps that ask for an approval.
    pub(super) fn approved(&self) -> &[StepId] {
        &self.approved
    }

    /// What a run begins with: all approvals are given, but one.
    fn beginning(&self, without: Option<&StepId>) -> Beginning {
        let approved = self.approved.iter().filter(|step| Some(*step) != without).cloned().collect();
        Beginning::by_person(Vec::new(), approved)
    }

    /// A first life.
    pub(super) async fn start(
        &self,
        journal: &MemoryJournal,
        failure: Option<Failure>,
        cancel: Option<u64>,
        without: Option<&StepId>,
    ) -> Life {
        let witness = self.witness(cancel.map(|after| (after, Mutex::new(journal.reopen()))));
        let mut engine = self.bench.engine(journal, failure, witness.clone());
        self.live(failure, &witness, engine.start(self.plan.clone(), self.beginning(without))).await
    }

    /// The same where everything is halted behind a record.
    pub(super) async fn start_halted(
        &self,
        journal: &MemoryJournal,
        cancel: Option<u64>,
        without: Option<&StepId>,
        halt: u64,
    ) -> Life {
        let view = |after| (after, Mutex::new(journal.reopen()));
        let witness = Arc::new(Witness { halt: Some(view(halt)), ..self.watching(cancel.map(view)) });
        let mut engine = self.bench.engine(journal, None, witness.clone());
        self.live(None, &witness, engine.start(self.plan.clone(), self.beginning(without))).await
    }

    /// Ends the halt.
    pub(super) fn lift(&self, journal: &MemoryJournal) {
        // Only a store that has failed cannot, and this view has not.
        let _ = journal.reopen().lift("prove", REASON, self.bench.clock.now());
    }

    /// Another life for the same run. The process before is this very one, as far as the system knows; it is known to be dead.
    pub(super) async fn resume(&self, journal: &MemoryJournal, failure: Option<Failure>) -> Life {
        let Some(run) = run_of(journal) else { return Life::Failed("there is no run to resume".to_owned()) };
        let witness = self.witness(None);
        let mut engine = self.bench.engine(journal, failure, witness.clone());
        self.live(failure, &witness, engine.resume(&run, REASON, true)).await
    }

    /// A person asks for something, or answers; this process takes the run and does it.
    pub(super) async fn request(&self, journal: &MemoryJournal, request: RequestKind) -> Life {
        let Some(run) = run_of(journal) else { return Life::Failed("there is no run to ask".to_owned()) };
        let witness = self.witness(None);
        let mut engine = self.bench.engine(journal, None, witness.clone());
        let asking = async {
            match engine.request(&run, request, REASON).await? {
                Requested::Driven(ending) => Ok(*ending),
                Requested::TakenUp => Err(EngineError::State("somebody else holds the run".to_owned())),
            }
        };
        self.live(None, &witness, asking).await
    }

    /// Lets a deadline pass, and the next holder see it.
    pub(super) async fn let_pass(&self, deadline: Time) {
        let seconds = deadline.seconds_since(self.bench.clock.now()).max(0.0) + 1.0;
        tokio::time::sleep(Duration::try_from_secs_f64(seconds).unwrap_or(self.longest)).await;
    }

    /// The state that the journal's records make, and whether they may stand as they do.
    pub(super) fn state(&self, journal: &MemoryJournal) -> Result<Option<RunState>, String> {
        let Some(run) = run_of(journal) else { return Ok(None) };
        let records = journal.reopen().records(&run, 0).map_err(|error| error.to_string())?;
        RunState::replay(&run, &records).map(Some).map_err(|error| format!("on replay: {error}"))
    }

    fn witness(&self, cancel: Option<(u64, Mutex<MemoryJournal>)>) -> Arc<Witness> {
        Arc::new(self.watching(cancel))
    }

    fn watching(&self, cancel: Option<(u64, Mutex<MemoryJournal>)>) -> Witness {
        let (records, endless) = (AtomicU64::new(0), Notify::new());
        Witness { records, most: self.most_records, endless, cancel, halt: None }
    }

    async fn live(
        &self,
        failure: Option<Failure>,
        witness: &Witness,
        work: impl Future<Output = Result<Ending, EngineError>>,
    ) -> Life {
        let result = tokio::select! {
            biased;
            () = self.stage.struck() => return Life::Killed,
            () = witness.endless.notified() => return Life::Endless,
            result = work => result,
            () = tokio::time::sleep(self.longest) => return Life::Endless,
        };
        match result {
            Ok(ending) => Life::Rests(ending.kind),
            Err(EngineError::Journal(JournalError::Store { .. })) if failure.is_some() => Life::Killed,
            Err(error) => Life::Failed(error.to_string()),
        }
    }
}

/// The run of a journal, if it has begun.
pub(super) fn run_of(journal: &MemoryJournal) -> Option<RunId> {
    journal.reopen().runs().ok()?.into_iter().next().map(|row| row.run)
}

/// The records of a journal's run.
pub(super) fn records_of(journal: &MemoryJournal) -> Vec<Record> {
    run_of(journal).and_then(|run| journal.reopen().records(&run, 0).ok()).unwrap_or_default()
}

/// How many records a run may write and how long it may take, far beyond what any does that comes to an end.
fn bounds(playbook: &Playbook) -> (u64, Duration) {
    let tries = |step: &Step| f64::from(step.retry.attempts.min(1000)) + 4.0;
    let time = |step: &Step| {
        let within = step.verify.iter().map(|verify| verify.within).fold(0.0, f64::max);
        (step.timeout + 20.0 + step.retry.max_delay + step.settle + within) * tries(step)
    };
    // A world has a handful of items.
    let pauses: f64 = playbook.groups.iter().filter_map(|group| Some(group.each()?.pause)).sum::<f64>() * 64.0;
    let seconds: f64 = playbook.steps.iter().map(time).sum::<f64>() + pauses + 7200.0;
    let records: f64 = playbook.steps.iter().map(tries).sum::<f64>() * 20.0 + 200.0;
    (records as u64, Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(86_400)))
}

impl Bench {
    fn engine(&self, journal: &MemoryJournal, failure: Option<Failure>, observer: Arc<dyn Observer>) -> Engine {
        let mut journal = journal.reopen();
        journal.fail(failure);
        let (_, interrupts) = tokio::sync::watch::channel(0);
        Engine::new(Parts {
            journal: Box::new(journal),
            actions: self.actions.clone(),
            inventory: Arc::clone(&self.inventory),
            state: self.folder.clone(),
            observer,
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            pagers: Vec::new(),
            people: Arc::new(Everybody::default()),
            limits: Vec::new(),
            repeat_seconds: 300.0,
            interrupts,
            wait: false,
            forks: FORKS,
        })
    }
}
