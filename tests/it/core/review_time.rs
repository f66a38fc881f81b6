//! Clocks that are set, interrupts during waits, and looks that never settle anything: a run neither hangs nor spins.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use async_trait::async_trait;
use playbook::actions::{Action, ActionError, Call, Context, Table};
use playbook::engine::{Beginning, Clock, EndingKind, Engine, Observer};
use playbook::outcome::{Finding, Report};
use playbook::playbook::Verify;
use playbook::run::{Decision, Event, QuestionKind, Record, RunState, StopKind, Time, Verdict};
use playbook::sim::{Fault, table};
use playbook::spec::{ActionSpec, Prediction};
use playbook::value::Value;
use serde_json::json;

use super::harness::{Life, SimulatedClock, Simulation, live, three};

/// A clock that is set once, at its so many-th look.
struct SetClock {
    looks: AtomicI64,
    at: i64,
    by: i64,
}

impl Clock for SetClock {
    fn now(&self) -> Time {
        let look = self.looks.fetch_add(1, Ordering::Relaxed);
        Time(SimulatedClock.now().0 + if look >= self.at { self.by } else { 0 })
    }
}

#[test]
fn a_clock_that_is_set_neither_stretches_nor_shortens_a_wait() {
    for (hours, at) in [(-1, 14), (1, 14), (-1, 20), (1, 20), (-1, 30), (1, 30)] {
        let simulation = Simulation::new();
        simulation.world.fail("b", 1, Fault::NoEffect);
        let mut book = three(["sim.idempotent"; 3]);
        book.steps[1].retry.attempts = 2;
        book.steps[1].retry.delay = 4.0;
        book.steps[1].retry.max_delay = 4.0;
        let clock = SetClock { looks: AtomicI64::new(0), at, by: hours * 3_600_000 };
        let life = live(async {
            let begun = tokio::time::Instant::now();
            let mut engine = Engine::new(playbook::engine::Parts { clock: Arc::new(clock), ..simulation.parts(None) });
            let plan = engine.plan(book, json!({})).await?;
            let ending = engine.start(plan, Beginning::default()).await;
            let took = begun.elapsed().as_secs_f64();
            assert!((1.9..4.5).contains(&took), "set by {hours} h at look {at}: it took {took} s");
            ending
        });
        assert_eq!(life.kind(), EndingKind::Finished(Verdict::Succeeded), "set by {hours} h at look {at}");
    }
}

/// Presses Ctrl-C once when a step is done, and counts what is decided.
struct Presser {
    interrupts: tokio::sync::watch::Sender<u32>,
    decisions: AtomicU64,
}

impl Observer for Presser {
    fn record(&self, record: &Record, _: &RunState) {
        if matches!(record.event, Event::Outcome { .. }) {
            self.interrupts.send_replace(1);
        }
    }

    fn decision(&self, _: &Decision, _: &RunState) {
        assert!(self.decisions.fetch_add(1, Ordering::Relaxed) < 2000, "it spins");
    }
}

#[test]
fn an_interrupt_during_a_wait_does_not_make_it_spin() {
    let mut book = three(["sim.idempotent"; 3]);
    book.steps[0].verify =
        vec![Verify { expression: super::review_undo::expression("facts.value == 'never'"), within: 3.0 }];
    let simulation = Simulation::new();
    let (interrupts, receiver) = tokio::sync::watch::channel(0);
    let observer = Arc::new(Presser { interrupts, decisions: AtomicU64::new(0) });
    let life = live(async {
        let parts = playbook::engine::Parts { observer, interrupts: receiver, ..simulation.parts(None) };
        let mut engine = Engine::new(parts);
        let plan = engine.plan(book, json!({})).await?;
        let begun = std::time::Instant::now();
        let ending = engine.start(plan, Beginning::default()).await;
        assert!(begun.elapsed().as_secs_f64() < 1.0, "it waits by another clock than the runtime's");
        ending
    });
    assert_eq!(life.kind(), EndingKind::Stopped(StopKind::Interrupted));
}

/// An action whose own end is never known: what it finds is that nobody knows.
struct Lost(ActionSpec);

#[async_trait]
impl Action for Lost {
    fn spec(&self) -> &ActionSpec {
        &self.0
    }

    async fn plan(&self, _: &Context, _: &Value) -> Result<Prediction, ActionError> {
        Ok(Prediction::probed(json!({})))
    }

    async fn run(&self, _: &Context, _: &Call) -> Report {
        Report::unknown("no answer")
    }

    async fn probe(&self, _: &Context, _: &Call) -> Finding {
        Finding::Ended(Report::unknown("its end is not known either"))
    }
}

#[test]
fn an_end_that_is_itself_unknown_is_asked_about() {
    let simulation = Simulation::new();
    let mut parts = simulation.parts(None);
    let mut spec = table(&simulation.world).get("sim.once").unwrap().spec().clone();
    spec.name = "sim.lost";
    parts.actions = Table::of(vec![Arc::new(Lost(spec))]);
    let mut book = three(["sim.lost"; 3]);
    for step in &mut book.steps {
        step.effect = playbook::spec::Effect::Once;
    }
    let life = live(async {
        let mut engine = Engine::new(parts);
        let plan = engine.plan(book, json!({})).await?;
        engine.start(plan, Beginning::default()).await
    });
    let Life::Ended(ending) = life else { panic!("{life:?}") };
    let EndingKind::Waiting(question) = ending.kind else { panic!("{:?}", ending.kind) };
    assert_eq!(question.kind, QuestionKind::UnknownOutcome);
}
