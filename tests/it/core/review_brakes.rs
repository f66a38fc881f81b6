//! Brakes that meet something else in the same moment: a skip while a step is looked at, a deadline while it is asked who
//! somebody is, a page that outlives the run, a look that is made while something else changes.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use playbook::diagnostic::Span;
use playbook::engine::{Beginning, Clock, EndingKind, Engine, Observer, Parts, People};
use playbook::journal::{Journal, MemoryJournal};
use playbook::notify::{Notifier, NotifyError, PageText};
use playbook::playbook::{
    Approval, Argument, Budget, Check, CheckKind, Expression, OnFailure, Playbook, Retry, Verify,
};
use playbook::run::{Answer, Decision, Event, QuestionKind, RequestKind, RunState, SkipHow, Task, Time, Verdict};
use playbook::sim::Fault;
use serde_json::json;

use super::groups::{Node, playbook_of};
use super::harness::{Life, SimulatedClock, Simulation, live, step, three};
use super::review_asker::{Roles, slow};
use super::review_brakes_random::nested;

fn expression(source: &str) -> Expression {
    Expression { source: source.to_owned(), span: Span::default() }
}

fn verified(mut book: Playbook) -> Playbook {
    book.steps[1].verify = vec![Verify { expression: expression("facts.value == '1'"), within: 0.0 }];
    book
}

fn approval() -> Approval {
    Approval {
        roles: vec!["dba".to_owned()],
        min: 1,
        timeout: 5.0,
        on_timeout: None,
        prevent_self_approval: false,
        condition: None,
        span: Span::default(),
    }
}

fn check(kind: CheckKind, what: &str) -> Check {
    let mut look = step("invariant_1", "sim.read");
    look.arguments = vec![("what".to_owned(), Argument::Literal(json!(what)))];
    Check {
        name: what.to_owned(),
        kind,
        group: None,
        step: look,
        expression: expression("outputs.value == 'fine'"),
        within: 0.0,
    }
}

fn run(parts: Parts, book: &Playbook) -> Life {
    let book = book.clone();
    live(async {
        let mut engine = Engine::new(parts);
        let plan = engine.plan(book, json!({})).await?;
        engine.start(plan, Beginning::default()).await
    })
}

fn events(simulation: &Simulation) -> Vec<Event> {
    let records = simulation.journal.reopen().records(&simulation.run(), 0).unwrap();
    records.into_iter().map(|record| record.event).collect()
}

/// Somebody says that `b` is done by hand in the moment in which it is looked at, before or after its attempt.
struct Hasty {
    at: &'static str,
    journal: Mutex<MemoryJournal>,
}

impl Observer for Hasty {
    fn decision(&self, decision: &Decision, state: &RunState) {
        let b: Task = "b".parse().unwrap();
        if decision.word() == self.at
            && decision.task() == Some(&b)
            && state.may_skip(&b, SkipHow::DoneByHand, &json!({})).is_ok()
        {
            let request = RequestKind::Skip { task: b, how: SkipHow::DoneByHand, outputs: json!({}) };
            self.journal.lock().unwrap().ask(&state.run, &request, "eve", "I did it", Time(0)).unwrap();
        }
    }
}

#[test]
fn what_is_skipped_while_it_is_looked_at_never_breaks_the_journal() {
    for at in ["prepare", "settle"] {
        let simulation = Simulation::new();
        if at == "settle" {
            simulation.world.fail("b", 1, Fault::FailedBefore);
        }
        let mut book = verified(three(["sim.idempotent", "sim.probed", "sim.idempotent"]));
        book.steps[1].retry.attempts = 2;
        let journal = Mutex::new(simulation.journal.reopen());
        let actions = slow(&simulation);
        let observer = Arc::new(Hasty { at, journal });
        let ending = run(Parts { observer, actions, ..simulation.parts(None) }, &book).ending();
        // Nobody did it: that is found out, and asked about.
        assert!(
            matches!(&ending.kind, EndingKind::Waiting(question) if question.task.to_string() == "b"),
            "{at}: {:?}",
            ending.kind
        );
        assert!(simulation.state().is_done_by_hand(&"b".parse().unwrap()), "{at}");
        assert_eq!(simulation.world.value("b").as_deref(), Some("0"), "{at}: it ran all the same");
    }
}

/// A user database that takes its time.
struct SlowPeople(Arc<AtomicI64>);

impl People for SlowPeople {
    fn roles_of(&self, user: &str) -> Vec<String> {
        self.0.fetch_add(if user == "ann" { 10_000 } else { 0 }, Ordering::SeqCst);
        Roles.roles_of(user)
    }
}

struct Ahead(Arc<AtomicI64>);

impl Clock for Ahead {
    fn now(&self) -> Time {
        Time(SimulatedClock.now().0 + self.0.load(Ordering::SeqCst))
    }
}

#[test]
fn a_yes_that_is_overtaken_by_its_deadline_never_breaks_the_journal() {
    let simulation = Simulation::new();
    let mut book = three(["sim.idempotent"; 3]);
    book.steps[1].approval = Some(approval());
    let late = Arc::new(AtomicI64::new(0));
    let parts = || Parts {
        people: Arc::new(SlowPeople(Arc::clone(&late))),
        clock: Arc::new(Ahead(Arc::clone(&late))),
        ..simulation.parts(None)
    };
    assert!(matches!(run(parts(), &book).kind(), EndingKind::Waiting(_)));
    let b: Task = "b".parse().unwrap();
    let subject = simulation.state().brakes.approvals[&b].asking.subject.clone();
    // It is looked at before it is refused as too late, and the refusal is a note.
    for request in
        [RequestKind::Approve { task: b.clone(), subject, break_glass: false }, RequestKind::Reject { task: b }]
    {
        simulation.journal.reopen().ask(&simulation.run(), &request, "ann", "", Time(0)).unwrap();
    }
    let run = simulation.run();
    let life = live(async { Engine::new(parts()).resume(&run, "", true).await });
    assert_eq!(life.kind(), EndingKind::Finished(Verdict::RolledBack));
    assert_eq!(simulation.state().ended.map(|ended| ended.0), Some(Verdict::RolledBack), "it can be read");
}

struct SlowPager;

#[async_trait]
impl Notifier for SlowPager {
    fn name(&self) -> String {
        "slow".to_owned()
    }

    async fn send(&self, _: &PageText) -> Result<String, NotifyError> {
        tokio::time::sleep(Duration::from_secs(2)).await;
        Ok("told".to_owned())
    }
}

fn budget(from: &str, to: &str, max: f64) -> Budget {
    Budget { from: from.parse().unwrap(), to: to.parse().unwrap(), max }
}

/// A step whose second try comes late is how time passes.
fn late(book: &mut Playbook, place: usize) {
    book.steps[place].retry = Retry { attempts: 2, delay: 8.0, backoff: 1.0, max_delay: 100.0 };
}

#[test]
fn two_budgets_between_the_same_steps_are_told_once_each_and_a_page_may_outlive_the_run() {
    let simulation = Simulation::new();
    simulation.world.fail("c", 1, Fault::NoEffect);
    let mut book = three(["sim.idempotent", "sim.final", "sim.idempotent"]);
    late(&mut book, 2);
    // The second is told in the last moment.
    book.budgets = vec![budget("a", "c", 1.0), budget("a", "c", 3.9)];
    let parts = Parts { pagers: vec![Arc::new(SlowPager)], ..simulation.parts(None) };
    assert_eq!(run(parts, &book).kind(), EndingKind::Finished(Verdict::SucceededWithExceptions));
    let told = events(&simulation).into_iter().filter(|event| matches!(event, Event::BudgetExceeded { .. })).count();
    assert_eq!(told, 2);
}

#[test]
fn a_page_that_outlives_the_run_fails_nobody() {
    let simulation = Simulation::new();
    simulation.world.fail("c", 1, Fault::NoEffect);
    let mut book = three(["sim.idempotent", "sim.final", "sim.idempotent"]);
    book.steps[2].retry = Retry { attempts: 2, delay: 2.0, backoff: 1.0, max_delay: 2.0 };
    book.budgets = vec![budget("a", "c", 0.9)];
    let parts = Parts { pagers: vec![Arc::new(SlowPager)], ..simulation.parts(None) };
    assert_eq!(run(parts, &book).kind(), EndingKind::Finished(Verdict::SucceededWithExceptions));
}

#[test]
fn a_budget_takes_the_run_back_while_somebody_is_asked() {
    let simulation = Simulation::new();
    let mut book = three(["sim.idempotent"; 3]);
    book.steps[1].approval = Some(Approval { timeout: 60.0, ..approval() });
    book.budgets = vec![budget("a", "c", 2.0)];
    let parts = Parts { wait: true, ..simulation.parts(None) };
    assert_eq!(run(parts, &book).kind(), EndingKind::Finished(Verdict::RolledBack));
    let summary = simulation.state().ended.unwrap().2;
    assert!(summary.contains("from a to c it may take 2"), "{summary}");
    assert_eq!(simulation.world.value("a").as_deref(), Some("0"));
}

#[test]
fn a_budget_runs_from_what_began_and_not_from_what_was_refused() {
    let simulation = Simulation::new();
    let mut book = three(["sim.idempotent"; 3]);
    book.steps[1].approval = Some(Approval { timeout: 60.0, ..approval() });
    book.steps[1].on_failure = Some(OnFailure::Pause);
    book.budgets = vec![budget("b", "c", 2.0)];
    assert!(matches!(simulation.start(&book, None).kind(), EndingKind::Waiting(_)));
    let parts = || Parts { people: Arc::new(Roles), ..simulation.parts(None) };
    let say = |request: RequestKind, later: u64| {
        simulation.journal.reopen().ask(&simulation.run(), &request, "ann", "", Time(0)).unwrap();
        let run = simulation.run();
        live(async {
            tokio::time::sleep(Duration::from_secs(later)).await;
            Engine::new(parts()).resume(&run, "", true).await
        })
    };
    let b: Task = "b".parse().unwrap();
    assert!(matches!(say(RequestKind::Reject { task: b.clone() }, 0).kind(), EndingKind::Waiting(_)));
    assert!(matches!(
        say(RequestKind::Resolve { task: b.clone(), answer: Answer::Retry }, 5).kind(),
        EndingKind::Waiting(_)
    ));
    let subject = simulation.state().brakes.approvals[&b].asking.subject.clone();
    let kind = say(RequestKind::Approve { task: b, subject, break_glass: false }, 6).kind();
    assert_eq!(kind, EndingKind::Finished(Verdict::SucceededWithExceptions), "{:?}", simulation.state().ended);
}

#[test]
fn who_goes_on_over_what_does_not_hold_is_asked_about_all_of_it_and_once() {
    let simulation = Simulation::new();
    // The first change that the check is about comes behind the point of no return.
    let mut book = playbook_of(&[Node::One("sim.final"), Node::Parallel(vec!["sim.idempotent"])]);
    let inside = Check { group: Some("n1".parse().unwrap()), ..check(CheckKind::Always, "guard") };
    book.checks = vec![inside.clone(), Check { name: "other".to_owned(), ..inside }];
    let kind = simulation.start(&book, None).kind();
    let EndingKind::Waiting(question) = kind else { panic!("{kind:?}") };
    assert_eq!(question.kind, QuestionKind::InvariantBroken);
    assert!(question.message.contains("`guard`") && question.message.contains("`other`"), "{}", question.message);
    assert_eq!(simulation.world.value("n1_0"), None);
    let kind = simulation.answer(&question.task.to_string(), Answer::GoOn).kind();
    assert_eq!(simulation.world.value("n1_0").as_deref(), Some("1"), "it is asked for ever: {kind:?}");
    assert!(matches!(kind, EndingKind::Waiting(_)), "it is looked at after the change as well: {kind:?}");
}

#[test]
fn at_a_checkpoint_all_items_are_looked_at() {
    let simulation = Simulation::new();
    simulation.world.set("guard", "fine");
    let inner = Node::Inner { items: 3, size: 1, max_failures: 0, actions: vec!["sim.idempotent"] };
    let mut book = playbook_of(&[inner]);
    book.groups[0].checkpoint = Some("safe".to_owned());
    book.groups[1].kind = nested();
    book.checks = vec![Check { group: Some("n0_p".parse().unwrap()), ..check(CheckKind::Checkpoints, "guard") }];
    let kind = simulation.start(&book, None).kind();
    assert_eq!(kind, EndingKind::Finished(Verdict::Succeeded), "{:?}", simulation.state().ended);
    let looks = events(&simulation).into_iter().filter_map(|event| match event {
        Event::Checked { found, .. } => Some(found.len()),
        _ => None,
    });
    assert_eq!(looks.collect::<Vec<_>>(), [3], "one for each item");
}

#[test]
fn what_is_left_of_a_skipped_step_is_looked_at() {
    let simulation = Simulation::new();
    simulation.world.set("guard", "fine");
    simulation.world.fail("b", 1, Fault::FailedAfter);
    let mut book = three(["sim.idempotent", "sim.probed", "sim.idempotent"]);
    book.steps[1].on_failure = Some(OnFailure::Pause);
    book.checks = vec![check(CheckKind::Always, "guard")];
    assert!(matches!(simulation.start(&book, None).kind(), EndingKind::Waiting(_)));
    simulation.world.set("guard", "bad");
    let skip = RequestKind::Skip { task: "b".parse().unwrap(), how: SkipHow::NotNeeded, outputs: json!({}) };
    assert_eq!(simulation.request(skip).kind(), EndingKind::Finished(Verdict::RolledBack));
    assert!(!simulation.world.applied().contains(&"c".to_owned()), "c began, and nobody had looked after b");
}

#[test]
fn forward_again_everything_that_stands_is_looked_at_first() {
    let simulation = Simulation::new();
    simulation.world.set("guard", "fine");
    simulation.world.fail("c", 1, Fault::FailedAfter);
    let mut book = three(["sim.idempotent", "sim.final", "sim.idempotent"]);
    book.steps[2].on_failure = Some(OnFailure::Rollback);
    book.checks = vec![check(CheckKind::Always, "guard")];
    let kind = simulation.start(&book, None).kind();
    assert!(matches!(&kind, EndingKind::Waiting(q) if q.kind == QuestionKind::BehindPointOfNoReturn), "{kind:?}");
    simulation.world.set("guard", "bad");
    let kind = simulation.answer("b", Answer::Retry).kind();
    assert!(matches!(&kind, EndingKind::Waiting(q) if q.kind == QuestionKind::InvariantBroken), "{kind:?}");
    assert_eq!(simulation.world.applied().iter().filter(|task| *task == "c").count(), 1);
}

#[test]
fn nobody_is_asked_about_a_step_of_a_group_that_is_skipped() {
    let simulation = Simulation::new();
    let mut book = playbook_of(&[Node::One("sim.idempotent"), Node::Parallel(vec!["sim.idempotent"])]);
    book.steps[1].approval = Some(approval());
    assert!(matches!(simulation.start(&book, None).kind(), EndingKind::Waiting(_)));
    let skip = RequestKind::Skip { task: "n1".parse().unwrap(), how: SkipHow::NotNeeded, outputs: json!({}) };
    assert_eq!(simulation.request(skip).kind(), EndingKind::Finished(Verdict::SucceededWithExceptions));
    assert_eq!(simulation.world.value("n1_0"), None);
}
