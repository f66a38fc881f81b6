//! Incidents over the command line: what is said of them, the runs that belong to them, one timeline over all of it, and what
//! is left when a process dies in between.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use playbook::ids::{Digest, IncidentId, RunId};
use playbook::incident::{IncidentEvent, Opening, Severity};
use playbook::journal::{Incidents as _, Journal as _, SqliteJournal};
use playbook::run::{Event, Holder, Time};
use serde_json::{Value, json};

use crate::processes::{Place, said, until};

/// One step that changes something, and whose undo works.
const WRITES: &str = r#"
  - id: write
    run: touch WORLD/written
    effect: idempotent
    rollback: [{ id: remove, run: rm -f WORLD/written, effect: idempotent }]
"#;

/// One whose undo fails: the run asks a person and holds its lock.
const STUCK: &str = r#"
  - id: write
    run: touch WORLD/written
    effect: idempotent
    rollback: [{ id: remove, run: exit 1, effect: idempotent }]
  - id: fail
    run: exit 3
    effect: idempotent
    rollback: none
    because: it does nothing
"#;

/// Opens an incident; its id.
fn open(place: &Place, words: &[&str]) -> String {
    let output = place.run(&[&["incident", "open"], words].concat());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let id = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    assert!(id.parse::<IncidentId>().is_ok(), "standard output has the id and nothing else: {id:?}");
    id
}

fn show(place: &Place, id: &str) -> Value {
    place.json(&["incident", "show", id, "--output", "json"])
}

fn timeline(place: &Place, id: &str) -> Vec<Value> {
    let output = place.run(&["incident", "timeline", id, "--output", "jsonl"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn an_incident_is_opened_talked_about_and_ended() {
    let place = Place::new();
    assert!(place.expect(66, &["incident", "show"]).contains("there are no incidents"));
    assert!(place.expect(0, &["incident", "list"]).contains("no open incidents"));
    assert!(!place.path("state").exists(), "to look for one makes no state");
    place.expect(64, &["incident", "open", " "]);
    place.expect(64, &["incident", "open", "down", "--label", "service"]);
    place.expect(64, &["incident", "open", "down", "--severity", "P7"]);
    place.expect(64, &["incident", "open", "down", "--severity", "P1", "--impact", "high"]);
    let id = open(&place, &["orders \u{1b}[2Jis down", "--impact", "high", "--service", "orders"]);
    let tail = id.rsplit('-').next().unwrap().to_owned();
    let shown = show(&place, &tail);
    assert_eq!((&shown["severity"], &shown["state"], &shown["owner"]), (&"P1".into(), &"open".into(), &Value::Null));
    assert_eq!(shown["classified"], "impact high, urgency medium (nobody said)");
    let page = place.expect(0, &["incident", "show"]);
    assert!(page.contains("P1 open for") && page.contains("nobody") && page.contains("none has begun"), "{page}");
    assert!(!page.contains('\u{1b}'), "what a title holds is not obeyed:\n{page}");

    place.expect(0, &["incident", "note", &id, "it is the disk"]);
    assert!(place.expect(64, &["incident", "note", &id, " "]).contains("text"));
    place.expect(0, &["incident", "assign", "latest", "alice", "--reason", "she has the keys"]);
    place.expect(0, &["incident", "severity", &id, "p0", "--reason", "payments too"]);
    let shown = show(&place, &id);
    assert_eq!((&shown["severity"], &shown["owner"], &shown["notes"]), (&"P0".into(), &"alice".into(), &1.into()));
    assert!(shown["classified"].as_str().unwrap().ends_with("said so: payments too"), "{shown}");

    assert!(place.expect(77, &["incident", "reopen", &id]).contains("it is open"));
    place.expect(0, &["incident", "resolve", &id, "--reason", "it answers"]);
    assert!(place.expect(77, &["incident", "resolve", &id]).contains("resolved already"));
    place.expect(0, &["incident", "reopen", "latest"]);
    place.expect(0, &["incident", "close", &id]);
    let assigned = place.expect(77, &["incident", "assign", &id, "bob"]);
    assert!(assigned.contains("it is closed") && assigned.contains("the incident is as it was"), "{assigned}");
    place.expect(0, &["incident", "note", &id, "for the review"]);
    assert!(place.expect(0, &["incident", "list"]).contains("1 closed"));
    let all = place.json(&["incident", "list", "--all", "--output", "json"]);
    assert_eq!((&all[0]["incident"], &all[0]["state"]), (&id.as_str().into(), &"closed".into()));
    assert!(place.expect(0, &["incident", "verify", &id]).contains("8 records"));
    let kinds: Vec<Value> = timeline(&place, &id).iter().map(|entry| entry["kind"].clone()).collect();
    let told = ["opened", "noted", "assigned", "severity_changed", "resolved", "reopened", "closed", "noted"];
    assert_eq!(kinds, told.map(Value::from));
    assert!(place.expect(66, &["incident", "show", "nonsense"]).contains("incident list --all"));
}

#[test]
fn a_note_is_read_from_standard_input() {
    let place = Place::new();
    let id = open(&place, &["down"]);
    let mut command = place.command(&["incident", "note", &id, "-"]);
    command.stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"two\nlines\n").unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(timeline(&place, &id)[1]["detail"]["text"], "two\nlines");
}

#[test]
fn rules_and_the_matrix_of_the_configuration_decide() {
    let place = Place::new();
    let config = "incidents:\n  matrix:\n    high: { high: P1, medium: P2, low: P3 }\n    medium: { high: P2, medium: P3, low: P3 }\n    \
                  low: { high: P3, medium: P3, low: P3 }\n  rules: [{ match: { service: '/^pay/' }, severity: P0 }]\n  owner: oncall\n";
    std::fs::write(place.path("config.yaml"), config).unwrap();
    let of = |words: &[&str]| show(&place, &open(&place, words))["severity"].clone();
    assert_eq!(of(&["a", "--impact", "high", "--urgency", "high"]), "P1");
    assert_eq!(of(&["b", "--impact", "low", "--label", "service=payments"]), "P0");
    assert_eq!(of(&["s", "--service", "orders", "--service", "payments"]), "P0", "a service counts as a label");
    assert_eq!(of(&["c", "--severity", "P2", "--label", "service=payments"]), "P2", "whoever says it is right");
    assert_eq!(show(&place, "latest")["owner"], "oncall");
    std::fs::write(place.path("config.yaml"), "incidents:\n  matrix: { high: P0 }\n").unwrap();
    let refused = place.expect(65, &["incident", "list"]);
    assert!(refused.contains("config.yaml:2:") && refused.contains('^'), "{refused}");
}

#[test]
fn a_run_opens_its_incident_and_another_joins_it() {
    let place = Place::new();
    let first = place.book_with("first", "severity: [P2, P1]\nservices: [orders]", WRITES);
    let second = place.book("second", WRITES);
    let ran = place.expect(0, &["run", &first, "-y", "--incident", "new"]);
    let id = place.status()["incident"].as_str().unwrap().to_owned();
    assert!(ran.contains(&format!("incident {id} is opened as P1 (first is meant for P2, P1)")), "{ran}");
    assert!(ran.contains(&format!("incident show {id}")), "the last screen names it:\n{ran}");
    let shown = show(&place, &id);
    assert_eq!((&shown["title"], &shown["source"]), (&"A test".into(), &"run".into()));
    assert_eq!((&shown["services"], &shown["labels"]["playbook"]), (&json!(["orders"]), &"first".into()));
    place.expect(0, &["incident", "note", &id, "between the two"]);
    let ran = place.expect(0, &["run", &second, "-y", "--incident", "latest"]);
    assert!(ran.contains(&format!("incident {id}, P1: A test")), "{ran}");
    place.expect(0, &["incident", "note", &id, "behind both"]);

    let entries = timeline(&place, &id);
    let runs = show(&place, &id)["runs"].as_array().unwrap().clone();
    assert_eq!(runs.iter().map(|run| &run["playbook"]).collect::<Vec<_>>(), ["first", "second"]);
    assert!(entries.windows(2).all(|pair| pair[0]["time_ms"].as_i64() <= pair[1]["time_ms"].as_i64()));
    let at = |wanted: &dyn Fn(&Value) -> bool| entries.iter().position(wanted).unwrap();
    let of_run = |number: usize, kind: &'static str| {
        let run = runs[number]["run"].clone();
        at(&move |entry| entry["run"] == run && entry["kind"] == kind)
    };
    let note = |text: &'static str| at(&move |entry| entry["detail"]["text"] == text);
    let order = [
        at(&|entry| entry["kind"] == "opened"),
        of_run(0, "run_started"),
        of_run(0, "run_ended"),
        note("between the two"),
        of_run(1, "run_started"),
        of_run(1, "run_ended"),
        note("behind both"),
    ];
    assert!(order.windows(2).all(|pair| pair[0] < pair[1]), "{order:?}");
    assert_eq!((order[0], *order.last().unwrap()), (0, entries.len() - 1));
    for run in &runs {
        let own = entries.iter().filter(|entry| entry["run"] == run["run"]);
        let records = place.json(&["timeline", run["run"].as_str().unwrap(), "--output", "json"]);
        assert!(
            own.map(|entry| &entry["seq"]).eq(records["records"].as_array().unwrap().iter().map(|one| &one["seq"]))
        );
    }
    let whole = place.json(&["incident", "timeline", &id, "--output", "json"]);
    assert_eq!(whole["entries"].as_array().unwrap(), &entries);
    let told = place.expect(0, &["incident", "timeline", &id]);
    assert!(told.contains("write is done") && told.contains("note: between the two"), "{told}");
    let page = place.expect(0, &["incident", "show", &id]);
    assert!(page.contains("second@1.0.0  succeeded") && page.contains("note: behind both"), "{page}");
}

#[test]
fn a_dry_run_opens_nothing() {
    let place = Place::new();
    let book = place.book("first", WRITES);
    place.expect(0, &["run", &book, "--dry-run", "--incident", "new"]);
    assert!(!place.path("state").exists());
}

#[test]
fn a_name_of_elsewhere_stays_one() {
    let place = Place::new();
    let book = place.book("first", WRITES);
    place.expect(64, &["run", &book, "-y", "--incident", ""]);
    place.expect(66, &["run", &book, "-y", "--incident", "latest"]);
    assert!(!place.path("written").exists());
    let id = open(&place, &["down"]);
    let ran = place.expect(0, &["run", &book, "-y", "--incident", "INC-7"]);
    assert!(ran.contains("incident INC-7 is none of this state"), "{ran}");
    assert_eq!(place.status()["incident"], "INC-7");
    // A last letter of ours is no part of its id.
    let last = &id[id.len() - 1..];
    assert!(place.expect(0, &["run", &book, "-y", "--incident", last]).contains("none of this state"));
    assert!(timeline(&place, "INC-7").iter().any(|entry| entry["kind"] == "run_ended"));
    place.expect(66, &["incident", "show", "INC-7"]);
    place.expect(66, &["incident", "timeline", "INC-8"]);
    assert_eq!(show(&place, &id)["runs"], json!([]));
}

#[test]
fn an_incident_whose_runs_have_not_ended_is_ended_with_a_reason_alone() {
    let place = Place::new();
    let book = place.book_with("stuck", "locks: [thing/one]", STUCK);
    let other = place.book_with("other", "locks: [thing/one]", WRITES);
    place.expect(11, &["run", &book, "-y", "--incident", "new"]);
    let status = place.status();
    let (run, id) = (status["run"].as_str().unwrap(), status["incident"].as_str().unwrap());
    let page = place.expect(0, &["incident", "show", id]);
    assert!(page.contains("stuck") && page.contains(&format!("status {run}")), "{page}");
    for verb in ["resolve", "close"] {
        let refused = place.expect(77, &["incident", verb, id]);
        assert!(refused.contains(run) && refused.contains(&format!("incident {verb} {id} --reason")), "{refused}");
    }
    assert_eq!(show(&place, id)["state"], "open");
    let resolved = place.expect(0, &["incident", "resolve", id, "--reason", "traffic goes another way"]);
    assert!(resolved.contains(run), "{resolved}");
    assert_eq!(place.status()["state"], "stuck", "the run is as it was");
    let last = timeline(&place, id).pop().unwrap();
    assert_eq!(last["detail"]["reason"], format!("traffic goes another way (not ended: {run})"));

    // What cannot begin has an incident all the same, and says which: the next try must not open a second one.
    let refused = place.expect(13, &["run", &other, "-y", "--incident", "new"]);
    let newest = show(&place, "latest");
    assert!(
        refused.contains(&format!("incident {} was opened for it", newest["incident"].as_str().unwrap())),
        "{refused}"
    );
    assert_eq!((&newest["runs"], &newest["title"]), (&json!([]), &"A test".into()));
}

/// Whatever a process that is killed leaves: the incident says of its runs what those say of themselves, and no more.
#[test]
fn a_run_that_is_killed_as_it_begins_leaves_nothing_untrue() {
    let mut without = 0;
    for _ in 0..4 {
        let place = Place::new();
        let book = place.book("first", &WRITES.replace("touch WORLD/written", "GATE(in)"));
        let mut runner = place.start(&["run", &book, "-y", "--incident", "new"]);
        let state = place.path("state");
        until("an incident", || {
            // Before its tables are there it cannot be read yet.
            let mut journal = SqliteJournal::open_read_only(&state).ok()??;
            journal.incidents().ok().filter(|rows| !rows.is_empty()).map(drop)
        });
        runner.kill();
        let shown = show(&place, "latest");
        let runs: Vec<Value> = place.json(&["list", "--runs", "--output", "json"]).as_array().unwrap().clone();
        without += usize::from(runs.is_empty());
        assert_eq!(shown["runs"].as_array().unwrap().len(), runs.len(), "{shown}");
        for run in &runs {
            let status = place.json(&["status", run["run"].as_str().unwrap(), "--output", "json"]);
            assert_eq!(status["incident"], shown["incident"]);
            place.expect(
                0,
                &["abort", run["run"].as_str().unwrap(), "--reason", "the test is over", "--output", "json"],
            );
        }
        assert_eq!(shown["state"], "open");
        place.expect(0, &["incident", "verify"]);
        place.expect(0, &["incident", "show"]);
    }
    eprintln!("{without} of 4 were killed between the opening and the run");
}

/// An incident with two runs of 5,000 records each, side by side, forty megabytes in all.
fn large(place: &Place) -> String {
    let mut journal = SqliteJournal::open(&place.path("state")).unwrap();
    let id: IncidentId = "inc-20261122-152030-k3f9".parse().unwrap();
    journal.open_as(&id, Opening::new("large", Severity::P1, "said so"), "ann", Time(1)).unwrap();
    let digest = Digest::of(b"");
    let playbook = json!({
        "name": "large", "version": "1.0.0", "title": "t", "description": "", "owner": null, "reviewed": null,
        "review_every": null, "severity": [], "symptoms": [], "services": [], "recovery_time": null, "inputs": [],
        "locks": [], "steps": [], "digest": digest,
    });
    let plan = json!({
        "format": 1, "playbook": playbook, "inputs": {}, "environment": "lab", "targets": [], "locks": [], "steps": [],
        "digest": digest, "facts_digest": digest,
    });
    let holder = Holder {
        user: "ann".to_owned(),
        host: "runner".to_owned(),
        boot: "boot".to_owned(),
        namespace: String::new(),
        pid: 1,
        started: 7,
        serves: false,
    };
    let leases: Vec<_> = ["r1", "r2"]
        .map(|name| {
            let run: RunId = name.parse().unwrap();
            let started = Event::RunStarted {
                plan: std::sync::Arc::new(serde_json::from_value(plan.clone()).unwrap()),
                locks: Vec::new(),
                incident: Some(id.to_string()),
                format: 1,
                tool: "0.1.0".to_owned(),
                overrides: Vec::new(),
                approved: Vec::new(),
            };
            journal.begin(&run, started, &holder, "ann", Time(2)).unwrap().0
        })
        .into();
    for piece in 0..100_i64 {
        for lease in &leases {
            let note = |number| Event::Note { message: format!("{number} {}", "it goes on ".repeat(364)) };
            journal.append(lease, "runner", Time(10 + piece), (0..50).map(note).collect(), &[]).unwrap();
        }
    }
    journal.append_to(&id, "ann", Time(1000), IncidentEvent::Noted { text: "last".to_owned() }).unwrap();
    id.to_string()
}

/// The most memory that a process has had, in KiB.
fn peak(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().trim_end_matches("kB").trim().parse().ok()
}

#[test]
fn a_timeline_of_ten_thousand_records_is_never_all_in_memory() {
    let place = Place::new();
    let id = large(&place);
    for output in ["human", "json"] {
        let mut command = place.command(&["incident", "timeline", &id, "--output", output]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        let (mut bytes, mut most, mut piece) = (0, 0, 0);
        // It cannot run ahead of who reads: what it holds is seen while it still has much to say.
        loop {
            let length = reader.fill_buf().unwrap().len();
            if length == 0 {
                break;
            }
            (bytes, piece) = (bytes + length, piece + 1);
            reader.consume(length);
            if piece % 64 == 0 {
                most = most.max(peak(&child).unwrap_or(0));
            }
        }
        assert!(child.wait().unwrap().success());
        assert!(bytes > 40_000_000, "{output}: {bytes}");
        eprintln!("{output}: {bytes} bytes told, {most} KiB in memory at most");
        assert!(most > 0 && most < 56 * 1024, "{output}: {most} KiB");
    }
    let page = place.expect(0, &["incident", "show", &id]);
    assert!(page.contains("note: last"), "{page}");
}

#[test]
fn a_damaged_run_hides_nothing_of_its_incident() {
    let place = Place::new();
    let book = place.book("first", WRITES);
    place.expect(0, &["run", &book, "-y", "--incident", "new"]);
    let id = place.status()["incident"].as_str().unwrap().to_owned();
    place.expect(0, &["run", &book, "-y", "--incident", &id]);
    let run = place.status()["run"].as_str().unwrap().to_owned();
    let journal = SqliteJournal::file_in(&place.path("state"));
    let connection = rusqlite::Connection::open(journal).unwrap();
    let query = "UPDATE records SET event = '{\"event\":\"nonsense\"}' WHERE run = ?1 AND seq = 4";
    assert_eq!(connection.execute(query, [&run]).unwrap(), 1);
    drop(connection);
    let entries = timeline(&place, &id);
    let damaged: Vec<&Value> = entries.iter().filter(|entry| entry["kind"] == "damaged").collect();
    assert_eq!((damaged.len(), &damaged[0]["run"], &damaged[0]["seq"]), (1, &run.as_str().into(), &4.into()));
    assert!(entries.iter().any(|entry| entry["run"] != run.as_str() && entry["kind"] == "run_ended"));
    assert!(place.expect(0, &["incident", "show", &id]).contains("cannot be relied on"));
}
