//! `http.journey` and `load.check` through the binary: what a dry-run really asks, and that nothing which was taken out of an
//! answer is written down anywhere.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

/// A shop: it gives a token, and tells it again to whoever brings it along. Ends with the test.
fn shop() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut buffer = [0; 8192];
            let length = stream.read(&mut buffer).unwrap_or(0);
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let body = "{\"token\": \"canary-7f3a9b2c\", \"total\": 5}";
            let answer = format!(
                "HTTP/1.1 200 OK\r\nset-cookie: sid=canary-cookie-1; Path=/\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes());
            keep.lock().unwrap().push(text);
        }
    });
    (url, asked)
}

fn book(folder: &Path, url: &str, first: &str, expected: u32) {
    let text = format!(
        "name: buy\nversion: 1.0.0\nsteps:\n  - id: buy\n    uses: http.journey\n    rollback: none\n    because: it is a canary's\n    with:\n      \
         url: {url}\n      requests:\n        - {{ name: log in, {first}path: [session], take: {{ token: {{ json: $.token }} }} }}\n        \
         - {{ name: cart, path: [cart], headers: {{ authorization: {{ taken: token, before: 'Bearer ' }} }}, expect: {{ json: {{ $.total: {expected} }}, contains: nothing-of-it }} }}\n"
    );
    // A journey that only reads has nothing to roll back.
    let text =
        if first.is_empty() { text.replace("    rollback: none\n    because: it is a canary's\n", "") } else { text };
    std::fs::write(folder.join("buy.yaml"), text.replace(", contains: nothing-of-it", "")).unwrap();
}

fn run(folder: &Path, words: &[&str]) -> Output {
    std::fs::write(folder.join("config.yaml"), "").unwrap();
    std::fs::write(folder.join("inventory.yaml"), "environment: lab\n").unwrap();
    Command::new(env!("CARGO_BIN_EXE_playbook"))
        .current_dir(folder)
        .args(["run", "./buy.yaml"])
        .args(words)
        .env("PLAYBOOK_CONFIG", folder.join("config.yaml"))
        .env("PLAYBOOK_STATE", folder.join("state"))
        .env("PLAYBOOK_INVENTORY", folder.join("inventory.yaml"))
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("exit {:?}\n{}{}", output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// Every byte that the binary has left behind.
fn left(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            bytes.extend(left(&entry.path()));
        } else {
            bytes.extend(std::fs::read(entry.path()).unwrap_or_default());
        }
    }
    bytes
}

#[test]
fn a_dry_run_makes_a_reading_journey_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (url, asked) = shop();
    book(folder.path(), &url, "", 5);
    let dry = run(folder.path(), &["--dry-run"]);
    assert_eq!(dry.status.code(), Some(0), "{}", said(&dry));
    assert_eq!(asked.lock().unwrap().len(), 2, "it was made: {}", said(&dry));
    book(folder.path(), &url, "", 6);
    let dry = run(folder.path(), &["--dry-run"]);
    assert_eq!(dry.status.code(), Some(1), "{}", said(&dry));
    assert!(said(&dry).contains("(cart, GET /cart): `$.total` is 5, not 6"), "{}", said(&dry));
    asked.lock().unwrap().clear();
    book(folder.path(), &url, "method: POST, ", 5);
    let dry = run(folder.path(), &["--dry-run"]);
    assert_eq!(dry.status.code(), Some(0), "{}", said(&dry));
    assert!(said(&dry).contains("these may change something: log in, POST /session"), "{}", said(&dry));
    assert_eq!(asked.lock().unwrap().len(), 0, "a dry-run must not send a POST: {}", said(&dry));
    let real = run(folder.path(), &["-y"]);
    assert_eq!(real.status.code(), Some(0), "{}", said(&real));
    assert_eq!(asked.lock().unwrap().len(), 2);
}

#[test]
fn what_a_journey_takes_is_written_down_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let (url, asked) = shop();
    for expected in [5, 6] {
        book(folder.path(), &url, "", expected);
        let output = run(folder.path(), &["-y"]);
        assert!(matches!(output.status.code(), Some(0 | 1)), "{}", said(&output));
        assert!(!said(&output).contains("canary-"), "{}", said(&output));
    }
    let asked = asked.lock().unwrap().join("\n").to_lowercase();
    assert!(asked.contains("authorization: bearer canary-7f3a9b2c") && asked.contains("cookie: sid=canary-cookie-1"));
    let left = left(folder.path());
    assert!(left.len() > 10_000, "nothing was looked at");
    for canary in ["canary-7f3a9b2c", "canary-cookie-1"] {
        assert!(!left.windows(canary.len()).any(|bytes| bytes == canary.as_bytes()), "{canary} was written down");
    }
}
