//! The runs in the hands of a server, in this process: real commands under real recorders, a real journal.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use playbook::actions::{Table, recorder};
use playbook::catalog::Entry;
use playbook::config::{Config, Role as People};
use playbook::diagnostic::Source;
use playbook::engine::{self, Beginning, Engine, Observer, Parts, Silent, SystemPeople, WallClock};
use playbook::ids::RunId;
use playbook::inventory::Inventory;
use playbook::journal::{Journal, JournalError, OverLimit, SqliteJournal};
use playbook::plan::{Narrowing, Plan, Which};
use playbook::playbook::{Given, Playbook, bind_inputs, load};
use playbook::run::{Event, Record, RequestKind, RunState, Task};
use playbook::server::{
    Asked, Caller, Further, Hands, Happening, House, Known, Problem, Refusal, Role, Rules, Runner, Wanted,
};
use serde_json::{Map, Value};

use crate::processes::{Place, until};

/// A house in a test's folder, without brakes.
struct Small {
    folder: PathBuf,
    config: Config,
    told: Mutex<Vec<String>>,
    /// Whether the inventory cannot be read just now.
    without_inventory: AtomicBool,
    falls: Arc<Falls>,
}

/// A clock over which whoever asks it falls, so many times.
#[derive(Default)]
struct Falls(AtomicU32);

impl engine::Clock for Falls {
    fn now(&self) -> playbook::run::Time {
        let falls = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        assert!(falls.is_err(), "it falls, as the test wants it");
        WallClock.now()
    }
}

impl House for Small {
    fn journal(&self) -> Result<SqliteJournal, Problem> {
        SqliteJournal::open(&self.folder.join("state")).map_err(|error| self.problem(error.into()))
    }

    fn config(&self) -> &Config {
        &self.config
    }

    fn people(&self) -> Arc<dyn engine::People> {
        Arc::new(SystemPeople::of(&self.config.roles))
    }

    fn playbooks(&self) -> Vec<Entry> {
        Vec::new()
    }

    fn playbook(&self, name: &str, _: Option<&str>) -> Result<Playbook, Problem> {
        let path = self.folder.join(format!("{name}.yaml"));
        let text = std::fs::read_to_string(&path).unwrap();
        let loaded = load(&Source::new(path.display().to_string(), text), &Table::builtin().told());
        Ok(loaded.playbook.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics)))
    }

    fn inventory(&self) -> Result<Arc<Inventory>, Problem> {
        if self.without_inventory.load(Ordering::Acquire) {
            return Err(Problem::new(422, 65, "the inventory cannot be read"));
        }
        Ok(Arc::new(Inventory { environment: "none".to_owned(), ..Inventory::default() }))
    }

    fn bind(&self, playbook: &Playbook, inputs: &Map<String, Value>, _: &Inventory) -> Result<Value, Problem> {
        let given = inputs.iter().map(|(name, text)| (name.clone(), Given::by_trigger(text.as_str().unwrap())));
        Ok(bind_inputs(playbook, &given.collect()).unwrap())
    }

    fn narrowing(&self, _: Option<&str>, _: &Inventory) -> Result<Narrowing, Problem> {
        Ok(Narrowing::default())
    }

    fn again(&self, _: &RunId, _: Which) -> Result<(Playbook, Value, Narrowing), Problem> {
        panic!("nothing is done again here")
    }

    fn plan_file(&self, _: &Plan, _: &Inventory, max_age: Option<f64>) -> Result<String, Problem> {
        Ok(format!("a file that counts for {max_age:?}"))
    }

    fn parts(
        &self,
        inventory: Arc<Inventory>,
        journal: SqliteJournal,
        observer: Arc<dyn Observer>,
        interrupts: tokio::sync::watch::Receiver<u32>,
    ) -> Parts {
        Parts {
            journal: Box::new(journal),
            actions: Table::builtin(),
            inventory,
            state: self.folder.join("state"),
            observer,
            clock: Arc::clone(&self.falls) as Arc<dyn engine::Clock>,
            pagers: Vec::new(),
            people: self.people(),
            limits: Vec::new(),
            repeat_seconds: 300.0,
            interrupts,
            wait: true,
            forks: 4,
        }
    }
}

impl Rules for Small {
    fn may_plan(&self, _: &Wanted, _: &mut Playbook, _: &Inventory) -> Result<(), Problem> {
        Ok(())
    }

    fn may_look(&self, _: &Wanted, _: &mut Playbook, _: &Inventory) -> Result<Known, Problem> {
        Ok(Known::default())
    }

    fn may_begin(
        &self,
        wanted: &Wanted,
        _: &Plan,
        known: Known,
        _: Option<OverLimit>,
        _: &mut dyn FnMut(&str) -> Result<(), String>,
    ) -> Result<Beginning, Problem> {
        let approved = wanted.approved.iter().map(|step| step.parse().unwrap()).collect();
        Ok(Beginning::by_person(known.passed, approved))
    }

    fn may_ask(&self, _: &RunId, _: &RequestKind, _: &Caller) -> Result<(), Problem> {
        Ok(())
    }

    fn inventory_of(&self, _: &RunState) -> Result<Arc<Inventory>, Problem> {
        self.inventory()
    }

    fn problem(&self, refusal: Refusal) -> Problem {
        let status = match &refusal {
            Refusal::Engine(engine::EngineError::Journal(JournalError::Locked(_))) => 423,
            Refusal::Engine(engine::EngineError::Held { .. }) | Refusal::InHand(_) => 409,
            Refusal::Engine(engine::EngineError::NotNow(_)) => 403,
            Refusal::Ends | Refusal::Full(_) => 503,
            Refusal::Engine(_) | Refusal::Fault(_) => 500,
        };
        Problem::new(status, 1, refusal.to_string())
    }

    fn happened(&self, what: &Happening<'_>) {
        self.told.lock().unwrap().push(format!("{what:?}"));
    }
}

fn small(folder: PathBuf) -> Arc<Small> {
    recorder::use_program(env!("CARGO_BIN_EXE_playbook").into());
    let mut config = Config::default();
    let users = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    config.roles.insert("dba".to_owned(), People { users: users(&["ann", "bob"]), groups: Vec::new() });
    Arc::new(Small {
        folder,
        config,
        told: Mutex::default(),
        without_inventory: AtomicBool::default(),
        falls: Arc::default(),
    })
}

/// The hands of a server in somebody else's place.
pub fn hands_at(folder: PathBuf) -> Hands {
    let small = small(folder);
    Hands::new(small.clone(), small)
}

/// A place with one server after the other.
struct Server {
    place: Place,
    small: Arc<Small>,
}

impl Server {
    fn new() -> Self {
        let place = Place::new();
        Self { small: small(place.path("")), place }
    }

    /// A server that begins: the one before has to have ended.
    fn hands(&self) -> Hands {
        Hands::new(self.small.clone(), self.small.clone())
    }

    fn journal(&self) -> SqliteJournal {
        self.small.journal().unwrap()
    }

    fn records(&self, run: &RunId) -> Vec<Record> {
        self.journal().records(run, 0).unwrap()
    }

    fn state(&self, run: &RunId) -> RunState {
        RunState::replay(run, &self.records(run)).unwrap()
    }

    fn verdict(&self, run: &RunId) -> playbook::run::Verdict {
        until("the end of the run", || self.state(run).ended.map(|(verdict, ..)| verdict))
    }

    /// Waits until the thread that drove it has let go of it.
    fn is_out(&self, hands: &Hands, run: &RunId) {
        until("the run is out of hand", || (!hands.in_hand().contains(run)).then_some(()));
    }

    fn told(&self, part: &str) -> bool {
        self.small.told.lock().unwrap().iter().any(|line| line.contains(part))
    }
}

fn caller(name: &str) -> Caller {
    Caller { name: name.to_owned(), roles: [Role::Operator].into() }
}

pub fn wanted(playbook: &str, by: &str) -> Wanted {
    Wanted {
        run: None,
        playbook: playbook.to_owned(),
        version: None,
        inputs: Map::new(),
        incident: None,
        limit: None,
        overrides: Vec::new(),
        approved: Vec::new(),
        confirm: None,
        by: caller(by),
        further: Further::default(),
    }
}

const TWO: &str = r#"
  - id: first
    run: echo first >> WORLD/log; GATE(first)
    rollback: [{ run: "sed -i /first/d WORLD/log", effect: idempotent }]
  - id: second
    run: echo second >> WORLD/log
    rollback: [{ run: "sed -i /second/d WORLD/log", effect: idempotent }]
"#;

/// Behind a point of no return no deadline decides.
const ASKS: &str = r#"
  - { id: over, run: 'true', point_of_no_return: true, rollback: none, because: it is a line that is crossed }
  - { id: one, run: 'exit 3', on_failure: pause, rollback: none, because: it changes nothing }
"#;

/// A server with one run in hand, whose first step waits for its gate.
fn in_its_first_step() -> (Server, Hands, RunId) {
    let server = Server::new();
    server.place.book("two", TWO);
    let hands = server.hands();
    let run = hands.start(wanted("two", "ann")).unwrap().run;
    server.place.wait_at("first");
    (server, hands, run)
}

/// A server whose one run waits for a person, without a deadline.
fn left_at_its_question() -> (Server, Hands, RunId) {
    let server = Server::new();
    server.place.book("asks", ASKS);
    let hands = server.hands();
    let run = hands.start(wanted("asks", "ann")).unwrap().run;
    until("it asks", || server.state(&run).question.map(|_| ()));
    server.is_out(&hands, &run);
    (server, hands, run)
}

#[test]
fn a_run_has_begun_when_it_is_said_and_is_in_the_name_of_who_asked() {
    let server = Server::new();
    server.place.book("two", TWO);
    let hands = server.hands();
    let begun = hands.start(wanted("two", "token ci")).unwrap();
    assert_eq!((begun.playbook.as_str(), begun.version.as_str()), ("two", "1.0.0"));
    // Durable, whatever becomes of this process.
    let first = server.records(&begun.run).remove(0);
    assert!(matches!(first.event, Event::RunStarted { .. }) && first.actor == "token ci", "{first:?}");
    let lease = server.journal().lease(&begun.run).unwrap();
    assert!(lease.holder.serves && lease.holder.pid == std::process::id() && lease.holder.user != "token ci");
    server.place.wait_at("first");
    assert_eq!(hands.in_hand(), std::slice::from_ref(&begun.run));
    server.place.open("first");
    assert_eq!(server.verdict(&begun.run), playbook::run::Verdict::Succeeded);
    server.is_out(&hands, &begun.run);
    assert_eq!(server.place.log(), ["first", "second"]);
    assert!(server.records(&begun.run).iter().all(|record| record.actor == "token ci"));
}

#[test]
fn a_plan_is_written_as_a_file_only_for_whoever_wants_it() {
    let server = Server::new();
    server.place.book("two", TWO);
    let hands = server.hands();
    assert_eq!(hands.plan(&wanted("two", "ann")).unwrap().file, None);
    let further = Further { file: true, max_plan_age: Some(7.0), ..Further::default() };
    let offered = hands.plan(&Wanted { further, ..wanted("two", "ann") }).unwrap();
    assert_eq!(offered.file.as_deref(), Some("a file that counts for Some(7.0)"));
}

#[test]
fn a_server_that_ends_gives_its_runs_back_behind_the_step_in_hand() {
    let (server, hands, run) = in_its_first_step();
    let ending = std::thread::spawn({
        let hands = hands.clone();
        move || hands.end(Duration::from_secs(30), || false)
    });
    until("the server ends", || hands.plan(&wanted("two", "ann")).is_err().then_some(()));
    assert_eq!(hands.start(wanted("two", "ann")).unwrap_err().status, 503);
    let pause = RequestKind::Pause;
    assert_eq!(hands.ask(&run, pause, &caller("ann"), "").unwrap_err().status, 503);
    server.place.open("first");
    assert!(ending.join().unwrap().is_empty());
    let records = server.records(&run);
    assert!(!records.iter().any(|record| matches!(record.event, Event::Stopped { .. })), "nobody stopped it");
    assert!(server.journal().lease(&run).unwrap().released);
    assert_eq!(server.place.log(), ["first"], "the second step did not begin");

    let next = server.hands();
    assert_eq!(next.adopt().unwrap(), std::slice::from_ref(&run));
    assert_eq!(server.verdict(&run), playbook::run::Verdict::Succeeded);
    assert_eq!(server.place.log(), ["first", "second"], "and the first one was not run again");
    server.is_out(&next, &run);
    assert!(next.adopt().unwrap().is_empty(), "what has ended is nobody's");
}

#[test]
fn a_step_that_takes_too_long_is_left_to_its_recorder_and_asked_for_by_the_next_server() {
    let (server, hands, run) = in_its_first_step();
    assert_eq!(hands.end(Duration::ZERO, || false), std::slice::from_ref(&run));
    server.is_out(&hands, &run);
    assert!(!server.journal().lease(&run).unwrap().released, "a step is under way");
    assert!(server.told("Left"));
    let next = server.hands();
    assert_eq!(next.adopt().unwrap(), std::slice::from_ref(&run));
    until("it waits for the step", || server.state(&run).in_flight().next().map(|_| ()));
    server.place.open("first");
    assert_eq!(server.verdict(&run), playbook::run::Verdict::Succeeded);
    assert_eq!(server.place.log(), ["first", "second"]);
    server.is_out(&next, &run);
}

#[test]
fn what_cannot_be_taken_up_now_is_tried_again_and_is_nobody_elses_meanwhile() {
    let (server, hands, run) = in_its_first_step();
    hands.end(Duration::ZERO, || false);
    server.is_out(&hands, &run);
    server.place.open("first");
    server.small.without_inventory.store(true, Ordering::Release);
    let next = server.hands();
    assert_eq!(next.adopt().unwrap(), std::slice::from_ref(&run));
    until("it has been tried", || server.told("again: Some(5)").then_some(()));
    assert_eq!(next.in_hand(), std::slice::from_ref(&run));
    assert_eq!(next.resume(&run, &caller("bob"), "now", false).unwrap_err().status, 409);
    server.small.without_inventory.store(false, Ordering::Release);
    assert_eq!(server.verdict(&run), playbook::run::Verdict::Succeeded);
    assert_eq!(server.place.log(), ["first", "second"]);
    server.is_out(&next, &run);
}

#[test]
fn what_a_person_stopped_is_not_taken_up() {
    let (server, hands, run) = in_its_first_step();
    let asked = std::thread::spawn({
        let (hands, run) = (hands.clone(), run.clone());
        move || hands.ask(&run, RequestKind::Pause, &caller("bob"), "a look first")
    });
    assert_eq!(asked.join().unwrap().unwrap(), Asked::TakenUp);
    server.place.open("first");
    server.is_out(&hands, &run);
    assert!(server.state(&run).stopped.is_some());
    hands.end(Duration::ZERO, || false);

    let next = server.hands();
    assert!(next.adopt().unwrap().is_empty());
    next.resume(&run, &caller("bob"), "I have looked", false).unwrap();
    assert_eq!(server.verdict(&run), playbook::run::Verdict::Succeeded);
    let resumed = server.records(&run).into_iter().find(|record| matches!(record.event, Event::Resumed { .. }));
    assert_eq!(resumed.unwrap().actor, "bob");
    server.is_out(&next, &run);
}

#[test]
fn a_run_in_hand_is_stopped_although_the_inventory_is_broken() {
    let (server, hands, run) = in_its_first_step();
    server.small.without_inventory.store(true, Ordering::Release);
    assert_eq!(hands.ask(&run, RequestKind::Pause, &caller("ann"), "").unwrap(), Asked::TakenUp);
    server.place.open("first");
    server.is_out(&hands, &run);
    assert!(server.state(&run).stopped.is_some());
    assert_eq!(server.place.log(), ["first"]);
    // Now nobody drives it: what cannot be carried out is not written down either.
    assert_eq!(hands.ask(&run, RequestKind::Cancel, &caller("ann"), "").unwrap_err().status, 422);
    assert!(server.journal().requests(&run).unwrap().is_empty());
}

#[test]
fn a_run_whose_thread_falls_is_driven_on_once_more_and_then_let_go() {
    let (server, hands, run) = in_its_first_step();
    server.small.falls.0.store(2, Ordering::SeqCst);
    server.place.open("first");
    until("it has fallen", || server.told("again: Some(5)").then_some(()));
    assert_eq!(hands.in_hand(), std::slice::from_ref(&run), "it is tried again");
    until("it has fallen again", || server.told("again: None").then_some(()));
    server.is_out(&hands, &run);
    assert!(server.journal().lease(&run).unwrap().released, "nobody is taken for its driver");
    hands.resume(&run, &caller("bob"), "the cause is known", false).unwrap();
    assert_eq!(server.verdict(&run), playbook::run::Verdict::Succeeded);
    assert_eq!(server.place.log(), ["first", "second"]);
    server.is_out(&hands, &run);
}

#[test]
fn what_waits_for_a_person_without_a_deadline_is_not_taken_up_until_somebody_answers() {
    let (server, hands, run) = left_at_its_question();
    hands.end(Duration::ZERO, || false);
    let next = server.hands();
    assert!(next.adopt().unwrap().is_empty());
    // Nobody drives it: the answer makes the server do so.
    assert_eq!(next.ask(&run, RequestKind::Abort, &caller("bob"), "enough").unwrap(), Asked::DrivenOn);
    server.verdict(&run);
    server.is_out(&next, &run);
    assert_eq!(next.ask(&run, RequestKind::Abort, &caller("bob"), "enough").unwrap_err().status, 403);
}

#[test]
fn an_answer_that_the_server_before_could_not_carry_out_is_carried_out_by_the_next_one() {
    let (server, _hands, run) = left_at_its_question();
    // The server was killed between what was asked, which is durable, and its taking the run.
    let at = playbook::run::Time(0);
    server.journal().ask(&run, &RequestKind::Abort, "bob", "enough", at).unwrap();
    let next = server.hands();
    assert_eq!(next.adopt().unwrap(), std::slice::from_ref(&run));
    server.verdict(&run);
    server.is_out(&next, &run);
}

#[test]
fn a_run_of_the_command_line_is_not_taken_up() {
    let server = Server::new();
    server.place.book("two", TWO);
    // A process of the command line that was killed behind its first record.
    let small = &server.small;
    let inventory = small.inventory().unwrap();
    let (_, interrupts) = tokio::sync::watch::channel(0);
    let parts = small.parts(inventory, server.journal(), Arc::new(Silent), interrupts);
    let book = small.playbook("two", None).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut engine = Engine::new(parts);
    runtime.block_on(async {
        let plan = engine.plan(book, serde_json::json!({})).await.unwrap();
        let driven = engine.start(plan, Beginning::by_trigger());
        tokio::select! {
            _ = driven => panic!("the gate is closed"),
            () = async { while !server.place.path("first.here").exists() { tokio::time::sleep(Duration::from_millis(5)).await } } => {}
        }
    });
    drop(engine);
    assert!(server.hands().adopt().unwrap().is_empty());
    let run = server.journal().runs().unwrap().remove(0).run;
    // It looks alive to everybody, as this very process holds it: a server does not take it from a living one either.
    assert_eq!(server.hands().resume(&run, &caller("ann"), "", false).unwrap_err().status, 409);
    server.place.open("first");
}

#[test]
fn a_lock_is_told_and_the_same_id_begins_once() {
    let server = Server::new();
    let head = "locks: [database/orders]";
    server.place.book_with("two", head, TWO);
    let hands = server.hands();
    let run = engine::new_run_id().unwrap();
    let named = || Wanted { run: Some(run.clone()), ..wanted("two", "ann") };
    assert_eq!(hands.start(named()).unwrap().run, run);
    server.place.wait_at("first");
    assert_eq!(hands.start(named()).unwrap().run, run, "it has begun already");
    assert_eq!(hands.start(wanted("two", "ann")).unwrap_err().status, 423);
    assert_eq!(hands.in_hand(), std::slice::from_ref(&run));
    server.place.open("first");
    server.verdict(&run);
    server.is_out(&hands, &run);
    assert_eq!(hands.start(named()).unwrap().run, run, "also when it has ended");
    assert_eq!(server.journal().runs().unwrap().len(), 1);
}

#[test]
fn who_wanted_the_run_cannot_approve_it_and_somebody_else_can() {
    let server = Server::new();
    server.place.book(
        "switch",
        "  - { id: one, run: echo one >> WORLD/log, rollback: none, because: a line,\n      \
         approval: { roles: [dba], timeout: 10m, prevent_self_approval: true } }\n",
    );
    let hands = server.hands();
    let run = hands.start(wanted("switch", "ann")).unwrap().run;
    let task: Task = "one".parse().unwrap();
    let asking = until("it asks", || server.state(&run).brakes.approvals.get(&task).map(|one| one.asking.clone()));
    assert_eq!(hands.in_hand(), std::slice::from_ref(&run), "a deadline runs: it stays in hand");
    let approve = || RequestKind::Approve { task: task.clone(), subject: asking.subject.clone(), break_glass: false };
    for refused in ["ann", "eve"] {
        assert_eq!(hands.ask(&run, approve(), &caller(refused), "").unwrap_err().status, 403, "{refused}");
    }
    assert_eq!(hands.ask(&run, approve(), &caller("bob"), "").unwrap(), Asked::TakenUp);
    assert_eq!(server.verdict(&run), playbook::run::Verdict::Succeeded);
    let yes = server.records(&run).into_iter().find(|record| matches!(record.event, Event::Approved { .. }));
    assert_eq!(yes.unwrap().actor, "bob");
    server.is_out(&hands, &run);
}

#[test]
fn what_was_approved_ahead_still_counts_after_the_server_was_changed() {
    let server = Server::new();
    let steps = format!(
        "{TWO}  - {{ id: third, run: echo third >> WORLD/log, rollback: none, because: a line,\n      \
         approval: {{ roles: [dba], timeout: 10m }} }}\n"
    );
    server.place.book("three", &steps);
    let hands = server.hands();
    let ahead = Wanted { approved: vec!["third".to_owned()], ..wanted("three", "ann") };
    let run = hands.start(ahead).unwrap().run;
    server.place.wait_at("first");
    hands.end(Duration::ZERO, || false);
    server.is_out(&hands, &run);
    server.place.open("first");
    let next = server.hands();
    next.adopt().unwrap();
    assert_eq!(server.verdict(&run), playbook::run::Verdict::Succeeded);
    assert_eq!(server.place.log(), ["first", "second", "third"]);
    server.is_out(&next, &run);
}

#[test]
fn a_plan_changes_nothing_and_is_no_run() {
    let server = Server::new();
    server.place.book("two", TWO);
    let hands = server.hands();
    let plan = hands.plan(&wanted("two", "ann")).unwrap().plan;
    assert_eq!(plan.steps.len(), 2);
    assert!(server.place.log().is_empty() && server.journal().runs().unwrap().is_empty());
    until("its place is free", || hands.in_hand().is_empty().then_some(()));
}
