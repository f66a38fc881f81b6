//! Others who ask for things while a run goes, and actions that are slow enough for that.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use playbook::actions::{Action, ActionError, Call, Context, Table};
use playbook::engine::{Observer, People};
use playbook::journal::{Journal, MemoryJournal};
use playbook::outcome::{Finding, Report};
use playbook::run::{Record, RequestKind, RunState, Time};
use playbook::sim::table;
use playbook::spec::{ActionSpec, Prediction};
use serde_json::Value;

use super::harness::Simulation;

/// An action whose looks take their time, so that requests come in between.
pub struct Slow(pub Arc<dyn Action>);

const LOOK: Duration = Duration::from_millis(350);

#[async_trait]
impl Action for Slow {
    fn spec(&self) -> &ActionSpec {
        self.0.spec()
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        tokio::time::sleep(LOOK).await;
        self.0.plan(context, arguments).await
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        tokio::time::sleep(LOOK).await;
        self.0.run(context, call).await
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        tokio::time::sleep(LOOK).await;
        self.0.probe(context, call).await
    }

    async fn undo(&self, context: &Context, call: &Call) -> Report {
        self.0.undo(context, call).await
    }
}

pub fn slow(simulation: &Simulation) -> Table {
    let table = table(&simulation.world);
    let names: Vec<&str> = table.specs().map(|spec| spec.name).collect();
    let slow = |name: &&str| Arc::new(Slow(Arc::clone(table.get(name).unwrap()))) as Arc<dyn Action>;
    Table::of(names.iter().map(slow).collect())
}

/// Asks for things once a record is durable, as other processes would.
pub struct Asker {
    pub asks: Mutex<Vec<(u64, Said)>>,
    pub journal: Mutex<MemoryJournal>,
}

/// Who says what.
#[derive(Debug, Clone)]
pub enum Said {
    Ask(&'static str, RequestKind),
    Approve(&'static str, bool),
    Halt,
    Lift,
}

impl Observer for Asker {
    fn record(&self, record: &Record, state: &RunState) {
        let due: Vec<Said> = {
            let mut asks = self.asks.lock().unwrap();
            let due = asks.iter().filter(|(seq, _)| *seq == record.seq).map(|(_, said)| said.clone()).collect();
            asks.retain(|(seq, _)| *seq > record.seq);
            due
        };
        let mut journal = self.journal.lock().unwrap();
        due.iter().for_each(|said| say(&mut journal, state, said, record.time));
    }
}

pub fn say(journal: &mut MemoryJournal, state: &RunState, said: &Said, at: Time) {
    match said {
        Said::Ask(who, request) => drop(journal.ask(&state.run, request, who, "said so", at).unwrap()),
        Said::Approve(who, break_glass) => {
            let Some(question) = &state.question else { return };
            let Some(asked) = state.brakes.approvals.get(&question.task) else { return };
            let (task, subject) = (question.task.clone(), asked.asking.subject.clone());
            let request = RequestKind::Approve { task, subject, break_glass: *break_glass };
            journal.ask(&state.run, &request, who, "looks good", at).unwrap();
        }
        Said::Halt => drop(journal.halt("hal", "", at).unwrap()),
        Said::Lift => drop(journal.lift("hal", "", at).unwrap()),
    }
}

pub struct Roles;

impl People for Roles {
    fn roles_of(&self, user: &str) -> Vec<String> {
        let roles: &[&str] = match user {
            "ann" => &["dba"],
            "bob" => &["dba", "break-glass"],
            _ => &[],
        };
        roles.iter().map(|role| (*role).to_owned()).collect()
    }
}
