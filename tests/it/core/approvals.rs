//! Approvals in the simulated world: who may give one, when it counts, and what happens without.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use playbook::diagnostic::Span;
use playbook::engine::{Beginning, EndingKind, Engine, EngineError, People, Requested};
use playbook::journal::{Failure, Journal, MemoryJournal};
use playbook::playbook::{Approval, Expression, OnTimeout, Playbook};
use playbook::run::{Event, QuestionKind, RequestKind, RunState, Task, Time, Verdict};
use serde_json::json;

use super::harness::{Life, Simulation, live, three};

/// Roles by name.
struct Roles(BTreeMap<&'static str, Vec<&'static str>>);

impl People for Roles {
    fn roles_of(&self, user: &str) -> Vec<String> {
        self.0.get(user).into_iter().flatten().map(|role| (*role).to_owned()).collect()
    }
}

fn approval() -> Approval {
    Approval {
        roles: vec!["dba".to_owned()],
        min: 1,
        timeout: 300.0,
        on_timeout: None,
        prevent_self_approval: false,
        condition: None,
        span: Span::default(),
    }
}

/// `a`, then `b` with an approval, then `c`.
fn book(approval: Approval) -> Playbook {
    let mut book = three(["sim.idempotent", "sim.probed", "sim.idempotent"]);
    book.steps[1].approval = Some(approval);
    book
}

struct Stage {
    simulation: Simulation,
}

impl Stage {
    /// A run that has come to its approval.
    fn asking(book: &Playbook) -> Self {
        let stage = Self { simulation: Simulation::new() };
        let kind = stage.start(book, Beginning::default()).kind();
        assert!(matches!(&kind, EndingKind::Waiting(question) if question.kind == QuestionKind::Approval), "{kind:?}");
        stage
    }

    fn engine(&self, failure: Option<Failure>) -> Engine {
        let me = playbook::engine::holder::this_process().user;
        let me: &'static str = Box::leak(me.into_boxed_str());
        let roles = [("ann", vec!["dba"]), ("bob", vec!["dba", "break-glass"]), ("eve", vec![]), (me, vec!["dba"])];
        let mut parts = self.simulation.parts(failure);
        parts.people = Arc::new(Roles(roles.into_iter().collect()));
        Engine::new(parts)
    }

    fn start(&self, book: &Playbook, beginning: Beginning) -> Life {
        live(async {
            let mut engine = self.engine(None);
            let plan = engine.plan(book.clone(), json!({})).await?;
            engine.start(plan, beginning).await
        })
    }

    fn resume_after(&self, seconds: u64) -> Life {
        let run = self.simulation.run();
        // The other side of `live` waits no longer than seconds: what passes before is no part of it.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            let mut engine = self.engine(None);
            match tokio::time::timeout(Duration::from_secs(15), engine.resume(&run, "", true)).await {
                Ok(Ok(ending)) => Life::Ended(Box::new(ending)),
                Ok(Err(error)) => Life::Failed(error),
                Err(_) => Life::Killed,
            }
        })
    }

    fn subject(&self) -> playbook::ids::Digest {
        self.simulation.state().brakes.approvals[&b()].asking.subject.clone()
    }

    /// Somebody asks for it; then a process takes the run up.
    fn says(&self, who: &str, request: RequestKind) -> Life {
        self.ask(who, &request);
        self.resume_after(0)
    }

    fn ask(&self, who: &str, request: &RequestKind) {
        self.simulation.journal.reopen().ask(&self.simulation.run(), request, who, "looks good", Time(0)).unwrap();
    }

    fn approve(&self, who: &str) -> Life {
        self.says(who, RequestKind::Approve { task: b(), subject: self.subject(), break_glass: false })
    }

    fn state(&self) -> RunState {
        self.simulation.state()
    }

    fn notes(&self) -> Vec<String> {
        let note = |event: Event| match event {
            Event::Note { message } => Some(message),
            _ => None,
        };
        let records = self.simulation.journal.reopen().records(&self.simulation.run(), 0).unwrap();
        records.into_iter().filter_map(|record| note(record.event)).collect()
    }
}

fn b() -> Task {
    "b".parse().unwrap()
}

fn verdict(life: Life) -> Verdict {
    match life.kind() {
        EndingKind::Finished(verdict) => verdict,
        other => panic!("it has not ended: {other:?}"),
    }
}

#[test]
fn a_step_begins_once_somebody_of_the_role_has_approved_it() {
    let stage = Stage::asking(&book(approval()));
    assert_eq!(stage.simulation.world.value("b").as_deref(), Some("0"), "nothing is changed before");
    assert_eq!(verdict(stage.approve("ann")), Verdict::Succeeded);
    assert_eq!(stage.simulation.world.value("b").as_deref(), Some("1"));
    let given = &stage.state().brakes.approvals[&b()].given;
    assert_eq!((given[0].by.as_str(), given[0].reason.as_str()), ("ann", "looks good"));
}

#[test]
fn without_the_role_it_does_not_count() {
    let stage = Stage::asking(&book(approval()));
    assert!(matches!(stage.approve("eve").kind(), EndingKind::Waiting(_)));
    assert!(stage.notes()[0].contains("eve has no role"), "{:?}", stage.notes());
    assert_eq!(stage.simulation.world.value("b").as_deref(), Some("0"));
}

#[test]
fn two_people_are_two_people() {
    let stage = Stage::asking(&book(Approval { min: 2, ..approval() }));
    assert!(matches!(stage.approve("ann").kind(), EndingKind::Waiting(_)));
    assert!(matches!(stage.approve("ann").kind(), EndingKind::Waiting(_)), "the same person twice is one");
    assert!(stage.notes()[0].contains("ann has approved b already"), "{:?}", stage.notes());
    assert_eq!(verdict(stage.approve("bob")), Verdict::Succeeded);
}

#[test]
fn who_started_it_may_not_approve_where_that_is_asked() {
    let me = playbook::engine::holder::this_process().user;
    let stage = Stage::asking(&book(Approval { prevent_self_approval: true, ..approval() }));
    assert!(matches!(stage.approve(&me).kind(), EndingKind::Waiting(_)));
    assert_eq!(verdict(stage.approve("ann")), Verdict::Succeeded);
    let own = Stage::asking(&book(approval()));
    assert_eq!(verdict(own.approve(&me)), Verdict::Succeeded, "elsewhere that is fine");
}

#[test]
fn an_approval_is_of_what_was_shown() {
    let stage = Stage::asking(&book(approval()));
    let other = playbook::ids::Digest::of(b"another plan");
    let life = stage.says("ann", RequestKind::Approve { task: b(), subject: other, break_glass: false });
    assert!(matches!(life.kind(), EndingKind::Waiting(_)));
    assert!(stage.notes()[0].contains("has changed since"), "{:?}", stage.notes());
}

#[test]
fn a_no_is_a_failure_that_changed_nothing() {
    let stage = Stage::asking(&book(approval()));
    assert_eq!(verdict(stage.says("ann", RequestKind::Reject { task: b() })), Verdict::RolledBack);
    assert_eq!(stage.simulation.world.value("a").as_deref(), Some("0"));
    let summary = stage.state().ended.unwrap().2;
    assert!(summary.contains("ann did not approve it: looks good"), "{summary}");
}

#[test]
fn a_stranger_cannot_refuse() {
    let stage = Stage::asking(&book(approval()));
    assert!(matches!(stage.says("eve", RequestKind::Reject { task: b() }).kind(), EndingKind::Waiting(_)));
    assert_eq!(verdict(stage.approve("ann")), Verdict::Succeeded);
}

#[test]
fn at_the_deadline_the_declared_default_is_taken() {
    let cases = [
        (None, Verdict::RolledBack, "0"),
        (Some(OnTimeout::Rollback), Verdict::RolledBack, "0"),
        (Some(OnTimeout::Abandon), Verdict::Abandoned, "1"),
    ];
    for (on_timeout, expected, a) in cases {
        let stage = Stage::asking(&book(Approval { on_timeout, ..approval() }));
        assert!(matches!(stage.resume_after(200).kind(), EndingKind::Waiting(_)), "it is not time yet");
        assert_eq!(verdict(stage.resume_after(301)), expected, "{on_timeout:?}");
        assert_eq!(stage.simulation.world.value("a").as_deref(), Some(a), "{on_timeout:?}");
        assert_eq!(stage.simulation.world.value("b").as_deref(), Some("0"));
    }
    let stage = Stage::asking(&book(Approval { on_timeout: Some(OnTimeout::Page), ..approval() }));
    assert!(matches!(stage.resume_after(100_000).kind(), EndingKind::Waiting(_)), "it pages on");
    assert_eq!(verdict(stage.approve("ann")), Verdict::Succeeded);
}

#[test]
fn an_approval_after_the_deadline_comes_too_late() {
    let stage = Stage::asking(&book(approval()));
    stage.ask("ann", &RequestKind::Approve { task: b(), subject: stage.subject(), break_glass: false });
    assert_eq!(verdict(stage.resume_after(301)), Verdict::RolledBack);
    assert!(stage.notes()[0].contains("came after its deadline"), "{:?}", stage.notes());
    assert_eq!(stage.simulation.world.value("b").as_deref(), Some("0"));
}

#[test]
fn an_approval_that_was_not_used_in_time_is_asked_for_anew() {
    let stage = Stage::asking(&book(approval()));
    // A person stops the run in the moment in which the approval comes: it is granted, and not used.
    stage.ask("ann", &RequestKind::Approve { task: b(), subject: stage.subject(), break_glass: false });
    stage.ask("ann", &RequestKind::Pause);
    assert!(matches!(stage.resume_after(0).kind(), EndingKind::Stopped(_)));
    assert!(stage.state().brakes.approvals[&b()].granted.is_some());
    let kind = stage.resume_after(301).kind();
    assert!(matches!(&kind, EndingKind::Waiting(question) if question.message.contains("asked anew")), "{kind:?}");
    assert_eq!(stage.simulation.world.value("b").as_deref(), Some("0"));
}

#[test]
fn a_yes_does_not_start_what_somebody_stopped() {
    let stage = Stage::asking(&book(approval()));
    stage.ask("bob", &RequestKind::Pause);
    assert!(matches!(stage.resume_after(0).kind(), EndingKind::Stopped(_)));
    // Whoever says yes takes the run up, and leaves it as it was stopped.
    let run = stage.simulation.run();
    let subject = stage.subject();
    let yes = RequestKind::Approve { task: b(), subject, break_glass: false };
    let life = live(async {
        match stage.engine(None).request(&run, yes, "looks good").await? {
            Requested::Driven(ending) => Ok(*ending),
            Requested::TakenUp => panic!("nobody holds it"),
        }
    });
    assert!(matches!(life.kind(), EndingKind::Stopped(_)));
    assert_eq!(stage.simulation.world.value("b").as_deref(), Some("0"));
    assert!(stage.simulation.journal.reopen().runs().unwrap()[0].stopped);
    assert_eq!(stage.simulation.journal.reopen().verify(&run).unwrap().broken, None);
    assert_eq!(verdict(stage.resume_after(0)), Verdict::Succeeded);
}

#[test]
fn the_glass_is_broken_by_who_may_and_everybody_sees_it() {
    let stage = Stage::asking(&book(Approval { min: 3, ..approval() }));
    let glass = RequestKind::Approve { task: b(), subject: stage.subject(), break_glass: true };
    assert!(matches!(stage.says("ann", glass.clone()).kind(), EndingKind::Waiting(_)), "ann has no such role");
    assert_eq!(verdict(stage.says("bob", glass)), Verdict::SucceededWithExceptions);
    let exceptions = stage.state().exceptions;
    assert!(exceptions.iter().any(|text| text.contains("bob broke the glass")), "{exceptions:?}");
}

#[test]
fn a_yes_ahead_is_a_yes_where_it_may_be_given() {
    let ahead = || Beginning::by_person(Vec::new(), vec!["b".parse().unwrap()]);
    let start = |approval: Approval| {
        let stage = Stage { simulation: Simulation::new() };
        (stage.start(&book(approval), ahead()).kind(), stage)
    };
    assert_eq!(start(approval()).0, EndingKind::Finished(Verdict::Succeeded));
    let (kind, stage) = start(Approval { min: 2, ..approval() });
    assert!(matches!(kind, EndingKind::Waiting(_)));
    assert_eq!(verdict(stage.approve("ann")), Verdict::Succeeded, "one more is enough");
    assert!(matches!(start(Approval { prevent_self_approval: true, ..approval() }).0, EndingKind::Waiting(_)));
    assert!(matches!(start(Approval { roles: vec!["network".to_owned()], ..approval() }).0, EndingKind::Waiting(_)));
}

#[test]
fn it_is_asked_for_only_where_its_condition_holds() {
    for (source, asked) in [("1 > 2", false), ("2 > 1", true)] {
        let condition = Some(Expression { source: source.to_owned(), span: Span::default() });
        let stage = Stage { simulation: Simulation::new() };
        let kind = stage.start(&book(Approval { condition, ..approval() }), Beginning::default()).kind();
        assert_eq!(matches!(kind, EndingKind::Waiting(_)), asked, "{source}");
    }
}

#[test]
fn nobody_can_approve_before_it_is_asked_or_after_it_is_done() {
    let stage = Stage::asking(&book(approval()));
    let early = RequestKind::Approve { task: "c".parse().unwrap(), subject: stage.subject(), break_glass: false };
    let run = stage.simulation.run();
    let refused = |request: RequestKind| {
        live(async {
            match stage.engine(None).request(&run, request, "").await? {
                Requested::Driven(ending) => Ok(*ending),
                Requested::TakenUp => panic!("nobody holds it"),
            }
        })
    };
    assert!(matches!(refused(early), Life::Failed(EngineError::NotNow(why)) if why.contains("no approval is asked")));
    assert_eq!(verdict(stage.approve("ann")), Verdict::Succeeded);
    let late = RequestKind::Approve { task: b(), subject: stage.subject(), break_glass: false };
    assert!(matches!(refused(late), Life::Failed(EngineError::NotNow(why)) if why.contains("has ended")));
}

/// An intent without an approval cannot stand in the journal: whoever wrote it, the fold refuses it.
#[test]
fn an_intent_that_nobody_approved_is_illegal() {
    let stage = Stage::asking(&book(approval()));
    assert_eq!(verdict(stage.approve("ann")), Verdict::Succeeded);
    let run = stage.simulation.run();
    let records = stage.simulation.journal.reopen().records(&run, 0).unwrap();
    let asked = records.iter().position(|record| matches!(record.event, Event::ApprovalAsked { .. })).unwrap();
    let intent = records.iter().find(|r| matches!(&r.event, Event::Intent { task, .. } if *task == b())).unwrap();
    for kept in [asked, asked + 1] {
        let mut state = RunState::replay(&run, &records[..kept]).unwrap();
        let mut forged = intent.clone();
        (forged.seq, forged.previous, forged.epoch) = (state.seq + 1, state.head.clone(), state.epoch);
        let error = state.apply(&forged).unwrap_err().to_string();
        assert!(error.contains("approved"), "{error}");
    }
}

/// The runner is killed at every record of a run with an approval: it always comes to its end once two have said yes, and
/// nothing runs without them.
#[test]
fn a_killed_runner_neither_loses_an_approval_nor_does_without() {
    let book = book(Approval { min: 2, ..approval() });
    for write in 0..40 {
        for failure in [Failure::Before(write), Failure::Unacknowledged(write)] {
            let stage = Stage { simulation: Simulation::new() };
            let _ = live(async {
                let mut engine = stage.engine(Some(failure));
                let plan = engine.plan(book.clone(), json!({})).await?;
                engine.start(plan, Beginning::default()).await
            });
            if stage.simulation.has_run() {
                follow(&stage);
            }
        }
    }
    // And killed while the answers come.
    for write in 0..12 {
        for failure in [Failure::Before(write), Failure::Unacknowledged(write)] {
            let stage = Stage::asking(&book);
            for who in ["ann", "bob"] {
                stage.ask(who, &RequestKind::Approve { task: b(), subject: stage.subject(), break_glass: false });
            }
            let run = stage.simulation.run();
            let _ = live(async { stage.engine(Some(failure)).resume(&run, "", true).await });
            follow(&stage);
        }
    }
}

fn follow(stage: &Stage) {
    for _ in 0..6 {
        match stage.resume_after(0).kind() {
            EndingKind::Finished(verdict) => {
                assert_eq!(verdict, Verdict::Succeeded);
                assert_eq!(stage.state().brakes.approvals[&b()].given.len(), 2);
                assert_eq!(stage.simulation.world.value("b").as_deref(), Some("1"));
                return;
            }
            EndingKind::Waiting(question) => {
                assert_eq!(question.kind, QuestionKind::Approval);
                assert_eq!(stage.simulation.world.value("b").as_deref(), Some("0"));
                let given = stage.state().brakes.approvals[&b()].given.len();
                let who = if given == 0 { "ann" } else { "bob" };
                stage.ask(who, &RequestKind::Approve { task: b(), subject: stage.subject(), break_glass: false });
            }
            other => panic!("{other:?}"),
        }
    }
    panic!("it does not come to its end");
}

#[test]
fn memory_and_the_list_of_runs_say_that_an_approval_is_awaited() {
    let stage = Stage::asking(&book(approval()));
    let journal: MemoryJournal = stage.simulation.journal.reopen();
    let mut journal = journal;
    assert_eq!(journal.runs().unwrap()[0].waiting, Some(QuestionKind::Approval));
    assert_eq!(journal.verify(&stage.simulation.run()).unwrap().broken, None);
    assert_eq!(verdict(stage.approve("ann")), Verdict::Succeeded);
    assert_eq!(journal.runs().unwrap()[0].waiting, None);
}
