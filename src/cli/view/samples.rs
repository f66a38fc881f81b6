//! Hand-made plans, runs and records for the snapshots of this room.

#[path = "samples_braked.rs"]
mod braked;
#[path = "samples_crowd.rs"]
mod crowd;
#[path = "samples_grouped.rs"]
mod grouped;

pub use braked::braked_plan;
pub use crowd::{crowd_plan, crowded, hosts, printed};
pub use grouped::grouped_plan;

use std::sync::Arc;

use serde_json::json;

use crate::diagnostic::Span;
use crate::ids::{Digest, RunId};
use crate::outcome::{CommandOutput, Report, Stream};
use crate::plan::{Decided, Plan, PlannedStep, Requirement};
use crate::playbook::{Expression, Playbook, Retry, Rollback, Service, Step, Template, Verify};
use crate::run::{Event, Holder, LeaseReason, Question, QuestionKind, Record, RunState, Settlement, Task, Time};
use crate::spec::{Change, Effect, Fidelity, Prediction};
use crate::value::unknown;

/// When the sample runs begin: 2026-11-22 15:20:30 UTC.
pub const START: Time = Time(1_795_360_830_000);

/// A step.
pub fn step(id: &str, title: &str, action: &str, effect: Effect) -> Step {
    Step {
        approval: None,
        sensitive: false,
        group: None,
        id: id.parse().unwrap(),
        span: Span::default(),
        title: title.to_owned(),
        action: action.to_owned(),
        arguments: Vec::new(),
        effect,
        condition: None,
        needs: Vec::new(),
        require: Vec::new(),
        verify: Vec::new(),
        ok_if: None,
        timeout: 30.0,
        kill_on_timeout: false,
        retry: Retry::default(),
        probe: None,
        settle: 1.0,
        key: None,
        covers_partial: false,
        rollback: Rollback::Action,
        checkpoint: None,
        service: None,
        point_of_no_return: false,
        on_failure: None,
        outputs: Vec::new(),
    }
}

/// A small playbook: look, hold, promote, repoint.
pub fn playbook() -> Playbook {
    let mut hold = step("hold", "Hold new writes at the proxy", "haproxy.server_state", Effect::Idempotent);
    hold.service = Some(Service::Down);
    let mut promote = step("promote", "Promote the standby", "postgres.promote", Effect::Probed);
    promote.point_of_no_return = true;
    promote.rollback = Rollback::None { because: "a promoted standby has a history of its own".to_owned() };
    promote.verify = vec![Verify {
        expression: Expression { source: "facts.primaries == 1".to_owned(), span: Span::default() },
        within: 10.0,
    }];
    let mut repoint = step("repoint", "Point the proxy at the new primary", "haproxy.server_state", Effect::Idempotent);
    repoint.service = Some(Service::Up);
    repoint.checkpoint = Some("traffic_on_new_primary".to_owned());
    Playbook {
        places: Default::default(),
        checks: Vec::new(),
        budgets: Vec::new(),
        max_targets: None,
        groups: Vec::new(),
        name: "db-failover".to_owned(),
        version: "1.4.0".to_owned(),
        title: "Switch a PostgreSQL cluster to its standby".to_owned(),
        description: String::new(),
        owner: Some("team-dba".to_owned()),
        reviewed: Some("2026-11-01".to_owned()),
        review_every: None,
        severity: vec!["P0".to_owned()],
        symptoms: vec!["primary database down".to_owned(), "数据库无法连接".to_owned()],
        services: Vec::new(),
        recovery_time: Some(180.0),
        recovers: None,
        triggers: None,
        inputs: Vec::new(),
        locks: vec![Template { source: "database/{{inputs.cluster}}".to_owned(), span: Span::default() }],
        steps: vec![
            step("roles", "Who is primary, and does the standby follow it", "postgres.status", Effect::Read),
            hold,
            promote,
            repoint,
        ],
        digest: Digest::of(b"playbook"),
    }
}

/// A step as it is foreseen for one item.
pub fn planned_for(step: &Step, item: &str) -> PlannedStep {
    PlannedStep { item: Some(item.parse().unwrap()), ..planned(step, Fidelity::Unknown, Vec::new()) }
}

fn planned(step: &Step, fidelity: Fidelity, changes: Vec<Change>) -> PlannedStep {
    PlannedStep {
        item: None,
        id: step.id.clone(),
        runs: Decided::Yes,
        arguments: json!({}),
        requirements: Vec::new(),
        prediction: Prediction { changes, fidelity, ..Prediction::probed(json!({})) },
        undo_covers_unknown: true,
        fidelity,
    }
}

fn change(what: &str, before: &str, after: &str) -> Change {
    Change { what: what.to_owned(), before: Some(before.to_owned()), after: Some(after.to_owned()) }
}

/// The plan of that playbook.
pub fn plan() -> Plan {
    let book = playbook();
    let mut steps = vec![
        planned(&book.steps[0], Fidelity::Probed, Vec::new()),
        planned(&book.steps[1], Fidelity::Probed, vec![change("server orders/pg1", "ready", "drain")]),
        planned(&book.steps[2], Fidelity::Assumed, vec![change("role of pg2", "standby", "primary")]),
        planned(&book.steps[3], Fidelity::Unknown, Vec::new()),
    ];
    steps[0].requirements = vec![
        Requirement { source: "outputs.primaries == 1".to_owned(), decided: Decided::Yes },
        Requirement {
            source: "outputs.lag_bytes <= inputs.max_lag".to_owned(),
            decided: Decided::No { why: "outputs.lag_bytes = 52428800, inputs.max_lag = 1048576".to_owned() },
        },
    ];
    steps[2].requirements = vec![Requirement {
        source: "steps.hold.outputs.sessions == 0".to_owned(),
        decided: Decided::Undecided { why: "hold has not run yet".to_owned() },
    }];
    steps[3].arguments = json!({ "server": unknown("promote has not run yet") });
    steps[3].runs = Decided::Undecided { why: "steps.promote.outputs.timeline is not known yet".to_owned() };
    Plan {
        checks: Vec::new(),
        groups: Vec::new(),
        format: 1,
        inputs: json!({ "cluster": "orders", "max_lag": 1_048_576, "note": null }),
        environment: "lab".to_owned(),
        targets: vec!["database orders".to_owned(), "proxy orders".to_owned()],
        locks: vec!["database/orders".parse().unwrap()],
        steps,
        digest: Digest::of(b"plan"),
        narrowing: Default::default(),
        facts_digest: Digest::of(b"facts"),
        playbook: book,
    }
}

/// The run of the samples.
pub fn run_id() -> RunId {
    "20261122-152030-k3f9".parse().unwrap()
}

/// A run's records, made one after the other.
pub struct Story {
    /// The records so far.
    pub records: Vec<Record>,
    /// What is known after them.
    pub state: RunState,
    at: Time,
}

impl Story {
    /// A run that has just begun.
    pub fn begin() -> Self {
        Self::with_plan(plan())
    }

    /// A run of a plan that has just begun.
    pub fn with_plan(plan: Plan) -> Self {
        let event = Event::RunStarted {
            locks: plan.locks.clone(),
            plan: Arc::new(plan),
            incident: Some("INC-7".to_owned()),
            format: 1,
            tool: "0.1.0".to_owned(),
            overrides: Vec::new(),
            approved: Vec::new(),
        };
        let first = record(1, START, "ann", Record::genesis(&run_id()), event);
        let state = RunState::begin(&run_id(), &first).unwrap();
        let mut story = Self { records: vec![first], state, at: START };
        let holder = Holder {
            user: "ann".into(),
            host: "ops1".into(),
            boot: "b".into(),
            namespace: String::new(),
            pid: 4242,
            started: 9,
            serves: false,
        };
        story.add(0.0, Event::LeaseTaken { holder, reason: LeaseReason::Start });
        story
    }

    /// The same story with another record, some seconds later.
    pub fn add(&mut self, seconds: f64, event: Event) -> &mut Self {
        self.by("playbook", seconds, event)
    }

    /// The same story with a person's record.
    pub fn by(&mut self, actor: &str, seconds: f64, event: Event) -> &mut Self {
        self.at = self.at.plus_seconds(seconds);
        let next = record(self.state.seq + 1, self.at, actor, self.state.head.clone(), event);
        self.state.apply(&next).unwrap();
        self.records.push(next);
        self
    }

    /// The intent of a task.
    pub fn intent(&mut self, task: &str) -> &mut Self {
        let task: Task = task.parse().unwrap();
        let attempt = self.state.tasks.get(&task).map_or(0, |state| state.attempt) + 1;
        let effect = self.state.step_of(&task).unwrap().effect;
        self.add(
            0.1,
            Event::Intent {
                key: format!("{}-{attempt}", task.step),
                task,
                attempt,
                arguments: json!({ "cluster": "orders" }),
                before: json!({}),
                effect,
                timeout: 30.0,
                reverts_after: None,
            },
        )
    }

    /// The outcome of a task, some seconds after its intent.
    pub fn outcome(&mut self, task: &str, seconds: f64, report: Report) -> &mut Self {
        let task: Task = task.parse().unwrap();
        let attempt = self.state.tasks[&task].attempt;
        self.add(seconds, Event::Outcome { task, attempt, report })
    }

    /// A task that is done.
    pub fn done(&mut self, task: &str, message: &str) -> &mut Self {
        self.intent(task).outcome(task, 0.4, Report::done(message, json!({})))
    }

    /// Now, in this story.
    pub fn now(&self) -> Time {
        self.at.plus_seconds(2.0)
    }
}

fn record(seq: u64, time: Time, actor: &str, previous: Digest, event: Event) -> Record {
    let text = serde_json::to_string(&event).unwrap();
    let hash = Record::hash_of(&previous, seq, time, 1, actor, &text);
    Record { seq, time, epoch: 1, actor: actor.to_owned(), previous, hash, event }
}

/// A run that waits, as nobody can tell whether the promotion took effect.
pub fn waiting() -> Story {
    let mut story = Story::begin();
    story.done("roles", "pg1 is primary, pg2 follows it").done("hold", "pg1 takes no new sessions");
    story.intent("promote").outcome("promote", 30.0, Report::unknown("no answer from pg2"));
    let task: Task = "promote".parse().unwrap();
    story.add(
        1.0,
        Event::Settled {
            task: task.clone(),
            attempt: 1,
            settlement: Settlement::CannotTell,
            evidence: "pg2 does not answer".to_owned(),
        },
    );
    let message = "nobody can tell whether promote took effect: pg2 does not answer".to_owned();
    story.add(
        0.0,
        Event::WaitStarted { question: Question { task, kind: QuestionKind::UnknownOutcome, message, deadline: None } },
    );
    story
}

/// What a hostile command printed.
pub fn hostile() -> CommandOutput {
    let text = "ok\x1b]0;owned\x07\nline two \u{202e}desrever\n".to_owned();
    CommandOutput {
        stdout: Stream { bytes: text.len() as u64, text, sha256: String::new(), truncated: false },
        stderr: Stream::default(),
    }
}

/// A run that failed and was rolled back.
pub fn rolled_back() -> Story {
    let mut story = Story::begin();
    story.done("roles", "pg1 is primary, pg2 follows it").done("hold", "pg1 takes no new sessions");
    story.intent("promote").outcome("promote", 1.5, Report::failed("pg2 said: not in recovery").with_output(hostile()));
    // A failed promotion is no promotion: what was seen says so.
    let task: Task = "promote".parse().unwrap();
    story.add(
        1.0,
        Event::Settled { task, attempt: 1, settlement: Settlement::DidNot, evidence: "pg2 is a standby".to_owned() },
    );
    story
        .add(0.0, Event::RollbackStarted { to: None, because: "promote failed: pg2 said: not in recovery".to_owned() });
    story.intent("hold/undo").outcome("hold/undo", 0.2, Report::done("pg1 is ready again", json!({})));
    story.add(
        0.0,
        Event::RunEnded {
            verdict: crate::run::Verdict::RolledBack,
            summary: "everything is as it was before the run (promote failed: pg2 said: not in recovery)".to_owned(),
        },
    );
    story
}

/// A run that succeeded.
pub fn succeeded() -> Story {
    let mut story = Story::begin();
    story.done("roles", "pg1 is primary, pg2 follows it").done("hold", "pg1 takes no new sessions");
    story.done("promote", "pg2 is primary, timeline 2");
    story.add(
        0.3,
        Event::Verified {
            task: "promote".parse().unwrap(),
            passed: true,
            conditions: vec![crate::run::Condition {
                source: "facts.primaries == 1".to_owned(),
                held: true,
                detail: String::new(),
            }],
        },
    );
    story.done("repoint", "pg2 takes sessions");
    story.add(
        0.0,
        Event::CheckpointReached { name: "traffic_on_new_primary".to_owned(), step: "repoint".parse().unwrap() },
    );
    story.add(
        0.0,
        Event::RunEnded {
            verdict: crate::run::Verdict::Succeeded,
            summary: "Switch a PostgreSQL cluster to its standby: done, every step succeeded".to_owned(),
        },
    );
    story
}
