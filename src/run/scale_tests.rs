//! A decision and a record cost the same in a list of ten and of ten thousand: the tasks and items that are looked at for
//! each are counted, as time says nothing on a busy machine.

use std::sync::Arc;

use serde_json::json;

use super::order::LOOKS;
use super::walk::MOST_AT_ONCE;
use super::*;
use crate::diagnostic::Source;
use crate::ids::{Digest, RunId};
use crate::outcome::Report;
use crate::plan::{Plan, Planner};
use crate::playbook::load;
use crate::spec::{ActionSpec, Effect, Fidelity, FieldSpec, Prediction, Specs, UndoSpec};
use crate::value::{Type, Value};

/// How many things the driver of the test works on at the same time.
const FORKS: usize = 16;

fn spec() -> ActionSpec {
    ActionSpec {
        name: "test.set",
        summary: "Sets something",
        details: "",
        inputs: vec![FieldSpec::required("what", Type::String, "what")],
        outputs: Vec::new(),
        facts: Vec::new(),
        effect: Effect::Probed,
        fidelity: Fidelity::Probed,
        proves: "it is read",
        undo: UndoSpec::Restores { how: "puts it back", from_observation: true },
        resource: None,
        settle_seconds: 0.0,
        timeout_seconds: 5.0,
        open_inputs: false,
    }
}

fn plan(items: usize, batch: &str) -> Plan {
    let text = format!(
        "name: x\nversion: 1.0.0\nowner: me\ninputs:\n  hosts: {{ type: list, items: identifier, required: true }}\nsteps:\n  - id: \
         all\n    for_each: \"{{{{inputs.hosts}}}}\"\n    batch: {batch}\n    on_item_failure: rollback\n    steps:\n      - {{ id: \
         one, uses: test.set, with: {{ what: \"{{{{item}}}}\" }} }}\n      - {{ id: two, uses: test.set, with: {{ what: \
         \"{{{{item}}}}\" }} }}\n  - {{ id: last, uses: test.set, with: {{ what: x }} }}\n"
    );
    let specs = Specs::of([&spec()]);
    let loaded = load(&Source::new("x.yaml", text), &specs);
    let book = loaded.playbook.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
    let hosts: Vec<Value> = (1..=items).map(|item| json!(format!("web{item}"))).collect();
    let mut planner = Planner::new(book, json!({ "hosts": hosts }), "test", &specs);
    while planner.look_up().unwrap().is_some() {
        planner.answer(Prediction::unknown("nobody looks"));
    }
    planner.finish()
}

/// What was looked at, at most, for one decision and for one record; and how many there were.
#[derive(Debug, Default, PartialEq)]
struct Cost {
    decision: u64,
    record: u64,
    records: u64,
}

struct Pure {
    state: RunState,
    cost: Cost,
}

impl Pure {
    fn new(plan: Plan) -> Self {
        let run: RunId = "20261123-080000-abcd".parse().unwrap();
        let event = Event::RunStarted {
            plan: Arc::new(plan),
            locks: Vec::new(),
            incident: None,
            format: FORMAT,
            tool: "test".to_owned(),
            overrides: Vec::new(),
            approved: Vec::new(),
        };
        let first = record(1, Record::genesis(&run), event);
        Self { state: RunState::begin(&run, &first).unwrap(), cost: Cost::default() }
    }

    fn write(&mut self, event: Event) {
        let before = LOOKS.get();
        let record = record(self.state.seq + 1, self.state.head.clone(), event);
        self.state.may_follow(&record.event, "test", record.time).unwrap();
        self.state.apply(&record).unwrap();
        // What a rollback owes is looked for once, when it begins.
        if !matches!(record.event, Event::RollbackStarted { .. }) {
            self.cost.record = self.cost.record.max(LOOKS.get() - before);
        }
        self.cost.records += 1;
    }

    fn decide(&mut self) -> Decision {
        let before = LOOKS.get();
        let decision = decide(&self.state, Time(1));
        // The one look through all of the order, before a rollback ends, is no index and is made once.
        if !matches!(decision, Decision::Record(_) | Decision::Finished(_)) {
            self.cost.decision = self.cost.decision.max(LOOKS.get() - before);
        }
        decision
    }

    fn act(&mut self, decision: &Decision, fails: &str) {
        match decision {
            Decision::Enter { task } => {
                let group = self.state.plan.groups[0].clone();
                self.write(Event::GroupEntered {
                    task: task.clone(),
                    items: group.items,
                    whole: group.whole,
                    excluded: group.excluded,
                    batches: group.batches,
                    max_failures: group.max_failures,
                    min_healthy: group.min_healthy,
                });
            }
            Decision::Prepare { task, .. } => {
                let attempt = self.state.tasks.get(task).map_or(1, |state| state.attempt + 1);
                self.write(Event::Intent {
                    task: task.clone(),
                    attempt,
                    arguments: json!({}),
                    before: Value::Null,
                    key: task.to_string(),
                    effect: Effect::Probed,
                    timeout: 5.0,
                    reverts_after: None,
                });
            }
            Decision::Dispatch { task } => {
                let failed = !task.is_undo() && task.to_string().starts_with(fails);
                let report = if failed { Report::no_effect("no") } else { Report::done("yes", json!({})) };
                let attempt = self.state.tasks[task].attempt;
                self.write(Event::Outcome { task: task.clone(), attempt, report });
            }
            Decision::Record(event) => self.write((**event).clone()),
            other => panic!("{other:?}"),
        }
    }

    /// Goes on until the run has ended.
    fn go(mut self, fails: &str) -> (RunState, Cost) {
        loop {
            match self.decide() {
                Decision::Finished(_) => return (self.state, self.cost),
                Decision::Together(all) => {
                    // What is under way comes to its end first, as in a driver that has so many hands.
                    let (busy, mut new): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| !one.begins());
                    new.truncate(FORKS.saturating_sub(busy.len()));
                    busy.iter().chain(&new).for_each(|decision| self.act(decision, fails));
                }
                one => self.act(&one, fails),
            }
        }
    }
}

fn record(seq: u64, previous: Digest, event: Event) -> Record {
    let hash = Digest::of(&seq.to_le_bytes());
    Record { seq, time: Time(1), epoch: 1, actor: "test".to_owned(), previous, hash, event }
}

fn cost(items: usize, batch: &str, fails: &str, verdict: Verdict) -> Cost {
    let (state, cost) = Pure::new(plan(items, batch)).go(fails);
    let (found, _, summary) = state.ended.clone().unwrap();
    assert_eq!(found, verdict, "{summary}");
    assert_eq!(state.entered.values().next().unwrap().dealt_with, items);
    cost
}

#[test]
fn a_list_costs_the_same_for_each_item_however_long_it_is_there_and_back() {
    for (batch, most) in [("{ size: 100% }", MOST_AT_ONCE as u64), ("{ size: 50 }", 50), ("{ size: 1 }", 1)] {
        let (few, many) =
            (cost(600, batch, "last", Verdict::RolledBack), cost(2400, batch, "last", Verdict::RolledBack));
        // Two steps are done and two undone for each item, with an intent and an outcome each.
        assert!(many.records >= 2400 * 8, "{many:?}");
        assert!(many.decision <= few.decision.max(8 * most), "{batch}: {few:?} {many:?}");
        assert!(many.record <= few.record && many.record <= 40, "{batch}: {few:?} {many:?}");
    }
}

#[test]
fn many_failures_cost_no_more() {
    let batch = "{ size: 100%, max_failures: 100% }";
    let cost = |items| cost(items, batch, "two@", Verdict::SucceededWithExceptions);
    let (few, many) = (cost(600), cost(2400));
    assert!(many.decision <= few.decision.max(8 * MOST_AT_ONCE as u64), "{few:?} {many:?}");
    assert!(many.record <= few.record && many.record <= 60, "{few:?} {many:?}");
}
