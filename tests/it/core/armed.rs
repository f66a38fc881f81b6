//! What a target takes back by itself unless it is confirmed: nobody is asked, and nothing is believed, while its timer may
//! still run.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use playbook::actions::{Action, ActionError, Call, Context, Table};
use playbook::engine::{Beginning, EndingKind, Engine};
use playbook::outcome::{Finding, Report};
use playbook::run::{Event, QuestionKind, RunState, Settlement, Verdict};
use playbook::sim::table;
use playbook::spec::{ActionSpec, Prediction};
use playbook::value::Value;
use serde_json::json;

use super::harness::{Life, Simulation, live, records, three};

/// How long the timer of the target runs, in seconds.
const AFTER: f64 = 8.0;

/// A change whose connection is lost while the timer at its target runs.
struct Armed {
    spec: ActionSpec,
    says: Option<f64>,
    /// Whether somebody can see afterwards that it was taken back.
    visible: bool,
    began: Mutex<Option<tokio::time::Instant>>,
}

#[async_trait]
impl Action for Armed {
    fn spec(&self) -> &ActionSpec {
        &self.spec
    }

    fn reverts_after(&self, _: &Value) -> Option<f64> {
        self.says
    }

    async fn plan(&self, _: &Context, _: &Value) -> Result<Prediction, ActionError> {
        Ok(Prediction::probed(json!({})))
    }

    async fn run(&self, _: &Context, _: &Call) -> Report {
        if self.began.lock().unwrap().replace(tokio::time::Instant::now()).is_some() {
            return Report::done("confirmed", json!({}));
        }
        Report::unknown("the connection was lost while it was armed")
    }

    async fn probe(&self, _: &Context, _: &Call) -> Finding {
        let began = self.began.lock().unwrap().unwrap();
        if self.visible && began.elapsed().as_secs_f64() >= AFTER {
            Finding::DidNot { evidence: "it took itself back".to_owned() }
        } else {
            Finding::CannotTell { evidence: "the host does not answer".to_owned() }
        }
    }
}

/// Three steps of it, and what became of them.
fn armed(simulation: &Simulation, says: Option<f64>, visible: bool) -> Life {
    let mut parts = simulation.parts(None);
    let mut spec = table(&simulation.world).get("sim.once").unwrap().spec().clone();
    spec.name = "sim.armed";
    spec.effect = playbook::spec::Effect::Probed;
    parts.actions = Table::of(vec![Arc::new(Armed { spec, says, visible, began: Mutex::new(None) })]);
    let mut book = three(["sim.armed"; 3]);
    for step in &mut book.steps {
        step.effect = playbook::spec::Effect::Probed;
        step.retry.attempts = 2;
    }
    live(async {
        let mut engine = Engine::new(parts);
        let plan = engine.plan(book, json!({})).await?;
        engine.start(plan, Beginning::default()).await
    })
}

/// How many seconds after its first intent the run first did what is looked for.
fn first(simulation: &Simulation, wanted: impl Fn(&Event) -> bool) -> Option<f64> {
    let records = records(simulation);
    let intent = records.iter().find(|record| matches!(record.event, Event::Intent { .. })).unwrap().time;
    records.iter().find(|record| wanted(&record.event)).map(|record| record.time.seconds_since(intent))
}

#[test]
fn nobody_is_asked_while_the_target_may_still_take_it_back() {
    let simulation = Simulation::new();
    let life = armed(&simulation, Some(AFTER), false);
    let Life::Ended(ending) = life else { panic!("{life:?}") };
    let EndingKind::Waiting(question) = ending.kind else { panic!("{:?}", ending.kind) };
    assert_eq!(question.kind, QuestionKind::UnknownOutcome);
    let asked = first(&simulation, |event| matches!(event, Event::WaitStarted { .. })).unwrap();
    assert!((AFTER..AFTER + 3.0).contains(&asked), "asked after {asked} s");
    let records = records(&simulation);
    let looks = records.iter().filter(|record| matches!(record.event, Event::Settled { .. })).count();
    assert_eq!(looks, 2, "once at once, and once when the timer has run out");
    RunState::replay(&simulation.run(), &records).unwrap();

    // The same without the word that it is armed: a person is asked about a world that is gone a moment later.
    let simulation = Simulation::new();
    armed(&simulation, None, false);
    let asked = first(&simulation, |event| matches!(event, Event::WaitStarted { .. })).unwrap();
    assert!(asked < 5.0, "asked after {asked} s");
}

#[test]
fn what_took_itself_back_is_seen_and_done_again() {
    let simulation = Simulation::new();
    let life = armed(&simulation, Some(AFTER), true);
    assert_eq!(life.kind(), EndingKind::Finished(Verdict::Succeeded));
    let seen = first(&simulation, |event| matches!(event, Event::Settled { settlement: Settlement::DidNot, .. }));
    assert!(seen.is_some_and(|after| (AFTER..AFTER + 3.0).contains(&after)), "{seen:?}");
    assert_eq!(first(&simulation, |event| matches!(event, Event::WaitStarted { .. })), None);
}
