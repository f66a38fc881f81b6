//! A run in the simulated world, in a process that can be killed.

use std::sync::Arc;
use std::time::Duration;

use playbook::diagnostic::Span;
use playbook::engine::{Beginning, Clock, Ending, EndingKind, Engine, EngineError, Everybody, Parts, Silent};
use playbook::ids::{Digest, RunId};
use playbook::inventory::Inventory;
use playbook::journal::{Failure, Journal, MemoryJournal};
use playbook::playbook::{Argument, OnFailure, Playbook, Retry, Rollback, Step};
use playbook::run::{Answer, Record, RequestKind, RunState, Time};
use playbook::sim::{World, table};
use playbook::spec::Effect;
use serde_json::json;

/// A simulated process: dropped when it is killed.
pub struct Simulation {
    pub world: World,
    pub journal: MemoryJournal,
    folder: tempfile::TempDir,
}

/// The runtime's clock, which moves on when everything stands still.
pub struct SimulatedClock;

impl Clock for SimulatedClock {
    fn now(&self) -> Time {
        static ORIGIN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        let origin = *ORIGIN.get_or_init(std::time::Instant::now);
        let since = tokio::time::Instant::now().into_std().saturating_duration_since(origin);
        Time(1_800_000_000_000 + since.as_millis() as i64)
    }
}

/// What became of a process.
#[derive(Debug)]
pub enum Life {
    /// It came to an end by itself.
    Ended(Box<Ending>),
    /// The journal failed under it.
    Failed(EngineError),
    /// It was killed around an effect.
    Killed,
}

impl Simulation {
    pub fn new() -> Self {
        Self {
            world: World::of([("a", "0"), ("b", "0"), ("c", "0")]),
            journal: MemoryJournal::new(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub fn engine(&self, failure: Option<Failure>) -> Engine {
        Engine::new(self.parts(failure))
    }

    pub fn parts(&self, failure: Option<Failure>) -> Parts {
        let mut journal = self.journal.reopen();
        journal.fail(failure);
        let (_, interrupts) = tokio::sync::watch::channel(0);
        Parts {
            journal: Box::new(journal),
            actions: table(&self.world),
            inventory: Arc::new(Inventory { environment: "simulated".to_owned(), ..Inventory::default() }),
            state: self.folder.path().to_owned(),
            observer: Arc::new(Silent),
            clock: Arc::new(SimulatedClock),
            pagers: Vec::new(),
            people: Arc::new(Everybody::default()),
            limits: Vec::new(),
            repeat_seconds: 60.0,
            interrupts,
            wait: false,
            forks: playbook::engine::FORKS,
        }
    }

    /// Runs a playbook until it ends, its journal fails, or the simulated machine stands still.
    pub fn start(&self, book: &Playbook, failure: Option<Failure>) -> Life {
        let book = book.clone();
        live(async {
            let mut engine = self.engine(failure);
            let plan = engine.plan(book, json!({})).await?;
            engine.start(plan, Beginning::default()).await
        })
    }

    pub fn resume(&self, failure: Option<Failure>) -> Life {
        let run = self.run();
        // The process before is this very one, as far as the operating system knows; the simulation knows better.
        live(async { self.engine(failure).resume(&run, "it was killed", true).await })
    }

    pub fn answer(&self, task: &str, answer: Answer) -> Life {
        let request = RequestKind::Resolve { task: task.parse().unwrap(), answer };
        self.request(request)
    }

    pub fn request(&self, request: RequestKind) -> Life {
        let run = self.run();
        live(async {
            match self.engine(None).request(&run, request, "because the test says so").await? {
                playbook::engine::Requested::Driven(ending) => Ok(*ending),
                playbook::engine::Requested::TakenUp => panic!("somebody else holds a simulated run"),
            }
        })
    }

    /// Asks for something that nobody takes up yet.
    pub fn ask(&self, request: RequestKind) {
        self.journal.reopen().ask(&self.run(), &request, "tester", "because the test says so", Time(0)).unwrap();
    }

    pub fn has_run(&self) -> bool {
        !self.journal.reopen().runs().unwrap().is_empty()
    }

    pub fn run(&self) -> RunId {
        self.journal.reopen().runs().unwrap()[0].run.clone()
    }

    pub fn state(&self) -> RunState {
        RunState::replay(&self.run(), &records(self)).unwrap()
    }
}

/// The records of the newest run.
pub fn records(simulation: &Simulation) -> Vec<Record> {
    simulation.journal.reopen().records(&simulation.run(), 0).unwrap()
}

pub fn live(work: impl Future<Output = Result<Ending, EngineError>>) -> Life {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        // The clock is simulated: it moves on only when everything stands still, so nothing waits for real.
        match tokio::time::timeout(Duration::from_secs(15), work).await {
            Ok(Ok(ending)) => Life::Ended(Box::new(ending)),
            Ok(Err(error)) => Life::Failed(error),
            Err(_) => Life::Killed,
        }
    })
}

impl Life {
    pub fn ending(self) -> Ending {
        match self {
            Life::Ended(ending) => *ending,
            Life::Failed(error) => panic!("the process failed: {error}"),
            Life::Killed => panic!("the process did not come to its end"),
        }
    }

    pub fn kind(self) -> EndingKind {
        self.ending().kind
    }
}

/// Three steps that set `a`, `b` and `c` to `1`, each with the given action.
pub fn three(actions: [&str; 3]) -> Playbook {
    let steps = actions.iter().zip(["a", "b", "c"]).map(|(action, what)| step(what, action)).collect();
    book(steps)
}

pub fn book(steps: Vec<Step>) -> Playbook {
    Playbook {
        places: Default::default(),
        checks: Vec::new(),
        budgets: Vec::new(),
        max_targets: None,
        groups: Vec::new(),
        name: "simulated".to_owned(),
        version: "1.0.0".to_owned(),
        title: "Set three values".to_owned(),
        description: String::new(),
        owner: None,
        reviewed: None,
        review_every: None,
        severity: Vec::new(),
        symptoms: Vec::new(),
        services: Vec::new(),
        recovery_time: None,
        recovers: None,
        triggers: None,
        inputs: Vec::new(),
        locks: Vec::new(),
        steps,
        digest: Digest::of(b"simulated"),
    }
}

pub fn effect_of(action: &str) -> Effect {
    match action {
        "sim.read" => Effect::Read,
        "sim.idempotent" => Effect::Idempotent,
        "sim.keyed" => Effect::Keyed,
        "sim.once" => Effect::Once,
        _ => Effect::Probed,
    }
}

pub fn step(what: &str, action: &str) -> Step {
    let literal = |text: &str| Argument::Literal(json!(text));
    let rollback = match action {
        "sim.read" => Rollback::None { because: "it only reads".to_owned() },
        "sim.final" => Rollback::None { because: "it cannot be undone".to_owned() },
        _ => Rollback::Action,
    };
    Step {
        approval: None,
        sensitive: false,
        group: None,
        id: what.parse().unwrap(),
        span: Span::default(),
        title: what.to_owned(),
        action: action.to_owned(),
        arguments: vec![("what".to_owned(), literal(what)), ("value".to_owned(), literal("1"))],
        effect: effect_of(action),
        condition: None,
        needs: Vec::new(),
        require: Vec::new(),
        verify: Vec::new(),
        ok_if: None,
        timeout: 5.0,
        kill_on_timeout: false,
        retry: Retry { attempts: 1, delay: 0.0, backoff: 1.0, max_delay: 0.0 },
        probe: None,
        settle: 0.0,
        key: None,
        covers_partial: false,
        rollback,
        checkpoint: None,
        service: None,
        point_of_no_return: action == "sim.final",
        on_failure: None,
        outputs: Vec::new(),
    }
}

/// The policies that are tried against every outcome.
pub fn policies() -> Vec<Option<OnFailure>> {
    vec![
        None,
        Some(OnFailure::Rollback),
        Some(OnFailure::RollbackTo("after_a".to_owned())),
        Some(OnFailure::Pause),
        Some(OnFailure::Continue),
        Some(OnFailure::Step("c".parse().unwrap())),
    ]
}

/// `i1, i[3-4]`, name by name.
pub fn unfolded(text: &str) -> std::collections::BTreeSet<String> {
    let numbers = text.replace(['i', '[', ']', ' '], "");
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        first.parse::<u32>().unwrap()..=last.parse().unwrap()
    };
    numbers.split(',').flat_map(range).map(|number| format!("i{number}")).collect()
}
