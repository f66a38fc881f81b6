//! Which server is asked, and what it is told: a token goes where somebody meant, under TLS, and nobody works on another state than
//! they think.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use crate::processes::{Place, said};

fn run(mut command: Command) -> Output {
    command.output().unwrap()
}

/// Somebody who listens and writes down what comes. Ends with the test.
fn listener() -> (String, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let heard: Arc<Mutex<String>> = Arc::default();
    let keep = Arc::clone(&heard);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut buffer = [0; 8192];
            let length = stream.read(&mut buffer).unwrap_or(0);
            keep.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..length]));
            let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    (address, heard)
}

#[test]
fn a_token_is_not_told_to_whatever_an_inventory_in_this_folder_names() {
    let place = Place::new();
    let (address, heard) = listener();
    std::fs::write(place.path("inventory.yaml"), format!("environment: lab\nserver: {address}\n")).unwrap();
    let ask = |words: &[&str]| {
        let mut command = place.bare(words);
        command.env("PLAYBOOK_TOKEN", "pbk_canary");
        run(command)
    };
    assert_ne!(ask(&["list", "--runs"]).status.code(), Some(0));
    let told = heard.lock().unwrap().clone();
    assert!(told.contains("GET /v1/runs") && !told.contains("canary"), "{told}");
    ask(&["list", "--runs", "--inventory", "inventory.yaml"]);
    assert!(heard.lock().unwrap().contains("Bearer pbk_canary"), "somebody named it");
}

#[test]
fn an_inventory_that_cannot_be_read_and_says_something_of_a_server_stops_everything() {
    let place = Place::new();
    std::fs::write(place.path("inventory.yaml"), "environment: lab\nserver: unix:/run/p.sock\nhosts: [\n").unwrap();
    let said = place.expect(65, &["halt", "--reason", "the wrong cluster"]);
    assert!(said.contains("which server owns the state cannot be read there"), "{said}");
    assert!(!place.path("state").exists(), "nothing was halted here");
    place.expect(0, &["halt", "--reason", "this one is meant", "--server", "none"]);
}

#[test]
fn a_journal_that_is_named_is_worked_on_whatever_the_surroundings_say() {
    let place = Place::new();
    let ask = |words: &[&str]| {
        let mut command = place.bare(words);
        command.env("PLAYBOOK_SERVER", "unix:/nowhere/at/all.sock");
        run(command)
    };
    assert_eq!(ask(&["list", "--runs"]).status.code(), Some(74));
    let here = ask(&["list", "--runs", "--journal", "copy.sqlite3"]);
    assert_eq!(here.status.code(), Some(0), "{}", said(&here));
    let wrong = run({
        let mut command = place.bare(&["list", "--runs"]);
        command.env("PLAYBOOK_SERVER", "http://runner.example");
        command
    });
    assert_eq!(wrong.status.code(), Some(64), "{}", said(&wrong));
    assert!(said(&wrong).contains("https alone"), "{}", said(&wrong));
}

const STEP: &str = "  - { id: act, run: \"echo act >> WORLD/log\", rollback: none, because: a line }\n";

#[test]
fn another_playbook_than_the_one_that_was_looked_at_does_not_run() {
    let place = Place::served();
    place.book("act", STEP);
    place.expect(0, &["plan", "act", "-o", "plan.json"]);
    // The same version, and one step more: nothing in the world has changed.
    let more = "  - { id: more, run: \"echo more >> WORLD/log\", rollback: none, because: a line }\n";
    place.book("act", &format!("{STEP}{more}"));
    let said = place.expect(14, &["run", "--plan", "plan.json", "-y"]);
    assert!(said.contains("than the one that was looked at") || said.contains("drifted"), "{said}");
    assert!(place.log().is_empty());
}

/// A certificate for localhost, and the authority that vouches for it, in the place's folder.
fn certified(place: &Place) {
    let script = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj /CN=ca \
         -days 2 && openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out csr.pem \
         -subj /CN=localhost && echo subjectAltName=DNS:localhost > ext && openssl x509 -req -in csr.pem -CA ca.pem \
         -CAkey ca.key -days 2 -extfile ext -out certificate.pem -set_serial 0x$(openssl rand -hex 8)";
    let made = Command::new("sh").args(["-c", script]).current_dir(place.path("")).stderr(Stdio::piped()).output();
    let made = made.unwrap();
    assert!(made.status.success(), "{}", said(&made));
}

#[test]
fn a_server_is_spoken_to_under_tls_with_a_token_by_reference() {
    let place = Place::new();
    certified(&place);
    place.book("act", STEP);
    let tls = "serve: { tls: { certificate: certificate.pem, key: key.pem } }\nplaybooks: [.]\n";
    std::fs::write(place.path("config.yaml"), tls).unwrap();
    let server = place.start(&["serve", "--listen", "127.0.0.1:0", "--socket", "s"]);
    server.wait_for("listens on unix:");
    let told = server.said();
    let address = told.lines().find_map(|line| line.strip_prefix("listens on https://127.0.0.1:")).unwrap().to_owned();
    let port = address.split(|letter: char| !letter.is_ascii_digit()).next().unwrap();
    let token = place.run(&["token", "create", "ops", "--role", "operator", "--expires", "1h"]);
    std::fs::write(place.path("token"), token.stdout).unwrap();
    let client = |certificates: &str| {
        let token = place.path("token");
        let text = format!(
            "server: {{ address: 'https://localhost:{port}', token: 'file:{}'{certificates} }}\n",
            token.display()
        );
        std::fs::write(place.path("client.yaml"), text).unwrap();
        let mut command = place.bare(&["--config", "client.yaml", "run", "act", "-y"]);
        command.env_remove("PLAYBOOK_STATE");
        run(command)
    };
    let strange = client("");
    assert_eq!(strange.status.code(), Some(74), "nobody vouches for it: {}", said(&strange));
    assert!(place.log().is_empty());
    let known = client(", certificates: ca.pem");
    assert_eq!(known.status.code(), Some(0), "{}", said(&known));
    assert_eq!(place.log(), ["act"]);
    let timeline = place.expect(0, &["timeline", "latest"]);
    assert!(timeline.contains("token ops"), "{timeline}");
}
