//! Plans that lie in files here and count at a server: how old they may be, and what is sent of them. And what is said where a run
//! is held back there: the command as it was typed here.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::processes::{Place, at_a_terminal, said};

const LOOKS: &str = "  - { id: look, run: cat WORLD/config.yaml, effect: read }\n";
const ACTS: &str = "  - { id: act, run: \"echo act >> WORLD/log; GATE(act)\", rollback: none, because: a line }\n";

/// As a command that was started by somebody else: only its server says where playbooks lie.
fn without_folders(place: &Place, words: &[&str]) -> Output {
    let mut command: Command = place.command(words);
    command.env_remove("PLAYBOOK_PATH").output().unwrap()
}

#[test]
fn a_plan_that_does_not_count_any_more_is_refused_whatever_its_playbook_does() {
    let place = Place::served();
    place.book("looks", LOOKS);
    place.expect(0, &["plan", "looks", "-o", "plan.json"]);
    place.expect(0, &["run", "--plan", "plan.json", "-y"]);
    for words in [&["-y"][..], &["--dry-run"]] {
        let run = [&["run", "--plan", "plan.json"], words].concat();
        let old = place.expect(65, &[&run[..], &["--max-plan-age", "1ms"]].concat());
        assert!(old.contains("is refused: it was made") && old.contains("run --plan FILE --max-plan-age"), "{old}");
    }
    std::fs::write(place.path("inventory.yaml"), "environment: lab\n").unwrap();
    for words in [&["-y"][..], &["--dry-run"]] {
        let other = place.expect(65, &[&["run", "--plan", "plan.json"], words].concat());
        assert!(other.contains("it was made for the environment `none`"), "{other}");
    }
    let list = place.json(&["list", "--runs", "--output", "json"]);
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
}

/// Stands between a client and the server and writes down what the client sends. Ends with the test.
fn between(place: &Place) -> (String, Arc<Mutex<String>>) {
    let socket = place.path("between.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let server = place.path("serve.sock");
    let heard: Arc<Mutex<String>> = Arc::default();
    let keep = Arc::clone(&heard);
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, mut server) = (client.unwrap(), UnixStream::connect(&server).unwrap());
            let (mut back, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut back, &mut to));
            let keep = Arc::clone(&keep);
            std::thread::spawn(move || {
                let mut bytes = [0; 65536];
                while let Ok(count @ 1..) = client.read(&mut bytes) {
                    keep.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
                    server.write_all(&bytes[..count]).unwrap();
                }
            });
        }
    });
    (format!("unix:{}", socket.display()), heard)
}

#[test]
fn a_plan_is_sent_once_and_what_was_looked_at_where_there_is_none() {
    let place = Place::served();
    place.book("acts", &ACTS.replace("; GATE(act)", ""));
    place.expect(0, &["plan", "acts", "-o", "plan.json"]);
    let (address, heard) = between(&place);
    let sent = |words: &[&str]| {
        heard.lock().unwrap().clear();
        let mut command = place.command(words);
        command.env("PLAYBOOK_SERVER", &address);
        let (code, said) = at_a_terminal(command, "y");
        assert_eq!(code, Some(0), "{said}");
        heard.lock().unwrap().clone()
    };
    let by_plan = sent(&["run", "--plan", "plan.json"]);
    assert!(by_plan.contains("\"plan\":\"{") && !by_plan.contains("\"looked_at\""), "{by_plan}");
    let by_look = sent(&["run", "acts"]);
    assert!(by_look.contains("\"looked_at\":\"{") && !by_look.contains("\"plan\":\"{"), "{by_look}");
}

#[test]
fn how_old_a_plan_may_become_is_written_into_its_file_as_it_was_said() {
    let place = Place::served();
    place.book("looks", LOOKS);
    std::fs::write(place.path("config.yaml"), "max_plan_age_seconds: 1800\n").unwrap();
    let age = |words: &[&str]| {
        place.expect(0, &[&["plan", "looks", "-o", "plan.json"], words].concat());
        let file: Value = serde_json::from_str(&place.read("plan.json")).unwrap();
        file["max_age_seconds"].clone()
    };
    assert_eq!(age(&["--max-plan-age", "10m"]), json!(600.0));
    assert_eq!(age(&[]), json!(1800.0));
}

#[test]
fn what_a_run_needs_is_said_as_the_command_that_was_typed() {
    let place = Place::served();
    place.book_with("acts", "locks: [database/orders]", &ACTS.replace("; GATE(act)", ""));
    let freeze = "freeze: [{ name: sale, from: 2020-01-01T00:00:00Z, to: 2099-01-01T00:00:00Z, because: the sale }]\n\
                  limits: [{ playbook: acts, runs: 1, per: 1h }]\n";
    std::fs::write(place.path("config.yaml"), freeze).unwrap();
    std::fs::write(place.path("inventory.yaml"), "environment: lab\n").unwrap();
    let passed = ["--override", "freeze", "--reason", "it burns"];
    let frozen = place.expect(77, &["run", "acts", "-y", "--forks", "2"]);
    assert!(frozen.contains("playbook run acts -y --forks 2 --override freeze --reason \"…\""), "{frozen}");
    assert!(!frozen.contains("with the same inputs"), "the server's own words: {frozen}");
    place.expect(3, &[&["run", "acts", "-y"], &passed[..]].concat());
    let often = place.expect(77, &[&["run", "acts", "-y"], &passed[..]].concat());
    let command = "playbook run acts -y --override freeze --reason 'it burns' --override run-limit";
    assert!(often.contains(command), "{often}");
    std::fs::write(place.path("inventory.yaml"), "environment: production\n").unwrap();
    let both = place.expect(77, &["run", "acts", "-y"]);
    assert!(both.contains("playbook run acts --confirm acts --override freeze --reason \"…\""), "{both}");
    assert!(both.contains("the playbook's name once more (`confirm`)"), "{both}");
}

#[test]
fn whoever_waits_for_a_lock_is_told_once_and_asks_who_has_it_only_in_the_end() {
    let place = Place::served();
    place.book_with("acts", "locks: [database/orders]", ACTS);
    let mut first = place.start(&["run", "acts", "-y"]);
    place.wait_at("act");
    let late = place.expect(13, &["run", "acts", "-y", "--wait", "2s"]);
    assert_eq!(late.matches("waits: database/orders is held by run ").count(), 1, "{late}");
    assert!(late.contains("playbook watch ") && late.contains("playbook cancel "), "{late}");
    let metrics = metrics(&place);
    let asked = "playbook_http_requests_total{route=\"/v1/locks\",method=\"GET\",status=\"200\"} 1\n";
    assert!(metrics.contains(asked), "{metrics}");
    let at_once = place.expect(13, &["run", "acts", "-y"]);
    assert!(at_once.contains("--wait 2m") && at_once.contains("playbook watch "), "{at_once}");
    place.open("act");
    first.expect(0);
}

fn metrics(place: &Place) -> String {
    let mut stream = UnixStream::connect(place.path("serve.sock")).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn the_versions_of_a_playbook_are_those_that_the_server_has() {
    let place = Place::served();
    place.book("looks", LOOKS);
    let shown = without_folders(&place, &["show", "looks", "--versions"]);
    assert_eq!(shown.status.code(), Some(0), "{}", said(&shown));
    assert!(said(&shown).contains("1.0.0  A test") && !said(&shown).contains(".yaml"), "{}", said(&shown));
    let other = without_folders(&place, &["show", "look", "--versions"]);
    assert_eq!(other.status.code(), Some(66), "{}", said(&other));
    assert!(said(&other).contains("in the server at unix:") && said(&other).contains("looks"), "{}", said(&other));
    // A version is never read as another part of the address.
    for words in [&["show", "looks@1.0.0#x"][..], &["run", "looks@1.0.0#x", "-y"]] {
        let output = without_folders(&place, words);
        assert_eq!(output.status.code(), Some(64), "{}", said(&output));
    }
}
