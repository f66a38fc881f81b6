//! A run that is followed: its records as they come, behind the last one that was seen, until it ends.

use std::io::{BufRead as _, BufReader};
use std::time::Instant;

use super::*;
use crate::journal::Lease;

/// Somebody who follows.
struct Follower {
    lines: BufReader<TcpStream>,
}

impl Follower {
    fn of(rig: &Rig, run: &RunId, token: &str, last: Option<u64>) -> Self {
        let last = last.map(|last| format!("Last-Event-ID: {last}\r\n")).unwrap_or_default();
        let mut stream = rig.connect();
        let request = format!(
            "GET /v1/runs/{run}/records HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
             Accept: text/event-stream\r\n{last}\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        Self { lines: BufReader::new(stream) }
    }

    /// The next line that says something; nothing once the stream has ended.
    fn line(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            // The last chunk has no bytes.
            if self.lines.read_line(&mut line).ok()? == 0 || line == "0\r\n" {
                return None;
            }
            let line = line.trim_end();
            let says = ["id: ", "data: ", ":", "HTTP/", "content-type: "].iter().any(|begin| line.starts_with(begin));
            if says {
                return Some(line.to_owned());
            }
        }
    }

    /// The ids of so many records.
    fn ids(&mut self, count: usize) -> Vec<String> {
        let lines = std::iter::from_fn(|| self.line());
        lines.filter_map(|line| line.strip_prefix("id: ").map(str::to_owned)).take(count).collect()
    }
}

fn written(rig: &Rig) -> (SqliteJournal, RunId, Lease) {
    let run = new_run_id().unwrap();
    let mut journal = rig.journal();
    let lease = begin(&mut journal, &run);
    (journal, run, lease)
}

#[test]
fn records_come_as_they_are_written_until_the_run_ends() {
    let rig = Rig::new();
    let (mut journal, run, lease) = written(&rig);
    let mut follower = Follower::of(&rig, &run, &rig.admin(), None);
    assert_eq!(follower.line().as_deref(), Some("HTTP/1.1 200 OK"));
    assert_eq!(follower.line().as_deref(), Some("content-type: text/event-stream"));
    assert_eq!(follower.ids(2), ["1", "2"]);
    journal.append(&lease, "runner", Time(2000), vec![note("a\nb")], &[]).unwrap();
    assert_eq!(follower.ids(1), ["3"]);
    let data = follower.line().unwrap();
    let record: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(record["event"], json!({ "event": "note", "message": "a\nb" }), "{record}");
    journal.append(&lease, "runner", Time(3000), vec![ended()], &[]).unwrap();
    assert_eq!(follower.ids(9), ["4"]);
    assert_eq!(follower.line(), None, "it ends with the run");
}

#[test]
fn whoever_comes_again_goes_on_behind_the_last_one() {
    let rig = Rig::new();
    let token = rig.admin();
    let (mut journal, run, lease) = written(&rig);
    let events = (0..100).map(|number| note(&format!("n{number}"))).chain([ended()]).collect();
    journal.append(&lease, "runner", Time(2000), events, &[]).unwrap();
    let all: Vec<String> = (51..=103).map(|number: u64| number.to_string()).collect();
    assert_eq!(Follower::of(&rig, &run, &token, Some(50)).ids(999), all);
    let mut over = Follower::of(&rig, &run, &token, Some(103));
    assert_eq!(over.line().as_deref(), Some("HTTP/1.1 204 No Content"), "nobody is to come again");
    let request = format!(
        "GET /v1/runs/{run}/records HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\
         Accept: text/event-stream\r\nLast-Event-ID: x\r\n\r\n"
    );
    rig.say(&request).problem(400);
    let nothing = request.replace(run.as_str(), "20000101-000000-zzzz").replace("Last-Event-ID: x\r\n", "");
    rig.say(&nothing).problem(404);
}

#[test]
fn a_stream_says_that_it_lives_and_ends_with_its_token() {
    let rig = Rig::with(None, Limits { heartbeat: Duration::from_millis(100), ..quick() });
    let (_journal, run, _lease) = written(&rig);
    let mut follower = Follower::of(&rig, &run, &rig.admin(), Some(2));
    follower.line();
    follower.line();
    assert_eq!(follower.line().as_deref(), Some(": alive"));
    assert!(rig.journal().revoke_token("admin", "ann", WallClock.now()).unwrap());
    let begun = Instant::now();
    while follower.line().is_some() {
        assert!(begun.elapsed() < Duration::from_secs(10), "it is told for ever");
    }
}

#[test]
fn only_so_many_are_followed_at_once() {
    let rig = Rig::with(None, Limits { streams: 2, ..quick() });
    let token = rig.admin();
    let (mut journal, run, lease) = written(&rig);
    let mut held: Vec<Follower> = (0..2).map(|_| Follower::of(&rig, &run, &token, None)).collect();
    held.iter_mut().for_each(|follower| assert_eq!(follower.ids(2).len(), 2));
    assert_eq!(Follower::of(&rig, &run, &token, None).line().as_deref(), Some("HTTP/1.1 503 Service Unavailable"));
    journal.append(&lease, "runner", Time(3000), vec![ended()], &[]).unwrap();
    held.iter_mut().for_each(|follower| assert_eq!(follower.ids(9), ["3"]));
    let begun = Instant::now();
    while Follower::of(&rig, &run, &token, None).line().as_deref() != Some("HTTP/1.1 200 OK") {
        assert!(begun.elapsed() < Duration::from_secs(10), "their places are kept");
    }
}

#[test]
fn a_server_that_ends_says_so_to_whoever_follows_and_closes_what_is_idle() {
    let mut rig = Rig::new();
    let (_journal, run, _lease) = written(&rig);
    let mut follower = Follower::of(&rig, &run, &rig.admin(), None);
    assert_eq!(follower.ids(2).len(), 2);
    let mut idle = rig.connect();
    let begun = Instant::now();
    rig.stop.send_replace(true);
    follower.line();
    assert!(follower.line().is_some_and(|line| line.contains("about to end")));
    assert_eq!(follower.line(), None);
    let _ = idle.read_to_end(&mut Vec::new());
    rig.thread.take().unwrap().join().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert!(TcpStream::connect(rig.address).is_err(), "it is still listened there");
    assert!(!rig.socket.exists());
}
