//! A run takes another one's place: it has its locks, tells what of it stands, and undoes that only where it goes on from it.

use playbook::engine::{Beginning, EndingKind, EngineError};
use playbook::ids::RunId;
use playbook::journal::{Failure, Journal};
use playbook::playbook::{Argument, OnFailure, Playbook, Rollback, Template};
use playbook::run::{Answer, Inheritance, QuestionKind, RequestKind, RunState, SkipHow, Verdict};
use playbook::sim::Fault;
use proptest::prelude::*;
use serde_json::json;

use super::harness::{Life, Simulation, live, step, three};

/// A run that waits, as `c` failed; `a` and `b` are done.
fn waiting(book: &mut Playbook) -> (Simulation, RunId) {
    let simulation = Simulation::new();
    simulation.world.fail("c", 1, Fault::FailedBefore);
    book.locks = lock("database/orders");
    book.steps[2].on_failure = Some(OnFailure::Pause);
    let kind = simulation.start(book, None).kind();
    assert!(matches!(kind, EndingKind::Waiting(_)), "{kind:?}");
    let run = simulation.run();
    (simulation, run)
}

fn lock(name: &str) -> Vec<Template> {
    vec![Template { source: name.to_owned(), span: playbook::diagnostic::Span::default() }]
}

fn state(simulation: &Simulation, run: &RunId) -> RunState {
    RunState::replay(run, &simulation.journal.reopen().records(run, 0).unwrap()).unwrap()
}

fn world(simulation: &Simulation) -> Vec<String> {
    simulation.world.values().into_values().collect()
}

fn take_over(simulation: &Simulation, book: &Playbook, from: &RunId, failure: Option<Failure>) -> Life {
    let book = book.clone();
    live(async {
        let mut engine = simulation.engine(failure);
        let former = engine.former(from)?;
        let plan = engine.plan(book, json!({})).await?;
        let inheritance = Inheritance::take_over(&former.state, "it hangs");
        engine.start_over(plan, Beginning::default(), &former, inheritance).await
    })
}

fn go_on(simulation: &Simulation, book: &Playbook, from: &RunId, failure: Option<Failure>) -> Life {
    let book = book.clone();
    live(async {
        let mut engine = simulation.engine(failure);
        let former = engine.former(from)?;
        let (plan, inheritance) = engine.plan_on(book, json!({}), Default::default(), &former, "it is mended").await?;
        engine.start_over(plan, Beginning::default(), &former, inheritance).await
    })
}

/// That it cannot be gone on from, with these words.
#[track_caller]
fn objected(life: Life, words: &str) {
    let Life::Failed(EngineError::Objections { objections, .. }) = life else { panic!("{life:?}") };
    assert!(objections.iter().any(|why| why.contains(words)), "{objections:?}");
}

fn other(what: &str) -> Playbook {
    let mut book = three(["sim.idempotent"; 3]);
    book.name = "other".to_owned();
    book.steps = vec![step(what, "sim.idempotent")];
    book
}

#[test]
fn a_run_takes_over_the_locks_and_says_what_stands() {
    let (simulation, old) = waiting(&mut three(["sim.idempotent"; 3]));
    let mut book = other("c");
    book.locks = lock("proxy/orders");
    simulation.world.fail("c", 1, Fault::FailedBefore);
    let ending = take_over(&simulation, &book, &old, None).ending();
    // It rolls back what is its own, and nothing else.
    assert_eq!(ending.kind, EndingKind::Finished(Verdict::RolledBack));
    assert_eq!(world(&simulation), ["1", "1", "0"]);
    let summary = ending.state.ended.as_ref().unwrap().2.clone();
    for part in ["took over", "a (done)", "b (done)", "everything that this run did is undone"] {
        assert!(summary.contains(part), "{part} is not in {summary}");
    }
    let names: Vec<&str> = ending.state.locks.iter().map(|lock| lock.as_str()).collect();
    assert_eq!(names, ["database/orders", "proxy/orders"]);
    let (verdict, _, summary) = state(&simulation, &old).ended.unwrap();
    assert_eq!(verdict, Verdict::Abandoned);
    assert!(summary.contains(ending.state.run.as_str()) && summary.contains("it hangs"), "{summary}");
    assert!(summary.contains("left as they are: a (done), b (done)"), "{summary}");
    for run in [&old, &ending.state.run] {
        assert_eq!(simulation.journal.reopen().verify(run).unwrap().broken, None);
    }
    assert!(simulation.journal.reopen().locks().unwrap().is_empty());
}

#[test]
fn what_was_left_by_a_run_before_is_told_on() {
    let (simulation, old) = waiting(&mut three(["sim.idempotent"; 3]));
    let mut second = other("c");
    second.steps[0].on_failure = Some(OnFailure::Pause);
    simulation.world.fail("c", 1, Fault::UnknownAfter);
    second.steps[0] = step("c", "sim.once");
    take_over(&simulation, &second, &old, None).kind();
    let middle = simulation.state().run;
    let middle = if middle == old { simulation.journal.reopen().runs().unwrap()[1].run.clone() } else { middle };
    simulation.world.mend();
    let ending = take_over(&simulation, &other("c"), &middle, None).ending();
    assert_eq!(ending.kind, EndingKind::Finished(Verdict::SucceededWithExceptions));
    let stands: Vec<String> = ending.state.inherited.unwrap().stands.iter().map(|one| one.task.to_string()).collect();
    assert_eq!(stands, ["a", "b", "c", "c"], "what failed there is told as well");
    assert!(ending.state.ended.unwrap().2.contains("c (not known whether it took effect)"));
}

#[test]
fn a_run_that_a_process_drives_or_that_has_ended_is_not_taken_over() {
    let simulation = Simulation::new();
    // It dies, as far as its journal goes; its process, which is this one, lives.
    simulation.start(&three(["sim.idempotent"; 3]), Some(Failure::Before(4)));
    let run = simulation.run();
    let life = take_over(&simulation, &other("c"), &run, None);
    assert!(matches!(life, Life::Failed(EngineError::Held { .. })), "{life:?}");
    simulation.resume(None).kind();
    let life = take_over(&simulation, &other("c"), &run, None);
    assert!(matches!(life, Life::Failed(EngineError::NotNow(_))), "{life:?}");
}

#[test]
fn a_crash_leaves_the_locks_with_one_of_both() {
    for failure in (0..6).flat_map(|n| [Failure::Before(n), Failure::Unacknowledged(n)]) {
        let (simulation, old) = waiting(&mut three(["sim.idempotent"; 3]));
        take_over(&simulation, &other("c"), &old, Some(failure));
        let mut journal = simulation.journal.reopen();
        let held: Vec<RunId> = journal.locks().unwrap().into_iter().map(|row| row.run).collect();
        let runs = journal.runs().unwrap();
        let open: Vec<RunId> = runs.into_iter().filter(|row| row.verdict.is_none()).map(|row| row.run).collect();
        assert_eq!(held, open, "{failure:?}: one run is open, and holds the lock, or none is and the lock is free");
        for row in journal.runs().unwrap() {
            assert_eq!(journal.verify(&row.run).unwrap().broken, None);
        }
    }
}

#[test]
fn a_mended_playbook_goes_on_where_it_stood() {
    let mut book = three(["sim.idempotent", "sim.once", "sim.once"]);
    let (simulation, old) = waiting(&mut book);
    book.steps[2].action = "sim.idempotent".to_owned();
    book.steps[2].effect = playbook::spec::Effect::Idempotent;
    // Another action: what failed before it had no effect that anybody knows of, and is refused for that it may have.
    objected(go_on(&simulation, &book, &old, None), "c failed");
    let mut book = three(["sim.idempotent", "sim.once", "sim.once"]);
    book.steps.push(step("c", "sim.idempotent"));
    book.steps[3].id = "d".parse().unwrap();
    simulation.world.mend();
    let ending = go_on(&simulation, &book, &old, None).ending();
    assert_eq!(ending.kind, EndingKind::Finished(Verdict::SucceededWithExceptions));
    assert_eq!(world(&simulation), ["1", "1", "1"]);
    let applied = simulation.world.applied();
    assert_eq!(applied.iter().filter(|task| *task == "a" || *task == "b").count(), 2, "{applied:?}");
    let (verdict, _, summary) = state(&simulation, &old).ended.unwrap();
    assert!(verdict == Verdict::Abandoned && summary.contains("continued by run"), "{summary}");
}

#[test]
fn a_rollback_covers_what_was_done_before() {
    let mut book = three(["sim.idempotent", "sim.probed", "sim.once"]);
    book.steps[0].checkpoint = Some("after_a".to_owned());
    for to in [None, Some("after_a".to_owned())] {
        let (simulation, old) = waiting(&mut book);
        simulation.world.fail("c", 1, Fault::FailedAfter);
        let mut mended = book.clone();
        mended.steps[2].on_failure = Some(to.clone().map_or(OnFailure::Rollback, OnFailure::RollbackTo));
        let ending = go_on(&simulation, &mended, &old, None).ending();
        let (verdict, left) = match to {
            None => (Verdict::RolledBack, ["0", "0", "0"]),
            Some(_) => (Verdict::RolledBackToCheckpoint, ["1", "0", "0"]),
        };
        assert_eq!(ending.kind, EndingKind::Finished(verdict), "{:?}", ending.state.ended);
        assert_eq!(world(&simulation), left);
    }
}

#[test]
fn what_nobody_would_undo_is_no_ground_to_go_on_from() {
    let mut book = three(["sim.idempotent"; 3]);
    let (simulation, old) = waiting(&mut book);
    let mut without = book.clone();
    without.steps.remove(1);
    objected(go_on(&simulation, &without, &old, None), "b is done, and the playbook does not have it any more");
    let mut differs = book.clone();
    differs.steps[1].arguments[1].1 = Argument::Literal(json!("2"));
    objected(go_on(&simulation, &differs, &old, None), "another value");
    let mut skips = book.clone();
    skips.steps[1].condition = Some(playbook::playbook::Expression {
        source: "1 > 2".to_owned(),
        span: playbook::diagnostic::Span::default(),
    });
    objected(go_on(&simulation, &skips, &old, None), "it would not run now");
    // Nothing was changed by any of it.
    assert!(state(&simulation, &old).ended.is_none());
    // What the playbook leaves on purpose may be gone from it.
    let mut kept = three(["sim.idempotent"; 3]);
    kept.steps[1].rollback = Rollback::None { because: "a test".to_owned() };
    let (simulation, old) = waiting(&mut kept);
    kept.steps.remove(1);
    simulation.world.mend();
    let ending = go_on(&simulation, &kept, &old, None).ending();
    assert_eq!(ending.kind, EndingKind::Finished(Verdict::SucceededWithExceptions));
    assert!(ending.state.ended.unwrap().2.contains("b (done)"));
}

#[test]
fn what_is_in_doubt_is_settled_first() {
    let simulation = Simulation::new();
    simulation.world.fail("b", 1, Fault::UnknownAfter);
    let mut book = three(["sim.idempotent", "sim.once", "sim.idempotent"]);
    book.locks = lock("database/orders");
    simulation.start(&book, None).kind();
    let old = simulation.run();
    objected(go_on(&simulation, &book, &old, None), "whether b took effect");
}

#[test]
fn a_point_of_no_return_stays_crossed() {
    let mut book = three(["sim.idempotent", "sim.final", "sim.once"]);
    let (simulation, old) = waiting(&mut book);
    let mut without = book.clone();
    without.steps.remove(1);
    objected(go_on(&simulation, &without, &old, None), "b is done");
    simulation.world.fail("c", 1, Fault::FailedBefore);
    book.steps[2].on_failure = Some(OnFailure::Rollback);
    let kind = go_on(&simulation, &book, &old, None).kind();
    let EndingKind::Waiting(question) = kind else { panic!("{kind:?}") };
    assert_eq!(question.kind, QuestionKind::BehindPointOfNoReturn);
    assert_eq!(world(&simulation), ["1", "1", "0"]);
}

#[test]
fn what_people_did_and_said_counts_on() {
    let mut book = three(["sim.idempotent"; 3]);
    book.steps.push(step("a", "sim.idempotent"));
    book.steps[3].id = "d".parse().unwrap();
    book.steps[2].on_failure = Some(OnFailure::Pause);
    book.steps[1].on_failure = Some(OnFailure::Pause);
    book.locks = lock("database/orders");
    let simulation = Simulation::new();
    simulation.world.fail("b", 1, Fault::NoEffect);
    simulation.world.fail("c", 1, Fault::FailedBefore);
    simulation.start(&book, None).kind();
    let skip = |task: &str, how| RequestKind::Skip { task: task.parse().unwrap(), how, outputs: json!({}) };
    simulation.request(skip("d", SkipHow::NotNeeded)).kind();
    simulation.world.set("b", "mine");
    simulation.request(skip("b", SkipHow::DoneByHand)).kind();
    let old = simulation.run();
    let mut mended = book.clone();
    mended.steps[2].on_failure = None;
    // It fails once more: what the run undoes is not what a person did.
    let ending = go_on(&simulation, &mended, &old, None).ending();
    assert_eq!(ending.kind, EndingKind::Finished(Verdict::RolledBack));
    assert_eq!(world(&simulation), ["0", "mine", "0"]);
    let summary = ending.state.ended.unwrap().2;
    assert!(summary.contains("b: done by hand"), "{summary}");
    assert!(!simulation.world.applied().iter().any(|task| task == "b" || task == "d"));
}

#[test]
fn a_run_that_went_on_from_another_can_be_gone_on_from() {
    let mut book = three(["sim.idempotent", "sim.once", "sim.once"]);
    let (simulation, old) = waiting(&mut book);
    simulation.world.fail("c", 1, Fault::FailedBefore);
    let ending = go_on(&simulation, &book, &old, None).ending();
    assert!(matches!(ending.kind, EndingKind::Waiting(_)), "{:?}", ending.kind);
    let second = ending.state.run;
    let kind = live(async {
        let request = RequestKind::Resolve { task: "c".parse().unwrap(), answer: Answer::TookEffect };
        match simulation.engine(None).request(&second, request, "done").await? {
            playbook::engine::Requested::Driven(ending) => Ok(*ending),
            playbook::engine::Requested::TakenUp => panic!("somebody else holds it"),
        }
    });
    assert_eq!(kind.kind(), EndingKind::Finished(Verdict::SucceededWithExceptions));
    let applied = simulation.world.applied();
    assert_eq!(applied.iter().filter(|task| *task == "a" || *task == "b").count(), 2, "{applied:?}");
}

/// Faults after which a step is known to have failed, and the run asks.
fn failing() -> impl Strategy<Value = Fault> {
    prop::sample::select(vec![Fault::NoEffect, Fault::FailedBefore, Fault::FailedAfter])
}

fn kill() -> impl Strategy<Value = Option<Failure>> {
    let one = (0..12_u64, any::<bool>());
    let one = one.prop_map(|(n, lost)| if lost { Failure::Unacknowledged(n) } else { Failure::Before(n) });
    proptest::option::of(one)
}

/// The run that is not this one, if there is one.
fn newer(simulation: &Simulation, old: &RunId) -> Option<RunId> {
    simulation.journal.reopen().runs().unwrap().into_iter().map(|row| row.run).find(|run| run != old)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whoever_goes_on_does_nothing_twice_and_undoes_all(
        actions in [action(), action(), action()], place in 0..3_usize, fault in failing(),
        again in proptest::option::of((0..3_usize, failing())), killed in kill(),
    ) {
        // What a kill leaves in doubt is looked into; `once` would ask, which is no part of this.
        let known = |action| if killed.is_some() && action == "sim.once" { "sim.probed" } else { action };
        let mut book = three(actions.map(known));
        book.locks = lock("database/orders");
        book.steps[place].on_failure = Some(OnFailure::Pause);
        let simulation = Simulation::new();
        simulation.world.fail(["a", "b", "c"][place], 1, fault);
        let kind = simulation.start(&book, None).kind();
        prop_assert!(matches!(kind, EndingKind::Waiting(_)), "{:?}", kind);
        let old = simulation.run();
        simulation.world.mend();
        book.steps[place].on_failure = None;
        let again = again.filter(|(step, _)| *step >= place);
        if let Some((step, fault)) = again {
            // An attempt that the kill swallows is not the one that goes wrong.
            (1..5).for_each(|attempt| simulation.world.fail(["a", "b", "c"][step], attempt, fault));
        }
        go_on(&simulation, &book, &old, killed);
        if newer(&simulation, &old).is_none() {
            prop_assert!(state(&simulation, &old).ended.is_none(), "one of both is there");
            go_on(&simulation, &book, &old, None).kind();
        }
        let new = newer(&simulation, &old).unwrap();
        prop_assert!(state(&simulation, &old).ended.is_some());
        for _ in 0..3 {
            if state(&simulation, &new).ended.is_none() {
                live(async { simulation.engine(None).resume(&new, "it was killed", true).await });
            }
        }
        let (verdict, _, summary) = state(&simulation, &new).ended.unwrap();
        let all = world(&simulation);
        match again {
            None => {
                prop_assert_eq!(verdict, Verdict::SucceededWithExceptions, "{}", summary);
                prop_assert_eq!(&all, &["1", "1", "1"]);
            }
            // A kill loses an end; where the effect is there all the same, a probe sees it, and nothing has failed.
            Some(_) if killed.is_some() && verdict == Verdict::SucceededWithExceptions => {
                prop_assert_eq!(&all, &["1", "1", "1"]);
            }
            Some(_) => {
                prop_assert!(matches!(verdict, Verdict::RolledBack | Verdict::Failed), "{}", summary);
                prop_assert_eq!(&all, &["0", "0", "0"]);
            }
        }
        let applied = simulation.world.applied();
        for step in ["a", "b", "c"].iter().take(place) {
            prop_assert_eq!(applied.iter().filter(|task| task == step).count(), 1, "{:?}", &applied);
        }
    }
}

fn action() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["sim.idempotent", "sim.keyed", "sim.probed", "sim.once"])
}
