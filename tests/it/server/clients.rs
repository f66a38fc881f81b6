//! The command line as a client of a real server: what lives there, what is asked of it, who may, and what is said where it is
//! away. That each verb does what it does without a server is held in `processes/served.rs`.

use std::process::Command;
use std::sync::Arc;

use nix::sys::signal::Signal;
use playbook::client::{Address, Client, Ticket};
use playbook::engine::is_held;
use playbook::ids::Digest;
use playbook::journal::{JournalError, RunRow, ServedJournal, SqliteJournal, Store, TokenRow};
use playbook::run::{RequestKind, Time};
use serde_json::{Value, json};

use crate::processes::{Place, Runner, said, until};

const TWO: &str = r#"
  - id: first
    run: echo first >> WORLD/log; GATE(first)
    rollback: [{ run: "sed -i /first/d WORLD/log", effect: idempotent }]
  - id: second
    run: echo second >> WORLD/log
    rollback: [{ run: "sed -i /second/d WORLD/log", effect: idempotent }]
"#;

/// A place with a server, in which a run stands in its first step.
fn standing() -> (Place, Runner) {
    let place = Place::served();
    place.book("two", TWO);
    let runner = place.start(&["run", "two", "-y"]);
    place.wait_at("first");
    (place, runner)
}

fn state(place: &Place) -> Value {
    place.status()["state"].clone()
}

#[test]
fn a_closed_lid_ends_nothing_and_watch_finds_the_run_again() {
    let (place, mut runner) = standing();
    runner.wait_for("the run lives there");
    runner.kill();
    assert_eq!(state(&place), "running");
    let mut watch = place.start(&["watch"]);
    watch.wait_for("first begins");
    place.open("first");
    watch.expect(0);
    assert_eq!(place.log(), ["first", "second"]);
}

#[test]
fn the_first_interrupt_lets_the_run_wait_and_the_second_ends_the_following_alone() {
    let (place, mut runner) = standing();
    runner.signal(Signal::SIGINT);
    runner.wait_for("finishes what is under way");
    place.open("first");
    runner.expect(130);
    assert_eq!((state(&place), place.log()), (json!("stopped"), vec!["first".to_owned()]));
    place.expect(0, &["resume", "latest"]);

    let (place, mut runner) = standing();
    runner.signal(Signal::SIGINT);
    runner.wait_for("finishes what is under way");
    runner.signal(Signal::SIGINT);
    runner.expect(130);
    assert!(
        runner
            .said()
            .contains("behind the step in hand, as the first Ctrl-C asked; to follow it again: playbook watch"),
        "{}",
        runner.said()
    );
    assert_eq!(state(&place), "running");
    place.open("first");
    until("the run waits", || (state(&place) == "stopped").then_some(()));
}

#[test]
fn who_follows_a_run_outlives_a_kill_of_the_server() {
    let (mut place, mut runner) = standing();
    runner.wait_for("first begins");
    place.stop_server();
    // Whoever looks on is told that nothing is known, instead of a picture that goes on by itself.
    runner.wait_for("the server does not answer since");
    place.restart_server();
    runner.wait_for("the server answers again");
    place.open("first");
    runner.expect(0);
    assert_eq!(place.log(), ["first", "second"]);
    assert!(place.server_log().contains("is gone on with"), "{}", place.server_log());
}

#[test]
fn a_server_that_is_away_is_told_and_by_name_the_state_is_worked_on_all_the_same() {
    let mut place = Place::served();
    place.book("read", "  - { id: look, run: cat WORLD/config.yaml, effect: read }\n");
    std::fs::write(place.path("inventory.yaml"), "environment: production\n").unwrap();
    place.expect(0, &["run", "read", "-y"]);
    let past = ["run", "read", "-y", "--override", "shared-state", "--reason", "the server is down"];
    let alive = place.expect(77, &past);
    assert!(alive.contains("the server that owns this state lives: process "), "{alive}");
    let elsewhere = place.expect(77, &[&past[..], &["--state", "other"]].concat());
    assert!(elsewhere.contains("there is no state of that server on this machine"), "{elsewhere}");
    assert!(!place.path("other").exists());
    place.stop_server();
    let ask = |words: &[&str]| {
        let mut command = place.bare(words);
        command.env("PLAYBOOK_SERVER", format!("unix:{}", place.path("serve.sock").display())).output().unwrap()
    };
    let away = ask(&["status"]);
    assert_eq!(away.status.code(), Some(74), "{}", said(&away));
    assert!(said(&away).contains("is not there, at unix:") && said(&away).contains("--server none"), "{}", said(&away));
    assert_eq!(ask(&["run", "read", "-y"]).status.code(), Some(74));
    let none = ask(&["status", "--server", "none"]);
    assert_eq!(none.status.code(), Some(0), "{}", said(&none));
    let by_name = ask(&["run", "read", "-y", "--override", "shared-state", "--reason", "the server is down"]);
    assert_eq!(by_name.status.code(), Some(0), "{}", said(&by_name));
    assert!(said(&by_name).contains("state: /"), "{}", said(&by_name));
    // What is printed then goes past the server as well.
    assert!(said(&by_name).contains("playbook --server none timeline"), "{}", said(&by_name));
}

#[test]
fn an_inventory_names_its_server_and_production_needs_nothing_more_than_its_name() {
    let place = Place::served();
    place.book("two", &TWO.replace("; GATE(first)", ""));
    // The inventory says where; no variable does.
    let text = format!("environment: production\nserver: unix:{}\n", place.path("serve.sock").display());
    std::fs::write(place.path("inventory.yaml"), text).unwrap();
    place.expect(0, &["list", "--runs"]);
    let run = |words: &[&str]| place.bare(words).output().unwrap();
    let unsure = run(&["run", "two", "-y"]);
    assert_eq!(unsure.status.code(), Some(77), "{}", said(&unsure));
    assert!(said(&unsure).contains("playbook run two --confirm two"), "{}", said(&unsure));
    assert!(!said(&unsure).contains("shared-state") && !said(&unsure).contains("in the request"), "{}", said(&unsure));
    let new = run(&["run", "two", "-y", "--incident", "new"]);
    assert_eq!(new.status.code(), Some(77), "{}", said(&new));
    assert!(!said(&new).contains("is opened as"), "nothing is opened for a run that is refused: {}", said(&new));
    assert!(said(&run(&["run", "two"])).contains("playbook run two --confirm two"));
    let sure = run(&["run", "two", "--confirm", "two"]);
    assert_eq!(sure.status.code(), Some(0), "{}", said(&sure));
    assert!(said(&sure).contains("state: that of the server at unix:"), "{}", said(&sure));
    // Without a server it is one state more, and that wants a name and a reason.
    let alone = run(&["run", "two", "--confirm", "two", "--server", "none"]);
    assert_eq!(alone.status.code(), Some(77), "{}", said(&alone));
    assert!(said(&alone).contains("--override shared-state"), "{}", said(&alone));
}

const TOLD: &str = r#"
  - id: tell
    run: echo "$A $B $C $D" >> WORLD/log
    env: { A: "{{inputs.word}}", B: "{{json inputs.size}}", C: "{{json inputs.time}}", D: "{{json inputs.many}}" }
    effect: idempotent
    rollback: none
    because: a line in a file
"#;

const INPUTS: &str = "inputs:\n  word: { type: string, required: true }\n  size: { type: size, default: 1MiB }\n  \
                      time: { type: duration, default: 90s }\n  many: { type: integer, default: 3 }\n";

#[test]
fn inputs_reach_the_server_from_wherever_they_are_given_and_out_of_a_plan() {
    let place = Place::served();
    place.book_with("told", INPUTS, TOLD);
    std::fs::write(place.path("inputs.yaml"), "size: 2GiB\ntime: 5m\n").unwrap();
    let words = ["run", "told", "-y", "-i", "word=a b=c", "--inputs-file", "inputs.yaml"];
    let output = place.command(&words).env("PLAYBOOK_INPUT_MANY", "7").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let first = place.log();
    assert!(first[0].starts_with("a b=c ") && first[0].ends_with(" 7"), "{first:?}");
    let plan = ["plan", "told", "-i", "word=a b=c", "--inputs-file", "inputs.yaml", "-o", "plan.json"];
    let output = place.command(&plan).env("PLAYBOOK_INPUT_MANY", "7").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    place.expect(0, &["run", "--plan", "plan.json", "-y"]);
    let log = place.log();
    assert_eq!(log[0], log[1], "what a plan holds is what was given");
    let wrong = place.expect(65, &["run", "told", "-y", "-i", "word=x", "-i", "many=some"]);
    assert!(wrong.contains("many"), "{wrong}");
    place.expect(65, &["run", "told", "-y"]);
    let file = place.expect(64, &["run", "./told.yaml", "-y"]);
    assert!(file.contains("is a file of this machine") && file.contains("--server none"), "{file}");
}

const GUARDED: &str = r#"
  - id: look
    run: cat WORLD/world
    effect: read
    outputs: { world: { regex: "(.*)" } }
  - id: act
    run: echo act >> WORLD/log
    if: steps.look.outputs.world == 'calm'
    rollback: none
    because: a line in a file
"#;

#[test]
fn a_run_in_the_server_is_held_to_the_plan_that_was_looked_at() {
    let place = Place::served();
    place.book("guarded", GUARDED);
    std::fs::write(place.path("world"), "calm").unwrap();
    place.expect(0, &["plan", "guarded", "-o", "plan.json"]);
    std::fs::write(place.path("world"), "wild").unwrap();
    let said = place.expect(14, &["run", "--plan", "plan.json", "-y"]);
    assert!(said.contains("the world drifted from the plan") && place.log().is_empty(), "{said}");
    std::fs::write(place.path("world"), "calm").unwrap();
    place.expect(0, &["run", "--plan", "plan.json", "-y"]);
    assert_eq!(place.log(), ["act"]);
}

#[test]
fn an_incident_is_worked_on_at_the_server_and_holds_what_its_runs_did() {
    let place = Place::served();
    place.book("two", &TWO.replace("; GATE(first)", ""));
    place.expect(0, &["run", "two", "-y", "--incident", "new"]);
    let list = place.json(&["incident", "list", "--output", "json"]);
    let id = list["incidents"].as_array().or(list.as_array()).unwrap()[0]["incident"].as_str().unwrap().to_owned();
    place.expect(0, &["incident", "note", &id, "the disk of the primary is gone"]);
    place.expect(0, &["incident", "assign", &id, "ann"]);
    place.expect(0, &["incident", "severity", &id, "P0", "--reason", "all customers"]);
    let timeline = place.expect(0, &["incident", "timeline", &id]);
    for part in ["the disk of the primary is gone", "ann", "P0", "second is done"] {
        assert!(timeline.contains(part), "{part} is not in {timeline}");
    }
    place.expect(0, &["incident", "verify", &id]);
    place.expect(0, &["incident", "resolve", &id, "--reason", "well again"]);
    place.expect(0, &["incident", "close", &id]);
    let shown = place.expect(0, &["incident", "show", &id]);
    assert!(shown.contains("closed") || shown.contains("Closed"), "{shown}");
}

const EACH: &str = r#"
  - id: each
    for_each: [a, b, c]
    batch: { max_failures: 3 }
    run: echo "$ITEM" >> WORLD/log; [ ! -e "WORLD/$ITEM.fails" ]
    env: { ITEM: "{{item}}" }
    rollback: none
    because: a line in a file
"#;

#[test]
fn what_a_run_left_undone_is_done_again_at_the_server() {
    let place = Place::served();
    place.book("each", EACH);
    std::fs::write(place.path("b.fails"), "").unwrap();
    let code = place.run(&["run", "each", "-y"]).status.code();
    assert_eq!(code, Some(3));
    std::fs::remove_file(place.path("b.fails")).unwrap();
    place.expect(0, &["retry", "latest", "--failed", "-y"]);
    assert_eq!(place.log().last().map(String::as_str), Some("b"));
    assert_eq!(place.log().len(), 4);
    let nothing = place.expect(66, &["retry", "latest", "--failed", "-y"]);
    assert!(nothing.contains("nothing to retry"), "{nothing}");
}

/// A client that comes over the network, with a token.
struct Remote<'a> {
    place: &'a Place,
    address: String,
    token: String,
    _server: Runner,
}

impl<'a> Remote<'a> {
    fn new(place: &'a Place) -> Self {
        let server = place.start(&["serve", "--listen", "127.0.0.1:0", "--socket", "s"]);
        server.wait_for("listens on unix:");
        let said = server.said();
        let place_of = said.lines().find_map(|line| line.strip_prefix("listens on http")).unwrap();
        Self { place, address: format!("http{place_of}"), token: String::new(), _server: server }
    }

    fn with(&mut self, role: &str) -> &Self {
        let name = format!("{role}-1");
        let words = ["token", "create", &name, "--role", role, "--expires", "1h"];
        let output = self.place.bare(&words).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        self.token = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        self
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.place.bare(words);
        command.env("PLAYBOOK_SERVER", &self.address).env("PLAYBOOK_TOKEN", &self.token);
        command
    }

    fn expect(&self, code: i32, words: &[&str]) -> String {
        let output = self.command(words).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "playbook {}\n{}", words.join(" "), said(&output));
        said(&output)
    }
}

#[test]
fn whoever_comes_with_a_token_may_what_its_roles_say() {
    let place = Place::served();
    place.book("two", &TWO.replace("; GATE(first)", ""));
    let mut remote = Remote::new(&place);
    let stranger = remote.expect(77, &["list", "--runs"]);
    assert!(stranger.contains("PLAYBOOK_TOKEN"), "{stranger}");
    let viewer = remote.with("viewer");
    viewer.expect(0, &["list"]);
    viewer.expect(0, &["show", "two"]);
    // A dry-run looks at the targets.
    viewer.expect(77, &["run", "two", "--dry-run"]);
    let refused = viewer.expect(77, &["run", "two", "-y"]);
    assert!(refused.contains("asks for the role"), "{refused}");
    viewer.expect(77, &["halt", "--reason", "x"]);
    viewer.expect(77, &["token", "list"]);
    let operator = remote.with("operator");
    operator.expect(0, &["run", "two", "--dry-run"]);
    operator.expect(0, &["run", "two", "-y"]);
    let timeline = operator.expect(0, &["timeline"]);
    assert!(timeline.contains("token operator-1"), "{timeline}");
    operator.expect(0, &["verify", "latest"]);
    let admin = remote.with("admin");
    let made = admin.expect(0, &["token", "create", "ci", "--role", "viewer", "--expires", "1h"]);
    assert!(made.contains("pbk_"), "{made}");
    admin.expect(77, &["token", "create", "ci", "--role", "viewer", "--expires", "1h"]);
    let listed = admin.expect(0, &["token", "list"]);
    assert!(listed.contains("ci") && listed.contains("made by token admin-1"), "{listed}");
    admin.expect(0, &["token", "revoke", "ci"]);
    admin.expect(66, &["token", "revoke", "nobody"]);
}

#[test]
fn a_state_reads_the_same_through_its_server() {
    let place = Place::served();
    place.book("two", &TWO.replace("; GATE(first)", ""));
    place.book_with("held", "locks: [database/orders]", TWO);
    for _ in 0..3 {
        place.expect(0, &["run", "two", "-y", "--incident", "new"]);
    }
    let _held = place.start(&["run", "held", "-y"]);
    place.wait_at("first");
    place.expect(0, &["halt", "--reason", "a look"]);
    place.expect(0, &["token", "create", "ci", "--role", "viewer", "--role", "operator", "--expires", "1h"]);

    let address = Address::of(&format!("unix:{}", place.path("serve.sock").display())).unwrap();
    let client = Arc::new(Client::of(address, &Ticket::default()).unwrap());
    let mut there: Box<dyn Store> = Box::new(ServedJournal::of(client));
    let mut here: Box<dyn Store> = Box::new(SqliteJournal::open(&place.path("state")).unwrap());
    let plain = |rows: Vec<RunRow>| -> Vec<RunRow> {
        // Who holds a run is the server's word there, and a look at processes here.
        let rows = rows.into_iter().map(|mut row| {
            row.lease.held = Some(is_held(&row.lease));
            row.lease.released = !is_held(&row.lease);
            row.lease.idle = None;
            (row.lease.holder.boot, row.lease.holder.namespace, row.lease.holder.started) = Default::default();
            row
        });
        rows.collect()
    };
    let runs = here.runs().unwrap();
    assert_eq!(plain(there.runs().unwrap()), plain(runs.clone()));
    assert_eq!(runs.len(), 4);
    for row in &runs {
        let run = &row.run;
        assert_eq!(there.stored(run).unwrap(), here.stored(run).unwrap());
        assert_eq!(there.records(run, 2).unwrap(), here.records(run, 2).unwrap());
        assert_eq!(there.stored_after(run, 1, 2).unwrap(), here.stored_after(run, 1, 2).unwrap());
        assert_eq!(there.verify(run).unwrap(), here.verify(run).unwrap());
        assert_eq!(there.requests(run).unwrap(), here.requests(run).unwrap());
        assert_eq!(there.alerts_of(run).unwrap(), here.alerts_of(run).unwrap());
        assert_eq!(there.retried(run, row.started).unwrap(), here.retried(run, row.started).unwrap());
    }
    assert_eq!(there.locks().unwrap(), here.locks().unwrap());
    assert_eq!(there.halted().unwrap(), here.halted().unwrap());
    assert!(there.halted().unwrap().is_some() && !there.locks().unwrap().is_empty());
    let incidents = here.incidents().unwrap();
    assert_eq!((there.incidents().unwrap(), incidents.len()), (incidents.clone(), 3));
    for row in &incidents {
        let incident = &row.incident;
        assert_eq!(there.stored_of(incident, 0, 99).unwrap(), here.stored_of(incident, 0, 99).unwrap());
        assert_eq!(there.verify_incident(incident).unwrap(), here.verify_incident(incident).unwrap());
        assert_eq!(plain(there.runs_of(incident).unwrap()), plain(here.runs_of(incident).unwrap()));
    }
    let tokens = |mut rows: Vec<TokenRow>| {
        // What it is judged by stays where it is judged.
        rows.iter_mut().for_each(|row| row.token.digest = Digest::of(b""));
        rows
    };
    assert_eq!(there.tokens().unwrap(), tokens(here.tokens().unwrap()));
    assert_eq!(
        (there.targets().unwrap(), there.standings().unwrap()),
        (here.targets().unwrap(), here.standings().unwrap())
    );
    let nobody = "20200101-000000-none".parse().unwrap();
    assert!(matches!(there.lease(&nobody), Err(JournalError::NoSuchRun(_))));
    assert!(matches!(there.stored(&nobody), Err(JournalError::NoSuchRun(_))));
    assert!(matches!(there.requests(&nobody), Err(JournalError::NoSuchRun(_))));
    assert!(matches!(there.alerts_of(&nobody), Err(JournalError::NoSuchRun(_))));
    assert!(matches!(there.retried(&nobody, Time(0)), Err(JournalError::NoSuchRun(_))));
    let asked = there.ask(&nobody, &RequestKind::Pause, "ann", "why", Time(0));
    assert!(matches!(asked, Err(JournalError::NoSuchRun(_))), "{asked:?}");
    // Records are the server's to write.
    assert!(there.flush().is_ok() && there.earlier(Time(0)).is_err());
}
